//! What is refused, and how people are told: each with what happened, why, and what to do next.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use gantline_client::{Path, connection::Request, path::PathError};
use gantline_crypto::pairing::{PairingError, wire::Refusal};
use gantline_protocol::{
    MachineId, Role, SpkiPin,
    api::{Device, LinkState, Status},
    link::PipeReply,
};
use gantline_tests::{TestDevice, TestNode, TestRelay, soon};
use gantline_transport::DialError;

/// A code that is not this one.
fn other_than(code: &str) -> String {
    let digits: u32 = code.replace(' ', "").parse().unwrap();
    format!("{:08}", (digits + 1) % 100_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_wrong_codes_burn_the_code_and_paired_devices_are_unaffected() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let laptop = TestDevice::new("laptop");
    let machine = laptop.pair(&node, Role::Owner).await;
    let code = node.code(Role::Owner).await.code.to_string();
    let stranger = TestDevice::new("stranger");
    for _ in 0..3 {
        let error = stranger.try_pair(&node, &other_than(&code)).await.unwrap_err();
        assert!(
            matches!(
                error,
                PathError::Pairing(
                    PairingError::Refused(Refusal::Wrong) | PairingError::NotConfirmed
                )
            ),
            "{error}"
        );
    }
    let error = TestDevice::new("phone").try_pair(&node, &code).await.unwrap_err();
    assert!(
        matches!(error, PathError::Pairing(PairingError::Refused(Refusal::NotOpen))),
        "the right code still works: {error}"
    );
    laptop.connect(&machine).await;
    TestDevice::new("phone").pair(&node, Role::Observer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_removed_is_told_so_at_once_and_when_it_calls_again() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let device = TestDevice::new("laptop");
    let machine = device.pair(&node, Role::Owner).await;
    let connection = device.connect(&machine).await;
    connection.request(Request::get("/v1/machine")).await.unwrap();
    let devices: Vec<Device> = node.read("/v1/devices").await;
    let path = format!("/v1/devices/{}", devices[0].device_id);
    node.api().await.request(Request::delete(path)).await.unwrap();
    let end = soon("the end of the session", connection.session().unwrap().ended()).await;
    assert!(end.to_string().contains("removed"), "{end}");
    let again = device.connect(&machine).await;
    let error = again.request(Request::get("/v1/machine")).await.unwrap_err();
    assert!(error.is_revoked(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_never_paired_is_met_with_silence() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let (laptop, thief) = (TestDevice::new("laptop"), TestDevice::new("thief"));
    // The thief has copied everything but the key.
    let machine = laptop.pair(&node, Role::Owner).await;
    let path = Path::Relay(node.relay());
    let error = soon("an answer", thief.client().connect(&machine, &[path])).await.unwrap_err();
    assert!(matches!(error.paths[0].1, PathError::HungUp), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_another_key_than_the_pin_is_not_spoken_to() {
    let relay = TestRelay::start();
    let node = TestNode::join(&relay.join_link()).await;
    let device = TestDevice::new("laptop");
    let mut machine = device.pair(&node, Role::Owner).await;
    machine.relays[0].pin = Some(SpkiPin([7; 32]));
    let path = Path::Relay(machine.relays[0].clone());
    let error = soon("an answer", device.client().connect(&machine, &[path])).await.unwrap_err();
    assert!(matches!(error.paths[0].1, PathError::Dial(DialError::WrongRelay { .. })), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_machine_is_never_taken_for_the_one_that_was_meant() {
    let relay = TestRelay::start();
    let (a, b) = tokio::join!(async { TestNode::join(&relay.join_link()).await }, async {
        TestNode::join(&relay.join_link()).await
    },);
    let device = TestDevice::new("laptop");
    let mut machine = device.pair(&a, Role::Owner).await;
    let path = [Path::Relay(a.relay())];
    // A relay that joins to another machine: the key is still the first one's.
    machine.machine_id = b.machine().await.machine_id;
    let error = soon("an answer", device.client().connect(&machine, &path)).await.unwrap_err();
    assert!(matches!(error.paths[0].1, PathError::HungUp | PathError::NotProved), "{error}");
    machine.machine_id = MachineId::from_bytes([9; 16]);
    let error = soon("an answer", device.client().connect(&machine, &path)).await.unwrap_err();
    assert!(matches!(error.paths[0].1, PathError::Refused(PipeReply::Unknown)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_away_is_said_to_be_offline() {
    let relay = TestRelay::start();
    let mut node = TestNode::join(&relay.join_link()).await;
    let device = TestDevice::new("laptop");
    let machine = device.pair(&node, Role::Owner).await;
    node.stop();
    let path = Path::Relay(relay.address().clone());
    let error = soon("an answer", device.client().connect(&machine, &[path])).await.unwrap_err();
    assert!(matches!(error.paths[0].1, PathError::Refused(PipeReply::Offline)), "{error}");
    node.start_again();
    node.linked().await;
    device.connect(&machine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_link_that_was_used_up_is_refused_with_what_to_do() {
    let relay = TestRelay::start();
    let link = relay.join_link();
    let _first = TestNode::join(&link).await;
    let second = TestNode::launch(&["--join", &link.to_string()], Some(link.relay.clone()));
    let api = second.api().await;
    let mut events = api.request(Request::get("/v1/events")).await.unwrap();
    let refused = soon("the refusal", async {
        loop {
            let status: Status = second.read("/v1/status").await;
            if status.links[0].state == LinkState::Refused {
                return status.links[0].last_error.clone().unwrap();
            }
            // Nothing tells of a link that was never up; look again while the node goes on.
            let _ =
                tokio::time::timeout(std::time::Duration::from_millis(50), events.chunk()).await;
        }
    })
    .await;
    assert!(refused.contains("used up") && refused.contains("new one"), "{refused}");
}
