//! Two ends and a model of what they wrote: whatever the order of events, nothing is lost,
//! doubled or overrun, and nobody waits for ever.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use gantline_crypto::session::OpenError;
use gantline_protocol::{
    StreamId,
    session::{ResetCode, SESSION_WINDOW, STREAM_WINDOW},
};
use proptest::{collection::vec, prelude::*};
use support::{End, Heard, Ledger, Pair, get, ok};

#[derive(Debug, Clone, Copy)]
enum Side {
    Device,
    Node,
}

#[derive(Debug, Clone)]
enum Step {
    Open(Side),
    Answer(Side, usize),
    Write(Side, usize, usize),
    Finish(Side, usize),
    Reset(Side, usize),
    /// Give back up to so many bytes of what was read.
    Consume(Side, usize),
    /// Seal up to about so many bytes, and put them on the wire.
    Transmit(Side, usize),
    /// Let so many bytes arrive.
    Deliver(Side, usize),
    Ping(Side),
    /// Let the other side send further ahead.
    Widen(Side, u64),
    Wait(u64),
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Device), Just(Side::Node)]
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![0..50usize, 0..5_000usize, 0..300_000usize];
    prop_oneof![
        2 => side().prop_map(Step::Open),
        3 => (side(), any::<usize>()).prop_map(|(side, which)| Step::Answer(side, which)),
        6 => (side(), any::<usize>(), size.clone())
            .prop_map(|(side, which, length)| Step::Write(side, which, length)),
        2 => (side(), any::<usize>()).prop_map(|(side, which)| Step::Finish(side, which)),
        1 => (side(), any::<usize>()).prop_map(|(side, which)| Step::Reset(side, which)),
        5 => (side(), size.clone()).prop_map(|(side, length)| Step::Consume(side, length)),
        6 => (side(), size.clone()).prop_map(|(side, limit)| Step::Transmit(side, limit)),
        8 => (side(), size).prop_map(|(side, length)| Step::Deliver(side, length)),
        1 => side().prop_map(Step::Ping),
        1 => (side(), 1..4u64).prop_map(|(side, times)| Step::Widen(side, times)),
        1 => (0..400u64).prop_map(Step::Wait),
    ]
}

/// One end of the model: its session, and what its application believes.
struct Actor {
    end: End,
    /// What the other side wrote to us and we have not read yet.
    expected: Ledger,
    /// Streams on which the other side has said that it is done.
    expected_ends: BTreeSet<StreamId>,
    /// Streams we may write to.
    sending: BTreeSet<StreamId>,
    /// Streams that were opened towards us and that we have not answered.
    unanswered: BTreeSet<StreamId>,
    /// Read and not given back, by stream.
    held: BTreeMap<StreamId, usize>,
    finished: BTreeSet<StreamId>,
    reset: BTreeSet<StreamId>,
    /// How many times wider than at first our windows are.
    windows: u64,
}

impl Actor {
    fn new(end: End) -> Self {
        Self {
            end,
            expected: Ledger::default(),
            expected_ends: BTreeSet::new(),
            sending: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            held: BTreeMap::new(),
            finished: BTreeSet::new(),
            reset: BTreeSet::new(),
            windows: 1,
        }
    }

    fn hear(&mut self) {
        for heard in self.end.drain() {
            match heard {
                Heard::Opened(stream, _) => {
                    assert!(self.unanswered.insert(stream), "{stream} was opened twice");
                }
                Heard::Answered(stream, status) => {
                    assert_eq!(status, 200, "{stream}")
                }
                Heard::Data(stream, bytes) => {
                    assert!(!self.finished.contains(&stream), "data after the end of {stream}");
                    self.expected.read(stream, &bytes);
                    *self.held.entry(stream).or_default() += bytes.len();
                }
                Heard::Finished(stream) => {
                    assert!(self.finished.insert(stream), "{stream} ended twice");
                    assert!(self.expected_ends.contains(&stream), "nobody finished {stream}");
                    let missing = self.expected.streams.remove(&stream).unwrap_or_default();
                    assert_eq!(missing.len(), 0, "bytes of {stream} were lost");
                }
                Heard::Reset(stream, _) => {
                    self.sending.remove(&stream);
                    self.unanswered.remove(&stream);
                    self.reset.insert(stream);
                }
                Heard::Hello | Heard::Writable(_) | Heard::Pong(_) => {}
                Heard::GoingAway(..) | Heard::Closed(..) => panic!("{heard:?}"),
            }
        }
        let held: usize = self.held.values().sum();
        assert!(held as u64 <= self.windows * SESSION_WINDOW, "{held} bytes are held");
        let window = self.windows * STREAM_WINDOW;
        assert!(self.held.values().all(|held| *held as u64 <= window));
    }

    fn consume(&mut self, mut length: usize) {
        for (stream, held) in &mut self.held {
            let taken = length.min(*held);
            self.end.session.consumed(*stream, taken);
            *held -= taken;
            length -= taken;
        }
        self.held.retain(|_, held| *held > 0);
    }
}

fn pick(streams: &BTreeSet<StreamId>, which: usize) -> Option<StreamId> {
    streams.iter().nth(which % streams.len().max(1)).copied()
}

struct Model {
    now: std::time::Instant,
    device: Actor,
    node: Actor,
    /// What is under way to each end.
    to_device: Vec<u8>,
    to_node: Vec<u8>,
    fill: u8,
}

impl Model {
    fn new() -> Self {
        let Pair { now, device, node } = Pair::new();
        let (device, node) = (Actor::new(device), Actor::new(node));
        Self { now, device, node, to_device: Vec::new(), to_node: Vec::new(), fill: 0 }
    }

    fn ends(&mut self, side: Side) -> (&mut Actor, &mut Actor) {
        match side {
            Side::Device => (&mut self.device, &mut self.node),
            Side::Node => (&mut self.node, &mut self.device),
        }
    }

    fn apply(&mut self, step: &Step) {
        self.fill = self.fill.wrapping_add(1);
        let fill = self.fill;
        let now = self.now;
        match *step {
            Step::Open(side) => {
                let (us, _) = self.ends(side);
                match us.end.session.open(get("/")) {
                    Ok(stream) => assert!(us.sending.insert(stream)),
                    Err(OpenError::TooMany) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Answer(side, which) => {
                let (us, _) = self.ends(side);
                if let Some(stream) = pick(&us.unanswered, which) {
                    us.unanswered.remove(&stream);
                    us.end.session.answer(stream, ok()).unwrap();
                    us.sending.insert(stream);
                }
            }
            Step::Write(side, which, length) => {
                let (us, them) = self.ends(side);
                if let Some(stream) = pick(&us.sending, which) {
                    let writable = us.end.session.writable(stream);
                    let bytes = Bytes::from(vec![fill; length.min(writable as usize)]);
                    them.expected.write(stream, &bytes);
                    us.end.session.write(stream, bytes).unwrap();
                    let too_much = Bytes::from(vec![0; writable as usize + 1]);
                    assert!(us.end.session.write(stream, too_much).is_err());
                }
            }
            Step::Finish(side, which) => {
                let (us, them) = self.ends(side);
                if let Some(stream) = pick(&us.sending, which) {
                    us.sending.remove(&stream);
                    us.end.session.finish(stream).unwrap();
                    them.expected_ends.insert(stream);
                }
            }
            Step::Reset(side, which) => {
                let (us, _) = self.ends(side);
                let ours = us.sending.union(&us.unanswered).copied().collect();
                if let Some(stream) = pick(&ours, which) {
                    us.sending.remove(&stream);
                    us.unanswered.remove(&stream);
                    us.reset.insert(stream);
                    us.end.session.reset(stream, ResetCode::Cancelled);
                }
            }
            Step::Consume(side, length) => self.ends(side).0.consume(length),
            Step::Transmit(side, limit) => {
                let wire = match side {
                    Side::Device => &mut self.to_node,
                    Side::Node => &mut self.to_device,
                };
                let limit = wire.len() + limit;
                let us = match side {
                    Side::Device => &mut self.device,
                    Side::Node => &mut self.node,
                };
                us.end.session.transmit(now, wire, limit).unwrap();
            }
            Step::Deliver(side, length) => {
                let wire = match side {
                    Side::Device => &mut self.to_device,
                    Side::Node => &mut self.to_node,
                };
                let arrived: Vec<u8> = wire.drain(..length.min(wire.len())).collect();
                let (us, _) = self.ends(side);
                us.end.inbox.extend(arrived);
                us.end.read_all(now).unwrap();
                us.hear();
            }
            Step::Ping(side) => self.ends(side).0.end.session.ping(now),
            Step::Widen(side, times) => {
                let (us, _) = self.ends(side);
                us.windows = us.windows.max(times);
                us.end.session.widen(us.windows * STREAM_WINDOW, us.windows * SESSION_WINDOW);
            }
            Step::Wait(seconds) => {
                self.now += Duration::from_secs(seconds);
                for side in [Side::Device, Side::Node] {
                    let now = self.now;
                    self.ends(side).0.end.session.on_deadline(now);
                }
            }
        }
    }

    /// Both applications read all they get; then everything that was written must arrive.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let steps = [Side::Device, Side::Node].map(|side| {
                [
                    Step::Transmit(side, usize::MAX / 2),
                    Step::Deliver(side, usize::MAX),
                    Step::Consume(side, usize::MAX),
                ]
            });
            for step in steps.iter().flatten() {
                self.apply(step);
            }
            let mut more = Vec::new();
            let busy = [Side::Device, Side::Node].into_iter().any(|side| {
                let now = self.now;
                self.ends(side).0.end.session.transmit(now, &mut more, 0).unwrap()
            });
            if !busy && self.to_device.is_empty() && self.to_node.is_empty() {
                return;
            }
        }
        panic!("the ends never fell silent");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_order_nothing_is_lost_overrun_or_stuck(steps in vec(step(), 1..250)) {
        let mut model = Model::new();
        for step in &steps {
            model.apply(step);
        }
        model.settle();
        let Model { device, node, .. } = &model;
        for (us, them) in [(device, node), (node, device)] {
            for (stream, left) in &us.expected.streams {
                // Only a reset, by either end, may have kept bytes from arriving.
                let was_reset = us.reset.contains(stream) || them.reset.contains(stream);
                prop_assert!(left.is_empty() || was_reset, "{} bytes of {stream} never came", left.len());
            }
            for stream in &us.expected_ends {
                let was_reset = us.reset.contains(stream) || them.reset.contains(stream);
                prop_assert!(us.finished.contains(stream) || was_reset, "{stream} never ended");
            }
        }
        // Nobody is stuck: every stream that is still open can carry a whole window again.
        for side in [Side::Device, Side::Node] {
            let sending: Vec<_> = model.ends(side).0.sending.iter().copied().collect();
            for stream in sending {
                let writable = model.ends(side).0.end.session.writable(stream);
                prop_assert!(writable >= STREAM_WINDOW / 2, "{stream} can write {writable}");
            }
        }
    }
}
