//! Unix sockets between programs of one machine.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::{buffer::spare_capacity, io::Errno, net::Shutdown};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd},
    net::UnixStream,
};

/// How much of a buffer is cleared to be read into, in bytes: it takes time, and most of what comes is
/// short. What was cleared before is used as well.
const CLEARED: usize = 16 * 1024;

/// A connection by a Unix socket. The system tells whoever waits for room to write each time the other
/// end has read something, and Tokio's own waits for that always: who sends a few bytes is woken as soon
/// as they are taken, before anything is done with them. This one waits for room when there is none.
#[derive(Debug)]
pub struct LocalStream {
    stream: AsyncFd<OwnedFd>,
    /// The same socket once more, while there is no room.
    room: Option<AsyncFd<OwnedFd>>,
}

impl LocalStream {
    /// Waits until there is something to read, then gives `buffer` room for this many bytes more, and
    /// reads what there is; 0 at the end. Giving the wait up loses nothing.
    ///
    /// # Errors
    /// What the system says.
    pub async fn read_into(&self, buffer: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        loop {
            let mut ready = self.stream.readable().await?;
            buffer.reserve(room);
            let room = buffer.capacity() - buffer.len();
            match rustix::io::read(self, spare_capacity(buffer)) {
                Ok(length) => {
                    if 0 < length && length < room {
                        // That was all, and whatever comes will be told.
                        ready.clear_ready();
                    }
                    return Ok(length);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there is none, and what the system says.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::write(self, bytes))?)
    }

    /// Waits until there is room to write.
    ///
    /// # Errors
    /// What the system says.
    pub async fn writable(&self) -> io::Result<()> {
        self.watch_room()?.writable().await?.retain_ready();
        Ok(())
    }

    fn watch_room(&self) -> io::Result<AsyncFd<OwnedFd>> {
        register(self.as_fd().try_clone_to_owned()?, Interest::WRITABLE)
    }

    fn poll_written(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(self.as_fd()) {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {}
                written => {
                    self.room = None;
                    return Poll::Ready(Ok(written?));
                }
            }
            match &self.room {
                Some(room) => ready!(room.poll_write_ready(context))?.clear_ready(),
                None => self.room = Some(self.watch_room()?),
            }
        }
    }
}

#[allow(unsafe_code)]
fn register(socket: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: `OwnedFd` answers with one descriptor, which is open until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

impl TryFrom<UnixStream> for LocalStream {
    type Error = io::Error;

    /// Needs a Tokio runtime.
    fn try_from(stream: UnixStream) -> io::Result<Self> {
        let stream = OwnedFd::from(stream.into_std()?);
        Ok(Self { stream: register(stream, Interest::READABLE)?, room: None })
    }
}

impl AsFd for LocalStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl AsyncRead for LocalStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.stream.poll_read_ready(context))?;
            let cleared = buffer.initialized().len() - buffer.filled().len();
            let room = cleared.max(CLEARED).min(buffer.remaining());
            match rustix::io::read(&*self, buffer.initialize_unfilled_to(room)) {
                Ok(length) => {
                    if 0 < length && length < room {
                        ready.clear_ready();
                    }
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_written(context, |fd| rustix::io::write(fd, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_written(context, |fd| rustix::io::writev(fd, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(rustix::net::shutdown(&*self, Shutdown::Write)?))
    }
}
