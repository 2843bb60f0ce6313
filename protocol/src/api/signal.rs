//! Signals that a person sends to an agent.

use serde::{Deserialize, Serialize};

/// Asks for a signal: `POST /v1/agents/{id}/signal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignalRequest {
    /// Which one. It goes to the whole process group.
    pub signal: Signal,
}

/// A signal (POSIX) by its name, since its number differs between systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// The terminal went away.
    Hup,
    /// Interrupt, as Ctrl-C sends it.
    Int,
    /// Quit, with a core dump.
    Quit,
    /// End at once; can't be caught.
    Kill,
    /// The first of two without a meaning.
    Usr1,
    /// The second of two without a meaning.
    Usr2,
    /// End.
    Term,
    /// Go on after a stop.
    Cont,
    /// Stop; can't be caught.
    Stop,
    /// Stop, as Ctrl-Z sends it.
    Tstp,
    /// The window's size changed.
    Winch,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::{complaint, is_written_as};

    #[test]
    fn a_signal_is_asked_for_by_its_name() {
        is_written_as(&SignalRequest { signal: Signal::Int }, r#"{"signal":"INT"}"#);
        is_written_as(&SignalRequest { signal: Signal::Usr1 }, r#"{"signal":"USR1"}"#);
        for bad in [r#"{"signal":"SIGINT"}"#, r#"{"signal":9}"#, r#"{"signal":"SEGV"}"#] {
            assert!(!complaint::<SignalRequest>(bad).is_empty());
        }
    }
}
