//! Who is let in, who is not, and what each is told.

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

use std::time::Duration;

use gantline_login::login::L1;
use gantline_protocol::{
    RelayAddress, SpkiPin,
    link::{DenialReason, LinkHello, LinkMessage, LinkReply, PipeReply},
};
use gantline_relay::{
    Config, Limits, Relay,
    limits::Rate,
    registry::{Registry, SqliteRegistry, TokenOrder},
    state::StateDir,
};
use gantline_transport::{DialError, Link, PipeReader};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use support::{
    Client, Node, Outcome, config, dial, dialer, joined, key, order, relay, soon, token,
};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_machine_joins_once_and_then_comes_back_without_its_token() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let token = relay.join_link(order(1)).await.unwrap().token.reveal().to_owned();
    let key = key();
    let (node, welcome) = Node::join_as(&relay, &key, Some(&token), Some("pi4")).await.welcome();
    assert_eq!(welcome.machine, key.public().machine_id());
    assert_eq!(welcome.host.as_str(), "localhost");
    assert_eq!(welcome.alias.as_ref().unwrap().as_str(), "pi4");
    drop(node);
    let (_, welcome) = Node::join_as(&relay, &key, None, None).await.welcome();
    assert_eq!(welcome.alias.unwrap().as_str(), "pi4");
    // The token is spent, and known machines don't care.
    Node::join_as(&relay, &key, Some(&token), None).await.welcome();
}

#[tokio::test]
async fn a_machine_that_is_not_let_in_learns_why() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let join = async |token: Option<&str>, alias: Option<&str>| {
        Node::join_as(&relay, &key(), token, alias).await
    };
    let reason = |outcome: Outcome| {
        let denied = outcome.denied();
        assert!(!denied.message.is_empty(), "people read this");
        denied.reason
    };
    assert_eq!(reason(join(None, None).await), DenialReason::TokenRequired);
    assert_eq!(reason(join(Some("nonsense"), None).await), DenialReason::TokenUnknown);

    let once = relay.join_link(order(1)).await.unwrap().token;
    let first = join(Some(once.reveal()), Some("pi4")).await.welcome();
    assert_eq!(reason(join(Some(once.reveal()), None).await), DenialReason::TokenUsed);

    let brief = TokenOrder { life: Duration::from_millis(1), ..order(9) };
    let brief = relay.join_link(brief).await.unwrap().token;
    assert_eq!(reason(join(Some(brief.reveal()), None).await), DenialReason::TokenExpired);

    let revoked = relay.join_link(order(9)).await.unwrap().token;
    let entry = relay.registry().tokens().await.unwrap().pop().unwrap();
    assert!(relay.registry().revoke_token(&entry.id, entry.created_at).await.unwrap());
    assert_eq!(reason(join(Some(revoked.reveal()), None).await), DenialReason::TokenUnknown);

    let token = token(&relay).await;
    assert_eq!(reason(join(Some(&token), Some("pi4")).await), DenialReason::AliasTaken);
    drop(first);
}

#[tokio::test]
async fn a_known_machine_keeps_its_alias_when_the_one_it_wants_is_taken() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let token = token(&relay).await;
    let (one, two) = (key(), key());
    Node::join_as(&relay, &one, Some(&token), Some("pi")).await.welcome();
    Node::join_as(&relay, &two, Some(&token), Some("nas")).await.welcome();
    let alias = async |key, alias| {
        Node::join_as(&relay, key, None, Some(alias)).await.welcome().1.alias.unwrap()
    };
    assert_eq!(alias(&two, "pi").await.as_str(), "nas");
    assert_eq!(alias(&two, "attic").await.as_str(), "attic");
    assert_eq!(alias(&one, "nas").await.as_str(), "nas", "it is free now");
}

#[tokio::test]
async fn a_relay_with_another_key_is_not_believed() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let address = relay.address().unwrap();
    let wrong = RelayAddress { pin: Some(SpkiPin([1; 32])), ..address };
    let error = soon(dialer().dial(&wrong)).await.unwrap_err();
    assert!(matches!(error, DialError::WrongRelay { .. }), "{error}");
}

#[tokio::test]
async fn a_node_that_looks_for_another_relay_is_told_so() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let host = "relay.example".parse().unwrap();
    let token = token(&relay).await;
    let outcome = Node::join_at(&relay.address().unwrap(), &host, &key(), Some(&token), None).await;
    assert!(matches!(outcome, Outcome::Refused(LinkReply::HostUnknown)), "{outcome:?}");
}

#[tokio::test]
async fn a_node_of_another_version_is_told_so() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    for hello in [&[2][..], &[2, 1, 3]] {
        let (_dialer, link) = dial(&relay).await;
        let (mut writer, mut reader) = link.open_pipe().await.unwrap();
        writer.write_all(hello).await.unwrap();
        assert_eq!(soon(reader.read_u8()).await.unwrap(), LinkReply::Version.to_byte());
        soon(link.ended()).await;
    }
}

#[tokio::test]
async fn garbage_costs_the_link_and_nobody_elses() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let mut bystander = Node::join(&relay).await;
    let mut hello = Vec::new();
    LinkHello { host: "localhost".parse().unwrap() }.encode(&mut hello);
    let small_order = [hello.clone(), vec![0; L1]].concat();
    let never_opens = [hello.clone(), vec![9; L1], vec![0, 17], vec![0; 17]].concat();
    let too_short = [hello, vec![9; L1], vec![0, 16]].concat();
    for garbage in [
        &[1, 0][..],
        &[1, 3],
        &[1, 1, 0],
        &[1, 1, 255],
        b"\x01\x01\x02-a",
        &small_order,
        &never_opens,
        &too_short,
    ] {
        let (_dialer, link) = dial(&relay).await;
        let (mut writer, _reader) = link.open_pipe().await.unwrap();
        writer.write_all(garbage).await.unwrap();
        soon(link.ended()).await;
    }
    bystander.send(&LinkMessage::Ping(7)).await;
    assert_eq!(bystander.hear().await.unwrap(), LinkMessage::Pong(7));
}

#[tokio::test]
async fn a_login_that_stands_still_is_ended() {
    let state = tempdir().unwrap();
    let limits = Limits { login: Duration::from_millis(200), ..support::limits() };
    let relay = Relay::start(Config { limits, ..config(state.path()) }).await.unwrap();
    let (_dialer, link) = dial(&relay).await;
    let (mut writer, _reader) = link.open_pipe().await.unwrap();
    writer.write_all(&[1, 1, 9]).await.unwrap();
    soon(link.ended()).await;
}

#[tokio::test]
async fn a_connection_that_wants_nothing_is_ended() {
    let state = tempdir().unwrap();
    let limits = Limits { idle: Duration::from_millis(200), ..support::limits() };
    let relay = Relay::start(Config { limits, ..config(state.path()) }).await.unwrap();
    let (_dialer, link) = dial(&relay).await;
    soon(link.ended()).await;
}

#[tokio::test]
async fn a_message_out_of_turn_costs_the_link() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    for message in
        [LinkMessage::Replaced, LinkMessage::Pong(1), LinkMessage::GoAway { redial_within_ms: 1 }]
    {
        let mut node = Node::join(&relay).await;
        node.send(&LinkMessage::Ignored(0x99)).await;
        node.send(&LinkMessage::Ping(1)).await;
        assert_eq!(node.hear().await.unwrap(), LinkMessage::Pong(1), "0x99 is of a later version");
        node.send(&message).await;
        soon(node.link.ended()).await;
    }
}

#[tokio::test]
async fn a_link_has_one_control_stream() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    let (mut writer, mut reader) = node.link.open_pipe().await.unwrap();
    let mut hello = Vec::new();
    LinkHello { host: "localhost".parse().unwrap() }.encode(&mut hello);
    hello.extend_from_slice(&[9; L1]);
    writer.write_all(&hello).await.unwrap();
    soon(reader.read_u8()).await.unwrap_err();
    soon(node.link.ended()).await;
}

#[tokio::test]
async fn the_newest_login_wins_and_the_old_one_is_told() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (token, key) = (token(&relay).await, key());
    let (mut old, _) = Node::join_as(&relay, &key, Some(&token), None).await.welcome();
    let (new, _) = Node::join_as(&relay, &key, None, None).await.welcome();
    assert_eq!(old.hear().await.unwrap(), LinkMessage::Replaced);
    let client = Client::dial(&relay).await;
    let _pipe = client.pipe(new.machine, b"hi").await.unwrap();
    let (_, mut reader) = new.accept().await;
    assert_eq!(soon(reader.read_chunk(9)).await.unwrap().unwrap(), "hi");
    soon(old.link.ended()).await;
    // The end of the old one takes nothing from the new one.
    let _pipe = client.pipe(new.machine, b"still").await.unwrap();
    new.accept().await;
}

#[tokio::test]
async fn too_many_logins_are_refused_before_they_cost_anything() {
    let state = tempdir().unwrap();
    let limits = Limits { logins: Rate::new(1, 2), ..support::limits() };
    let relay = Relay::start(Config { limits, ..config(state.path()) }).await.unwrap();
    let token = token(&relay).await;
    let mut welcome = 0;
    loop {
        match Node::join_as(&relay, &key(), Some(&token), None).await {
            Outcome::Welcome(..) => welcome += 1,
            Outcome::Refused(LinkReply::Rate) => break,
            other @ (Outcome::Refused(_)
            | Outcome::Denied(_)
            | Outcome::Unbound
            | Outcome::Ended) => {
                panic!("{other:?}")
            }
        }
        assert!(welcome < 100, "nothing stops them");
    }
    assert!(welcome >= 2, "so many may come at once");
}

#[tokio::test]
async fn a_newcomer_that_has_to_show_its_address_first_gets_in() {
    let state = tempdir().unwrap();
    let limits = Limits { handshakes_unvalidated: 0, ..support::limits() };
    let relay = Relay::start(Config { limits, ..config(state.path()) }).await.unwrap();
    let node = Node::join(&relay).await;
    let client = Client::dial(&relay).await;
    client.pipe(node.machine, b"x").await.unwrap();
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_refused_until_one_ends() {
    let state = tempdir().unwrap();
    let limits = Limits { connections_per_ip: 2, ..support::limits() };
    let relay = Relay::start(Config { limits, ..config(state.path()) }).await.unwrap();
    let address = relay.address().unwrap();
    let dialer = dialer();
    let first = dialer.dial(&address).await.unwrap();
    let _second = dialer.dial(&address).await.unwrap();
    let error = soon(dialer.dial(&address)).await.unwrap_err();
    assert!(matches!(error, DialError::Refused { .. }), "{error}");
    first.close(0, "");
    // The relay hears of it a moment later.
    soon(async { while dialer.dial(&address).await.is_err() {} }).await;
}

/// Keeps everybody else from writing, as a full disk or a stuck backup would.
async fn block(state: &StateDir) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(state.database());
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn without_its_database_the_relay_keeps_who_it_knows_and_takes_in_nobody() {
    let dir = tempdir().unwrap();
    let relay = relay(dir.path()).await;
    let (token, known) = (token(&relay).await, key());
    Node::join_as(&relay, &known, Some(&token), None).await.welcome();
    let (_node, _client, (mut ask, _answer), (_reply, mut asked)) = joined(&relay).await;
    let blocked = block(&StateDir::open(dir.path()).unwrap()).await;

    let denied = Node::join_as(&relay, &key(), Some(&token), None).await.denied();
    assert_eq!(denied.reason, DenialReason::Unavailable);
    assert!(denied.retry_after_ms.is_some());
    let (node, _) = soon(Node::join_as(&relay, &known, None, Some("wanted"))).await.welcome();
    let client = Client::dial(&relay).await;
    client.pipe(node.machine, b"x").await.unwrap();
    ask.write_all(b"still here").await.unwrap();
    assert_eq!(soon(asked.read_chunk(99)).await.unwrap().unwrap(), "still here");

    blocked.close().await.unwrap();
    Node::join_as(&relay, &key(), Some(&token), None).await.welcome();
}

#[tokio::test]
async fn a_restarted_relay_is_the_same_relay() {
    let state = tempdir().unwrap();
    let first = relay(state.path()).await;
    let (pin, key, token) = (first.pin(), key(), token(&first).await);
    Node::join_as(&first, &key, Some(&token), Some("pi")).await.welcome();
    soon(first.shut_down()).await;
    let second = relay(state.path()).await;
    assert_eq!(second.pin(), pin);
    let (node, welcome) = Node::join_as(&second, &key, None, None).await.welcome();
    assert_eq!(welcome.alias.unwrap().as_str(), "pi");
    Node::join_as(&second, &support::key(), Some(&token), None).await.welcome();
    let machines = second.registry().machines().await.unwrap();
    assert_eq!(machines.len(), 2);
    assert!(
        machines.iter().any(|machine| machine.id == node.machine && machine.version == "0.0.1")
    );
}

#[tokio::test]
async fn a_token_made_beside_a_running_relay_works_at_once() {
    let dir = tempdir().unwrap();
    let relay = relay(dir.path()).await;
    let beside = SqliteRegistry::open(&StateDir::open(dir.path()).unwrap()).await.unwrap();
    let (token, entry) = order(1).fill(std::time::SystemTime::now().into()).unwrap();
    beside.add_token(&entry).await.unwrap();
    Node::join_as(&relay, &key(), Some(token.reveal()), None).await.welcome();
}

#[tokio::test]
async fn a_relay_that_stops_sends_its_nodes_away_and_lets_pipes_finish() {
    let state = tempdir().unwrap();
    let relay = Relay::start(Config { drain: Duration::from_secs(15), ..config(state.path()) })
        .await
        .unwrap();
    let (mut node, client, (mut ask, mut answer), (mut reply, mut asked)) = joined(&relay).await;
    let stopping = tokio::spawn(relay.shut_down());
    assert!(matches!(node.hear().await.unwrap(), LinkMessage::GoAway { .. }));
    assert_eq!(client.pipe(node.machine, b"new").await.unwrap_err(), PipeReply::Busy);
    ask.write_all(b"last words").await.unwrap();
    ask.shutdown().await.unwrap();
    let mut heard = String::new();
    soon(asked.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "last words");
    assert!(!stopping.is_finished());
    reply.shutdown().await.unwrap();
    assert_eq!(soon(answer.read_chunk(1)).await.unwrap(), None);
    soon(stopping).await.unwrap();
    soon(node.link.ended()).await;
}

#[tokio::test]
async fn a_pipe_that_does_not_end_does_not_keep_the_relay_from_stopping() {
    let state = tempdir().unwrap();
    let relay = Relay::start(Config { drain: Duration::from_millis(200), ..config(state.path()) })
        .await
        .unwrap();
    let (_node, _client, (_ask, mut answer), _reply) = joined(&relay).await;
    soon(relay.shut_down()).await;
    soon(answer.read_chunk(1)).await.unwrap_err();
}
