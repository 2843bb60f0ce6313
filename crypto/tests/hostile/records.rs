//! Sealed records, altered on the way by somebody without keys.

use std::time::Instant;

use bytes::Bytes;
use gantline_crypto::{
    Session,
    session::{SessionKeys, Side},
};
use gantline_login::CipherState;
use gantline_protocol::StreamId;
use rand_core::Rng;

use crate::{
    Outcome,
    alter::{alter, below},
    support::{Heard, SeededRng, get, ok},
};

/// Records of a genuine session towards one end, and what that end hears of each.
pub(crate) struct Flight {
    side: Side,
    keys: [[u8; 32]; 2],
    records: Vec<Vec<u8>>,
    heard: Vec<Vec<Heard>>,
}

impl Flight {
    pub(crate) fn new(number: usize, now: Instant, rng: &mut SeededRng) -> Self {
        let side = if number.is_multiple_of(2) { Side::Node } else { Side::Device };
        let mut keys = [[0; 32]; 2];
        keys.iter_mut().for_each(|key| rng.fill_bytes(key));
        let mut flight = Self { side, keys, records: Vec::new(), heard: Vec::new() };
        flight.speak(number, now);
        let mut victim = flight.victim(now);
        for record in &flight.records {
            let mut heard = Vec::new();
            let mut bytes = record.clone();
            let read = victim.receive(now, &mut bytes, |event| heard.push(event.into()));
            assert_eq!(read, Ok(record.len()), "a genuine record was refused");
            flight.heard.push(heard);
        }
        flight
    }

    fn session(&self, side: Side, now: Instant) -> Session {
        let [mut by_device, mut by_node] = self.keys;
        let (by_device, by_node) =
            (CipherState::new(&mut by_device), CipherState::new(&mut by_node));
        let keys = match side {
            Side::Device => SessionKeys { send: by_device, receive: by_node },
            Side::Node => SessionKeys { send: by_node, receive: by_device },
        };
        Session::new(side, keys, now)
    }

    /// The end that the records are for, as it is before the first of them.
    fn victim(&self, now: Instant) -> Session {
        let mut session = self.session(self.side, now);
        if self.side == Side::Device {
            session.open(get("/v1/agents")).unwrap();
        }
        session
    }

    /// Records of many lengths, the first with HELLO in it.
    fn speak(&mut self, number: usize, now: Instant) {
        let bytes = Bytes::from(vec![number as u8; 200 << (number / 4)]);
        let mut peer = match self.side {
            Side::Node => self.session(Side::Device, now),
            Side::Device => self.session(Side::Node, now),
        };
        let stream = match self.side {
            Side::Node => peer.open(get("/v1/agents")).unwrap(),
            Side::Device => {
                let mut asked = Vec::new();
                self.victim(now).transmit(now, &mut asked, usize::MAX).unwrap();
                peer.receive(now, &mut asked, |_| {}).unwrap();
                let stream = StreamId::new(1).unwrap();
                peer.answer(stream, ok()).unwrap();
                stream
            }
        };
        self.records.push(said(&mut peer, now));
        peer.write(stream, bytes).unwrap();
        self.records.push(said(&mut peer, now));
        peer.ping(now);
        self.records.push(said(&mut peer, now));
        peer.finish(stream).unwrap();
        self.records.push(said(&mut peer, now));
    }

    /// Nothing is heard but what the untouched records in front say, and the end is noticed.
    pub(crate) fn tampered(&self, other: &Self, rng: &mut SeededRng, now: Instant) -> Outcome {
        let genuine = self.records.concat();
        let mut arriving = self.alter(other, rng);
        if arriving == genuine {
            arriving.push(0);
        }
        let mut untouched = 0;
        let mut rest = arriving.as_slice();
        while let Some(behind) =
            self.records.get(untouched).and_then(|record| rest.strip_prefix(record.as_slice()))
        {
            rest = behind;
            untouched += 1;
        }
        let expected = self.heard.iter().take(untouched).flatten();

        let mut victim = self.victim(now);
        let (mut heard, mut waiting) = (Vec::new(), Vec::new());
        let step = 1 + below(rng, 2 * arriving.len());
        let mut outcome = Outcome::Waits;
        for piece in arriving.chunks(step) {
            waiting.extend_from_slice(piece);
            let before = heard.len();
            let read = victim.receive(now, &mut waiting, |event| heard.push(Heard::from(event)));
            assert!(outcome == Outcome::Waits || heard.len() == before, "it was read on");
            match read {
                Ok(taken) => drop(waiting.drain(..taken)),
                Err(_) => outcome = Outcome::Refused,
            }
        }
        assert!(heard.iter().eq(expected), "altered bytes were believed");
        let is_noticed = outcome == Outcome::Refused || victim.end_of_input().is_err();
        assert!(is_noticed && !victim.is_open(), "a cut was taken for an end");
        outcome
    }

    fn alter(&self, other: &Self, rng: &mut SeededRng) -> Vec<u8> {
        let mut records = self.records.clone();
        let (at, to) = (below(rng, records.len()), below(rng, records.len()));
        match below(rng, 8) {
            0 => records.swap(at, to),
            1 => records.insert(to, records[at].clone()),
            2 => drop(records.remove(at)),
            3 => records[at] = other.records[to].clone(),
            4 => return alter(rng, &records.concat()),
            _ => records[at] = alter(rng, &records[at]),
        }
        records.concat()
    }
}

fn said(session: &mut Session, now: Instant) -> Vec<u8> {
    let mut out = Vec::new();
    session.transmit(now, &mut out, usize::MAX).unwrap();
    out
}
