//! One command, run to its end while its output streams: `POST /v1/exec`.

use std::num::NonZeroU32;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use super::{Command, ExitStatus};
use crate::{AgentId, WireError, time::Timestamp};

/// Asks for one command to be run without a terminal and without standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecRequest {
    /// What to run; its members stand beside the others.
    #[serde(flatten)]
    pub command: Command,
    /// After how many milliseconds it is stopped, from 1; never if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1))]
    pub timeout_ms: Option<NonZeroU32>,
}

/// One line of the answer, which is newline-delimited JSON: one `start`, any number of `out` and
/// `err`, one `exit`. An answer that ends without `exit` broke off; the command may still run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum ExecEvent {
    /// The process was started.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Start {
        /// The agent that the command became.
        agent_id: AgentId,
        /// When.
        at: Timestamp,
    },
    /// Bytes of standard output.
    Out(ExecBytes),
    /// Bytes of standard error.
    Err(ExecBytes),
    /// The process ended; nothing follows.
    Exit {
        /// When.
        at: Timestamp,
        /// How. Left out when nobody saw it: that is never a success.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<ExitStatus>,
    },
    /// A line of a kind that a later version gave a name; to be skipped.
    #[serde(other)]
    Other,
}

impl ExecEvent {
    /// The content type of the answer.
    pub const CONTENT_TYPE: &str = "application/x-ndjson";
    /// The greatest length of a line without its end, in bytes. Who reads lines needs no more.
    pub const MAX_LINE: usize = 512 * 1024;
}

/// At most 65,536 bytes of output: `{"text":"…"}` when they are UTF-8, else `{"base64":"…"}`
/// (RFC 4648 section 4, with padding). Who cuts output into pieces does so between characters, so
/// that text stays text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct ExecBytes(Vec<u8>);

impl ExecBytes {
    /// The greatest number of bytes.
    pub const MAX: usize = 65_536;

    /// The bytes, as the process wrote them.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, as the process wrote them.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl TryFrom<Vec<u8>> for ExecBytes {
    type Error = WireError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, WireError> {
        match bytes.len() {
            length if length > Self::MAX => {
                Err(WireError::TooLong { what: "output", length, limit: Self::MAX })
            }
            _ => Ok(Self(bytes)),
        }
    }
}

impl Serialize for ExecBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_struct("ExecBytes", 1)?;
        match std::str::from_utf8(&self.0) {
            Ok(text) => written.serialize_field("text", text)?,
            Err(_) => written.serialize_field("base64", &BASE64.encode(&self.0))?,
        }
        written.end()
    }
}

#[derive(Deserialize)]
struct Written {
    text: Option<String>,
    base64: Option<String>,
}

impl TryFrom<Written> for ExecBytes {
    type Error = WireError;

    fn try_from(written: Written) -> Result<Self, WireError> {
        match (written.text, written.base64) {
            (Some(text), None) => text.into_bytes().try_into(),
            (None, Some(base64)) => BASE64
                .decode(base64.as_bytes())
                .map_err(|_| WireError::invalid("output", "it is not base64"))?
                .try_into(),
            (Some(_), Some(_)) | (None, None) => {
                Err(WireError::invalid("output", "it has not exactly one of text and base64"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::api::tests::{complaint, is_written_as};

    fn bytes(bytes: &[u8]) -> ExecBytes {
        bytes.to_vec().try_into().unwrap()
    }

    #[test]
    fn a_request_has_the_documented_json() {
        let request: ExecRequest =
            serde_json::from_str(r#"{"argv":["uname","-r"],"timeoutMs":5000}"#).unwrap();
        is_written_as(&request, r#"{"argv":["uname","-r"],"shell":false,"timeoutMs":5000}"#);
        let endless = ExecRequest { timeout_ms: None, ..request };
        is_written_as(&endless, r#"{"argv":["uname","-r"],"shell":false}"#);
        assert!(complaint::<ExecRequest>(r#"{"argv":["a"],"timeoutMs":0}"#).contains("nonzero"));
        assert!(complaint::<ExecRequest>(r#"{"argv":[]}"#).contains("it names no program"));
    }

    #[test]
    fn every_line_has_the_documented_json() {
        let at = Timestamp::from_millis(7);
        let agent_id = "ag-x7k2p".parse().unwrap();
        let exit = |status| ExecEvent::Exit { at, status };
        let lines = [
            (ExecEvent::Start { agent_id, at }, r#"{"kind":"start","agentId":"ag-x7k2p","at":7}"#),
            (ExecEvent::Out(bytes(b"6.8\n")), r#"{"kind":"out","text":"6.8\n"}"#),
            (ExecEvent::Err(bytes("ä".as_bytes())), r#"{"kind":"err","text":"ä"}"#),
            (ExecEvent::Out(bytes(b"\xff\x00")), r#"{"kind":"out","base64":"/wA="}"#),
            (exit(Some(ExitStatus::Code(0))), r#"{"kind":"exit","at":7,"status":{"code":0}}"#),
            (exit(None), r#"{"kind":"exit","at":7}"#),
        ];
        for (event, json) in lines {
            is_written_as(&event, json);
        }
        let newer = r#"{"kind":"progress","percent":3}"#;
        assert_eq!(serde_json::from_str::<ExecEvent>(newer).unwrap(), ExecEvent::Other);
    }

    #[test]
    fn output_that_says_two_things_or_nothing_is_refused() {
        for bad in [
            r#"{"kind":"out"}"#,
            r#"{"kind":"out","text":"a","base64":"YQ=="}"#,
            r#"{"kind":"out","base64":"YQ"}"#,
            r#"{"kind":"exit","at":7,"status":{}}"#,
        ] {
            assert!(serde_json::from_str::<ExecEvent>(bad).is_err(), "{bad} was accepted");
        }
        assert!(ExecBytes::try_from(vec![0; ExecBytes::MAX + 1]).is_err());
    }

    #[test]
    fn the_longest_line_fits_the_documented_bound() {
        for worst in [0x01, 0xff] {
            let event = ExecEvent::Out(bytes(&[worst; ExecBytes::MAX]));
            assert!(serde_json::to_vec(&event).unwrap().len() <= ExecEvent::MAX_LINE);
        }
    }

    proptest! {
        #[test]
        fn no_byte_of_output_is_changed_by_being_json(output in vec(any::<u8>(), 0..200)) {
            for event in [ExecEvent::Out(bytes(&output)), ExecEvent::Err(bytes(&output))] {
                let line = serde_json::to_string(&event).unwrap();
                prop_assert!(!line.contains('\n'));
                prop_assert_eq!(serde_json::from_str::<ExecEvent>(&line).unwrap(), event);
            }
        }
    }
}
