//! To a node on this machine, by a WebSocket to 127.0.0.1 that is a pipe.

use std::{io, net::SocketAddr};

use gantline_transport::websocket::{self, Connection, WebSocketReader, WebSocketWriter};
use http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{Error, client::IntoClientRequest},
};

use super::PathError;

/// A pipe to the node's door.
pub(super) async fn open(
    address: SocketAddr,
) -> Result<(WebSocketWriter, WebSocketReader), PathError> {
    let stream = TcpStream::connect(address).await.map_err(PathError::Local)?;
    stream.set_nodelay(true).map_err(PathError::Local)?;
    let stream: Box<dyn Connection> = Box::new(stream);
    let url = format!("ws://{address}/v1/session");
    let mut request = url.into_client_request().map_err(local)?;
    let protocol = HeaderValue::from_static(websocket::SUBPROTOCOL);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    let config = Some(websocket::config());
    let (socket, _) = client_async_with_config(request, stream, config).await.map_err(local)?;
    let (_, writer, reader) = websocket::pipe(socket, None);
    Ok((writer, reader))
}

fn local(error: Error) -> PathError {
    PathError::Local(io::Error::other(error))
}
