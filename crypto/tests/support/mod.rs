//! What the tests of this crate share: scripted randomness, two ends of a session, a wire between
//! them that can be cut and bent.

#![allow(dead_code, unreachable_pub, clippy::indexing_slicing, clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    time::Instant,
};

use bytes::Bytes;
use gantline_crypto::{
    Psk, Session, StaticKey,
    session::{DeviceHandshake, Event, NodeHandshake, SessionError, SessionKeys, handshake},
};
use gantline_protocol::{
    StreamId,
    session::{CloseCode, GoAwayCode, Head, Open, Preface, ResetCode},
};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

/// Random-looking bytes that are the same in every run: SHA-256 of a seed and a counter.
pub struct SeededRng {
    seed: u64,
    counter: u64,
}

impl SeededRng {
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }
}

impl TryRng for SeededRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Infallible> {
        for chunk in dest.chunks_mut(32) {
            self.counter += 1;
            let block = Sha256::new()
                .chain_update(self.seed.to_be_bytes())
                .chain_update(self.counter.to_be_bytes())
                .finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for SeededRng {}

pub fn stream(number: u32) -> StreamId {
    StreamId::new(number).unwrap()
}

pub fn get(path: &str) -> Open {
    Open { method: "GET".into(), path: path.into(), headers: vec![] }
}

pub fn ok() -> Head {
    Head { status: 200, headers: vec![] }
}

/// Everything that a handshake needs.
pub struct Keys {
    pub device: StaticKey,
    pub node: StaticKey,
    pub psk: Psk,
}

impl Keys {
    pub fn new(rng: &mut SeededRng) -> Self {
        let (device, node) = (StaticKey::generate(rng), StaticKey::generate(rng));
        Self { device, node, psk: Psk::generate(rng) }
    }
}

/// Two ends of a fresh session.
pub fn sessions(now: Instant) -> (Session, Session) {
    let (device, s2, node) = shake_hands(now);
    (device.finish(&s2, now).unwrap(), node)
}

/// A session's node end, and the keys of a device that may do with them what it likes.
pub fn hostile_device(now: Instant) -> (SessionKeys, Session) {
    let (device, s2, node) = shake_hands(now);
    (device.into_keys(&s2).unwrap(), node)
}

/// A session's device end, and the keys of a node that may do with them what it likes.
pub fn hostile_node(now: Instant) -> (SessionKeys, Session) {
    let (twin, s2, _) = shake_hands(now);
    let twin = twin.into_keys(&s2).unwrap();
    let (device, s2, _) = shake_hands(now);
    let keys = SessionKeys { send: twin.receive, receive: twin.send };
    (keys, device.finish(&s2, now).unwrap())
}

fn shake_hands(now: Instant) -> (DeviceHandshake, [u8; handshake::S2], Session) {
    let mut rng = SeededRng::new(1);
    let keys = Keys::new(&mut rng);
    let (device, hello) =
        DeviceHandshake::start(&keys.device, keys.node.public(), &keys.psk, &mut rng).unwrap();
    let s1: [u8; handshake::S1] = hello[Preface::SIZE..].try_into().unwrap();
    let node = NodeHandshake::read(&keys.node, &s1, &mut rng).unwrap();
    let (node, s2) = node.accept(&keys.psk, now).unwrap();
    (device, s2, node)
}

/// An event that owns what it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Hello,
    Opened(StreamId, String),
    Answered(StreamId, u16),
    Data(StreamId, Vec<u8>),
    Finished(StreamId),
    Reset(StreamId, ResetCode),
    Writable(Option<StreamId>),
    Pong(std::time::Duration),
    GoingAway(GoAwayCode, u32),
    Closed(CloseCode, String),
}

impl From<Event<'_>> for Heard {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Hello(_) => Self::Hello,
            Event::Opened { stream, open } => Self::Opened(stream, open.path),
            Event::Answered { stream, head } => Self::Answered(stream, head.status),
            Event::Data { stream, bytes } => Self::Data(stream, bytes.to_vec()),
            Event::Finished { stream } => Self::Finished(stream),
            Event::Reset { stream, code } => Self::Reset(stream, code),
            Event::Writable { stream } => Self::Writable(stream),
            Event::Pong { round_trip } => Self::Pong(round_trip),
            Event::GoingAway { code, last } => Self::GoingAway(code, last),
            Event::Closed { code, reason } => Self::Closed(code, reason.to_owned()),
        }
    }
}

/// One end, with what is on its way to it.
pub struct End {
    pub session: Session,
    pub inbox: Vec<u8>,
    pub heard: Vec<Heard>,
}

impl End {
    pub fn new(session: Session) -> Self {
        Self { session, inbox: Vec::new(), heard: Vec::new() }
    }

    /// Reads the first `length` bytes of the inbox, as if no more had arrived yet.
    pub fn read(&mut self, now: Instant, length: usize) -> Result<(), SessionError> {
        let length = length.min(self.inbox.len());
        let heard = &mut self.heard;
        let taken = self
            .session
            .receive(now, &mut self.inbox[..length], |event| heard.push(event.into()))?;
        self.inbox.drain(..taken);
        Ok(())
    }

    pub fn read_all(&mut self, now: Instant) -> Result<(), SessionError> {
        self.read(now, usize::MAX)
    }

    pub fn drain(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }
}

/// A device and a node with a perfect wire between them.
pub struct Pair {
    pub now: Instant,
    pub device: End,
    pub node: End,
}

impl Pair {
    pub fn new() -> Self {
        let now = Instant::now();
        let (device, node) = sessions(now);
        Self { now, device: End::new(device), node: End::new(node) }
    }

    /// Carries everything over, until both ends are silent.
    pub fn settle(&mut self) {
        loop {
            self.device.session.transmit(self.now, &mut self.node.inbox, usize::MAX).unwrap();
            self.node.session.transmit(self.now, &mut self.device.inbox, usize::MAX).unwrap();
            if self.device.inbox.is_empty() && self.node.inbox.is_empty() {
                return;
            }
            self.node.read_all(self.now).unwrap();
            self.device.read_all(self.now).unwrap();
        }
    }

    /// A session that has said hello on both sides, with one stream that is open and answered.
    pub fn with_stream() -> (Self, StreamId) {
        let mut pair = Self::new();
        let stream = pair.device.session.open(get("/")).unwrap();
        pair.settle();
        pair.node.session.answer(stream, ok()).unwrap();
        pair.settle();
        pair.device.drain();
        pair.node.drain();
        (pair, stream)
    }
}

/// What a model of a stream says has been written and not been read yet.
#[derive(Default)]
pub struct Ledger {
    pub streams: BTreeMap<StreamId, VecDeque<u8>>,
}

impl Ledger {
    pub fn write(&mut self, stream: StreamId, bytes: &Bytes) {
        self.streams.entry(stream).or_default().extend(bytes.iter());
    }

    /// The bytes must be the next ones that were written.
    pub fn read(&mut self, stream: StreamId, bytes: &[u8]) {
        let expected = self.streams.entry(stream).or_default();
        for byte in bytes {
            assert_eq!(expected.pop_front(), Some(*byte), "stream {stream} is not what was sent");
        }
    }

    pub fn outstanding(&self) -> usize {
        self.streams.values().map(VecDeque::len).sum()
    }
}
