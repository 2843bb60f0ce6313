//! Sessions at work: two ends on a pipe, many streams, and every way in which it can end.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use gantline_client::session::{
    Arrival, Arrivals, OpenFailed, Receiving, Sending, Session, SessionEnd, StreamEnd, drive,
};
use gantline_crypto::{
    Psk, StaticKey,
    session::{DeviceHandshake, NodeHandshake, SessionError},
};
use gantline_protocol::session::{CloseCode, GoAwayCode, Head, Open, Preface, ResetCode};
use gantline_transport::websocket::{self, Connection};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

/// Longer than anything here takes, shorter than a person's patience.
const SOON: Duration = Duration::from_secs(20);

struct Ends {
    device: Session,
    node: Session,
    arrivals: Arrivals,
}

/// Two ends of a session, on a pipe that holds 64 KiB under way. `wire` may be cut.
async fn session() -> Ends {
    let (left, right) = duplex(64 * 1024);
    session_over(left, right).await
}

async fn session_over(left: DuplexStream, right: DuplexStream) -> Ends {
    let rng = &mut UnwrapErr(SysRng);
    let (device_key, node_key) = (StaticKey::generate(rng), StaticKey::generate(rng));
    let psk = Psk::generate(rng);
    let config = Some(websocket::config());
    let (left, right): (Box<dyn Connection>, Box<dyn Connection>) =
        (Box::new(left), Box::new(right));
    let left = WebSocketStream::from_raw_socket(left, Role::Client, config).await;
    let right = WebSocketStream::from_raw_socket(right, Role::Server, config).await;
    let (_, mut device_writer, mut device_reader) = websocket::pipe(left, None);
    let (_, mut node_writer, mut node_reader) = websocket::pipe(right, None);

    let (handshake, hello) =
        DeviceHandshake::start(&device_key, node_key.public(), &psk, rng).unwrap();
    device_writer.write_all(&hello).await.unwrap();
    device_writer.flush().await.unwrap();
    let mut start = [0; Preface::SIZE + 96];
    node_reader.read_exact(&mut start).await.unwrap();
    let s1 = start[Preface::SIZE..].try_into().unwrap();
    let (core, s2) =
        NodeHandshake::read(&node_key, s1, rng).unwrap().accept(&psk, Instant::now()).unwrap();
    node_writer.write_all(&s2).await.unwrap();
    node_writer.flush().await.unwrap();
    let (node, mut arrivals) = drive(core, node_reader, node_writer, BytesMut::new());

    let mut s2 = [0; 48];
    device_reader.read_exact(&mut s2).await.unwrap();
    let core = handshake.finish(&s2, Instant::now()).unwrap();
    let (device, _) = drive(core, device_reader, device_writer, BytesMut::new());
    assert!(matches!(arrivals.next().await, Some(Arrival::Hello)));
    Ends { device, node, arrivals }
}

fn get(path: &str) -> Open {
    Open { method: "GET".to_owned(), path: path.to_owned(), headers: Vec::new() }
}

fn ok() -> Head {
    Head { status: 200, headers: Vec::new() }
}

async fn next_stream(arrivals: &mut Arrivals) -> (Open, Sending, Receiving) {
    match timeout(SOON, arrivals.next()).await.expect("nothing arrived") {
        Some(Arrival::Stream { open, sending, receiving }) => (open, sending, receiving),
        other => panic!("{other:?} arrived instead of a stream"),
    }
}

async fn all(receiving: &mut Receiving) -> Result<Vec<u8>, StreamEnd> {
    let mut bytes = Vec::new();
    while let Some(chunk) = timeout(SOON, receiving.chunk()).await.expect("nothing arrived")? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn numbered(stream: usize, length: usize) -> Bytes {
    (0..length).map(|at| (at * 31 + stream * 7 + at / 251) as u8).collect()
}

#[tokio::test]
async fn sixteen_long_answers_arrive_whole_although_each_is_far_longer_than_its_credit() {
    const LENGTH: usize = 3_000_001;
    let Ends { device, mut arrivals, .. } = session().await;
    tokio::spawn(async move {
        while let Some(Arrival::Stream { open, mut sending, .. }) = arrivals.next().await {
            tokio::spawn(async move {
                let stream = open.path[1..].parse().unwrap();
                sending.answer(ok()).unwrap();
                sending.write(numbered(stream, LENGTH)).await.unwrap();
                sending.finish().unwrap();
            });
        }
    });
    let mut answers = Vec::new();
    for stream in 0..16 {
        let (sending, mut receiving) = device.open(get(&format!("/{stream}"))).unwrap();
        sending.finish().unwrap();
        answers.push(tokio::spawn(async move {
            assert_eq!(receiving.head().await.unwrap().status, 200);
            assert_eq!(all(&mut receiving).await.unwrap(), numbered(stream, LENGTH));
        }));
    }
    for answer in answers {
        answer.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_holds_up_nobody_else() {
    let Ends { device, mut arrivals, .. } = session().await;
    let (_stalled, mut unread) = device.open(get("/stalled")).unwrap();
    let (_, mut flood, _) = next_stream(&mut arrivals).await;
    flood.answer(ok()).unwrap();
    let flooding = tokio::spawn(async move {
        let result = flood.write(numbered(0, 10 << 20)).await;
        (flood, result)
    });
    assert_eq!(unread.head().await.unwrap().status, 200);

    let (sending, mut quick) = device.open(get("/quick")).unwrap();
    sending.finish().unwrap();
    let (_, mut answer, _) = next_stream(&mut arrivals).await;
    answer.answer(ok()).unwrap();
    answer.write(Bytes::from_static(b"here")).await.unwrap();
    answer.finish().unwrap();
    assert_eq!(all(&mut quick).await.unwrap(), b"here");
    assert!(!flooding.is_finished(), "10 MiB went into a window of 256 KiB");

    drop(unread);
    let (flood, result) = timeout(SOON, flooding).await.unwrap().unwrap();
    assert_eq!(result, Err(StreamEnd::Reset(ResetCode::Cancelled)));
    drop(flood);
}

#[tokio::test]
async fn whoever_answers_learns_that_nobody_waits_any_more() {
    let Ends { device, mut arrivals, .. } = session().await;
    let (sending, mut receiving) = device.open(get("/follow")).unwrap();
    sending.finish().unwrap();
    let (_, mut answer, _) = next_stream(&mut arrivals).await;
    answer.answer(ok()).unwrap();
    receiving.head().await.unwrap();
    drop(receiving);
    let end = timeout(SOON, answer.abandoned()).await.expect("nobody was told");
    assert_eq!(end, StreamEnd::Reset(ResetCode::Cancelled));
    drop(answer);
    assert_eq!(device.open_streams(), 0, "a stream that nobody holds is still kept");
}

#[tokio::test]
async fn streams_that_are_over_make_room_for_others() {
    let Ends { device, mut arrivals, .. } = session().await;
    tokio::spawn(async move {
        while let Some(Arrival::Stream { mut sending, .. }) = arrivals.next().await {
            sending.answer(ok()).unwrap();
            sending.finish().unwrap();
        }
    });
    for _ in 0..1000 {
        let (mut sending, mut receiving) = device.open(get("/")).unwrap();
        sending.write(Bytes::from_static(b"a body that nobody reads")).await.unwrap();
        sending.finish().unwrap();
        receiving.head().await.unwrap();
        assert_eq!(all(&mut receiving).await.unwrap(), b"");
    }
    assert_eq!(device.open_streams(), 0);
}

#[tokio::test]
async fn too_many_requests_at_once_are_an_error_and_not_the_end() {
    let Ends { device, mut arrivals, .. } = session().await;
    let mut held: Vec<_> = (0..128).map(|_| device.open(get("/")).unwrap()).collect();
    assert!(matches!(device.open(get("/")), Err(OpenFailed::TooMany)));
    let (sending, mut receiving) = held.remove(0);
    sending.finish().unwrap();
    let (_, mut answer, _) = next_stream(&mut arrivals).await;
    answer.answer(ok()).unwrap();
    answer.finish().unwrap();
    receiving.head().await.unwrap();
    assert_eq!(all(&mut receiving).await.unwrap(), b"");
    assert!(device.open(get("/")).is_ok());
}

#[tokio::test]
async fn a_cut_is_never_taken_for_the_end() {
    let (left, inner_left) = duplex(1024);
    let (inner_right, right) = duplex(1024);
    let cut = tokio::spawn(async move {
        let (mut a, mut b) = (inner_left, inner_right);
        tokio::io::copy_bidirectional(&mut a, &mut b).await
    });
    let Ends { device, node, mut arrivals } = session_over(left, right).await;
    let (sending, mut receiving) = device.open(get("/")).unwrap();
    sending.finish().unwrap();
    let (_, mut answer, _) = next_stream(&mut arrivals).await;
    answer.answer(ok()).unwrap();
    answer.write(Bytes::from_static(b"half of it")).await.unwrap();
    receiving.head().await.unwrap();
    assert_eq!(receiving.chunk().await.unwrap().unwrap(), "half of it");
    cut.abort();
    let end = SessionEnd::Failed(SessionError::Truncated);
    assert_eq!(all(&mut receiving).await, Err(StreamEnd::SessionOver(end.clone())));
    assert_eq!(timeout(SOON, device.ended()).await.unwrap(), end);
    assert_eq!(timeout(SOON, node.ended()).await.unwrap(), end);
    assert!(timeout(SOON, arrivals.next()).await.unwrap().is_none());
    assert!(matches!(device.open(get("/")), Err(OpenFailed::Over(_))));
    timeout(SOON, device.finished()).await.unwrap();
}

#[tokio::test]
async fn a_removed_device_is_told_so_in_the_middle_of_an_answer() {
    let Ends { device, node, mut arrivals } = session().await;
    let (_sending, mut receiving) = device.open(get("/")).unwrap();
    let (_, mut answer, _) = next_stream(&mut arrivals).await;
    answer.answer(ok()).unwrap();
    receiving.head().await.unwrap();
    node.close(CloseCode::Revoked, "");
    let end = SessionEnd::ByPeer { code: CloseCode::Revoked, reason: String::new() };
    assert_eq!(all(&mut receiving).await, Err(StreamEnd::SessionOver(end.clone())));
    assert_eq!(device.ended().await, end);
    timeout(SOON, node.finished()).await.unwrap();
    timeout(SOON, device.finished()).await.expect("a pipe is kept for a session that is over");
    assert!(matches!(answer.write(Bytes::from_static(b"x")).await, Err(StreamEnd::SessionOver(_))));
}

#[tokio::test]
async fn a_node_that_stops_finishes_what_it_began_and_takes_nothing_new() {
    let Ends { device, node, mut arrivals } = session().await;
    let (sending, mut receiving) = device.open(get("/")).unwrap();
    sending.finish().unwrap();
    let (_, mut answer, _) = next_stream(&mut arrivals).await;
    node.go_away(GoAwayCode::Shutdown);
    answer.answer(ok()).unwrap();
    answer.write(Bytes::from_static(b"all of it")).await.unwrap();
    answer.finish().unwrap();
    receiving.head().await.unwrap();
    assert_eq!(all(&mut receiving).await.unwrap(), b"all of it");
    assert!(!device.takes_streams());
    assert!(matches!(device.open(get("/")), Err(OpenFailed::GoingAway)));
}

#[tokio::test]
async fn the_round_trip_is_measured() {
    let Ends { device, node: _node, arrivals: _arrivals } = session().await;
    let mut round_trip = device.round_trip();
    device.ping();
    let measured = timeout(SOON, round_trip.wait_for(Option::is_some)).await.unwrap().unwrap();
    assert!(measured.unwrap() < SOON);
}

#[tokio::test]
async fn a_peer_that_reads_nothing_can_not_keep_a_closed_session_alive() {
    let (left, inner) = duplex(1024);
    let (mut inner_right, right) = duplex(1024);
    let (stop_reading, stopped) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut inner = inner;
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut inner, &mut inner_right) => {}
            _ = stopped => std::future::pending().await,
        }
    });
    let Ends { device, node: _node, arrivals: _arrivals } = session_over(left, right).await;
    let (mut sending, _receiving) = device.open(get("/")).unwrap();
    stop_reading.send(()).unwrap();
    sending.write(numbered(0, 200_000)).await.unwrap();
    for _ in 0..100 {
        // The writing task comes to the point where the pipe is full.
        tokio::task::yield_now().await;
    }
    device.close(CloseCode::Done, "");
    timeout(SOON, device.finished()).await.expect("the session waits for ever");
}

#[tokio::test]
async fn a_flood_of_streams_that_are_reset_at_once_leaves_nothing_behind() {
    let Ends { device, node, mut arrivals } = session().await;
    for _ in 0..2000 {
        drop(device.open(get("/flood")).unwrap());
        tokio::task::yield_now().await;
    }
    let (sending, _receiving) = device.open(get("/last")).unwrap();
    sending.finish().unwrap();
    let (open, _sending, _receiving) = loop {
        let (open, sending, receiving) = next_stream(&mut arrivals).await;
        if open.path == "/last" {
            break (open, sending, receiving);
        }
    };
    assert_eq!(open.path, "/last");
    assert!(node.open_streams() <= 2, "{} streams are kept", node.open_streams());
}

#[tokio::test]
async fn whoever_serves_nothing_refuses_what_it_is_asked() {
    let Ends { device: _device, node, arrivals: _arrivals } = session().await;
    let (_sending, mut receiving) = node.open(get("/")).unwrap();
    let answer = timeout(SOON, receiving.head()).await.expect("nobody answers");
    assert_eq!(answer, Err(StreamEnd::Reset(ResetCode::Refused)));
}

#[tokio::test]
async fn an_answer_that_can_not_come_any_more_is_not_waited_for() {
    let Ends { device, node: _node, arrivals: _arrivals } = session().await;
    let (sending, mut receiving) = device.open(get("/")).unwrap();
    drop(sending);
    let answer = timeout(SOON, receiving.head()).await.expect("it waits for ever");
    assert_eq!(answer, Err(StreamEnd::Reset(ResetCode::Cancelled)));
}
