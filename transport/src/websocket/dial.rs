//! A node's or client's side: a WebSocket to a relay, over TLS, through a proxy if the environment
//! names one.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use gantline_login::login::EXPORTER_LABEL;
use gantline_protocol::RelayAddress;
use http::{HeaderValue, Request, StatusCode, header::SEC_WEBSOCKET_PROTOCOL};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{Error, client::IntoClientRequest},
};

use super::{Connection, ReadAhead, STREAM_PATH, SUBPROTOCOL, Socket, WebSocketLink, config};
use crate::{
    dial::{
        DialError,
        addresses::{PATIENCE, race},
        proxy::{Proxies, Proxy},
        resolve::resolve,
    },
    quic::Timing,
    tls::{self, client_config, server_name},
};

/// Dials relays by WebSocket.
#[derive(Debug, Clone)]
pub struct WebSocketDialer {
    proxies: Arc<Proxies>,
    timing: Timing,
}

/// What is worked out once for a relay; TLS sessions are resumed by it.
#[derive(Debug, Clone)]
pub struct Ready {
    relay: RelayAddress,
    tls: Arc<ClientConfig>,
    proxy: Option<Proxy>,
}

/// A WebSocket that stands.
pub(super) struct Dialled {
    pub(super) socket: Socket,
    /// Under the label of the login.
    pub(super) exporter: [u8; 32],
    pub(super) remote: SocketAddr,
    /// How long the other end took to answer the first packet.
    pub(super) round_trip: Duration,
}

impl WebSocketDialer {
    /// A dialler that goes through the proxies that the environment names (`HTTPS_PROXY`,
    /// `ALL_PROXY`, `NO_PROXY`).
    #[must_use]
    pub fn new(timing: Timing) -> Self {
        Self { proxies: Arc::new(Proxies::from_env()), timing }
    }

    /// The same dialler, with this `HTTPS_PROXY` and this `NO_PROXY` in the place of what the
    /// environment says.
    #[must_use]
    pub fn through(&self, https_proxy: &str, no_proxy: &str) -> Self {
        Self { proxies: Arc::new(Proxies::named(https_proxy, no_proxy)), timing: self.timing }
    }

    pub(super) const fn timing(&self) -> Timing {
        self.timing
    }

    /// Dials `relay`, for at most 10 s.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial(&self, relay: &RelayAddress) -> Result<WebSocketLink, DialError> {
        let broken = |reason: String| DialError::Broken { relay: relay.clone(), by: "TCP", reason };
        let mut tls = client_config(relay).map_err(|error| broken(error.to_string()))?;
        tls.alpn_protocols = vec![tls::HTTP.to_vec()];
        let proxy = self.proxies.on_the_way_to(relay)?;
        let ready = Ready { relay: relay.clone(), tls: Arc::new(tls), proxy };
        let first = self.connect(&ready).await?;
        Ok(WebSocketLink::new(self.clone(), ready, first))
    }

    /// One WebSocket.
    pub(super) async fn connect(&self, ready: &Ready) -> Result<Dialled, DialError> {
        let silent = DialError::Silent { relay: ready.relay.clone(), by: "TCP" };
        timeout(PATIENCE, connect(ready)).await.unwrap_or(Err(silent))
    }
}

async fn connect(ready: &Ready) -> Result<Dialled, DialError> {
    let Ready { relay, tls, proxy } = ready;
    let began = Instant::now();
    match proxy {
        None => {
            let name = |error| DialError::Name { relay: relay.clone(), error };
            let addresses = resolve(&relay.host, relay.port.get()).await.map_err(name)?;
            let stream =
                race(relay, "TCP", addresses, |address| tcp(relay.clone(), address)).await?;
            let round_trip = began.elapsed();
            let remote = remote(relay, &stream)?;
            secure(relay, tls, stream, remote, round_trip).await
        }
        Some(proxy) => {
            let (tunnel, remote) = proxy.tunnel(relay).await?;
            let round_trip = began.elapsed();
            secure(relay, tls, tunnel, remote, round_trip).await
        }
    }
}

async fn tcp(relay: RelayAddress, address: SocketAddr) -> Result<TcpStream, DialError> {
    let broken =
        |error: io::Error| DialError::Broken { relay, by: "TCP", reason: error.to_string() };
    let stream = match TcpStream::connect(address).await {
        Ok(stream) => stream,
        Err(error) => return Err(broken(error)),
    };
    // An error means that the connection is gone, which writing will show.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn remote(relay: &RelayAddress, stream: &TcpStream) -> Result<SocketAddr, DialError> {
    let gone = |error: io::Error| DialError::Broken {
        relay: relay.clone(),
        by: "TCP",
        reason: error.to_string(),
    };
    stream.peer_addr().map_err(gone)
}

/// TLS, and in it the WebSocket.
async fn secure(
    relay: &RelayAddress,
    tls: &Arc<ClientConfig>,
    stream: impl Connection,
    remote: SocketAddr,
    round_trip: Duration,
) -> Result<Dialled, DialError> {
    let broken = |reason: String| DialError::Broken { relay: relay.clone(), by: "TCP", reason };
    let name = ServerName::try_from(server_name(relay)).map_err(|e| broken(e.to_string()))?;
    let stream = TlsConnector::from(tls.clone())
        .connect(name, ReadAhead::new(stream))
        .await
        .map_err(|error| tls_failed(relay, &error))?;
    let exporter = exporter(&stream).map_err(|error| broken(error.to_string()))?;
    let url = format!("wss://{}{STREAM_PATH}", relay.authority());
    let mut request = url.into_client_request().map_err(|error| broken(error.to_string()))?;
    let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    let stream: Box<dyn Connection> = Box::new(stream);
    let socket = upgrade(request, stream).await.map_err(|error| refused(relay, error))?;
    Ok(Dialled { socket, exporter, remote, round_trip })
}

async fn upgrade(request: Request<()>, stream: Box<dyn Connection>) -> Result<Socket, Error> {
    Ok(client_async_with_config(request, stream, Some(config())).await?.0)
}

fn exporter<S>(stream: &TlsStream<S>) -> Result<[u8; 32], rustls::Error> {
    stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[]))
}

fn tls_failed(relay: &RelayAddress, error: &io::Error) -> DialError {
    let relay = relay.clone();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(error @ rustls::Error::InvalidCertificate(_)) => {
            DialError::WrongRelay { relay, reason: error.to_string() }
        }
        _ => DialError::Broken { relay, by: "TCP", reason: format!("TLS: {error}") },
    }
}

/// The relay, or a proxy in front of it, makes no WebSocket of the connection.
fn refused(relay: &RelayAddress, error: Error) -> DialError {
    let relay = relay.clone();
    let reason = match error {
        Error::Http(response) => match response.status() {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                return DialError::Refused { relay };
            }
            StatusCode::NOT_FOUND => {
                "it takes no links by WebSocket, or does not go by this name (status 404)"
                    .to_owned()
            }
            status => format!("it answers with status {status}"),
        },
        error @ (Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::Capacity(_)
        | Error::Protocol(_)
        | Error::WriteBufferFull(_)
        | Error::Utf8(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::HttpFormat(_)) => error.to_string(),
    };
    DialError::Broken { relay, by: "TCP", reason }
}
