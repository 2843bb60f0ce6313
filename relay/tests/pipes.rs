//! What a client and a node may expect of the pipe between them.

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

use std::{io, time::Duration};

use bytes::Bytes;
use gantline_protocol::{MachineId, link::PipeReply};
use gantline_relay::{Limits, Relay, limits::Rate};
use gantline_transport::{Link, PipeReader, PipeWriter, RelayReader, RelayWriter};
use support::{Client, Node, config, dial, joined, relay, soon};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_client_reaches_a_node_and_each_direction_ends_by_itself() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (_node, _client, (mut ask, mut answer), (mut reply, mut asked)) = joined(&relay).await;
    ask.write_all(b" question").await.unwrap();
    ask.shutdown().await.unwrap();
    let mut question = String::new();
    soon(asked.read_to_string(&mut question)).await.unwrap();
    assert_eq!(question, " question");
    reply.write_all(b"answer").await.unwrap();
    reply.shutdown().await.unwrap();
    let mut heard = String::new();
    soon(answer.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "answer");
    relay.shut_down().await;
}

#[tokio::test]
async fn a_node_may_be_done_speaking_before_the_client_is() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (_node, _client, (mut ask, mut answer), (mut reply, mut asked)) = joined(&relay).await;
    reply.write_all(b"bye").await.unwrap();
    reply.shutdown().await.unwrap();
    let mut heard = String::new();
    soon(answer.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "bye");
    ask.write_all(b"last").await.unwrap();
    ask.shutdown().await.unwrap();
    let mut last = String::new();
    soon(asked.read_to_string(&mut last)).await.unwrap();
    assert_eq!(last, "last");
}

#[tokio::test]
async fn a_pipe_that_was_given_up_is_never_taken_for_its_end() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (_node, _client, (mut ask, _answer), (_reply, mut asked)) = joined(&relay).await;
    ask.write_all(b"half").await.unwrap();
    assert_eq!(soon(asked.read_chunk(100)).await.unwrap().unwrap(), "half");
    ask.abort();
    let error = soon(asked.read_chunk(100)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    let (_node, _client, (_ask, mut answer), (mut reply, _asked)) = joined(&relay).await;
    reply.write_all(b"half").await.unwrap();
    assert_eq!(soon(answer.read_chunk(100)).await.unwrap().unwrap(), "half");
    drop(reply);
    let error = soon(answer.read_chunk(100)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn what_was_said_before_the_other_direction_was_given_up_still_arrives() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (_node, _client, (mut ask, mut answer), (mut reply, mut asked)) = joined(&relay).await;
    ask.abort();
    soon(asked.read_chunk(100)).await.unwrap_err();
    reply.write_all(b"the reason").await.unwrap();
    reply.shutdown().await.unwrap();
    let mut heard = String::new();
    soon(answer.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "the reason");
}

#[tokio::test]
async fn a_node_that_dies_takes_its_pipes_with_it_as_aborts() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (node, client, (_ask, mut answer), _) = joined(&relay).await;
    node.link.close(9, "");
    let error = soon(answer.read_chunk(100)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let reply = loop {
        match client.pipe(node.machine, b"").await {
            Err(reply) => break reply,
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(reply, PipeReply::Offline);
}

/// Writes until nothing more is taken; returns how much was.
async fn fill(writer: &mut (impl AsyncWriteExt + Unpin)) -> usize {
    let chunk = [7; 64 << 10];
    let mut written = 0;
    // Nothing else is under way on these links, so silence for so long means that it stands.
    while let Ok(Ok(more)) =
        tokio::time::timeout(Duration::from_millis(1500), writer.write(&chunk)).await
    {
        written += more;
        assert!(written < 64 << 20, "nothing holds the writer back");
    }
    written
}

#[tokio::test]
async fn a_node_that_reads_nothing_stops_the_client_and_not_the_relay() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (_node, _client, (mut ask, _answer), (_reply, mut asked)) = joined(&relay).await;
    let written = fill(&mut ask).await;
    // A window at the node, one at the relay, and what the two QUIC stacks hold.
    assert!((1 << 20..=12 << 20).contains(&written), "{written} bytes were taken");
    let mut read = 0;
    while read < written {
        read += soon(asked.read_chunk(1 << 20)).await.unwrap().unwrap().len();
    }
    assert_eq!(read, written);
    soon(ask.write_all(b"it flows again")).await.unwrap();
}

#[tokio::test]
async fn a_client_that_reads_nothing_stops_the_node_and_not_the_relay() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (_node, _client, (_ask, mut answer), (mut reply, _asked)) = joined(&relay).await;
    let written = fill(&mut reply).await;
    assert!((1 << 20..=12 << 20).contains(&written), "{written} bytes were taken");
    let mut read = 0;
    while read < written {
        read += soon(answer.read_chunk(1 << 20)).await.unwrap().unwrap().len();
    }
    assert_eq!(read, written);
}

#[tokio::test]
async fn a_pipe_that_stands_still_for_too_long_is_given_up() {
    let state = tempdir().unwrap();
    let limits = Limits { stalled: Duration::from_millis(300), ..support::limits() };
    let relay =
        Relay::start(gantline_relay::Config { limits, ..config(state.path()) }).await.unwrap();
    let (_node, _client, (mut ask, _answer), (_reply, _asked)) = joined(&relay).await;
    let error = soon(async {
        loop {
            if let Err(error) = ask.write_chunk(Bytes::from(vec![0; 64 << 10])).await {
                break error;
            }
        }
    })
    .await;
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// Byte number `at` of a stream that repeats only after a prime number of bytes.
fn pattern(at: usize) -> u8 {
    (at % 65_521) as u8 ^ ((at % 65_521) >> 8) as u8
}

async fn send(mut writer: RelayWriter, length: usize) {
    let bytes: Bytes = (0..length).map(pattern).collect();
    for at in (0..length).step_by(100_000) {
        writer.write_chunk(bytes.slice(at..length.min(at + 100_000))).await.unwrap();
    }
    writer.shutdown().await.unwrap();
}

async fn check(mut reader: RelayReader, length: usize) {
    let mut at = 0;
    while let Some(bytes) = soon(reader.read_chunk(1 << 20)).await.unwrap() {
        assert!(bytes.iter().zip(at..).all(|(byte, at)| *byte == pattern(at)), "near {at}");
        at += bytes.len();
    }
    assert_eq!(at, length);
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_arrives_whole_and_in_order_both_ways_on_many_pipes() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    let client = Client::dial(&relay).await;
    const EACH: usize = 4 << 20;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (to_node, from_node) = client.pipe(node.machine, b"x").await.unwrap();
        let (to_client, mut from_client) = node.accept().await;
        assert_eq!(soon(from_client.read_u8()).await.unwrap(), b'x');
        tasks.spawn(send(to_node, EACH));
        tasks.spawn(send(to_client, EACH));
        tasks.spawn(check(from_node, EACH));
        tasks.spawn(check(from_client, EACH));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_machine_that_is_away_and_one_that_never_was_are_told_apart() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    let client = Client::dial(&relay).await;
    let nobody = MachineId::from_bytes([9; 16]);
    assert_eq!(client.pipe(nobody, b"x").await.unwrap_err(), PipeReply::Unknown);
    node.link.close(0, "");
    let reply = loop {
        match client.pipe(node.machine, b"").await {
            Err(reply) => break reply,
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(reply, PipeReply::Offline);
}

#[tokio::test]
async fn a_client_of_another_version_is_told_so() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (_dialer, link) = dial(&relay).await;
    let (mut writer, mut reader) = link.open_pipe().await.unwrap();
    writer.write_all(&[2, 2]).await.unwrap();
    assert_eq!(soon(reader.read_u8()).await.unwrap(), PipeReply::Version.to_byte());
    assert_eq!(soon(reader.read_chunk(1)).await.unwrap(), None);
}

#[tokio::test]
async fn whoever_asks_too_often_or_for_too_much_is_told_which() {
    let state = tempdir().unwrap();
    let limits =
        Limits { pipe_requests_per_ip: Rate::new(1, 3), pipes_per_machine: 1, ..support::limits() };
    let relay =
        Relay::start(gantline_relay::Config { limits, ..config(state.path()) }).await.unwrap();
    let node = Node::join(&relay).await;
    let client = Client::dial(&relay).await;
    let _open = client.pipe(node.machine, b"x").await.unwrap();
    assert_eq!(client.pipe(node.machine, b"x").await.unwrap_err(), PipeReply::Busy);
    let mut replies = Vec::new();
    while replies.last() != Some(&PipeReply::Rate) {
        replies.push(client.pipe(node.machine, b"x").await.unwrap_err());
        assert!(replies.len() < 1000, "{replies:?}");
    }
}

#[tokio::test]
async fn streams_that_never_say_what_they_are_for_do_not_block_the_others_for_ever() {
    let state = tempdir().unwrap();
    let limits =
        Limits { pending_streams: 2, first_bytes: Duration::from_millis(200), ..support::limits() };
    let relay =
        Relay::start(gantline_relay::Config { limits, ..config(state.path()) }).await.unwrap();
    let node = Node::join(&relay).await;
    let client = Client::dial(&relay).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        let (mut writer, reader) = client.link.open_pipe().await.unwrap();
        writer.write_all(&[1]).await.unwrap();
        silent.push((writer, reader));
    }
    client.pipe(node.machine, b"x").await.unwrap();
    for (_, reader) in &mut silent {
        soon(reader.read_chunk(1)).await.unwrap_err();
    }
}
