//! The peer's ear: checks that all the session says is well formed and within the peer's credit.

use std::collections::{BTreeMap, BTreeSet};

use gantline_crypto::session::{Opener, Side};
use gantline_login::CipherState;
use gantline_protocol::{
    StreamId,
    session::{
        CREDIT_END, Frame, Frames, Hello, SESSION_WINDOW, STREAM_WINDOW,
        record::{HEADER, ciphertext_length},
    },
};

use super::ledger::{Ledger, pattern};

pub(super) struct Listener {
    /// The side that is listened to.
    side: Side,
    opener: Opener,
    has_hello: bool,
    is_closed: bool,
    is_going_away: bool,
    last_open: u32,
    pings: u64,
    heads: BTreeSet<StreamId>,
    ended: BTreeSet<StreamId>,
    reset: BTreeSet<StreamId>,
    /// Bytes of DATA heard, by stream, and the most that the peer allowed so far.
    heard: BTreeMap<StreamId, u64>,
    allowed: BTreeMap<Option<StreamId>, u64>,
    /// What the session allows the peer.
    granted: BTreeMap<Option<StreamId>, u64>,
    /// The peer's latest PING.
    pinged: u64,
}

impl Listener {
    pub(super) const fn new(side: Side, cipher: CipherState) -> Self {
        Self {
            side,
            opener: Opener::new(cipher),
            has_hello: false,
            is_closed: false,
            is_going_away: false,
            last_open: 0,
            pings: 0,
            heads: BTreeSet::new(),
            ended: BTreeSet::new(),
            reset: BTreeSet::new(),
            heard: BTreeMap::new(),
            allowed: BTreeMap::new(),
            granted: BTreeMap::new(),
            pinged: 0,
        }
    }

    pub(super) fn is_by_device(&self) -> bool {
        self.side == Side::Device
    }

    /// What the peer has just sent, accepted or not: credit can only be too large here.
    pub(super) fn note(&mut self, frames: &[Frame<'_>], are_accepted: bool) {
        for frame in frames {
            if let Frame::Credit { stream, limit } = frame {
                let falls = stream.is_none() && *limit < self.allowed(None, SESSION_WINDOW);
                assert!(!are_accepted || !falls, "a CREDIT may fall");
                let allowed = self.allowed.entry(*stream).or_default();
                *allowed = (*allowed).max(*limit);
            } else if let Frame::Ping(number) = frame {
                self.pinged = *number;
            }
        }
    }

    pub(super) fn hear(&mut self, records: &[u8], ledger: &Ledger) {
        let mut rest = records;
        while let Some((header, behind)) = rest.split_first_chunk::<HEADER>() {
            let length = ciphertext_length(*header).expect("a record has a good length");
            let mut ciphertext = behind[..length].to_vec();
            rest = &behind[length..];
            let plaintext = self.opener.open(&mut ciphertext).expect("a record opens");
            let plaintext = plaintext.to_vec();
            for frame in Frames::new(&plaintext) {
                self.hear_frame(&frame.expect("a frame is well formed"), ledger);
            }
        }
        assert!(rest.is_empty(), "half a record was sent");
    }

    fn hear_frame(&mut self, frame: &Frame<'_>, ledger: &Ledger) {
        assert!(!self.is_closed, "{frame:?} behind CLOSE");
        assert_eq!(*frame == Frame::Hello(Hello::current()), !self.has_hello, "{frame:?}");
        self.has_hello = true;
        match frame {
            Frame::Hello(_) => {}
            Frame::Open { stream, .. } => {
                assert_eq!(stream.opened_by_device(), self.is_by_device());
                assert!(stream.number() > self.last_open);
                self.last_open = stream.number();
            }
            Frame::Head { stream, .. } => {
                assert!(ledger.was_answered(*stream) && self.heads.insert(*stream));
                self.is_live(*stream);
            }
            Frame::Data { stream, bytes } => self.hear_data(*stream, bytes),
            Frame::Fin { stream, total } => {
                self.is_live(*stream);
                assert_eq!(*total, self.heard.get(stream).copied().unwrap_or(0));
                self.ended.insert(*stream);
            }
            Frame::Reset { stream, .. } => {
                assert!(self.reset.insert(*stream), "stream {stream} was reset twice");
            }
            Frame::Credit { stream, limit } => {
                let first = if stream.is_some() { STREAM_WINDOW } else { SESSION_WINDOW };
                let granted = self.granted.entry(*stream).or_insert(first);
                assert!(*limit > *granted && *limit < CREDIT_END, "a useless CREDIT");
                *granted = *limit;
                assert!(stream.is_none_or(|stream| !self.reset.contains(&stream)));
            }
            Frame::Ping(number) => {
                assert!(*number > self.pings && *number <= ledger.pings);
                self.pings = *number;
            }
            Frame::Pong(number) => assert_eq!(*number, self.pinged),
            Frame::Rekey => self.opener.rekey(),
            Frame::GoAway { .. } => {
                assert!(!self.is_going_away);
                self.is_going_away = true;
            }
            Frame::Close { .. } => self.is_closed = true,
            Frame::Ignored(kind) => unreachable!("type {kind} was sent"),
        }
    }

    fn hear_data(&mut self, stream: StreamId, bytes: &[u8]) {
        self.is_live(stream);
        let is_ours = stream.opened_by_device() == self.is_by_device();
        let has_begun = match is_ours {
            true => stream.number() <= self.last_open,
            false => self.heads.contains(&stream),
        };
        assert!(has_begun, "DATA before OPEN or HEAD");
        let heard = self.heard.entry(stream).or_default();
        assert_eq!(bytes, pattern(*heard, bytes.len()), "stream {stream} is not what was written");
        *heard += bytes.len() as u64;
        assert!(*heard <= self.allowed(Some(stream), STREAM_WINDOW), "more than the credit");
        assert!(self.heard.values().sum::<u64>() <= self.allowed(None, SESSION_WINDOW));
    }

    fn allowed(&self, stream: Option<StreamId>, first: u64) -> u64 {
        self.allowed.get(&stream).copied().unwrap_or(0).max(first)
    }

    fn is_live(&self, stream: StreamId) {
        let is_over = self.ended.contains(&stream) || self.reset.contains(&stream);
        assert!(!is_over, "stream {stream} goes on after its end");
    }
}
