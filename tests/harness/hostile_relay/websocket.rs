//! The hostile relay's front for WebSockets: each is one stream, as on the real relay's own port.

use std::{convert::Infallible, sync::Arc};

use gantline_login::login::EXPORTER_LABEL;
use gantline_transport::websocket::{SUBPROTOCOL, Upgrade, pipe};
use hyper::{
    Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{Line, Shared, stream};

/// Takes connections until it is dropped.
pub(super) async fn listen(listener: TcpListener, tls: Arc<ServerConfig>, shared: Arc<Shared>) {
    let tls = TlsAcceptor::from(tls);
    let mut tasks = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        let (tls, shared) = (tls.clone(), shared.clone());
        tasks.spawn(async move {
            // Whoever does not believe us is no concern of ours.
            let _ = serve(connection, tls, shared).await;
        });
    }
}

/// A connection is one request, and then one stream.
async fn serve(connection: TcpStream, tls: TlsAcceptor, shared: Arc<Shared>) -> anyhow::Result<()> {
    connection.set_nodelay(true)?;
    let connection = tls.accept(connection).await?;
    let exporter =
        connection.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[]))?;
    let service = service_fn(|mut request: Request<Incoming>| {
        let shared = shared.clone();
        async move {
            let Some(upgrade) = Upgrade::of(&mut request) else {
                let mut refusal = Response::new(String::new());
                *refusal.status_mut() = StatusCode::BAD_REQUEST;
                return Ok::<_, Infallible>(refusal);
            };
            let response = upgrade.response(Some(SUBPROTOCOL));
            tokio::spawn(async move {
                if let Ok(socket) = upgrade.socket().await {
                    let (_, writer, reader) = pipe(socket, None);
                    // What went wrong is told by what the ends make of it.
                    let _ = stream(Line::WebSocket(exporter), shared, reader, writer).await;
                }
            });
            Ok(response)
        }
    });
    http1::Builder::new()
        .serve_connection(TokioIo::new(connection), service)
        .with_upgrades()
        .await?;
    Ok(())
}
