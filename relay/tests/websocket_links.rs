//! Nodes and native clients that come by WebSocket, because QUIC does not get through.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code
)]

mod support;

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use gantline_login::TlsBinding;
use gantline_protocol::{Ticket, link::LinkMessage, link::PipeReply};
use gantline_relay::{Config, Limits, Relay};
use gantline_transport::{
    Carriers, DialError, Dialer, Link, PipeReader, PipeWriter, RelayReader, RelayWriter,
    quic::Timing,
    websocket::{self, Connection, SUBPROTOCOL},
};
use support::{Client, Node, Outcome, come, config, dial_by, key, relay, shake_hands, soon, token};
use tempfile::tempdir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};
use tokio_tungstenite::{
    client_async, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest},
};

type Pipe = (RelayWriter, RelayReader);

/// A pipe between a client and a node on a WebSocket link, the client's end first.
async fn pipe(node: &mut Node, client: &Client) -> (Pipe, Pipe) {
    let machine = node.machine;
    let invited = async {
        let ticket = node.invited().await;
        come(&node.link, ticket).await
    };
    let (device, at_node) = tokio::join!(client.pipe(machine, b""), invited);
    (device.unwrap(), at_node)
}

async fn say(writer: &mut RelayWriter, text: &'static str) {
    soon(writer.write_chunk(text.into())).await.unwrap();
}

async fn hears(reader: &mut RelayReader, text: &str) {
    let mut heard = vec![0; text.len()];
    soon(reader.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, text.as_bytes());
}

/// Nothing comes of the pipe: neither bytes nor an end in order.
async fn is_given_up((_writer, mut reader): Pipe) {
    assert!(soon(reader.read_chunk(100)).await.is_err(), "somebody is there");
}

#[tokio::test]
async fn native_clients_of_both_carriers_reach_a_node_on_websockets() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let mut node = Node::join_by(&relay, Carriers::WebSocket).await;
    for carriers in [Carriers::Quic, Carriers::WebSocket] {
        let client = Client::dial_by(&relay, carriers).await;
        let (mut device, mut at_node) = pipe(&mut node, &client).await;
        say(&mut device.0, "question").await;
        hears(&mut at_node.1, "question").await;
        device.0.shutdown().await.unwrap();
        assert_eq!(soon(at_node.1.read_chunk(1)).await.unwrap(), None, "{carriers:?}");
        say(&mut at_node.0, "answer").await;
        hears(&mut device.1, "answer").await;
        at_node.0.shutdown().await.unwrap();
        assert_eq!(soon(device.1.read_chunk(1)).await.unwrap(), None, "{carriers:?}");
    }
}

#[tokio::test]
async fn a_client_on_websockets_reaches_a_node_on_quic() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    let client = Client::dial_by(&relay, Carriers::WebSocket).await;
    for text in ["one", "two"] {
        let (mut writer, mut reader) = client.pipe(node.machine, text.as_bytes()).await.unwrap();
        let mut at_node = node.accept().await;
        hears(&mut at_node.1, text).await;
        say(&mut at_node.0, "answer").await;
        hears(&mut reader, "answer").await;
        writer.shutdown().await.unwrap();
        assert_eq!(soon(at_node.1.read_chunk(1)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_browser_reaches_a_node_on_websockets() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let mut node = Node::join_by(&relay, Carriers::WebSocket).await;
    let host = format!("{}.localhost:{}", node.machine, relay.local_address().port());
    let mut request = format!("ws://{host}/v1/session").into_client_request().unwrap();
    request.headers_mut().insert("origin", format!("http://{host}").parse().unwrap());
    let tcp = TcpStream::connect(relay.local_address()).await.unwrap();
    let (mut browser, _) = soon(client_async(request, tcp)).await.unwrap();
    browser.send(Message::binary(&b"question"[..])).await.unwrap();
    let ticket = node.invited().await;
    let mut at_node = come(&node.link, ticket).await;
    hears(&mut at_node.1, "question").await;
    say(&mut at_node.0, "answer").await;
    assert_eq!(soon(browser.next()).await.unwrap().unwrap().into_data(), "answer");
}

#[tokio::test]
async fn whoever_gives_a_pipe_up_is_never_taken_for_one_who_ended_it() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let mut node = Node::join_by(&relay, Carriers::WebSocket).await;
    for carriers in [Carriers::Quic, Carriers::WebSocket] {
        let client = Client::dial_by(&relay, carriers).await;
        let (device, at_node) = pipe(&mut node, &client).await;
        drop(device);
        is_given_up(at_node).await;
        let (device, at_node) = pipe(&mut node, &client).await;
        drop(at_node);
        is_given_up(device).await;
    }
}

#[tokio::test]
async fn a_ticket_is_good_once_whoever_has_it_and_a_guess_is_good_for_nothing() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let mut node = Node::join_by(&relay, Carriers::WebSocket).await;
    let client = Client::dial_by(&relay, Carriers::Quic).await;
    let (_dialer, stranger) = dial_by(&relay.address().unwrap(), Carriers::WebSocket).await;
    let machine = node.machine;
    let invited = async {
        let ticket = node.invited().await;
        is_given_up(come(&stranger, Ticket::from_bytes([0; 16])).await).await;
        (ticket, come(&stranger, ticket).await)
    };
    let (device, (ticket, mut first)) = tokio::join!(client.pipe(machine, b""), invited);
    let mut device = device.unwrap();
    is_given_up(come(&node.link, ticket).await).await;
    say(&mut device.0, "to the first").await;
    hears(&mut first.1, "to the first").await;
}

#[tokio::test]
async fn a_ticket_on_quic_breaks_the_protocol() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (_dialer, link) = dial_by(&relay.address().unwrap(), Carriers::Quic).await;
    let _pipe = come(&link, Ticket::from_bytes([0; 16])).await;
    soon(link.ended()).await;
}

#[tokio::test]
async fn a_node_that_does_not_come_is_offline_and_its_ticket_is_worth_nothing_later() {
    let state = tempdir().unwrap();
    let limits = Limits { invitation: Duration::from_millis(200), ..support::limits() };
    let relay = Relay::start(Config { limits, ..config(state.path()) }).await.unwrap();
    let mut node = Node::join_by(&relay, Carriers::WebSocket).await;
    for carriers in [Carriers::Quic, Carriers::WebSocket] {
        let client = Client::dial_by(&relay, carriers).await;
        let refusal = client.pipe(node.machine, b"").await.unwrap_err();
        assert_eq!(refusal, PipeReply::Offline);
        let ticket = node.invited().await;
        is_given_up(come(&node.link, ticket).await).await;
    }
}

#[tokio::test]
async fn a_node_that_comes_after_the_client_has_left_is_not_left_waiting() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let mut node = Node::join_by(&relay, Carriers::WebSocket).await;
    for carriers in [Carriers::Quic, Carriers::WebSocket] {
        let client = Client::dial_by(&relay, carriers).await;
        let machine = node.machine;
        let ticket = tokio::select! {
            _ = client.pipe(machine, b"") => panic!("nobody has come yet"),
            ticket = node.invited() => ticket,
        };
        client.link.close(0, "");
        drop(client);
        is_given_up(come(&node.link, ticket).await).await;
    }
}

/// What the relay answers to a request for a stream on plain HTTP.
async fn ask(relay: &Relay, host: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(relay.local_address()).await.unwrap();
    let request = format!(
        "GET /v1/stream HTTP/1.1\r\nHost: {host}\r\nConnection: upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    soon(stream.read_exact(&mut status)).await.unwrap();
    String::from_utf8(status[9..].to_vec()).unwrap()
}

#[tokio::test]
async fn streams_are_for_nodes_and_native_clients_over_tls_alone() {
    let subprotocol = format!("Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n");
    let from_a_page = format!("{subprotocol}Origin: http://localhost\r\n");
    let state = tempdir().unwrap();
    let plain = relay(state.path()).await;
    assert_eq!(ask(&plain, "localhost", &subprotocol).await, "403", "without TLS");
    drop(plain);

    let state = tempdir().unwrap();
    let config = Config { behind_proxy: true, ..config(state.path()) };
    let relay = Relay::start(config).await.unwrap();
    assert_eq!(ask(&relay, "localhost", &subprotocol).await, "101", "a proxy had the TLS");
    assert_eq!(ask(&relay, "localhost", &from_a_page).await, "403", "a page");
    assert_eq!(ask(&relay, "localhost", "").await, "400", "without the subprotocol");
    let other = "Sec-WebSocket-Protocol: chat\r\n";
    assert_eq!(ask(&relay, "localhost", other).await, "400", "another subprotocol");
    let machine = format!("{}.localhost", key().public().machine_id());
    assert_eq!(ask(&relay, &machine, &subprotocol).await, "404", "a machine's host");
    relay.drain().await;
    assert_eq!(ask(&relay, "localhost", &subprotocol).await, "503", "about to stop");
    let dialer = Dialer::new(Timing::default(), Carriers::WebSocket).unwrap();
    let refused = soon(dialer.dial(&relay.address().unwrap())).await.unwrap_err();
    assert!(matches!(refused, DialError::Refused { .. }), "{refused}");
}

/// A WebSocket such as a proxy that ends TLS makes.
async fn from_a_proxy(relay: &Relay) -> Pipe {
    let tcp = TcpStream::connect(relay.local_address()).await.unwrap();
    let tcp: Box<dyn Connection> = Box::new(tcp);
    let mut request = "ws://localhost/v1/stream".into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
    let upgraded = client_async_with_config(request, tcp, Some(websocket::config()));
    let (_, writer, reader) = websocket::pipe(soon(upgraded).await.unwrap().0, None);
    (writer.into(), reader.into())
}

#[tokio::test]
async fn behind_a_proxy_a_login_is_bound_to_no_connection_if_both_ends_know_it() {
    let state = tempdir().unwrap();
    let config = Config { behind_proxy: true, ..config(state.path()) };
    let relay = Relay::start(config).await.unwrap();
    let address = relay.address().unwrap();
    let host = &address.host;
    let proxied = from_a_proxy(&relay).await;
    shake_hands(proxied, host, &key(), TlsBinding::EndedByProxy).await.unwrap();
    let proxied = from_a_proxy(&relay).await;
    let unaware = shake_hands(proxied, host, &key(), TlsBinding::Exporter(&[0; 32])).await;
    assert!(matches!(unaware, Err(Outcome::Unbound)), "{unaware:?}");
    // Whoever reaches the relay itself has its TLS.
    let (_dialer, link) = dial_by(&address, Carriers::WebSocket).await;
    let pipe = link.open_pipe().await.unwrap();
    let direct = shake_hands(pipe, host, &key(), TlsBinding::EndedByProxy).await;
    assert!(matches!(direct, Err(Outcome::Unbound)), "{direct:?}");
}

#[tokio::test]
async fn a_login_is_worth_nothing_on_another_connection_than_its_own() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let address = relay.address().unwrap();
    let (_dialer, link) = dial_by(&address, Carriers::WebSocket).await;
    let (_other_dialer, other) = dial_by(&address, Carriers::WebSocket).await;
    let exporter = other.login_exporter().unwrap();
    assert_ne!(exporter, link.login_exporter().unwrap());
    let pipe = link.open_pipe().await.unwrap();
    let login = shake_hands(pipe, &address.host, &key(), TlsBinding::Exporter(&exporter)).await;
    assert!(matches!(login, Err(Outcome::Unbound)), "{login:?}");
}

#[tokio::test]
async fn the_newest_login_wins_whatever_carries_it() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (key, token) = (key(), token(&relay).await);
    let mut old = Node::join_again_by(&relay, Carriers::WebSocket, &key, Some(&token)).await;
    for carriers in [Carriers::Quic, Carriers::WebSocket] {
        let mut new = Node::join_again_by(&relay, carriers, &key, None).await;
        assert_eq!(old.hear().await.unwrap(), LinkMessage::Replaced, "{carriers:?}");
        let client = Client::dial_by(&relay, Carriers::Quic).await;
        let (device, mut at_node) = if carriers == Carriers::Quic {
            let device = client.pipe(new.machine, b"to the newest").await.unwrap();
            (device, new.accept().await)
        } else {
            let (mut device, at_node) = pipe(&mut new, &client).await;
            say(&mut device.0, "to the newest").await;
            (device, at_node)
        };
        hears(&mut at_node.1, "to the newest").await;
        drop(device);
        old = new;
    }
}

#[tokio::test]
async fn a_pipe_goes_on_when_its_node_returns_from_websockets_to_quic() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (key, token) = (key(), token(&relay).await);
    let mut old = Node::join_again_by(&relay, Carriers::WebSocket, &key, Some(&token)).await;
    let client = Client::dial_by(&relay, Carriers::Quic).await;
    let (mut device, mut at_node) = pipe(&mut old, &client).await;
    let _new = Node::join_again_by(&relay, Carriers::Quic, &key, None).await;
    assert_eq!(old.hear().await.unwrap(), LinkMessage::Replaced);
    while old.hear().await.is_ok() {}
    drop(old);
    say(&mut device.0, "still there?").await;
    hears(&mut at_node.1, "still there?").await;
    say(&mut at_node.0, "yes").await;
    hears(&mut device.1, "yes").await;
}

#[tokio::test]
async fn a_relay_that_stops_tells_nodes_on_websockets_and_lets_their_pipes_end() {
    let state = tempdir().unwrap();
    let config = Config { drain: Duration::from_secs(20), ..config(state.path()) };
    let relay = Relay::start(config).await.unwrap();
    let mut node = Node::join_by(&relay, Carriers::WebSocket).await;
    let client = Client::dial_by(&relay, Carriers::WebSocket).await;
    let (mut device, mut at_node) = pipe(&mut node, &client).await;
    let stopping = tokio::spawn(relay.shut_down());
    let LinkMessage::GoAway { redial_within_ms } = node.hear().await.unwrap() else {
        panic!("it says something else");
    };
    assert_eq!(redial_within_ms, 20_000);
    say(&mut device.0, "the last word").await;
    device.0.shutdown().await.unwrap();
    hears(&mut at_node.1, "the last word").await;
    at_node.0.shutdown().await.unwrap();
    assert_eq!(soon(device.1.read_chunk(1)).await.unwrap(), None);
    soon(stopping).await.unwrap();
    assert!(node.hear().await.is_err(), "the control stream outlived the relay");
}

#[tokio::test]
async fn a_relay_does_not_wait_for_nodes_that_do_not_come_when_it_stops() {
    let state = tempdir().unwrap();
    let config = Config { drain: Duration::from_millis(100), ..config(state.path()) };
    let relay = Relay::start(config).await.unwrap();
    let mut node = Node::join_by(&relay, Carriers::WebSocket).await;
    let client = Client::dial_by(&relay, Carriers::Quic).await;
    let machine = node.machine;
    tokio::select! {
        _ = client.pipe(machine, b"") => panic!("nobody has come yet"),
        _ = node.invited() => {}
    }
    // The client stays, and so does its stream.
    let began = Instant::now();
    soon(relay.shut_down()).await;
    assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_node_or_client_that_vanished_from_its_websocket_is_noticed() {
    let state = tempdir().unwrap();
    let timing = Timing { keep_alive: Duration::from_secs(1), dead_after: Duration::from_secs(3) };
    let relay = Relay::start(Config { timing, ..config(state.path()) }).await.unwrap();
    let node = Node::join(&relay).await;
    let silent = Client::dial_by(&relay, Carriers::WebSocket).await;
    // Nobody reads this end, so nobody answers the relay's pings.
    let _device = silent.pipe(node.machine, b"").await.unwrap();
    is_given_up(node.accept().await).await;

    let vanished = Node::join_by(&relay, Carriers::WebSocket).await;
    let client = Client::dial_by(&relay, Carriers::Quic).await;
    let began = Instant::now();
    // While the relay has not noticed it invites the node, and the client waits for that.
    loop {
        let asked =
            tokio::time::timeout(Duration::from_millis(50), client.pipe(vanished.machine, b""));
        match asked.await {
            Ok(refused) => {
                assert_eq!(refused.unwrap_err(), PipeReply::Offline);
                break;
            }
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "noticed after {took:?}");
}
