//! The two halves of a stream.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use gantline_crypto::session::{OpenError, StreamError};
use gantline_protocol::{
    StreamId, WireError,
    session::{Head, ResetCode},
};

use super::shared::{SessionEnd, Shared, State, wake};

/// Why a stream could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenFailed {
    /// The request breaks a bound.
    #[error(transparent)]
    Invalid(WireError),
    /// 128 streams are open; wait until one ends.
    #[error("too many requests are open in this session")]
    TooMany,
    /// The peer takes no more streams: open a new session.
    #[error("the session takes no more requests")]
    GoingAway,
    /// The session is over: open a new one.
    #[error("the session is over: {0}")]
    Over(SessionEnd),
}

/// Why a stream can't be read or written any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamEnd {
    /// The peer gave it up; what arrived may be incomplete.
    #[error("the other end gave up: {0}")]
    Reset(ResetCode),
    /// The session is over, and the stream was not.
    #[error("the session ended in the middle: {0}")]
    SessionOver(SessionEnd),
    /// What was to be sent breaks a rule.
    #[error(transparent)]
    Invalid(#[from] WireError),
    /// The direction has ended, or was answered twice.
    #[error("the stream can't send this now")]
    WrongState,
}

/// Our direction of a stream. Dropped before [`Sending::finish`], it gives the whole stream up.
#[derive(Debug)]
pub struct Sending {
    shared: Arc<Shared>,
    stream: StreamId,
    is_finished: bool,
}

/// The peer's direction of a stream.
#[derive(Debug)]
pub struct Receiving {
    shared: Arc<Shared>,
    stream: StreamId,
    /// We asked: nobody wants the answer when this is dropped before its end.
    resets_on_drop: bool,
    is_ended: bool,
}

impl Sending {
    pub(super) const fn new(shared: Arc<Shared>, stream: StreamId) -> Self {
        Self { shared, stream, is_finished: false }
    }

    /// Answers a stream that the peer opened, once, before anything is written.
    ///
    /// # Errors
    /// [`StreamEnd`]; nothing was sent.
    pub fn answer(&mut self, head: Head) -> Result<(), StreamEnd> {
        let mut state = self.shared.lock();
        let result = state.core.answer(self.stream, head);
        let result = result.map_err(|error| self.failed(&state, &error));
        drop(state);
        self.shared.speak.notify_one();
        result
    }

    /// Writes all of `bytes`, waiting for credit. They are not copied until they are sealed.
    ///
    /// # Errors
    /// [`StreamEnd`]; some of the bytes may have been sent.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), StreamEnd> {
        while !bytes.is_empty() {
            poll_fn(|context| self.poll_write(context, &mut bytes)).await?;
        }
        Ok(())
    }

    /// Writes as much of `bytes` as there is credit for, and takes that off their front.
    ///
    /// # Errors
    /// [`StreamEnd`].
    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &mut Bytes,
    ) -> Poll<Result<(), StreamEnd>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.shared.lock();
        let room = usize::try_from(state.core.writable(self.stream)).unwrap_or(usize::MAX);
        let piece = bytes.slice(..room.min(bytes.len()));
        if piece.is_empty() {
            // Also finds out whether the stream is still there.
            if let Err(error) = state.core.write(self.stream, Bytes::new()) {
                return Poll::Ready(Err(self.failed(&state, &error)));
            }
            if let Some(stream) = state.streams.get_mut(&self.stream) {
                stream.writer = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        let length = piece.len();
        if let Err(error) = state.core.write(self.stream, piece) {
            return Poll::Ready(Err(self.failed(&state, &error)));
        }
        drop(state);
        self.shared.speak.notify_one();
        *bytes = bytes.split_off(length);
        Poll::Ready(Ok(()))
    }

    /// Waits until nobody wants what is written here any more. Giving the wait up loses nothing.
    pub async fn abandoned(&mut self) -> StreamEnd {
        poll_fn(|context| {
            let mut state = self.shared.lock();
            if let Some(end) = &state.end {
                return Poll::Ready(StreamEnd::SessionOver(end.clone()));
            }
            match state.streams.get_mut(&self.stream) {
                None => Poll::Ready(StreamEnd::WrongState),
                Some(stream) => match stream.reset {
                    Some(code) => Poll::Ready(StreamEnd::Reset(code)),
                    None => {
                        stream.watcher = Some(context.waker().clone());
                        Poll::Pending
                    }
                },
            }
        })
        .await
    }

    /// Ends our direction, after all that was written.
    ///
    /// # Errors
    /// [`StreamEnd`] when the stream has ended early.
    pub fn finish(mut self) -> Result<(), StreamEnd> {
        self.is_finished = true;
        let mut state = self.shared.lock();
        let result = state.core.finish(self.stream);
        let result = result.map_err(|error| self.failed(&state, &error));
        drop(state);
        self.shared.speak.notify_one();
        result
    }

    /// Gives the whole stream up.
    pub fn reset(mut self, code: ResetCode) {
        self.give_up(code);
    }

    fn give_up(&mut self, code: ResetCode) {
        self.is_finished = true;
        let mut state = self.shared.lock();
        state.core.reset(self.stream, code);
        // Nothing more comes: whoever waits for it must not wait for ever.
        let mut wakers = Vec::new();
        if let Some(stream) = state.streams.get_mut(&self.stream)
            && !stream.is_finished
        {
            stream.reset.get_or_insert(code);
            wakers.extend(stream.all_wakers());
        }
        drop(state);
        wake(wakers);
        self.shared.speak.notify_one();
    }

    fn failed(&self, state: &State, error: &StreamError) -> StreamEnd {
        if let Some(end) = &state.end {
            return StreamEnd::SessionOver(end.clone());
        }
        match (error, state.streams.get(&self.stream).and_then(|stream| stream.reset)) {
            (StreamError::Invalid(error), _) => StreamEnd::Invalid(error.clone()),
            (_, Some(code)) => StreamEnd::Reset(code),
            (
                StreamError::Unknown(_)
                | StreamError::WrongState(_)
                | StreamError::Blocked { .. }
                | StreamError::Closed,
                _,
            ) => StreamEnd::WrongState,
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.is_finished {
            self.give_up(ResetCode::Cancelled);
        }
        let mut state = self.shared.lock();
        if let Some(stream) = state.streams.get_mut(&self.stream) {
            stream.is_unwritten = true;
        }
        state.forget(self.stream);
    }
}

impl Receiving {
    pub(super) const fn new(shared: Arc<Shared>, stream: StreamId, is_ours: bool) -> Self {
        Self { shared, stream, resets_on_drop: is_ours, is_ended: false }
    }

    /// The peer's answer to a stream that we opened; waits for it. Once only.
    ///
    /// # Errors
    /// [`StreamEnd`] when there will be none.
    pub async fn head(&mut self) -> Result<Head, StreamEnd> {
        poll_fn(|context| {
            let mut state = self.shared.lock();
            let end = state.end.clone();
            let Some(stream) = state.streams.get_mut(&self.stream) else {
                return Poll::Ready(Err(StreamEnd::WrongState));
            };
            match (stream.head.take(), stream.reset, end) {
                (Some(head), _, _) => Poll::Ready(Ok(head)),
                (None, Some(code), _) => Poll::Ready(Err(StreamEnd::Reset(code))),
                (None, None, Some(end)) => Poll::Ready(Err(StreamEnd::SessionOver(end))),
                (None, None, None) if stream.is_finished => Poll::Ready(Err(StreamEnd::WrongState)),
                (None, None, None) => {
                    stream.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The next bytes, all that are there; `None` at the peer's orderly end. Giving the wait up
    /// loses nothing.
    ///
    /// # Errors
    /// [`StreamEnd`] when the stream broke off: what arrived is incomplete.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, StreamEnd> {
        poll_fn(|context| self.poll_chunk(context)).await
    }

    /// As [`Self::chunk`].
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamEnd>> {
        let mut state = self.shared.lock();
        let end = state.end.clone();
        let Some(stream) = state.streams.get_mut(&self.stream) else {
            return Poll::Ready(Err(StreamEnd::WrongState));
        };
        if !stream.received.is_empty() {
            let bytes = stream.received.split().freeze();
            state.core.consumed(self.stream, bytes.len());
            let speaks = state.core.has_something_to_say(Instant::now());
            drop(state);
            if speaks {
                self.shared.speak.notify_one();
            }
            return Poll::Ready(Ok(Some(bytes)));
        }
        if stream.is_finished {
            self.is_ended = true;
            return Poll::Ready(Ok(None));
        }
        match (stream.reset, end) {
            (Some(code), _) => {
                self.is_ended = true;
                Poll::Ready(Err(StreamEnd::Reset(code)))
            }
            (None, Some(end)) => Poll::Ready(Err(StreamEnd::SessionOver(end))),
            (None, None) => {
                stream.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(stream) = state.streams.get_mut(&self.stream) {
            stream.is_unread = true;
            let unread = std::mem::take(&mut stream.received).len();
            state.core.consumed(self.stream, unread);
        }
        if self.resets_on_drop && !self.is_ended {
            state.core.reset(self.stream, ResetCode::Cancelled);
        }
        state.forget(self.stream);
        let speaks = state.core.has_something_to_say(Instant::now());
        drop(state);
        if speaks {
            self.shared.speak.notify_one();
        }
    }
}

impl State {
    /// Forgets a stream that nobody holds any more. What still arrives of it is thrown away.
    fn forget(&mut self, stream: StreamId) {
        if self.streams.get(&stream).is_some_and(|held| held.is_unread && held.is_unwritten) {
            self.streams.remove(&stream);
        }
    }
}

impl From<OpenError> for OpenFailed {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Invalid(error) => Self::Invalid(error),
            OpenError::TooMany => Self::TooMany,
            OpenError::GoingAway | OpenError::Closed => Self::GoingAway,
        }
    }
}
