//! What the session's owner did and was told, stream by stream: a model that the session is held
//! against.

use std::collections::BTreeMap;

use gantline_crypto::session::{Event, Side};
use gantline_protocol::{
    StreamId,
    session::{Frame, MAX_STREAMS, SESSION_WINDOW, STREAM_WINDOW},
};

pub(super) struct Ledger {
    side: Side,
    pub(super) hello: bool,
    pub(super) closed: bool,
    pub(super) pings: u64,
    last_theirs: u32,
    last_ours: u32,
    streams: BTreeMap<StreamId, Stream>,
    stream_window: u64,
    session_window: u64,
    /// Bytes that were told and not given back, over all streams.
    held: u64,
}

struct Stream {
    incoming: Incoming,
    outgoing: Outgoing,
    was_answered: bool,
    written: u64,
    received: u64,
    /// Received and not given back.
    held: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Incoming {
    Headless,
    Flowing,
    /// We reset it and want to hear nothing more.
    Unwanted,
    Ended,
}

#[derive(Debug, PartialEq, Eq)]
enum Outgoing {
    Headless,
    Flowing,
    Ended,
}

impl Ledger {
    pub(super) const fn new(side: Side) -> Self {
        Self {
            side,
            hello: false,
            closed: false,
            pings: 0,
            last_theirs: 0,
            last_ours: 0,
            streams: BTreeMap::new(),
            stream_window: STREAM_WINDOW,
            session_window: SESSION_WINDOW,
            held: 0,
        }
    }

    /// An event, as it comes, and the frame that caused it.
    pub(super) fn note(&mut self, event: &Event<'_>, cause: &Frame<'_>) {
        assert!(!self.closed, "{event:?} after CLOSE");
        assert_eq!(matches!(event, Event::Hello(_)), !self.hello, "{event:?}");
        self.hello = true;
        match event {
            Event::Hello(_) | Event::GoingAway { .. } | Event::Writable { stream: None } => {}
            Event::Opened { stream, .. } => self.note_opened(*stream),
            Event::Answered { stream, .. } => {
                let state = self.stream(*stream);
                assert_eq!(state.incoming, Incoming::Headless);
                state.incoming = Incoming::Flowing;
            }
            Event::Data { stream, bytes } => {
                let length = bytes.len() as u64;
                let window = self.stream_window;
                let state = self.stream(*stream);
                assert_eq!(state.incoming, Incoming::Flowing);
                state.held += length;
                state.received += length;
                assert!(length > 0 && state.held <= window, "more than the stream's window");
                self.held += length;
                assert!(self.held <= self.session_window, "more than the session's window");
            }
            Event::Finished { stream } => {
                let state = self.stream(*stream);
                assert_eq!(state.incoming, Incoming::Flowing);
                state.incoming = Incoming::Ended;
                let total = state.received;
                assert_eq!(*cause, Frame::Fin { stream: *stream, total }, "not all has arrived");
            }
            Event::Reset { stream, .. } => {
                let state = self.stream(*stream);
                assert_ne!(state.incoming, Incoming::Unwanted);
                state.incoming = Incoming::Ended;
                state.outgoing = Outgoing::Ended;
            }
            Event::Writable { stream: Some(stream) } => {
                let is_ours = stream.opened_by_device() == (self.side == Side::Device);
                assert!(!is_ours || stream.number() <= self.last_ours);
            }
            Event::Pong { .. } => assert!(self.pings > 0),
            Event::Closed { .. } => self.closed = true,
        }
    }

    fn note_opened(&mut self, stream: StreamId) {
        assert_ne!(stream.opened_by_device(), self.side == Side::Device);
        assert!(stream.number() > self.last_theirs);
        self.last_theirs = stream.number();
        self.streams.insert(stream, Stream::new(Incoming::Flowing, Outgoing::Headless));
        assert!(self.live(stream) <= MAX_STREAMS, "more streams than are allowed");
    }

    /// Streams that have not ended, of those that are opened from the side that opened `like`.
    fn live(&self, like: StreamId) -> usize {
        self.streams
            .iter()
            .filter(|(stream, _)| stream.opened_by_device() == like.opened_by_device())
            .filter(|(_, state)| {
                matches!(state.incoming, Incoming::Headless | Incoming::Flowing)
                    || state.outgoing != Outgoing::Ended
            })
            .count()
    }

    fn stream(&mut self, stream: StreamId) -> &mut Stream {
        self.streams.get_mut(&stream).expect("an event speaks of a stream that is known")
    }

    pub(super) fn opened(&mut self, stream: StreamId) {
        assert_eq!(stream.opened_by_device(), self.side == Side::Device);
        assert!(stream.number() > self.last_ours);
        self.last_ours = stream.number();
        self.streams.insert(stream, Stream::new(Incoming::Headless, Outgoing::Flowing));
        assert!(self.live(stream) <= MAX_STREAMS, "more streams than are allowed");
    }

    pub(super) fn may_answer(&self, stream: StreamId) -> bool {
        self.streams.get(&stream).is_some_and(|state| state.outgoing == Outgoing::Headless)
    }

    pub(super) fn answered(&mut self, stream: StreamId) {
        let state = self.stream(stream);
        state.outgoing = Outgoing::Flowing;
        state.was_answered = true;
    }

    pub(super) fn was_answered(&self, stream: StreamId) -> bool {
        self.streams.get(&stream).is_some_and(|state| state.was_answered)
    }

    pub(super) fn may_write(&self, stream: StreamId) -> bool {
        self.streams.get(&stream).is_some_and(|state| state.outgoing == Outgoing::Flowing)
    }

    pub(super) fn written(&self, stream: StreamId) -> u64 {
        self.streams.get(&stream).map_or(0, |state| state.written)
    }

    pub(super) fn wrote(&mut self, stream: StreamId, length: u64) {
        self.stream(stream).written += length;
    }

    pub(super) fn finished(&mut self, stream: StreamId) {
        self.stream(stream).outgoing = Outgoing::Ended;
    }

    pub(super) fn reset(&mut self, stream: StreamId) {
        if let Some(state) = self.streams.get_mut(&stream) {
            if state.incoming != Incoming::Ended {
                state.incoming = Incoming::Unwanted;
            }
            state.outgoing = Outgoing::Ended;
        }
    }

    /// Gives back a share of what is held, and says how much that is.
    pub(super) fn consume(&mut self, stream: StreamId, share: u16) -> usize {
        let Some(state) = self.streams.get_mut(&stream) else { return 0 };
        let bytes = (state.held * (u64::from(share) + 1)).div_ceil(1 << 16);
        state.held -= bytes;
        self.held -= bytes;
        usize::try_from(bytes).expect("a window fits into memory")
    }

    pub(super) fn widen(&mut self, stream: u64, session: u64) {
        self.stream_window = self.stream_window.max(stream);
        self.session_window = self.session_window.max(session);
    }
}

impl Stream {
    const fn new(incoming: Incoming, outgoing: Outgoing) -> Self {
        Self { incoming, outgoing, was_answered: false, written: 0, received: 0, held: 0 }
    }
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

/// Bytes that say where in a stream they belong: `length` of them, at most 64 KiB, from `offset` on.
pub(super) fn pattern(offset: u64, length: usize) -> &'static [u8] {
    const PERIOD: usize = 251;
    static BYTES: [u8; PERIOD + (1 << 16)] = {
        let mut bytes = [0; PERIOD + (1 << 16)];
        let mut at = 0;
        while at < bytes.len() {
            bytes[at] = (at % PERIOD) as u8;
            at += 1;
        }
        bytes
    };
    let start = (offset % PERIOD as u64) as usize;
    &BYTES[start..start + length]
}
