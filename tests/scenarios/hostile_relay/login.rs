//! Nodes that log in to it.

use gantline_client::connection::Request;
use gantline_protocol::{
    MachineId,
    api::{LinkState, LinkStatus, Status},
    link::JoinLink,
};
use gantline_tests::{HostileRelay, TestNode, TestRelay, Witness, hostile_relay::Greeting, soon};

/// The node's link once it is neither being dialled nor waiting for its relay.
async fn settled(node: &TestNode) -> LinkStatus {
    soon("an end of the first try", async {
        loop {
            let mut status: Status = node.read("/v1/status").await;
            let link = status.links.remove(0);
            match link.state {
                LinkState::Connecting => tokio::task::yield_now().await,
                LinkState::Up | LinkState::Down | LinkState::Refused | LinkState::Other => {
                    return link;
                }
            }
        }
    })
    .await
}

on_each_carrier!(
    a_relay_that_takes_a_machine_for_another_is_left_at_once,
    what_nobody_sealed_on_a_link_costs_the_link_and_nothing_else,
    a_login_cannot_be_carried_on_to_another_relay,
);

async fn a_relay_that_takes_a_machine_for_another_is_left_at_once(relay: HostileRelay) {
    relay.greets(Greeting::As(MachineId::from_bytes([9; 16])));
    let link = relay.join_link();
    let mut node = TestNode::launch(&["--join", &link.to_string()], Some(link.relay));
    let machine = node.machine().await.machine_id;
    let status = settled(&node).await;
    assert_eq!(status.state, LinkState::Refused, "{status:?}");
    assert!(status.last_error.unwrap().contains("another"));
    // It is its own machine still, and an honest greeting is believed.
    relay.greets(Greeting::Honest);
    node.stop();
    node.start_again();
    node.linked().await;
    assert_eq!(node.machine().await.machine_id, machine);
    assert!(!node.program().log().contains("panicked"));
}

async fn what_nobody_sealed_on_a_link_costs_the_link_and_nothing_else(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let api = witness.node.api().await;
    let mut events = api.request(Request::get("/v1/events")).await.unwrap();
    relay.greets(Greeting::Garbage);
    relay.hang_up_on_nodes();
    // Down after the hang-up, up again, and down for what was said then.
    soon("the ends of two links", async {
        let mut told = String::new();
        while told.matches("link-down").count() < 2 {
            let chunk = events.chunk().await.unwrap().unwrap();
            told.push_str(&String::from_utf8_lossy(&chunk));
        }
    })
    .await;
    relay.greets(Greeting::Honest);
    witness.node.linked().await;
    witness.is_unharmed(&relay).await;
}

async fn a_login_cannot_be_carried_on_to_another_relay(relay: HostileRelay) {
    let honest = TestRelay::start();
    // The node believes that this is its relay; the token is one that the other relay takes.
    let link = JoinLink { relay: relay.address().clone(), token: honest.join_link().token };
    relay.greets(Greeting::Carry(honest.address().clone()));
    let node = TestNode::launch(&["--join", &link.to_string()], Some(link.relay.clone()));
    let status = settled(&node).await;
    assert_eq!(status.state, LinkState::Down, "{status:?}");
    let machines = honest.run(&["machines", "--json"]);
    let machine = node.machine().await.machine_id.to_string();
    assert!(!machines.contains(&machine), "the other relay has taken it in: {machines}");
    // The token was not spent either.
    let link = JoinLink { relay: honest.address().clone(), token: link.token };
    let other = TestNode::join(&link).await;
    let machines = honest.run(&["machines", "--json"]);
    assert!(machines.contains(&other.machine().await.machine_id.to_string()), "{machines}");
}
