//! Takes TCP connections: TLS or plain by their first byte, then HTTP/1.1. Owns what a connection
//! holds.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router};
use gantline_login::login::EXPORTER_LABEL;
use gantline_transport::websocket::ReadAhead;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    select,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{origin::Carrier, patience::Patient, routes};
use crate::exchange::{Connecting, ConnectionPlace, Exchange};

/// The first byte of a TLS record that holds a ClientHello (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// How long to wait when the system has no more connections to give.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// What is known of the connection that a request came by.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) peer: IpAddr,
    pub(super) carrier: Carrier,
    /// 32 bytes that both ends of the TLS connection share, under the login's label.
    pub(super) exporter: Option<[u8; 32]>,
    /// The connection's places, for as long as anything of it lives.
    pub(super) places: Arc<Places>,
}

/// What a connection counts as.
#[derive(Debug)]
pub(crate) struct Places {
    _connection: Option<ConnectionPlace>,
    _tcp: OwnedSemaphorePermit,
}

/// Takes connections until the relay ends.
pub(crate) async fn accept(exchange: Arc<Exchange>, listener: TcpListener, tls: Arc<ServerConfig>) {
    let tls = TlsAcceptor::from(tls);
    let router = routes::router(exchange.clone());
    let room = Arc::new(Semaphore::new(
        usize::try_from(exchange.config.limits.tcp_connections).unwrap_or(usize::MAX),
    ));
    loop {
        // The room first: beyond it, newcomers wait in the system's queue, which is short.
        let accepted = async {
            let permit = room.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = select! {
            () = exchange.ending.cancelled() => return,
            accepted = accepted => accepted,
        };
        let Ok(permit) = permit else { return };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("can't take a TCP connection: {error}");
                sleep(EXHAUSTED).await;
                continue;
            }
        };
        // Behind a proxy all connections come from one address, so only their sum is bounded.
        let place = if exchange.config.behind_proxy {
            None
        } else {
            // TCP has shown that the address is its own, and it has its own bound on how many may
            // be in a handshake: the room.
            let Connecting::Welcome(mut place) = exchange.connecting(peer.ip(), true) else {
                continue;
            };
            place.handshake_over();
            Some(place)
        };
        let connection =
            connection(exchange.clone(), router.clone(), tls.clone(), stream, peer, place, permit);
        exchange.tasks.spawn(connection);
    }
}

async fn connection(
    exchange: Arc<Exchange>,
    router: Router,
    tls: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    place: Option<ConnectionPlace>,
    permit: OwnedSemaphorePermit,
) {
    let limits = &exchange.config.limits;
    // An error means that the connection is gone, which reading will show.
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    let Ok(Ok(1)) = timeout(limits.first_bytes, stream.peek(&mut first)).await else { return };
    let peer = peer.ip().to_canonical();
    let arrival = |place, carrier, exporter| Arrival {
        peer,
        carrier,
        exporter,
        places: Arc::new(Places { _connection: place, _tcp: permit }),
    };
    if first == [TLS_HANDSHAKE] {
        let Ok(Ok(stream)) = timeout(limits.handshake, tls.accept(ReadAhead::new(stream))).await
        else {
            return;
        };
        let tls = stream.get_ref().1;
        let exporter = tls.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[])).ok();
        let arrival = arrival(place, Carrier::Tls, exporter);
        http(&exchange, router, stream, arrival).await;
    } else if peer.is_loopback() || exchange.config.behind_proxy {
        http(&exchange, router, stream, arrival(place, Carrier::Plain, None)).await;
    } else {
        tracing::debug!(%peer, "plain HTTP from elsewhere is not served");
    }
}

async fn http<S>(exchange: &Exchange, router: Router, stream: S, arrival: Arrival)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &exchange.config.limits;
    let service = TowerToHyperService::new(router.layer(Extension(arrival)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.http_header)
        .max_headers(limits.http_header_fields)
        .max_buf_size(limits.http_header_bytes.max(8 << 10))
        .serve_connection(TokioIo::new(Patient::new(stream, limits.stalled)), service)
        .with_upgrades();
    select! {
        over = connection => {
            if let Err(error) = over {
                tracing::debug!("an HTTP connection broke: {error}");
            }
        }
        () = exchange.ending.cancelled() => {}
    }
}
