//! Public Noise test vectors (cacophony) through our handshakes and our cipher state.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use data_encoding::HEXLOWER;
use gantline_login::{
    CipherState, PublicKey, StaticKey,
    noise::{Handshake, HandshakeFailed, Pattern, Setup},
};
use serde::Deserialize;
use support::Fixed;

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    protocol_name: String,
    init_prologue: String,
    #[serde(default)]
    init_psks: Vec<String>,
    init_static: Option<String>,
    init_ephemeral: String,
    init_remote_static: Option<String>,
    resp_prologue: String,
    #[serde(default)]
    resp_psks: Vec<String>,
    resp_static: Option<String>,
    resp_ephemeral: String,
    handshake_hash: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    payload: String,
    ciphertext: String,
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn key(text: &str) -> [u8; 32] {
    hex(text).try_into().unwrap()
}

/// Where a pattern mixes its pre-shared key in.
fn psk_position(name: &str) -> u8 {
    let pattern = name.split('_').nth(1).unwrap();
    pattern.split_once("psk").map_or(0, |(_, position)| position.parse().unwrap())
}

/// Both ends of a vector, ready for the first message.
fn ends(vector: &Vector) -> (Handshake, Handshake) {
    // The library wants a static name; the leak is a few bytes in a test.
    let pattern = Pattern::named(Box::leak(vector.protocol_name.clone().into_boxed_str()));
    let static_key =
        |text: &Option<String>| text.as_ref().map(|text| StaticKey::from_secret(&key(text)));
    let remote = vector.init_remote_static.as_ref().map(|text| PublicKey::from_bytes(key(text)));
    let (ours, theirs) = (static_key(&vector.init_static), static_key(&vector.resp_static));
    let (ours_prologue, theirs_prologue) = (hex(&vector.init_prologue), hex(&vector.resp_prologue));
    let setup = Setup {
        pattern,
        prologue: &ours_prologue,
        static_key: ours.as_ref(),
        remote: remote.as_ref(),
    };
    let mut initiator =
        Handshake::initiator(&setup, &mut Fixed(hex(&vector.init_ephemeral))).unwrap();
    let setup =
        Setup { pattern, prologue: &theirs_prologue, static_key: theirs.as_ref(), remote: None };
    let mut responder =
        Handshake::responder(&setup, &mut Fixed(hex(&vector.resp_ephemeral))).unwrap();
    let position = psk_position(&vector.protocol_name);
    for psk in &vector.init_psks {
        initiator.mix_psk(position, &key(psk)).unwrap();
    }
    for psk in &vector.resp_psks {
        responder.mix_psk(position, &key(psk)).unwrap();
    }
    (initiator, responder)
}

fn vectors() -> Vec<Vector> {
    let file = include_str!("../../vectors/noise-25519-chachapoly-sha256.json");
    let file: File = serde_json::from_str(file).unwrap();
    assert_eq!(file.vectors.len(), 6, "a vector is missing");
    file.vectors
}

fn seal(cipher: &mut CipherState, payload: &[u8]) -> Vec<u8> {
    let mut sealed = payload.to_vec();
    let tag = cipher.seal(&mut sealed).unwrap();
    [sealed.as_slice(), &tag].concat()
}

#[test]
fn every_public_vector_gives_the_public_bytes() {
    for vector in vectors() {
        let name = &vector.protocol_name;
        let (mut initiator, mut responder) = ends(&vector);
        let mut buffer = [0; 512];
        let mut messages = vector.messages.iter();
        let mut from_initiator = true;
        let mut last_from_initiator = true;
        while initiator.hash().is_none() {
            let message = messages.next().unwrap();
            let (sender, reader) = match from_initiator {
                true => (&mut initiator, &mut responder),
                false => (&mut responder, &mut initiator),
            };
            let length = sender.write(&hex(&message.payload), &mut buffer).unwrap();
            assert_eq!(HEXLOWER.encode(&buffer[..length]), message.ciphertext, "{name}");
            let mut payload = [0; 512];
            let read = reader.read(&buffer[..length], &mut payload).unwrap();
            assert_eq!(payload[..read], hex(&message.payload), "{name}");
            last_from_initiator = from_initiator;
            from_initiator = !from_initiator;
        }
        let (mut ours, mut theirs) = (initiator.split().unwrap(), responder.split().unwrap());
        assert_eq!(HEXLOWER.encode(&ours.hash), vector.handshake_hash, "{name}");
        assert_eq!(ours.hash, theirs.hash);
        // Whoever didn't send the last handshake message sends the first transport message.
        let mut from_initiator = !last_from_initiator;
        for message in messages {
            let (sender, reader) = match from_initiator {
                true => (&mut ours.initiator, &mut theirs.initiator),
                false => (&mut theirs.responder, &mut ours.responder),
            };
            let mut sealed = seal(sender, &hex(&message.payload));
            assert_eq!(HEXLOWER.encode(&sealed), message.ciphertext, "{name}");
            assert_eq!(*reader.open(&mut sealed).unwrap(), hex(&message.payload), "{name}");
            from_initiator = !from_initiator;
        }
    }
}

#[test]
fn a_flipped_bit_or_another_prologue_fails_the_handshake() {
    for vector in vectors() {
        let name = &vector.protocol_name;
        let first = hex(&vector.messages[0].ciphertext);
        let encrypted_at_once = name.contains("IK") || name.contains("psk0");
        for index in 0..first.len() {
            let (_, mut responder) = ends(&vector);
            let mut bent = first.clone();
            bent[index] ^= 0x80;
            let result = responder.read(&bent, &mut [0; 512]);
            // Where message 1 has no key yet, the other end notices at message 2.
            assert!(!encrypted_at_once || result == Err(HandshakeFailed), "{name} byte {index}");
        }
        let mut other = vector;
        other.resp_prologue.push_str("00");
        let (mut initiator, mut responder) = ends(&other);
        let (mut buffer, mut payload) = ([0; 512], [0; 512]);
        let length = initiator.write(b"", &mut buffer).unwrap();
        let outcome = responder.read(&buffer[..length], &mut payload).and_then(|_| {
            let length = responder.write(b"", &mut buffer)?;
            initiator.read(&buffer[..length], &mut payload)
        });
        assert_eq!(outcome, Err(HandshakeFailed), "{}", other.protocol_name);
    }
}

#[test]
fn a_rekeyed_cipher_keeps_its_counter_and_changes_its_key() {
    // Noise section 4.2: the next key is the first 32 bytes that the old key makes of 32 zeros at
    // the counter 2^64 - 1; computed here with the primitive itself.
    let key = ring::aead::UnboundKey::new(&ring::aead::CHACHA20_POLY1305, &[9; 32]).unwrap();
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut next = [0; 32];
    let _tag = ring::aead::LessSafeKey::new(key)
        .seal_in_place_separate_tag(
            ring::aead::Nonce::assume_unique_for_key(nonce),
            ring::aead::Aad::empty(),
            &mut next,
        )
        .unwrap();

    let mut rekeyed = CipherState::new(&mut [9; 32]);
    let mut fresh = CipherState::new(&mut next);
    assert_eq!(seal(&mut rekeyed, b"one").len(), 19);
    assert_ne!(seal(&mut fresh, b"one"), seal(&mut CipherState::new(&mut [9; 32]), b"one"));
    rekeyed.rekey();
    assert_eq!(rekeyed.counter(), 1);
    assert_eq!(seal(&mut rekeyed, b"two"), seal(&mut fresh, b"two"));
}
