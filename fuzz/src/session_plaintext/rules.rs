//! The protocol's rules, written a second time: what a peer may say, what the owner must be told of
//! it, and what must be said in turn. The session is held against this.

use std::collections::{BTreeMap, BTreeSet};

use gantline_crypto::session::{Event, MAX_GROWN, MAX_STREAM_WINDOW, MAX_UNSENT, Side};
use gantline_protocol::{
    PROTOCOL_VERSION, StreamId,
    session::{CREDIT_END, Frame, Hello, MAX_STREAMS, SESSION_WINDOW, STREAM_WINDOW},
};

pub(super) struct Rules {
    side: Side,
    has_hello: bool,
    is_closed: bool,
    last_theirs: u32,
    last_ours: u32,
    /// We said GOAWAY.
    pub(super) is_going_away: bool,
    /// The peer said GOAWAY, and which of our streams it still serves.
    served: Option<u32>,
    pub(super) pings: u64,
    awaits_pong: bool,
    /// The peer's latest PING, until it is answered.
    pub(super) pinged: Option<u64>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// Streams whose RESET is still to be said.
    pub(super) resets: BTreeSet<StreamId>,
    pub(super) incoming: Window,
    /// What we may send, and have set aside.
    credit: u64,
    used: u64,
    stream_window: u64,
    /// By how much the windows of streams have grown by themselves, those that have ended included.
    grown: u64,
}

pub(super) struct Stream {
    pub(super) receiving: Receiving,
    pub(super) sending: Sending,
    pub(super) was_answered: bool,
    pub(super) incoming: Window,
    credit: u64,
    pub(super) written: u64,
    /// Of these, how many have been said.
    pub(super) said: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receiving {
    Headless,
    Flowing,
    /// We reset the stream; what comes is thrown away.
    Discarding,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Headless,
    Flowing,
    Finishing,
    Ended,
}

/// What the peer may send.
pub(super) struct Window {
    received: u64,
    granted: u64,
    /// Received and not given back.
    held: u64,
    most: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Told,
    Silent,
    Forbidden,
}

use Verdict::{Forbidden, Silent, Told};

impl Rules {
    pub(super) const fn new(side: Side) -> Self {
        Self {
            side,
            has_hello: false,
            is_closed: false,
            last_theirs: 0,
            last_ours: 0,
            is_going_away: false,
            served: None,
            pings: 0,
            awaits_pong: false,
            pinged: None,
            streams: BTreeMap::new(),
            resets: BTreeSet::new(),
            incoming: Window::new(SESSION_WINDOW),
            credit: SESSION_WINDOW,
            used: 0,
            stream_window: STREAM_WINDOW,
            grown: 0,
        }
    }

    /// The peer's next frame.
    pub(super) fn judge(&mut self, frame: &Frame<'_>) -> Verdict {
        if self.is_closed {
            return Forbidden;
        }
        if !self.has_hello && !matches!(frame, Frame::Hello(_) | Frame::Ignored(_)) {
            return Forbidden;
        }
        match frame {
            Frame::Hello(hello) => self.judge_hello(hello),
            Frame::Open { stream, .. } => self.judge_open(*stream),
            Frame::Head { stream, .. } => match self.live(*stream) {
                Some(state) if state.receiving == Receiving::Headless => {
                    state.receiving = Receiving::Flowing;
                    Told
                }
                Some(state) if state.receiving == Receiving::Discarding => Silent,
                _ => Forbidden,
            },
            Frame::Data { stream, bytes } => self.judge_data(*stream, bytes.len() as u64),
            Frame::Fin { stream, total } => match self.live(*stream) {
                Some(state) if state.incoming.received == *total => {
                    match std::mem::replace(&mut state.receiving, Receiving::Ended) {
                        Receiving::Flowing => Told,
                        Receiving::Discarding => Silent,
                        Receiving::Headless | Receiving::Ended => Forbidden,
                    }
                }
                _ => Forbidden,
            },
            Frame::Reset { stream, .. } => self.judge_reset(*stream),
            Frame::Credit { stream: None, limit } => raise(&mut self.credit, *limit),
            Frame::Credit { stream: Some(stream), limit } if self.was_opened(*stream) => {
                match self.live(*stream) {
                    Some(state) => match raise(&mut state.credit, *limit) {
                        Told if state.may_write_more() => Told,
                        Told | Silent => Silent,
                        Forbidden => Forbidden,
                    },
                    None => Silent,
                }
            }
            Frame::Credit { .. } => Forbidden,
            Frame::Ping(number) => {
                self.pinged = Some(*number);
                Silent
            }
            Frame::Pong(number) if (1..=self.pings).contains(number) => {
                match *number == self.pings && std::mem::take(&mut self.awaits_pong) {
                    true => Told,
                    false => Silent,
                }
            }
            Frame::Pong(_) => Forbidden,
            Frame::Rekey | Frame::Ignored(_) => Silent,
            Frame::GoAway { last, .. } if self.served.is_none_or(|before| *last <= before) => {
                self.served = Some(*last);
                Told
            }
            Frame::GoAway { .. } => Forbidden,
            Frame::Close { .. } => {
                self.is_closed = true;
                Told
            }
        }
    }

    fn judge_hello(&mut self, hello: &Hello) -> Verdict {
        let speaks = (hello.min..=hello.max).contains(&u32::from(PROTOCOL_VERSION));
        match std::mem::replace(&mut self.has_hello, true) {
            false if speaks => Told,
            _ => Forbidden,
        }
    }

    fn judge_open(&mut self, stream: StreamId) -> Verdict {
        let is_in_order = !self.is_ours(stream) && stream.number() > self.last_theirs;
        if !is_in_order || self.count(false) >= MAX_STREAMS {
            return Forbidden;
        }
        self.last_theirs = stream.number();
        let mut state = Stream::new(Receiving::Flowing, Sending::Headless, self.stream_window);
        if self.is_going_away {
            (state.receiving, state.sending) = (Receiving::Discarding, Sending::Ended);
            self.resets.insert(stream);
        }
        self.streams.insert(stream, state);
        if self.is_going_away { Silent } else { Told }
    }

    fn judge_data(&mut self, stream: StreamId, length: u64) -> Verdict {
        let is_within = self.incoming.take(length);
        let Some(state) = self.live(stream) else { return Forbidden };
        let verdict = match state.receiving {
            Receiving::Flowing => Told,
            Receiving::Discarding => Silent,
            Receiving::Headless | Receiving::Ended => return Forbidden,
        };
        if !(is_within && state.incoming.take(length)) {
            return Forbidden;
        }
        if verdict == Silent {
            state.incoming.held -= length;
            self.incoming.held -= length;
        }
        verdict
    }

    fn judge_reset(&mut self, stream: StreamId) -> Verdict {
        if !self.was_opened(stream) {
            return Forbidden;
        }
        let Some(state) = self.live(stream) else { return Silent };
        let was = std::mem::replace(&mut state.receiving, Receiving::Ended);
        if self.stop_sending(stream) {
            self.resets.insert(stream);
        }
        if was == Receiving::Discarding { Silent } else { Told }
    }

    /// Drops what was written and not said. Whether there was something to stop.
    fn stop_sending(&mut self, stream: StreamId) -> bool {
        let Some(state) = self.live(stream) else { return false };
        let was = std::mem::replace(&mut state.sending, Sending::Ended);
        let dropped = state.written - state.said;
        state.written = state.said;
        self.used -= dropped;
        was != Sending::Ended
    }

    /// A stream whose directions have not both ended.
    fn live(&mut self, stream: StreamId) -> Option<&mut Stream> {
        self.streams.get_mut(&stream).filter(|state| state.is_live())
    }

    fn count(&self, ours: bool) -> usize {
        let streams = self.streams.iter().filter(|(_, state)| state.is_live());
        streams.filter(|(stream, _)| self.is_ours(**stream) == ours).count()
    }

    pub(super) fn is_ours(&self, stream: StreamId) -> bool {
        stream.opened_by_device() == (self.side == Side::Device)
    }

    fn was_opened(&self, stream: StreamId) -> bool {
        let last = if self.is_ours(stream) { self.last_ours } else { self.last_theirs };
        stream.number() <= last
    }
}

/// What the session's owner does.
impl Rules {
    pub(super) fn may_open(&self) -> bool {
        self.served.is_none() && self.count(true) < MAX_STREAMS
    }

    pub(super) fn opened(&mut self, stream: StreamId) {
        let first = if self.side == Side::Device { 1 } else { 2 };
        let next = if self.last_ours == 0 { first } else { self.last_ours + 2 };
        assert_eq!(stream.number(), next);
        self.last_ours = next;
        let state = Stream::new(Receiving::Headless, Sending::Flowing, self.stream_window);
        self.streams.insert(stream, state);
    }

    pub(super) fn last_opened(&self) -> u32 {
        self.last_ours
    }

    pub(super) fn sending(&self, stream: StreamId) -> Option<Sending> {
        let state = self.streams.get(&stream).filter(|state| state.is_live());
        state.map(|state| state.sending)
    }

    pub(super) fn answered(&mut self, stream: StreamId) {
        if let Some(state) = self.live(stream) {
            state.sending = Sending::Flowing;
            state.was_answered = true;
        }
    }

    pub(super) fn writable(&self, stream: StreamId) -> u64 {
        match self.streams.get(&stream) {
            Some(state) if state.sending == Sending::Flowing => {
                let unsent: u64 =
                    self.streams.values().map(|other| other.written - other.said).sum();
                (state.credit - state.written).min(self.credit - self.used).min(MAX_UNSENT - unsent)
            }
            _ => 0,
        }
    }

    pub(super) fn written(&self, stream: StreamId) -> u64 {
        self.streams.get(&stream).map_or(0, |state| state.written)
    }

    pub(super) fn wrote(&mut self, stream: StreamId, length: u64) {
        self.used += length;
        if let Some(state) = self.live(stream) {
            state.written += length;
        }
    }

    pub(super) fn finished(&mut self, stream: StreamId) {
        if let Some(state) = self.live(stream) {
            state.sending = Sending::Finishing;
        }
    }

    pub(super) fn reset(&mut self, stream: StreamId) {
        let Some(state) = self.live(stream) else { return };
        match state.receiving {
            Receiving::Discarding => return,
            Receiving::Headless | Receiving::Flowing => state.receiving = Receiving::Discarding,
            Receiving::Ended => {}
        }
        self.stop_sending(stream);
        self.resets.insert(stream);
    }

    pub(super) fn pinged(&mut self) {
        self.pings += 1;
        self.awaits_pong = true;
    }

    /// Gives back a share of what is held, and says how much that is.
    pub(super) fn consume(&mut self, stream: StreamId, share: u16) -> usize {
        let Some(state) = self.streams.get_mut(&stream) else { return 0 };
        let bytes = (state.incoming.held * (u64::from(share) + 1)).div_ceil(1 << 16);
        state.incoming.held -= bytes;
        self.incoming.held -= bytes;
        usize::try_from(bytes).expect("a window fits into memory")
    }

    /// The session says CREDIT for a stream. While that is read fast its window doubles by itself,
    /// and the session's grows with it.
    pub(super) fn grant(&mut self, stream: StreamId, limit: u64) {
        let state = self.streams.get_mut(&stream).expect("it was opened");
        assert!(matches!(state.receiving, Receiving::Headless | Receiving::Flowing));
        let window = limit.saturating_sub(state.incoming.received - state.incoming.held);
        let more = window.saturating_sub(state.incoming.most);
        if more > 0 {
            let most = (2 * state.incoming.most).min(MAX_STREAM_WINDOW);
            assert!(window <= most, "a window of {window}, not {most}");
            state.incoming.most = window;
            self.grown += more;
            let session = SESSION_WINDOW + self.grown.min(MAX_GROWN);
            self.incoming.most = self.incoming.most.max(session);
        }
        state.incoming.grant(limit);
    }

    pub(super) fn widen(&mut self, stream: u64, session: u64) {
        self.stream_window = self.stream_window.max(stream);
        self.incoming.most = self.incoming.most.max(session);
        for state in self.streams.values_mut() {
            state.incoming.most = state.incoming.most.max(stream);
        }
    }
}

impl Stream {
    const fn new(receiving: Receiving, sending: Sending, window: u64) -> Self {
        let mut incoming = Window::new(STREAM_WINDOW);
        incoming.most = window;
        Self {
            receiving,
            sending,
            was_answered: false,
            incoming,
            credit: STREAM_WINDOW,
            written: 0,
            said: 0,
        }
    }

    const fn may_write_more(&self) -> bool {
        matches!(self.sending, Sending::Headless | Sending::Flowing)
    }

    pub(super) fn is_live(&self) -> bool {
        self.receiving != Receiving::Ended || self.sending != Sending::Ended
    }
}

impl Window {
    const fn new(window: u64) -> Self {
        Self { received: 0, granted: window, held: 0, most: window }
    }

    const fn take(&mut self, length: u64) -> bool {
        self.received += length;
        self.held += length;
        self.received <= self.granted
    }

    /// The session says CREDIT: it gives back what was dealt with, and no more than the window.
    pub(super) fn grant(&mut self, limit: u64) {
        let most = (self.received - self.held).saturating_add(self.most).min(CREDIT_END - 1);
        assert!(limit > self.granted && limit <= most, "a CREDIT of {limit}, not {most}");
        self.granted = limit;
    }

    /// Whether the peer may send something, or has to wait for us.
    pub(super) const fn is_stuck(&self) -> bool {
        self.held == 0 && self.granted == self.received
    }
}

const fn raise(credit: &mut u64, limit: u64) -> Verdict {
    if limit >= CREDIT_END || limit < *credit {
        return Forbidden;
    }
    let rises = limit > *credit;
    *credit = limit;
    if rises { Told } else { Silent }
}

/// Whether `event` is what `frame` says.
pub(super) fn says(frame: &Frame<'_>, event: &Event<'_>) -> bool {
    match (frame, event) {
        (Frame::Hello(sent), Event::Hello(told)) => sent == told,
        (Frame::Open { stream, open }, Event::Opened { stream: of, open: told }) => {
            (stream, open) == (of, told)
        }
        (Frame::Head { stream, head }, Event::Answered { stream: of, head: told }) => {
            (stream, head) == (of, told)
        }
        (Frame::Data { stream, bytes }, Event::Data { stream: of, bytes: told }) => {
            (stream, bytes) == (of, told)
        }
        (Frame::Fin { stream, .. }, Event::Finished { stream: of }) => stream == of,
        (Frame::Reset { stream, code }, Event::Reset { stream: of, code: told }) => {
            (stream, code) == (of, told)
        }
        (Frame::Credit { stream, .. }, Event::Writable { stream: of }) => stream == of,
        (Frame::Pong(_), Event::Pong { .. }) => true,
        (Frame::GoAway { code, last }, Event::GoingAway { code: told, last: of }) => {
            (code, last) == (told, of)
        }
        (Frame::Close { code, reason }, Event::Closed { code: told, reason: why }) => {
            (code, reason) == (told, why)
        }
        _ => false,
    }
}
