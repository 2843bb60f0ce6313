//! How fast sessions are, as ratios to the bare cipher measured in the same run.
//!
//! Each comparison alternates A B B A, so that a machine whose speed drifts hurts both alike.
//! Medians of the rounds are printed, and the spread of their ratios. Both ends run on one core.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gantline_crypto::{
    Now, SafetyNumber, StaticKey,
    pairing::{CodeAttempts, DevicePairing, NodePairing, PairingDesk, node::NodeSide},
    session::{DeviceHandshake, NodeHandshake, Opener, Sealer},
};
use gantline_login::{LoginInitiator, LoginResponder, TlsBinding, login::L1};
use gantline_protocol::{
    HostName, Role, Timestamp,
    link::LinkHello,
    session::{
        Preface,
        frame::{FRAME_HEADER, encode_data_header},
        record::{HEADER, TAG},
    },
};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use support::{Heard, Keys, Pair, SeededRng, hostile_device, sessions, stream};

const ROUNDS: usize = 15;
const BYTES_PER_ROUND: usize = 32 << 20;

fn main() {
    // `cargo test --benches` runs this as well; there it need only compile.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    throughput();
    handshakes();
    memory();
}

fn throughput() {
    println!("seal + open, one core, MB/s of plaintext (median of {ROUNDS} rounds, A B B A)\n");
    println!("  record    bare cipher      record layer              whole session");
    for plaintext in [1024, 4096, 16_384] {
        let records = BYTES_PER_ROUND / plaintext;
        let mut bare = BareCipher::new(plaintext);
        let mut layer = RecordLayer::new(plaintext);
        let mut session = WholeSession::new(plaintext);
        let megabytes = (records * plaintext) as f64 / 1e6;
        let (a, b, ratios) = compare(|| bare.run(records), || layer.run(records));
        let (c, d, session_ratios) = compare(|| bare.run(records), || session.run(records));
        println!(
            "  {:>2} KiB   {:>6.0}, {:>6.0}   {:>6.0}  {}   {:>6.0}  {}",
            plaintext / 1024,
            megabytes / a.as_secs_f64(),
            megabytes / c.as_secs_f64(),
            megabytes / b.as_secs_f64(),
            shown(&ratios),
            megabytes / d.as_secs_f64(),
            shown(&session_ratios),
        );
    }
    println!(
        "\n  Record layer: frames written in place, padded, sealed, opened, read. Whole session:"
    );
    println!("  streams, credits and one copy from the application's buffer as well.\n");
}

/// Both medians, and the ratios B to A in speed, sorted.
fn compare(mut a: impl FnMut(), mut b: impl FnMut()) -> (Duration, Duration, Vec<f64>) {
    let timed = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    timed(&mut a);
    timed(&mut b);
    let (mut all_a, mut all_b, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (time_a, time_b) = match round % 2 {
            0 => {
                let time_a = timed(&mut a);
                (time_a, timed(&mut b))
            }
            _ => {
                let time_b = timed(&mut b);
                (timed(&mut a), time_b)
            }
        };
        ratios.push(time_a.as_secs_f64() / time_b.as_secs_f64());
        all_a.push(time_a);
        all_b.push(time_b);
    }
    all_a.sort();
    all_b.sort();
    ratios.sort_by(f64::total_cmp);
    (all_a[ROUNDS / 2], all_b[ROUNDS / 2], ratios)
}

fn shown(ratios: &[f64]) -> String {
    format!("× {:.2} ({:.2} to {:.2})", ratios[ROUNDS / 2], ratios[0], ratios[ROUNDS - 1])
}

/// ChaCha20-Poly1305 of the crate that the record layer uses, in place, with one key object each.
struct BareCipher {
    key: LessSafeKey,
    buffer: Vec<u8>,
    counter: u64,
}

impl BareCipher {
    fn new(plaintext: usize) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &[7; 32]).unwrap();
        Self { key: LessSafeKey::new(key), buffer: vec![0; plaintext + TAG], counter: 0 }
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.counter.to_le_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn run(&mut self, records: usize) {
        let plaintext = self.buffer.len() - TAG;
        for _ in 0..records {
            let nonce = self.nonce();
            let (text, tag) = self.buffer.split_at_mut(plaintext);
            let made = self.key.seal_in_place_separate_tag(nonce, Aad::empty(), text).unwrap();
            tag.copy_from_slice(made.as_ref());
            let nonce = self.nonce();
            black_box(self.key.open_in_place(nonce, Aad::empty(), &mut self.buffer).unwrap());
            self.counter += 1;
        }
    }
}

struct RecordLayer {
    sealer: Sealer,
    opener: Opener,
    payload: Vec<u8>,
    wire: Vec<u8>,
}

impl RecordLayer {
    fn new(plaintext: usize) -> Self {
        let twin = || hostile_device(Instant::now()).0;
        Self {
            sealer: Sealer::new(twin().send),
            opener: Opener::new(twin().send),
            payload: vec![1; plaintext - FRAME_HEADER],
            wire: Vec::new(),
        }
    }

    fn run(&mut self, records: usize) {
        for _ in 0..records {
            self.wire.clear();
            // A rekeying record carries 7 bytes more; leave it to a record of its own.
            if self.sealer.is_last_of_key() {
                let begun = self.sealer.begin(&mut self.wire);
                self.sealer.seal(&mut self.wire, begun, true).unwrap();
                self.opener.open(&mut self.wire[HEADER..]).unwrap();
                self.opener.rekey();
                self.wire.clear();
            }
            let begun = self.sealer.begin(&mut self.wire);
            encode_data_header(&mut self.wire, stream(1), self.payload.len());
            self.wire.extend_from_slice(&self.payload);
            self.sealer.seal(&mut self.wire, begun, false).unwrap();
            black_box(self.opener.open(&mut self.wire[HEADER..]).unwrap());
        }
    }
}

/// A node that sends on one stream, a device that reads it, and the credits on their way back.
struct WholeSession {
    pair: Pair,
    payload: Bytes,
    wire: Vec<u8>,
    back: Vec<u8>,
}

impl WholeSession {
    fn new(plaintext: usize) -> Self {
        let (pair, _) = Pair::with_stream();
        let payload = Bytes::from(vec![1; plaintext - FRAME_HEADER]);
        Self { pair, payload, wire: Vec::new(), back: Vec::new() }
    }

    fn run(&mut self, records: usize) {
        let (now, asked) = (self.pair.now, stream(1));
        let (device, node) = (&mut self.pair.device.session, &mut self.pair.node.session);
        for _ in 0..records {
            node.write(asked, self.payload.clone()).unwrap();
            self.wire.clear();
            node.transmit(now, &mut self.wire, usize::MAX).unwrap();
            let mut read = 0;
            device
                .receive(now, &mut self.wire, |event| {
                    if let gantline_crypto::session::Event::Data { bytes, .. } = event {
                        read += black_box(bytes).len();
                    }
                })
                .unwrap();
            device.consumed(asked, read);
            self.back.clear();
            device.transmit(now, &mut self.back, usize::MAX).unwrap();
            node.receive(now, &mut self.back, |_| {}).unwrap();
        }
    }
}

fn handshakes() {
    println!("handshakes per second, both ends on one core\n");
    let mut rng = SeededRng::new(1);
    let keys = Keys::new(&mut rng);
    let now = Instant::now();
    rate("session (IKpsk2)", 2000, || {
        let (device, hello) =
            DeviceHandshake::start(&keys.device, keys.node.public(), &keys.psk, &mut rng).unwrap();
        let s1 = hello[Preface::SIZE..].try_into().unwrap();
        let node = NodeHandshake::read(&keys.node, &s1, &mut rng).unwrap();
        let (node, s2) = node.accept(&keys.psk, now).unwrap();
        black_box((device.finish(&s2, now).unwrap(), node));
    });
    let host: HostName = "relay.example".parse().unwrap();
    let binding = [7; 32];
    let mut rng = SeededRng::new(2);
    rate("relay login (IN)", 2000, || {
        let (node, sent) =
            LoginInitiator::start(&keys.node, &host, TlsBinding::Exporter(&binding), &mut rng)
                .unwrap();
        let l1: [u8; L1] = sent[sent.len() - L1..].try_into().unwrap();
        let hello = LinkHello { host: host.clone() };
        let accepted = [host.clone()];
        let (relay, l2) = LoginResponder::answer(
            &hello,
            &accepted,
            TlsBinding::Exporter(&binding),
            &l1,
            &mut rng,
        )
        .unwrap();
        black_box((node.finish(l2[1..].try_into().unwrap()).unwrap(), relay));
    });
    rate("pairing by code (CPace, XXpsk0)", 300, || pair_by_code(&keys));
    rate("safety number", 300, || {
        black_box(SafetyNumber::new(keys.node.public(), keys.device.public(), &keys.psk));
    });
    println!();
}

fn rate(name: &str, count: u32, mut run: impl FnMut()) {
    run();
    let mut rates: Vec<_> = (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..count).for_each(|_| run());
            f64::from(count) / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    println!("  {name:<34} {:>8.0}   ({:.0} to {:.0})", rates[2], rates[0], rates[4]);
}

fn pair_by_code(keys: &Keys) {
    let mut rng = SeededRng::new(3);
    let now = Now { monotonic: Instant::now(), wall: Timestamp::from_millis(1) };
    let mut desk = PairingDesk::default();
    let code = desk.mint_code(Role::Owner, now.monotonic, &mut rng);
    let name = "bench".parse().unwrap();
    let side = NodeSide { key: &keys.node, name: &name, relays: &[] };
    let (mut device, hello) = DevicePairing::by_code(
        keys.node.public().machine_id(),
        &mut CodeAttempts::new(code),
        &StaticKey::generate(&mut rng),
        &name,
        &mut rng,
    )
    .unwrap();
    let mut node = NodePairing::by_code();
    let mut to_node = hello[Preface::SIZE..].to_vec();
    loop {
        let mut to_device = node.receive(&to_node, &side, &mut desk, now, &mut rng).unwrap().send;
        to_node.clear();
        while device.needs() > 0 && to_device.len() >= device.needs() {
            let part: Vec<u8> = to_device.drain(..device.needs()).collect();
            let step = device.receive(&part, &mut rng).unwrap();
            to_node.extend(step.send);
            if step.done.is_some() {
                return;
            }
        }
    }
}

fn memory() {
    println!("memory\n");
    let mut session = WholeSession::new(16_384);
    session.run(100);
    let records = 1000;
    let info = allocation_counter::measure(|| session.run(records));
    println!(
        "  allocations per record once warm   {:>8.3}",
        info.count_total as f64 / records as f64
    );

    let now = Instant::now();
    let mut kept = Vec::with_capacity(1000);
    let info = allocation_counter::measure(|| {
        kept.extend((0..1000).map(|_| {
            let (device, node) = sessions(now);
            drop(device);
            node
        }));
    });
    let inline = size_of::<gantline_crypto::Session>() as i64;
    println!("  bytes of a session, new            {:>8}", info.bytes_current / 1000 + inline);

    let mut idle = Vec::with_capacity(1000);
    let info = allocation_counter::measure(|| {
        for _ in 0..1000 {
            let (mut pair, asked) = Pair::with_stream();
            pair.device.session.finish(asked).unwrap();
            pair.node.session.finish(asked).unwrap();
            pair.settle();
            assert_eq!(pair.node.drain(), [Heard::Finished(asked)]);
            idle.push(pair.node.session);
        }
    });
    println!("  bytes of a session, idle after use {:>8}", info.bytes_current / 1000 + inline);
}
