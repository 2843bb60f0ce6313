//! The main job: a machine joins a relay, a person pairs with it by a code, and types into a real
//! shell on it through the relay.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use gantline_client::{RequestError, connection::Request};
use gantline_protocol::{
    Role,
    api::{Agent, Carrier, ExecEvent, ExitStatus, LinkState, Machine, SpawnRequest, Status},
    terminal::TerminalSize,
};
use gantline_tests::{TestDevice, TestNode, TestRelay, TestViewer, soon};
use gantline_transport::Carriers;
use serde_json::json;

const MAX: usize = 1 << 20;

async fn spawn(on: &gantline_client::Connection, argv: &[&str]) -> Agent {
    let request: SpawnRequest = serde_json::from_value(json!({ "argv": argv })).unwrap();
    let request = Request::post("/v1/agents", &request).unwrap();
    soon("a spawn", on.request(request)).await.unwrap().json(MAX).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_pairs_by_code_and_types_into_a_shell_through_the_relay() {
    types_into_a_shell_by(Carriers::Quic, Carrier::Quic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_quic_does_not_get_through_all_of_it_works_by_websocket() {
    types_into_a_shell_by(Carriers::WebSocket, Carrier::WebSocket).await;
}

async fn types_into_a_shell_by(carriers: Carriers, carrier: Carrier) {
    let relay = TestRelay::start();
    let node = TestNode::join_by(carriers, &relay.join_link()).await;
    let device = TestDevice::by(carriers, "laptop");
    let machine = device.pair(&node, Role::Owner).await;
    let connection = device.connect(&machine).await;
    assert_eq!(connection.carrier(), Some(carrier));
    let status: Status = node.read("/v1/status").await;
    assert_eq!((status.links[0].state, status.links[0].carrier), (LinkState::Up, Some(carrier)));

    let answer = connection.request(Request::get("/v1/machine")).await.unwrap();
    let told: Machine = answer.json(MAX).await.unwrap();
    assert_eq!((told.machine_id, told.role), (machine.machine_id, Role::Owner));

    let agent = spawn(&connection, &["sh", "-i"]).await;
    let mut viewer = TestViewer::of(agent.agent_id);
    let mut terminal = viewer.attach(&connection).await.unwrap();
    viewer.input(&mut terminal, b"stty -echo; echo ready\r").await.unwrap();
    viewer.until(&mut terminal, "ready\r\n").await.unwrap();
    viewer.input(&mut terminal, b"echo $((6 * 7)) is the answer\r").await.unwrap();
    viewer.until(&mut terminal, "42 is the answer").await.unwrap();
    viewer.resize(&mut terminal, TerminalSize::new(132, 43).unwrap()).await.unwrap();
    viewer.input(&mut terminal, b"stty size\r").await.unwrap();
    viewer.until(&mut terminal, "43 132").await.unwrap();
    viewer.input(&mut terminal, b"exit 7\r").await.unwrap();
    let exit = viewer.until_exit(&mut terminal).await.unwrap();
    assert_eq!(exit, Some(ExitStatus::Code(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_keeps_its_outputs_apart_and_its_exit_code_through_the_relay() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let device = TestDevice::new("laptop");
    let machine = device.pair(&node, Role::Operator).await;
    let connection = device.connect(&machine).await;
    let command = json!({ "argv": ["echo out; echo err >&2; exit 3"], "shell": true });
    let answer = connection.request(Request::post("/v1/exec", &command).unwrap()).await.unwrap();
    let lines = soon("the command's end", answer.whole(MAX)).await.unwrap();
    let (mut out, mut err, mut exit) = (Vec::new(), Vec::new(), None);
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line).unwrap() {
            ExecEvent::Out(bytes) => out.extend(bytes.into_vec()),
            ExecEvent::Err(bytes) => err.extend(bytes.into_vec()),
            ExecEvent::Exit { status, .. } => exit = status,
            ExecEvent::Start { .. } | ExecEvent::Other => {}
        }
    }
    assert_eq!((out.as_slice(), err.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(exit, Some(ExitStatus::Code(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_watch_one_shell_and_see_the_same() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let (laptop, phone) = (TestDevice::new("laptop"), TestDevice::new("phone"));
    let at_laptop = laptop.connect(&laptop.pair(&node, Role::Owner).await).await;
    let at_phone = phone.connect(&phone.pair(&node, Role::Observer).await).await;

    let agent = spawn(&at_laptop, &["sh", "-i"]).await;
    let epoch = agent.epoch.unwrap();
    let mut typist = TestViewer::of(agent.agent_id);
    let mut watcher = TestViewer::of(agent.agent_id);
    typist.from_the_beginning(epoch);
    watcher.from_the_beginning(epoch);
    let mut typing = typist.attach(&at_laptop).await.unwrap();
    let mut watching = watcher.attach(&at_phone).await.unwrap();
    // An observer may type as much as it likes: nothing of it reaches the shell.
    watcher.input(&mut watching, b"echo intruder\r").await.unwrap();
    typist.input(&mut typing, b"echo one; exit\r").await.unwrap();
    typist.until_exit(&mut typing).await.unwrap();
    watcher.until_exit(&mut watching).await.unwrap();
    assert!(typist.has_seen("one") && !typist.has_seen("intruder"));
    assert_eq!(watcher.seen, typist.seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_starts_nothing() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let device = TestDevice::new("phone");
    let machine = device.pair(&node, Role::Observer).await;
    let connection = device.connect(&machine).await;
    let request = Request::post("/v1/exec", &json!({ "argv": ["true"] })).unwrap();
    let error = connection.request(request).await.unwrap_err().to_string();
    assert!(error.contains("observer"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_again_after_a_broken_session_has_one_agent_and_not_two() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let device = TestDevice::new("laptop");
    let machine = device.pair(&node, Role::Operator).await;
    for round in 0..8_u64 {
        let name = format!("round-{round}");
        let request: SpawnRequest =
            serde_json::from_value(json!({ "argv": ["sleep", "600"], "name": name })).unwrap();
        let request = Request::post("/v1/agents", &request).unwrap();
        // The session goes at some moment between the question and its answer.
        let connection = device.connect(&machine).await;
        let patience = std::time::Duration::from_micros(500 * round);
        let _ = tokio::time::timeout(patience, connection.request(request.clone())).await;
        drop(connection);

        let connection = device.connect(&machine).await;
        let agent: Agent = soon("an answer", async {
            loop {
                match connection.request(request.clone()).await {
                    Ok(answer) => return answer.json(MAX).await.unwrap(),
                    // The first one still runs.
                    Err(RequestError::Problem(problem)) => assert_eq!(problem.status, 409),
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await;
        let agents: Vec<Agent> = node.read("/v1/agents").await;
        let named: Vec<_> = agents
            .iter()
            .filter(|agent| agent.name.as_ref().is_some_and(|other| other.as_str() == name))
            .map(|agent| agent.agent_id)
            .collect();
        assert_eq!(named, [agent.agent_id]);
    }
}
