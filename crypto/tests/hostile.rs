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

mod support;

use std::{
    env, fmt, fs,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gantline_crypto::{
    Now, Psk, Session, StaticKey,
    pairing::{
        CodeAttempts, DevicePairing, NodePairing, PairingDesk, PairingLink, desk::CODE_FOR,
        node::NodeSide,
    },
    session::{DeviceHandshake, Event, NodeHandshake, SessionKeys, Side, handshake::S1},
};
use gantline_login::{CipherState, LoginInitiator, LoginResponder, login::L1};
use gantline_protocol::{
    HostName, Name, Role, StreamId, Timestamp,
    link::{HEADER, LinkHello, LinkMessage, Login, Progress},
    session::{
        CloseCode, Frame, GoAwayCode, Head, Hello, Preface, ResetCode,
        record::{MAX_PLAINTEXT, MAX_RECORD, padded},
    },
};
use rand_core::Rng;
use support::{Heard, Keys, SeededRng, get, ok, sessions};

/// What the flood may add to the process's memory.
const MAX_GROWTH: u64 = 10 * 1024 * 1024;
/// Hostile inputs between two round trips of the valid peer.
const INPUTS_PER_ROUND_TRIP: u64 = 20;
/// Round trips in a row, with the flood and without it, by turns.
const BATCH: u64 = 25;

#[test]
fn a_million_malformed_inputs_are_refused_without_a_panic_and_without_growth() {
    let tier = Tier::from_env();
    let seed = seed(tier);
    let total = match tier {
        Tier::Test => 30_000,
        Tier::Bars => 1_000_000,
        Tier::Soak(_) => 200_000,
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
        assert!(tally.tried > 0 && tally.refused > 0, "{kind:?} was not tried");
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
            peer.forget();
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

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    tried: u64,
    /// Ended in an error; the others changed nothing, or wait for bytes that never come.
    refused: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Refused,
    Harmless,
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
        self.tallies.iter().map(|(_, tally)| tally.tried).sum()
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
        let tally = &mut self.tallies[index].1;
        tally.tried += 1;
        tally.refused += u64::from(outcome == Outcome::Refused);
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
        writeln!(f, "{:<16}{:>10}{:>10}{:>10}", "hostile input", "tried", "refused", "harmless")?;
        for (kind, tally) in &self.tallies {
            let (tried, refused) = (tally.tried, tally.refused);
            let kind = format!("{kind:?}");
            writeln!(f, "{kind:<16}{tried:>10}{refused:>10}{:>10}", tried - refused)?;
        }
        writeln!(f, "{:<16}{:>10}", "all", self.inputs())
    }
}

/// Records of a genuine session towards one end, and what that end hears of each.
struct Flight {
    side: Side,
    keys: [[u8; 32]; 2],
    records: Vec<Vec<u8>>,
    heard: Vec<Vec<Heard>>,
}

impl Flight {
    fn new(number: usize, now: Instant, rng: &mut SeededRng) -> Self {
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
        let (by_device, by_node) = (CipherState::new(&mut by_device), CipherState::new(&mut by_node));
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
    fn tampered(&self, other: &Self, rng: &mut SeededRng, now: Instant) -> Outcome {
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
        let mut outcome = Outcome::Harmless;
        for piece in arriving.chunks(step) {
            waiting.extend_from_slice(piece);
            let before = heard.len();
            let read = victim.receive(now, &mut waiting, |event| heard.push(Heard::from(event)));
            assert!(outcome == Outcome::Harmless || heard.len() == before, "it was read on");
            match read {
                Ok(taken) => drop(waiting.drain(..taken)),
                Err(_) => outcome = Outcome::Refused,
            }
        }
        assert!(heard.iter().eq(expected), "altered bytes were believed");
        assert!(victim.end_of_input().is_err(), "a cut was taken for an end");
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

/// A peer with the right keys says frames that are bent, doubled, out of order, out of bounds.
fn hostile_frames(rng: &mut SeededRng, now: Instant) -> Outcome {
    let side = if rng.next_u32() & 1 == 0 { Side::Device } else { Side::Node };
    let key = || CipherState::new(&mut [5; 32]);
    let mut victim = Session::new(side, SessionKeys { send: key(), receive: key() }, now);
    victim.open(get("/v1/events")).unwrap();
    let mut cipher = key();
    let mut outcome = Outcome::Harmless;
    let has_manners = !rng.next_u32().is_multiple_of(8);
    for number in 0..1 + below(rng, 4) {
        let mut plaintext = Vec::new();
        if number == 0 && has_manners {
            Frame::Hello(Hello::current()).encode(&mut plaintext).unwrap();
        }
        for _ in 0..below(rng, 8) {
            let frame = some_frame(rng);
            let is_bent = rng.next_u32().is_multiple_of(4);
            plaintext.extend(if is_bent { alter(rng, &frame) } else { frame });
        }
        plaintext.truncate(MAX_PLAINTEXT);
        plaintext.resize(padded(plaintext.len()), 0);
        let tag = cipher.seal(&mut plaintext).unwrap();
        let length = u16::try_from(plaintext.len() + tag.len()).unwrap().to_be_bytes();
        let mut record = [length.as_slice(), &plaintext, &tag].concat();

        let mut opened = Vec::new();
        let mut is_closed = false;
        let read = victim.receive(now, &mut record, |event| {
            assert!(outcome == Outcome::Harmless && !is_closed, "{event:?} after the end");
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
        if read.is_err() || is_closed {
            assert!(!victim.is_open());
            outcome = Outcome::Refused;
        }
        for stream in opened {
            // It may have been reset in the same record.
            let _ = victim.answer(stream, ok());
            let _ = victim.write(stream, Bytes::from_static(&[1; 500]));
        }
        let mut out = Vec::new();
        assert_eq!(victim.transmit(now, &mut out, usize::MAX), Ok(false));
        assert!(out.len() <= 4 * MAX_RECORD, "{} bytes for one record", out.len());
    }
    assert!(victim.is_over() || victim.is_open());
    outcome
}

fn some_frame(rng: &mut SeededRng) -> Vec<u8> {
    let stream = StreamId::new(1 + rng.next_u32() % 8).unwrap();
    let (word, bytes) = (rng.next_u64(), vec![3; 1 + below(rng, 3000)]);
    let number = word >> (word % 64);
    let code = rng.next_u32() % 10;
    let frame = match below(rng, 14) {
        0 => Frame::Hello(Hello { min: 1, max: 1 + code, features: vec![] }),
        1 | 2 => Frame::Open { stream, open: get("/v1/agents") },
        3 => Frame::Head { stream, head: Head { status: 200, headers: vec![] } },
        4 | 5 => Frame::Data { stream, bytes: &bytes },
        6 => Frame::Fin { stream, total: if code < 5 { 0 } else { number } },
        7 => Frame::Reset { stream, code: ResetCode::from_number(code) },
        8 => Frame::Credit { stream: (code < 5).then_some(stream), limit: number },
        9 => Frame::Ping(number),
        10 => Frame::Pong(number),
        11 => Frame::Ignored(code as u8),
        12 => Frame::GoAway { code: GoAwayCode::from_number(code), last: code },
        _ => Frame::Close { code: CloseCode::from_number(code), reason: "\u{202e}" },
    };
    let mut out = Vec::new();
    frame.encode(&mut out).unwrap();
    out
}

struct HandshakeVictims {
    keys: Keys,
    s1: [u8; S1],
    /// An S2 of an earlier handshake of the same two.
    s2: Vec<u8>,
}

impl HandshakeVictims {
    fn new(rng: &mut SeededRng, now: Instant) -> Self {
        let keys = Keys::new(rng);
        let (_, s1) = start(&keys, rng);
        let s2 = NodeHandshake::read(&keys.node, &s1, rng).unwrap().accept(&keys.psk, now).unwrap().1;
        Self { keys, s1, s2: s2.to_vec() }
    }

    fn s1(&self, rng: &mut SeededRng) -> Outcome {
        let altered = alter_in_place(rng, &self.s1);
        let read = NodeHandshake::read(&self.keys.node, &altered.try_into().unwrap(), rng);
        assert!(read.is_err(), "a node believes an altered S1");
        Outcome::Refused
    }

    /// An altered S2, one of an earlier handshake, or one of a node with another secret.
    fn s2(&self, rng: &mut SeededRng, now: Instant) -> Outcome {
        let (device, s1) = start(&self.keys, rng);
        let choice = below(rng, 4);
        let s2 = if choice == 0 {
            self.s2.clone()
        } else {
            let read = NodeHandshake::read(&self.keys.node, &s1, rng).unwrap();
            let other = Psk::from_bytes([6; 32]);
            let psk = if choice == 1 { &other } else { &self.keys.psk };
            let s2 = read.accept(psk, now).unwrap().1;
            if choice == 1 { s2.to_vec() } else { alter_in_place(rng, &s2) }
        };
        assert!(device.finish(&s2.try_into().unwrap(), now).is_err(), "a device believes it");
        Outcome::Refused
    }
}

fn start(keys: &Keys, rng: &mut SeededRng) -> (DeviceHandshake, [u8; S1]) {
    let (device, hello) =
        DeviceHandshake::start(&keys.device, keys.node.public(), &keys.psk, rng).unwrap();
    (device, hello[Preface::SIZE..].try_into().unwrap())
}

struct LoginVictims {
    key: StaticKey,
    host: HostName,
    login: Vec<u8>,
}

impl LoginVictims {
    fn new(rng: &mut SeededRng) -> Self {
        let login = Login {
            token: Some("token-1".parse().unwrap()),
            alias: None,
            version: "0.1.0".to_owned(),
            capabilities: vec![],
        };
        let mut message = Vec::new();
        LinkMessage::Login(login).encode(&mut message).unwrap();
        let host = "relay.example".parse().unwrap();
        Self { key: StaticKey::generate(rng), host, login: message }
    }

    /// One of the four messages of a login is altered; whoever reads it refuses it, or the login.
    fn one(&self, rng: &mut SeededRng) -> Outcome {
        let exporter = [7; 32];
        let binding = Some(&exporter);
        let (node, first) = LoginInitiator::start(&self.key, &self.host, binding, rng).unwrap();
        let which = below(rng, 4);

        let sent = if which == 0 { alter(rng, &first) } else { first.clone() };
        let hello = match LinkHello::decode(&sent) {
            Ok(Progress::Whole { value, length }) => Some((value, &sent[length..])),
            Ok(Progress::Needs(_)) => return Outcome::Harmless,
            Err(_) => None,
        };
        let Some((hello, l1)) = hello else { return Outcome::Refused };
        let Some(l1) = l1.first_chunk::<L1>() else { return Outcome::Harmless };
        let answer =
            LoginResponder::answer(&hello, std::slice::from_ref(&self.host), binding, l1, rng);
        let Ok((relay, l2)) = answer else { return Outcome::Refused };

        let l2 = if which == 1 { alter_in_place(rng, &l2).try_into().unwrap() } else { l2 };
        let Ok(mut node) = node.finish(&l2) else {
            // The relay is left with a key that was only claimed; made-up bytes don't confirm it.
            let mut made_up = vec![8; 60];
            assert!(relay.confirm(&mut made_up).is_err(), "a machine was logged in");
            return Outcome::Refused;
        };
        if which < 2 {
            assert!(which == 0 && sent.starts_with(&first), "an altered message was believed");
            return Outcome::Harmless;
        }

        let mut l3 = Vec::new();
        node.seal(&self.login, &mut l3).unwrap();
        let mut l3 = l3[HEADER..].to_vec();
        if which == 2 {
            l3 = alter(rng, &l3);
            assert!(relay.confirm(&mut l3).is_err(), "an altered LOGIN was believed");
            return Outcome::Refused;
        }
        let mut logged_in = relay.confirm(&mut l3).unwrap();
        let mut l4 = Vec::new();
        logged_in.channel.seal(&[7; 40], &mut l4).unwrap();
        let mut l4 = alter(rng, &l4[HEADER..]);
        assert!(node.open(&mut l4).is_err(), "an altered answer was believed");
        Outcome::Refused
    }
}

struct PairingVictims {
    key: StaticKey,
    device: StaticKey,
    name: Name,
    relays: [HostName; 1],
    desk: PairingDesk,
    link: PairingLink,
    now: Now,
    /// The messages of the last run, for replays.
    previous: Vec<Vec<u8>>,
}

impl PairingVictims {
    fn new(rng: &mut SeededRng, monotonic: Instant) -> Self {
        let key = StaticKey::generate(rng);
        let now = Now { monotonic, wall: Timestamp::from_millis(1_800_000_000_000) };
        let mut desk = PairingDesk::default();
        let expires = now.wall.after(Duration::from_secs(3600));
        let token = desk.invite(Role::Observer, expires, u32::MAX, now.wall, rng).unwrap().token;
        let relay: HostName = "relay.example".parse().unwrap();
        let link = PairingLink { machine: key.public().machine_id(), token, relay: relay.clone() };
        Self {
            key,
            device: StaticKey::generate(rng),
            name: "closet".parse().unwrap(),
            relays: [relay],
            desk,
            link,
            now,
            previous: Vec::new(),
        }
    }

    fn by_code(&mut self, rng: &mut SeededRng) -> Outcome {
        let code = self.desk.mint_code(Role::Owner, self.now.monotonic, rng);
        let machine = self.key.public().machine_id();
        let mut attempts = CodeAttempts::new(code);
        let (device, first) =
            DevicePairing::by_code(machine, &mut attempts, &self.device, &self.name, rng).unwrap();
        self.run(NodePairing::by_code(), device, first, 8, rng)
    }

    fn by_link(&mut self, rng: &mut SeededRng) -> Outcome {
        let (device, first) =
            DevicePairing::by_link(&self.link, &self.device, &self.name, rng);
        self.run(NodePairing::by_link(), device, first, 6, rng)
    }

    /// One of the messages is altered, or is that of the run before. Nobody is paired; only if it
    /// was the last, which carries the grant, has the node entered the device.
    fn run(
        &mut self,
        mut node: NodePairing,
        mut device: DevicePairing,
        first: Vec<u8>,
        messages: usize,
        rng: &mut SeededRng,
    ) -> Outcome {
        let which = below(rng, messages);
        let mut said: Vec<Vec<u8>> = Vec::new();
        let (mut to_node, mut to_device) = (Vec::new(), Vec::new());
        let (mut is_enrolled, mut is_paired, mut is_refused) = (false, false, false);
        let mut is_only_longer = false;
        let replay = self.previous.get(which).filter(|_| below(rng, 4) == 0).cloned();
        let mut carry = |message: Vec<u8>, pipe: &mut Vec<u8>, rng: &mut SeededRng| {
            if said.len() == which {
                let altered = match &replay {
                    Some(replay) if *replay != message => replay.clone(),
                    _ => alter(rng, &message),
                };
                is_only_longer = altered.starts_with(&message);
                pipe.extend(altered);
            } else {
                pipe.extend_from_slice(&message);
            }
            said.push(message);
        };
        carry(first[Preface::SIZE..].to_vec(), &mut to_node, rng);
        let side = NodeSide { key: &self.key, name: &self.name, relays: &self.relays };
        loop {
            let (by_node, by_device) = (node.needs(), device.needs());
            if by_node > 0 && to_node.len() >= by_node {
                let message: Vec<u8> = to_node.drain(..by_node).collect();
                match node.receive(&message, &side, &mut self.desk, self.now, rng) {
                    Ok(step) => {
                        is_enrolled |= step.done.is_some();
                        carry(step.send, &mut to_device, rng);
                    }
                    Err(error) => {
                        is_refused = true;
                        to_device.extend_from_slice(error.farewell());
                    }
                }
            } else if by_device > 0 && to_device.len() >= by_device {
                let message: Vec<u8> = to_device.drain(..by_device).collect();
                match device.receive(&message, rng) {
                    Ok(step) => {
                        is_paired |= step.done.is_some();
                        if !step.send.is_empty() {
                            carry(step.send, &mut to_node, rng);
                        }
                    }
                    Err(_) => is_refused = true,
                }
            } else {
                break;
            }
        }
        assert!(!is_paired || is_only_longer, "a device was paired by an altered message");
        assert!(!is_enrolled || is_only_longer || which == messages - 1, "a stranger was entered");
        self.previous = said;
        // So that no clock stands still for a whole soak: an hour is an invitation's life.
        debug_assert!(CODE_FOR < Duration::from_secs(3600));
        if is_refused { Outcome::Refused } else { Outcome::Harmless }
    }
}

/// A device and a node that keep to the rules, asking and answering while the flood comes in.
struct ValidPeer {
    now: Instant,
    device: Session,
    node: Session,
    answer: Bytes,
    wire: Vec<u8>,
    quiet: Vec<Duration>,
    flooded: Vec<Duration>,
}

impl ValidPeer {
    fn new() -> Self {
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

    fn quiet_batch(&mut self) {
        for _ in 0..BATCH {
            let time = self.round_trip();
            self.quiet.push(time);
        }
    }

    fn flooded_round_trip(&mut self) {
        let time = self.round_trip();
        self.flooded.push(time);
    }

    fn forget(&mut self) {
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

    fn p99(&self) -> (Duration, Duration) {
        (percentile(&self.quiet, 99), percentile(&self.flooded, 99))
    }
}

impl fmt::Display for ValidPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16}{:>10}{:>10}{:>10}", "valid round trip", "number", "p50", "p99")?;
        for (name, samples) in [("quiet", &self.quiet), ("flooded", &self.flooded)] {
            let (p50, p99) = (percentile(samples, 50), percentile(samples, 99));
            let (p50, p99) = (format!("{p50:.0?}"), format!("{p99:.0?}"));
            writeln!(f, "{name:<16}{:>10}{p50:>10}{p99:>10}", samples.len())?;
        }
        Ok(())
    }
}

fn percentile(samples: &[Duration], percent: usize) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(samples.len() * percent / 100).copied().unwrap_or_default()
}

/// Anything but `genuine`.
fn alter(rng: &mut SeededRng, genuine: &[u8]) -> Vec<u8> {
    let mut bytes = genuine.to_vec();
    let at = below(rng, genuine.len() + 1);
    match below(rng, 8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..(at + 1 + below(rng, 16)).min(genuine.len()))),
        2 => drop(bytes.splice(at..at, made_up(rng, 24))),
        3 => bytes.extend(made_up(rng, 300)),
        4 => bytes.extend_from_slice(genuine),
        5 => bytes = made_up(rng, 600),
        _ => bytes = alter_in_place(rng, genuine),
    }
    if bytes == genuine {
        bytes.push(0);
    }
    bytes
}

/// Anything of the same length but `genuine`.
fn alter_in_place(rng: &mut SeededRng, genuine: &[u8]) -> Vec<u8> {
    let mut bytes = genuine.to_vec();
    if bytes.is_empty() {
        return bytes;
    }
    let (at, end) = (below(rng, bytes.len()), 1 + below(rng, bytes.len()));
    match below(rng, 5) {
        0 => rng.fill_bytes(&mut bytes),
        1 => bytes[at.min(end)..end.max(at)].fill(0),
        2 => bytes.rotate_left(at),
        _ => {
            for _ in 0..1 + below(rng, 3) {
                let at = below(rng, bytes.len());
                bytes[at] ^= 1 << below(rng, 8);
            }
        }
    }
    if bytes == genuine {
        bytes[at] ^= 1;
    }
    bytes
}

fn made_up(rng: &mut SeededRng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; 1 + below(rng, most)];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn below(rng: &mut SeededRng, end: usize) -> usize {
    (rng.next_u64() % end as u64) as usize
}
