//! A node's or client's side: finds a relay and makes sure that it is the right one.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use gantline_protocol::RelayAddress;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, TokioRuntime,
    crypto::rustls::QuicClientConfig,
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{QuicLink, Timing, config::endpoint, socket::bind};
use crate::{
    LinkEnd,
    resolve::resolve,
    tls::{client_config, server_name},
};

/// How long a relay may take to answer, on all its addresses together.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the other addresses may still take once one of them has given a clear answer.
const GRACE: Duration = Duration::from_secs(1);
/// How long one address is tried alone before the next is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

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
    #[error("nobody answers at {relay} by UDP")]
    Silent {
        /// The relay.
        relay: RelayAddress,
    },
    /// Anything else.
    #[error("the relay {relay} can't be reached: {reason}")]
    Broken {
        /// The relay.
        relay: RelayAddress,
        /// What went wrong.
        reason: String,
    },
}

/// Dials relays from one UDP socket.
#[derive(Debug, Clone)]
pub struct QuicDialer {
    endpoint: Endpoint,
    timing: Timing,
}

impl QuicDialer {
    /// A dialler on a free port of every interface. Needs a Tokio runtime.
    ///
    /// # Errors
    /// What the system says when there is no socket to be had.
    pub fn new(timing: Timing) -> io::Result<Self> {
        let endpoint = Endpoint::new(endpoint(), None, socket()?, Arc::new(TokioRuntime))?;
        Ok(Self { endpoint, timing })
    }

    /// Dials `relay`: all its addresses, one after the other with a head start of 250 ms each,
    /// for at most 10 s, or 1 s after one has given a clear answer. The first that answers and is
    /// the right one wins.
    ///
    /// # Errors
    /// [`DialError`]; the most telling one of all addresses.
    pub async fn dial(&self, relay: &RelayAddress) -> Result<QuicLink, DialError> {
        let broken = |reason: String| DialError::Broken { relay: relay.clone(), reason };
        let tls = client_config(relay).map_err(|error| broken(error.to_string()))?;
        let tls = QuicClientConfig::try_from(tls).map_err(|error| broken(error.to_string()))?;
        let config = ClientConfig::new(Arc::new(tls));
        let addresses = resolve(relay)
            .await
            .map_err(|error| DialError::Name { relay: relay.clone(), error })?;
        self.race(relay, &config, addresses).await.map(QuicLink::new)
    }

    /// Moves all links to a new socket: the way out has changed. They go on where they were.
    ///
    /// # Errors
    /// What the system says when there is no socket to be had.
    pub fn rebind(&self) -> io::Result<()> {
        self.endpoint.rebind(socket()?)
    }

    async fn race(
        &self,
        relay: &RelayAddress,
        config: &ClientConfig,
        addresses: Vec<SocketAddr>,
    ) -> Result<Connection, DialError> {
        let is_dual = self.endpoint.local_addr().is_ok_and(|address| address.is_ipv6());
        let mut attempts = JoinSet::new();
        let mut error = DialError::Silent { relay: relay.clone() };
        let mut deadline = Instant::now() + PATIENCE;
        let mut addresses = addresses.into_iter().map(|address| reachable_from(address, is_dual));
        let mut next = addresses.next();
        while next.is_some() || !attempts.is_empty() {
            if let Some(address) = next.take() {
                let mut config = config.clone();
                config.transport_config(self.timing.transport(address));
                let connecting = self.endpoint.connect_with(config, address, &server_name(relay));
                attempts.spawn(async move {
                    match connecting {
                        Ok(connecting) => connecting.await.map_err(Failure::Connection),
                        Err(error) => Err(Failure::Start(error.to_string())),
                    }
                });
            }
            let until = match addresses.len() {
                0 => deadline,
                _ => deadline.min(Instant::now() + HEAD_START),
            };
            match timeout_at(until, attempts.join_next()).await {
                Ok(Some(Ok(Ok(connection)))) => return Ok(connection),
                Ok(Some(Ok(Err(failure)))) => {
                    error = more_telling(error, failure.of(relay));
                    deadline = deadline.min(Instant::now() + GRACE);
                }
                Err(_) if Instant::now() >= deadline => break,
                // An attempt that panicked is a bug of ours; the others may still succeed.
                Ok(Some(Err(_)) | None) | Err(_) => {}
            }
            next = addresses.next();
        }
        Err(error)
    }
}

enum Failure {
    Start(String),
    Connection(ConnectionError),
}

impl Failure {
    fn of(self, relay: &RelayAddress) -> DialError {
        let relay = relay.clone();
        match self {
            Self::Start(reason) => DialError::Broken { relay, reason },
            Self::Connection(ConnectionError::TransportError(error)) => {
                // RFC 9001 section 4.8: a TLS alert is 0x100 and its number.
                match u64::from(error.code) {
                    0x100..0x200 => DialError::WrongRelay { relay, reason: error.reason },
                    CONNECTION_REFUSED => DialError::Refused { relay },
                    _ => DialError::Broken { relay, reason: error.to_string() },
                }
            }
            Self::Connection(ConnectionError::ConnectionClosed(close)) => {
                match u64::from(close.error_code) {
                    0x100..0x200 => DialError::WrongRelay { relay, reason: close.to_string() },
                    CONNECTION_REFUSED => DialError::Refused { relay },
                    _ => DialError::Broken { relay, reason: close.to_string() },
                }
            }
            Self::Connection(error) => match LinkEnd::from(error) {
                LinkEnd::Silent => DialError::Silent { relay },
                end @ (LinkEnd::ClosedByPeer { .. }
                | LinkEnd::ClosedHere
                | LinkEnd::Restarted
                | LinkEnd::Broken(_)) => DialError::Broken { relay, reason: end.to_string() },
            },
        }
    }
}

/// RFC 9000 section 20.1.
const CONNECTION_REFUSED: u64 = 0x02;

/// Of two errors the one that tells more.
fn more_telling(a: DialError, b: DialError) -> DialError {
    let rank = |error: &DialError| match error {
        DialError::Silent { .. } => 0,
        DialError::Broken { .. } | DialError::Name { .. } => 1,
        DialError::Refused { .. } => 2,
        DialError::WrongRelay { .. } => 3,
    };
    if rank(&b) >= rank(&a) { b } else { a }
}

/// A dual-stack socket reaches an IPv4 address in its IPv6 form only.
fn reachable_from(address: SocketAddr, is_dual: bool) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if is_dual => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => address,
    }
}

/// Reaches IPv4 and IPv6, or IPv4 alone where the system has no IPv6.
fn socket() -> io::Result<UdpSocket> {
    bind((Ipv6Addr::UNSPECIFIED, 0).into()).or_else(|_| bind((Ipv4Addr::UNSPECIFIED, 0).into()))
}
