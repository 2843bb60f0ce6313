//! A WebSocket as a pipe: binary messages are its bytes, an empty one is the end of a direction,
//! everything else is a fault. Owned by the session's task, which drives both halves: no half is
//! ever polled by another task, so one waker is enough and the lock is never contended.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::{Sink, Stream};
use gantline_transport::{PipeReader, PipeWriter};
use std::future::poll_fn;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Interval, MissedTickBehavior, interval},
};

use crate::limits::{Limits, WEBSOCKET_MESSAGE};

/// Why a pipe over a WebSocket ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The browser closed it, or is gone.
    Gone,
    /// The browser sent text.
    Text,
    /// The browser broke another rule.
    Illegal,
    /// The machine gave it up.
    Aborted,
}

/// The socket of a pipe, for as long as both halves are in use.
pub(super) struct WebSocketPipe {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    socket: WebSocket,
    ending: Option<Ending>,
    /// The browser has ended its direction.
    is_read: bool,
    pings: Interval,
    /// When the browser was asked for a sign of life and has given none since.
    asked_at: Option<Instant>,
    silence: Duration,
}

impl WebSocketPipe {
    pub(super) fn new(
        socket: WebSocket,
        limits: &Limits,
    ) -> (Self, WebSocketWriter, WebSocketReader) {
        let mut pings = interval(limits.websocket_ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        let silence = limits.websocket_silence.saturating_sub(limits.websocket_ping);
        let shared =
            Shared { socket, ending: None, is_read: false, pings, asked_at: None, silence };
        let shared = Arc::new(Mutex::new(shared));
        let writer = WebSocketWriter { shared: shared.clone(), is_finished: false };
        let reader = WebSocketReader { shared: shared.clone(), left: Bytes::new() };
        (Self { shared }, writer, reader)
    }

    /// Waits until the browser breaks the pipe after it has ended its own direction, when nobody
    /// else reads any more.
    pub(super) async fn broken_after_end(&self) {
        poll_fn(|cx| {
            let mut shared = lock(&self.shared);
            match shared.is_read {
                true => shared.poll_after_end(cx),
                // Whoever reads the end is driven by the same task, which then comes here too.
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// The socket, once both halves were dropped, and why the pipe ended before its time.
    pub(super) fn into_socket(self) -> Option<(WebSocket, Option<Ending>)> {
        let shared = Arc::into_inner(self.shared)?;
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some((shared.socket, shared.ending))
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The next bytes; `None` once the browser has ended its direction.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if self.ending.is_some() {
            return Poll::Ready(Err(broken()));
        }
        if self.is_read {
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(match ready!(self.poll_message(cx)) {
            Ok(bytes) if bytes.is_empty() => {
                self.is_read = true;
                Ok(None)
            }
            Ok(bytes) => Ok(Some(bytes)),
            Err(ending) => {
                self.ending.get_or_insert(ending);
                Err(broken())
            }
        })
    }

    /// Whatever comes after the end breaks the pipe.
    fn poll_after_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ending = match ready!(self.poll_message(cx)) {
            Ok(_) => Ending::Illegal,
            Err(ending) => ending,
        };
        self.ending.get_or_insert(ending);
        Poll::Ready(())
    }

    /// The next binary message.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Ending>> {
        loop {
            let Poll::Ready(message) = Pin::new(&mut self.socket).poll_next(cx) else {
                return match self.is_silent(cx) {
                    true => Poll::Ready(Err(Ending::Gone)),
                    false => Poll::Pending,
                };
            };
            self.asked_at = None;
            match message {
                Some(Ok(Message::Binary(bytes))) => return Poll::Ready(Ok(bytes)),
                // A ping is answered by the socket itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(Ending::Text)),
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Err(Ending::Gone)),
                Some(Err(_)) => return Poll::Ready(Err(Ending::Illegal)),
            }
        }
    }

    /// Asks for signs of life, and says whether they fail to come. Nothing is held against a
    /// browser while nobody reads what it says.
    fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        while self.pings.poll_tick(cx).is_ready() {
            if self.asked_at.is_some_and(|at| at.elapsed() >= self.silence) {
                return true;
            }
            let mut socket = Pin::new(&mut self.socket);
            if let Poll::Ready(Ok(())) = socket.as_mut().poll_ready(cx)
                && socket.as_mut().start_send(Message::Ping(Bytes::new())).is_ok()
            {
                // What can't leave now leaves with the next write, or with the next ping.
                let _ = socket.poll_flush(cx);
            }
            self.asked_at.get_or_insert_with(Instant::now);
        }
        false
    }

    /// Sends one message.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<io::Result<()>> {
        if self.ending.is_some() {
            return Poll::Ready(Err(broken()));
        }
        let mut socket = Pin::new(&mut self.socket);
        ready!(socket.as_mut().poll_ready(cx)).map_err(gone)?;
        if let Some(message) = message.take() {
            socket.as_mut().start_send(message).map_err(gone)?;
        }
        socket.poll_flush(cx).map_err(gone)
    }
}

fn gone(_: axum::Error) -> io::Error {
    broken()
}

/// A WebSocket breaks as a whole: after it nothing comes of the other direction either.
fn broken() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// What the browser sends.
pub(super) struct WebSocketReader {
    shared: Arc<Mutex<Shared>>,
    /// Of the last message, what nobody has taken yet.
    left: Bytes,
}

impl WebSocketReader {
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
    ) -> Poll<io::Result<Option<Bytes>>> {
        if self.left.is_empty() {
            match ready!(lock(&self.shared).poll_bytes(cx))? {
                Some(bytes) => self.left = bytes,
                None => return Poll::Ready(Ok(None)),
            }
        }
        let length = self.left.len().min(limit);
        Poll::Ready(Ok(Some(self.left.split_to(length))))
    }
}

impl PipeReader for WebSocketReader {
    async fn read_chunk(&mut self, limit: usize) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_chunk(cx, limit)).await
    }

    /// A WebSocket can't give up one direction alone. What is under way in the other still
    /// leaves; then the session closes the socket.
    fn stop(&mut self) {}
}

impl AsyncRead for WebSocketReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(bytes) = ready!(self.poll_chunk(cx, buf.remaining()))? {
            buf.put_slice(&bytes);
        }
        Poll::Ready(Ok(()))
    }
}

/// What the browser is sent.
pub(super) struct WebSocketWriter {
    shared: Arc<Mutex<Shared>>,
    is_finished: bool,
}

impl WebSocketWriter {
    async fn send(&mut self, message: Message) -> io::Result<()> {
        let mut message = Some(message);
        poll_fn(|cx| lock(&self.shared).poll_send(cx, &mut message)).await
    }
}

impl PipeWriter for WebSocketWriter {
    async fn write_chunk(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(WEBSOCKET_MESSAGE));
            self.send(Message::Binary(piece)).await?;
        }
        Ok(())
    }

    /// A WebSocket is given up as a whole.
    fn abort(&mut self) {
        self.is_finished = true;
        lock(&self.shared).ending.get_or_insert(Ending::Aborted);
    }
}

impl Drop for WebSocketWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            self.abort();
        }
    }
}

impl AsyncWrite for WebSocketWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // An empty message would be the end.
        let piece = buf.get(..buf.len().min(WEBSOCKET_MESSAGE)).unwrap_or_default();
        if piece.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut shared = lock(&self.shared);
        if shared.ending.is_some() {
            return Poll::Ready(Err(broken()));
        }
        let mut socket = Pin::new(&mut shared.socket);
        ready!(socket.as_mut().poll_ready(cx)).map_err(gone)?;
        let message = Message::Binary(Bytes::copy_from_slice(piece));
        socket.start_send(message).map_err(gone)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.shared).poll_send(cx, &mut None)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut end = (!self.is_finished).then(|| Message::Binary(Bytes::new()));
        let sent = lock(&self.shared).poll_send(cx, &mut end);
        // Once it was handed over, a further call only waits for it to leave.
        self.is_finished |= end.is_none();
        sent
    }
}
