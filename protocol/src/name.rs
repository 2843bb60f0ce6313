//! Names that people choose and other people see: bounded, and free of characters that could
//! pretend to be something else on a screen.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::WireError;

/// A name for people to read (of a device, a machine, an agent): 1 to 64 bytes of UTF-8 without
/// control, bidirectional, line-breaking or invisible characters, and without spaces at its ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The greatest length, in bytes.
    pub const MAX: usize = 64;
}

impl FromStr for Name {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        bounded(text, "name", Self::MAX)?;
        if text.trim() != text {
            return Err(WireError::invalid("name", "it begins or ends with a space"));
        }
        if text.chars().any(is_deceptive) {
            return Err(WireError::invalid("name", "it has control or invisible characters"));
        }
        if text.chars().all(is_joiner) {
            return Err(WireError::invalid("name", "nothing of it can be seen"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A machine's friendly name, also its subdomain: one DNS label (RFC 1035, RFC 5891 without
/// punycode) of 1 to 25 characters. A 26-character label is a machine id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Alias(String);

impl Alias {
    /// The greatest length, in bytes; one less than a machine id has.
    pub const MAX: usize = 25;
}

impl FromStr for Alias {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        bounded(text, "alias", Self::MAX)?;
        if !is_label(text) || text.starts_with("xn--") {
            return Err(WireError::invalid(
                "alias",
                "it is not lower-case letters, digits and inner hyphens",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A relay's domain: lower-case DNS name without port and without final dot, 1 to 253 bytes, or
/// an IP address as text (IPv6 without brackets).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct HostName(String);

impl HostName {
    /// The greatest length, in bytes.
    pub const MAX: usize = 253;
}

impl FromStr for HostName {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        bounded(text, "host name", Self::MAX)?;
        let is_address = text.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_string() == text);
        let is_domain = text.split('.').all(|label| label.len() <= 63 && is_label(label))
            && !ends_in_a_number(text);
        if !(is_address || is_domain) {
            return Err(WireError::invalid("host name", "it is not a lower-case DNS name"));
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! text {
    ($($type:ident),*) => {$(
        impl $type {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

text!(Name, Alias, HostName);

fn bounded(text: &str, what: &'static str, limit: usize) -> Result<(), WireError> {
    match text.len() {
        0 => Err(WireError::invalid(what, "it is empty")),
        length if length > limit => Err(WireError::TooLong { what, length, limit }),
        _ => Ok(()),
    }
}

/// What a URL parser takes for an IPv4 address, valid or not (WHATWG URL, "ends in a number").
fn ends_in_a_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    let digits = last.strip_prefix("0x").filter(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    digits.is_some() || last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Characters that change how a line is shown without being seen: C0 and C1 controls, line and
/// paragraph separators, bidirectional controls (UAX #9), zero-width spaces and other
/// default-ignorable format characters, and the noncharacters at the end of the planes. Joiners
/// and emoji presentation selectors stay: names in many scripts need them.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00ad | 0x034f | 0x061c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
            | 0x200b | 0x200e..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfe00..=0xfe0d
            | 0xfeff | 0xffa0 | 0xfff0..=0xfffc | 0x13430..=0x1345f | 0x16fe4 | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
            | 0xe0000..=0xe0fff)
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Characters that only change how their neighbours are shown.
fn is_joiner(c: char) -> bool {
    matches!(u32::from(c), 0x200c | 0x200d | 0xfe0e | 0xfe0f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hostile_name_cannot_reach_a_screen() {
        for bad in [
            "",
            " ada",
            "ada ",
            "a\u{1b}[31m",
            "a\nb",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{200d}",
            "\u{200c}\u{fe0f}",
            "\u{2800}",
            "\u{feff}ada",
            "a\u{2066}b",
            "a\u{7f}",
            "a\u{85}b",
            "a\u{e0041}",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?} was accepted");
        }
        for good in
            ["ada", "Ada's laptop", "büro", "می\u{200c}خواهم", "❤\u{fe0f}", "机器", "a<b>&amp;"]
        {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        assert!("x".repeat(64).parse::<Name>().is_ok());
        assert!("x".repeat(65).parse::<Name>().is_err());
    }

    #[test]
    fn an_alias_is_a_dns_label_that_no_machine_id_can_be() {
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "xn--mnchen-3ya", "ä", &"a".repeat(26)] {
            assert!(bad.parse::<Alias>().is_err(), "{bad:?} was accepted");
        }
        for good in ["a", "closet-server", "pi4"] {
            assert!(good.parse::<Alias>().is_ok());
        }
    }

    #[test]
    fn a_relay_host_is_written_in_one_way_only() {
        for bad in
            ["", "Relay.example", "relay.example.", "a..b", "a:8443", "[::1]", "0:0::1", "a/b"]
        {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?} was accepted");
        }
        for good in ["localhost", "relay.example", "127.0.0.1", "::1"] {
            assert!(good.parse::<HostName>().is_ok(), "{good:?} was refused");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_an_error(text in any::<String>()) {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert!(name.as_str().len() <= Name::MAX);
                prop_assert!(!name.as_str().chars().any(char::is_control));
            }
            let _ = text.parse::<Alias>();
            let _ = text.parse::<HostName>();
        }
    }
}
