//! What tells whether an agent is well.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use super::{Argv, command::without_nul, not_null};
use crate::WireError;

/// A check that is made again and again while an agent's process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// What is checked; its members, `kind` first, stand beside the others.
    #[serde(flatten, deserialize_with = "named")]
    pub check: ProbeCheck,
    /// When, and how many results count.
    #[serde(flatten)]
    pub pace: ProbePace,
}

/// Reads a check whose `kind` is a name: serde takes the number of a variant as well.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ProbeCheck, D::Error> {
    let members = serde_json::Map::deserialize(deserializer)?;
    match members.get("kind") {
        Some(Value::String(_)) | None => {}
        Some(_) => return Err(D::Error::custom("the kind of a probe is not a string")),
    }
    ProbeCheck::deserialize(Value::Object(members)).map_err(D::Error::custom)
}

/// What is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum ProbeCheck {
    /// Something accepts TCP connections on this port of 127.0.0.1 or ::1.
    Tcp {
        /// The port.
        #[cfg_attr(feature = "openapi", schema(value_type = u16, minimum = 1, maximum = 65_535))]
        port: std::num::NonZeroU16,
    },
    /// `GET` on this port of 127.0.0.1 is answered with a status below 400. Redirects are not
    /// followed.
    Http {
        /// The port.
        #[cfg_attr(feature = "openapi", schema(value_type = u16, minimum = 1, maximum = 65_535))]
        port: std::num::NonZeroU16,
        /// Path and query, beginning with `/`; `/` if left out.
        #[serde(default)]
        path: ProbePath,
    },
    /// This command, run as the agent is, ends with code 0.
    Exec {
        /// The program and its arguments.
        argv: Argv,
    },
    /// The agent wrote a line that has this in it. Once it did, the agent is well until its process
    /// ends.
    Line {
        /// What the line has in it: 1 to 1,024 bytes, taken literally, looked for in the output
        /// without its control sequences.
        text: LineText,
    },
}

/// When a probe is made, and how many results in a row count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, try_from = "WrittenPace")]
pub struct ProbePace {
    /// Between the end of one check and the next, 100 to 3,600,000 ms; 5,000 if left out.
    #[cfg_attr(feature = "openapi", schema(minimum = 100, maximum = 3_600_000))]
    pub interval_ms: u32,
    /// How long one check may take, 10 to 600,000 ms; 2,000 if left out.
    #[cfg_attr(feature = "openapi", schema(minimum = 10, maximum = 600_000))]
    pub timeout_ms: u32,
    /// How long failures do not count after a start, at most 3,600,000 ms; 0 if left out. The first
    /// success ends it.
    #[cfg_attr(feature = "openapi", schema(maximum = 3_600_000))]
    pub start_period_ms: u32,
    /// Failures in a row until it is unhealthy, 1 to 100; 3 if left out.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    pub failures: u32,
    /// Successes in a row until it is healthy, 1 to 100; 1 if left out.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    pub successes: u32,
    /// Whether an agent that is unhealthy is stopped and started anew; it counts as a failure of its
    /// process. `false` if left out.
    pub restarts: bool,
}

impl Default for ProbePace {
    fn default() -> Self {
        Self {
            interval_ms: 5_000,
            timeout_ms: 2_000,
            start_period_ms: 0,
            failures: 3,
            successes: 1,
            restarts: false,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WrittenPace {
    #[serde(deserialize_with = "not_null")]
    interval_ms: Option<u32>,
    #[serde(deserialize_with = "not_null")]
    timeout_ms: Option<u32>,
    #[serde(deserialize_with = "not_null")]
    start_period_ms: Option<u32>,
    #[serde(deserialize_with = "not_null")]
    failures: Option<u32>,
    #[serde(deserialize_with = "not_null")]
    successes: Option<u32>,
    #[serde(deserialize_with = "not_null")]
    restarts: Option<bool>,
}

impl TryFrom<WrittenPace> for ProbePace {
    type Error = WireError;

    fn try_from(written: WrittenPace) -> Result<Self, WireError> {
        let usual = Self::default();
        let within =
            |what, value: Option<u32>, usual, bounds: std::ops::RangeInclusive<u32>, why| {
                let value = value.unwrap_or(usual);
                if bounds.contains(&value) { Ok(value) } else { Err(WireError::invalid(what, why)) }
            };
        Ok(Self {
            interval_ms: within(
                "probe.intervalMs",
                written.interval_ms,
                usual.interval_ms,
                100..=3_600_000,
                "it is not within 100 and 3,600,000",
            )?,
            timeout_ms: within(
                "probe.timeoutMs",
                written.timeout_ms,
                usual.timeout_ms,
                10..=600_000,
                "it is not within 10 and 600,000",
            )?,
            start_period_ms: within(
                "probe.startPeriodMs",
                written.start_period_ms,
                usual.start_period_ms,
                0..=3_600_000,
                "it is more than 3,600,000",
            )?,
            failures: within(
                "probe.failures",
                written.failures,
                usual.failures,
                1..=100,
                "it is not within 1 and 100",
            )?,
            successes: within(
                "probe.successes",
                written.successes,
                usual.successes,
                1..=100,
                "it is not within 1 and 100",
            )?,
            restarts: written.restarts.unwrap_or(usual.restarts),
        })
    }
}

/// Path and query of a check by HTTP: `/` and at most 2,047 more visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ProbePath(String);

impl ProbePath {
    /// The greatest length, in bytes.
    pub const MAX: usize = 2048;

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ProbePath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl TryFrom<String> for ProbePath {
    type Error = WireError;

    fn try_from(path: String) -> Result<Self, WireError> {
        let is_one = path.starts_with('/')
            && path.len() <= Self::MAX
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        match is_one {
            true => Ok(Self(path)),
            false => Err(WireError::invalid(
                "probe.path",
                "it is not / and at most 2,047 more visible ASCII characters without #",
            )),
        }
    }
}

/// What is looked for in a line of output: 1 to 1,024 bytes without line breaks and NUL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct LineText(String);

impl LineText {
    /// The greatest length, in bytes.
    pub const MAX: usize = 1024;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LineText {
    type Error = WireError;

    fn try_from(text: String) -> Result<Self, WireError> {
        without_nul(&text, "probe.text")?;
        if text.is_empty() || text.len() > Self::MAX || text.contains(['\n', '\r']) {
            return Err(WireError::invalid(
                "probe.text",
                "it is not 1 to 1,024 bytes without line breaks",
            ));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::{complaint, is_written_as};

    #[test]
    fn every_probe_has_the_documented_json() {
        let pace = r#""intervalMs":5000,"timeoutMs":2000,"startPeriodMs":0,"failures":3,"successes":1,"restarts":false"#;
        for check in [
            r#""kind":"tcp","port":80"#,
            r#""kind":"http","port":8080,"path":"/healthz?deep=1""#,
            r#""kind":"exec","argv":["pg_isready","-q"]"#,
            r#""kind":"line","text":"listening on""#,
        ] {
            let short: Probe = serde_json::from_str(&format!("{{{check}}}")).unwrap();
            assert_eq!(short.pace, ProbePace::default());
            is_written_as(&short, &format!("{{{check},{pace}}}"));
        }
    }

    #[test]
    fn a_probe_out_of_bounds_says_which_bound() {
        let complaints = [
            (r#"{"kind":"tcp","port":0}"#, "nonzero"),
            (r#"{"kind":"http","port":1,"path":"x"}"#, "visible ASCII"),
            (r#"{"kind":"http","port":1,"path":"/a\r\nHost: b"}"#, "visible ASCII"),
            (r#"{"kind":"line","text":""}"#, "1 to 1,024 bytes"),
            (r#"{"kind":"exec","argv":[]}"#, "names no program"),
            (r#"{"kind":"tcp","port":1,"intervalMs":99}"#, "within 100 and 3,600,000"),
            (r#"{"kind":"tcp","port":1,"failures":0}"#, "within 1 and 100"),
            (r#"{"kind":"tcp","port":1,"failures":null}"#, "null"),
            (r#"{"kind":"moon"}"#, "unknown variant"),
            (r#"{"kind":0,"port":80}"#, "not a string"),
            (r#"{"port":80}"#, "missing field `kind`"),
        ];
        for (json, expected) in complaints {
            let complaint = complaint::<Probe>(json);
            assert!(complaint.contains(expected), "{json}: {complaint}");
        }
    }
}
