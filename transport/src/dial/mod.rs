//! From a relay's address to a link: by QUIC, and where that does not get through, by WebSocket.

pub(crate) mod addresses;
mod error;
pub(crate) mod proxy;
pub(crate) mod resolve;

use std::{env, fmt, io, pin::pin, str::FromStr, time::Duration};

use gantline_protocol::RelayAddress;
use tokio::time::sleep;

pub use error::DialError;

use crate::{QuicDialer, RelayLink, WebSocketDialer, quic::Timing};

/// How long QUIC is tried alone before a WebSocket is tried beside it.
const HEAD_START: Duration = Duration::from_secs(1);

/// Which carriers may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carriers {
    /// Both: QUIC, and a WebSocket where QUIC fails or is slow to answer.
    #[default]
    Both,
    /// QUIC alone.
    Quic,
    /// WebSockets alone.
    WebSocket,
}

/// What `GANTLINE_CARRIER` has to say.
#[derive(Debug, thiserror::Error)]
#[error("GANTLINE_CARRIER is {0:?}: it can be auto, quic or websocket")]
pub struct CarriersError(String);

impl Carriers {
    /// The variable of the environment that chooses.
    pub const VARIABLE: &str = "GANTLINE_CARRIER";

    /// What the environment says; both, if it says nothing.
    ///
    /// # Errors
    /// [`CarriersError`] when it says something else than the three words.
    pub fn from_env() -> Result<Self, CarriersError> {
        match env::var_os(Self::VARIABLE) {
            None => Ok(Self::default()),
            Some(word) => word.to_string_lossy().parse(),
        }
    }
}

impl FromStr for Carriers {
    type Err = CarriersError;

    fn from_str(word: &str) -> Result<Self, CarriersError> {
        match word {
            "auto" | "" => Ok(Self::Both),
            "quic" => Ok(Self::Quic),
            "websocket" => Ok(Self::WebSocket),
            other => Err(CarriersError(other.chars().take(32).collect())),
        }
    }
}

impl fmt::Display for Carriers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "auto",
            Self::Quic => "quic",
            Self::WebSocket => "websocket",
        })
    }
}

/// Dials relays, by whatever gets through.
#[derive(Debug, Clone)]
pub struct Dialer {
    quic: QuicDialer,
    websocket: WebSocketDialer,
    carriers: Carriers,
}

impl Dialer {
    /// A dialler with a UDP socket of its own. Needs a Tokio runtime.
    ///
    /// # Errors
    /// What the system says when there is no socket to be had.
    pub fn new(timing: Timing, carriers: Carriers) -> io::Result<Self> {
        let quic = QuicDialer::new(timing)?;
        Ok(Self { quic, websocket: WebSocketDialer::new(timing), carriers })
    }

    /// The same dialler, by WebSockets alone.
    #[must_use]
    pub fn by_websocket(&self) -> Self {
        Self { carriers: Carriers::WebSocket, ..self.clone() }
    }

    /// Whether a link on WebSockets is a makeshift that QUIC may take the place of.
    #[must_use]
    pub fn may_race(&self) -> bool {
        self.carriers == Carriers::Both
    }

    /// Dials `relay` for 11 s at most. QUIC has a head start of 1 s, or until it fails; then a
    /// WebSocket is tried beside it, and the first that is through wins. A relay that refuses, or
    /// that has another key than the pinned one, is not asked again in another way. But if somebody
    /// else answers by TCP, QUIC still has its time: middleboxes that break TLS know TCP only.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial(&self, relay: &RelayAddress) -> Result<RelayLink, DialError> {
        match self.carriers {
            Carriers::Quic => self.dial_quic(relay).await,
            Carriers::WebSocket => self.dial_websocket(relay).await,
            Carriers::Both => self.race(relay).await,
        }
    }

    /// Dials `relay` by QUIC alone.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial_quic(&self, relay: &RelayAddress) -> Result<RelayLink, DialError> {
        self.quic.dial(relay).await.map(RelayLink::Quic)
    }

    async fn dial_websocket(&self, relay: &RelayAddress) -> Result<RelayLink, DialError> {
        self.websocket.dial(relay).await.map(RelayLink::WebSocket)
    }

    /// Moves all QUIC links to a new socket: the way out has changed. They go on where they were.
    ///
    /// # Errors
    /// What the system says when there is no socket to be had.
    pub fn rebind(&self) -> io::Result<()> {
        self.quic.rebind()
    }

    async fn race(&self, relay: &RelayAddress) -> Result<RelayLink, DialError> {
        let mut quic = pin!(self.dial_quic(relay));
        let failed = tokio::select! {
            dialled = &mut quic => match dialled {
                Ok(link) => return Ok(link),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => Some(error),
            },
            () = sleep(HEAD_START) => None,
        };
        let mut websocket = pin!(self.dial_websocket(relay));
        let (quic, websocket) = match failed {
            Some(error) => (error, websocket.await),
            None => tokio::select! {
                dialled = &mut quic => match dialled {
                    Ok(link) => return Ok(link),
                    Err(error) if error.is_final() => return Err(error),
                    Err(error) => (error, websocket.await),
                },
                dialled = &mut websocket => match dialled {
                    Ok(link) => return Ok(link),
                    Err(error @ DialError::Refused { .. }) => return Err(error),
                    Err(error) => match quic.await {
                        Ok(link) => return Ok(link),
                        Err(quic) => (quic, Err(error)),
                    },
                },
            },
        };
        websocket.map_err(|websocket| quic.and(websocket))
    }
}
