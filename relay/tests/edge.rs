//! What a browser, and whoever else speaks TCP to the relay's port, gets.

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

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use gantline_protocol::MachineId;
use gantline_relay::{Config, Limits, Relay};
use gantline_transport::{PipeReader, PipeWriter};
use support::{Node, config, key, relay, soon, token};
use tempfile::tempdir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::StatusCode},
};

type Socket = WebSocketStream<TcpStream>;

async fn tcp(relay: &Relay) -> TcpStream {
    TcpStream::connect(relay.local_address()).await.unwrap()
}

/// Sends a request and returns the whole answer.
async fn ask(relay: &Relay, request: &str) -> String {
    let mut stream = tcp(relay).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    read_all(&mut stream).await
}

async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

async fn browser_from(
    relay: &Relay,
    host: &str,
    origin: Option<&str>,
) -> Result<Socket, Box<Error>> {
    let url = format!("ws://{host}/v1/session");
    let mut request = url.into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    let (socket, _) = soon(client_async(request, tcp(relay).await)).await.map_err(Box::new)?;
    Ok(socket)
}

fn host(relay: &Relay, machine: MachineId) -> String {
    format!("{machine}.localhost:{}", relay.local_address().port())
}

async fn browser(relay: &Relay, machine: MachineId) -> Socket {
    let origin = format!("http://localhost:{}", relay.local_address().port());
    browser_from(relay, &host(relay, machine), Some(&origin)).await.unwrap()
}

fn binary(bytes: &'static [u8]) -> Message {
    Message::Binary(Bytes::from_static(bytes))
}

/// The code with which the relay closes, skipping whatever comes before.
async fn close_code(socket: &mut Socket) -> u16 {
    loop {
        match soon(socket.next()).await {
            Some(Ok(Message::Close(frame))) => return frame.unwrap().code.into(),
            Some(Ok(_)) => {}
            other => panic!("{other:?} is no Close"),
        }
    }
}

#[tokio::test]
async fn a_browser_reaches_a_node_and_each_direction_ends_by_itself() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    let mut socket = browser(&relay, node.machine).await;
    socket.send(binary(b"first ")).await.unwrap();
    socket.send(binary(b"second")).await.unwrap();
    socket.send(binary(b"")).await.unwrap();
    let (mut reply, mut asked) = node.accept().await;
    let mut heard = String::new();
    soon(asked.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "first second");
    let large = vec![7; 200_000];
    reply.write_all(&large).await.unwrap();
    reply.shutdown().await.unwrap();
    let mut answer = Vec::new();
    loop {
        let message = soon(socket.next()).await.unwrap().unwrap();
        let Message::Binary(bytes) = message else { panic!("{message:?}") };
        if bytes.is_empty() {
            break;
        }
        assert!(bytes.len() <= 65_536);
        answer.extend_from_slice(&bytes);
    }
    assert!(answer == large);
    assert_eq!(close_code(&mut socket).await, 1000);
}

#[tokio::test]
async fn only_pages_of_the_relay_and_of_the_machine_open_a_session() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    let port = relay.local_address().port();
    let host = host(&relay, node.machine);
    for good in [format!("http://localhost:{port}"), format!("http://{host}")] {
        browser_from(&relay, &host, Some(&good)).await.unwrap();
    }
    let foreign = format!("http://evil.localhost:{port}");
    for bad in
        [None, Some("null"), Some("http://evil.test"), Some("http://localhost"), Some(&*foreign)]
    {
        let error = *browser_from(&relay, &host, bad).await.unwrap_err();
        let Error::Http(response) = error else { panic!("{error}") };
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{bad:?}");
    }
}

#[tokio::test]
async fn a_browser_is_told_that_a_machine_is_away_or_unknown() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let mut socket = browser(&relay, MachineId::from_bytes([0; 16])).await;
    assert_eq!(close_code(&mut socket).await, 4002);
    let node = Node::join(&relay).await;
    let machine = node.machine;
    let code = {
        use gantline_transport::Link;
        node.link.close(0, "");
        loop {
            let mut socket = browser(&relay, machine).await;
            // Until the relay has noticed, the pipe breaks in another way.
            match close_code(&mut socket).await {
                1011 => {}
                code => break code,
            }
        }
    };
    assert_eq!(code, 4001);
}

#[tokio::test]
async fn text_and_oversized_messages_break_the_pipe() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    for (message, code) in
        [(Message::text("hello"), 1003), (Message::Binary(vec![0; 65_537].into()), 1002)]
    {
        let mut socket = browser(&relay, node.machine).await;
        socket.send(binary(b"x")).await.unwrap();
        let (_reply, mut asked) = node.accept().await;
        assert_eq!(soon(asked.read_chunk(9)).await.unwrap().unwrap(), "x");
        socket.send(message).await.unwrap();
        assert_eq!(close_code(&mut socket).await, code);
        soon(asked.read_chunk(9)).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_message_of_the_greatest_size_arrives() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    let mut socket = browser(&relay, node.machine).await;
    socket.send(Message::Binary(vec![5; 65_536].into())).await.unwrap();
    socket.send(binary(b"")).await.unwrap();
    let (_reply, mut asked) = node.accept().await;
    let mut heard = Vec::new();
    soon(asked.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard.len(), 65_536);
}

#[tokio::test]
async fn a_close_before_both_ends_have_ended_is_an_abort() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    // Whether it comes while the browser's direction is open, or after its end.
    for ends_first in [false, true] {
        let mut socket = browser(&relay, node.machine).await;
        socket.send(binary(b"x")).await.unwrap();
        let (mut reply, mut asked) = node.accept().await;
        assert_eq!(soon(asked.read_chunk(9)).await.unwrap().unwrap(), "x");
        if ends_first {
            socket.send(binary(b"")).await.unwrap();
            assert_eq!(soon(asked.read_chunk(9)).await.unwrap(), None);
        }
        socket.close(None).await.unwrap();
        if ends_first {
            let error = soon(async {
                loop {
                    if let Err(error) = reply.write_chunk(Bytes::from_static(b"y")).await {
                        break error;
                    }
                    tokio::task::yield_now().await;
                }
            });
            error.await;
        } else {
            soon(asked.read_chunk(9)).await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn bytes_after_the_end_break_the_pipe() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    let mut socket = browser(&relay, node.machine).await;
    socket.send(binary(b"x")).await.unwrap();
    socket.send(binary(b"")).await.unwrap();
    socket.send(binary(b"more")).await.unwrap();
    assert_eq!(close_code(&mut socket).await, 1002);
}

#[tokio::test]
async fn a_node_that_gives_the_pipe_up_breaks_the_socket() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    let mut socket = browser(&relay, node.machine).await;
    socket.send(binary(b"x")).await.unwrap();
    let (mut reply, _asked) = node.accept().await;
    reply.abort();
    assert_eq!(close_code(&mut socket).await, 1011);
}

#[tokio::test]
async fn a_node_that_reads_nothing_stops_the_browser_and_not_the_relay() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let node = Node::join(&relay).await;
    let mut socket = browser(&relay, node.machine).await;
    let mut sent = 0;
    let chunk = Bytes::from(vec![1; 65_536]);
    // Nothing else is under way, so silence for so long means that it stands.
    while let Ok(Ok(())) = tokio::time::timeout(
        Duration::from_millis(1500),
        socket.send(Message::Binary(chunk.clone())),
    )
    .await
    {
        sent += chunk.len();
        assert!(sent < 32 << 20, "nothing holds the browser back");
    }
    assert!(sent > 1 << 20, "{sent}");
}

#[tokio::test]
async fn a_browser_that_is_gone_without_a_word_is_noticed() {
    let state = tempdir().unwrap();
    let limits = Limits {
        websocket_ping: Duration::from_millis(100),
        websocket_silence: Duration::from_millis(1500),
        ..support::limits()
    };
    let relay = Relay::start(Config { limits, ..config(state.path()) }).await.unwrap();
    let node = Node::join(&relay).await;
    let mut alive = browser(&relay, node.machine).await;
    alive.send(binary(b"a")).await.unwrap();
    let (_keep, mut heard) = node.accept().await;
    soon(heard.read_chunk(1)).await.unwrap();
    let mut gone = browser(&relay, node.machine).await;
    gone.send(binary(b"g")).await.unwrap();
    let (_reply, mut asked) = node.accept().await;
    soon(asked.read_chunk(1)).await.unwrap();
    // One reads, and so answers pings; the other's machine sleeps.
    let (pumped, lost) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(3), async {
            while let Some(Ok(message)) = alive.next().await {
                assert!(matches!(message, Message::Ping(_)), "{message:?}");
                alive.flush().await.unwrap();
            }
        }),
        soon(asked.read_chunk(1)),
    );
    lost.unwrap_err();
    assert!(pumped.is_err(), "the one that answers is kept");
    drop(gone);
}

#[tokio::test]
async fn the_relay_tells_whether_it_lives() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    for path in ["/healthz", "/readyz"] {
        let answer = ask(&relay, &get("localhost", path)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.ends_with("{\"status\":\"ok\"}"), "{answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_and_no_page() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let machine = format!("{}.localhost", MachineId::from_bytes([1; 16]));
    for (host, path) in [
        ("localhost", "/v1/session"),
        ("localhost", "/v1/machine"),
        ("localhost", "/v1"),
        (&machine, "/v1/machine"),
        ("nobody.localhost", "/"),
        ("nobody.localhost", "/v1/place"),
        ("evil.test", "/"),
        ("evil.test", "/v1/place"),
        ("127.0.0.1", "/"),
        (&machine, "/healthz"),
    ] {
        let answer = ask(&relay, &get(host, path)).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{host}{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("default-src 'none'; frame-ancestors 'none'"), "{answer}");
    }
    let posted =
        ask(&relay, "POST /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(posted.await.starts_with("HTTP/1.1 405 "));
    for bad in ["Host: a\r\nHost: b\r\n", "Host: a b\r\n", ""] {
        let answer =
            ask(&relay, &format!("GET / HTTP/1.1\r\n{bad}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bad:?}: {answer}");
    }
}

/// The value of a field of an answer.
fn field<'a>(answer: &'a str, name: &str) -> &'a str {
    let mut lines = answer.lines().take_while(|line| !line.is_empty());
    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("{name} is missing: {answer}"))
}

#[tokio::test]
async fn the_dashboard_is_at_the_relays_own_host_and_at_every_machines() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let known = Node::join(&relay).await.machine;
    let machine = |id: MachineId| format!("{id}.localhost:8443");
    for (host, sockets) in [
        ("localhost:8443".to_owned(), "ws://*.localhost:8443"),
        (machine(known), &*format!("ws://{}", machine(known))),
    ] {
        for path in ["/", "/machines/x/agents/ag-x7k2p", "/pair"] {
            let answer = ask(&relay, &get(&host, path)).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{host}{path}: {answer}");
            assert_eq!(field(&answer, "content-type"), "text/html; charset=utf-8");
            assert_eq!(field(&answer, "cache-control"), "no-cache");
            let policy = field(&answer, "content-security-policy");
            assert!(policy.contains(&format!("connect-src 'self' {sockets};")), "{policy}");
            assert!(policy.contains("script-src 'self';"), "{policy}");
            assert_eq!(field(&answer, "cross-origin-opener-policy"), "same-origin");
        }
        for (path, code) in
            [("/assets/none.js", 404), ("/../etc/passwd", 400), ("/%2e%2e/x", 400), ("/x.js", 404)]
        {
            let answer = ask(&relay, &get(&host, path)).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{path}: {answer}");
        }
    }
    let posted = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(ask(&relay, posted).await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn a_page_is_told_whom_it_trusts_and_nobody_which_machines_there_are() {
    let state = tempdir().unwrap();
    let operator = Some("Ada & Co".parse().unwrap());
    let relay = Relay::start(Config { operator, ..config(state.path()) }).await.unwrap();
    let known = Node::join(&relay).await.machine;
    let ask_at = async |host: &str, path: &str| ask(&relay, &get(host, path)).await;
    let place = async |host: &str| {
        let answer = ask_at(host, "/v1/place").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(field(&answer, "cache-control"), "no-store");
        let json = answer.rsplit("\r\n\r\n").next().unwrap().to_owned();
        serde_json::from_str::<serde_json::Value>(&json).unwrap()
    };
    let apex = place("localhost:8443").await;
    assert_eq!(
        (&apex["servedBy"], &apex["domain"], &apex["operator"]),
        (&"relay".into(), &"localhost".into(), &"Ada & Co".into())
    );
    assert!(apex.get("machineId").is_none());
    // A machine that is there and one that is not are told apart by nothing.
    let unknown = MachineId::from_bytes([9; 16]);
    for path in ["/v1/place", "/", "/assets/none.js"] {
        let [one, other] = [known, unknown].map(|id| id.to_string());
        let there = ask_at(&format!("{one}.localhost"), path).await.replace(&one, "ID");
        let not = ask_at(&format!("{other}.localhost"), path).await.replace(&other, "ID");
        let without_date = |answer: &str| {
            answer.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(without_date(&there), without_date(&not), "{path}");
        assert!(there.contains("ID"), "{there}");
    }
}

#[tokio::test]
async fn behind_a_proxy_browsers_are_told_apart_by_what_the_proxy_says() {
    let state = tempdir().unwrap();
    let limits = Limits { pipes_per_ip: 1, ..support::limits() };
    for behind_proxy in [true, false] {
        let config = Config { behind_proxy, limits: limits.clone(), ..config(state.path()) };
        let relay = Relay::start(config).await.unwrap();
        let node = Node::join(&relay).await;
        let ask = async |forwarded: &str| {
            let url = format!("ws://{}/v1/session", host(&relay, node.machine));
            let mut request = url.into_client_request().unwrap();
            let origin = format!("http://localhost:{}", relay.local_address().port());
            request.headers_mut().insert("origin", origin.parse().unwrap());
            request.headers_mut().insert("x-forwarded-for", forwarded.parse().unwrap());
            let (mut socket, _) = client_async(request, tcp(&relay).await).await.unwrap();
            socket.send(binary(b"x")).await.unwrap();
            socket
        };
        let _one = ask("192.0.2.1").await;
        let _pipe = node.accept().await;
        // What the browser itself put there does not count, only the proxy's own entry.
        assert_eq!(close_code(&mut ask("192.0.2.9, 192.0.2.1").await).await, 4004);
        let mut two = ask("192.0.2.2").await;
        if behind_proxy {
            node.accept().await;
        } else {
            assert_eq!(close_code(&mut two).await, 4004);
        }
        soon(relay.shut_down()).await;
    }
}

#[tokio::test]
async fn an_alias_leads_to_the_machine() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let (token, key) = (token(&relay).await, key());
    Node::join_as(&relay, &key, Some(&token), Some("pi4")).await.welcome();
    let answer = ask(&relay, &get("pi4.localhost:99", "/a?b=c")).await;
    assert!(answer.starts_with("HTTP/1.1 307 "), "{answer}");
    let location = format!("location: //{}.localhost:99/a?b=c\r\n", key.public().machine_id());
    assert!(answer.contains(&location), "{answer}");
}

#[tokio::test]
async fn a_request_without_end_is_cut_off() {
    let state = tempdir().unwrap();
    let limits = Limits {
        first_bytes: Duration::from_millis(100),
        http_header: Duration::from_millis(200),
        handshake: Duration::from_millis(200),
        ..support::limits()
    };
    let relay = Relay::start(Config { limits, ..config(state.path()) }).await.unwrap();
    let mut silent = tcp(&relay).await;
    assert_eq!(read_all(&mut silent).await, "");
    let mut slow = tcp(&relay).await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    read_all(&mut slow).await;
    let mut half_tls = tcp(&relay).await;
    half_tls.write_all(&[0x16, 3, 1]).await.unwrap();
    read_all(&mut half_tls).await;
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let mut endless = tcp(&relay).await;
    // The relay may hang up before it has taken everything.
    let _ = endless.write_all(long.as_bytes()).await;
    let answer = read_all(&mut endless).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn the_same_port_speaks_tls_with_the_pinned_key() {
    let state = tempdir().unwrap();
    let relay = relay(state.path()).await;
    let seen = Arc::new(Seen::default());
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(seen.clone())
            .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream =
        TlsConnector::from(Arc::new(config)).connect(name, tcp(&relay).await).await.unwrap();
    stream.write_all(get("localhost", "/healthz").as_bytes()).await.unwrap();
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 200 "));
    let certificate = std::fs::read_to_string(state.path().join("certificate.pem")).unwrap();
    let key = std::fs::read_to_string(state.path().join("key.pem")).unwrap();
    let identity = gantline_transport::Identity::from_pem(&certificate, &key).unwrap();
    assert_eq!(identity.pin(), relay.pin());
    let der = rustls::pki_types::pem::PemObject::from_pem_slice(certificate.as_bytes());
    let der: CertificateDer<'static> = der.unwrap();
    assert_eq!(seen.0.lock().unwrap().as_ref(), Some(&der));

    // A page that came in clear may not open a session over TLS.
    let mut request = format!(
        "wss://{}.localhost:{port}/v1/session",
        MachineId::from_bytes([1; 16]),
        port = relay.local_address().port()
    )
    .into_client_request()
    .unwrap();
    let origin = format!("http://localhost:{}", relay.local_address().port());
    request.headers_mut().insert("origin", origin.parse().unwrap());
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(seen)
            .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream =
        TlsConnector::from(Arc::new(config)).connect(name, tcp(&relay).await).await.unwrap();
    let error = client_async(request, stream).await.unwrap_err();
    let Error::Http(response) = error else { panic!("{error}") };
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

/// Believes anybody, and notes whom.
#[derive(Debug, Default)]
struct Seen(std::sync::Mutex<Option<CertificateDer<'static>>>);

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
