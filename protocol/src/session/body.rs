//! The JSON bodies of HELLO, OPEN and HEAD, with their bounds.

use serde::{Deserialize, Serialize};

use crate::{WireError, wire};

/// What each side can speak; its first frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The lowest version spoken.
    pub min: u32,
    /// The highest version spoken.
    pub max: u32,
    /// Optional features: at most 32, each 1 to 32 characters of `a-z`, `0-9` and `-`.
    #[serde(default)]
    pub features: Vec<String>,
}

impl Hello {
    /// The greatest length, in bytes.
    pub const MAX: usize = 2048;

    /// The HELLO of this version without optional features.
    #[must_use]
    pub const fn current() -> Self {
        let version = crate::PROTOCOL_VERSION as u32;
        Self { min: version, max: version, features: Vec::new() }
    }

    /// The highest version that both speak; `None` when there is none.
    #[must_use]
    pub fn common_version(&self, other: &Self) -> Option<u32> {
        let version = self.max.min(other.max);
        (version >= self.min.max(other.min)).then_some(version)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let hello: Self = wire::json(bytes, "HELLO", Self::MAX)?;
        hello.validate()?;
        Ok(hello)
    }

    fn validate(&self) -> Result<(), WireError> {
        if self.min > self.max {
            return Err(WireError::invalid("HELLO", "its lowest version is above its highest"));
        }
        let is_feature = |feature: &String| {
            (1..=32).contains(&feature.len())
                && feature.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        if self.features.len() > 32 || !self.features.iter().all(is_feature) {
            return Err(WireError::invalid("HELLO", "its features are too many or misspelt"));
        }
        Ok(())
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.validate()?;
        wire::to_json(self, "HELLO", Self::MAX)
    }
}

/// Header fields in order, names in lower case.
pub type Headers = Vec<(String, String)>;

/// Opens a stream: a request line and header fields, `{"m","p","h"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The method: 1 to 16 upper-case letters.
    #[serde(rename = "m")]
    pub method: String,
    /// Path and query: begins with `/`, at most 4,096 visible ASCII characters, no `#`.
    #[serde(rename = "p")]
    pub path: String,
    /// Header fields, at most 64.
    #[serde(rename = "h", default)]
    pub headers: Headers,
}

/// Answers a stream: status and header fields, `{"s","h"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The status code, 200 to 599 (RFC 9110 section 15).
    #[serde(rename = "s")]
    pub status: u16,
    /// Header fields, at most 64.
    #[serde(rename = "h", default)]
    pub headers: Headers,
}

/// The greatest length of OPEN and HEAD, in bytes.
pub const MAX_HEAD: usize = 8192;
const MAX_HEADERS: usize = 64;
const MAX_PATH: usize = 4096;

impl Open {
    /// Reads an OPEN. Header fields that speak about a hop or claim an identity are dropped here,
    /// before anything can act on them.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut open: Self = wire::json(bytes, "OPEN", MAX_HEAD)?;
        open.validate()?;
        open.headers.retain(|(name, _)| !is_about_hop(name) && !is_about_identity(name));
        Ok(open)
    }

    fn validate(&self) -> Result<(), WireError> {
        if !(1..=16).contains(&self.method.len())
            || !self.method.bytes().all(|b| b.is_ascii_uppercase())
        {
            return Err(WireError::invalid("OPEN", "its method is not 1 to 16 letters"));
        }
        if self.path.len() > MAX_PATH
            || !self.path.starts_with('/')
            || !self.path.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
        {
            return Err(WireError::invalid("OPEN", "its path is not an absolute path of ASCII"));
        }
        validate_headers(&self.headers, "OPEN")
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.validate()?;
        wire::to_json(self, "OPEN", MAX_HEAD)
    }
}

impl Head {
    /// Reads a HEAD. Fields that speak about a hop, or that would let one machine act upon the
    /// origin from which all are reached, are dropped here.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut head: Self = wire::json(bytes, "HEAD", MAX_HEAD)?;
        head.validate()?;
        head.headers.retain(|(name, _)| !is_about_hop(name) && !is_about_origin(name));
        Ok(head)
    }

    fn validate(&self) -> Result<(), WireError> {
        if !(200..=599).contains(&self.status) {
            return Err(WireError::invalid("HEAD", "its status is not within 200 and 599"));
        }
        validate_headers(&self.headers, "HEAD")
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.validate()?;
        wire::to_json(self, "HEAD", MAX_HEAD)
    }
}

fn validate_headers(headers: &Headers, what: &'static str) -> Result<(), WireError> {
    if headers.len() > MAX_HEADERS {
        return Err(WireError::TooLong { what, length: headers.len(), limit: MAX_HEADERS });
    }
    for (name, value) in headers {
        if !(1..=128).contains(&name.len()) || !name.bytes().all(is_lower_token) {
            return Err(WireError::invalid(what, "a header name is not a lower-case token"));
        }
        if !value.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')) {
            return Err(WireError::invalid(what, "a header value is not visible ASCII"));
        }
    }
    Ok(())
}

/// RFC 9110 section 5.6.2, without upper-case letters.
fn is_lower_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*'
        | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Fields about one hop (RFC 9110 section 7.6.1).
fn is_about_hop(name: &str) -> bool {
    matches!(
        name,
        "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" | "via"
    ) || name.starts_with("proxy-")
}

/// Fields by which a request could claim to be somebody else than the device whose session
/// carries it.
fn is_about_identity(name: &str) -> bool {
    matches!(name, "authorization" | "cookie" | "forwarded" | "host" | "x-real-ip")
        || name.starts_with("x-forwarded-")
}

/// Fields by which an answer changes how a browser treats a whole origin.
fn is_about_origin(name: &str) -> bool {
    matches!(name, "alt-svc" | "clear-site-data" | "set-cookie" | "strict-transport-security")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(json: &str) -> Result<Open, WireError> {
        Open::decode(json.as_bytes())
    }

    #[test]
    fn a_request_cannot_smuggle_a_line_or_claim_an_identity() {
        for bad in [
            r#"{"m":"GET","p":"/v1\r\nX: y","h":[]}"#,
            r#"{"m":"GET","p":"/","h":[["a","b\r\nc: d"]]}"#,
            r#"{"m":"GET","p":"/","h":[["a","b\u0000"]]}"#,
            r#"{"m":"GET","p":"/","h":[["A","b"]]}"#,
            r#"{"m":"GET","p":"/","h":[["a b","c"]]}"#,
            r#"{"m":"GET","p":"v1","h":[]}"#,
            r#"{"m":"GET","p":"http://elsewhere/","h":[]}"#,
            r#"{"m":"get","p":"/","h":[]}"#,
            r#"{"m":"","p":"/","h":[]}"#,
            r#"{"m":"GET","m":"PUT","p":"/"}"#,
            r#"{"m":"GET","p":"/"} {}"#,
        ] {
            assert!(open(bad).is_err(), "{bad} was accepted");
        }
        let kept = open(
            r#"{"m":"GET","p":"/v1/agents?x=1","h":[["accept","*/*"],["authorization","me"],
               ["cookie","a=b"],["x-forwarded-for","1"],["proxy-x","1"],["upgrade","h2c"]],"z":1}"#,
        )
        .unwrap();
        assert_eq!(kept.headers, [("accept".to_owned(), "*/*".to_owned())]);
        assert!(open(r#"["GET","/",[]]"#).is_err(), "an array is not an object");
    }

    #[test]
    fn an_answer_cannot_touch_the_origin_that_it_shares_with_other_machines() {
        let head = Head::decode(
            br#"{"s":200,"h":[["set-cookie","a=b"],["etag","x"],["clear-site-data","*"],
                ["connection","close"]]}"#,
        );
        assert_eq!(head.unwrap().headers, [("etag".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn what_cannot_be_read_cannot_be_sent_either() {
        let mut open = Open {
            method: "GET".into(),
            path: "/".into(),
            headers: vec![("a".into(), "\n".into())],
        };
        assert!(open.encode().is_err());
        open.headers = vec![("a".into(), "x".repeat(MAX_HEAD))];
        assert!(matches!(open.encode(), Err(WireError::TooLong { .. })));
        assert!(Head { status: 101, headers: vec![] }.encode().is_err());
    }

    #[test]
    fn peers_meet_at_the_highest_common_version() {
        let hello = |min, max| Hello { min, max, features: vec![] };
        assert_eq!(hello(1, 3).common_version(&hello(2, 5)), Some(3));
        assert_eq!(hello(1, 1).common_version(&hello(2, 5)), None);
        assert_eq!(Hello::decode(br#"{"min":1,"max":1}"#), Ok(Hello::current()));
        assert!(Hello::decode(br#"{"min":2,"max":1}"#).is_err());
    }
}
