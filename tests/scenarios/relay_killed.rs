//! The relay is killed with -9 in the middle of everything, and comes back.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use gantline_client::{Connection, KnownMachine, RequestError, connection::Request};
use gantline_protocol::{
    Role,
    api::{Agent, ExitStatus},
};
use gantline_tests::{TestDevice, TestNode, TestRelay, TestViewer, soon};
use gantline_transport::Carriers;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Numbered lines: about 51 MB, with the carriage returns that the terminal adds.
const LINES: u32 = 5_700_000;

async fn spawn(on: &Connection, script: &str) -> Agent {
    let request = json!({ "argv": [script], "shell": true });
    let request = Request::post("/v1/agents", &request).unwrap();
    on.request(request).await.unwrap().json(1 << 20).await.unwrap()
}

/// Comes back as a client does: when the node has, and once more if that was too early.
async fn reconnect(node: &TestNode, device: &TestDevice, machine: &KnownMachine) -> Connection {
    let paths: Vec<_> = machine.relays.iter().cloned().map(gantline_client::Path::Relay).collect();
    soon("a new session", async {
        loop {
            node.linked().await;
            if let Ok(connection) = device.client().connect(machine, &paths).await {
                return connection;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_arrive_whole_although_the_relay_is_killed_five_times() {
    fifty_megabytes_by(Carriers::Quic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_arrive_whole_by_websocket_although_the_relay_is_killed_five_times() {
    fifty_megabytes_by(Carriers::WebSocket).await;
}

async fn fifty_megabytes_by(carriers: Carriers) {
    let mut relay = TestRelay::start();
    let node = TestNode::join_by(carriers, &relay.join_link()).await;
    let device = TestDevice::by(carriers, "laptop");
    let machine = device.pair(&node, Role::Owner).await;
    let mut connection = device.connect(&machine).await;
    let agent = spawn(&connection, &format!("read go; seq 1 {LINES}; exit 9")).await;
    let mut viewer = TestViewer::of(agent.agent_id);
    viewer.from_the_beginning(agent.epoch.unwrap());
    let mut terminal = viewer.attach(&connection).await.unwrap();
    viewer.input(&mut terminal, b"go\r").await.unwrap();

    let mut kills =
        [5_000_000, 12_000_000, 20_000_000, 30_000_000, 42_000_000].into_iter().peekable();
    let exit = loop {
        let result: Result<_, RequestError> = match kills.peek() {
            Some(at) => viewer.until_length(&mut terminal, *at).await.map(|()| None),
            None => viewer.until_exit(&mut terminal).await.map(Some),
        };
        match result {
            Ok(Some(exit)) => break exit,
            Ok(None) => {
                kills.next();
                relay.kill();
                relay.start_again();
            }
            Err(_) => {
                connection = reconnect(&node, &device, &machine).await;
                terminal = viewer.attach(&connection).await.unwrap();
            }
        }
    };
    assert!(kills.peek().is_none(), "the relay was not killed five times");
    assert_eq!(exit, Some(ExitStatus::Code(9)));
    assert_eq!(viewer.skipped(), 0);
    let start = viewer.seen.windows(4).position(|window| window == b"1\r\n2").expect("line 1");
    let expected =
        (1..=LINES).fold(Sha256::new(), |hash, line| hash.chain_update(format!("{line}\r\n")));
    assert_eq!(Sha256::digest(&viewer.seen[start..]), expected.finalize());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_typed_twice_or_lost_although_the_relay_is_killed_again_and_again() {
    typed_once_by(Carriers::Quic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_typed_twice_or_lost_by_websocket_although_the_relay_is_killed() {
    typed_once_by(Carriers::WebSocket).await;
}

async fn typed_once_by(carriers: Carriers) {
    let mut relay = TestRelay::start();
    let node = TestNode::join_by(carriers, &relay.join_link()).await;
    let device = TestDevice::by(carriers, "laptop");
    let machine = device.pair(&node, Role::Owner).await;
    let mut connection = device.connect(&machine).await;
    let agent = spawn(&connection, "stty raw -echo; echo ready; exec cat").await;
    let mut viewer = TestViewer::of(agent.agent_id);
    viewer.from_the_beginning(agent.epoch.unwrap());
    let mut terminal = viewer.attach(&connection).await.unwrap();
    viewer.until(&mut terminal, "ready\n").await.unwrap();
    let mut typed = String::new();
    for round in 0..4 {
        for key in 0..50 {
            let word = format!("{round}.{key} ");
            typed.push_str(&word);
            // Typed again at the next attachment if it was not applied.
            let _ = viewer.input(&mut terminal, word.as_bytes()).await;
            if key == 25 && round < 3 {
                relay.kill();
            }
        }
        if round < 3 {
            relay.start_again();
            connection = reconnect(&node, &device, &machine).await;
            terminal = viewer.attach(&connection).await.unwrap();
        }
        viewer.until(&mut terminal, &format!("{round}.49 ")).await.unwrap();
    }
    let seen = String::from_utf8(viewer.seen).unwrap();
    let (_, echoed) = seen.split_once("ready\n").unwrap();
    assert_eq!(echoed, typed);
}
