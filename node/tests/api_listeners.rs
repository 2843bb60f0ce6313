//! Who may speak to the node on its own machine, and who may not.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

mod api_support;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    time::Duration,
};

use api_support::{PATIENCE, TestNode, config, next_bytes, request};
use futures_util::StreamExt;
use gantline_node::{
    api::listen::UnixSocket,
    config::{Config, LoopbackConfig, LoopbackPort},
    daemon::{Node, StartError},
    state::{Home, StateError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener},
    time::timeout,
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_user_is_the_owner_at_the_socket_and_nobody_else_can_open_it() {
    let node = TestNode::start().await;
    let machine = node.ask("GET", "/v1/machine", None).await;
    assert_eq!((machine.status, machine.json()["role"].as_str()), (200, Some("owner")));
    assert_eq!(machine.json()["machineId"], node.node.machine_id().to_string());
    assert_eq!(machine.json()["name"], "ada");
    let mode = node.socket().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let status = node.ask("GET", "/v1/status", None).await.json();
    assert_eq!(status["loopback"], format!("127.0.0.1:{}", node.port()));
    let socket = node.socket();
    node.shut_down().await;
    assert!(!socket.exists(), "the socket stayed behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_reaches_nothing() {
    let node = TestNode::start().await;
    let (port, bearer) = (node.port(), format!("Bearer {}", node.token()));
    let own = format!("127.0.0.1:{port}");
    let get = || request("GET", "/v1/machine", None).header("authorization", &bearer);
    for host in [&own, &format!("localhost:{port}")] {
        assert_eq!(node.call(get().header("host", host)).await.status, 200);
        let own_page = get().header("host", host).header("origin", format!("http://{host}"));
        let answer = node.call(own_page).await;
        assert_eq!(answer.status, 200);
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for host in [
        "",
        "127.0.0.1",
        "localhost",
        "evil.example",
        &format!("evil.example:{port}"),
        &format!("127.0.0.1.evil.example:{port}"),
        &format!("127.0.0.2:{port}"),
        &format!("[::1]:{port}"),
        &format!("user@127.0.0.1:{port}"),
        &format!("LOCALHOST:{port}"),
        "127.0.0.1:1",
    ] {
        let answer = node.call(get().header("host", host)).await;
        answer.is_problem(403, "role-forbids");
    }
    for origin in [
        "null",
        "http://evil.example",
        &format!("https://127.0.0.1:{port}"),
        &format!("http://127.0.0.1:{port}/"),
        &format!("http://127.0.0.1:{port}.evil.example"),
        "http://127.0.0.1",
        "http://localhost:1",
        "file://",
    ] {
        let answer = node.call(get().header("host", &own).header("origin", origin)).await;
        answer.is_problem(403, "role-forbids");
        // A pipe needs no token, so here the origin is all that keeps pages out.
        let upgrade = format!(
            "GET /v1/session HTTP/1.1\r\nHost: {own}\r\nOrigin: {origin}\r\nConnection: upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \
             AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: gantline.pipe.v1\r\n\r\n"
        );
        let mut stream = TcpStream::connect(node.node.loopback().unwrap()).await.unwrap();
        stream.write_all(upgrade.as_bytes()).await.unwrap();
        let mut said = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut said)).await.unwrap().unwrap();
        assert_eq!(&said, b"HTTP/1.1 403", "{origin}");
    }
    let two = node.call(
        get()
            .header("host", &own)
            .header("origin", format!("http://{own}"))
            .header("origin", "null"),
    );
    two.await.is_problem(403, "role-forbids");
    let absolute = format!(
        "GET http://evil.example/v1/machine HTTP/1.1\r\nHost: {own}\r\nAuthorization: {bearer}\r\nConnection: close\r\n\r\n"
    );
    assert!(node.raw(absolute.as_bytes()).await.starts_with("HTTP/1.1 403"));
    let old = format!("GET /v1/machine HTTP/1.0\r\nAuthorization: {bearer}\r\n\r\n");
    assert!(node.raw(old.as_bytes()).await.starts_with("HTTP/1.0 403"));
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_and_the_gateway_are_for_the_users_own_page_only() {
    let node = TestNode::start().await;
    let (port, bearer) = (node.port(), format!("Bearer {}", node.token()));
    let own = format!("127.0.0.1:{port}");
    let machine = node.node.machine_id();
    let handed_on = format!("/v1/machines/{machine}/machine");
    let paths = ["/", "/assets/x.js", "/v1/place", "/v1/machines", &handed_on];
    for path in paths {
        let ask = |host: &str| {
            request("GET", path, None).header("authorization", &bearer).header("host", host)
        };
        let expected = if path.ends_with(".js") { 404 } else { 200 };
        assert_eq!(node.call(ask(&own)).await.status, expected, "{path}");
        for host in [
            "evil.example",
            &format!("evil.example:{port}"),
            &format!("{machine}.localhost:{port}"),
            &format!("[::1]:{port}"),
        ] {
            node.call(ask(host)).await.is_problem(403, "role-forbids");
        }
        for origin in ["null", "http://evil.example", "http://localhost:5173", "file://"] {
            node.call(ask(&own).header("origin", origin)).await.is_problem(403, "role-forbids");
        }
        // What a browser fetches for a page of another site: an image, a script, a frame.
        for site in ["cross-site", "same-site"] {
            for dest in ["image", "script", "iframe", "empty"] {
                let embedded =
                    ask(&own).header("sec-fetch-site", site).header("sec-fetch-dest", dest);
                node.call(embedded).await.is_problem(403, "role-forbids");
            }
            let opened =
                ask(&own).header("sec-fetch-site", site).header("sec-fetch-dest", "document");
            assert_eq!(node.call(opened).await.status, expected, "{path}: a link that is followed");
        }
        // A WebSocket of another page; no page may leave out where it is from.
        let upgrade = format!(
            "GET {path} HTTP/1.1\r\nHost: {own}\r\nOrigin: http://evil.example\r\nConnection: \
             upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \
             AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: gantline.v1\r\n\r\n"
        );
        assert!(node.first_words(upgrade.as_bytes()).await.starts_with("HTTP/1.1 403"), "{path}");
    }
    // A form of another site: its type needs no leave, its origin gives it away.
    for path in ["/", "/v1/page-token", "/v1/machines", &format!("/v1/machines/{machine}/exec")] {
        let form = request("POST", path, None)
            .header("host", &own)
            .header("origin", "http://evil.example")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("a=b");
        node.call(form).await.is_problem(403, "role-forbids");
    }
    // Without the token there are the dashboard's files, and where the page is, and no more.
    let bare = |method: &str, path: &str| request(method, path, None).header("host", &own);
    let place = node.call(bare("GET", "/v1/place")).await;
    assert_eq!((place.status, &place.json()["servedBy"]), (200, &"node".into()));
    for path in ["/v1/machines", "/v1/machines/events", &handed_on] {
        node.call(bare("GET", path)).await.is_problem(401, "unauthenticated");
    }
    node.call(bare("POST", "/v1/one-time-tokens")).await.is_problem(401, "unauthenticated");
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_of_the_dashboard_leads_out_of_it() {
    let node = TestNode::start().await;
    let own = format!("127.0.0.1:{}", node.port());
    for (path, code) in [
        ("/../../etc/passwd", 400),
        ("/assets/../../../etc/passwd", 400),
        ("/%2e%2e/%2e%2e/etc/passwd", 400),
        ("/assets/..%2f..%2fetc%2fpasswd", 400),
        ("//etc/passwd", 400),
        ("/.ssh/id", 400),
        ("/assets/none.js", 404),
        ("/etc/passwd.txt", 404),
    ] {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n");
        let said = node.raw(ask.as_bytes()).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {code} ")), "{path}: {said}");
    }
    let page = node.call(request("GET", "/machines/x", None).header("host", &own)).await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("connect-src 'self' ws://{own};")), "{policy}");
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let long = format!("GET / HTTP/1.1\r\nHost: {own}\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(node.raw(long.as_bytes()).await.starts_with("HTTP/1.1 431"));
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_gets_the_token_once_and_whoever_guesses_is_told_to_wait() {
    let node = TestNode::start().await;
    let own = format!("127.0.0.1:{}", node.port());
    let trade = |token: &str| {
        let body = serde_json::json!({ "oneTimeToken": token });
        request("POST", "/v1/page-token", Some(body)).header("host", &own)
    };
    let minted = node.ask("POST", "/v1/one-time-tokens", None).await;
    assert_eq!(minted.status, 201);
    let url = minted.json()["url"].as_str().unwrap().to_owned();
    let once = url.strip_prefix(&format!("http://{own}/#once=")).expect(&url).to_owned();
    assert_ne!(once, node.token());
    for (content_type, body) in [
        ("text/plain", format!("{{\"oneTimeToken\":\"{once}\"}}")),
        ("application/json", "{".to_owned()),
        ("application/json", "x".repeat(5000)),
    ] {
        let bad = request("POST", "/v1/page-token", None)
            .header("host", &own)
            .header("content-type", content_type);
        assert!([400, 413].contains(&node.call(bad.body(body)).await.status), "{content_type}");
    }
    let as_get = request("GET", "/v1/page-token", None).header("host", &own);
    node.call(as_get).await.is_problem(405, "method-not-allowed");
    let traded = node.call(trade(&once)).await;
    assert_eq!((traded.status, traded.header("cache-control")), (200, Some("no-store")));
    assert_eq!(traded.json()["token"], node.token());
    node.call(trade(&once)).await.is_problem(401, "unauthenticated");
    let mut waits = 0;
    for number in 0..15 {
        let answer = node.call(trade(&format!("guess-{number}"))).await;
        assert!([401, 429].contains(&answer.status));
        waits += u32::from(answer.status == 429);
    }
    assert_eq!(waits, 6, "ten wrong tokens a minute, of both kinds together");
    // Whoever guesses locks nobody out.
    let minted = node.ask("POST", "/v1/one-time-tokens", None).await.json();
    let once = minted["url"].as_str().unwrap().split("#once=").nth(1).unwrap().to_owned();
    assert_eq!(node.call(trade(&once)).await.status, 200);
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_for_the_token_keeps_no_connection() {
    let node = TestNode::start().await;
    let own = format!("127.0.0.1:{}", node.port());
    let mut stream = TcpStream::connect(&own).await.unwrap();
    let half = format!(
        "POST /v1/page-token HTTP/1.1\r\nhost: {own}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{"
    );
    stream.write_all(half.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(ended.is_ok(), "the connection is kept: {answer}");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_the_token_reaches_nothing_and_can_not_lock_the_owner_out() {
    let node = TestNode::start().await;
    let (own, token) = (format!("127.0.0.1:{}", node.port()), node.token());
    let get = || request("GET", "/v1/machine", None).header("host", &own);
    let answer = node.call(get()).await;
    answer.is_problem(401, "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    let in_url = request("GET", &format!("/v1/machine?token={token}"), None).header("host", &own);
    node.call(in_url).await.is_problem(401, "unauthenticated");
    for elsewhere in ["cookie", "x-forwarded-for", "sec-websocket-protocol"] {
        let value = format!("gantline.v1, gantline.bearer.{token}");
        node.call(get().header(elsewhere, value)).await.is_problem(401, "unauthenticated");
    }
    for scheme in ["Basic", "Bearer:", ""] {
        let value = format!("{scheme} {token}");
        let answer = node.call(get().header("authorization", value)).await;
        assert!([401, 429].contains(&answer.status));
    }
    let mut waits = 0;
    for number in 0..15 {
        let wrong = get().header("authorization", format!("Bearer wrong-{number}"));
        let answer = node.call(wrong).await;
        assert!([401, 429].contains(&answer.status));
        if answer.status == 429 {
            answer.is_problem(429, "rate");
            assert!(answer.header("retry-after").is_some());
            waits += 1;
        }
    }
    assert_eq!(waits, 5, "ten wrong tokens a minute");
    let right = get().header("authorization", format!("Bearer {token}"));
    assert_eq!(node.call(right).await.status, 200, "the owner was locked out");
    let mode = node.home.run_dir().join("loopback.token").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let TestNode { agents: _agents, dir: _dir, home, node } = node;
    node.shut_down(Duration::from_secs(5)).await;
    let node = Node::start(config(), home.clone()).await.unwrap();
    let renewed = home.run_files().read("loopback.token").unwrap().unwrap();
    assert_ne!(renewed, token.as_bytes(), "the token outlived the node");
    node.shut_down(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_without_end_and_requests_in_disguise_are_refused() {
    let node = TestNode::start().await;
    let (own, token) = (format!("127.0.0.1:{}", node.port()), node.token());
    let head = format!("Host: {own}\r\nAuthorization: Bearer {token}\r\n");
    let long = format!("GET /v1/machine HTTP/1.1\r\n{head}X: {}\r\n\r\n", "x".repeat(100_000));
    assert!(node.raw(long.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let fields: String = (0..80).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = format!("GET /v1/machine HTTP/1.1\r\n{head}{fields}\r\n");
    assert!(node.raw(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let path = format!("GET /{} HTTP/1.1\r\n{head}\r\n", "x".repeat(100_000));
    assert!(node.raw(path.as_bytes()).await.starts_with("HTTP/1.1 4"));

    // A second request hides behind a body whose length is told in two ways.
    let hidden = "GET /v1/status HTTP/1.1\r\n\r\n";
    for disguise in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", hidden.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n0\r\n\r\n", hidden.len()),
        format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n", hidden.len()),
        "Transfer-Encoding: identity, chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Content-Length: +0\r\n\r\n".to_owned(),
        "X: a\rY: b\r\n\r\n".to_owned(),
        "X: a\0b\r\n\r\n".to_owned(),
    ] {
        let bytes = format!("POST /v1/pairing-codes HTTP/1.1\r\n{head}{disguise}{hidden}");
        let said = node.raw(bytes.as_bytes()).await;
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{disguise:?}: {said}");
        assert!(!said.contains("uptimeMs"), "{disguise:?}: {said}");
    }
    let body = "x".repeat(64 * 1024 + 1);
    let large = request("POST", "/v1/pairing-codes", None)
        .header("host", &own)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    node.call(large.body(body.clone())).await.is_problem(413, "too-large");
    let chunked = format!(
        "POST /v1/pairing-codes HTTP/1.1\r\n{head}Content-Type: application/json\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert!(node.raw(chunked.as_bytes()).await.starts_with("HTTP/1.1 413"));
    let read = request("GET", "/v1/machine", None).header("host", "localhost").body("x");
    node.send(read).await.is_problem(413, "too-large");
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_reaches_the_door_only_as_a_websocket_of_its_kind() {
    let node = TestNode::start().await;
    let address = node.node.loopback().unwrap();
    let connect = |subprotocol: Option<&'static str>| async move {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut request = format!("ws://{address}/v1/session").into_client_request().unwrap();
        if let Some(subprotocol) = subprotocol {
            let name = "sec-websocket-protocol";
            request.headers_mut().insert(name, subprotocol.parse().unwrap());
        }
        client_async(request, stream).await
    };
    for subprotocol in [None, Some("gantline.v1"), Some("chat")] {
        let Err(Error::Http(response)) = connect(subprotocol).await else {
            panic!("{subprotocol:?} was accepted");
        };
        assert_eq!(response.status(), 400);
    }
    let plain = request("GET", "/v1/session", None).header("host", address.to_string());
    node.call(plain).await.is_problem(400, "invalid-request");
    // The door meets a preface of an unknown version with silence, and ends the pipe.
    let (mut pipe, response) = connect(Some("gantline.pipe.v1")).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "gantline.pipe.v1");
    futures_util::SinkExt::send(&mut pipe, Message::binary(vec![99, 1])).await.unwrap();
    let said = timeout(PATIENCE, pipe.next()).await.expect("the pipe was not ended");
    assert!(!matches!(said, Some(Ok(Message::Binary(bytes))) if !bytes.is_empty()));
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_free_port_is_used_and_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::below(&dir.path().join("home")).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let port = LoopbackPort::From(port.try_into().unwrap());
    let wanted = Config { loopback: LoopbackConfig { enabled: true, port }, ..config() };
    let node = Node::start(wanted, home.clone()).await.unwrap();
    let found = node.loopback().unwrap();
    assert_ne!(found.port(), taken.local_addr().unwrap().port());
    let place: serde_json::Value = home.run_files().read_json("loopback.json").unwrap().unwrap();
    assert_eq!(place["address"], found.to_string());
    node.shut_down(Duration::from_secs(5)).await;
    assert!(!home.run_dir().join("loopback.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_is_told_about_the_first_and_harms_it_not() {
    let node = TestNode::start().await;
    let error = Node::start(config(), node.home.clone()).await.unwrap_err();
    let pid = std::process::id();
    assert!(
        matches!(error, StartError::State(StateError::Running { pid: Some(other), .. }) if other == pid)
    );
    assert_eq!(node.ask("GET", "/v1/machine", None).await.status, 200);
    node.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_left_by_a_killed_node_is_replaced_and_one_in_use_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::below(&dir.path().join("home")).unwrap();
    let path = home.run_dir().join(UnixSocket::NAME);
    let other = UnixListener::bind(&path).unwrap();
    let error = Node::start(config(), home.clone()).await.unwrap_err();
    assert!(error.to_string().contains("in use by another program"), "{error}");
    drop(other);
    assert!(path.exists(), "the system took the socket away itself");
    let node = Node::start(config(), home.clone()).await.unwrap();
    node.shut_down(Duration::from_secs(5)).await;
    fs::write(&path, "not a socket").unwrap();
    assert!(Node::start(config(), home.clone()).await.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "not a socket");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_state_others_could_read_or_that_is_damaged_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::below(&dir.path().join("home")).unwrap();
    let node = Node::start(config(), home.clone()).await.unwrap();
    let machine = node.machine_id();
    node.shut_down(Duration::from_secs(5)).await;
    let key = home.state_dir().join("node.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let error = Node::start(config(), home.clone()).await.unwrap_err().to_string();
    assert!(error.contains("node.key") && error.contains("chmod 0600"), "{error}");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let kept = fs::read(&key).unwrap();
    fs::write(&key, "damaged").unwrap();
    let error = Node::start(config(), home.clone()).await.unwrap_err().to_string();
    assert!(error.contains("node.key"), "{error}");
    fs::write(&key, kept).unwrap();
    let node = Node::start(config(), home.clone()).await.unwrap();
    assert_eq!(node.machine_id(), machine);
    node.shut_down(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_ends_the_answers_that_would_go_on_for_ever() {
    let node = TestNode::start().await;
    let listen = request("GET", "/v1/events", None).header("host", "localhost");
    let mut events = node.open(listen).await;
    assert_eq!(events.status(), 200);
    let ended = tokio::spawn(async move { next_bytes(&mut events).await });
    let TestNode { agents: _agents, dir: _dir, home, node } = node;
    // Far less than the deadline: nothing has to be cut off.
    timeout(PATIENCE, node.shut_down(4 * PATIENCE)).await.expect("the node did not stop");
    assert_eq!(ended.await.unwrap(), None);
    let again = Node::start(config(), home).await.unwrap();
    again.shut_down(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_too_deep_for_a_socket_is_said_to_be_so() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::below(&dir.path().join("deep".repeat(30))).unwrap();
    let error = Node::start(config(), home).await.unwrap_err().to_string();
    assert!(error.contains("too long") && error.contains("GANTLINE_HOME"), "{error}");
}
