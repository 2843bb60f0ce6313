//! Which carrier a dialler takes, and how it gets out through proxies; on real sockets on loopback.

#![allow(missing_docs, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gantline_protocol::{RelayAddress, SpkiPin};
use gantline_transport::{
    Carriers, DialError, Dialer, Identity, Link, PipeReader, PipeWriter, QuicListener, RelayLink,
    WebSocketDialer,
    quic::{ResetKey, Timing},
    websocket::SUBPROTOCOL,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::handshake::server::{Request, Response},
};

/// Longer than a dialler tries.
const SOON: Duration = Duration::from_secs(20);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it should have happened by now")
}

fn identity() -> Identity {
    let (chain, key) = Identity::self_signed(&["localhost".into()]).unwrap();
    Identity::from_pem(&chain, &key).unwrap()
}

fn address(host: &str, port: u16, pin: SpkiPin) -> RelayAddress {
    let port = NonZeroU16::new(port).unwrap();
    RelayAddress { host: host.parse().unwrap(), port, pin: Some(pin) }
}

fn dialer(carriers: Carriers) -> Dialer {
    Dialer::new(Timing::default(), carriers).unwrap()
}

/// TLS and WebSockets on a TCP port, which send back what comes.
struct WebSockets {
    port: u16,
    /// Connections that were taken.
    taken: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl WebSockets {
    fn start(listener: TcpListener, identity: &Identity) -> Self {
        let port = listener.local_addr().unwrap().port();
        let tls = TlsAcceptor::from(identity.https_config().unwrap());
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut echoes = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let tls = tls.clone();
                echoes.spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let stream: Box<dyn gantline_transport::websocket::Connection> =
                        Box::new(stream);
                    let Ok(socket) = accept_hdr_async(stream, take_the_subprotocol).await else {
                        return;
                    };
                    let (_, mut writer, mut reader) =
                        gantline_transport::websocket::pipe(socket, None);
                    while let Ok(Some(bytes)) = reader.read_chunk(1024).await {
                        writer.write_chunk(bytes).await.unwrap();
                    }
                });
            }
        });
        Self { port, taken, _tasks: tasks }
    }

    async fn anywhere(identity: &Identity) -> Self {
        Self::start(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), identity)
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

#[expect(clippy::unnecessary_wraps, clippy::result_large_err, reason = "tungstenite asks for it")]
fn take_the_subprotocol(
    request: &Request,
    mut response: Response,
) -> Result<Response, tokio_tungstenite::tungstenite::handshake::server::ErrorResponse> {
    assert_eq!(request.uri().path(), "/v1/stream");
    assert_eq!(request.headers()["sec-websocket-protocol"], SUBPROTOCOL);
    response.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
    Ok(response)
}

/// A relay's UDP side and its TCP side, on one port number.
async fn both_sides(udp: &Identity, tcp: &Identity) -> (QuicListener, WebSockets) {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let local = listener.local_addr().unwrap();
        let key = ResetKey::from_bytes([7; 32]);
        if let Ok(quic) = QuicListener::bind(local, udp, &key, Timing::default()) {
            return (quic, WebSockets::start(listener, tcp));
        }
    }
}

/// A UDP port at which nobody answers, and the relay's TCP side, on one port number.
async fn silent_udp(identity: &Identity) -> (UdpSocket, WebSockets) {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        if let Ok(udp) = UdpSocket::bind(listener.local_addr().unwrap()) {
            return (udp, WebSockets::start(listener, identity));
        }
    }
}

async fn echoes(link: &impl Link) {
    let (mut writer, mut reader) = soon(link.open_pipe()).await.unwrap();
    writer.write_chunk("hello".into()).await.unwrap();
    let mut heard = [0; 5];
    soon(reader.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"hello");
}

#[tokio::test]
async fn quic_is_taken_where_it_answers_and_nothing_else_is_tried() {
    let identity = identity();
    let (quic, websockets) = both_sides(&identity, &identity).await;
    let relay = address("localhost", websockets.port, identity.pin());
    let accept = async { quic.accept().await.unwrap().accept().await.unwrap() };
    let dialer = dialer(Carriers::Both);
    let (link, _relay) = soon(async { tokio::join!(dialer.dial(&relay), accept) }).await;
    assert!(matches!(link.unwrap(), RelayLink::Quic(_)));
    assert_eq!(websockets.taken(), 0);
}

#[tokio::test]
async fn a_network_that_swallows_udp_costs_a_second_and_no_more() {
    let identity = identity();
    let (_udp, websockets) = silent_udp(&identity).await;
    let relay = address("localhost", websockets.port, identity.pin());
    let began = Instant::now();
    let link = soon(dialer(Carriers::Both).dial(&relay)).await.unwrap();
    let took = began.elapsed();
    assert!(matches!(link, RelayLink::WebSocket(_)));
    assert!((1_000..4_000).contains(&took.as_millis()), "{took:?}");
    // The first pipe is the connection that was dialled, the second one of its own.
    echoes(&link).await;
    assert_eq!(websockets.taken(), 1);
    echoes(&link).await;
    assert_eq!(websockets.taken(), 2);
}

#[tokio::test]
async fn a_dialler_that_is_told_its_carrier_tries_no_other() {
    let identity = identity();
    let (quic, websockets) = both_sides(&identity, &identity).await;
    let relay = address("localhost", websockets.port, identity.pin());
    let link = soon(dialer(Carriers::WebSocket).dial(&relay)).await.unwrap();
    assert!(matches!(link, RelayLink::WebSocket(_)));
    let refuse = async {
        while let Some(incoming) = quic.accept().await {
            incoming.refuse();
        }
    };
    let quic_alone = dialer(Carriers::Quic);
    let refused = tokio::select! {
        dialled = soon(quic_alone.dial(&relay)) => dialled.unwrap_err(),
        () = refuse => panic!("the listener ended"),
    };
    assert!(matches!(refused, DialError::Refused { .. }), "{refused}");
    assert_eq!(websockets.taken(), 1);
}

#[tokio::test]
async fn a_relay_that_refuses_by_quic_is_not_asked_again_by_websocket() {
    let identity = identity();
    let (quic, websockets) = both_sides(&identity, &identity).await;
    let relay = address("localhost", websockets.port, identity.pin());
    let refuse = async {
        while let Some(incoming) = quic.accept().await {
            incoming.refuse();
        }
    };
    let dialer = dialer(Carriers::Both);
    let refused = tokio::select! {
        dialled = soon(dialer.dial(&relay)) => dialled.unwrap_err(),
        () = refuse => panic!("the listener ended"),
    };
    assert!(matches!(refused, DialError::Refused { .. }), "{refused}");
    assert_eq!(websockets.taken(), 0);
}

#[tokio::test]
async fn whoever_has_another_key_than_the_pinned_one_is_no_relay_by_any_carrier() {
    let identity = identity();
    let (quic, websockets) = both_sides(&identity, &identity).await;
    let relay = address("localhost", websockets.port, SpkiPin([9; 32]));
    let accept = async {
        while let Some(incoming) = quic.accept().await {
            let _ = incoming.accept().await;
        }
    };
    let racing = dialer(Carriers::Both);
    let wrong = tokio::select! {
        dialled = soon(racing.dial(&relay)) => dialled.unwrap_err(),
        () = accept => panic!("the listener ended"),
    };
    assert!(matches!(wrong, DialError::WrongRelay { .. }), "{wrong}");
    assert_eq!(websockets.taken(), 0);
    let wrong = soon(dialer(Carriers::WebSocket).dial(&relay)).await.unwrap_err();
    assert!(matches!(wrong, DialError::WrongRelay { .. }), "{wrong}");
}

#[tokio::test]
async fn a_middlebox_that_breaks_tls_does_not_keep_a_slow_relay_on_quic_from_answering() {
    let identity = identity();
    let (quic, websockets) = both_sides(&identity, &crate::identity()).await;
    let relay = address("localhost", websockets.port, identity.pin());
    let accept = async {
        while websockets.taken() == 0 {
            sleep(Duration::from_millis(20)).await;
        }
        // Long enough for the middlebox to be found out.
        sleep(Duration::from_millis(500)).await;
        quic.accept().await.unwrap().accept().await.unwrap()
    };
    let dialer = dialer(Carriers::Both);
    let (link, _relay) = tokio::select! {
        both = async { tokio::join!(dialer.dial(&relay), accept) } => both,
        () = sleep(SOON) => panic!("it neither failed nor went on"),
    };
    assert!(matches!(link.unwrap(), RelayLink::Quic(_)));
}

#[tokio::test]
async fn one_error_says_what_became_of_both_carriers() {
    let (udp, port) = loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let local = listener.local_addr().unwrap();
        // The listener is dropped, so TCP is closed there.
        if let Ok(udp) = UdpSocket::bind(local) {
            break (udp, local.port());
        }
    };
    let relay = address("localhost", port, SpkiPin([9; 32]));
    let error = soon(dialer(Carriers::Both).dial(&relay)).await.unwrap_err();
    drop(udp);
    assert!(matches!(error, DialError::Neither { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("nobody answers") && text.contains("by UDP"), "{text}");
    assert!(text.contains("by TCP") && text.contains("refused"), "{text}");
}

#[test]
fn carriers_are_named_by_three_words_and_a_wrong_one_is_told() {
    assert_eq!("auto".parse::<Carriers>().unwrap(), Carriers::Both);
    assert_eq!("".parse::<Carriers>().unwrap(), Carriers::Both);
    assert_eq!("quic".parse::<Carriers>().unwrap(), Carriers::Quic);
    assert_eq!("websocket".parse::<Carriers>().unwrap(), Carriers::WebSocket);
    let endless = format!("tcp{}", "!".repeat(10_000));
    for wrong in ["QUIC", "tcp", endless.as_str()] {
        let error = wrong.parse::<Carriers>().unwrap_err().to_string();
        assert!(error.contains("GANTLINE_CARRIER") && error.contains(&wrong[..3]), "{error}");
        assert!(error.len() < 200, "{error}");
    }
}

/// What a proxy does with a CONNECT.
#[derive(Debug, Clone)]
enum Manners {
    /// Connects to this address, whatever name it was told.
    Tunnel(SocketAddr),
    /// The same for those who bring these credentials; 407 to others.
    Asks(SocketAddr, &'static str),
    /// Answers with this status.
    Answers(&'static str),
}

/// A proxy that speaks HTTP in clear.
struct Proxy {
    port: u16,
    /// The heads of the requests.
    asked: tokio::sync::mpsc::UnboundedReceiver<String>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, asked) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut tunnels = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tunnels.spawn(tunnel(stream, manners.clone(), heads.clone()));
            }
        });
        Self { port, asked, _tasks: tasks }
    }
}

async fn tunnel(
    mut stream: TcpStream,
    manners: Manners,
    heads: tokio::sync::mpsc::UnboundedSender<String>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    heads.send(head.clone()).unwrap();
    let (to, status) = match manners {
        Manners::Tunnel(to) => (Some(to), "200 OK"),
        Manners::Asks(to, credentials) => {
            let wanted = format!("proxy-authorization: Basic {credentials}");
            match head.lines().any(|line| line.eq_ignore_ascii_case(&wanted)) {
                true => (Some(to), "200 OK"),
                false => (None, "407 Proxy Authentication Required"),
            }
        }
        Manners::Answers(status) => (None, status),
    };
    stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
    if let Some(to) = to {
        let mut relay = TcpStream::connect(to).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut relay).await;
    }
}

/// Only the proxy knows where this is.
const ELSEWHERE: &str = "relay.test";
/// No loopback address, but leads to this machine all the same.
const HERE: &str = "0.0.0.0";

fn through(proxy: &str, no_proxy: &str) -> WebSocketDialer {
    WebSocketDialer::new(Timing::default()).through(proxy, no_proxy)
}

#[tokio::test]
async fn every_pipe_goes_through_the_proxy_which_alone_knows_the_relays_name() {
    let identity = identity();
    let websockets = WebSockets::anywhere(&identity).await;
    let to = (Ipv4Addr::LOCALHOST, websockets.port).into();
    let mut proxy = Proxy::start(Manners::Tunnel(to)).await;
    for form in ["http://127.0.0.1:", "127.0.0.1:", "http://LOCALHOST:"] {
        let dialer = through(&format!("{form}{}", proxy.port), "");
        let relay = address(ELSEWHERE, 8443, identity.pin());
        let link = soon(dialer.dial(&relay)).await.unwrap();
        echoes(&link).await;
        echoes(&link).await;
        for _ in 0..2 {
            let head = proxy.asked.try_recv().unwrap();
            assert!(head.starts_with("CONNECT relay.test:8443 HTTP/1.1\r\n"), "{head}");
            assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
        }
    }
}

#[tokio::test]
async fn whoever_sits_behind_the_proxy_still_has_to_be_the_relay() {
    let identity = identity();
    let websockets = WebSockets::anywhere(&crate::identity()).await;
    let to = (Ipv4Addr::LOCALHOST, websockets.port).into();
    let proxy = Proxy::start(Manners::Tunnel(to)).await;
    let dialer = through(&format!("http://127.0.0.1:{}", proxy.port), "");
    let error = soon(dialer.dial(&address(ELSEWHERE, 8443, identity.pin()))).await.unwrap_err();
    assert!(matches!(error, DialError::WrongRelay { .. }), "{error}");
}

#[tokio::test]
async fn a_proxy_gets_the_credentials_and_no_error_tells_them() {
    let identity = identity();
    let websockets = WebSockets::anywhere(&identity).await;
    let to = (Ipv4Addr::LOCALHOST, websockets.port).into();
    // "ada:l0ve lace", of which the blank has to be escaped in a URL.
    let proxy = Proxy::start(Manners::Asks(to, "YWRhOmwwdmUgbGFjZQ==")).await;
    let relay = address(ELSEWHERE, 8443, identity.pin());
    let right = format!("http://ada:l0ve%20lace@127.0.0.1:{}", proxy.port);
    echoes(&soon(through(&right, "").dial(&relay)).await.unwrap()).await;

    let none = format!("http://127.0.0.1:{}", proxy.port);
    let wrong = format!("http://ada:s3cret@127.0.0.1:{}", proxy.port);
    let down = "http://ada:s3cret@127.0.0.1:1".to_owned();
    let unknown = format!("socks5://ada:s3cret@127.0.0.1:{}", proxy.port);
    for (proxy, told) in
        [(none, "407"), (wrong, "407"), (down, "can't be reached"), (unknown, "http://")]
    {
        let dialer = through(&proxy, "");
        let error = soon(dialer.dial(&relay)).await.unwrap_err();
        assert!(matches!(error, DialError::Proxy { .. }), "{error}");
        let text = format!("{error}");
        assert!(text.contains(told) && text.contains("127.0.0.1:"), "{text}");
        for text in [text, format!("{error:?}"), format!("{dialer:?}")] {
            assert!(!text.contains("s3cret") && !text.contains("YWRhO"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_get_through_is_named_with_what_it_says() {
    let proxy = Proxy::start(Manners::Answers("502 Bad Gateway")).await;
    let dialer = through(&format!("http://127.0.0.1:{}", proxy.port), "");
    let error = soon(dialer.dial(&address(ELSEWHERE, 8443, SpkiPin([9; 32])))).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, DialError::Proxy { .. }), "{text}");
    let proxy = format!("http://127.0.0.1:{}", proxy.port);
    for part in ["502", proxy.as_str(), "relay.test"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn proxies_other_than_http_are_refused_with_what_is_possible() {
    for proxy in ["socks5://proxy.test:1080", "https://proxy.test:3128"] {
        let dialer = through(proxy, "");
        let relay = address(ELSEWHERE, 8443, SpkiPin([9; 32]));
        let text = soon(dialer.dial(&relay)).await.unwrap_err().to_string();
        assert!(text.contains(proxy) && text.contains("only proxies"), "{text}");
    }
}

#[tokio::test]
async fn no_proxy_is_asked_for_hosts_that_need_none() {
    let identity = identity();
    let websockets = WebSockets::anywhere(&identity).await;
    let mut proxy = Proxy::start(Manners::Answers("502 Bad Gateway")).await;
    let named = format!("http://127.0.0.1:{}", proxy.port);
    let relay = address(HERE, websockets.port, identity.pin());
    soon(through(&named, "").dial(&relay)).await.unwrap_err();
    proxy.asked.try_recv().unwrap();
    for no_proxy in ["0.0.0.0", "elsewhere.test, 0.0.0.0/8"] {
        echoes(&soon(through(&named, no_proxy).dial(&relay)).await.unwrap()).await;
    }
    for here in ["localhost", "relay.localhost", "127.0.0.1"] {
        let relay = address(here, websockets.port, identity.pin());
        echoes(&soon(through(&named, "").dial(&relay)).await.unwrap()).await;
    }
    assert!(proxy.asked.try_recv().is_err(), "it was asked");
}
