//! The handshakes of sessions and logins, one message of which is altered.

use std::{slice, time::Instant};

use gantline_crypto::{
    Psk, StaticKey,
    session::{DeviceHandshake, NodeHandshake, handshake::S1},
};
use gantline_login::{LoginInitiator, LoginResponder, TlsBinding, login::L1};
use gantline_protocol::{
    HostName,
    link::{HEADER, LinkHello, LinkMessage, LinkReply, Login, Progress},
    session::Preface,
};

use crate::{
    Outcome,
    alter::{alter, alter_in_place, below},
    support::{Keys, SeededRng},
};

pub(crate) struct HandshakeVictims {
    keys: Keys,
    s1: [u8; S1],
    /// An S2 of an earlier handshake of the same two.
    s2: Vec<u8>,
}

impl HandshakeVictims {
    pub(crate) fn new(rng: &mut SeededRng, now: Instant) -> Self {
        let keys = Keys::new(rng);
        let (_, s1) = start(&keys, rng);
        let s2 =
            NodeHandshake::read(&keys.node, &s1, rng).unwrap().accept(&keys.psk, now).unwrap().1;
        Self { keys, s1, s2: s2.to_vec() }
    }

    pub(crate) fn s1(&self, rng: &mut SeededRng) -> Outcome {
        let altered = alter_in_place(rng, &self.s1);
        let read = NodeHandshake::read(&self.keys.node, &altered.try_into().unwrap(), rng);
        assert!(read.is_err(), "a node believes an altered S1");
        Outcome::Refused
    }

    /// An altered S2, one of an earlier handshake, or one of a node with another secret.
    pub(crate) fn s2(&self, rng: &mut SeededRng, now: Instant) -> Outcome {
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

pub(crate) struct LoginVictims {
    key: StaticKey,
    host: HostName,
    login: Vec<u8>,
}

impl LoginVictims {
    pub(crate) fn new(rng: &mut SeededRng) -> Self {
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
    pub(crate) fn one(&self, rng: &mut SeededRng) -> Outcome {
        let exporter = [7; 32];
        let binding = TlsBinding::Exporter(&exporter);
        let (node, first) = LoginInitiator::start(&self.key, &self.host, binding, rng).unwrap();
        let which = below(rng, 4);

        let sent = if which == 0 { alter(rng, &first) } else { first.clone() };
        let hello = match LinkHello::decode(&sent) {
            Ok(Progress::Whole { value, length }) => Some((value, &sent[length..])),
            Ok(Progress::Needs(_)) => return Outcome::Waits,
            Err(_) => None,
        };
        let Some((hello, l1)) = hello else { return Outcome::Refused };
        let Some(l1) = l1.first_chunk::<L1>() else { return Outcome::Waits };
        let answer = LoginResponder::answer(&hello, slice::from_ref(&self.host), binding, l1, rng);
        let Ok((relay, mut answer)) = answer else { return Outcome::Refused };

        if which == 1 {
            answer = alter_in_place(rng, &answer).try_into().unwrap();
        }
        let (reply, l2) = answer.split_first().unwrap();
        if LinkReply::from_byte(*reply) != Ok(LinkReply::GoOn) {
            return Outcome::Refused;
        }
        let Ok(mut node) = node.finish(l2.try_into().unwrap()) else {
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
