//! The node of this machine, by its socket: when it is believed to be there.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{path::PathBuf, time::Duration};

use gantline_client::{Client, Device, PathError, RequestError, connection::Request};
use gantline_crypto::StaticKey;
use getrandom::{SysRng, rand_core::UnwrapErr};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    time::{Instant, sleep},
};

/// For longer than a client waits without asking whether anybody is there.
const LONG: Duration = Duration::from_secs(6);

/// A socket at which questions wait for so long, and whether it is alive is answered at once, or never.
fn node(alive: bool) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("node.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, alive));
        }
    });
    (dir, socket)
}

async fn answer(stream: UnixStream, alive: bool) {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while stream.read_line(&mut request).await.unwrap() > 2 {}
    match (request.starts_with("GET /v1/machine "), alive) {
        (true, true) => {}
        (true, false) => std::future::pending().await,
        (false, true) => sleep(LONG).await,
        (false, false) => sleep(LONG * 10).await,
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let _ = stream.write_all(answer).await;
}

fn client() -> Client {
    let key = StaticKey::generate(&mut UnwrapErr(SysRng));
    Client::new(Device { key, name: "laptop".parse().unwrap() })
}

#[tokio::test]
async fn a_node_that_takes_its_time_for_an_answer_is_waited_for() {
    let (_dir, socket) = node(true);
    let here = client().local(&socket).await.unwrap();
    let began = Instant::now();
    let answer = here.request(Request::get("/v1/slow")).await.unwrap();
    assert!(began.elapsed() >= LONG);
    assert_eq!(&*answer.whole(16).await.unwrap(), b"{}");
}

#[tokio::test]
async fn a_node_that_hangs_is_given_up() {
    let (_dir, socket) = node(false);
    let here = client().local(&socket).await.unwrap();
    let error = here.request(Request::get("/v1/slow")).await.unwrap_err();
    assert!(matches!(error, RequestError::Path(PathError::Slow(_))), "{error}");
}

#[tokio::test]
async fn a_node_that_has_hung_up_before_the_first_question_is_asked_anew() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("node.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let here = client().local(&socket).await.unwrap();
    // As a node does that is closed and started again, or tired of waiting.
    drop(listener.accept().await.unwrap());
    let answering = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        answer(stream, true).await;
    });
    let answer = here.request(Request::get("/v1/machine")).await.unwrap();
    assert_eq!(&*answer.whole(16).await.unwrap(), b"{}");
    answering.await.unwrap();
}
