//! Our own test vectors, for every language that speaks the protocol: whole transcripts with all
//! randomness fixed. `make vectors` writes the files anew; otherwise this test holds the code to
//! them. Bytes are lower-case hexadecimal.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

#[path = "vectors/bodies.rs"]
mod bodies;
#[path = "vectors/terminal.rs"]
mod terminal;

use std::{
    collections::VecDeque,
    convert::Infallible,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use gantline_crypto::{
    Now, Psk, PublicKey, SafetyNumber, Session, StaticKey,
    cpace::{CPace, Party},
    pairing::{
        CodeAttempts, DevicePairing, NodePairing, PairingCode, PairingDesk, PairingLink, Step,
        node::NodeSide,
    },
    session::{DeviceHandshake, NodeHandshake, Opener, handshake},
};
use gantline_login::{
    LoginInitiator, LoginResponder, TlsBinding,
    noise::{Handshake, Pattern, Setup},
};
use gantline_protocol::{
    HostName, MachineId, Name, RelayAddress, Role, Timestamp,
    link::{self, LinkHello, LinkMessage, Login, Welcome},
    lv,
    session::{
        CloseCode, Frame, Frames, GoAwayCode, Preface, ResetCode,
        record::{HEADER, padded},
    },
};
use hkdf::Hkdf;
use rand_core::{TryCryptoRng, TryRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{End, Heard, get, ok};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

/// `length` bytes that everybody can compute from `name`.
fn fixed(name: &str, length: usize) -> Vec<u8> {
    let blocks = (0u32..).flat_map(|block| {
        Sha256::new().chain_update(name).chain_update(block.to_be_bytes()).finalize().to_vec()
    });
    blocks.take(length).collect()
}

fn fixed32(name: &str) -> [u8; 32] {
    fixed(name, 32).try_into().unwrap()
}

/// Draws these values, in this order, each as long as it is.
struct Script(VecDeque<Vec<u8>>);

impl Script {
    fn new(draws: &[&[u8]]) -> Self {
        Self(draws.iter().map(|draw| draw.to_vec()).collect())
    }
}

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("only bytes are drawn")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("only bytes are drawn")
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Infallible> {
        dest.copy_from_slice(&self.0.pop_front().expect("one draw too many"));
        Ok(())
    }
}

impl TryCryptoRng for Script {}

/// Compares with the file, or writes it.
fn publish(file: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file);
    let text = format!("{value:#}\n");
    if std::env::var_os("GANTLINE_UPDATE_VECTORS").is_some() {
        std::fs::write(&path, text).unwrap();
    } else {
        let published = std::fs::read_to_string(&path).unwrap();
        assert!(published == text, "{file} is not what the code says; see CONTRIBUTING.md");
    }
}

#[test]
fn noise_xxpsk0() {
    let (init_static, resp_static) = (fixed32("initiator static"), fixed32("responder static"));
    let (init_ephemeral, resp_ephemeral) =
        (fixed32("initiator ephemeral"), fixed32("responder ephemeral"));
    let (psk, prologue) = (fixed32("psk"), b"a prologue".as_slice());
    let end = |secret: &[u8; 32]| StaticKey::from_secret(secret);
    let (ours, theirs) = (end(&init_static), end(&resp_static));
    let setup =
        |key| Setup { pattern: Pattern::XX_PSK0, prologue, static_key: Some(key), remote: None };
    let mut initiator =
        Handshake::initiator(&setup(&ours), &mut Script::new(&[&init_ephemeral])).unwrap();
    let mut responder =
        Handshake::responder(&setup(&theirs), &mut Script::new(&[&resp_ephemeral])).unwrap();
    initiator.mix_psk(0, &psk).unwrap();
    responder.mix_psk(0, &psk).unwrap();

    let payloads = ["", "second", "third", "fourth", "fifth", "sixth"];
    let (mut message, mut payload) = ([0; 256], [0; 256]);
    let mut messages = Vec::new();
    for (turn, sent) in payloads[..3].iter().enumerate() {
        let (sender, reader) = match turn % 2 {
            0 => (&mut initiator, &mut responder),
            _ => (&mut responder, &mut initiator),
        };
        let length = sender.write(sent.as_bytes(), &mut message).unwrap();
        let read = reader.read(&message[..length], &mut payload).unwrap();
        assert_eq!(&payload[..read], sent.as_bytes());
        messages.push(json!({ "payload": hex(sent), "ciphertext": hex(&message[..length]) }));
    }
    let (mut ours, theirs) = (initiator.split().unwrap(), responder.split().unwrap());
    assert_eq!(ours.hash, theirs.hash);
    for (turn, sent) in payloads[3..].iter().enumerate() {
        let cipher = if turn % 2 == 0 { &mut ours.responder } else { &mut ours.initiator };
        let mut sealed = sent.as_bytes().to_vec();
        let tag = cipher.seal(&mut sealed).unwrap();
        sealed.extend(tag);
        messages.push(json!({ "payload": hex(sent), "ciphertext": hex(&sealed) }));
    }
    let vector = json!({
        "protocol_name": "Noise_XXpsk0_25519_ChaChaPoly_SHA256",
        "init_prologue": hex(prologue), "init_psks": [hex(psk)],
        "init_static": hex(init_static), "init_ephemeral": hex(init_ephemeral),
        "resp_prologue": hex(prologue), "resp_psks": [hex(psk)],
        "resp_static": hex(resp_static), "resp_ephemeral": hex(resp_ephemeral),
        "handshake_hash": hex(ours.hash), "messages": messages,
    });
    publish(
        "noise-xxpsk0.json",
        &json!({ "about": "In the shape of the public Noise vectors. After the handshake the first transport message is the responder's, then the sides take turns.", "vectors": [vector] }),
    );
}

#[test]
fn login() {
    let key = StaticKey::from_secret(&fixed32("node static"));
    let (node_ephemeral, relay_ephemeral) = (fixed32("node ephemeral"), fixed32("relay ephemeral"));
    let host: HostName = "relay.example".parse().unwrap();
    let mut cases = Vec::new();
    for binding in [Some(fixed32("tls exporter")), None] {
        let tls = binding.as_ref().map_or(TlsBinding::EndedByProxy, TlsBinding::Exporter);
        let (node, sent) =
            LoginInitiator::start(&key, &host, tls, &mut Script::new(&[&node_ephemeral])).unwrap();
        let (hello, l1) = sent.split_at(sent.len() - 64);
        let (relay, l2) = LoginResponder::answer(
            &LinkHello { host: host.clone() },
            std::slice::from_ref(&host),
            tls,
            l1.try_into().unwrap(),
            &mut Script::new(&[&relay_ephemeral]),
        )
        .unwrap();
        let (reply, l2) = l2.split_at(1);
        let mut node = node.finish(l2.try_into().unwrap()).unwrap();
        let say = |message: &LinkMessage| {
            let mut plaintext = Vec::new();
            message.encode(&mut plaintext).unwrap();
            plaintext
        };
        let login = say(&LinkMessage::Login(Login {
            token: Some("example-token".parse().unwrap()),
            alias: Some("pi4".parse().unwrap()),
            version: "0.1.0".into(),
            capabilities: vec![],
        }));
        let mut l3 = Vec::new();
        node.seal(&login, &mut l3).unwrap();
        let mut relay = relay.confirm(&mut l3.clone()[link::HEADER..]).unwrap();
        let welcome = say(&LinkMessage::Welcome(Welcome {
            machine: relay.machine,
            host: host.clone(),
            alias: Some("pi4".parse().unwrap()),
            version: "0.1.0".into(),
        }));
        let (mut l4, mut ping, mut pong) = (Vec::new(), Vec::new(), Vec::new());
        relay.channel.seal(&welcome, &mut l4).unwrap();
        assert_eq!(node.open(&mut l4.clone()[link::HEADER..]).unwrap(), welcome);
        relay.channel.seal(&say(&LinkMessage::Ping(5)), &mut ping).unwrap();
        node.seal(&say(&LinkMessage::Pong(5)), &mut pong).unwrap();
        let exporter = binding.map(hex).unwrap_or_default();
        let prologue = lv::concat(&[
            b"gantline/login/1",
            host.as_str().as_bytes(),
            binding.as_ref().map_or(&[], |binding| binding.as_slice()),
        ]);
        cases.push(json!({
            "host": host, "exporter": exporter, "prologue": hex(prologue),
            "node_static": hex(key.secret()), "node_public": hex(key.public().as_bytes()),
            "machine_id": key.public().machine_id(),
            "node_ephemeral": hex(node_ephemeral), "relay_ephemeral": hex(relay_ephemeral),
            "hello": hex(hello), "l1": hex(l1), "reply": hex(reply), "l2": hex(l2),
            "messages": [
                { "from": "node", "name": "LOGIN", "plaintext": hex(login), "sent": hex(l3) },
                { "from": "relay", "name": "WELCOME", "plaintext": hex(welcome), "sent": hex(l4) },
                { "from": "relay", "name": "PING", "plaintext": hex(say(&LinkMessage::Ping(5))), "sent": hex(ping) },
                { "from": "node", "name": "PONG", "plaintext": hex(say(&LinkMessage::Pong(5))), "sent": hex(pong) },
            ],
        }));
    }
    publish(
        "login.json",
        &json!({ "about": "Logins of a node at a relay, with and without the TLS exporter.", "cases": cases }),
    );
}

/// A pairing run with every draw fixed.
struct PairingScene {
    device: StaticKey,
    node: StaticKey,
    names: (Name, Name),
    relays: Vec<RelayAddress>,
    desk: PairingDesk,
    now: Now,
    draws: Vec<(&'static str, Vec<u8>)>,
}

impl PairingScene {
    fn new() -> Self {
        let draw = |name: &'static str, length| (name, fixed(name, length));
        Self {
            device: StaticKey::from_secret(&fixed32("device static")),
            node: StaticKey::from_secret(&fixed32("node static")),
            names: ("büro laptop".parse().unwrap(), "closet server".parse().unwrap()),
            relays: vec!["relay.example".parse().unwrap(), "[::1]:8443".parse().unwrap()],
            desk: PairingDesk::default(),
            now: Now { monotonic: Instant::now(), wall: Timestamp::from_millis(1_800_000_000_000) },
            draws: vec![
                draw("device nonce", 16),
                draw("node nonce", 16),
                draw("device share", 64),
                draw("node share", 64),
                draw("device ephemeral", 32),
                draw("node ephemeral", 32),
                draw("device id", 16),
                draw("pairing psk", 32),
            ],
        }
    }

    fn draw(&self, name: &str) -> &[u8] {
        &self.draws.iter().find(|(other, _)| *other == name).unwrap().1
    }

    fn machine(&self) -> MachineId {
        self.node.public().machine_id()
    }

    /// Runs it; the messages, and what was paired.
    fn run(
        &mut self,
        (mut device, hello): (DevicePairing, Vec<u8>),
        mut node: NodePairing,
        mut device_rng: Script,
        mut node_rng: Script,
    ) -> (Vec<Value>, Value) {
        let mut messages = vec![json!({ "from": "device", "sent": hex(&hello) })];
        let mut to_node = hello[Preface::SIZE..].to_vec();
        loop {
            let side = NodeSide { key: &self.node, name: &self.names.1, relays: &self.relays };
            let step =
                node.receive(&to_node, &side, &mut self.desk, self.now, &mut node_rng).unwrap();
            messages.push(json!({ "from": "node", "sent": hex(&step.send) }));
            let mut to_device = step.send;
            to_node.clear();
            let mut done = None;
            while device.needs() > 0 && to_device.len() >= device.needs() {
                let part: Vec<u8> = to_device.drain(..device.needs()).collect();
                let Step { send, done: paired } = device.receive(&part, &mut device_rng).unwrap();
                to_node.extend(send);
                done = paired.or(done);
            }
            if let Some(paired) = done {
                let number = paired.safety_number(self.device.public());
                return (
                    messages,
                    json!({
                        "machine_id": paired.machine, "node_public": hex(paired.node.as_bytes()),
                        "node_name": paired.name, "device_id": paired.device,
                        "psk": hex(paired.psk.as_bytes()), "role": paired.role,
                        "relays": paired.relays,
                        "safety_words": number.words(), "safety_digits": number.digits(),
                    }),
                );
            }
            messages.push(json!({ "from": "device", "sent": hex(&to_node) }));
        }
    }

    fn inputs(&self) -> Value {
        let draws: serde_json::Map<_, _> = self
            .draws
            .iter()
            .map(|(name, bytes)| (name.replace(' ', "_"), Value::from(hex(bytes))))
            .collect();
        json!({
            "device_static": hex(self.device.secret()), "node_static": hex(self.node.secret()),
            "mid16": hex(self.machine().as_bytes()), "machine_id": self.machine(),
            "device_name": self.names.0, "node_name": self.names.1, "draws": draws,
        })
    }
}

fn run_psk(sid: &[u8], secret: &[u8], label: &[u8], machine: MachineId) -> [u8; 32] {
    let mut psk = [0; 32];
    Hkdf::<Sha256>::new(Some(sid), secret)
        .expand_multi_info(&[label, machine.as_bytes()], &mut psk)
        .unwrap();
    psk
}

#[test]
fn pairing_by_code() {
    let mut scene = PairingScene::new();
    // The code 01234567 is drawn from the number itself.
    let code = scene.desk.mint_code(
        Role::Owner,
        scene.now.monotonic,
        &mut Script::new(&[&1_234_567u32.to_be_bytes()]),
    );
    assert_eq!(code.reveal(), "0123 4567");
    let mut device_rng = Script::new(&[
        scene.draw("device nonce"),
        scene.draw("device share"),
        scene.draw("device ephemeral"),
    ]);
    let node_rng = Script::new(&[
        scene.draw("node nonce"),
        scene.draw("node share"),
        scene.draw("node ephemeral"),
        scene.draw("device id"),
        scene.draw("pairing psk"),
    ]);
    let mut attempts = CodeAttempts::new(code);
    let start = DevicePairing::by_code(
        scene.machine(),
        &mut attempts,
        &scene.device,
        &scene.names.0,
        &mut device_rng,
    )
    .unwrap();
    let (messages, paired) = scene.run(start, NodePairing::by_code(), device_rng, node_rng);

    let machine = scene.machine();
    let sid = [scene.draw("device nonce"), scene.draw("node nonce")].concat();
    let ci = lv::concat(&[b"gantline/pair/1", b"device", b"node", machine.as_bytes()]);
    let share = |party, name| {
        CPace::start(party, b"01234567", &ci, &sid, &mut Script::new(&[scene.draw(name)]))
    };
    let (a, b) = (share(Party::Initiator, "device share"), share(Party::Responder, "node share"));
    let isk = a.finish(b.share()).unwrap();
    let psk = run_psk(&sid, isk.as_bytes(), b"gantline/pair-psk/1", machine);
    let prologue = lv::concat(&[
        b"gantline/pair-noise/1",
        &[2],
        machine.as_bytes(),
        &sid,
        a.share(),
        b.share(),
    ]);
    let vector = json!({
        "about": "Pairing by code. The shares are drawn as 64 bytes and reduced modulo the group's order, little-endian. The node's first message is P2, and so on: P1 P2 P3 P4 P5 P6 P7 P8.",
        "code": "01234567", "inputs": scene.inputs(),
        "sid": hex(&sid), "ci": hex(ci), "ya": hex(a.share()), "yb": hex(b.share()),
        "isk": hex(isk.as_bytes()), "run_psk": hex(psk), "prologue": hex(prologue),
        "messages": messages, "paired": paired,
    });
    publish("pairing-code.json", &vector);
}

#[test]
fn pairing_by_link() {
    let mut scene = PairingScene::new();
    let expires = scene.now.wall.after(Duration::from_secs(60));
    let token = fixed("link token", 32);
    let invitation = scene
        .desk
        .invite(
            Role::Observer,
            expires,
            1,
            scene.now.wall,
            &mut Script::new(&[&[0, 0, 0, 1], &token]),
        )
        .unwrap();
    let link = PairingLink {
        machine: scene.machine(),
        token: invitation.token,
        relay: scene.relays[0].clone(),
    };
    let mut device_rng = Script::new(&[scene.draw("device nonce"), scene.draw("device ephemeral")]);
    let node_rng = Script::new(&[
        scene.draw("node nonce"),
        scene.draw("node ephemeral"),
        scene.draw("device id"),
        scene.draw("pairing psk"),
    ]);
    let start = DevicePairing::by_link(&link, &scene.device, &scene.names.0, &mut device_rng);
    let (messages, paired) = scene.run(start, NodePairing::by_link(), device_rng, node_rng);
    let machine = scene.machine();
    let sid = [scene.draw("device nonce"), scene.draw("node nonce")].concat();
    let psk = run_psk(&sid, &token, b"gantline/pair-link/1", machine);
    let prologue =
        lv::concat(&[b"gantline/pair-noise/1", &[3], machine.as_bytes(), &sid, b"", b""]);
    let vector = json!({
        "about": "Pairing by link: P1 P2 P5 P6 P7 P8. The draws of the shares are not used.",
        "link": link.reveal(), "token": hex(token), "inputs": scene.inputs(),
        "sid": hex(&sid), "run_psk": hex(psk), "prologue": hex(prologue),
        "messages": messages, "paired": paired,
    });
    publish("pairing-link.json", &vector);
}

/// A session whose records are written down as they are sealed.
struct Recorder {
    start: Instant,
    now: Instant,
    device: End,
    node: End,
    /// Open what the device, and what the node, has sealed.
    openers: (Opener, Opener),
    steps: Vec<Value>,
}

impl Recorder {
    /// Seals all that one end has to say, writes it down and lets it arrive.
    fn carry(&mut self, from_device: bool, about: &str) -> Vec<Heard> {
        let (from, to, opener, name) = match from_device {
            true => (&mut self.device, &mut self.node, &mut self.openers.0, "device"),
            false => (&mut self.node, &mut self.device, &mut self.openers.1, "node"),
        };
        let mut wire = Vec::new();
        from.session.transmit(self.now, &mut wire, usize::MAX).unwrap();
        let at = self.now.duration_since(self.start).as_millis();
        let mut rest = wire.clone();
        while let Some((header, behind)) = rest.split_first_chunk_mut::<HEADER>() {
            let length = usize::from(u16::from_be_bytes(*header));
            let record = hex([header.as_slice(), &behind[..length]].concat());
            let plaintext = opener.open(&mut behind[..length]).unwrap();
            let frames: Vec<_> =
                Frames::new(plaintext).map(|frame| shown(&frame.unwrap())).collect();
            self.steps.push(json!({
                "from": name, "about": about, "at_ms": at, "frames": frames,
                "plaintext": hex(plaintext), "record": record,
            }));
            if frames.last().is_some_and(|frame| frame["type"] == "REKEY") {
                opener.rekey();
            }
            rest.drain(..HEADER + length);
        }
        to.inbox.extend(wire);
        to.read_all(self.now).unwrap();
        to.drain()
    }
}

/// A frame as JSON. DATA is its length; the bytes are in the plaintext.
fn shown(frame: &Frame<'_>) -> Value {
    match frame {
        Frame::Hello(hello) => json!({ "type": "HELLO", "body": hello }),
        Frame::Open { stream, open } => {
            json!({ "type": "OPEN", "stream": stream.number(), "body": open })
        }
        Frame::Head { stream, head } => {
            json!({ "type": "HEAD", "stream": stream.number(), "body": head })
        }
        Frame::Data { stream, bytes } => {
            json!({ "type": "DATA", "stream": stream.number(), "length": bytes.len() })
        }
        Frame::Fin { stream, total } => {
            json!({ "type": "FIN", "stream": stream.number(), "total": total })
        }
        Frame::Reset { stream, code } => {
            json!({ "type": "RESET", "stream": stream.number(), "code": code.number() })
        }
        Frame::Credit { stream, limit } => {
            let stream = stream.map_or(0, |stream| stream.number());
            json!({ "type": "CREDIT", "stream": stream, "limit": limit })
        }
        Frame::Ping(number) => json!({ "type": "PING", "number": number }),
        Frame::Pong(number) => json!({ "type": "PONG", "number": number }),
        Frame::Rekey => json!({ "type": "REKEY" }),
        Frame::GoAway { code, last } => {
            json!({ "type": "GOAWAY", "code": code.number(), "last": last })
        }
        Frame::Close { code, reason } => {
            json!({ "type": "CLOSE", "code": code.number(), "reason": reason })
        }
        Frame::Ignored(kind) => json!({ "type": "ignored", "number": kind }),
    }
}

#[test]
fn session() {
    let (device, node) = (
        StaticKey::from_secret(&fixed32("device static")),
        StaticKey::from_secret(&fixed32("node static")),
    );
    let psk = Psk::from_bytes(fixed32("pairing psk"));
    let (device_ephemeral, node_ephemeral) =
        (fixed32("device session ephemeral"), fixed32("node session ephemeral"));
    let start = Instant::now();
    let open = || {
        let (ours, hello) = DeviceHandshake::start(
            &device,
            node.public(),
            &psk,
            &mut Script::new(&[&device_ephemeral]),
        )
        .unwrap();
        let s1: [u8; handshake::S1] = hello[Preface::SIZE..].try_into().unwrap();
        let theirs = NodeHandshake::read(&node, &s1, &mut Script::new(&[&node_ephemeral])).unwrap();
        let (theirs, s2) = theirs.accept(&psk, start).unwrap();
        (ours, theirs, hello, s2)
    };
    let (ours, theirs, hello, s2) = open();
    let ours: Session = ours.finish(&s2, start).unwrap();
    let keys = open().0.into_keys(&s2).unwrap();
    let mut session = Recorder {
        start,
        now: start,
        device: End::new(ours),
        node: End::new(theirs),
        openers: (Opener::new(keys.send), Opener::new(keys.receive)),
        steps: Vec::new(),
    };
    let bytes = |name, length| Bytes::from(fixed(name, length));

    let one = session.device.session.open(get("/v1/agents?state=running")).unwrap();
    session.device.session.finish(one).unwrap();
    session.carry(true, "S3: HELLO, the first OPEN and its FIN in one record of 128 bytes");
    session.node.session.answer(one, ok()).unwrap();
    session.node.session.write(one, Bytes::from_static(b"[]")).unwrap();
    session.node.session.finish(one).unwrap();
    session.carry(false, "the answer, behind the node's HELLO");

    let two = session.device.session.open(get("/v1/agents/ag-abcde/output")).unwrap();
    session.carry(true, "a second stream");
    session.node.session.answer(two, ok()).unwrap();
    session.carry(false, "its head");
    session.node.session.write(two, bytes("flood", 20_000)).unwrap();
    session.carry(false, "a full record of 16,384 bytes, then the rest");
    session.device.session.widen(1 << 20, 16 << 20);
    session.device.session.consumed(two, 20_000);
    session.carry(true, "CREDIT for the session and for the stream, whose windows were widened");
    for length in [117, 121, 122, 1017, 1018] {
        session.node.session.write(two, bytes("padding", length)).unwrap();
        session.carry(false, "steps of the padding");
    }
    session.device.session.ping(session.now);
    session.carry(true, "PING");
    session.now += Duration::from_millis(40);
    let heard = session.carry(false, "PONG");
    assert_eq!(heard, [Heard::Pong(Duration::from_millis(40))]);

    session.now += Duration::from_secs(600);
    session.carry(true, "the device's key is ten minutes old: REKEY alone");
    session.device.session.ping(session.now);
    session.carry(true, "the first record under the device's next key");
    session.node.session.write(two, bytes("both", 64)).unwrap();
    session.carry(false, "the node's key is as old: REKEY behind DATA and PONG");
    session.node.session.write(two, bytes("after", 64)).unwrap();
    session.carry(false, "the first record under the node's next key");

    let three = session.device.session.open(get("/v1/events")).unwrap();
    session.device.session.reset(three, ResetCode::Cancelled);
    session.carry(true, "a stream that is opened and reset at once");
    session.carry(false, "the RESET that answers it");
    session.node.session.go_away(GoAwayCode::Restart);
    session.carry(false, "GOAWAY");
    session.device.session.reset(two, ResetCode::Cancelled);
    session.carry(true, "the device gives stream 3 up");
    session.carry(false, "and the node agrees");
    session.node.session.close(CloseCode::Shutdown, "see you soon");
    let heard = session.carry(false, "CLOSE");
    assert_eq!(heard, [Heard::Closed(CloseCode::Shutdown, "see you soon".into())]);

    let mid16 = node.public().machine_id();
    let prologue = lv::concat(&[b"gantline/session/1", &[1], mid16.as_bytes()]);
    let vector = json!({
        "about": "A session. Open every record in order, check its plaintext, and seal the plaintext again: with the keys and counters of that moment the same record comes out.",
        "device_static": hex(device.secret()), "node_static": hex(node.secret()),
        "node_public": hex(node.public().as_bytes()), "psk": hex(psk.as_bytes()),
        "device_ephemeral": hex(device_ephemeral), "node_ephemeral": hex(node_ephemeral),
        "prologue": hex(prologue),
        "preface_and_s1": hex(hello), "s2": hex(s2), "steps": session.steps,
    });
    publish("session.json", &vector);
}

#[test]
fn small_things() {
    let machine_ids: Vec<_> = (0..3)
        .map(|number| {
            let key = StaticKey::from_secret(&fixed32(&format!("machine {number}")));
            json!({ "public": hex(key.public().as_bytes()), "id": key.public().machine_id() })
        })
        .collect();
    let id = MachineId::from_bytes([0x5a; 16]).to_string();
    let bad_ids = [
        id.to_ascii_uppercase(),
        format!("{}1", &id[..25]),
        format!("{}7", &id[..25]),
        id[..25].to_owned(),
        format!("{id}="),
        String::new(),
    ];
    for bad in &bad_ids {
        assert!(bad.parse::<MachineId>().is_err(), "{bad}");
    }
    let safety_numbers: Vec<_> = (0..3u8)
        .map(|number| {
            let key = |name: &str| PublicKey::from_bytes(fixed32(&format!("{name} {number}")));
            let psk = Psk::from_bytes(fixed32(&format!("psk {number}")));
            let (node, device) = (key("node"), key("device"));
            let safety = SafetyNumber::new(&node, &device, &psk);
            json!({
                "node_public": hex(node.as_bytes()), "device_public": hex(device.as_bytes()),
                "psk": hex(psk.as_bytes()),
                "words": safety.words(), "digits": safety.digits(),
            })
        })
        .collect();
    let lengths = [0, 1, 127, 128, 129, 1023, 1024, 1025, 2048, 2049, 16_383, 16_384];
    let long = [7; 300];
    let lv_of = |values: &[&[u8]]| json!({ "values": values.iter().map(hex).collect::<Vec<_>>(), "encoded": hex(lv::concat(values)) });
    let codes = ["0123 4567", "01234567", "0123-4567"];
    for code in codes {
        assert_eq!(code.parse::<PairingCode>().unwrap().reveal(), codes[0]);
    }
    let value = json!({
        "machine_ids": machine_ids,
        "not_machine_ids": bad_ids,
        "padding": lengths.map(|length| json!({ "frames": length, "plaintext": padded(length) })),
        "safety_numbers": safety_numbers,
        "lv": [lv_of(&[]), lv_of(&[b""]), lv_of(&[b"1234", b"5", b"", b"678"]), lv_of(&[&long])],
        "pairing_code_spellings": codes,
        "not_names": ["", " a", "a ", "a\u{1b}b", "a\u{202e}b", "a\u{200b}b", "x".repeat(65)],
        "not_aliases": ["", "-a", "a-", "A", "a.b", "xn--a", "a".repeat(26)],
    });
    for bad in value["not_names"].as_array().unwrap() {
        assert!(bad.as_str().unwrap().parse::<Name>().is_err());
    }
    publish("misc.json", &value);
}
