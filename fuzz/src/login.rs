//! The login of a node at a relay: through hostile hands, and by a hostile node.

use std::{slice, sync::LazyLock};

use gantline_login::{
    LoginError, LoginInitiator, LoginResponder, StaticKey, TlsBinding,
    login::{L1, L2},
};
use gantline_protocol::{
    HostName,
    link::{
        HEADER, LinkHello, LinkMessage, LinkReply, Login, MAX_MESSAGE, Progress, ciphertext_length,
    },
};

use crate::{random::Fixed, script::Script};

static KEY: LazyLock<StaticKey> = LazyLock::new(|| StaticKey::generate(&mut Fixed::new(1)));
static HOST: LazyLock<HostName> =
    LazyLock::new(|| "relay.example".parse().expect("it is a host name"));
/// Another name that the relay has; one byte differs.
static OTHER_HOST: LazyLock<HostName> =
    LazyLock::new(|| "delay.example".parse().expect("it is a host name"));

/// The first byte chooses: cleartext hello alone, a login with every message tampered with, or a
/// node that proves its key and then says what it likes.
pub fn login(data: &[u8]) {
    let mut script = Script::new(data);
    match script.byte() % 3 {
        0 => tampered(&mut script),
        1 => hello(script.rest()),
        _ => hostile_node(&mut script),
    }
}

/// A hello is read the same however its bytes arrive, and never takes a byte of what follows.
fn hello(bytes: &[u8]) {
    for arrived in 0..=bytes.len().min(2 * LinkHello::MAX_ENCODED) {
        match LinkHello::decode(&bytes[..arrived]) {
            Ok(Progress::Needs(more)) => {
                assert!(more > 0 && arrived + more <= LinkHello::MAX_ENCODED);
            }
            Ok(Progress::Whole { value, length }) => {
                assert!(length <= arrived);
                let mut encoded = Vec::new();
                value.encode(&mut encoded);
                assert_eq!(encoded, bytes[..length]);
            }
            Err(error) => assert_eq!(LinkHello::decode(bytes), Err(error)),
        }
    }
}

/// A relay logs a machine in only if every message arrived as its node wrote it.
fn tampered(script: &mut Script<'_>) {
    let mut rng = Fixed::new(2);
    let exporter = [3; 32];
    let has_same_tls = !script.flag();
    let (node, first) =
        LoginInitiator::start(&KEY, &HOST, TlsBinding::Exporter(&exporter), &mut rng)
            .expect("the key is a good one");

    let sent = script.tamper(&first);
    let Ok(Progress::Whole { value: hello, length }) = LinkHello::decode(&sent) else {
        assert_ne!(sent, first);
        return;
    };
    let Some(l1) = sent[length..].first_chunk::<L1>() else { return };
    let other = [4; 32];
    let binding = if has_same_tls { &exporter } else { &other };
    let accepted = [HOST.clone(), OTHER_HOST.clone()];
    let binding = TlsBinding::Exporter(binding);
    let answer = LoginResponder::answer(&hello, &accepted, binding, l1, &mut rng);
    let (relay, answer) = match answer {
        Ok(answer) => answer,
        Err(error) => {
            assert_ne!(sent[..length + L1], first);
            assert_eq!(error.reply().is_some(), !accepted.contains(&hello.host));
            return;
        }
    };
    assert!(accepted.contains(&hello.host));
    let is_l1_genuine = sent[..length + L1] == first;
    assert_eq!(relay.claimed().as_bytes(), &l1[32..]);

    let received = script.tamper(&answer);
    let Some((reply, l2)) = received.split_first_chunk::<1>() else { return };
    let Some(l2) = l2.first_chunk::<L2>() else { return };
    if LinkReply::from_byte(reply[0]) != Ok(LinkReply::GoOn) {
        return assert_ne!(*reply, answer[..1]);
    }
    let is_genuine = is_l1_genuine && has_same_tls && *l2 == answer[1..];
    let finished = node.finish(l2);
    assert_eq!(finished.is_ok(), is_genuine, "an altered L2 was believed");

    // Without a finished node there is nobody who could make an L3 at all.
    let mut l3 = Vec::new();
    let mut channel = finished.ok();
    if let Some(channel) = &mut channel {
        channel.seal(&login_message(), &mut l3).expect("the message is within its bounds");
    } else {
        l3 = [0, 60].to_vec();
        l3.resize(62, 5);
    }
    let l3_received = script.tamper(&l3);
    let Some((header, ciphertext)) = l3_received.split_first_chunk::<HEADER>() else { return };
    let Ok(length) = ciphertext_length(*header) else { return };
    let Some(ciphertext) = ciphertext.get(..length) else { return };
    let is_right = channel.is_some() && l3_received.starts_with(&l3);
    let confirmed = relay.confirm(&mut ciphertext.to_vec());
    assert_eq!(confirmed.is_ok(), is_right, "a machine was logged in that isn't there");
    let (Ok(mut logged_in), Some(mut channel)) = (confirmed, channel) else { return };
    assert_eq!(logged_in.machine, KEY.public().machine_id());

    let mut answer = Vec::new();
    let text = b"any bytes";
    logged_in.channel.seal(text, &mut answer).expect("the message is within its bounds");
    let genuine = answer[HEADER..].to_vec();
    let mut tampered = script.tamper(&genuine);
    let is_genuine = tampered == genuine;
    match channel.open(&mut tampered) {
        Ok(opened) => assert!(is_genuine && opened == text, "an altered answer was believed"),
        Err(_) => assert!(!is_genuine),
    }
}

/// A node with a key of its own may send anything as its first message: the relay learns a
/// well-formed LOGIN of that key's machine, or nothing.
fn hostile_node(script: &mut Script<'_>) {
    let mut rng = Fixed::new(3);
    let (node, first) = LoginInitiator::start(&KEY, &HOST, TlsBinding::EndedByProxy, &mut rng)
        .expect("the key is a good one");
    let l1 = first.last_chunk().expect("L1 ends it");
    let hello = LinkHello { host: HOST.clone() };
    let (relay, answer) = LoginResponder::answer(
        &hello,
        slice::from_ref(&*HOST),
        TlsBinding::EndedByProxy,
        l1,
        &mut rng,
    )
    .expect("all messages are genuine");
    let l2 = answer.last_chunk().expect("L2 follows the reply");
    let mut channel = node.finish(l2).expect("all messages are genuine");

    let message = script.rest();
    let mut sealed = Vec::new();
    if channel.seal(message, &mut sealed).is_err() {
        assert!(sealed.is_empty() && (message.is_empty() || message.len() > MAX_MESSAGE));
        return;
    }
    match (relay.confirm(&mut sealed[HEADER..]), LinkMessage::decode(message)) {
        (Ok(logged_in), Ok(LinkMessage::Login(login))) => {
            assert_eq!(logged_in.login, login);
            assert_eq!(logged_in.machine, KEY.public().machine_id());
        }
        (Err(error), Ok(other)) => {
            assert!(!matches!(other, LinkMessage::Login(_)));
            assert_eq!(error, LoginError::NotLogin);
        }
        (Err(error), Err(why)) => assert_eq!(error, LoginError::Wire(why)),
        (Ok(logged_in), read) => unreachable!("{read:?} logged {logged_in:?} in"),
    }
}

fn login_message() -> Vec<u8> {
    let login = Login {
        token: Some("token-1".parse().expect("it is a token")),
        alias: None,
        version: "0.1.0".to_owned(),
        capabilities: vec![],
    };
    let mut message = Vec::new();
    LinkMessage::Login(login).encode(&mut message).expect("the login is within its bounds");
    message
}
