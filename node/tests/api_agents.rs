//! Agents over the API: real processes behind the node's own listeners.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

mod api_support;

use std::{
    fs::{self, File},
    io::Write,
    time::Duration,
};

use api_support::{Answer, Builder, PATIENCE, TestNode, next_bytes, request};
use futures_util::{SinkExt, StreamExt};
use gantline_protocol::{
    ViewerId,
    terminal::{Attach, NodeMessage, TerminalSize, ViewerMessage, ViewerMode},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

fn keyed(method: &str, path: &str, body: Value, key: &str) -> Builder {
    request(method, path, Some(body)).header("host", "localhost").header("idempotency-key", key)
}

fn lines(answer: &Answer) -> Vec<Value> {
    let text = std::str::from_utf8(&answer.body).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text_of(lines: &[Value], kind: &str) -> String {
    let of_kind = lines.iter().filter(|line| line["kind"] == kind);
    of_kind.map(|line| line["text"].as_str().unwrap()).collect()
}

impl TestNode {
    async fn spawn(&self, argv: &[&str]) -> String {
        let answer = self.ask("POST", "/v1/agents", Some(json!({ "argv": argv }))).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let agent = answer.json();
        let id = agent["agentId"].as_str().unwrap().to_owned();
        assert_eq!(answer.header("location").unwrap(), format!("/v1/agents/{id}"));
        id
    }

    async fn agent(&self, id: &str) -> Value {
        self.ask("GET", &format!("/v1/agents/{id}"), None).await.json()
    }

    /// Waits until the events have told the end of an agent.
    async fn until_exited(&self, id: &str) {
        let events = request("GET", "/v1/events", None).header("host", "localhost");
        // An event of another start of the node: everything that is kept is told.
        let mut events = self.open(events.header("last-event-id", "1")).await;
        let wanted = format!(r#""agentId":"{id}","state":"exited""#);
        let mut told = String::new();
        while !told.contains(&wanted) {
            told.push_str(std::str::from_utf8(&next_bytes(&mut events).await.unwrap()).unwrap());
        }
    }

    /// All output of an agent, up to its end.
    async fn followed(&self, id: &str) -> Answer {
        self.ask("GET", &format!("/v1/agents/{id}/output?follow=true"), None).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_started_read_stopped_and_removed() {
    let node = TestNode::start().await;
    let id = node.spawn(&["sh", "-c", "printf 'one two'; exec sleep 600"]).await;
    let path = format!("/v1/agents/{id}");
    let follow = request("GET", &format!("{path}/output?follow=true"), None);
    let mut output = node.open(follow.header("host", "localhost")).await;
    let epoch = output.headers()["gantline-epoch"].to_str().unwrap().to_owned();
    assert_eq!(output.headers()["gantline-offset"], "0");
    assert!(!output.headers().contains_key("gantline-gap"));
    let mut seen = Vec::new();
    while seen.len() < 7 {
        seen.extend_from_slice(&next_bytes(&mut output).await.unwrap());
    }
    assert_eq!(seen, b"one two");
    let agent = node.agent(&id).await;
    assert_eq!((&agent["state"], &agent["epoch"]), (&json!("running"), &json!(epoch)));
    let listed = node.ask("GET", "/v1/agents", None).await.json();
    assert_eq!(listed[0]["agentId"], id);
    node.ask("DELETE", &path, None).await.is_problem(409, "conflict");

    let part = |query: &str| format!("{path}/output?{query}");
    let middle = node.ask("GET", &part(&format!("epoch={epoch}&from=4&to=6")), None).await;
    assert_eq!((&*middle.body, middle.header("gantline-offset")), (&b"tw"[..], Some("4")));
    node.ask("GET", &part("from=4"), None).await.is_problem(400, "invalid-request");
    let other = "0000000000000000";
    let other = node.ask("GET", &part(&format!("epoch={other}&from=4")), None).await;
    assert!(other.is_problem(409, "conflict")["detail"].as_str().unwrap().contains(&epoch));
    for bad in ["from=x", "epoch=1", "follow=maybe", &format!("epoch={epoch}&from=6&to=4")] {
        node.ask("GET", &part(bad), None).await.is_problem(400, "invalid-request");
    }

    let signal = |name: &str| Some(json!({ "signal": name }));
    let bad = node.ask("POST", &format!("{path}/signal"), signal("NOPE")).await;
    bad.is_problem(400, "invalid-request");
    assert_eq!(node.ask("POST", &format!("{path}/signal"), signal("CONT")).await.status, 200);
    assert_eq!(node.ask("POST", &format!("{path}/stop"), None).await.status, 202);
    assert_eq!(next_bytes(&mut output).await, None, "the follower was not told of the end");
    node.until_exited(&id).await;
    let agent = node.agent(&id).await;
    assert_eq!((&agent["state"], &agent["exit"]), (&json!("exited"), &json!({ "signal": 15 })));
    node.ask("POST", &format!("{path}/stop"), None).await.is_problem(409, "conflict");
    assert_eq!(node.ask("DELETE", &path, None).await.status, 204);
    node.ask("GET", &path, None).await.is_problem(404, "not-found");
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_spawn_starts_one_process() {
    let node = TestNode::start().await;
    let witness = node.dir.path().join("started");
    let script = format!("echo x >> '{}'; echo done", witness.display());
    let body = json!({ "argv": ["sh", "-c", script] });
    let spawn = || node.send(keyed("POST", "/v1/agents", body.clone(), "spawn-0001"));
    let (one, two) = tokio::join!(spawn(), spawn());
    let (first, other) = if one.status == 201 { (one, two) } else { (two, one) };
    assert!(other.status == 409 || other.body == first.body, "{other:?}");
    let again = spawn().await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("location"), first.header("location"));
    let id = first.json()["agentId"].as_str().unwrap().to_owned();
    node.followed(&id).await;
    assert_eq!(fs::read_to_string(&witness).unwrap(), "x\n");
    assert_eq!(node.ask("GET", "/v1/agents", None).await.json().as_array().unwrap().len(), 1);
    let changed = json!({ "argv": ["true"] });
    let changed = node.send(keyed("POST", "/v1/agents", changed, "spawn-0001")).await;
    changed.is_problem(422, "idempotency-mismatch");
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_tells_both_outputs_and_the_exit_and_its_retry_names_what_it_made() {
    let node = TestNode::start().await;
    let body = json!({ "argv": ["sh", "-c", "echo out; echo err >&2; exit 7"] });
    let first = node.send(keyed("POST", "/v1/exec", body.clone(), "exec-00001")).await;
    assert_eq!((first.status, first.header("content-type")), (200, Some("application/x-ndjson")));
    let told = lines(&first);
    let id = told[0]["agentId"].as_str().unwrap();
    assert_eq!(told[0]["kind"], "start");
    assert_eq!((text_of(&told, "out"), text_of(&told, "err")), ("out\n".into(), "err\n".into()));
    assert_eq!(told.last().unwrap()["status"], json!({ "code": 7 }));
    let again = node.send(keyed("POST", "/v1/exec", body, "exec-00001")).await;
    let problem = again.is_problem(409, "conflict");
    assert_eq!(problem["instance"], format!("/v1/agents/{id}"));
    let kept = node.followed(id).await;
    assert_eq!(kept.body.len(), "out\nerr\n".len());
    let terminal = node.ask("GET", &format!("/v1/agents/{id}/terminal"), None).await;
    terminal.is_problem(409, "conflict");
    for argv in [json!([]), json!(["/no/such/program"]), json!(["a\0b"])] {
        let answer = node.ask("POST", "/v1/exec", Some(json!({ "argv": argv }))).await;
        answer.is_problem(400, "invalid-request");
        let answer = node.ask("POST", "/v1/agents", Some(json!({ "argv": argv }))).await;
        answer.is_problem(400, "invalid-request");
    }
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_up_on_exec_stops_nothing() {
    let node = TestNode::start().await;
    let gate = node.dir.path().join("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let script = format!("echo begun; cat '{}'; echo over", gate.display());
    let body = json!({ "argv": ["sh", "-c", script] });
    let exec = request("POST", "/v1/exec", Some(body)).header("host", "localhost");
    let mut answer = node.open(exec).await;
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let id = location.strip_prefix("/v1/agents/").unwrap().to_owned();
    assert!(next_bytes(&mut answer).await.is_some());
    drop(answer);
    // Opened both ways, a pipe waits for nobody, and keeps what is written into it.
    let mut opened = File::options().read(true).write(true).open(&gate).unwrap();
    opened.write_all(b"through\n").unwrap();
    let follow = request("GET", &format!("/v1/agents/{id}/output?follow=true"), None);
    let mut output = node.open(follow.header("host", "localhost")).await;
    let mut seen = Vec::new();
    while !seen.ends_with(b"through\n") {
        seen.extend_from_slice(&next_bytes(&mut output).await.unwrap());
    }
    drop(opened);
    while let Some(bytes) = next_bytes(&mut output).await {
        seen.extend_from_slice(&bytes);
    }
    assert_eq!(seen, b"begun\nthrough\nover\n");
    node.until_exited(&id).await;
    assert_eq!(node.agent(&id).await["exit"], json!({ "code": 0 }));
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_types_into_a_terminal_with_its_token_and_not_without() {
    types_into_a_terminal_below(|_| "/v1".to_owned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reaches_this_machine_as_it_reaches_any_other() {
    types_into_a_terminal_below(|node| format!("/v1/machines/{}", node.node.machine_id())).await;
}

async fn types_into_a_terminal_below(prefix: impl FnOnce(&TestNode) -> String) {
    let node = TestNode::start().await;
    let prefix = prefix(&node);
    let id = node.spawn(&["sh", "-c", "read line; echo \"got $line\"; exit 3"]).await;
    let (address, token) = (node.node.loopback().unwrap(), node.token());
    let connect = |subprotocols: String| {
        let (id, prefix) = (id.clone(), prefix.clone());
        async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let url = format!("ws://{address}{prefix}/agents/{id}/terminal");
            let mut request = url.into_client_request().unwrap();
            request.headers_mut().insert("sec-websocket-protocol", subprotocols.parse().unwrap());
            client_async(request, stream).await
        }
    };
    for bad in [
        "gantline.v1".to_owned(),
        format!("gantline.bearer.{token}"),
        format!("gantline.v1, gantline.bearer.{token}x"),
        format!("gantline.v1, {token}"),
    ] {
        let Err(Error::Http(response)) = connect(bad.clone()).await else {
            panic!("{bad} was accepted");
        };
        assert_eq!(response.status(), 401);
    }
    let good = format!("gantline.v1, gantline.bearer.{token}");
    let (mut socket, response) = connect(good).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "gantline.v1", "the token came back");
    let mut say = async |message: ViewerMessage<'_>| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes).unwrap();
        socket.send(Message::binary(bytes)).await.unwrap();
    };
    say(ViewerMessage::Attach(Attach {
        viewer: ViewerId::from_bytes([1; 16]),
        mode: ViewerMode::Drive,
        size: TerminalSize::new(100, 30).unwrap(),
        position: None,
    }))
    .await;
    say(ViewerMessage::Input { seq: 1, bytes: b"hello\r" }).await;
    let mut shown = Vec::new();
    let exit = loop {
        let message = timeout(PATIENCE, socket.next()).await.expect("nothing came").unwrap();
        let Message::Binary(message) = message.unwrap() else { continue };
        match NodeMessage::decode(&message).unwrap() {
            NodeMessage::Output { bytes, .. } => shown.extend_from_slice(bytes),
            NodeMessage::Exited(exit) => break exit,
            NodeMessage::Attached { .. }
            | NodeMessage::Snapshot(_)
            | NodeMessage::Skipped { .. }
            | NodeMessage::Size { .. }
            | NodeMessage::InputAck { .. }
            | NodeMessage::Ignored(_) => {}
        }
    };
    assert!(String::from_utf8_lossy(&shown).contains("got hello"));
    assert!(format!("{exit:?}").contains('3'), "{exit:?}");
    drop(socket);
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_ends_leaves_its_agents_running_and_the_next_one_has_them() {
    let node = TestNode::start().await;
    let id = node.spawn(&["sh", "-c", "echo ready; read line; echo got $line; exit 4"]).await;
    let follow = request("GET", &format!("/v1/agents/{id}/output?follow=true"), None);
    let mut output = node.open(follow.header("host", "localhost")).await;
    assert_eq!(&*next_bytes(&mut output).await.unwrap(), b"ready\r\n");
    let before = node.agent(&id).await;
    let broken = tokio::spawn(async move { output.body_mut().frame().await });
    let TestNode { agents, dir, home, node } = node;
    timeout(PATIENCE, node.shut_down(Duration::from_secs(2))).await.expect("it did not end");
    assert!(broken.await.unwrap().unwrap().is_err(), "an output that goes on looks like its end");
    let node = api_support::start(api_support::config(), &home).await;
    let node = TestNode { agents, dir, home, node };
    assert_eq!(node.agent(&id).await, before);
    node.ask("POST", &format!("/v1/agents/{id}/stop"), None).await;
    node.until_exited(&id).await;
    node.shut_down().await;
}
