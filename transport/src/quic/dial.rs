//! A node's or client's side: finds a relay and makes sure that it is the right one.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use gantline_protocol::RelayAddress;
use quinn::{
    ClientConfig, ConnectionError, Endpoint, TokioRuntime, crypto::rustls::QuicClientConfig,
};

use super::{QuicLink, Timing, config::endpoint, socket::bind};
use crate::{
    LinkEnd,
    dial::{DialError, addresses::race, resolve::resolve},
    tls::{client_config, server_name},
};

/// What QUIC goes by.
const BY: &str = "UDP";

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
    /// for at most 10 s, or 0.5 s after one has given a clear answer. The first that answers and is
    /// the right one wins.
    ///
    /// # Errors
    /// [`DialError`]; the most telling one of all addresses.
    pub async fn dial(&self, relay: &RelayAddress) -> Result<QuicLink, DialError> {
        let broken = |reason: String| DialError::Broken { relay: relay.clone(), by: BY, reason };
        let tls = client_config(relay).map_err(|error| broken(error.to_string()))?;
        let tls = QuicClientConfig::try_from(tls).map_err(|error| broken(error.to_string()))?;
        let config = ClientConfig::new(Arc::new(tls));
        let is_dual = self.endpoint.local_addr().is_ok_and(|address| address.is_ipv6());
        let addresses = resolve(&relay.host, relay.port.get())
            .await
            .map_err(|error| DialError::Name { relay: relay.clone(), error })?;
        let connect = |address| {
            let mut config = config.clone();
            config.transport_config(self.timing.transport(address));
            let address = reachable_from(address, is_dual);
            let connecting = self.endpoint.connect_with(config, address, &server_name(relay));
            let relay = relay.clone();
            async move {
                let connected = match connecting {
                    Ok(connecting) => connecting.await.map_err(Failure::Connection),
                    Err(error) => Err(Failure::Start(error.to_string())),
                };
                connected.map_err(|failure| failure.of(&relay))
            }
        };
        race(relay, BY, addresses, connect).await.map(QuicLink::new)
    }

    /// Moves all links to a new socket: the way out has changed. They go on where they were.
    ///
    /// # Errors
    /// What the system says when there is no socket to be had.
    pub fn rebind(&self) -> io::Result<()> {
        self.endpoint.rebind(socket()?)
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
            Self::Start(reason) => DialError::Broken { relay, by: BY, reason },
            Self::Connection(ConnectionError::TransportError(error)) => {
                // RFC 9001 section 4.8: a TLS alert is 0x100 and its number.
                match u64::from(error.code) {
                    0x100..0x200 => DialError::WrongRelay { relay, reason: error.reason },
                    CONNECTION_REFUSED => DialError::Refused { relay },
                    _ => DialError::Broken { relay, by: BY, reason: error.to_string() },
                }
            }
            Self::Connection(ConnectionError::ConnectionClosed(close)) => {
                match u64::from(close.error_code) {
                    0x100..0x200 => DialError::WrongRelay { relay, reason: close.to_string() },
                    CONNECTION_REFUSED => DialError::Refused { relay },
                    _ => DialError::Broken { relay, by: BY, reason: close.to_string() },
                }
            }
            Self::Connection(error) => match LinkEnd::from(error) {
                LinkEnd::Silent => DialError::Silent { relay, by: BY },
                end @ (LinkEnd::ClosedByPeer { .. }
                | LinkEnd::ClosedHere
                | LinkEnd::Restarted
                | LinkEnd::Broken(_)) => {
                    DialError::Broken { relay, by: BY, reason: end.to_string() }
                }
            },
        }
    }
}

/// RFC 9000 section 20.1.
const CONNECTION_REFUSED: u64 = 0x02;

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
