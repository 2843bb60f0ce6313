//! A QUIC connection as a link, its bidirectional streams as pipes.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gantline_login::login::EXPORTER_LABEL;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Link, LinkEnd, PipeReader, PipeWriter};

/// What an abort tells the other end; the number carries no meaning.
const ABORT: VarInt = VarInt::from_u32(1);

/// A link over QUIC.
#[derive(Debug, Clone)]
pub struct QuicLink {
    connection: Connection,
}

impl QuicLink {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The longest UDP payload that the path is known to take.
    #[cfg(test)]
    pub(super) fn longest_datagram(&self) -> u16 {
        self.connection.stats().path.current_mtu
    }
}

impl Link for QuicLink {
    type Reader = QuicReader;
    type Writer = QuicWriter;

    async fn open_pipe(&self) -> Result<(QuicWriter, QuicReader), LinkEnd> {
        let (writer, reader) = self.connection.open_bi().await?;
        Ok((QuicWriter::new(writer), QuicReader { stream: reader }))
    }

    async fn accept_pipe(&self) -> Result<(QuicWriter, QuicReader), LinkEnd> {
        let (writer, reader) = self.connection.accept_bi().await?;
        Ok((QuicWriter::new(writer), QuicReader { stream: reader }))
    }

    fn login_exporter(&self) -> Result<[u8; 32], LinkEnd> {
        let mut out = [0; 32];
        self.connection
            .export_keying_material(&mut out, EXPORTER_LABEL, &[])
            .map_err(|_| LinkEnd::Broken("TLS gives no keying material".into()))?;
        Ok(out)
    }

    fn remote(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    fn round_trip(&self) -> Duration {
        self.connection.rtt()
    }

    fn close(&self, code: u32, reason: &str) {
        self.connection.close(code.into(), reason.as_bytes());
    }

    async fn ended(&self) -> LinkEnd {
        self.connection.closed().await.into()
    }
}

impl From<ConnectionError> for LinkEnd {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => Self::ClosedByPeer {
                code: u32::try_from(close.error_code.into_inner()).unwrap_or(u32::MAX),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            ConnectionError::LocallyClosed => Self::ClosedHere,
            ConnectionError::TimedOut => Self::Silent,
            ConnectionError::Reset => Self::Restarted,
            error @ (ConnectionError::VersionMismatch
            | ConnectionError::TransportError(_)
            | ConnectionError::ConnectionClosed(_)
            | ConnectionError::CidsExhausted) => Self::Broken(error.to_string()),
        }
    }
}

/// Reads one direction of a pipe over QUIC.
#[derive(Debug)]
pub struct QuicReader {
    stream: RecvStream,
}

impl PipeReader for QuicReader {
    async fn read_chunk(&mut self, limit: usize) -> io::Result<Option<Bytes>> {
        let chunk = self.stream.read_chunk(limit, true).await.map_err(read_error)?;
        Ok(chunk.map(|chunk| chunk.bytes))
    }

    async fn read_chunks(&mut self, pieces: &mut [Bytes]) -> io::Result<Option<usize>> {
        self.stream.read_chunks(pieces).await.map_err(read_error)
    }

    fn stop(&mut self) {
        // An error means that the direction has ended, which is what was wanted.
        let _ = self.stream.stop(ABORT);
    }
}

impl AsyncRead for QuicReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.stream), cx, buf)
    }
}

/// Writes one direction of a pipe over QUIC.
#[derive(Debug)]
pub struct QuicWriter {
    stream: SendStream,
    /// Ended in order: a drop gives nothing up.
    is_finished: bool,
}

impl QuicWriter {
    const fn new(stream: SendStream) -> Self {
        Self { stream, is_finished: false }
    }
}

impl PipeWriter for QuicWriter {
    async fn write_chunk(&mut self, bytes: Bytes) -> io::Result<()> {
        self.stream.write_chunk(bytes).await.map_err(write_error)
    }

    async fn write_chunks(&mut self, pieces: &mut [Bytes]) -> io::Result<()> {
        self.stream.write_all_chunks(pieces).await.map_err(write_error)
    }

    fn abort(&mut self) {
        self.is_finished = true;
        // An error means that the direction has ended, which is what was wanted.
        let _ = self.stream.reset(ABORT);
    }
}

impl Drop for QuicWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            self.abort();
        }
    }
}

impl AsyncWrite for QuicWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.stream), cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.stream), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_finished = true;
        AsyncWrite::poll_shutdown(Pin::new(&mut self.stream), cx)
    }
}

fn read_error(error: ReadError) -> io::Error {
    match error {
        ReadError::Reset(_) => io::ErrorKind::ConnectionReset.into(),
        error @ (ReadError::ConnectionLost(_)
        | ReadError::ClosedStream
        | ReadError::IllegalOrderedRead
        | ReadError::ZeroRttRejected) => io::Error::new(io::ErrorKind::NotConnected, error),
    }
}

fn write_error(error: WriteError) -> io::Error {
    match error {
        WriteError::Stopped(_) => io::ErrorKind::ConnectionReset.into(),
        error @ (WriteError::ConnectionLost(_)
        | WriteError::ClosedStream
        | WriteError::ZeroRttRejected) => io::Error::new(io::ErrorKind::NotConnected, error),
    }
}
