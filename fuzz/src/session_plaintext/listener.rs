//! The peer's ear: checks that all the session says is well formed, within the peer's credit, and
//! what the rules ask for.

use gantline_crypto::session::Opener;
use gantline_login::CipherState;
use gantline_protocol::{
    StreamId,
    session::{
        Frame, Frames, Hello,
        record::{HEADER, ciphertext_length},
    },
};

use super::rules::{Receiving, Rules, Sending};

pub(super) struct Listener {
    opener: Opener,
    has_hello: bool,
    is_closed: bool,
    is_going_away: bool,
    last_open: u32,
    pings: u64,
    /// Streams with HEAD, FIN or RESET.
    heads: Vec<StreamId>,
    ended: Vec<StreamId>,
}

impl Listener {
    pub(super) const fn new(cipher: CipherState) -> Self {
        Self {
            opener: Opener::new(cipher),
            has_hello: false,
            is_closed: false,
            is_going_away: false,
            last_open: 0,
            pings: 0,
            heads: Vec::new(),
            ended: Vec::new(),
        }
    }

    pub(super) fn hear(&mut self, records: &[u8], rules: &mut Rules) {
        let mut rest = records;
        while let Some((header, behind)) = rest.split_first_chunk::<HEADER>() {
            let length = ciphertext_length(*header).expect("a record has a good length");
            let mut ciphertext = behind[..length].to_vec();
            rest = &behind[length..];
            let plaintext = self.opener.open(&mut ciphertext).expect("a record opens").to_vec();
            for frame in Frames::new(&plaintext) {
                self.hear_frame(&frame.expect("a frame is well formed"), rules);
            }
        }
        assert!(rest.is_empty(), "half a record was sent");
    }

    fn hear_frame(&mut self, frame: &Frame<'_>, rules: &mut Rules) {
        assert!(!self.is_closed, "{frame:?} behind CLOSE");
        assert_eq!(*frame == Frame::Hello(Hello::current()), !self.has_hello, "{frame:?}");
        self.has_hello = true;
        match frame {
            Frame::Hello(_) => {}
            Frame::Open { stream, .. } => {
                assert!(rules.is_ours(*stream) && stream.number() > self.last_open);
                self.last_open = stream.number();
            }
            Frame::Head { stream, .. } => {
                self.is_live(*stream);
                assert!(!self.heads.contains(stream) && rules.streams[stream].was_answered);
                self.heads.push(*stream);
            }
            Frame::Data { stream, bytes } => self.hear_data(*stream, bytes, rules),
            Frame::Fin { stream, total } => {
                self.is_live(*stream);
                self.ended.push(*stream);
                let state = rules.streams.get_mut(stream).expect("it was opened");
                assert_eq!((state.sending, *total), (Sending::Finishing, state.written));
                assert_eq!(state.said, state.written, "FIN before the last byte");
                state.sending = Sending::Ended;
            }
            Frame::Reset { stream, .. } => {
                assert!(rules.resets.remove(stream), "stream {stream} was reset for no reason");
                self.ended.push(*stream);
            }
            Frame::Credit { stream: None, limit } => rules.incoming.grant(*limit),
            Frame::Credit { stream: Some(stream), limit } => rules.grant(*stream, *limit),
            Frame::Ping(number) => {
                assert!(*number > self.pings && *number <= rules.pings);
                self.pings = *number;
            }
            Frame::Pong(number) => assert_eq!(Some(*number), rules.pinged.take()),
            Frame::Rekey => self.opener.rekey(),
            Frame::GoAway { .. } => {
                assert!(rules.is_going_away && !self.is_going_away);
                self.is_going_away = true;
            }
            Frame::Close { .. } => self.is_closed = true,
            Frame::Ignored(kind) => unreachable!("type {kind} was sent"),
        }
    }

    fn hear_data(&mut self, stream: StreamId, bytes: &[u8], rules: &mut Rules) {
        self.is_live(stream);
        let has_begun = match rules.is_ours(stream) {
            true => stream.number() <= self.last_open,
            false => self.heads.contains(&stream),
        };
        assert!(has_begun, "DATA before OPEN or HEAD");
        let state = rules.streams.get_mut(&stream).expect("it was opened");
        let written = pattern(state.said, bytes.len());
        assert_eq!(bytes, written, "stream {stream} is not what was written");
        state.said += bytes.len() as u64;
        // What is written is within the credit; this is within what was written.
        assert!(state.said <= state.written);
    }

    fn is_live(&self, stream: StreamId) {
        assert!(!self.ended.contains(&stream), "stream {stream} goes on after its end");
    }

    /// When the session has nothing more to say: everything that it owes was said.
    pub(super) fn owes_nothing(&self, rules: &Rules) {
        assert!(self.has_hello && self.last_open == rules.last_opened());
        assert!(rules.resets.is_empty() && rules.pinged.is_none());
        assert_eq!((self.pings, self.is_going_away), (rules.pings, rules.is_going_away));
        assert!(!rules.incoming.is_stuck(), "the peer waits for a CREDIT for ever");
        for (stream, state) in &rules.streams {
            assert_eq!(state.said, state.written, "bytes of stream {stream} were kept back");
            assert_ne!(state.sending, Sending::Finishing, "FIN of stream {stream} was kept back");
            let is_reset = self.ended.contains(stream);
            assert!(!state.was_answered || is_reset || self.heads.contains(stream));
            if matches!(state.receiving, Receiving::Headless | Receiving::Flowing) {
                assert!(!state.incoming.is_stuck(), "stream {stream} waits for ever");
            }
        }
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
