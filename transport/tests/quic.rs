//! Links over QUIC, on real sockets on loopback, with a real relay process that is really killed.

#![allow(missing_docs, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use gantline_protocol::{RelayAddress, SpkiPin};
use gantline_transport::{
    DialError, Identity, Link, LinkEnd, PipeReader, PipeWriter, QuicDialer, QuicLink, QuicListener,
    quic::{ResetKey, Timing},
};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// Longer than anything here takes, shorter than a person's patience.
const SOON: Duration = Duration::from_secs(10);

fn identity() -> Identity {
    let (chain, key) = Identity::self_signed(&["localhost".into()]).unwrap();
    Identity::from_pem(&chain, &key).unwrap()
}

fn reset_key() -> ResetKey {
    ResetKey::from_bytes([7; 32])
}

fn anywhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn address(port: u16, pin: Option<SpkiPin>) -> RelayAddress {
    RelayAddress { host: "localhost".parse().unwrap(), port: NonZeroU16::new(port).unwrap(), pin }
}

struct Relay {
    listener: QuicListener,
    address: RelayAddress,
}

impl Relay {
    fn start() -> Self {
        let identity = identity();
        let listener =
            QuicListener::bind(anywhere(), &identity, &reset_key(), Timing::default()).unwrap();
        let port = listener.local_address().unwrap().port();
        Self { listener, address: address(port, Some(identity.pin())) }
    }

    async fn accept(&self) -> QuicLink {
        self.listener.accept().await.unwrap().accept().await.unwrap()
    }
}

fn dialer() -> QuicDialer {
    QuicDialer::new(Timing::default()).unwrap()
}

/// Both ends of a link.
async fn link() -> (Relay, QuicDialer, QuicLink, QuicLink) {
    let (relay, dialer) = (Relay::start(), dialer());
    let (ours, theirs) = tokio::join!(dialer.dial(&relay.address), relay.accept());
    (relay, dialer, ours.unwrap(), theirs)
}

#[tokio::test]
async fn a_pipe_carries_both_directions_and_ends_each_by_itself() {
    let (_relay, _dialer, node, relay) = link().await;
    let (mut ask, mut answer) = node.open_pipe().await.unwrap();
    ask.write_all(b"question").await.unwrap();
    ask.shutdown().await.unwrap();
    let (mut reply, mut asked) = relay.accept_pipe().await.unwrap();
    let mut question = Vec::new();
    asked.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"question");
    reply.write_chunk(Bytes::from_static(b"answer")).await.unwrap();
    assert_eq!(answer.read_chunk(100).await.unwrap().unwrap(), "answer");
    reply.shutdown().await.unwrap();
    assert_eq!(answer.read_chunk(100).await.unwrap(), None);
}

#[tokio::test]
async fn a_pipe_that_is_given_up_is_never_taken_for_its_end() {
    let (_relay, _dialer, node, relay) = link().await;
    for abort in [true, false] {
        let (mut writer, _reader) = node.open_pipe().await.unwrap();
        writer.write_all(b"half").await.unwrap();
        let (_, mut reader) = relay.accept_pipe().await.unwrap();
        assert_eq!(reader.read_chunk(100).await.unwrap().unwrap(), "half");
        if abort {
            writer.abort();
        }
        drop(writer);
        let error = reader.read_chunk(100).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn pieces_arrive_whole_and_in_order_however_many_are_taken_at_once() {
    let (_relay, _dialer, node, relay) = link().await;
    let sent: Bytes = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    for most in [1, 3, 16, 64] {
        let (mut writer, _reader) = node.open_pipe().await.unwrap();
        let bytes = sent.clone();
        let writing = tokio::spawn(async move {
            for part in 0..10 {
                let part = bytes.slice(part * 100_000..(part + 1) * 100_000);
                let mut pieces = [part.slice(..1), Bytes::new(), part.slice(1..7), part.slice(7..)];
                writer.write_chunks(&mut pieces).await.unwrap();
            }
            writer.shutdown().await.unwrap();
        });
        let (_, mut reader) = relay.accept_pipe().await.unwrap();
        let mut received = Vec::new();
        let mut pieces = vec![Bytes::new(); most];
        while let Some(read) = reader.read_chunks(&mut pieces).await.unwrap() {
            assert!((1..=most).contains(&read));
            received.extend(pieces.drain(..read).flatten());
            pieces.resize(most, Bytes::new());
        }
        writing.await.unwrap();
        assert!(received == sent, "with {most} pieces at once");
    }
}

#[tokio::test]
async fn what_came_before_an_abort_is_taken_and_then_the_abort_is_seen() {
    let (_relay, _dialer, node, relay) = link().await;
    let (mut writer, _reader) = node.open_pipe().await.unwrap();
    writer.write_chunks(&mut [Bytes::from_static(b"half")]).await.unwrap();
    let (_, mut reader) = relay.accept_pipe().await.unwrap();
    let mut pieces = [const { Bytes::new() }; 4];
    assert_eq!(reader.read_chunks(&mut pieces).await.unwrap(), Some(1));
    assert_eq!(pieces[0], "half");
    writer.abort();
    let error = reader.read_chunks(&mut pieces).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reader_that_gives_up_stops_the_writer() {
    let (_relay, _dialer, node, relay) = link().await;
    let (mut writer, _reader) = node.open_pipe().await.unwrap();
    writer.write_all(b"first").await.unwrap();
    let (_, mut reader) = relay.accept_pipe().await.unwrap();
    reader.stop();
    let error = loop {
        if let Err(error) = writer.write_chunk(Bytes::from(vec![0; 100_000])).await {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn only_the_pinned_key_is_believed() {
    let relay = Relay::start();
    let wrong = RelayAddress { pin: Some(identity().pin()), ..relay.address.clone() };
    let dialer = dialer();
    let (dialled, _) = tokio::join!(dialer.dial(&wrong), async {
        relay.listener.accept().await.unwrap().accept().await.unwrap_err()
    });
    let error = dialled.unwrap_err();
    assert!(matches!(error, DialError::WrongRelay { .. }), "{error}");
    assert!(error.to_string().contains(&wrong.to_string()), "{error}");
}

#[tokio::test]
async fn without_a_pin_a_self_signed_relay_is_not_believed() {
    let relay = Relay::start();
    let unpinned = RelayAddress { pin: None, ..relay.address.clone() };
    let dialer = dialer();
    let dialled = tokio::select! {
        dialled = dialer.dial(&unpinned) => dialled,
        () = async { loop { drop(relay.listener.accept().await.unwrap().accept().await); } } => panic!(),
    };
    // A system without any certificates can't even begin.
    let error = dialled.unwrap_err();
    assert!(matches!(error, DialError::WrongRelay { .. } | DialError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn both_ends_of_a_link_share_32_bytes_that_no_other_link_has() {
    let (_r1, _d1, node, relay) = link().await;
    let (_r2, _d2, other, _) = link().await;
    let bytes = node.login_exporter().unwrap();
    assert_eq!(bytes, relay.login_exporter().unwrap());
    assert_ne!(bytes, other.login_exporter().unwrap());
}

#[tokio::test]
async fn a_relay_that_refuses_says_so_before_any_handshake() {
    let relay = Relay::start();
    let dialer = dialer();
    let refuse = async {
        loop {
            relay.listener.accept().await.unwrap().refuse();
        }
    };
    let dialled = tokio::select! {
        dialled = dialer.dial(&relay.address) => dialled,
        () = refuse => panic!(),
    };
    let error = dialled.unwrap_err();
    assert!(matches!(error, DialError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn a_relay_can_make_sure_of_an_address_before_it_does_any_work() {
    let relay = Relay::start();
    let dialer = dialer();
    let validated = async {
        let first = relay.listener.accept().await.unwrap();
        assert!(!first.is_validated());
        first.validate();
        let second = relay.listener.accept().await.unwrap();
        assert!(second.is_validated());
        second.accept().await.unwrap()
    };
    let (dialled, _) = tokio::join!(dialer.dial(&relay.address), validated);
    dialled.unwrap();
}

#[tokio::test]
async fn whoever_closes_a_link_tells_why() {
    let (_relay, _dialer, node, relay) = link().await;
    relay.close(42, "drained");
    let end = timeout(SOON, node.ended()).await.unwrap();
    assert_eq!(end, LinkEnd::ClosedByPeer { code: 42, reason: "drained".into() });
    assert_eq!(relay.ended().await, LinkEnd::ClosedHere);
    assert_eq!(node.open_pipe().await.unwrap_err(), end);
}

#[tokio::test]
async fn a_change_of_network_in_mid_flood_loses_and_doubles_nothing() {
    let (_relay, dialer, node, relay) = link().await;
    let (mut writer, _reader) = node.open_pipe().await.unwrap();
    let before = relay.remote();
    let total = 20_000_000usize;
    let send = async {
        let mut sent = Sha256::new();
        let mut written = 0;
        let mut moved = false;
        while written < total {
            let chunk = Bytes::from(vec![(written / 1000) as u8; 50_000]);
            sent.update(&chunk);
            written += chunk.len();
            writer.write_chunk(chunk).await.unwrap();
            if written > total / 2 && !moved {
                moved = true;
                dialer.rebind().unwrap();
            }
        }
        writer.shutdown().await.unwrap();
        sent.finalize()
    };
    let receive = async {
        let (_, mut reader) = relay.accept_pipe().await.unwrap();
        let mut received = Sha256::new();
        while let Some(chunk) = reader.read_chunk(100_000).await.unwrap() {
            received.update(&chunk);
        }
        received.finalize()
    };
    let (sent, received) =
        timeout(3 * SOON, async { tokio::join!(send, receive) }).await.expect("the link is stuck");
    assert_eq!(sent, received);
    assert_ne!(relay.remote(), before, "it did not move");
}

/// A relay in a process of its own: it takes links until it is killed.
struct RelayProcess {
    child: Child,
    port: u16,
}

const AS_PROCESS: &str = "GANTLINE_TEST_RELAY";

impl RelayProcess {
    /// On the same port as before, with the same identity and reset key.
    fn start(chain_and_key: &(String, String), port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["relay_process", "--exact", "--nocapture"])
            .env(AS_PROCESS, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        write!(stdin, "{}\0{}\0", chain_and_key.0, chain_and_key.1).unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let port = stdout
            .lines()
            .find_map(|line| line.unwrap().rsplit_once("listening on ")?.1.parse().ok())
            .unwrap();
        Self { child, port }
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Not a test by itself: the body of [`RelayProcess`].
#[tokio::test]
async fn relay_process() {
    let Ok(port) = std::env::var(AS_PROCESS) else { return };
    let mut stdin = BufReader::new(io::stdin());
    let mut text = || {
        let mut bytes = Vec::new();
        stdin.read_until(0, &mut bytes).unwrap();
        bytes.pop();
        String::from_utf8(bytes).unwrap()
    };
    let identity = Identity::from_pem(&text(), &text()).unwrap();
    let address = (Ipv4Addr::LOCALHOST, port.parse().unwrap()).into();
    let listener = QuicListener::bind(address, &identity, &reset_key(), Timing::default()).unwrap();
    println!("listening on {}", listener.local_address().unwrap().port());
    loop {
        let link = listener.accept().await.unwrap().accept().await.unwrap();
        tokio::spawn(async move { link.ended().await });
    }
}

fn stored_identity() -> ((String, String), SpkiPin) {
    let (chain, key) = Identity::self_signed(&["localhost".into()]).unwrap();
    let pin = Identity::from_pem(&chain, &key).unwrap().pin();
    ((chain, key.to_string()), pin)
}

#[tokio::test]
async fn a_relay_that_was_killed_and_is_back_ends_its_old_links_at_their_next_packet() {
    let (stored, pin) = stored_identity();
    let relay = RelayProcess::start(&stored, 0);
    let port = relay.port;
    let node = dialer().dial(&address(port, Some(pin))).await.unwrap();
    drop(relay);
    let relay = RelayProcess::start(&stored, port);
    let since = Instant::now();
    // The next packet: the node has something to say.
    let (mut writer, _reader) = node.open_pipe().await.unwrap();
    writer.write_all(b"are you there?").await.unwrap();
    let end = timeout(SOON, node.ended()).await.expect("the link did not notice");
    assert_eq!(end, LinkEnd::Restarted);
    assert!(since.elapsed() < Duration::from_secs(5), "that took a keep-alive");
    dialer().dial(&address(relay.port, Some(pin))).await.unwrap();
}

#[tokio::test]
async fn a_relay_that_falls_silent_is_given_up() {
    let (stored, pin) = stored_identity();
    let relay = RelayProcess::start(&stored, 0);
    let timing =
        Timing { keep_alive: Duration::from_millis(200), dead_after: Duration::from_millis(1000) };
    let dialer = QuicDialer::new(timing).unwrap();
    let node = dialer.dial(&address(relay.port, Some(pin))).await.unwrap();
    // Idle, it stays up by its keep-alives alone.
    assert!(timeout(Duration::from_millis(2500), node.ended()).await.is_err());
    drop(relay);
    assert_eq!(timeout(SOON, node.ended()).await.unwrap(), LinkEnd::Silent);
}

#[tokio::test]
async fn a_name_below_localhost_is_this_machine() {
    let relay = Relay::start();
    let named = RelayAddress {
        host: "7ysfeacgl67lygdarvjsj6cdsq.localhost".parse().unwrap(),
        ..relay.address.clone()
    };
    let dialer = dialer();
    let (dialled, _) = tokio::join!(dialer.dial(&named), relay.accept());
    dialled.unwrap();
}

#[tokio::test]
async fn a_relay_that_is_not_there_is_named_in_the_error() {
    let nowhere = RelayAddress { host: "127.0.0.1".parse().unwrap(), ..address(9, None) };
    let nobody = std::net::UdpSocket::bind(anywhere()).unwrap();
    let silent = RelayAddress {
        port: NonZeroU16::new(nobody.local_addr().unwrap().port()).unwrap(),
        pin: Some(SpkiPin([0; 32])),
        ..nowhere
    };
    let error = dialer().dial(&silent).await.unwrap_err();
    assert!(matches!(error, DialError::Silent { .. }), "{error}");
    assert!(error.to_string().contains(&silent.to_string()), "{error}");
}
