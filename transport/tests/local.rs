//! Unix sockets, with a real socket and two threads.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    io::{IoSlice, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use gantline_transport::LocalStream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::spawn_blocking,
};

/// More than a socket has room for.
const MUCH: usize = 8 << 20;

/// A stream, and its other end as the system has it. Needs a Tokio runtime.
fn pair() -> (LocalStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (tokio::net::UnixStream::from_std(ours).unwrap().try_into().unwrap(), theirs)
}

fn numbered(length: usize) -> Vec<u8> {
    (0..length.div_ceil(4)).flat_map(|number| (number as u32).to_le_bytes()).collect()
}

#[tokio::test]
async fn much_more_than_there_is_room_for_arrives_whole_however_slowly_it_is_taken() {
    let (mut ours, mut theirs) = pair();
    let reading = spawn_blocking(move || {
        let mut read = Vec::new();
        let mut piece = vec![0; 50_000];
        loop {
            match theirs.read(&mut piece).unwrap() {
                0 => return read,
                length => read.extend_from_slice(&piece[..length]),
            }
            std::thread::yield_now();
        }
    });
    let sent = numbered(MUCH);
    let (first, rest) = sent.split_at(MUCH / 2);
    ours.write_all(first).await.unwrap();
    let mut written = 0;
    while written < rest.len() {
        let (a, b) = rest[written..].split_at((rest.len() - written) / 3);
        written += ours.write_vectored(&[IoSlice::new(a), IoSlice::new(b)]).await.unwrap();
    }
    ours.shutdown().await.unwrap();
    assert!(reading.await.unwrap() == sent);
}

#[tokio::test]
async fn what_comes_is_read_whole_in_either_way_and_then_its_end() {
    let (mut ours, mut theirs) = pair();
    let writing = spawn_blocking(move || theirs.write_all(&numbered(MUCH)));
    let mut read = Vec::new();
    while read.len() < MUCH / 2 {
        assert_ne!(ours.read_into(&mut read, 10_000).await.unwrap(), 0);
    }
    ours.read_to_end(&mut read).await.unwrap();
    assert!(read == numbered(MUCH));
    assert_eq!(ours.read_into(&mut read, 1).await.unwrap(), 0, "it has ended");
    writing.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_found_no_room_is_told_when_there_is_some() {
    let (ours, mut theirs) = pair();
    let mut sent = 0;
    while let Ok(length) = ours.try_write(&[7; 4096]) {
        sent += length;
    }
    let reading = spawn_blocking(move || {
        let mut piece = vec![0; sent];
        theirs.read_exact(&mut piece).unwrap();
        theirs
    });
    ours.writable().await.unwrap();
    assert!(ours.try_write(&[7]).is_ok());
    reading.await.unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn whoever_typed_and_waits_for_the_echo_is_not_woken_when_keys_are_taken() {
    const KEYS: u64 = 100;
    let switches = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = runtime.block_on(async {
        let (mut ours, mut theirs) = pair();
        for _ in 0..KEYS {
            ours.write_all(b"x").await.unwrap();
        }
        let taking = std::thread::spawn(move || {
            for _ in 0..KEYS {
                theirs.read_exact(&mut [0]).unwrap();
                // Long enough to be asleep again.
                std::thread::park_timeout(Duration::from_millis(1));
            }
            theirs.write_all(b"x").unwrap();
            theirs
        });
        let before = switches();
        ours.read_exact(&mut [0]).await.unwrap();
        taking.join().unwrap();
        before
    });
    let woken = switches() - before;
    assert!(woken < KEYS / 10, "{woken} times");
}
