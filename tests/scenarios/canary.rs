//! A secret is typed into a session and another is printed in it. Neither is anywhere in the relay:
//! not in its memory, not in its files, not in what passes by it, not even inside TLS. And what
//! looks for them finds them where they are.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{fs, num::NonZeroU16, path::Path};

use gantline_client::{Connection, KnownMachine, connection::Request};
use gantline_protocol::{
    Role,
    api::Agent,
    link::{JoinLink, PipeRequest},
};
use gantline_tests::{
    Canary, HostileRelay, LossyPipe, TestDevice, TestNode, TestRelay, TestViewer,
    hostile_relay::Direction, viewer::Attached,
};
use gantline_transport::{Link, QuicDialer, quic::Timing};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UdpSocket,
};

/// How often the secret is printed: enough for many records.
const PRINTED: usize = 5_000;

/// A live session in which secrets were typed and printed.
struct Conversation {
    node: TestNode,
    machine: KnownMachine,
    connection: Connection,
    _viewer: (TestViewer, Attached),
    _scratch: TempDir,
    canaries: Vec<Canary>,
    /// A line that holds one.
    printed: String,
}

/// Joins, pairs, opens a shell, types one secret and has another printed.
async fn converse(link: &JoinLink) -> Conversation {
    let scratch = TempDir::new().unwrap();
    let (typing, typed) = Canary::hatch("what was typed");
    let (printing, printed) = Canary::hatch("what was printed");
    let (naming, name) = Canary::hatch("the device's name");
    let file = scratch.path().join("file");
    fs::write(&file, format!("{printed}\n").repeat(PRINTED)).unwrap();

    let node = TestNode::join(link).await;
    let device = TestDevice::new(&name);
    let machine = device.pair(&node, Role::Owner).await;
    let connection = device.connect(&machine).await;
    let request = Request::post("/v1/agents", &json!({ "argv": ["sh", "-i"] })).unwrap();
    let agent: Agent = connection.request(request).await.unwrap().json(1 << 20).await.unwrap();
    let mut viewer = TestViewer::of(agent.agent_id);
    viewer.from_the_beginning(agent.epoch.unwrap());
    let mut terminal = viewer.attach(&connection).await.unwrap();
    let command = format!("echo {typed}; echo typed $((6 * 7))\r");
    viewer.input(&mut terminal, command.as_bytes()).await.unwrap();
    viewer.until(&mut terminal, "typed 42").await.unwrap();
    let command = format!("cat {}; echo printed $((6 * 7))\r", file.display());
    viewer.input(&mut terminal, command.as_bytes()).await.unwrap();
    viewer.until(&mut terminal, "printed 42").await.unwrap();
    assert!(viewer.has_seen(&typed) && viewer.has_seen(&printed));

    let key = fs::read_to_string(node.home().join("state/node.key")).unwrap();
    let key: Vec<u8> = key.trim().as_bytes().chunks(2).map(from_hex).collect();
    let canaries = vec![
        typing,
        printing,
        naming,
        Canary::of("the pairing secret", machine.pairing.psk.as_bytes()),
        Canary::of("the machine's key", &key),
    ];
    let viewer = (viewer, terminal);
    Conversation {
        node,
        machine,
        connection,
        _viewer: viewer,
        _scratch: scratch,
        canaries,
        printed,
    }
}

fn from_hex(digits: &[u8]) -> u8 {
    u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
}

/// The relay's process and files: nothing of what was said, but what a relay has to know.
fn search_relay(relay: &TestRelay, told: &Conversation, when: &str) {
    let pid = relay.program().pid();
    for canary in &told.canaries {
        let (name, memory) = (canary.name(), canary.hits_in_memory(pid).unwrap());
        assert_eq!(memory, 0, "{when}, the relay has {name} in its memory");
        let files = canary.hits_below(&relay.state()).unwrap();
        assert_eq!(files, 0, "{when}, the relay has {name} in its files");
    }
    // That the search looks at the right process and files, and would find something.
    let id = Canary::of("the machine id", told.machine.machine_id.as_bytes());
    assert!(id.hits_in_memory(pid).unwrap() > 0, "the relay does not know the machine {when}?");
    assert!(id.hits_below(&relay.state()).unwrap() > 0, "its database does not {when}?");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_session_is_in_the_relay_or_on_its_wires() {
    let relay = TestRelay::start();
    let wire = LossyPipe::to(relay.listen().parse().unwrap()).await;
    wire.record();
    let mut link = relay.join_link();
    link.relay.port = NonZeroU16::new(wire.address().port()).unwrap();
    let mut told = converse(&link).await;
    assert_eq!(told.machine.relays[0], link.relay, "the device took another way");

    search_relay(&relay, &told, "while the session lives");
    // The machine has what was typed and printed, and the search finds it there.
    for canary in &told.canaries[..2] {
        assert!(canary.hits_in_memory(told.node.program().pid()).unwrap() > 0);
    }
    let passed = wire.recorded();
    assert!(passed.len() > 2 * PRINTED * told.printed.len(), "the wire has carried too little");
    for canary in &told.canaries {
        assert_eq!(canary.hits(&passed), 0, "{} has passed in clear", canary.name());
    }

    let shells: Vec<Agent> = told.node.read("/v1/agents").await;
    let stop = format!("/v1/agents/{}/stop", shells[0].agent_id);
    told.connection.request(Request::post(stop, &json!({})).unwrap()).await.unwrap();
    told.connection.session().unwrap().close(gantline_protocol::session::CloseCode::Done, "");
    told.connection.session().unwrap().finished().await;
    search_relay(&relay, &told, "after the session");
    told.node.stop();
    search_relay(&relay, &told, "after the node has left");

    // What does pass in clear is found.
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let before = wire.recorded().len();
    stranger.send_to(told.printed.as_bytes(), wire.address()).await.unwrap();
    while wire.recorded().len() == before {
        tokio::task::yield_now().await;
    }
    assert!(told.canaries[1].hits(&wire.recorded()) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_keeps_every_byte_inside_tls_has_nothing_of_a_session() {
    let relay = HostileRelay::start();
    let told = converse(&relay.join_link()).await;
    let kept = |tape: &gantline_tests::hostile_relay::Tape| {
        Direction::BOTH.map(|direction| tape.bytes(direction)).concat()
    };
    let tapes = relay.tapes();
    let (pairing, session) = (kept(&tapes[0]), kept(&tapes[1]));
    assert!(session.len() > PRINTED * told.printed.len(), "the relay has kept too little");
    for canary in &told.canaries {
        for (bytes, what) in [(&pairing, "pairing"), (&session, "session")] {
            assert_eq!(canary.hits(bytes), 0, "{} is to be seen in a {what}", canary.name());
        }
    }
    // What somebody says in clear on a pipe is kept and found.
    let dialer = QuicDialer::new(Timing::default()).unwrap();
    let link = dialer.dial(relay.address()).await.unwrap();
    let (mut writer, mut reader) = link.open_pipe().await.unwrap();
    let mut said = Vec::new();
    PipeRequest { machine: told.machine.machine_id }.encode(&mut said);
    said.extend_from_slice(b"\x01\x01");
    said.extend_from_slice(told.printed.repeat(5).as_bytes());
    writer.write_all(&said).await.unwrap();
    writer.shutdown().await.unwrap();
    // It ends when the node has had its say.
    let _ = reader.read_to_end(&mut Vec::new()).await;
    assert!(told.canaries[1].hits(&kept(&relay.last_tape())) > 0);
    assert!(Path::new(&told.node.home()).exists());
}
