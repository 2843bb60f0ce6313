//! A peer that has proved itself and then breaks every rule it likes, while the owner of the
//! session at this end goes about its business.

mod listener;
mod peer;
mod rules;

use std::time::{Duration, Instant};

use bytes::Bytes;
use gantline_crypto::session::{
    KEY_AGE, SESSION_AGE, SESSION_FAREWELL, Session, SessionError, Side, StreamError,
};
use gantline_protocol::{
    StreamId,
    session::{
        CloseCode, Frame, Frames, GoAwayCode, Head, Hello, Open, ResetCode,
        record::{MAX_RECORD, is_padded},
    },
};

use self::{
    listener::{Listener, pattern},
    peer::Peer,
    rules::{Rules, Sending, Verdict, says},
};
use crate::{
    ends::{keys, other},
    script::Script,
};

/// What one input may ask for; the rest of a longer one is left out.
const MAX_STEPS: usize = 600;

/// Whatever an authenticated peer sends, the session tells its owner exactly what the peer said, as
/// far as the rules allow it; the first frame that they don't allow is the end. It says in turn
/// what it owes, in well-formed records and within the peer's credit.
pub fn session_plaintext(data: &[u8]) {
    let mut script = Script::new(data);
    let start = script.byte();
    let side = if start & 1 == 0 { Side::Node } else { Side::Device };
    let mut run = Run::new(side);
    if start & 2 != 0 {
        run.put(&Frame::Hello(Hello::current()));
        run.deliver(0, true);
    }
    for _ in 0..MAX_STEPS {
        if script.is_over() || run.has_ended {
            break;
        }
        run.step(&mut script);
    }
    run.end();
}

struct Run {
    side: Side,
    began: Instant,
    now: Instant,
    session: Session,
    peer: Peer,
    /// What the peer hears.
    listener: Listener,
    rules: Rules,
    /// The peer has shown that it has the keys.
    has_proved: bool,
    /// The error that ended the session, unless it was closed.
    error: Option<SessionError>,
    /// The pipe ended.
    has_ended: bool,
}

impl Run {
    fn new(side: Side) -> Self {
        let now = Instant::now();
        let there = keys(other(side));
        Self {
            side,
            began: now,
            now,
            session: Session::new(side, keys(side), now),
            peer: Peer::new(there.send),
            listener: Listener::new(there.receive),
            rules: Rules::new(side),
            has_proved: false,
            error: None,
            has_ended: false,
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 32 {
            0 => {
                let length = usize::from(script.number());
                self.put_bytes(script.bytes(length));
                self.deliver(0, true);
            }
            1 => self.deliver(script.below(MAX_RECORD), true),
            2 => self.deliver(0, false),
            3 => {
                let (min, more) = (u32::from(script.byte() % 4), u32::from(script.byte()));
                let features = vec!["a-1".to_owned(); usize::from(script.byte() % 3)];
                self.put(&Frame::Hello(Hello { min, max: min + more, features }));
            }
            4 => self.put_opens(script),
            5 => {
                let stream = stream(script);
                let head = head(200 + u16::from(script.byte() % 200));
                self.put(&Frame::Head { stream, head });
            }
            6 => self.put_data(stream(script), 1 + script.below(16_377)),
            7 => {
                let stream = stream(script);
                let skew = u64::from(script.byte() % 3);
                let total = self.peer.sent(stream) + skew;
                self.put(&Frame::Fin { stream, total });
            }
            8 => {
                let stream = stream(script);
                let code = ResetCode::from_number(u32::from(script.byte()));
                self.put(&Frame::Reset { stream, code });
            }
            9 => {
                let stream = StreamId::new(u32::from(script.byte() % 32));
                let limit = (256 * 1024) << (script.byte() % 40);
                self.put(&Frame::Credit { stream, limit });
            }
            10 => self.put(&Frame::Ping(u64::from(script.number()))),
            11 => self.put(&Frame::Pong(u64::from(script.byte()))),
            12 => {
                self.put(&Frame::Rekey);
                self.deliver(0, true);
            }
            13 => {
                let last = u32::from(script.byte());
                self.put(&Frame::GoAway { code: GoAwayCode::Restart, last });
            }
            14 => {
                let code = CloseCode::from_number(u32::from(script.byte()));
                self.put(&Frame::Close { code, reason: "hostile \u{202e} text" });
                self.deliver(0, true);
            }
            15 => self.put(&Frame::Ignored(script.byte())),
            16 => {
                let header = script.array::<5>();
                let payload = usize::from(script.byte());
                let payload = script.bytes(payload);
                self.put_bytes(&[&header[..], &[0, payload.len() as u8], payload].concat());
            }
            17 | 18 => self.transmit(usize::MAX),
            19 => self.transmit(script.below(40_000)),
            20 => self.answer(stream(script), 100 + 50 * u16::from(script.byte() % 10)),
            21 | 22 => self.write(stream(script), script.below(20_000)),
            23 => self.finish(stream(script)),
            24 => self.reset(stream(script)),
            25 | 26 => self.consume(stream(script), script.number()),
            27 => self.open(1 + usize::from(script.byte() % 140)),
            28 => {
                if self.session.is_open() {
                    self.rules.pinged();
                }
                self.session.ping(self.now);
            }
            29 => {
                self.rules.is_going_away |= self.session.is_open();
                self.session.go_away(GoAwayCode::Restart);
            }
            30 => self.pass_time(script.byte()),
            _ => match script.byte() % 4 {
                0 => self.session.close(CloseCode::Shutdown, "until later"),
                1 => self.end_input(),
                _ => self.widen(script),
            },
        }
    }

    /// The peer's next frame; a record that is full goes first.
    fn put(&mut self, frame: &Frame<'_>) {
        if self.peer.has_no_room_for(frame) {
            self.deliver(0, true);
        }
        self.peer.put(frame);
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        if self.peer.has_no_room_for_bytes(bytes.len()) {
            self.deliver(0, true);
        }
        self.peer.put_bytes(bytes);
    }

    fn put_opens(&mut self, script: &mut Script<'_>) {
        let (first, count) = (stream(script), 1 + script.byte() % 140);
        for index in 0..u32::from(count) {
            let Some(stream) = StreamId::new(first.number().saturating_add(2 * index)) else {
                continue;
            };
            self.put(&Frame::Open { stream, open: get("/v1/agents") });
        }
    }

    fn put_data(&mut self, stream: StreamId, length: usize) {
        let bytes = vec![stream.number() as u8; length];
        self.put(&Frame::Data { stream, bytes: &bytes });
    }

    /// Seals the peer's frames and hands the record over, in two pieces.
    fn deliver(&mut self, cut: usize, is_honestly_padded: bool) {
        let sealed = self.peer.seal(is_honestly_padded);
        let (plaintext, mut record) = (sealed.plaintext, sealed.record);
        let was_open = self.session.is_open();
        let judged = if was_open { self.judge(&plaintext) } else { Judged::default() };
        let mut expected = judged.told.iter();
        let now = self.now;

        let part = cut.min(record.len() - 1);
        let early = self.session.receive(now, &mut record[..part], |event| {
            unreachable!("{event:?} before its record is there");
        });
        assert!(early == Ok(0) || !was_open, "{early:?}");
        let read = self.session.receive(now, &mut record, |event| {
            let said = expected.next().expect("no event but of what was said");
            assert!(says(said, &event), "{event:?} for {said:?}");
        });
        assert_eq!(expected.next(), None, "the owner was not told");
        self.has_proved = true;
        let is_allowed = was_open && !judged.is_forbidden;
        assert_eq!(read.is_ok(), is_allowed, "{read:?}");
        assert_eq!(self.session.is_open(), is_allowed && !judged.is_closed);
        let Err(error) = read else { return };
        assert!(!matches!(error, SessionError::Cipher(_)), "it was authentic");
        match &self.error {
            Some(first) => assert_eq!(*first, error, "it ended twice"),
            None if was_open => self.error = Some(error),
            // Its owner or the peer had closed it.
            None => {}
        }
    }

    fn judge<'a>(&mut self, plaintext: &'a [u8]) -> Judged<'a> {
        let mut judged = Judged { is_forbidden: !is_padded(plaintext.len()), ..Judged::default() };
        let mut frames = Frames::new(plaintext);
        while !judged.is_forbidden
            && let Some(frame) = frames.next()
        {
            let Ok(frame) = frame else {
                judged.is_forbidden = true;
                break;
            };
            judged.is_closed |= matches!(frame, Frame::Close { .. });
            match self.rules.judge(&frame) {
                Verdict::Told => judged.told.push(frame),
                Verdict::Silent => {}
                Verdict::Forbidden => judged.is_forbidden = true,
            }
        }
        judged
    }

    /// What the session has to say, to the peer.
    fn transmit(&mut self, limit: usize) {
        let mut out = Vec::new();
        let has_more = self.session.transmit(self.now, &mut out, limit);
        let has_more = has_more.expect("there are counters left");
        assert!(out.len() < limit.saturating_add(MAX_RECORD), "more than its owner has room for");
        assert!(!has_more || out.len() >= limit);
        let may_speak = self.has_proved || self.side == Side::Device;
        assert!(may_speak || out.is_empty(), "a node speaks before its device has proved itself");
        self.listener.hear(&out, &mut self.rules);
        if !has_more {
            let again = self.session.transmit(self.now, &mut out, usize::MAX);
            assert_eq!(again, Ok(false));
            assert!(self.session.is_open() || self.session.is_over() || !may_speak);
            if self.session.is_open() && may_speak {
                self.listener.owes_nothing(&self.rules);
            }
        }
    }

    fn answer(&mut self, stream: StreamId, status: u16) {
        let is_allowed = self.session.is_open()
            && self.rules.sending(stream) == Some(Sending::Headless)
            && (200..600).contains(&status);
        let result = self.session.answer(stream, head(status));
        assert_eq!(result.is_ok(), is_allowed, "{result:?}");
        if is_allowed {
            self.rules.answered(stream);
        }
    }

    fn write(&mut self, stream: StreamId, length: usize) {
        let is_sending = self.is_sending(stream);
        let writable = if is_sending { self.rules.writable(stream) } else { 0 };
        assert_eq!(self.session.writable(stream), writable);
        let bytes = Bytes::from_static(pattern(self.rules.written(stream), length));
        let expected = match is_sending {
            true if length as u64 <= writable => Ok(()),
            true => Err(Some(StreamError::Blocked { writable })),
            false => Err(None),
        };
        let result = self.session.write(stream, bytes);
        let result = result.map_err(|error| Some(error).filter(|_| is_sending));
        assert_eq!(result, expected);
        if result.is_ok() {
            self.rules.wrote(stream, length as u64);
        }
    }

    fn finish(&mut self, stream: StreamId) {
        let is_allowed = self.is_sending(stream);
        assert_eq!(self.session.finish(stream).is_ok(), is_allowed);
        if is_allowed {
            self.rules.finished(stream);
        }
    }

    fn is_sending(&self, stream: StreamId) -> bool {
        self.session.is_open() && self.rules.sending(stream) == Some(Sending::Flowing)
    }

    fn reset(&mut self, stream: StreamId) {
        if self.session.is_open() {
            self.rules.reset(stream);
        }
        self.session.reset(stream, ResetCode::Cancelled);
    }

    fn consume(&mut self, stream: StreamId, share: u16) {
        let bytes = self.rules.consume(stream, share);
        self.session.consumed(stream, bytes);
    }

    fn open(&mut self, count: usize) {
        for _ in 0..count {
            let may_open = self.session.is_open() && self.rules.may_open();
            let opened = self.session.open(get("/v1/events"));
            assert_eq!(opened.is_ok(), may_open, "{opened:?}");
            let Ok(stream) = opened else { return };
            self.rules.opened(stream);
        }
    }

    fn widen(&mut self, script: &mut Script<'_>) {
        let (stream, session) = (1 << (script.byte() % 40), 1 << (script.byte() % 40));
        self.session.widen(stream, session);
        self.rules.widen(stream, session);
    }

    /// Time passes; what is due is done, and then nothing is due any more.
    fn pass_time(&mut self, much: u8) {
        self.now += match much % 6 {
            0 => Duration::ZERO,
            1 => Duration::from_secs(1),
            2 => KEY_AGE,
            3 => SESSION_FAREWELL,
            4 => SESSION_AGE - SESSION_FAREWELL,
            _ => SESSION_AGE,
        };
        if self.session.deadline().is_some_and(|at| at <= self.now) {
            self.session.on_deadline(self.now);
            let age = self.now - self.began;
            self.rules.is_going_away |= age >= SESSION_AGE - SESSION_FAREWELL;
            self.transmit(usize::MAX);
        }
        let deadline = self.session.deadline();
        assert!(deadline.is_none_or(|at| at > self.now), "its owner would spin");
        assert_eq!(deadline.is_some(), self.session.is_open());
    }

    fn end_input(&mut self) {
        let was_open = self.session.is_open();
        let result = self.session.end_of_input();
        assert!(!was_open || result == Err(SessionError::Truncated), "a cut was taken for an end");
        assert!(!self.session.is_open());
        self.has_ended = true;
    }

    fn end(mut self) {
        self.transmit(usize::MAX);
        if !self.has_ended {
            self.end_input();
        }
        assert!(self.session.is_over());
        let mut out = Vec::new();
        assert_eq!(self.session.transmit(self.now, &mut out, usize::MAX), Ok(false));
        assert!(out.is_empty(), "it speaks after its end");
    }
}

/// A record as the rules see it.
#[derive(Default)]
struct Judged<'a> {
    /// The frames that cause an event, up to the first that is forbidden.
    told: Vec<Frame<'a>>,
    is_forbidden: bool,
    is_closed: bool,
}

/// Few numbers, so that frames often meet a stream that somebody opened.
fn stream(script: &mut Script<'_>) -> StreamId {
    let number = u32::from(script.byte());
    StreamId::new(1 + number % 20 + 12 * (number / 240)).expect("it is not 0")
}

fn get(path: &str) -> Open {
    Open { method: "GET".to_owned(), path: path.to_owned(), headers: vec![] }
}

const fn head(status: u16) -> Head {
    Head { status, headers: vec![] }
}
