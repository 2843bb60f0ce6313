//! Frames of a peer that has the keys and keeps to the rules just long enough to be dangerous.

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;
use gantline_crypto::{
    Session,
    session::{Event, SessionKeys, Side},
};
use gantline_login::CipherState;
use gantline_protocol::{
    StreamId,
    session::{
        CloseCode, Frame, GoAwayCode, Head, Hello, MAX_STREAMS, ResetCode, STREAM_WINDOW,
        record::{MAX_PLAINTEXT, MAX_RECORD, padded},
    },
};
use rand_core::Rng;

use crate::{
    Outcome,
    alter::{alter, below},
    support::{SeededRng, get, ok},
};

/// A session is spoken to in bent, doubled, misplaced and excessive frames, until it has enough.
pub(crate) fn hostile_frames(rng: &mut SeededRng, now: Instant) -> Outcome {
    let side = if rng.next_u32() & 1 == 0 { Side::Device } else { Side::Node };
    let key = || CipherState::new(&mut [5; 32]);
    let mut victim = Session::new(side, SessionKeys { send: key(), receive: key() }, now);
    victim.open(get("/v1/events")).unwrap();
    let mut peer = HostilePeer::new(key(), side);
    for number in 0..1 + below(rng, 6) {
        let mut record = peer.record(number == 0, rng);
        let mut opened = Vec::new();
        let mut is_closed = false;
        let read = victim.receive(now, &mut record, |event| {
            assert!(!is_closed, "{event:?} after the end");
            match event {
                Event::Opened { stream, .. } => opened.push(stream),
                Event::Closed { .. } => is_closed = true,
                Event::Hello(_)
                | Event::Answered { .. }
                | Event::Data { .. }
                | Event::Finished { .. }
                | Event::Reset { .. }
                | Event::Writable { .. }
                | Event::Pong { .. }
                | Event::GoingAway { .. } => {}
            }
        });
        assert_eq!(victim.is_open(), read.is_ok() && !is_closed);
        assert!(opened.len() <= MAX_STREAMS);
        for stream in opened {
            // It may have been reset in the same record.
            let _ = victim.answer(stream, ok());
            let _ = victim.write(stream, Bytes::from_static(&[1; 500]));
        }
        let mut out = Vec::new();
        assert_eq!(victim.transmit(now, &mut out, usize::MAX), Ok(false));
        assert!(out.len() <= 8 * MAX_RECORD, "{} bytes for one record", out.len());
        if !victim.is_open() {
            assert!(victim.is_over());
            let again = victim.receive(now, &mut peer.record(false, rng), |event| {
                panic!("{event:?} after the end");
            });
            assert!(again.is_err(), "it was read on");
            return Outcome::Refused;
        }
    }
    Outcome::Harmless
}

struct HostilePeer {
    cipher: CipherState,
    /// Its latest stream.
    last: u32,
    sent: BTreeMap<StreamId, u64>,
}

impl HostilePeer {
    fn new(cipher: CipherState, victim: Side) -> Self {
        let last = match victim {
            Side::Device => 0,
            Side::Node => 1,
        };
        Self { cipher, last, sent: BTreeMap::new() }
    }

    fn record(&mut self, is_first: bool, rng: &mut SeededRng) -> Vec<u8> {
        let mut plaintext = Vec::new();
        if is_first && !one_in(32, rng) {
            Frame::Hello(Hello::current()).encode(&mut plaintext).unwrap();
        }
        for _ in 0..below(rng, 8) {
            let frame = self.frame(rng);
            plaintext.extend(if one_in(32, rng) { alter(rng, &frame) } else { frame });
        }
        plaintext.truncate(MAX_PLAINTEXT);
        plaintext.resize(padded(plaintext.len()), 0);
        let tag = self.cipher.seal(&mut plaintext).unwrap();
        let length = u16::try_from(plaintext.len() + tag.len()).unwrap().to_be_bytes();
        [length.as_slice(), &plaintext, &tag].concat()
    }

    /// Mostly one that is allowed at some time or other, about a stream that exists.
    fn frame(&mut self, rng: &mut SeededRng) -> Vec<u8> {
        let breaks_rules = one_in(16, rng);
        let most = if breaks_rules { 2 * self.last + 8 } else { self.last.max(2) };
        let parity = self.last % 2;
        let stream = 1 + rng.next_u32() % most;
        let stream = if breaks_rules { stream } else { (stream & !1) + parity }.max(1);
        let stream = StreamId::new(stream).unwrap();
        let bytes = vec![3; 1 + below(rng, 1500)];
        let sent = self.sent.get(&stream).copied().unwrap_or(0);
        let code = rng.next_u32() % 10;
        let frame = match below(rng, if breaks_rules { 14 } else { 8 }) {
            0 | 1 => {
                self.last += 2;
                let stream = StreamId::new(self.last).unwrap();
                Frame::Open { stream, open: get("/v1/agents") }
            }
            2 | 3 => {
                *self.sent.entry(stream).or_default() += bytes.len() as u64;
                Frame::Data { stream, bytes: &bytes }
            }
            4 => Frame::Fin { stream, total: sent },
            5 => Frame::Reset { stream, code: ResetCode::from_number(code) },
            6 => Frame::Ping(rng.next_u64()),
            7 => Frame::Credit { stream: Some(stream), limit: STREAM_WINDOW + u64::from(code) },
            8 => Frame::Credit { stream: None, limit: rng.next_u64() >> code },
            9 => Frame::Pong(u64::from(code)),
            10 => Frame::Ignored(code as u8),
            11 => Frame::GoAway { code: GoAwayCode::from_number(code), last: code },
            12 => Frame::Head { stream, head: Head { status: 200, headers: vec![] } },
            _ => Frame::Close { code: CloseCode::from_number(code), reason: "\u{202e}" },
        };
        let mut out = Vec::new();
        frame.encode(&mut out).unwrap();
        out
    }
}

fn one_in(many: u32, rng: &mut SeededRng) -> bool {
    rng.next_u32().is_multiple_of(many)
}
