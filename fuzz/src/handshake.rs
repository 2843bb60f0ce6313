//! The first two messages of a session, through the hands of somebody without keys.

use std::{sync::LazyLock, time::Instant};

use gantline_crypto::{
    Psk, StaticKey,
    session::{
        DeviceHandshake, NodeHandshake,
        handshake::{S1, S2},
    },
};
use gantline_protocol::session::{PipeKind, Preface};

use crate::{random::Fixed, script::Script};

struct Keys {
    device: StaticKey,
    node: StaticKey,
    psk: Psk,
    /// A genuine S2 of an earlier handshake of the same two.
    replay: [u8; S2],
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut rng = Fixed::new(1);
    let device = StaticKey::generate(&mut rng);
    let node = StaticKey::generate(&mut rng);
    let psk = Psk::generate(&mut rng);
    let (_, hello) = DeviceHandshake::start(&device, node.public(), &psk, &mut rng)
        .expect("the node's key is a good one");
    let s1 = hello.last_chunk().expect("S1 ends the hello");
    let read = NodeHandshake::read(&node, s1, &mut rng).expect("a genuine S1");
    let (_, replay) = read.accept(&psk, Instant::now()).expect("the device's key is a good one");
    Keys { device, node, psk, replay }
});

/// A node believes S1, and a device S2, only as they were written; with the wrong pairing secret
/// at the node not even then.
pub fn handshake(data: &[u8]) {
    let mut script = Script::new(data);
    let now = Instant::now();
    let Keys { device, node, psk, replay } = &*KEYS;
    let has_right_psk = !script.flag();
    let mut rng = Fixed::new(2);

    let (start, hello) = DeviceHandshake::start(device, node.public(), psk, &mut rng)
        .expect("the node's key is a good one");
    let (preface, s1) = hello.split_first_chunk().expect("the hello begins with a preface");
    let s1: &[u8; S1] = s1.try_into().expect("S1 follows it");
    read_preface(*preface, &script.tamper(preface));

    let sent: [u8; S1] = whole(&script.tamper(s1));
    let mut s2 = *replay;
    let mut is_s2_genuine = false;
    if let Ok(read) = NodeHandshake::read(node, &sent, &mut rng) {
        assert_eq!(&sent, s1, "a node believes an altered S1");
        assert_eq!(read.device(), device.public());
        let other = Psk::from_bytes([9; 32]);
        let psk = if has_right_psk { psk } else { &other };
        (_, s2) = read.accept(psk, now).expect("the device's key is a good one");
        is_s2_genuine = has_right_psk;
    } else {
        assert_ne!(&sent, s1, "a genuine S1 was refused");
    }
    let received: [u8; S2] = whole(&script.tamper(&s2));
    let finished = start.finish(&received, now);
    let is_right = is_s2_genuine && received == s2;
    assert_eq!(finished.is_ok(), is_right, "a device believes who didn't prove itself");
}

fn read_preface(genuine: [u8; Preface::SIZE], tampered: &[u8]) {
    let Ok(bytes) = tampered.try_into() else { return };
    match Preface::decode(bytes) {
        Ok(preface) => {
            assert_eq!(preface.encode(), bytes);
            assert_eq!(preface.kind == PipeKind::Session, bytes == genuine);
        }
        Err(_) => assert_ne!(bytes, genuine),
    }
}

/// Messages have fixed lengths: who reads them takes as many bytes as that, whatever they are.
fn whole<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    let length = bytes.len().min(N);
    array[..length].copy_from_slice(&bytes[..length]);
    array
}
