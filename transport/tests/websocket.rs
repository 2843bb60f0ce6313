//! Pipes on a WebSocket, with a real WebSocket at both ends, and with peers that break its rules.

#![allow(missing_docs, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::{io::ErrorKind, net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use gantline_transport::{
    PipeReader, PipeWriter,
    websocket::{
        self, Connection, KeepAlive, MAX_MESSAGE, Socket, WebSocketReader, WebSocketWriter,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

const SOON: Duration = Duration::from_secs(10);

type Pipe = (WebSocketWriter, WebSocketReader);

async fn pipe_and_peer(buffer: usize) -> (Pipe, WebSocketStream<DuplexStream>) {
    let (left, right) = duplex(buffer);
    let theirs = WebSocketStream::from_raw_socket(right, Role::Server, None);
    (pipe(socket(left, Role::Client).await), theirs.await)
}

async fn pipes() -> (Pipe, Pipe) {
    let (left, right) = duplex(64 * 1024);
    (pipe(socket(left, Role::Client).await), pipe(socket(right, Role::Server).await))
}

async fn socket(stream: DuplexStream, role: Role) -> Socket {
    let stream: Box<dyn Connection> = Box::new(stream);
    WebSocketStream::from_raw_socket(stream, role, Some(websocket::config())).await
}

fn pipe(socket: Socket) -> Pipe {
    let (_, writer, reader) = websocket::pipe(socket, None);
    (writer, reader)
}

#[tokio::test]
async fn megabytes_arrive_whole_whatever_the_messages_were() {
    let ((mut writer, _reader), (_writer, mut reader)) = pipes().await;
    let sent: Vec<u8> = (0..5_000_000u32).map(|at| (at % 251) as u8).collect();
    let expected = sent.clone();
    let sending = tokio::spawn(async move {
        let (first, rest) = sent.split_at(1_000_003);
        writer.write_chunk(Bytes::copy_from_slice(first)).await.unwrap();
        writer.write_all(rest).await.unwrap();
        writer.shutdown().await.unwrap();
        writer
    });
    let mut received = Vec::new();
    while let Some(chunk) = timeout(SOON, reader.read_chunk(7_001)).await.unwrap().unwrap() {
        assert!(chunk.len() <= 7_001);
        received.extend_from_slice(&chunk);
    }
    assert!(received == expected);
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn small_pieces_leave_together_and_arrive_whole() {
    let ((mut writer, _reader), mut peer) = pipe_and_peer(1 << 20).await;
    let sent: Bytes = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    let mut pieces = [sent.slice(..1), Bytes::new(), sent.slice(1..1_400), sent.slice(1_400..)];
    writer.write_chunks(&mut pieces).await.unwrap();
    writer.write_chunks(&mut [Bytes::new(), Bytes::new()]).await.unwrap();
    writer.write_chunks(&mut [Bytes::from_static(b"last")]).await.unwrap();
    assert!(pieces.iter().all(Bytes::is_empty));
    let mut messages = Vec::new();
    for _ in 0..3 {
        let message = timeout(SOON, peer.next()).await.unwrap().unwrap().unwrap();
        messages.push(message.into_data());
    }
    assert_eq!(messages[0], sent[..MAX_MESSAGE]);
    assert_eq!(messages[1], sent[MAX_MESSAGE..]);
    assert_eq!(messages[2], "last", "nothing at all is no message, which would be the end");
}

#[tokio::test]
async fn one_direction_goes_on_after_the_other_has_ended() {
    let ((mut a_writer, mut a_reader), (mut b_writer, mut b_reader)) = pipes().await;
    a_writer.write_all(b"question").await.unwrap();
    a_writer.shutdown().await.unwrap();
    let mut question = String::new();
    b_reader.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    b_writer.write_all(b"answer").await.unwrap();
    b_writer.shutdown().await.unwrap();
    let mut answer = String::new();
    a_reader.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
}

#[tokio::test]
async fn a_pipe_that_is_dropped_is_never_taken_for_one_that_ended() {
    let ((mut writer, reader), (_b_writer, mut b_reader)) = pipes().await;
    writer.write_all(b"half").await.unwrap();
    writer.flush().await.unwrap();
    assert_eq!(b_reader.read_chunk(100).await.unwrap().unwrap(), "half");
    drop((writer, reader));
    let error = timeout(SOON, b_reader.read_chunk(100)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert!(b_reader.read_chunk(100).await.is_err(), "an end after an abort");
}

#[tokio::test]
async fn one_direction_that_is_given_up_is_an_abort_although_the_other_lives() {
    let ((mut writer, _reader), (_b_writer, mut b_reader)) = pipes().await;
    writer.write_all(b"half").await.unwrap();
    writer.abort();
    assert_eq!(b_reader.read_chunk(100).await.unwrap().unwrap(), "half");
    assert!(timeout(SOON, b_reader.read_chunk(100)).await.unwrap().is_err());
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_is_not_believed() {
    let close_early = Message::Close(None);
    for bad in [Message::text("hello"), close_early] {
        let ((_writer, mut reader), mut peer) = pipe_and_peer(64 * 1024).await;
        peer.send(Message::binary(&b"bytes"[..])).await.unwrap();
        peer.send(bad.clone()).await.unwrap();
        assert_eq!(reader.read_chunk(100).await.unwrap().unwrap(), "bytes");
        assert!(timeout(SOON, reader.read_chunk(100)).await.unwrap().is_err(), "{bad:?}");
        assert!(reader.read_chunk(100).await.is_err(), "went on after {bad:?}");
    }
}

#[tokio::test]
async fn a_message_without_bounds_gets_no_memory() {
    let ((_writer, mut reader), mut peer) = pipe_and_peer(1 << 20).await;
    peer.send(Message::binary(vec![0; MAX_MESSAGE + 1])).await.unwrap();
    assert!(timeout(SOON, reader.read_chunk(100)).await.unwrap().is_err());
}

#[tokio::test]
async fn a_reader_that_stops_holds_the_writer_up() {
    let ((mut writer, _reader), _peer) = pipe_and_peer(64 * 1024).await;
    let flood = Bytes::from(vec![0; 8 << 20]);
    let mut write = std::pin::pin!(writer.write_chunk(flood));
    for _ in 0..1000 {
        tokio::select! {
            biased;
            _ = &mut write => panic!("8 MiB went into a wire of 64 KiB"),
            () = tokio::task::yield_now() => {}
        }
    }
}

#[tokio::test]
async fn pings_pass_unnoticed() {
    let ((_writer, mut reader), mut peer) = pipe_and_peer(64 * 1024).await;
    peer.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
    peer.send(Message::binary(&b"yes"[..])).await.unwrap();
    assert_eq!(reader.read_chunk(100).await.unwrap().unwrap(), "yes");
    let answer = timeout(SOON, async { peer.next().await }).await.unwrap().unwrap().unwrap();
    assert_eq!(answer, Message::Pong(Bytes::from_static(b"there?")));
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_given_up() {
    let (left, right) = duplex(64 * 1024);
    let every = Duration::from_millis(100);
    let keep_alive = KeepAlive { every, dead_after: 2 * every };
    let (_, _writer, mut reader) =
        websocket::pipe(socket(left, Role::Client).await, Some(keep_alive));
    // Nobody reads there, so nobody answers.
    let error = timeout(SOON, reader.read_chunk(100)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    drop(right);
}

#[tokio::test]
async fn a_peer_that_answers_pings_is_kept_although_it_says_nothing() {
    let (left, right) = duplex(64 * 1024);
    let every = Duration::from_millis(50);
    let keep_alive = KeepAlive { every, dead_after: 2 * every };
    let (_, _writer, mut reader) =
        websocket::pipe(socket(left, Role::Client).await, Some(keep_alive));
    let (_theirs, mut answers) = pipe(socket(right, Role::Server).await);
    let quiet = async { tokio::join!(reader.read_chunk(100), answers.read_chunk(100)) };
    assert!(timeout(20 * every, quiet).await.is_err(), "it was given up");
}

#[tokio::test]
async fn a_peer_that_vanished_is_given_up_when_it_was_promised_and_no_later() {
    let (every, dead_after) = (Duration::from_millis(700), Duration::from_millis(1_400));
    let mut silences = JoinSet::new();
    for _ in 0..8 {
        silences.spawn(async move {
            let (left, _right) = duplex(64 * 1024);
            let keep_alive = KeepAlive { every, dead_after };
            let socket = socket(left, Role::Client).await;
            let (_, _writer, mut reader) = websocket::pipe(socket, Some(keep_alive));
            let began = Instant::now();
            reader.read_chunk(100).await.unwrap_err();
            began.elapsed()
        });
    }
    for took in silences.join_all().await {
        assert!(took >= dead_after && took < dead_after + every, "{took:?}");
    }
}

#[tokio::test]
async fn a_ping_that_finds_no_room_leaves_the_writer_in_the_other_task_its_wake_up() {
    let (left, right) = duplex(1024);
    let every = Duration::from_millis(100);
    let keep_alive = KeepAlive { every, dead_after: 2 * SOON };
    let (_, mut writer, mut reader) =
        websocket::pipe(socket(left, Role::Client).await, Some(keep_alive));
    let reading = tokio::spawn(async move { reader.read_chunk(100).await });
    let sent = Bytes::from(vec![7; 32 * 1024]);
    let chunk = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_chunk(chunk).await.unwrap();
        writer
    });
    // The wire is full, and pings are due meanwhile.
    sleep(4 * every).await;
    let (_theirs, mut arrived) = pipe(socket(right, Role::Server).await);
    let mut received = vec![0; sent.len()];
    timeout(SOON, arrived.read_exact(&mut received)).await.expect("nobody writes").unwrap();
    assert!(received == sent);
    let writer = timeout(SOON, writing).await.expect("nobody woke the writer").unwrap();
    reading.abort();
    drop(writer);
}

#[tokio::test]
async fn a_writer_without_room_learns_that_its_peer_has_vanished() {
    let (left, _right) = duplex(1024);
    let every = Duration::from_millis(100);
    let keep_alive = KeepAlive { every, dead_after: 2 * every };
    let (_, mut writer, mut reader) =
        websocket::pipe(socket(left, Role::Client).await, Some(keep_alive));
    let writing = tokio::spawn(async move { writer.write_chunk(vec![7; 32 * 1024].into()).await });
    reader.read_chunk(100).await.unwrap_err();
    timeout(SOON, writing).await.expect("nobody woke the writer").unwrap().unwrap_err();
}

#[tokio::test]
async fn what_was_said_last_arrives_although_something_was_left_unread() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (mut a, b) = (dialled.unwrap(), accepted.unwrap().0);
    let b: Box<dyn Connection> = Box::new(b);
    let b = WebSocketStream::from_raw_socket(b, Role::Server, Some(websocket::config())).await;
    let (mut writer, reader) = pipe(b);
    // Never read by the other end: closing with it unread would be a reset, which can overtake.
    a.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
    writer.write_all(b"the last word").await.unwrap();
    writer.shutdown().await.unwrap();
    drop((writer, reader));
    let mut heard = Vec::new();
    timeout(SOON, a.read_to_end(&mut heard)).await.unwrap().unwrap();
    assert!(heard.windows(13).any(|window| window == b"the last word"));
}
