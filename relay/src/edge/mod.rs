//! The TCP side: HTTP and WebSockets, with the relay's own TLS or behind a proxy's.

use crate::exchange::Exchange;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;

pub(crate) async fn accept(
    exchange: Arc<Exchange>,
    _listener: TcpListener,
    _tls: Arc<ServerConfig>,
) {
    exchange.ending.cancelled().await;
}
