//! A peer that keeps to the rules while the flood comes in, and how long it waits.

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gantline_crypto::{Session, session::Event};

use crate::support::{get, ok, sessions};

/// Round trips in a row, with the flood and without it by turns.
pub(crate) const BATCH: u64 = 25;
/// Round trips of which a percentile is taken.
const ROUND: usize = 500;

/// A device and a node that keep to the rules, asking and answering while the flood comes in.
pub(crate) struct ValidPeer {
    now: Instant,
    device: Session,
    node: Session,
    answer: Bytes,
    wire: Vec<u8>,
    quiet: Vec<Duration>,
    flooded: Vec<Duration>,
}

impl ValidPeer {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let (device, node) = sessions(now);
        // All the memory they need is taken here, so that it is not the flood's.
        let samples = || Vec::with_capacity(1 << 20);
        Self {
            now,
            device,
            node,
            answer: Bytes::from(vec![1; 64 * 1024]),
            wire: Vec::with_capacity(256 * 1024),
            quiet: samples(),
            flooded: samples(),
        }
    }

    pub(crate) fn quiet_batch(&mut self) {
        for _ in 0..BATCH {
            let time = self.round_trip();
            self.quiet.push(time);
        }
    }

    pub(crate) fn flooded_round_trip(&mut self) {
        let time = self.round_trip();
        self.flooded.push(time);
    }

    pub(crate) fn forget(&mut self) {
        self.quiet.clear();
        self.flooded.clear();
    }

    /// A request and an answer of 64 KiB.
    fn round_trip(&mut self) -> Duration {
        let began = Instant::now();
        let stream = self.device.open(get("/v1/agents")).unwrap();
        self.device.finish(stream).unwrap();
        self.wire.clear();
        self.device.transmit(self.now, &mut self.wire, usize::MAX).unwrap();
        self.node.receive(self.now, &mut self.wire, |_| {}).unwrap();
        self.node.answer(stream, ok()).unwrap();
        self.node.write(stream, self.answer.clone()).unwrap();
        self.node.finish(stream).unwrap();
        self.wire.clear();
        self.node.transmit(self.now, &mut self.wire, usize::MAX).unwrap();
        let (mut received, mut is_finished) = (0, false);
        self.device
            .receive(self.now, &mut self.wire, |event| match event {
                Event::Data { bytes, .. } => received += bytes.len(),
                Event::Finished { .. } => is_finished = true,
                Event::Hello(_)
                | Event::Opened { .. }
                | Event::Answered { .. }
                | Event::Reset { .. }
                | Event::Writable { .. }
                | Event::Pong { .. }
                | Event::GoingAway { .. }
                | Event::Closed { .. } => {}
            })
            .unwrap();
        self.device.consumed(stream, received);
        let time = began.elapsed();
        assert!(is_finished && received == self.answer.len(), "the valid peer was not served");
        time
    }

    /// The 99th percentile of a round trip, without and with the flood.
    pub(crate) fn p99(&self) -> (Duration, Duration) {
        (Spread::of(&self.quiet).median, Spread::of(&self.flooded).median)
    }
}

impl fmt::Display for ValidPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<18}{:>8}{:>10}{:>10}  spread", "valid round trip", "number", "p50", "p99")?;
        for (name, samples) in [("quiet", &self.quiet), ("flooded", &self.flooded)] {
            let p50 = format!("{:.0?}", percentile(samples, 50));
            let Spread { least, median, most } = Spread::of(samples);
            let p99 = format!("{median:.0?}");
            let number = samples.len();
            writeln!(f, "{name:<18}{number:>8}{p50:>10}{p99:>10}  {least:.0?} to {most:.0?}")?;
        }
        Ok(())
    }
}

/// The 99th percentiles of successive rounds, so that one bad moment of the machine is one bad
/// round.
struct Spread {
    least: Duration,
    median: Duration,
    most: Duration,
}

impl Spread {
    fn of(samples: &[Duration]) -> Self {
        let rounds = samples.chunks(ROUND).map(|round| percentile(round, 99));
        let rounds: Vec<_> = rounds.collect();
        let [least, median, most] = [0, 50, 100].map(|percent| percentile(&rounds, percent));
        Self { least, median, most }
    }
}

fn percentile(samples: &[Duration], percent: usize) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}
