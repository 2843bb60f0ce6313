//! A relay that is stopped in order: what passes through it comes to its end.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use gantline_client::connection::Request;
use gantline_protocol::Role;
use gantline_tests::{TestDevice, TestNode, TestRelay, soon};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_through_a_relay_that_stops_comes_to_its_end() {
    let mut relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let device = TestDevice::new("laptop");
    let machine = device.pair(&node, Role::Owner).await;
    let connection = device.connect(&machine).await;
    let gate = node.home().join("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    // Says one thing before and one after the relay was told to stop.
    let script = format!("echo before; cat {}; echo after", gate.display());
    let command = json!({ "argv": [script], "shell": true });
    let mut answer =
        connection.request(Request::post("/v1/exec", &command).unwrap()).await.unwrap();
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains("before") {
        told.extend(soon("output", answer.chunk()).await.unwrap().expect("more output"));
    }
    let stopping = tokio::task::spawn_blocking(move || {
        relay.stop();
        relay
    });
    // The node has heard of it when it looks for another link.
    node.unlinked().await;
    std::fs::write(&gate, "").unwrap();
    while let Some(chunk) = soon("the rest", answer.chunk()).await.unwrap() {
        told.extend(chunk);
    }
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("after") && told.contains(r#""code":0"#), "{told}");
    drop(answer);
    connection.close().await;
    let mut relay = soon("the relay's end", stopping).await.unwrap();
    relay.start_again();
    node.linked().await;
}
