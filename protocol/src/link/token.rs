//! The secret by which a relay admits a machine that it doesn't know yet.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::WireError;

/// Admits machines to a relay: 1 to 128 visible ASCII characters. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EnrolmentToken(String);

impl EnrolmentToken {
    /// The greatest length, in bytes.
    pub const MAX: usize = 128;

    /// The token itself: a secret, for the wire and for hashing only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnrolmentToken {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        visible_ascii(text, "enrolment token", Self::MAX)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentToken(hidden)")
    }
}

impl<'de> Deserialize<'de> for EnrolmentToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Asserts that `text` is 1 to `limit` visible ASCII characters.
pub(super) fn visible_ascii(text: &str, what: &'static str, limit: usize) -> Result<(), WireError> {
    match text.len() {
        0 => Err(WireError::invalid(what, "it is empty")),
        length if length > limit => Err(WireError::TooLong { what, length, limit }),
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(WireError::invalid(what, "it is not visible ASCII"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{LinkMessage, Login};

    #[test]
    fn a_token_never_reaches_a_log() {
        let token: EnrolmentToken = "tok-secret-1".parse().unwrap();
        assert_eq!(token.reveal(), "tok-secret-1");
        let login = LinkMessage::Login(Login {
            token: Some(token),
            alias: None,
            version: "0.1.0".to_owned(),
            capabilities: vec![],
        });
        let shown = format!("{login:?} {login:#?}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_token_that_could_break_a_line_or_a_header_is_refused() {
        for bad in ["", "a b", "\u{e4}", "a\n", &"x".repeat(129)] {
            assert!(bad.parse::<EnrolmentToken>().is_err(), "{bad:?} was accepted");
            let json = serde_json::to_string(bad).unwrap();
            assert!(serde_json::from_str::<EnrolmentToken>(&json).is_err());
        }
        assert!("x".repeat(128).parse::<EnrolmentToken>().is_ok());
    }
}
