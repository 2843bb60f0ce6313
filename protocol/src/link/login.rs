//! The JSON bodies of a login: what a node asks for and what the relay answers.

use serde::{Deserialize, Serialize};

use super::{EnrolmentToken, MAX_MESSAGE, token::visible_ascii};
use crate::{Alias, HostName, MachineId, WireError, name, wire};

/// The greatest length of a body, in bytes: a message less its type byte.
pub(super) const MAX_BODY: usize = MAX_MESSAGE - 1;
const MAX_VERSION: usize = 64;
const MAX_CAPABILITIES: usize = 32;
const MAX_CAPABILITY: usize = 32;
const MAX_NOTICE: usize = 256;

/// A node asks to be admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Admits a machine that the relay doesn't know yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<EnrolmentToken>,
    /// The friendly name that the machine would like to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<Alias>,
    /// The node's software version: 1 to 64 visible ASCII characters.
    pub version: String,
    /// What the node can do beyond version 1 of the protocol: at most 32 words, each 1 to 32
    /// characters of `a-z`, `0-9` and `-`. Words that the relay doesn't know are ignored.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// The relay admits the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// The id that the relay derived from the node's key; a node whose own differs ends the link.
    pub machine: MachineId,
    /// The domain below which the machine is reachable.
    pub host: HostName,
    /// The friendly name that the machine has at this relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<Alias>,
    /// The relay's software version: 1 to 64 visible ASCII characters.
    pub version: String,
}

/// The relay does not admit the node, and ends the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Denied {
    /// What a program can act on.
    pub reason: DenialReason,
    /// What people are shown: at most 256 characters without line breaks, control or
    /// bidirectional characters; may be empty.
    pub message: String,
    /// Don't try again within this many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u32>,
}

/// Why a node was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DenialReason {
    /// The relay doesn't know this machine, and the login has no token.
    TokenRequired,
    /// No such token.
    TokenUnknown,
    /// The token is past its date.
    TokenExpired,
    /// The token has admitted as many machines as it may.
    TokenUsed,
    /// The account has as many machines as it may.
    Quota,
    /// Too many logins at the moment.
    Rate,
    /// The relay does not serve the host in the hello.
    HostUnknown,
    /// Another machine has this alias.
    AliasTaken,
    /// The relay doesn't serve nodes of this version.
    Version,
    /// The relay can't decide now; its database may be away.
    Unavailable,
    /// A reason that a later version gave a name; written as `other`.
    #[serde(other)]
    Other,
}

impl Login {
    pub(super) fn decode(body: &[u8]) -> Result<Self, WireError> {
        let login: Self = wire::json(body, "LOGIN", MAX_BODY)?;
        login.validate()?;
        Ok(login)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.validate()?;
        wire::to_json(self, "LOGIN", MAX_BODY)
    }

    fn validate(&self) -> Result<(), WireError> {
        visible_ascii(&self.version, "version in LOGIN", MAX_VERSION)?;
        let (what, length) = ("capabilities in LOGIN", self.capabilities.len());
        if length > MAX_CAPABILITIES {
            return Err(WireError::TooLong { what, length, limit: MAX_CAPABILITIES });
        }
        let is_word = |word: &String| {
            (1..=MAX_CAPABILITY).contains(&word.len())
                && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        if !self.capabilities.iter().all(is_word) {
            return Err(WireError::invalid(what, "one is not 1 to 32 of a-z, 0-9 and -"));
        }
        Ok(())
    }
}

impl Welcome {
    pub(super) fn decode(body: &[u8]) -> Result<Self, WireError> {
        let welcome: Self = wire::json(body, "WELCOME", MAX_BODY)?;
        welcome.validate()?;
        Ok(welcome)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.validate()?;
        wire::to_json(self, "WELCOME", MAX_BODY)
    }

    fn validate(&self) -> Result<(), WireError> {
        visible_ascii(&self.version, "version in WELCOME", MAX_VERSION)
    }
}

impl Denied {
    pub(super) fn decode(body: &[u8]) -> Result<Self, WireError> {
        let denied: Self = wire::json(body, "DENIED", MAX_BODY)?;
        denied.validate()?;
        Ok(denied)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.validate()?;
        wire::to_json(self, "DENIED", MAX_BODY)
    }

    fn validate(&self) -> Result<(), WireError> {
        let (what, length) = ("message in DENIED", self.message.chars().count());
        if length > MAX_NOTICE {
            return Err(WireError::TooLong { what, length, limit: MAX_NOTICE });
        }
        if self.message.chars().any(name::is_deceptive) {
            return Err(WireError::invalid(what, "it has control or invisible characters"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            token: Some("tok-secret-1".parse().unwrap()),
            alias: Some("pi4".parse().unwrap()),
            version: "0.1.0".to_owned(),
            capabilities: vec!["udp".to_owned()],
        }
    }

    #[test]
    fn a_login_out_of_bounds_is_refused_by_both_ends() {
        let many = |count: usize, word: &str| vec![word.to_owned(); count];
        let bad = [
            Login { version: String::new(), ..login() },
            Login { version: "x".repeat(65), ..login() },
            Login { version: "0.1 \u{1b}[2J".to_owned(), ..login() },
            Login { capabilities: many(33, "udp"), ..login() },
            Login { capabilities: many(1, ""), ..login() },
            Login { capabilities: many(1, &"x".repeat(33)), ..login() },
            Login { capabilities: many(1, "UDP"), ..login() },
        ];
        for login in bad {
            assert!(login.encode().is_err(), "{login:?} was sent");
            assert!(Login::decode(&serde_json::to_vec(&login).unwrap()).is_err());
        }
        let greatest = Login {
            token: Some("\"".repeat(128).parse().unwrap()),
            alias: Some("a".repeat(25).parse().unwrap()),
            version: "\\".repeat(64),
            capabilities: many(32, &"x".repeat(32)),
        };
        assert_eq!(Login::decode(&greatest.encode().unwrap()), Ok(greatest));
    }

    #[test]
    fn an_old_node_understands_a_reason_from_the_future() {
        let body = br#"{"reason":"moon-phase","message":"later","retryAfterMs":5,"new":[1]}"#;
        let denied = Denied::decode(body).unwrap();
        assert_eq!(denied.reason, DenialReason::Other);
        assert_eq!((denied.message.as_str(), denied.retry_after_ms), ("later", Some(5)));
    }

    #[test]
    fn every_reason_keeps_its_name() {
        let names = [
            "token-required",
            "token-unknown",
            "token-expired",
            "token-used",
            "quota",
            "rate",
            "host-unknown",
            "alias-taken",
            "version",
            "unavailable",
            "other",
        ];
        for name in names {
            let json = format!("\"{name}\"");
            let reason: DenialReason = serde_json::from_str(&json).unwrap();
            assert_eq!(reason == DenialReason::Other, name == "other");
            assert_eq!(serde_json::to_string(&reason).unwrap(), json);
        }
    }

    #[test]
    fn a_relay_cannot_draw_on_the_screen_of_a_node() {
        let denied = |message: &str| Denied {
            reason: DenialReason::Rate,
            message: message.to_owned(),
            retry_after_ms: None,
        };
        for bad in ["\u{1b}[2J", "a\nb", "a\u{85}b", "a\u{202e}b", "a\u{2066}b", &"x".repeat(257)] {
            assert!(denied(bad).encode().is_err(), "{bad:?} was sent");
            assert!(Denied::decode(&serde_json::to_vec(&denied(bad)).unwrap()).is_err());
        }
        for good in [String::new(), "Später noch einmal.".to_owned(), "机".repeat(256)] {
            assert_eq!(Denied::decode(&denied(&good).encode().unwrap()), Ok(denied(&good)));
        }
    }
}
