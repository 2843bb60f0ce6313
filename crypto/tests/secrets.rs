//! Secrets are wiped when they are dropped, and not printed.

#![allow(missing_docs)]

mod support;

use bytes::Bytes;
use gantline_crypto::{
    LinkToken, Psk, StaticKey,
    cpace::{CPace, Isk},
    pairing::PairingCode,
};
use gantline_login::CipherState;
use support::Pair;
use zeroize::ZeroizeOnDrop;

#[test]
fn every_kind_of_secret_is_wiped_when_it_is_dropped() {
    // Holds or fails when it is compiled.
    const fn is_wiped<T: ZeroizeOnDrop>() {}
    is_wiped::<CipherState>();
    is_wiped::<CPace>();
    is_wiped::<Isk>();
    is_wiped::<LinkToken>();
    is_wiped::<PairingCode>();
    is_wiped::<Psk>();
    is_wiped::<StaticKey>();
}

#[test]
fn a_debug_print_of_a_session_never_shows_what_waits_to_be_sent() {
    let (mut pair, asked) = Pair::with_stream();
    let canary = "correct horse battery staple";
    pair.node.session.write(asked, Bytes::from(canary)).expect("the stream is open");
    pair.device.session.open(support::get("/canary")).expect("a stream is free");
    let printed = format!("{:?} {:?}", pair.node.session, pair.device.session);
    let bytes = format!("{:?}", canary.as_bytes());
    assert!(printed.contains("CipherState(counter"), "{printed}");
    for secret in [canary, "canary", bytes.trim_matches(['[', ']']), "key: ["] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
