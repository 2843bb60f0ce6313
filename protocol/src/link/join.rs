//! All that a node needs to join a relay, in one piece of text: where the relay is, how it is
//! recognised, and the token that admits the machine.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::EnrolmentToken;
use crate::{RelayAddress, WireError};

const WHAT: &str = "join link";
const SCHEME: &str = "gantline://";

/// `gantline://host[:port][~pin]/token`, the relay as [`RelayAddress`] writes it. Every byte other
/// than `A-Z a-z 0-9 . _ ~ : / @ -` is written as `%` and two upper-case hexadecimal digits, so the
/// text survives a shell without quotes. There is one text for each link. The text is a secret
/// as long as the token is good for anything; the `Debug` form hides the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinLink {
    /// Where the relay is, and by which key it is recognised.
    pub relay: RelayAddress,
    /// Admits the machine.
    pub token: EnrolmentToken,
}

impl JoinLink {
    /// The greatest length of the text, in bytes.
    pub const MAX: usize =
        SCHEME.len() + RelayAddress::MAX + BRACKETS + "/".len() + ESCAPE * EnrolmentToken::MAX;
}

/// `%` and two digits.
const ESCAPE: usize = 3;
/// What it adds to an IPv6 address that its two brackets are escaped.
const BRACKETS: usize = 2 * (ESCAPE - 1);

impl fmt::Display for JoinLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        escape(&self.relay.to_string(), f)?;
        f.write_str("/")?;
        escape(self.token.reveal(), f)
    }
}

impl FromStr for JoinLink {
    type Err = WireError;

    /// Only the canonical form is accepted.
    fn from_str(text: &str) -> Result<Self, WireError> {
        if text.len() > Self::MAX {
            return Err(WireError::TooLong { what: WHAT, length: text.len(), limit: Self::MAX });
        }
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or(WireError::invalid(WHAT, "it does not begin with gantline://"))?;
        let (relay, token) =
            rest.split_once('/').ok_or(WireError::invalid(WHAT, "it has no token"))?;
        let link = Self { relay: unescape(relay)?.parse()?, token: unescape(token)?.parse()? };
        if link.to_string() != text {
            return Err(WireError::invalid(WHAT, "it is not gantline://host[:port][~pin]/token"));
        }
        Ok(link)
    }
}

impl Serialize for JoinLink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JoinLink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.bytes().try_for_each(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => write!(f, "{}", char::from(byte)),
        b'.' | b'_' | b'~' | b':' | b'/' | b'@' | b'-' => write!(f, "{}", char::from(byte)),
        _ => write!(f, "%{byte:02X}"),
    })
}

/// Takes more than [`escape`] writes; the caller compares.
fn unescape(text: &str) -> Result<String, WireError> {
    const BROKEN: WireError = WireError::invalid(WHAT, "a % is not followed by the code of a byte");
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(BROKEN)?;
        let byte = u8::from_str_radix(digits, 16).map_err(|_| BROKEN)?;
        out.push(char::from(byte));
        out.push_str(rest);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{HostName, SpkiPin};

    #[test]
    fn a_link_that_was_handed_out_keeps_working() {
        let pin = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let text = format!("gantline://localhost:8443~{pin}/tok-1");
        let link: JoinLink = text.parse().unwrap();
        assert_eq!(link.relay.to_string(), format!("localhost:8443~{pin}"));
        assert_eq!(link.token.reveal(), "tok-1");
        assert_eq!(link.to_string(), text);
        for good in
            ["gantline://relay.example/t", "gantline://%5B::1%5D:8443/t", "gantline://a/%25"]
        {
            assert_eq!(good.parse::<JoinLink>().unwrap().to_string(), good);
        }
    }

    #[test]
    fn a_damaged_link_is_refused() {
        for bad in [
            "",
            "gantline://",
            "gantline://a",
            "gantline://a/",
            "gantline:///t",
            "gantline://A/t",
            "GANTLINE://a/t",
            "https://a/t",
            "gantline://a/t\n",
            "gantline://a/t t",
            "gantline://a:443/t",
            "gantline://[::1]/t",
            "gantline://%5b::1%5d/t",
            "gantline://a/%",
            "gantline://a/%4",
            "gantline://a/%41",
            "gantline://a/%zz",
            "gantline://a/%+1",
            "gantline://a/%\u{e4}",
            "gantline://a/%E4",
            &format!("gantline://a/{}", "x".repeat(129)),
            &"x".repeat(2000),
        ] {
            assert!(bad.parse::<JoinLink>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn the_token_of_a_link_never_reaches_a_log() {
        let link: JoinLink = "gantline://localhost/tok-secret".parse().unwrap();
        let shown = format!("{link:?} {link:#?}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    fn host() -> impl Strategy<Value = HostName> {
        prop_oneof![
            "[a-z]{1,20}(\\.[a-z]{1,20}){0,3}".prop_map(|name| name.parse().unwrap()),
            any::<std::net::IpAddr>().prop_map(|address| address.to_string().parse().unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn a_link_reads_back_and_needs_no_quotes(
            host in host(),
            port: std::num::NonZeroU16,
            pin: Option<[u8; 32]>,
            token in "[!-~]{1,128}",
        ) {
            let relay = RelayAddress { host, port, pin: pin.map(SpkiPin) };
            let link = JoinLink { relay, token: token.parse().unwrap() };
            let text = link.to_string();
            prop_assert!(text.len() <= JoinLink::MAX);
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._~:/@-%".contains(c);
            prop_assert!(text.chars().all(is_plain), "{}", text);
            prop_assert_eq!(text.parse(), Ok(link));
        }

        #[test]
        fn any_text_is_a_link_or_an_error(text in any::<String>(), tail in "[ -~]{0,40}") {
            let _ = text.parse::<JoinLink>();
            let _ = format!("gantline://{tail}").parse::<JoinLink>();
        }
    }
}
