//! A relay that is the enemy: it cuts, flips, swaps, replays, reorders, truncates and mixes what
//! passes through it. Nothing that it made is ever accepted, and what it held back is noticed.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::Instant;

use bytes::Bytes;
use gantline_crypto::{
    PublicKey,
    session::{DeviceHandshake, NodeHandshake, SessionError, handshake},
};
use gantline_protocol::session::{Preface, record::HEADER};
use proptest::{collection::vec, prelude::*, sample::Index};
use support::{End, Heard, Keys, Pair, SeededRng, get, ok};

/// Records of a real conversation towards the device, and what an honest device hears of each.
fn conversation() -> (Instant, Vec<Vec<u8>>, impl Fn() -> End) {
    let fresh = || {
        let mut pair = Pair::new();
        let asked = pair.device.session.open(get("/")).unwrap();
        pair.device.session.transmit(pair.now, &mut pair.node.inbox, usize::MAX).unwrap();
        pair.node.read_all(pair.now).unwrap();
        (pair, asked)
    };
    let (mut pair, asked) = fresh();
    let mut records = Vec::new();
    let mut seal = |pair: &mut Pair| {
        let mut wire = Vec::new();
        pair.node.session.transmit(pair.now, &mut wire, usize::MAX).unwrap();
        records.push(wire);
    };
    pair.node.session.answer(asked, ok()).unwrap();
    seal(&mut pair);
    for line in ["one", "two", "three"] {
        pair.node.session.write(asked, Bytes::from_static(line.as_bytes())).unwrap();
        seal(&mut pair);
    }
    pair.node.session.finish(asked).unwrap();
    seal(&mut pair);
    (pair.now, records, move || fresh().0.device)
}

/// What the device hears of these bytes before it gives up, and whether it did.
fn hear(now: Instant, mut device: End, wire: &[u8]) -> (Vec<Heard>, Result<(), SessionError>) {
    device.inbox.extend_from_slice(wire);
    let read = device.read_all(now);
    let heard = device.drain();
    let ended = match read {
        Ok(()) => device.session.end_of_input(),
        Err(error) => Err(error),
    };
    (heard, ended)
}

#[test]
fn no_bit_of_any_record_can_be_flipped() {
    let (now, records, device) = conversation();
    let honest = hear(now, device(), &records.concat()).0;
    for (number, record) in records.iter().enumerate() {
        for index in 0..record.len() {
            for bit in [0x01, 0x80] {
                let mut bent = records.clone();
                bent[number][index] ^= bit;
                let (heard, ended) = hear(now, device(), &bent.concat());
                assert!(ended.is_err());
                assert!(honest.starts_with(&heard), "byte {index} of record {number}");
                let before = hear(now, device(), &records[..number].concat()).0;
                assert_eq!(heard, before, "byte {index} of record {number} was accepted");
            }
        }
    }
}

#[test]
fn a_stream_of_records_that_ends_anywhere_is_an_error() {
    let (now, records, device) = conversation();
    let wire = records.concat();
    for end in 0..=wire.len() {
        let (_, ended) = hear(now, device(), &wire[..end]);
        assert_eq!(ended, Err(SessionError::Truncated), "cut after {end} bytes");
    }
}

proptest! {
    #[test]
    fn records_arrive_in_the_order_sent_or_not_at_all(order in vec(any::<Index>(), 1..12)) {
        let (now, records, device) = conversation();
        let order: Vec<_> = order.iter().map(|index| index.index(records.len())).collect();
        let wire: Vec<u8> = order.iter().flat_map(|index| records[*index].clone()).collect();
        let genuine = order.iter().enumerate().take_while(|(place, index)| place == *index).count();
        let (heard, ended) = hear(now, device(), &wire);
        prop_assert_eq!(heard, hear(now, device(), &records[..genuine].concat()).0);
        prop_assert!(ended.is_err());
        prop_assert!(genuine == order.len() || matches!(ended, Err(SessionError::Cipher(_))));
    }

    #[test]
    fn bytes_put_in_or_taken_out_are_noticed(at in any::<Index>(), cut in 0..40usize, put in vec(any::<u8>(), 0..40)) {
        let (now, records, device) = conversation();
        let wire = records.concat();
        let at = at.index(wire.len());
        let end = (at + cut).min(wire.len());
        let bent = [&wire[..at], &put, &wire[end..]].concat();
        prop_assume!(bent != wire);
        let honest = hear(now, device(), &wire).0;
        let (heard, ended) = hear(now, device(), &bent);
        prop_assert!(ended.is_err());
        prop_assert!(honest.starts_with(&heard));
    }
}

#[test]
fn a_record_of_the_other_direction_or_of_another_session_is_refused() {
    let mut pair = Pair::new();
    pair.settle();
    pair.device.session.ping(pair.now);
    let mut reflected = Vec::new();
    pair.device.session.transmit(pair.now, &mut reflected, usize::MAX).unwrap();
    pair.device.inbox = reflected;
    assert!(matches!(pair.device.read_all(pair.now), Err(SessionError::Cipher(_))));

    let mut rng = SeededRng::new(77);
    let keys = Keys::new(&mut rng);
    let mut open = || {
        let (device, hello) =
            DeviceHandshake::start(&keys.device, keys.node.public(), &keys.psk, &mut rng).unwrap();
        let s1 = hello[Preface::SIZE..].try_into().unwrap();
        let node = NodeHandshake::read(&keys.node, &s1, &mut rng).unwrap();
        let (node, s2) = node.accept(&keys.psk, pair.now).unwrap();
        (End::new(device.finish(&s2, pair.now).unwrap()), End::new(node))
    };
    let ((mut one, _), (_, mut other)) = (open(), open());
    one.session.transmit(pair.now, &mut other.inbox, usize::MAX).unwrap();
    assert!(matches!(other.read_all(pair.now), Err(SessionError::Cipher(_))));
}

#[test]
fn no_byte_of_the_handshake_can_be_altered() {
    let now = Instant::now();
    let mut rng = SeededRng::new(5);
    let keys = Keys::new(&mut rng);
    for index in 0..handshake::S1 {
        let (_, hello) =
            DeviceHandshake::start(&keys.device, keys.node.public(), &keys.psk, &mut rng).unwrap();
        let mut s1: [u8; handshake::S1] = hello[Preface::SIZE..].try_into().unwrap();
        s1[index] ^= 1;
        assert!(NodeHandshake::read(&keys.node, &s1, &mut rng).is_err(), "byte {index} of S1");
    }
    for index in 0..handshake::S2 {
        let (device, hello) =
            DeviceHandshake::start(&keys.device, keys.node.public(), &keys.psk, &mut rng).unwrap();
        let s1 = hello[Preface::SIZE..].try_into().unwrap();
        let node = NodeHandshake::read(&keys.node, &s1, &mut rng).unwrap();
        let (_, mut s2) = node.accept(&keys.psk, now).unwrap();
        s2[index] ^= 1;
        assert!(device.finish(&s2, now).is_err(), "byte {index} of S2");
    }
}

#[test]
fn a_replayed_first_message_starts_nothing() {
    let now = Instant::now();
    let mut rng = SeededRng::new(6);
    let keys = Keys::new(&mut rng);
    let (device, hello) =
        DeviceHandshake::start(&keys.device, keys.node.public(), &keys.psk, &mut rng).unwrap();
    let s1 = hello[Preface::SIZE..].try_into().unwrap();
    let (_, s2) =
        NodeHandshake::read(&keys.node, &s1, &mut rng).unwrap().accept(&keys.psk, now).unwrap();
    let mut device = End::new(device.finish(&s2, now).unwrap());
    device.session.open(get("/")).unwrap();
    let mut s3 = Vec::new();
    device.session.transmit(now, &mut s3, usize::MAX).unwrap();

    // The relay has seen S1, S2 and S3, and plays S1 and S3 again.
    let again = NodeHandshake::read(&keys.node, &s1, &mut rng).unwrap();
    let (again, _) = again.accept(&keys.psk, now).unwrap();
    let mut again = End::new(again);
    again.inbox = s3;
    assert!(matches!(again.read_all(now), Err(SessionError::Cipher(_))));
    assert_eq!(again.drain(), []);
}

#[test]
fn a_relay_cannot_answer_for_the_node_or_knock_for_the_device() {
    let now = Instant::now();
    let mut rng = SeededRng::new(7);
    let keys = Keys::new(&mut rng);
    let stranger = Keys::new(&mut rng);
    let start = |rng: &mut SeededRng| {
        DeviceHandshake::start(&keys.device, keys.node.public(), &keys.psk, rng).unwrap()
    };
    // Another node can't read what was meant for this one.
    let (_, hello) = start(&mut rng);
    let s1 = hello[Preface::SIZE..].try_into().unwrap();
    assert!(NodeHandshake::read(&stranger.node, &s1, &mut rng).is_err());
    // Somebody with the node's key but without the secret of the pairing can't answer.
    let (device, hello) = start(&mut rng);
    let s1 = hello[Preface::SIZE..].try_into().unwrap();
    let (_, s2) =
        NodeHandshake::read(&keys.node, &s1, &mut rng).unwrap().accept(&stranger.psk, now).unwrap();
    assert!(device.finish(&s2, now).is_err());
    // Somebody with the device's key but without the secret can't speak.
    let (device, hello) =
        DeviceHandshake::start(&keys.device, keys.node.public(), &stranger.psk, &mut rng).unwrap();
    let s1 = hello[Preface::SIZE..].try_into().unwrap();
    let node = NodeHandshake::read(&keys.node, &s1, &mut rng).unwrap();
    assert_eq!(node.device(), keys.device.public());
    let (_, s2) = node.accept(&keys.psk, now).unwrap();
    assert!(device.finish(&s2, now).is_err());
}

#[test]
fn keys_of_small_order_open_no_session() {
    let now = Instant::now();
    let mut rng = SeededRng::new(8);
    let keys = Keys::new(&mut rng);
    let zero = PublicKey::from_bytes([0; 32]);
    assert!(DeviceHandshake::start(&keys.device, &zero, &keys.psk, &mut rng).is_err());
    let (device, _) =
        DeviceHandshake::start(&keys.device, keys.node.public(), &keys.psk, &mut rng).unwrap();
    assert!(device.finish(&[0; handshake::S2], now).is_err());
    assert!(NodeHandshake::read(&keys.node, &[0; handshake::S1], &mut rng).is_err());
}

#[test]
fn an_unfinished_record_is_kept_until_the_rest_arrives() {
    let (now, records, device) = conversation();
    let mut device = device();
    for byte in records.concat() {
        device.inbox.push(byte);
        device.read_all(now).unwrap();
        assert!(device.inbox.len() < HEADER + 2048 + 16);
    }
    assert!(device.inbox.is_empty());
    assert_eq!(device.drain().len(), 6);
}
