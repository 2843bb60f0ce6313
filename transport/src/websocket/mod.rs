//! The WebSocket carrier (RFC 6455, by tungstenite): each pipe is a WebSocket of its own, for
//! networks that QUIC does not get through, for browsers, and within a machine.

mod accept;
mod dial;
mod link;
mod pipe;
mod read_ahead;

pub use accept::Upgrade;
pub use dial::{Ready, WebSocketDialer};
pub use link::WebSocketLink;
pub use pipe::{Ending, KeepAlive, WebSocketPipe, WebSocketReader, WebSocketWriter, pipe};
pub use read_ahead::ReadAhead;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::WebSocketConfig};

/// The greatest message, in bytes.
pub const MAX_MESSAGE: usize = 65_536;
/// The subprotocol by which both ends know that the WebSocket is a pipe (RFC 6455 section 1.9).
pub const SUBPROTOCOL: &str = "gantline.pipe.v1";
/// Where a relay takes the pipes of nodes and native clients.
pub const STREAM_PATH: &str = "/v1/stream";

/// What is read from the connection at once, in bytes; set aside for as long as it stands.
const READ_BUFFER: usize = 16 << 10;

/// What can carry a WebSocket.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection for T {}

/// A WebSocket, whatever carries it.
pub type Socket = WebSocketStream<Box<dyn Connection>>;

/// The limits of a WebSocket that is a pipe.
#[must_use]
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE)
}
