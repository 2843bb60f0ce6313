//! What the tasks of a session and the holders of its streams share, and the handle to it.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use gantline_crypto::session::{Event, Session as Core, SessionError};
use gantline_protocol::{
    StreamId,
    session::{CloseCode, GoAwayCode, Head, Open, ResetCode, record::MAX_RECORD},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::stream::{OpenFailed, Receiving, Sending};

/// Room for a record of a few small frames.
const SMALL_RECORD: usize = 256;

/// A handle to a session. Clones are handles to the same one. The session goes on while no handle
/// exists, until somebody closes it or its pipe ends.
#[derive(Debug, Clone)]
pub struct Session {
    pub(super) shared: Arc<Shared>,
}

/// What the peer began: its HELLO first, then the streams that it opens.
#[derive(Debug)]
pub struct Arrivals {
    shared: Arc<Shared>,
}

/// Something that the peer began.
#[derive(Debug)]
pub enum Arrival {
    /// The peer has proved itself and said what it speaks. Always the first, once.
    Hello,
    /// The peer opened a stream: answer it with [`Sending::answer`].
    Stream {
        /// What is asked for.
        open: Open,
        /// Our direction.
        sending: Sending,
        /// The peer's direction.
        receiving: Receiving,
    },
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionEnd {
    /// The peer closed it.
    #[error("the other end closed the session: {code}")]
    ByPeer {
        /// Why.
        code: CloseCode,
        /// An explanation for people; hostile text.
        reason: String,
    },
    /// This end closed it.
    #[error("this end closed the session: {0}")]
    Here(CloseCode),
    /// It failed, or the pipe was cut off.
    #[error(transparent)]
    Failed(SessionError),
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the writing task.
    pub(super) speak: Notify,
    end: watch::Sender<Option<SessionEnd>>,
    /// The pipe has ended as well.
    pub(super) finished: CancellationToken,
    round_trip: watch::Sender<Option<Duration>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) core: Core,
    pub(super) streams: HashMap<StreamId, StreamState>,
    /// At most 128 streams and one HELLO: the core ends a session that opens more, and one that is
    /// reset leaves.
    arrivals: VecDeque<Began>,
    arrival_waker: Option<Waker>,
    /// Nobody takes what the peer opens: it is refused.
    is_deaf: bool,
    pub(super) going_away: Option<GoAwayCode>,
    pub(super) end: Option<SessionEnd>,
}

#[derive(Debug)]
enum Began {
    Hello,
    Stream(StreamId, Open),
}

/// What the halves of a stream have to know.
#[derive(Debug, Default)]
pub(super) struct StreamState {
    pub(super) head: Option<Head>,
    /// Bytes that nobody took yet: at most the stream's window.
    pub(super) received: BytesMut,
    /// The peer's direction is complete.
    pub(super) is_finished: bool,
    /// The peer gave the stream up.
    pub(super) reset: Option<ResetCode>,
    /// Who waits for bytes.
    pub(super) reader: Option<Waker>,
    /// Who waits for credit.
    pub(super) writer: Option<Waker>,
    /// Who waits for the peer to lose interest.
    pub(super) watcher: Option<Waker>,
    /// The receiving half is gone: what arrives is thrown away.
    pub(super) is_unread: bool,
    /// The sending half is gone.
    pub(super) is_unwritten: bool,
}

impl Session {
    pub(super) fn new(core: Core) -> (Self, Arrivals) {
        let state = State {
            core,
            streams: HashMap::new(),
            arrivals: VecDeque::new(),
            arrival_waker: None,
            is_deaf: false,
            going_away: None,
            end: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            speak: Notify::new(),
            end: watch::Sender::new(None),
            finished: CancellationToken::new(),
            round_trip: watch::Sender::new(None),
        });
        (Self { shared: shared.clone() }, Arrivals { shared })
    }

    /// Opens a stream. The peer learns of it at once; its answer is [`Receiving::head`].
    ///
    /// # Errors
    /// [`OpenFailed`]; nothing was sent.
    pub fn open(&self, open: Open) -> Result<(Sending, Receiving), OpenFailed> {
        let mut state = self.shared.lock();
        if let Some(end) = &state.end {
            return Err(OpenFailed::Over(end.clone()));
        }
        let stream = state.core.open(open).map_err(OpenFailed::from)?;
        state.streams.insert(stream, StreamState::default());
        drop(state);
        self.shared.speak.notify_one();
        Ok((
            Sending::new(self.shared.clone(), stream),
            Receiving::new(self.shared.clone(), stream, true),
        ))
    }

    /// Asks the peer for a sign of life; [`Self::round_trip`] tells how long it took.
    pub fn ping(&self) {
        self.shared.lock().core.ping(Instant::now());
        self.shared.speak.notify_one();
    }

    /// The round trip of the last ping that was answered, and of those to come.
    #[must_use]
    pub fn round_trip(&self) -> watch::Receiver<Option<Duration>> {
        self.shared.round_trip.subscribe()
    }

    /// Takes no more streams from the peer; those that are open go on.
    pub fn go_away(&self, code: GoAwayCode) {
        self.shared.lock().core.go_away(code);
        self.shared.speak.notify_one();
    }

    /// Ends the session; streams that have not ended are incomplete.
    pub fn close(&self, code: CloseCode, reason: &str) {
        let mut state = self.shared.lock();
        state.core.close(code, reason);
        let wakers = self.shared.end(&mut state, SessionEnd::Here(code));
        drop(state);
        wake(wakers);
        self.shared.speak.notify_one();
    }

    /// Ends the session without a word to the peer.
    pub fn abort(&self) {
        self.shared.end_of_input();
        self.shared.speak.notify_one();
    }

    /// Whether requests can still be made: the session is open, and the peer takes streams.
    #[must_use]
    pub fn takes_streams(&self) -> bool {
        let state = self.shared.lock();
        state.end.is_none() && state.going_away.is_none()
    }

    /// Streams that have not ended in both directions.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.shared.lock().streams.len()
    }

    /// Waits until the session is over, and tells why.
    pub async fn ended(&self) -> SessionEnd {
        let mut end = self.shared.end.subscribe();
        match end.wait_for(Option::is_some).await.map(|end| end.clone()) {
            Ok(Some(end)) => end,
            // The sender lives in `shared`, which this handle holds.
            Ok(None) | Err(_) => SessionEnd::Failed(SessionError::Truncated),
        }
    }

    /// Waits until the session is over and its last words have left.
    pub async fn finished(&self) {
        self.shared.finished.cancelled().await;
    }
}

impl Arrivals {
    /// What the peer began next; `None` when the session is over. Giving the wait up loses nothing.
    pub async fn next(&mut self) -> Option<Arrival> {
        let began = poll_fn(|context| {
            let mut state = self.shared.lock();
            if let Some(began) = state.arrivals.pop_front() {
                return Poll::Ready(Some(began));
            }
            if state.end.is_some() {
                return Poll::Ready(None);
            }
            state.arrival_waker = Some(context.waker().clone());
            Poll::Pending
        });
        Some(match began.await? {
            Began::Hello => Arrival::Hello,
            Began::Stream(stream, open) => Arrival::Stream {
                open,
                sending: Sending::new(self.shared.clone(), stream),
                receiving: Receiving::new(self.shared.clone(), stream, false),
            },
        })
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_deaf = true;
        let State { core, streams, arrivals, .. } = &mut *state;
        for began in std::mem::take(arrivals) {
            if let Began::Stream(stream, _) = began {
                let unread = streams.remove(&stream).map_or(0, |state| state.received.len());
                core.consumed(stream, unread);
                core.reset(stream, ResetCode::Refused);
            }
        }
        drop(state);
        self.shared.speak.notify_one();
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // The core returns errors and does not panic, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands bytes that arrived to the core. Returns how many it took, and whether there is
    /// something to say to the peer.
    pub(super) fn receive(&self, input: &mut [u8]) -> Result<(usize, bool), SessionError> {
        let now = Instant::now();
        let mut wakers = Vec::new();
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut discarded = Vec::new();
        let State { core, streams, arrivals, arrival_waker, is_deaf, going_away, .. } = state;
        let mut refused = Vec::new();
        let mut closed = None;
        let result = core.receive(now, input, |event| match event {
            Event::Hello(_) => {
                arrivals.push_back(Began::Hello);
                wakers.extend(arrival_waker.take());
            }
            Event::Opened { stream, .. } if *is_deaf => refused.push(stream),
            Event::Opened { stream, open } => {
                streams.insert(stream, StreamState::default());
                arrivals.push_back(Began::Stream(stream, open));
                wakers.extend(arrival_waker.take());
            }
            Event::Answered { stream, head } => {
                if let Some(state) = streams.get_mut(&stream) {
                    state.head = Some(head);
                    wakers.extend(state.reader.take());
                }
            }
            Event::Data { stream, bytes } => match streams.get_mut(&stream) {
                Some(state) if !state.is_unread => {
                    state.received.extend_from_slice(bytes);
                    wakers.extend(state.reader.take());
                }
                _ => discarded.push((stream, bytes.len())),
            },
            Event::Finished { stream } => {
                if let Some(state) = streams.get_mut(&stream) {
                    state.is_finished = true;
                    wakers.extend(state.reader.take());
                }
            }
            Event::Reset { stream, code } => {
                let waiting = arrivals.len();
                let is_stream =
                    |began: &Began| matches!(began, Began::Stream(other, _) if *other == stream);
                arrivals.retain(|began| !is_stream(began));
                if arrivals.len() < waiting {
                    // Nobody has seen it yet, and nobody will.
                    let unread = streams.remove(&stream).map_or(0, |state| state.received.len());
                    discarded.push((stream, unread));
                } else if let Some(state) = streams.get_mut(&stream) {
                    state.reset.get_or_insert(code);
                    wakers.extend(state.all_wakers());
                }
            }
            Event::Writable { stream: Some(stream) } => {
                wakers.extend(streams.get_mut(&stream).and_then(|state| state.writer.take()));
            }
            Event::Writable { stream: None } => {
                wakers.extend(streams.values_mut().filter_map(|state| state.writer.take()));
            }
            Event::Pong { round_trip } => {
                self.round_trip.send_replace(Some(round_trip));
            }
            Event::GoingAway { code, .. } => *going_away = Some(code),
            Event::Closed { code, reason } => {
                closed = Some(SessionEnd::ByPeer { code, reason: reason.to_owned() });
            }
        });
        for (stream, length) in discarded {
            state.core.consumed(stream, length);
        }
        for stream in refused {
            state.core.reset(stream, ResetCode::Refused);
        }
        if let Some(end) = closed {
            wakers.extend(self.end(state, end));
        } else if let Err(error) = &result {
            wakers.extend(self.end(state, SessionEnd::Failed(error.clone())));
        }
        // A writing task whose session is over ends the pipe.
        let speaks = state.core.has_something_to_say(now) || state.core.is_over();
        drop(guard);
        wake(wakers);
        result.map(|taken| (taken, speaks))
    }

    /// Seals what there is to say, about `limit` bytes of it.
    pub(super) fn transmit(&self, limit: usize) -> (Vec<u8>, Spoken) {
        let now = Instant::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.core.deadline().is_some_and(|deadline| deadline <= now) {
            state.core.on_deadline(now);
        }
        let mut wakers = Vec::new();
        let mut out = Vec::with_capacity(sealed(state.core.unsealed(), limit));
        if let Err(error) = state.core.transmit(now, &mut out, limit) {
            wakers.extend(self.end(state, SessionEnd::Failed(error)));
        }
        if !state.core.is_open() && state.end.is_none() {
            // The core gave up by itself: at its greatest age.
            wakers.extend(self.end(state, SessionEnd::Here(CloseCode::Expired)));
        }
        // What was sealed made room for those who wait for the session's own buffer.
        for (stream, waiting) in &mut state.streams {
            if waiting.writer.is_some() && state.core.writable(*stream) > 0 {
                wakers.extend(waiting.writer.take());
            }
        }
        let spoken = Spoken { deadline: state.core.deadline(), is_over: state.core.is_over() };
        drop(guard);
        wake(wakers);
        (out, spoken)
    }

    /// The pipe ended, in whatever way.
    pub(super) fn end_of_input(&self) {
        let mut state = self.lock();
        let result = state.core.end_of_input();
        let error = result.err().unwrap_or(SessionError::Truncated);
        let wakers = self.end(&mut state, SessionEnd::Failed(error));
        drop(state);
        wake(wakers);
    }

    /// Notes why the session ended, the first time. Returns whom to wake, without the lock.
    fn end(&self, state: &mut State, end: SessionEnd) -> Vec<Waker> {
        if state.end.is_some() {
            return Vec::new();
        }
        state.end = Some(end.clone());
        self.end.send_replace(Some(end));
        let mut wakers: Vec<_> = state.arrival_waker.take().into_iter().collect();
        for stream in state.streams.values_mut() {
            wakers.extend(stream.all_wakers());
        }
        wakers
    }
}

/// How many bytes `unsealed` ones make with what a record adds to them, or the most that `limit`
/// allows.
const fn sealed(unsealed: usize, limit: usize) -> usize {
    match unsealed < limit {
        true => unsealed + unsealed / 16 + SMALL_RECORD,
        false => limit + MAX_RECORD,
    }
}

impl StreamState {
    pub(super) fn all_wakers(&mut self) -> impl Iterator<Item = Waker> {
        [self.reader.take(), self.writer.take(), self.watcher.take()].into_iter().flatten()
    }
}

/// What is to be done once everything was said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spoken {
    pub(super) deadline: Option<Instant>,
    pub(super) is_over: bool,
}

pub(super) fn wake(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        waker.wake();
    }
}
