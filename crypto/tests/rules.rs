//! A device that is paired and turns hostile: it has the keys and seals what it likes. Whatever
//! breaks a rule ends the session; nothing of it is acted upon.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::Instant;

use bytes::Bytes;
use gantline_crypto::session::{MAX_UNSENT_CONTROL, Opener, RECORDS_PER_KEY, Sealer, SessionError};
use gantline_protocol::session::{
    CloseCode, Frame, Frames, GoAwayCode, Hello, MAX_STREAMS, ResetCode, SESSION_WINDOW,
    STREAM_WINDOW,
    record::{HEADER, MAX_PLAINTEXT, TAG},
};
use support::{End, Heard, get, hostile_device, hostile_node, ok, sessions, stream};

/// A hostile device, and the node that it talks to.
struct Attack {
    now: Instant,
    sealer: Sealer,
    opener: Opener,
    node: End,
}

impl Attack {
    /// After the device's HELLO.
    fn new() -> Self {
        let mut attack = Self::silent();
        attack.send(&[Frame::Hello(Hello::current())]).unwrap();
        attack.node.drain();
        attack
    }

    fn silent() -> Self {
        let now = Instant::now();
        let (keys, node) = hostile_device(now);
        let (sealer, opener) = (Sealer::new(keys.send), Opener::new(keys.receive));
        Self { now, sealer, opener, node: End::new(node) }
    }

    /// After streams 1 was opened and answered.
    fn with_stream() -> Self {
        let mut attack = Self::new();
        attack.send(&[Frame::Open { stream: stream(1), open: get("/") }]).unwrap();
        attack.node.session.answer(stream(1), ok()).unwrap();
        attack.answers();
        attack.node.drain();
        attack
    }

    fn send(&mut self, frames: &[Frame<'_>]) -> Result<(), SessionError> {
        let mut plaintext = Vec::new();
        for frame in frames {
            frame.encode(&mut plaintext).unwrap();
        }
        self.send_plaintext(&plaintext, false)
    }

    fn send_plaintext(&mut self, plaintext: &[u8], rekey: bool) -> Result<(), SessionError> {
        let begun = self.sealer.begin(&mut self.node.inbox);
        self.node.inbox.extend_from_slice(plaintext);
        self.sealer.seal(&mut self.node.inbox, begun, rekey).unwrap();
        self.node.read_all(self.now)
    }

    /// What the node says, as printed frames.
    fn answers(&mut self) -> Vec<String> {
        let mut wire = Vec::new();
        let _ = self.node.session.transmit(self.now, &mut wire, usize::MAX);
        let mut said = Vec::new();
        let mut rest = wire.as_mut_slice();
        while let Some((header, behind)) = rest.split_first_chunk_mut::<HEADER>() {
            let length = usize::from(u16::from_be_bytes(*header));
            let (ciphertext, behind) = behind.split_at_mut(length);
            let plaintext = self.opener.open(ciphertext).unwrap();
            said.extend(Frames::new(plaintext).map(|frame| format!("{:?}", frame.unwrap())));
            rest = behind;
        }
        said
    }

    /// The frames end the session with a protocol violation, without an event.
    fn ends_with(mut self, frames: &[Frame<'_>]) {
        self.answers();
        let error = self.send(frames).unwrap_err();
        assert_eq!(self.node.drain(), [], "{frames:?} was acted upon before {error}");
        assert!(!self.node.session.is_open());
        let last = self.answers();
        assert!(last.last().unwrap().contains("Close { code: Protocol"), "{last:?}");
        assert!(self.node.session.is_over());
        assert!(self.send(&[Frame::Ping(1)]).is_err(), "the session lives on after {error}");
    }
}

fn data(number: u32, bytes: &[u8]) -> Frame<'_> {
    Frame::Data { stream: stream(number), bytes }
}

fn fin(number: u32, total: u64) -> Frame<'static> {
    Frame::Fin { stream: stream(number), total }
}

fn open(number: u32) -> Frame<'static> {
    Frame::Open { stream: stream(number), open: get("/") }
}

fn reset(number: u32) -> Frame<'static> {
    Frame::Reset { stream: stream(number), code: ResetCode::Cancelled }
}

fn credit(number: u32, limit: u64) -> Frame<'static> {
    Frame::Credit { stream: gantline_protocol::StreamId::new(number), limit }
}

#[test]
fn nothing_is_acted_upon_before_the_hello() {
    Attack::silent().ends_with(&[open(1)]);
    Attack::silent().ends_with(&[Frame::Ping(1)]);
    Attack::silent().ends_with(&[Frame::Close { code: CloseCode::Done, reason: "" }]);
}

#[test]
fn the_hello_is_said_once() {
    Attack::new().ends_with(&[Frame::Hello(Hello::current())]);
}

#[test]
fn peers_without_a_common_version_part_with_a_clear_word() {
    let mut attack = Attack::silent();
    let error = attack.send(&[Frame::Hello(Hello { min: 7, max: 9, features: vec![] })]);
    assert_eq!(error, Err(SessionError::Version { min: 7, max: 9, ours: 1 }));
    assert!(attack.answers().last().unwrap().contains("Close { code: Version"));
    // The same, noticed by a device.
    let now = Instant::now();
    let (keys, node) = hostile_node(now);
    let (mut sealer, mut device) = (Sealer::new(keys.send), End::new(node));
    let begun = sealer.begin(&mut device.inbox);
    let hello = Hello { min: 2, max: 2, features: vec![] };
    Frame::Hello(hello).encode(&mut device.inbox).unwrap();
    sealer.seal(&mut device.inbox, begun, false).unwrap();
    assert_eq!(device.read_all(now), Err(SessionError::Version { min: 2, max: 2, ours: 1 }));
}

#[test]
fn streams_are_opened_by_their_owner_in_rising_order() {
    Attack::new().ends_with(&[open(2)]);
    Attack::with_stream().ends_with(&[open(1)]);
    let mut attack = Attack::new();
    attack.send(&[open(5)]).unwrap();
    attack.node.drain();
    attack.ends_with(&[open(3)]);
}

#[test]
fn more_streams_than_allowed_are_not_served() {
    let mut attack = Attack::new();
    for number in 0..MAX_STREAMS as u32 {
        attack.send(&[open(2 * number + 1)]).unwrap();
    }
    attack.node.drain();
    attack.ends_with(&[open(2 * MAX_STREAMS as u32 + 1)]);
}

#[test]
fn opening_and_resetting_at_speed_ends_when_the_answers_are_not_read() {
    let mut attack = Attack::new();
    let mut number = 1;
    let error = loop {
        let frames: Vec<_> =
            (0..200).flat_map(|step| [open(number + 2 * step), reset(number + 2 * step)]).collect();
        number += 400;
        if let Err(error) = attack.send(&frames) {
            break error;
        }
        attack.node.drain();
        assert!(number < 2 * MAX_UNSENT_CONTROL as u32, "the node never had enough");
    };
    assert_eq!(error, SessionError::Overload);
}

#[test]
fn a_flood_of_pings_costs_one_answer() {
    let mut attack = Attack::new();
    attack.answers();
    for number in 1..=1000 {
        attack.send(&[Frame::Ping(number)]).unwrap();
    }
    assert_eq!(attack.answers(), ["Pong(1000)"]);
}

#[test]
fn a_pong_that_answers_nothing_is_refused() {
    Attack::new().ends_with(&[Frame::Pong(1)]);
    Attack::new().ends_with(&[Frame::Pong(0)]);
}

#[test]
fn data_needs_an_open_stream() {
    Attack::new().ends_with(&[data(1, b"x")]);
    Attack::new().ends_with(&[data(2, b"x")]);
    let mut attack = Attack::with_stream();
    attack.send(&[fin(1, 0)]).unwrap();
    attack.node.drain();
    attack.ends_with(&[data(1, b"late")]);
    let mut attack = Attack::with_stream();
    attack.send(&[reset(1)]).unwrap();
    attack.node.drain();
    attack.ends_with(&[data(1, b"late")]);
}

#[test]
fn an_end_that_hides_lost_bytes_is_noticed() {
    for total in [0, 4, 6, u64::MAX] {
        let mut attack = Attack::with_stream();
        attack.send(&[data(1, b"hello")]).unwrap();
        attack.node.drain();
        let error = attack.send(&[fin(1, total)]).unwrap_err();
        assert_eq!(error, SessionError::Total { stream: stream(1), total, received: 5 });
        assert_eq!(attack.node.drain(), [], "total {total} was taken for the end");
    }
    let mut attack = Attack::with_stream();
    attack.send(&[data(1, b"hello"), fin(1, 5)]).unwrap();
    assert_eq!(attack.node.drain().last(), Some(&Heard::Finished(stream(1))));
    attack.ends_with(&[fin(1, 5)]);
}

#[test]
fn a_total_is_checked_even_of_a_stream_that_was_reset() {
    let mut attack = Attack::with_stream();
    attack.node.session.reset(stream(1), ResetCode::Cancelled);
    attack.send(&[data(1, b"hello")]).unwrap();
    assert!(matches!(attack.send(&[fin(1, 4)]), Err(SessionError::Total { .. })));
}

#[test]
fn a_sender_without_credit_is_cut_off() {
    let chunk = vec![1; 16_377];
    let mut attack = Attack::with_stream();
    let mut sent = 0;
    while sent + chunk.len() as u64 <= STREAM_WINDOW {
        attack.send(&[data(1, &chunk)]).unwrap();
        sent += chunk.len() as u64;
    }
    let rest = vec![1; (STREAM_WINDOW - sent) as usize];
    attack.send(&[data(1, &rest)]).unwrap();
    assert_eq!(attack.send(&[data(1, b"x")]), Err(SessionError::Credit));
}

#[test]
fn a_sender_that_spreads_over_many_streams_is_held_to_the_session() {
    let chunk = vec![1; 16_000];
    let mut attack = Attack::new();
    let mut sent = 0;
    let error = 'flood: loop {
        for number in (1..80).step_by(2) {
            if attack.send(&[open(number)]).is_err() && sent == 0 {
                panic!("a stream was refused");
            }
            for _ in 0..10 {
                match attack.send(&[data(number, &chunk)]) {
                    Ok(()) => sent += 16_000,
                    Err(error) => break 'flood error,
                }
            }
        }
    };
    assert_eq!(error, SessionError::Credit);
    assert!(sent <= SESSION_WINDOW && sent + 16_000 > SESSION_WINDOW);
}

#[test]
fn data_for_a_stream_that_was_reset_is_thrown_away_within_its_window() {
    let chunk = vec![1; 16_000];
    let mut attack = Attack::with_stream();
    attack.node.session.reset(stream(1), ResetCode::Cancelled);
    let mut sent = 0;
    let error = loop {
        match attack.send(&[data(1, &chunk)]) {
            Ok(()) => sent += 16_000,
            Err(error) => break error,
        }
    };
    assert_eq!(error, SessionError::Credit);
    assert!(sent <= STREAM_WINDOW, "{sent} bytes were let through");
    assert_eq!(attack.node.drain(), []);
}

#[test]
fn a_credit_never_falls_and_never_overflows() {
    Attack::with_stream().ends_with(&[credit(1, STREAM_WINDOW - 1)]);
    Attack::with_stream().ends_with(&[credit(0, SESSION_WINDOW - 1)]);
    Attack::with_stream().ends_with(&[credit(1, 1 << 53)]);
    Attack::with_stream().ends_with(&[credit(0, u64::MAX)]);
    Attack::with_stream().ends_with(&[credit(3, STREAM_WINDOW)]);
    let mut attack = Attack::with_stream();
    attack.send(&[credit(1, STREAM_WINDOW), credit(0, (1 << 53) - 1)]).unwrap();
}

#[test]
fn a_boundless_credit_does_not_let_our_memory_grow_without_bound() {
    let mut attack = Attack::with_stream();
    attack.send(&[credit(1, (1 << 53) - 1), credit(0, (1 << 53) - 1)]).unwrap();
    let mut queued = 0;
    loop {
        let writable = attack.node.session.writable(stream(1));
        if writable == 0 {
            break;
        }
        let chunk = Bytes::from(vec![1; writable.min(1 << 20) as usize]);
        queued += chunk.len();
        attack.node.session.write(stream(1), chunk).unwrap();
    }
    assert_eq!(queued, 4 << 20);
}

#[test]
fn credits_and_resets_that_cross_the_end_of_a_stream_do_no_harm() {
    let mut attack = Attack::with_stream();
    attack.node.session.finish(stream(1)).unwrap();
    attack.send(&[fin(1, 0)]).unwrap();
    attack.answers();
    attack.send(&[credit(1, STREAM_WINDOW + 1), reset(1)]).unwrap();
    assert!(attack.node.session.is_open());
}

#[test]
fn an_answer_comes_from_whoever_was_asked() {
    let head = Frame::Head { stream: stream(1), head: ok() };
    Attack::with_stream().ends_with(&[head]);
    // The node may ask as well; then the device owes a head, once, and first.
    let asked = || {
        let mut attack = Attack::new();
        let number = attack.node.session.open(get("/")).unwrap();
        assert_eq!(number, stream(2));
        attack
    };
    asked().ends_with(&[data(2, b"x")]);
    asked().ends_with(&[fin(2, 0)]);
    let mut attack = asked();
    attack.send(&[Frame::Head { stream: stream(2), head: ok() }]).unwrap();
    attack.node.drain();
    attack.ends_with(&[Frame::Head { stream: stream(2), head: ok() }]);
}

#[test]
fn a_goodbye_is_not_taken_back() {
    let go_away = |last| Frame::GoAway { code: GoAwayCode::Shutdown, last };
    let mut attack = Attack::new();
    attack.send(&[go_away(4), go_away(4), go_away(2)]).unwrap();
    attack.node.drain();
    attack.ends_with(&[go_away(4)]);
}

#[test]
fn whoever_has_proved_nothing_is_told_nothing() {
    for noise in [[0, 3].as_slice(), &[0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let mut attack = Attack::silent();
        attack.node.inbox.extend_from_slice(noise);
        assert!(attack.node.read_all(attack.now).is_err());
        assert!(attack.answers().is_empty());
        assert!(attack.node.session.is_over());
    }
    // A device speaks first, so it may say why it leaves; it reads no further either.
    let (mut device, now) = (End::new(sessions(Instant::now()).0), Instant::now());
    device.inbox.extend([0, 3]);
    let error = device.read_all(now).unwrap_err();
    device.inbox.extend([0, 17]);
    assert_eq!(device.read_all(now), Err(error));
}

#[test]
fn a_record_that_is_not_padded_is_refused() {
    for length in [1, 127, 129, 1025, 1152] {
        let now = Instant::now();
        let (mut keys, node) = hostile_device(now);
        let mut node = End::new(node);
        let mut plaintext = vec![0; length];
        let tag = keys.send.seal(&mut plaintext).unwrap();
        node.inbox.extend(u16::try_from(length + TAG).unwrap().to_be_bytes());
        node.inbox.extend([plaintext.as_slice(), &tag].concat());
        assert!(matches!(node.read_all(now), Err(SessionError::Rule(_))), "{length}");
        let mut farewell = Vec::new();
        node.session.transmit(now, &mut farewell, usize::MAX).unwrap();
        assert!(!farewell.is_empty(), "whoever sealed it is told");
        assert!(matches!(node.session.end_of_input(), Err(SessionError::Rule(_))));
    }
}

#[test]
fn a_record_may_be_padded_more_than_it_must_be() {
    let mut attack = Attack::new();
    let mut plaintext = Vec::new();
    Frame::Ping(5).encode(&mut plaintext).unwrap();
    plaintext.resize(MAX_PLAINTEXT, 0);
    attack.send_plaintext(&plaintext, false).unwrap();
    attack.send_plaintext(&[0; 128], false).unwrap();
    assert!(attack.answers().contains(&"Pong(5)".to_owned()));
}

#[test]
fn a_key_that_is_used_too_long_is_noticed() {
    let now = Instant::now();
    let (mut keys, node) = hostile_device(now);
    let mut node = End::new(node);
    let mut plaintext = Vec::new();
    Frame::Hello(Hello::current()).encode(&mut plaintext).unwrap();
    plaintext.resize(128, 0);
    for record in 0..=RECORDS_PER_KEY {
        let mut sealed = plaintext.clone();
        let tag = keys.send.seal(&mut sealed).unwrap();
        node.inbox.extend(u16::try_from(128 + TAG).unwrap().to_be_bytes());
        node.inbox.extend([sealed.as_slice(), &tag].concat());
        plaintext.fill(0);
        let read = node.read_all(now);
        match record {
            RECORDS_PER_KEY => assert_eq!(read, Err(SessionError::Rule("a REKEY is overdue"))),
            _ => assert_eq!(read, Ok(())),
        }
    }
}

#[test]
fn a_rekey_that_was_announced_must_happen() {
    let mut attack = Attack::new();
    attack.send_plaintext(&[], true).unwrap();
    attack.send(&[Frame::Ping(1)]).unwrap();
    // A record sealed with the old key after REKEY doesn't open.
    let mut frame = Vec::new();
    Frame::Rekey.encode(&mut frame).unwrap();
    attack.send_plaintext(&frame, false).unwrap();
    assert!(matches!(attack.send(&[Frame::Ping(2)]), Err(SessionError::Cipher(_))));
}

#[test]
fn frames_from_the_future_are_skipped_and_unknown_ones_are_not() {
    let mut attack = Attack::new();
    attack.send(&[Frame::Ignored(0x80), Frame::Ignored(0xff), Frame::Ping(3)]).unwrap();
    assert!(attack.answers().contains(&"Pong(3)".to_owned()));
    let unknown = attack.send_plaintext(&[0x0d, 0, 0, 0, 0, 0, 0], false);
    assert!(matches!(unknown, Err(SessionError::Wire(_))));
}
