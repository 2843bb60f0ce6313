//! A node logs in at a relay, and nobody else can in its place.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use gantline_login::{
    ControlChannel, LoginError, LoginInitiator, LoginResponder, StaticKey, TlsBinding,
    channel::ChannelError,
    login::{L1, L2, LoggedIn},
};
use gantline_protocol::{
    HostName,
    link::{self, LinkHello, LinkMessage, LinkReply, Login, Progress},
};
use support::Fixed;

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

fn login() -> LinkMessage {
    LinkMessage::Login(Login {
        token: Some("t0ken".parse().unwrap()),
        alias: None,
        version: "0.1.0".into(),
        capabilities: vec![],
    })
}

fn encoded(message: &LinkMessage) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out).unwrap();
    out
}

fn sealed(channel: &mut ControlChannel, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    channel.seal(message, &mut out).unwrap();
    let length = link::ciphertext_length([out[0], out[1]]).unwrap();
    assert_eq!(length, out.len() - link::HEADER);
    out.split_off(link::HEADER)
}

/// What the node's first bytes are made of, and the TLS connections that both ends see.
struct Scene {
    asked_for: &'static str,
    node_tls: Option<[u8; 32]>,
    relay_tls: Option<[u8; 32]>,
    bend: Option<usize>,
}

fn binding(tls: &Option<[u8; 32]>) -> TlsBinding<'_> {
    tls.as_ref().map_or(TlsBinding::EndedByProxy, TlsBinding::Exporter)
}

const HONEST: Scene = Scene {
    asked_for: "relay.example",
    node_tls: Some([7; 32]),
    relay_tls: Some([7; 32]),
    bend: None,
};

fn run(scene: &Scene) -> Result<(ControlChannel, LoggedIn, StaticKey), LoginError> {
    let key = StaticKey::from_secret(&[1; 32]);
    let (node, mut sent) = LoginInitiator::start(
        &key,
        &host(scene.asked_for),
        binding(&scene.node_tls),
        &mut Fixed(vec![2; 32]),
    )?;
    let bend = scene.bend;
    if let Some(index) = bend.filter(|index| *index < sent.len()) {
        sent[index] ^= 1;
    }
    let Progress::Whole { value: hello, length } = LinkHello::decode(&sent)? else {
        panic!("the hello is not whole");
    };
    let l1: [u8; L1] = sent[length..length + L1].try_into().unwrap();
    let (relay, mut answer) = LoginResponder::answer(
        &hello,
        &[host("relay.example"), host("other.example")],
        binding(&scene.relay_tls),
        &l1,
        &mut Fixed(vec![10; 32]),
    )?;
    if let Some(index) = bend.and_then(|index| index.checked_sub(sent.len())) {
        answer[index] ^= 1;
    }
    if LinkReply::from_byte(answer[0])? != LinkReply::GoOn {
        return Err(LoginError::NotLogin);
    }
    let mut channel = node.finish(answer[1..].try_into().unwrap())?;
    let mut l3 = sealed(&mut channel, &encoded(&login()));
    Ok((channel, relay.confirm(&mut l3)?, key))
}

#[test]
fn a_node_proves_which_machine_it_is_and_both_ends_can_talk() {
    let (mut node, mut relay, key) = run(&HONEST).unwrap();
    assert_eq!(relay.machine, key.public().machine_id());
    assert_eq!(LinkMessage::Login(relay.login.clone()), login());
    let mut denied = sealed(&mut relay.channel, &encoded(&LinkMessage::Ping(4)));
    assert_eq!(LinkMessage::decode(node.open(&mut denied).unwrap()), Ok(LinkMessage::Ping(4)));
}

#[test]
fn a_login_cannot_be_carried_to_another_tls_connection_or_relay() {
    let stolen = Scene { relay_tls: Some([8; 32]), ..HONEST };
    assert!(matches!(run(&stolen), Err(LoginError::Handshake(_))));
    let unbound = Scene { relay_tls: None, ..HONEST };
    assert!(matches!(run(&unbound), Err(LoginError::Handshake(_))));
    let elsewhere = Scene { asked_for: "evil.example", ..HONEST };
    assert_eq!(run(&elsewhere).unwrap_err().reply(), Some(LinkReply::HostUnknown));
    let behind_proxy = Scene { node_tls: None, relay_tls: None, ..HONEST };
    assert!(run(&behind_proxy).is_ok());
}

#[test]
fn no_byte_of_the_login_can_be_altered() {
    let bytes = 3 + "relay.example".len() + L1 + 1 + L2;
    for index in 0..bytes {
        assert!(run(&Scene { bend: Some(index), ..HONEST }).is_err(), "byte {index}");
    }
}

#[test]
fn a_claimed_key_is_worth_nothing_without_the_proof() {
    let key = StaticKey::from_secret(&[1; 32]);
    let hello = LinkHello { host: host("relay.example") };
    let mut l1 = [3; L1];
    l1[32..].copy_from_slice(key.public().as_bytes());
    let (relay, _) = LoginResponder::answer(
        &hello,
        std::slice::from_ref(&hello.host),
        TlsBinding::EndedByProxy,
        &l1,
        &mut Fixed(vec![10; 32]),
    )
    .unwrap();
    assert_eq!(relay.claimed(), key.public());
    let guess = relay.confirm(&mut [0; 100]);
    assert!(matches!(guess, Err(LoginError::Channel(ChannelError::Cipher(_)))));
}

#[test]
fn the_first_sealed_message_must_be_the_login() {
    let key = StaticKey::from_secret(&[1; 32]);
    let relay_host = host("relay.example");
    let (node, sent) =
        LoginInitiator::start(&key, &relay_host, TlsBinding::EndedByProxy, &mut Fixed(vec![2; 32]))
            .unwrap();
    let l1: [u8; L1] = sent[sent.len() - L1..].try_into().unwrap();
    let hello = LinkHello { host: relay_host.clone() };
    let (relay, l2) = LoginResponder::answer(
        &hello,
        &[relay_host],
        TlsBinding::EndedByProxy,
        &l1,
        &mut Fixed(vec![10; 32]),
    )
    .unwrap();
    let mut channel = node.finish(l2[1..].try_into().unwrap()).unwrap();
    let mut l3 = sealed(&mut channel, &encoded(&LinkMessage::Ping(1)));
    assert_eq!(relay.confirm(&mut l3).unwrap_err(), LoginError::NotLogin);
}

#[test]
fn a_control_message_is_read_once_in_order_and_within_its_bounds() {
    let (mut node, relay, _) = run(&HONEST).unwrap();
    let mut relay = relay.channel;
    let first = sealed(&mut node, b"first");
    let second = sealed(&mut node, b"second");
    assert!(relay.open(&mut second.clone()).is_err(), "out of order");
    assert_eq!(relay.open(&mut first.clone()).unwrap(), b"first");
    assert!(relay.open(&mut first.clone()).is_err(), "replayed");
    assert_eq!(relay.open(&mut second.clone()).unwrap(), b"second");
    let mut out = vec![1];
    assert_eq!(node.seal(&[0; 4097], &mut out), Err(ChannelError::Length));
    assert_eq!(node.seal(&[], &mut out), Err(ChannelError::Length));
    assert_eq!(out, [1]);
    assert_eq!(relay.open(&mut [0; 16]), Err(ChannelError::Length));
    assert_eq!(relay.open(&mut [0; 5000]), Err(ChannelError::Length));
}
