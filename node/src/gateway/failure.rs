//! Why a machine was not reached, as its gateway's user is told: what, why, what next.

use std::fmt::Display;

use gantline_protocol::api::ProblemCode;

use crate::api::Refused;

/// Why a machine was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) why: Why,
    /// For people.
    pub(super) detail: String,
}

/// The same for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// No path leads there.
    Away,
    /// It did not answer in time.
    Slow,
    /// It has removed this device.
    Revoked,
    /// This gateway has no room, or stops.
    NoRoom,
}

impl Failure {
    /// `why` may quote a stranger, and may have several lines, one for each path.
    pub(super) fn away(name: &str, why: &impl Display) -> Self {
        let why = why.to_string().replace('\n', "; ");
        let detail = format!(
            "{name} can't be reached: {why}. Is its node running (`gantline up` there), and joined to that relay?"
        );
        Self { why: Why::Away, detail }
    }

    pub(super) fn no_path(name: &str) -> Self {
        let detail = format!(
            "{name} told of no relay when it was paired: let it join one (`gantline up --join LINK` there), then pair again"
        );
        Self { why: Why::Away, detail }
    }

    pub(super) fn slow(name: &str) -> Self {
        let detail = format!(
            "{name} did not answer in time; a request that was sent may have been carried out. Ask again, with the same Idempotency-Key"
        );
        Self { why: Why::Slow, detail }
    }

    pub(super) fn broken(name: &str, why: &impl Display) -> Self {
        let detail = format!(
            "the session with {name} broke before it answered: {why}. It may have carried the request out: ask again, with the same Idempotency-Key"
        );
        Self { why: Why::Away, detail }
    }

    pub(super) fn revoked(name: &str) -> Self {
        let detail = format!(
            "{name} has removed this device: to pair again, run `gantline pair` there and add it here once more"
        );
        Self { why: Why::Revoked, detail }
    }

    pub(super) fn full() -> Self {
        let detail = format!(
            "this gateway has {} sessions open, as many as it bears: close what you don't use, and try again in a minute",
            super::MAX_SESSIONS
        );
        Self { why: Why::NoRoom, detail }
    }

    pub(super) fn stopping() -> Self {
        let detail = "this node is stopping, or has forgotten the machine".to_owned();
        Self { why: Why::NoRoom, detail }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let code = match failure.why {
            Why::Away | Why::Revoked => ProblemCode::Unreachable,
            Why::Slow => ProblemCode::TimedOut,
            Why::NoRoom => ProblemCode::Unavailable,
        };
        Self::new(code, failure.detail)
    }
}
