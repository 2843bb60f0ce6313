//! The command line through a relay, with the real programs: as its users meet it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{path::Path, process::Output};

use gantline_tests::{TestNode, TestRelay, node::gantline};
use serde_json::Value;
use tempfile::TempDir;

fn run(home: &Path, arguments: &[&str]) -> Output {
    gantline(home).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A code of the node and the address that it shows with it.
fn code(node: &TestNode) -> (String, String) {
    let minted: Value = serde_json::from_str(&told(&node.run(&["pair", "--json"]))).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&minted["code"]), text(&minted["addresses"][0]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_computer_pairs_by_code_and_runs_commands_through_the_relay() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let home = TempDir::new().unwrap();
    let laptop = home.path().join("laptop");
    let (code, address) = code(&node);
    let added = run(&laptop, &["add", &code, &address, "--name", "box"]);
    assert!(
        text(&added.stderr).contains("safety number") || told(&added).contains("safety number")
    );

    let output =
        run(&laptop, &["exec", "--on", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n".into(), "err\n".into()));

    let machines: Value =
        serde_json::from_str(&told(&run(&laptop, &["machines", "--check", "--json"]))).unwrap();
    let machine = machines.as_array().map_or(&machines, |machines| &machines[0]);
    assert_eq!(machine["name"], "box");
    assert!(machine.to_string().contains("relay"), "{machine}");

    // What was started from there is seen here.
    told(&run(&laptop, &["spawn", "--on", "box", "--name", "sleeper", "--", "sleep", "1000"]));
    assert!(told(&node.run(&["ps"])).contains("sleeper"));
    told(&run(&laptop, &["kill", "--on", "box", "sleeper"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_pairs_once_and_a_second_time_says_so() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let home = TempDir::new().unwrap();
    let minted: Value =
        serde_json::from_str(&told(&node.run(&["pair", "--link", "--role", "operator", "--json"])))
            .unwrap();
    let link = minted["link"].as_str().unwrap();
    told(&run(&home.path().join("laptop"), &["add", link, "--name", "box"]));
    told(&run(&home.path().join("laptop"), &["exec", "--on", "box", "--", "true"]));
    // What it lets in may do no more than the link says.
    let ran = run(&home.path().join("laptop"), &["device", "list", "--on", "box"]);
    assert!(text(&ran.stderr).contains("operator"), "{}", text(&ran.stderr));
    let again = run(&home.path().join("phone"), &["add", link]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("takes no link now"), "{}", text(&again.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_device_is_told_how_to_come_back() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let home = TempDir::new().unwrap();
    let laptop = home.path().join("laptop");
    let (code, address) = code(&node);
    told(&run(&laptop, &["add", &code, &address, "--name", "box"]));
    told(&run(&laptop, &["exec", "--on", "box", "--", "true"]));
    let devices: Value =
        serde_json::from_str(&told(&node.run(&["device", "list", "--json"]))).unwrap();
    let device = devices[0]["deviceId"].as_str().unwrap();
    told(&node.run(&["device", "revoke", device]));
    let output = run(&laptop, &["exec", "--on", "box", "--", "true"]);
    let complaint = text(&output.stderr);
    assert!(!output.status.success());
    assert!(complaint.contains("removed") && complaint.contains("pair"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pin_in_the_address_is_refused_before_anything_is_said() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let home = TempDir::new().unwrap();
    let (code, address) = code(&node);
    let (place, _) = address.split_once('~').unwrap();
    let other = format!("{place}~{}", "A".repeat(43));
    let output = run(&home.path().join("laptop"), &["add", &code, &other]);
    let complaint = text(&output.stderr);
    assert!(!output.status.success());
    assert!(complaint.contains("not that relay"), "{complaint}");
    // The code was not spent on a stranger.
    told(&run(&home.path().join("laptop"), &["add", &code, &address]));
}
