//! Why a relay could not be reached.

use std::io;

use gantline_protocol::RelayAddress;

/// Why a relay could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Its name has no address.
    #[error("the relay {relay} can't be found: {error}")]
    Name {
        /// The relay.
        relay: RelayAddress,
        /// What the system said.
        error: io::Error,
    },
    /// Whoever answers there is not the relay: its key has another pin, or its certificate isn't
    /// valid.
    #[error("whoever answers at {relay} is not that relay: {reason}")]
    WrongRelay {
        /// The relay.
        relay: RelayAddress,
        /// What is wrong.
        reason: String,
    },
    /// It takes no links at the moment.
    #[error("the relay {relay} refuses links at the moment")]
    Refused {
        /// The relay.
        relay: RelayAddress,
    },
    /// Nobody answers.
    #[error("nobody answers at {relay} by {by}")]
    Silent {
        /// The relay.
        relay: RelayAddress,
        /// UDP, TCP, or both.
        by: &'static str,
    },
    /// The proxy that the environment names does not lead there.
    #[error("the proxy {proxy} does not lead to the relay {relay}: {reason}")]
    Proxy {
        /// The relay.
        relay: RelayAddress,
        /// The proxy, without a password.
        proxy: String,
        /// What went wrong.
        reason: String,
    },
    /// Anything else.
    #[error("the relay {relay} can't be reached by {by}: {reason}")]
    Broken {
        /// The relay.
        relay: RelayAddress,
        /// UDP or TCP.
        by: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// Neither carrier gets through.
    #[error("{quic}, and by WebSocket: {websocket}")]
    Neither {
        /// What became of QUIC.
        quic: Box<DialError>,
        /// What became of the WebSocket.
        websocket: Box<DialError>,
    },
}

impl DialError {
    /// Whether another carrier can't change it: the relay itself has spoken.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::WrongRelay { .. } | Self::Refused { .. } => true,
            Self::Name { .. }
            | Self::Silent { .. }
            | Self::Proxy { .. }
            | Self::Broken { .. }
            | Self::Neither { .. } => false,
        }
    }

    /// What to say when QUIC failed in this way, and a WebSocket in that.
    pub(super) fn and(self, websocket: Self) -> Self {
        match (self, websocket) {
            (Self::Silent { relay, .. }, Self::Silent { .. }) => {
                Self::Silent { relay, by: "UDP or TCP" }
            }
            (_, final_one) if final_one.is_final() => final_one,
            (Self::Name { relay, error }, Self::Name { .. }) => Self::Name { relay, error },
            (quic, websocket) => {
                Self::Neither { quic: Box::new(quic), websocket: Box::new(websocket) }
            }
        }
    }

    /// Of two errors at two addresses the one that tells more.
    pub(crate) fn more_telling(self, other: Self) -> Self {
        let rank = |error: &Self| match error {
            Self::Silent { .. } => 0,
            Self::Broken { .. } | Self::Name { .. } | Self::Neither { .. } => 1,
            Self::Refused { .. } | Self::Proxy { .. } => 2,
            Self::WrongRelay { .. } => 3,
        };
        if rank(&other) >= rank(&self) { other } else { self }
    }
}
