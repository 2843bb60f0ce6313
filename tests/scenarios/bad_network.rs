//! Wires that lose, delay and break.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    num::NonZeroU16,
    time::{Duration, Instant},
};

use gantline_client::{Path, connection::Request};
use gantline_protocol::{Role, api::Agent};
use gantline_tests::{LossyPipe, TestDevice, TestNode, TestRelay, TestViewer, soon};
use gantline_transport::Carriers;
use serde_json::json;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_works_over_a_wire_that_loses_every_twentieth_datagram_and_takes_its_time() {
    let relay = TestRelay::start();
    let to_relay = LossyPipe::to(relay.listen().parse().unwrap()).await;
    let mut link = relay.join_link();
    link.relay.port = NonZeroU16::new(to_relay.address().port()).unwrap();
    let node = TestNode::join(&link).await;
    let device = TestDevice::new("laptop");
    let machine = device.pair(&node, Role::Owner).await;
    let connection = device.connect(&machine).await;
    to_relay.lose(0.05);
    to_relay.delay(Duration::from_millis(10));
    let request =
        json!({ "argv": ["stty -opost; seq 1 100000; read line; echo $line"], "shell": true });
    let request = Request::post("/v1/agents", &request).unwrap();
    let agent: Agent = connection.request(request).await.unwrap().json(1 << 20).await.unwrap();
    let mut viewer = TestViewer::of(agent.agent_id);
    viewer.from_the_beginning(agent.epoch.unwrap());
    let mut terminal = viewer.attach(&connection).await.unwrap();
    viewer.until(&mut terminal, "\n100000\n").await.unwrap();
    viewer.input(&mut terminal, b"still here\r").await.unwrap();
    viewer.until_exit(&mut terminal).await.unwrap();
    let seen = String::from_utf8(viewer.seen.clone()).unwrap();
    let numbers: Vec<u32> = seen.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers.into_iter().eq(1..=100_000), "a line was lost or doubled");
    assert!(viewer.has_seen("still here") && to_relay.dropped() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_that_is_cut_for_a_moment_costs_nothing() {
    let relay = TestRelay::start();
    let to_relay = LossyPipe::to(relay.listen().parse().unwrap()).await;
    let node = TestNode::join(&relay.join_link()).await;
    let device = TestDevice::new("laptop");
    let machine = device.pair(&node, Role::Owner).await;
    let mut through = relay.address().clone();
    through.port = NonZeroU16::new(to_relay.address().port()).unwrap();
    let connection = soon("a session", device.client().connect(&machine, &[Path::Relay(through)]))
        .await
        .unwrap();
    connection.request(Request::get("/v1/machine")).await.unwrap();
    to_relay.cut(true);
    let request = tokio::spawn(async move {
        let answer = connection.request(Request::get("/v1/machine")).await;
        (connection, answer.is_ok())
    });
    while to_relay.dropped() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!request.is_finished());
    to_relay.cut(false);
    let (_, is_answered) = soon("the answer", request).await.unwrap();
    assert!(is_answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_by_quic_is_held_up_by_nothing_that_only_acknowledges() {
    const KEYS: usize = 60;
    let relay = TestRelay::start();
    let to_relay = LossyPipe::to(relay.listen().parse().unwrap()).await;
    let node = TestNode::join_by(Carriers::Quic, &relay.join_link()).await;
    let device = TestDevice::by(Carriers::Quic, "laptop");
    let machine = device.pair(&node, Role::Owner).await;
    let mut through = relay.address().clone();
    through.port = NonZeroU16::new(to_relay.address().port()).unwrap();
    let connection = device.client().connect(&machine, &[Path::Relay(through)]).await.unwrap();
    let echo = json!({ "argv": ["stty raw -echo; printf ready; exec cat"], "shell": true });
    let request = Request::post("/v1/agents", &echo).unwrap();
    let agent: Agent = connection.request(request).await.unwrap().json(1 << 20).await.unwrap();
    let mut viewer = TestViewer::of(agent.agent_id);
    viewer.from_the_beginning(agent.epoch.unwrap());
    let mut terminal = viewer.attach(&connection).await.unwrap();
    viewer.until(&mut terminal, "ready").await.unwrap();
    let (seen, mut held_up) = (viewer.seen.len(), 0);
    for key in 1..=KEYS {
        // As somebody types: what an echo left to be said was said.
        sleep(Duration::from_millis(10)).await;
        let before = to_relay.passed();
        viewer.input(&mut terminal, b"x").await.unwrap();
        viewer.until_length(&mut terminal, seen + key).await.unwrap();
        held_up += usize::from(to_relay.passed() - before > 2);
    }
    // On a machine that is busy some are late by as much as an acknowledgement waits.
    assert!(
        held_up < KEYS / 2,
        "between {held_up} keys of {KEYS} and their echo went something else"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nat_that_forgets_in_mid_flood_costs_nothing_but_a_moment() {
    const LINES: u32 = 2_000_000;
    let relay = TestRelay::start();
    // The node and the device are each behind a NAT of their own.
    let node_nat = LossyPipe::to(relay.listen().parse().unwrap()).await;
    let device_nat = LossyPipe::to(relay.listen().parse().unwrap()).await;
    let mut link = relay.join_link();
    link.relay.port = NonZeroU16::new(node_nat.address().port()).unwrap();
    let node = TestNode::join(&link).await;
    let device = TestDevice::new("laptop");
    let machine = device.pair(&node, Role::Owner).await;
    let mut through = relay.address().clone();
    through.port = NonZeroU16::new(device_nat.address().port()).unwrap();
    let connection = soon("a session", device.client().connect(&machine, &[Path::Relay(through)]))
        .await
        .unwrap();
    let script = format!("stty -opost -echo; read go; seq 1 {LINES}; exec cat");
    let request = Request::post("/v1/agents", &json!({ "argv": [script], "shell": true }));
    let answer = connection.request(request.unwrap()).await.unwrap();
    let agent: Agent = answer.json(1 << 20).await.unwrap();
    let mut viewer = TestViewer::of(agent.agent_id);
    viewer.from_the_beginning(agent.epoch.unwrap());
    let mut terminal = viewer.attach(&connection).await.unwrap();
    viewer.input(&mut terminal, b"go\r").await.unwrap();
    for (length, nat) in [(3_000_000, &node_nat), (8_000_000, &device_nat)] {
        viewer.until_length(&mut terminal, length).await.unwrap();
        nat.rebind();
        let since = Instant::now();
        // More than was under way when the NAT forgot.
        viewer.until_length(&mut terminal, length + 3_000_000).await.unwrap();
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    }
    let length = (1..=LINES).map(|line| line.to_string().len() + 1).sum();
    viewer.until_length(&mut terminal, length).await.unwrap();
    viewer.input(&mut terminal, b"once\r").await.unwrap();
    viewer.until(&mut terminal, "once\n").await.unwrap();
    assert_eq!(viewer.skipped(), 0);
    let seen = String::from_utf8(viewer.seen.clone()).unwrap();
    let numbers = seen.lines().filter_map(|line| line.parse::<u32>().ok());
    assert!(numbers.eq(1..=LINES), "a line was lost or doubled");
    assert_eq!(seen.matches("once").count(), 1, "a key was typed twice");
}
