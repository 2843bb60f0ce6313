//! A flood of malformed records, frames, handshakes, logins and pairings. Nothing of it is
//! believed, nothing panics, memory stays where it is, and a valid peer hardly notices.
//!
//! `GANTLINE_TIER` chooses the size: `test` (or nothing) a few seconds, `bars` a million, `soak`
//! as many as fit into `GANTLINE_SOAK_MINUTES`. `GANTLINE_SEED` repeats a run.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used
)]

#[path = "hostile/alter.rs"]
mod alter;
#[path = "hostile/frames.rs"]
mod frames;
#[path = "hostile/handshakes.rs"]
mod handshakes;
#[path = "hostile/pairings.rs"]
mod pairings;
#[path = "hostile/peer.rs"]
mod peer;
#[path = "hostile/records.rs"]
mod records;
mod support;

use std::{
    env, fmt, fs,
    time::{Duration, Instant},
};

use self::{
    alter::below,
    frames::hostile_frames,
    handshakes::{HandshakeVictims, LoginVictims},
    pairings::PairingVictims,
    peer::{BATCH, ValidPeer},
    records::Flight,
    support::SeededRng,
};

/// What the flood may add to the process's memory.
const MAX_GROWTH: u64 = 10 * 1024 * 1024;
/// Hostile inputs between two round trips of the valid peer.
const INPUTS_PER_ROUND_TRIP: u64 = 20;

#[test]
fn a_million_malformed_inputs_are_refused_without_a_panic_and_without_growth() {
    let tier = Tier::from_env();
    let seed = seed(tier);
    let total = match tier {
        Tier::Test => 50_000,
        Tier::Bars => 1_000_000,
        Tier::Soak(_) => 50_000,
    };
    eprintln!("hostile: tier {tier:?}, GANTLINE_SEED={seed}");
    let mut flood = Flood::new(seed);
    let mut peer = ValidPeer::new();

    flood.run(total / 10, &mut peer);
    peer.forget();
    let before = resident();
    flood.run(total - total / 10, &mut peer);
    if let Tier::Soak(time) = tier {
        soak(time, &mut flood, &mut peer, before);
    }
    let after = resident();

    eprint!("{flood}{peer}");
    eprintln!("resident: {} before, {} after", mebibytes(before), mebibytes(after));
    assert_no_growth(before, after);
    for (kind, tally) in &flood.tallies {
        assert!(tally.refused > 0, "{kind:?} was not tried");
    }
    if tier == Tier::Bars {
        let (quiet, flooded) = peer.p99();
        assert!(flooded <= 2 * quiet, "a valid peer waits: {quiet:?} became {flooded:?}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Test,
    Bars,
    Soak(Duration),
}

impl Tier {
    fn from_env() -> Self {
        match env::var("GANTLINE_TIER").as_deref() {
            Err(_) | Ok("" | "test") => Self::Test,
            Ok("bars") => Self::Bars,
            Ok("soak") => {
                let minutes = env::var("GANTLINE_SOAK_MINUTES")
                    .map_or(60, |text| text.parse().expect("GANTLINE_SOAK_MINUTES is a number"));
                Self::Soak(Duration::from_secs(60 * minutes))
            }
            Ok(other) => panic!("GANTLINE_TIER={other} is none of test, bars and soak"),
        }
    }
}

/// The tests of every day do the same every day; the long runs look elsewhere each time.
fn seed(tier: Tier) -> u64 {
    match (env::var("GANTLINE_SEED"), tier) {
        (Ok(text), _) => text.parse().expect("GANTLINE_SEED is a number"),
        (Err(_), Tier::Test) => 1,
        (Err(_), Tier::Bars | Tier::Soak(_)) => getrandom::u64().unwrap(),
    }
}

fn soak(time: Duration, flood: &mut Flood, peer: &mut ValidPeer, before: Option<u64>) {
    let began = Instant::now();
    let mut minutes = 0;
    while began.elapsed() < time {
        flood.run(2000, peer);
        if began.elapsed().as_secs() / 60 > minutes {
            minutes = began.elapsed().as_secs() / 60;
            let (quiet, flooded) = peer.p99();
            let (inputs, now) = (flood.inputs(), resident());
            eprintln!(
                "hostile: {minutes} min, {inputs} inputs, resident {}, p99 {quiet:?} quiet, {flooded:?} flooded",
                mebibytes(now)
            );
            assert_no_growth(before, now);
            if began.elapsed() < time {
                peer.forget();
            }
        }
    }
}

fn assert_no_growth(before: Option<u64>, after: Option<u64>) {
    if let (Some(before), Some(after)) = (before, after) {
        assert!(after.saturating_sub(before) <= MAX_GROWTH, "{before} bytes became {after}");
    }
}

/// The memory that the process has in use, where the system says so.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".to_owned(), |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0))
}

/// What is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Sealed records on the way, altered by somebody without keys.
    Record,
    /// Frames of a peer that has proved itself.
    Frames,
    S1,
    S2,
    Login,
    PairingByCode,
    PairingByLink,
}

/// How many of a hundred inputs are of each kind; handshakes are dear.
const SHARES: [(Kind, u64); 7] = [
    (Kind::Record, 40),
    (Kind::Frames, 30),
    (Kind::S1, 13),
    (Kind::S2, 5),
    (Kind::Login, 6),
    (Kind::PairingByCode, 3),
    (Kind::PairingByLink, 3),
];

/// What came of a hostile input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// An error.
    Refused,
    /// Nothing yet: it waits for bytes that never come, and ends in an error when the pipe or the
    /// time for it ends.
    Waits,
    /// It broke no rule, or everything in it was genuine but what nobody reads.
    Harmless,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    refused: u64,
    waits: u64,
    harmless: u64,
}

impl Tally {
    const fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Refused => self.refused += 1,
            Outcome::Waits => self.waits += 1,
            Outcome::Harmless => self.harmless += 1,
        }
    }

    const fn tried(&self) -> u64 {
        self.refused + self.waits + self.harmless
    }
}

struct Flood {
    rng: SeededRng,
    now: Instant,
    tallies: [(Kind, Tally); SHARES.len()],
    flights: Vec<Flight>,
    handshake: HandshakeVictims,
    login: LoginVictims,
    pairing: PairingVictims,
}

impl Flood {
    fn new(seed: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        let now = Instant::now();
        let flights = (0..24).map(|number| Flight::new(number, now, &mut rng)).collect();
        let handshake = HandshakeVictims::new(&mut rng, now);
        let login = LoginVictims::new(&mut rng);
        let pairing = PairingVictims::new(&mut rng, now);
        let tallies = SHARES.map(|(kind, _)| (kind, Tally::default()));
        Self { rng, now, tallies, flights, handshake, login, pairing }
    }

    fn inputs(&self) -> u64 {
        self.tallies.iter().map(|(_, tally)| tally.tried()).sum()
    }

    /// At least `inputs` hostile ones, with round trips of the valid peer between them, and as
    /// many without the flood.
    fn run(&mut self, inputs: u64, peer: &mut ValidPeer) {
        let end = self.inputs() + inputs;
        let mut is_quiet_first = true;
        while self.inputs() < end {
            if is_quiet_first {
                peer.quiet_batch();
            }
            for _ in 0..BATCH {
                (0..INPUTS_PER_ROUND_TRIP).for_each(|_| self.one());
                peer.flooded_round_trip();
            }
            if !is_quiet_first {
                peer.quiet_batch();
            }
            is_quiet_first = !is_quiet_first;
        }
    }

    fn one(&mut self) {
        let mut drawn = below(&mut self.rng, 100) as u64;
        let mut index = 0;
        while drawn >= SHARES[index].1 {
            drawn -= SHARES[index].1;
            index += 1;
        }
        let outcome = match SHARES[index].0 {
            Kind::Record => self.record(),
            Kind::Frames => hostile_frames(&mut self.rng, self.now),
            Kind::S1 => self.handshake.s1(&mut self.rng),
            Kind::S2 => self.handshake.s2(&mut self.rng, self.now),
            Kind::Login => self.login.one(&mut self.rng),
            Kind::PairingByCode => self.pairing.by_code(&mut self.rng),
            Kind::PairingByLink => self.pairing.by_link(&mut self.rng),
        };
        self.tallies[index].1.count(outcome);
    }

    fn record(&mut self) -> Outcome {
        let rng = &mut self.rng;
        let flight = &self.flights[below(rng, self.flights.len())];
        let other = &self.flights[below(rng, self.flights.len())];
        flight.tampered(other, rng, self.now)
    }
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = ["tried", "refused", "waits", "harmless"];
        let row = |name: &str, cells: [String; 4]| {
            let cells = cells.map(|cell| format!("{cell:>10}")).concat();
            format!("{name:<16}{cells}")
        };
        writeln!(f, "{}", row("hostile input", columns.map(str::to_owned)))?;
        for (kind, tally) in &self.tallies {
            let cells = [tally.tried(), tally.refused, tally.waits, tally.harmless];
            writeln!(f, "{}", row(&format!("{kind:?}"), cells.map(|cell| cell.to_string())))?;
        }
        writeln!(f, "{:<16}{:>10}", "all", self.inputs())
    }
}
