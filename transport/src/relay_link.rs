//! A link to a relay, whichever carrier it has.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    Link, LinkEnd, PipeReader, PipeWriter, QuicLink, WebSocketLink,
    quic::{QuicReader, QuicWriter},
    websocket::{WebSocketReader, WebSocketWriter},
};

/// A link to a relay.
#[derive(Debug, Clone)]
pub enum RelayLink {
    /// Over QUIC.
    Quic(QuicLink),
    /// Over WebSockets.
    WebSocket(WebSocketLink),
}

/// Reads one direction of a pipe through a relay.
#[derive(Debug)]
pub enum RelayReader {
    /// Over QUIC.
    Quic(QuicReader),
    /// Over a WebSocket.
    WebSocket(WebSocketReader),
}

/// Writes one direction of a pipe through a relay.
#[derive(Debug)]
pub enum RelayWriter {
    /// Over QUIC.
    Quic(QuicWriter),
    /// Over a WebSocket.
    WebSocket(WebSocketWriter),
}

impl Link for RelayLink {
    type Reader = RelayReader;
    type Writer = RelayWriter;

    async fn open_pipe(&self) -> Result<(RelayWriter, RelayReader), LinkEnd> {
        Ok(match self {
            Self::Quic(link) => link.open_pipe().await?.into_pipe(),
            Self::WebSocket(link) => link.open_pipe().await?.into_pipe(),
        })
    }

    async fn accept_pipe(&self) -> Result<(RelayWriter, RelayReader), LinkEnd> {
        Ok(match self {
            Self::Quic(link) => link.accept_pipe().await?.into_pipe(),
            Self::WebSocket(link) => link.accept_pipe().await?.into_pipe(),
        })
    }

    fn login_exporter(&self) -> Result<[u8; 32], LinkEnd> {
        match self {
            Self::Quic(link) => link.login_exporter(),
            Self::WebSocket(link) => link.login_exporter(),
        }
    }

    fn remote(&self) -> SocketAddr {
        match self {
            Self::Quic(link) => link.remote(),
            Self::WebSocket(link) => link.remote(),
        }
    }

    fn round_trip(&self) -> Duration {
        match self {
            Self::Quic(link) => link.round_trip(),
            Self::WebSocket(link) => link.round_trip(),
        }
    }

    fn close(&self, code: u32, reason: &str) {
        match self {
            Self::Quic(link) => link.close(code, reason),
            Self::WebSocket(link) => link.close(code, reason),
        }
    }

    async fn ended(&self) -> LinkEnd {
        match self {
            Self::Quic(link) => link.ended().await,
            Self::WebSocket(link) => link.ended().await,
        }
    }
}

/// The two ends of a pipe of one carrier, as those of any.
trait IntoPipe {
    fn into_pipe(self) -> (RelayWriter, RelayReader);
}

impl<W: Into<RelayWriter>, R: Into<RelayReader>> IntoPipe for (W, R) {
    fn into_pipe(self) -> (RelayWriter, RelayReader) {
        (self.0.into(), self.1.into())
    }
}

impl From<QuicReader> for RelayReader {
    fn from(reader: QuicReader) -> Self {
        Self::Quic(reader)
    }
}

impl From<WebSocketReader> for RelayReader {
    fn from(reader: WebSocketReader) -> Self {
        Self::WebSocket(reader)
    }
}

impl From<QuicWriter> for RelayWriter {
    fn from(writer: QuicWriter) -> Self {
        Self::Quic(writer)
    }
}

impl From<WebSocketWriter> for RelayWriter {
    fn from(writer: WebSocketWriter) -> Self {
        Self::WebSocket(writer)
    }
}

impl PipeReader for RelayReader {
    async fn read_chunk(&mut self, limit: usize) -> io::Result<Option<Bytes>> {
        match self {
            Self::Quic(reader) => reader.read_chunk(limit).await,
            Self::WebSocket(reader) => reader.read_chunk(limit).await,
        }
    }

    async fn read_chunks(&mut self, pieces: &mut [Bytes]) -> io::Result<Option<usize>> {
        match self {
            Self::Quic(reader) => reader.read_chunks(pieces).await,
            Self::WebSocket(reader) => reader.read_chunks(pieces).await,
        }
    }

    fn stop(&mut self) {
        match self {
            Self::Quic(reader) => reader.stop(),
            Self::WebSocket(reader) => reader.stop(),
        }
    }
}

impl AsyncRead for RelayReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(reader) => Pin::new(reader).poll_read(cx, buf),
            Self::WebSocket(reader) => Pin::new(reader).poll_read(cx, buf),
        }
    }
}

impl PipeWriter for RelayWriter {
    async fn write_chunk(&mut self, bytes: Bytes) -> io::Result<()> {
        match self {
            Self::Quic(writer) => writer.write_chunk(bytes).await,
            Self::WebSocket(writer) => writer.write_chunk(bytes).await,
        }
    }

    async fn write_chunks(&mut self, pieces: &mut [Bytes]) -> io::Result<()> {
        match self {
            Self::Quic(writer) => writer.write_chunks(pieces).await,
            Self::WebSocket(writer) => writer.write_chunks(pieces).await,
        }
    }

    fn abort(&mut self) {
        match self {
            Self::Quic(writer) => writer.abort(),
            Self::WebSocket(writer) => writer.abort(),
        }
    }
}

impl AsyncWrite for RelayWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Quic(writer) => Pin::new(writer).poll_write(cx, buf),
            Self::WebSocket(writer) => Pin::new(writer).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(writer) => Pin::new(writer).poll_flush(cx),
            Self::WebSocket(writer) => Pin::new(writer).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(writer) => Pin::new(writer).poll_shutdown(cx),
            Self::WebSocket(writer) => Pin::new(writer).poll_shutdown(cx),
        }
    }
}
