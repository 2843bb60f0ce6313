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

#[cfg(test)]
mod tests {
    use super::*;

    fn relay() -> RelayAddress {
        let host = "relay.test".parse().expect("it is a name");
        RelayAddress { host, port: std::num::NonZeroU16::MIN, pin: None }
    }

    fn silent(by: &'static str) -> DialError {
        DialError::Silent { relay: relay(), by }
    }

    fn broken(by: &'static str) -> DialError {
        DialError::Broken { relay: relay(), by, reason: "no route".to_owned() }
    }

    fn name() -> DialError {
        DialError::Name { relay: relay(), error: io::ErrorKind::NotFound.into() }
    }

    fn wrong() -> DialError {
        DialError::WrongRelay { relay: relay(), reason: "another pin".to_owned() }
    }

    fn refused() -> DialError {
        DialError::Refused { relay: relay() }
    }

    fn proxy() -> DialError {
        let (proxy, reason) = ("http://proxy.test:3128".to_owned(), "407".to_owned());
        DialError::Proxy { relay: relay(), proxy, reason }
    }

    #[test]
    fn what_both_carriers_met_is_said_once_and_nothing_of_it_is_lost() {
        let nobody = silent("UDP").and(silent("TCP"));
        assert!(matches!(&nobody, DialError::Silent { by: "UDP or TCP", .. }), "{nobody}");
        let unknown = name().and(name());
        assert!(matches!(unknown, DialError::Name { .. }), "the name is wrong once: {unknown}");
        for (quic, websocket) in [
            (silent("UDP"), broken("TCP")),
            (broken("UDP"), silent("TCP")),
            (silent("UDP"), proxy()),
            // A proxy may know a name that this machine does not.
            (name(), proxy()),
        ] {
            let parts = [quic.to_string(), websocket.to_string()];
            let text = quic.and(websocket).to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }

    #[test]
    fn the_relays_own_word_by_websocket_is_the_last_one() {
        for quic in [silent("UDP"), broken("UDP"), name()] {
            assert!(matches!(quic.and(refused()), DialError::Refused { .. }));
        }
        assert!(matches!(silent("UDP").and(wrong()), DialError::WrongRelay { .. }));
        for (error, is_final) in [
            (refused(), true),
            (wrong(), true),
            (silent("UDP"), false),
            (broken("UDP"), false),
            (name(), false),
            (proxy(), false),
            (broken("UDP").and(broken("TCP")), false),
        ] {
            assert_eq!(error.is_final(), is_final, "{error}");
        }
    }

    #[test]
    fn of_several_addresses_the_one_counts_whose_answer_says_most() {
        let ranked = [|| silent("UDP"), || broken("UDP"), || refused(), || wrong()];
        for (low, less) in ranked.iter().enumerate() {
            for more in &ranked[low + 1..] {
                let text = more().to_string();
                assert_eq!(less().more_telling(more()).to_string(), text);
                assert_eq!(more().more_telling(less()).to_string(), text);
            }
        }
    }
}
