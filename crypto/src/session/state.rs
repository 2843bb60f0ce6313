//! The session's state, and what its owner may do with it.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    time::Instant,
};

use bytes::Bytes;
use gantline_login::CipherState;
use gantline_protocol::{
    StreamId,
    session::{Frame, GoAwayCode, Head, MAX_STREAMS, Open, ResetCode, SESSION_WINDOW},
};

use super::{
    MAX_UNSENT, MAX_UNSENT_CONTROL, OpenError, Opener, Sealer, SessionError, StreamError,
    credit::{ReceiveWindow, SendWindow},
    stream::{Direction, Stream},
};

/// Which end of the session this is. Decides who opens odd and who even streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The device: odd streams.
    Device,
    /// The node: even streams.
    Node,
}

/// What a handshake leaves behind: one cipher state for each direction.
#[derive(Debug)]
pub struct SessionKeys {
    /// For what we send.
    pub send: CipherState,
    /// For what we receive.
    pub receive: CipherState,
}

/// One end of a session. Its owner
/// - hands it every byte that arrives ([`Session::receive`]) and the end of them
///   ([`Session::end_of_input`]),
/// - sends what it has to say ([`Session::transmit`]) after anything was done with it,
/// - calls [`Session::on_deadline`] at [`Session::deadline`].
pub struct Session {
    pub(super) side: Side,
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
    pub(super) phase: Phase,
    /// Our HELLO was sent.
    pub(super) has_greeted: bool,
    pub(super) peer: Peer,
    pub(super) streams: HashMap<StreamId, Stream>,
    /// Streams of ours and of the peer's that have not ended.
    pub(super) open: PerSide<usize>,
    /// The highest stream that was opened, ours and the peer's; 0 for none.
    pub(super) last: PerSide<u32>,
    /// The highest stream that is still served after a GOAWAY: of ours, by the peer, and of the
    /// peer's, by us.
    pub(super) served: PerSide<Option<u32>>,
    pub(super) send_window: SendWindow,
    pub(super) receive_window: ReceiveWindow,
    stream_window: u64,
    /// How much the windows of the streams at hand have grown by themselves. The session's window is
    /// wider by at least as much: a stream that stands still takes no room from the others, however
    /// fast it was.
    pub(super) grown: u64,
    /// DATA that is queued and not sent, over all streams.
    pub(super) unsent: u64,
    /// Encoded frames that wait to be sent, from `control_sent` on.
    pub(super) control: Vec<u8>,
    pub(super) control_sent: usize,
    /// The number of the peer's latest PING, until it is answered. Earlier ones need no answer.
    pub(super) pong: Option<u64>,
    pub(super) ping: Ping,
    pub(super) ready: VecDeque<StreamId>,
    pub(super) credit_due: VecDeque<StreamId>,
    pub(super) began: Instant,
    /// When the present sending key sealed its first record.
    pub(super) key_began: Option<Instant>,
    /// The next record changes the key, whatever its age.
    pub(super) is_rekey_due: bool,
}

impl fmt::Debug for Session {
    /// Without what waits to be sent: that is somebody's secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("side", &self.side)
            .field("is_open", &self.is_open())
            .field("sealer", &self.sealer)
            .field("opener", &self.opener)
            .field("streams", &self.streams.len())
            .field("unsent", &self.unsent)
            .finish_non_exhaustive()
    }
}

/// How far the session has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Frames pass.
    Open,
    /// We have said, or are about to say, CLOSE; `frame` until it is sealed.
    Closing { frame: Option<Vec<u8>>, error: SessionError },
    /// Over.
    Over(SessionError),
}

/// How far the peer has introduced itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    /// No record of it has opened.
    Silent,
    /// One has opened: it has the keys.
    Proved,
    /// Its HELLO arrived.
    Greeted,
}

/// One value for our streams, one for the peer's.
#[derive(Debug, Default)]
pub(super) struct PerSide<T> {
    pub(super) ours: T,
    pub(super) theirs: T,
}

/// Our latest PING. Numbers rise, so an answer to an older one is told from an invented one.
#[derive(Debug, Default)]
pub(super) struct Ping {
    pub(super) number: u64,
    pub(super) sent: Option<Instant>,
}

impl Session {
    /// A session over the keys of a finished handshake.
    #[must_use]
    pub fn new(side: Side, keys: SessionKeys, now: Instant) -> Self {
        Self {
            side,
            sealer: Sealer::new(keys.send),
            opener: Opener::new(keys.receive),
            phase: Phase::Open,
            has_greeted: false,
            peer: Peer::Silent,
            streams: HashMap::new(),
            open: PerSide::default(),
            last: PerSide::default(),
            served: PerSide::default(),
            send_window: SendWindow::new(SESSION_WINDOW),
            receive_window: ReceiveWindow::new(SESSION_WINDOW),
            stream_window: 0,
            grown: 0,
            unsent: 0,
            control: Vec::new(),
            control_sent: 0,
            pong: None,
            ping: Ping::default(),
            ready: VecDeque::new(),
            credit_due: VecDeque::new(),
            began: now,
            key_began: None,
            is_rekey_due: false,
        }
    }

    /// Opens a stream. The peer answers it with a head, data and an end.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was sent.
    pub fn open(&mut self, open: Open) -> Result<StreamId, OpenError> {
        if !self.is_open() {
            return Err(OpenError::Closed);
        }
        if self.served.ours.is_some() {
            return Err(OpenError::GoingAway);
        }
        if self.open.ours >= MAX_STREAMS {
            return Err(OpenError::TooMany);
        }
        let first = match self.side {
            Side::Device => 1,
            Side::Node => 2,
        };
        let next = match self.last.ours {
            0 => Some(first),
            last => last.checked_add(2),
        };
        let stream = next.and_then(StreamId::new).ok_or(OpenError::GoingAway)?;
        Frame::Open { stream, open }.encode(&mut self.control)?;
        self.last.ours = stream.number();
        self.open.ours += 1;
        self.insert(stream, Stream::opened_by_us());
        self.bound_control();
        if self.is_open() { Ok(stream) } else { Err(OpenError::Closed) }
    }

    /// Answers a stream that the peer opened.
    ///
    /// # Errors
    /// [`StreamError`]; nothing was sent.
    pub fn answer(&mut self, stream: StreamId, head: Head) -> Result<(), StreamError> {
        let state = self.sending(stream, Direction::Headless)?;
        state.sending = Direction::Flowing;
        if let Err(error) = (Frame::Head { stream, head }).encode(&mut self.control) {
            if let Some(state) = self.streams.get_mut(&stream) {
                state.sending = Direction::Headless;
            }
            return Err(error.into());
        }
        self.bound_control();
        if self.is_open() { Ok(()) } else { Err(StreamError::Closed) }
    }

    /// How many bytes [`Self::write`] takes now. More after [`super::Event::Writable`] and, where
    /// our own buffers were the limit, after [`Self::transmit`].
    #[must_use]
    pub fn writable(&self, stream: StreamId) -> u64 {
        match self.streams.get(&stream) {
            Some(state) if state.sending == Direction::Flowing && self.is_open() => state
                .send_window
                .available()
                .min(self.send_window.available())
                .min(MAX_UNSENT.saturating_sub(self.unsent)),
            _ => 0,
        }
    }

    /// Queues all of `bytes`, or nothing. The bytes are not copied until they are sealed.
    ///
    /// # Errors
    /// [`StreamError::Blocked`] when they are more than [`Self::writable`].
    pub fn write(&mut self, stream: StreamId, bytes: Bytes) -> Result<(), StreamError> {
        let writable = self.writable(stream);
        let length = bytes.len() as u64;
        let state = self.sending(stream, Direction::Flowing)?;
        if length > writable {
            return Err(StreamError::Blocked { writable });
        }
        if length > 0 {
            state.queue(bytes);
            self.unsent += length;
            self.send_window.reserve(length);
            self.make_ready(stream);
        }
        Ok(())
    }

    /// Ends our direction of a stream, after all that was written.
    ///
    /// # Errors
    /// [`StreamError`] when it has no head yet or has ended.
    pub fn finish(&mut self, stream: StreamId) -> Result<(), StreamError> {
        self.sending(stream, Direction::Flowing)?.sending = Direction::Finishing;
        self.make_ready(stream);
        Ok(())
    }

    /// Ends a stream in both directions, early. What arrives of it from now on is thrown away.
    /// Does nothing if the stream has ended.
    pub fn reset(&mut self, stream: StreamId, code: ResetCode) {
        if !self.is_open() {
            return;
        }
        let Some(state) = self.streams.get_mut(&stream) else { return };
        if state.receiving == Direction::Discarding {
            return;
        }
        if state.receiving != Direction::Ended {
            state.receiving = Direction::Discarding;
        }
        self.stop_sending(stream);
        self.stop_crediting(stream);
        self.push_control(&Frame::Reset { stream, code });
        self.sweep(stream);
    }

    /// Gives back bytes of [`super::Event::Data`] that were dealt with, so that the peer may send
    /// more.
    pub fn consumed(&mut self, stream: StreamId, bytes: usize) {
        self.receive_window.consume(bytes as u64);
        if let Some(state) = self.streams.get_mut(&stream) {
            state.receive_window.consume(bytes as u64);
            self.queue_credit(stream);
        }
    }

    /// Lets the peer send further ahead: `stream` bytes on each stream, `session` bytes on all
    /// together. Windows only grow. They also grow by themselves, while what they let in is
    /// consumed fast.
    pub fn widen(&mut self, stream: u64, session: u64) {
        self.stream_window = self.stream_window.max(stream);
        self.receive_window.widen(session);
        let streams: Vec<_> = self.streams.keys().copied().collect();
        for number in streams {
            if let Some(state) = self.streams.get_mut(&number) {
                state.receive_window.widen(stream);
                self.queue_credit(number);
            }
        }
    }

    /// Asks the peer for a sign of life; [`super::Event::Pong`] tells the round trip of the
    /// latest one.
    pub fn ping(&mut self, now: Instant) {
        if self.is_open() {
            self.ping.number += 1;
            self.ping.sent = Some(now);
            self.push_control(&Frame::Ping(self.ping.number));
        }
    }

    /// Takes no more streams from the peer; those that are open go on, later ones are
    /// refused.
    pub fn go_away(&mut self, code: GoAwayCode) {
        if self.is_open() && self.served.theirs.is_none() {
            let last = self.last.theirs;
            self.served.theirs = Some(last);
            self.push_control(&Frame::GoAway { code, last });
        }
    }

    /// Whether frames still pass in both directions.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(super) fn insert(&mut self, stream: StreamId, mut state: Stream) {
        state.receive_window.widen(self.stream_window);
        self.streams.insert(stream, state);
    }

    pub(super) fn is_ours(&self, stream: StreamId) -> bool {
        stream.opened_by_device() == (self.side == Side::Device)
    }

    /// Forgets a stream whose both directions have ended.
    pub(super) fn sweep(&mut self, stream: StreamId) {
        if self.streams.get(&stream).is_some_and(Stream::has_ended) {
            self.grown -= self.streams.remove(&stream).map_or(0, |ended| ended.grown());
            match self.is_ours(stream) {
                true => self.open.ours -= 1,
                false => self.open.theirs -= 1,
            }
        }
    }

    /// Ends our direction at once and throws away what it would still have sent.
    pub(super) fn stop_sending(&mut self, stream: StreamId) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        state.sending = Direction::Ended;
        let dropped = state.drop_unsent();
        self.unsent -= dropped;
        self.send_window.release(dropped);
        if std::mem::take(&mut state.is_ready) {
            self.ready.retain(|waiting| *waiting != stream);
        }
    }

    /// Has a CREDIT sent for a stream, if one is due.
    pub(super) fn queue_credit(&mut self, stream: StreamId) {
        if let Some(state) = self.streams.get_mut(&stream)
            && matches!(state.receiving, Direction::Headless | Direction::Flowing)
            && !state.is_credit_due
            && state.receive_window.is_due()
        {
            state.is_credit_due = true;
            self.credit_due.push_back(stream);
        }
    }

    /// Takes back a CREDIT that nobody needs any more.
    pub(super) fn stop_crediting(&mut self, stream: StreamId) {
        if let Some(state) = self.streams.get_mut(&stream)
            && std::mem::take(&mut state.is_credit_due)
        {
            self.credit_due.retain(|waiting| *waiting != stream);
        }
    }

    /// Roughly how many bytes [`Self::transmit`] has to write now; DATA that is limited by nothing
    /// but our own queue is counted whole.
    #[must_use]
    pub fn unsealed(&self) -> usize {
        let data = usize::try_from(self.unsent).unwrap_or(usize::MAX);
        data.saturating_add(self.control.len() - self.control_sent)
    }

    /// Queues a small frame whose encoding can't fail.
    pub(super) fn push_control(&mut self, frame: &Frame<'_>) {
        let encoded = frame.encode(&mut self.control);
        debug_assert!(encoded.is_ok(), "{frame:?}");
        self.bound_control();
    }

    fn bound_control(&mut self) {
        if self.control.len() - self.control_sent > MAX_UNSENT_CONTROL {
            self.fail(SessionError::Overload);
        }
    }

    fn make_ready(&mut self, stream: StreamId) {
        if let Some(state) = self.streams.get_mut(&stream).filter(|state| !state.is_ready) {
            state.is_ready = true;
            self.ready.push_back(stream);
        }
    }

    fn sending(
        &mut self,
        stream: StreamId,
        progress: Direction,
    ) -> Result<&mut Stream, StreamError> {
        if !self.is_open() {
            return Err(StreamError::Closed);
        }
        let state = self.streams.get_mut(&stream).ok_or(StreamError::Unknown(stream))?;
        match state.sending == progress {
            true => Ok(state),
            false => Err(StreamError::WrongState(stream)),
        }
    }
}
