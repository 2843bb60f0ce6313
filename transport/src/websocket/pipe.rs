//! A WebSocket as a pipe: its binary messages, one after the other, are the bytes; where one ends
//! and the next begins means nothing. An empty binary message ends its direction. A Close, or the
//! end of the connection, before that is an abort; text is an error.
//!
//! Both halves share the socket under a lock that is held for one poll. Whoever drops the last of
//! them leaves the goodbye to a task, since a connection that is closed with bytes unread loses
//! what was said last.

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Handle,
    time::{Interval, MissedTickBehavior, Sleep, interval, sleep, timeout},
};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{MAX_MESSAGE, Socket};
use crate::{PipeReader, PipeWriter, quic::Timing};

/// How long the other end has to answer a goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

/// When a WebSocket is asked for a sign of life, and when it is given up. Nothing is held against
/// the other end while nobody reads what it says.
#[derive(Debug, Clone, Copy)]
pub struct KeepAlive {
    /// How often it is asked.
    pub every: Duration,
    /// How long it may be silent.
    pub dead_after: Duration,
}

impl From<Timing> for KeepAlive {
    fn from(timing: Timing) -> Self {
        Self { every: timing.keep_alive, dead_after: timing.dead_after }
    }
}

/// Why a pipe on a WebSocket ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The other end closed it.
    Closed,
    /// The connection is gone, or the other end was silent for too long.
    Gone,
    /// The other end sent text.
    Text,
    /// The other end broke another rule.
    Illegal,
    /// This end gave it up.
    Aborted,
}

/// The two directions of the pipe that `socket` carries, which was made with [`super::config`],
/// and a handle to the whole. Needs a Tokio runtime.
#[must_use]
pub fn pipe(
    socket: Socket,
    keep_alive: Option<KeepAlive>,
) -> (WebSocketPipe, WebSocketWriter, WebSocketReader) {
    let shared = Shared {
        socket,
        ending: None,
        is_read: false,
        is_written: false,
        is_watched: true,
        reading: None,
        writing: None,
        signs: keep_alive.map(Signs::new),
    };
    let shared = Arc::new(Mutex::new(shared));
    let half = || Half(Some(shared.clone()));
    let writer = WebSocketWriter { half: half(), is_finished: false };
    let reader = WebSocketReader { half: half(), left: Bytes::new() };
    (WebSocketPipe { half: half() }, writer, reader)
}

/// A pipe on a WebSocket as a whole.
#[derive(Debug)]
pub struct WebSocketPipe {
    half: Half,
}

impl WebSocketPipe {
    /// Waits until the other end breaks the pipe after it has ended its own direction, when nobody
    /// else reads any more.
    pub async fn broken_after_end(&self) {
        poll_fn(|cx| {
            let mut shared = self.half.lock();
            match shared.is_read {
                true => shared.poll_after_end(cx),
                // Whoever reads the end is driven by the same task, which then comes here too.
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Why the pipe has ended before its time, if it has.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.half.lock().ending
    }

    /// Says goodbye with `code` and `reason`, and waits for the answer, 2 s at most. Both halves
    /// have to be dropped before.
    pub async fn close(mut self, code: u16, reason: &'static str) {
        if let Some(shared) = self.half.last() {
            let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
            farewell(shared.socket, Some(frame)).await;
        }
    }
}

impl Drop for WebSocketPipe {
    fn drop(&mut self) {
        if self.half.0.is_some() {
            self.half.lock().is_watched = false;
        }
    }
}

/// One holder of the socket.
#[derive(Debug)]
struct Half(Option<Arc<Mutex<Shared>>>);

impl Half {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        let shared = self.0.as_ref().expect("a half has the socket until it is dropped");
        shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The socket, if this was its last holder.
    fn last(&mut self) -> Option<Shared> {
        let shared = Arc::into_inner(self.0.take()?)?;
        Some(shared.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let Some(shared) = self.last() else { return };
        let frame = match (shared.ending, shared.is_read && shared.is_written) {
            // Nobody is there.
            (Some(Ending::Gone), _) => return,
            (Some(Ending::Closed), _) | (None, true) => None,
            (Some(Ending::Text), _) => Some(CloseCode::Unsupported),
            (Some(Ending::Illegal), _) => Some(CloseCode::Protocol),
            (Some(Ending::Aborted), _) | (None, false) => Some(CloseCode::Error),
        };
        let frame = frame.map(|code| CloseFrame { code, reason: "".into() });
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(farewell(shared.socket, frame));
        }
    }
}

/// Says goodbye and waits for the answer.
async fn farewell(mut socket: Socket, frame: Option<CloseFrame>) {
    let goodbye = async {
        // An error means that the other end has said goodbye first.
        let _ = socket.send(Message::Close(frame)).await;
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _ = timeout(FAREWELL, goodbye).await;
}

struct Shared {
    socket: Socket,
    ending: Option<Ending>,
    /// The other end has ended its direction.
    is_read: bool,
    /// This end has ended its direction.
    is_written: bool,
    /// Somebody has the pipe as a whole, and says goodbye with a code of their own.
    is_watched: bool,
    /// Who waits for bytes.
    reading: Option<Waker>,
    /// Who waits for room. The socket remembers only the last that asked it for room, and the one
    /// who reads asks too, to send a ping.
    writing: Option<Waker>,
    signs: Option<Signs>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("ending", &self.ending).finish_non_exhaustive()
    }
}

/// Signs of life.
#[derive(Debug)]
struct Signs {
    pings: Interval,
    /// Runs out if the other end, which was asked for one, gives none.
    silence: Option<Pin<Box<Sleep>>>,
    patience: Duration,
}

impl Signs {
    fn new(KeepAlive { every, dead_after }: KeepAlive) -> Self {
        let mut pings = interval(every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        Self { pings, silence: None, patience: dead_after.saturating_sub(every) }
    }
}

impl Shared {
    /// The next bytes; `None` once the other end has ended its direction.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if let Some(ending) = self.ending {
            return Poll::Ready(Err(broken(ending)));
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
            Err(ending) => Err(self.end(ending)),
        })
    }

    /// Whatever comes after the end breaks the pipe.
    fn poll_after_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ending = match ready!(self.poll_message(cx)) {
            Ok(_) => Ending::Illegal,
            Err(ending) => ending,
        };
        self.end(ending);
        Poll::Ready(())
    }

    /// The next binary message.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Ending>> {
        loop {
            let Poll::Ready(message) = Pin::new(&mut self.socket).poll_next(cx) else {
                self.reading = Some(cx.waker().clone());
                return match self.is_silent(cx) {
                    true => Poll::Ready(Err(Ending::Gone)),
                    false => Poll::Pending,
                };
            };
            if let Some(signs) = &mut self.signs {
                signs.silence = None;
            }
            match message {
                Some(Ok(Message::Binary(bytes))) => return Poll::Ready(Ok(bytes)),
                // A ping is answered by the socket itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(Ending::Text)),
                Some(Ok(Message::Close(_))) => return Poll::Ready(Err(Ending::Closed)),
                None | Some(Err(Error::Io(_))) => return Poll::Ready(Err(Ending::Gone)),
                // The end of a connection without a goodbye is one of these.
                Some(Err(error)) => return Poll::Ready(Err(Ending::of(&error))),
            }
        }
    }

    /// Asks for signs of life, and says whether they fail to come.
    fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(signs) = &mut self.signs else { return false };
        while signs.pings.poll_tick(cx).is_ready() {
            let mut socket = Pin::new(&mut self.socket);
            if let Poll::Ready(Ok(())) = socket.as_mut().poll_ready(cx)
                && socket.as_mut().start_send(Message::Ping(Bytes::new())).is_ok()
            {
                // What can't leave now leaves with the next write, or with the next ping.
                let _ = socket.poll_flush(cx);
            }
            signs.silence.get_or_insert_with(|| Box::pin(sleep(signs.patience)));
            if let Some(writing) = self.writing.take() {
                writing.wake();
            }
        }
        signs.silence.as_mut().is_some_and(|silence| silence.as_mut().poll(cx).is_ready())
    }

    /// Sends one message, or what is left of those before.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<io::Result<()>> {
        if let Some(ending) = self.ending {
            return Poll::Ready(Err(broken(ending)));
        }
        let Poll::Ready(sent) = Self::poll_socket(Pin::new(&mut self.socket), cx, message) else {
            self.writing = Some(cx.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(sent.map_err(|error| self.end(Ending::of(&error))))
    }

    fn poll_socket(
        mut socket: Pin<&mut Socket>,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), Error>> {
        ready!(socket.as_mut().poll_ready(cx))?;
        if let Some(message) = message.take() {
            socket.as_mut().start_send(message)?;
        }
        socket.poll_flush(cx)
    }

    /// Notes why the pipe ended, the first time.
    fn end(&mut self, ending: Ending) -> io::Error {
        for waiting in [self.reading.take(), self.writing.take()].into_iter().flatten() {
            waiting.wake();
        }
        broken(*self.ending.get_or_insert(ending))
    }

    /// This end gives the pipe up.
    fn abort(&mut self) {
        if self.ending.is_none() && !self.is_watched {
            // If there is no room for it, the last holder says it.
            let frame = CloseFrame { code: CloseCode::Error, reason: "".into() };
            let _ = self.socket.send(Message::Close(Some(frame))).now_or_never();
        }
        self.end(Ending::Aborted);
    }
}

impl Ending {
    fn of(error: &Error) -> Self {
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => Self::Closed,
            Error::Protocol(
                tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )
            | Error::Io(_) => Self::Gone,
            Error::Tls(_)
            | Error::Capacity(_)
            | Error::Protocol(_)
            | Error::WriteBufferFull(_)
            | Error::Utf8(_)
            | Error::AttackAttempt
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => Self::Illegal,
        }
    }
}

/// A WebSocket breaks as a whole: after it nothing comes of the other direction either.
fn broken(ending: Ending) -> io::Error {
    let kind = match ending {
        Ending::Closed | Ending::Aborted => io::ErrorKind::ConnectionAborted,
        Ending::Gone => io::ErrorKind::NotConnected,
        Ending::Text | Ending::Illegal => io::ErrorKind::InvalidData,
    };
    kind.into()
}

/// Reads one direction of a pipe on a WebSocket.
#[derive(Debug)]
pub struct WebSocketReader {
    half: Half,
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
            match ready!(self.half.lock().poll_bytes(cx))? {
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

    /// A WebSocket can't give up one direction alone. What is under way in the other still leaves;
    /// the end of both says it.
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

/// Writes one direction of a pipe on a WebSocket.
#[derive(Debug)]
pub struct WebSocketWriter {
    half: Half,
    /// Ended, in order or not: a drop has nothing to say any more.
    is_finished: bool,
}

impl WebSocketWriter {
    async fn send(&mut self, message: Message) -> io::Result<()> {
        let mut message = Some(message);
        poll_fn(|cx| self.half.lock().poll_send(cx, &mut message)).await
    }
}

impl PipeWriter for WebSocketWriter {
    async fn write_chunk(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(MAX_MESSAGE));
            self.send(Message::Binary(piece)).await?;
        }
        Ok(())
    }

    /// Several pieces are joined: what came in small datagrams would cost a message, a TLS record
    /// and a system call each.
    async fn write_chunks(&mut self, pieces: &mut [Bytes]) -> io::Result<()> {
        if let [piece] = pieces {
            return self.write_chunk(std::mem::take(piece)).await;
        }
        let mut joined = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
        for piece in pieces {
            joined.extend_from_slice(&std::mem::take(piece));
        }
        self.write_chunk(joined.freeze()).await
    }

    /// A WebSocket is given up as a whole.
    fn abort(&mut self) {
        self.is_finished = true;
        self.half.lock().abort();
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
        let piece = buf.get(..MAX_MESSAGE).unwrap_or(buf);
        if piece.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut shared = self.half.lock();
        if let Some(ending) = shared.ending {
            return Poll::Ready(Err(broken(ending)));
        }
        let mut socket = Pin::new(&mut shared.socket);
        let Poll::Ready(room) = socket.as_mut().poll_ready(cx) else {
            shared.writing = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let sent = match room {
            Ok(()) => socket.start_send(Message::Binary(Bytes::copy_from_slice(piece))),
            Err(error) => Err(error),
        };
        Poll::Ready(match sent {
            Ok(()) => Ok(piece.len()),
            Err(error) => Err(shared.end(Ending::of(&error))),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half.lock().poll_send(cx, &mut None)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut end = (!self.is_finished).then(|| Message::Binary(Bytes::new()));
        let sent = self.half.lock().poll_send(cx, &mut end);
        // Once it was handed over, a further call only waits for it to leave.
        if end.is_none() && !self.is_finished {
            self.is_finished = true;
            self.half.lock().is_written = true;
        }
        sent
    }
}
