//! What every carrier offers: a link, and the pipes in it.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest piece that [`PipeReader::read_chunks`] gives, in bytes.
pub const MAX_PIECE: usize = 64 * 1024;

/// One connection to a relay, inside TLS. Cloning it gives another handle to the same link.
pub trait Link: Clone + Send + Sync + 'static {
    /// Reads one direction of a pipe.
    type Reader: PipeReader;
    /// Writes one direction of a pipe.
    type Writer: PipeWriter;

    /// Opens a pipe. The other end learns of it with the first bytes.
    ///
    /// # Errors
    /// [`LinkEnd`] when the link has ended.
    fn open_pipe(
        &self,
    ) -> impl Future<Output = Result<(Self::Writer, Self::Reader), LinkEnd>> + Send;

    /// The next pipe that the other end opens.
    ///
    /// # Errors
    /// [`LinkEnd`] when the link has ended.
    fn accept_pipe(
        &self,
    ) -> impl Future<Output = Result<(Self::Writer, Self::Reader), LinkEnd>> + Send;

    /// 32 bytes of the TLS exporter (RFC 8446 section 7.5) under the login's label, with an empty
    /// context: equal at both ends of this link and nowhere else.
    ///
    /// # Errors
    /// [`LinkEnd`] when the link has no TLS session (any more).
    fn login_exporter(&self) -> Result<[u8; 32], LinkEnd>;

    /// Where the other end is now; it may change.
    fn remote(&self) -> SocketAddr;

    /// The present estimate of the round trip.
    fn round_trip(&self) -> Duration;

    /// Ends the link and every pipe in it. The other end is told `code` and `reason`.
    fn close(&self, code: u32, reason: &str);

    /// Waits until the link has ended, and tells why.
    fn ended(&self) -> impl Future<Output = LinkEnd> + Send;
}

/// Reads one direction of a pipe. The end of bytes is the other end's orderly end; an abort is an
/// error.
pub trait PipeReader: AsyncRead + Unpin + Send + 'static {
    /// The next bytes, at most `limit`, without copying them; `None` at the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionReset`] when the other end gave this direction up,
    /// [`io::ErrorKind::ConnectionAborted`] when it gave up both,
    /// [`io::ErrorKind::NotConnected`] when the link has ended.
    fn read_chunk(
        &mut self,
        limit: usize,
    ) -> impl Future<Output = io::Result<Option<Bytes>>> + Send;

    /// The next pieces, as many as are there and fit into `pieces`, without copying them; returns
    /// how many, `None` at the end. A carrier that has them in small pieces gives several at once,
    /// which costs one wake-up instead of many. Giving the wait up loses nothing.
    ///
    /// # Errors
    /// As [`Self::read_chunk`].
    fn read_chunks(
        &mut self,
        pieces: &mut [Bytes],
    ) -> impl Future<Output = io::Result<Option<usize>>> + Send {
        async move {
            let Some(first) = pieces.first_mut() else { return Ok(Some(0)) };
            Ok(self.read_chunk(MAX_PIECE).await?.map(|piece| {
                *first = piece;
                1
            }))
        }
    }

    /// Gives the direction up: the other end's writer fails.
    fn stop(&mut self);
}

/// Writes one direction of a pipe. `shutdown` ends it in order; dropping it before that, or
/// [`PipeWriter::abort`], gives it up, and the reader sees an error.
pub trait PipeWriter: AsyncWrite + Unpin + Send + 'static {
    /// Writes all of `bytes`, without copying them.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionReset`] when the other end gave this direction up,
    /// [`io::ErrorKind::ConnectionAborted`] when it gave up both,
    /// [`io::ErrorKind::NotConnected`] when the link has ended.
    fn write_chunk(&mut self, bytes: Bytes) -> impl Future<Output = io::Result<()>> + Send;

    /// Writes all of `pieces`, one after the other, and leaves them empty.
    ///
    /// # Errors
    /// As [`Self::write_chunk`].
    fn write_chunks(
        &mut self,
        pieces: &mut [Bytes],
    ) -> impl Future<Output = io::Result<()>> + Send {
        async move {
            for piece in pieces {
                self.write_chunk(std::mem::take(piece)).await?;
            }
            Ok(())
        }
    }

    /// Gives the direction up.
    fn abort(&mut self);
}

/// Why a link has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkEnd {
    /// The other end closed it.
    #[error("the other end closed the link: code {code}, {reason:?}")]
    ClosedByPeer {
        /// A number of the other end's choice.
        code: u32,
        /// An explanation; hostile text.
        reason: String,
    },
    /// This end closed it.
    #[error("this end closed the link")]
    ClosedHere,
    /// Nothing was heard for too long.
    #[error("nothing was heard from the other end any more")]
    Silent,
    /// The other end has lost its state: it was restarted.
    #[error("the other end was restarted")]
    Restarted,
    /// Anything else.
    #[error("the link broke: {0}")]
    Broken(String),
}
