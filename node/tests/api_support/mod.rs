//! A node in a home of its own, and requests to it as a stranger or its user would send them.

#[path = "../agents_end/mod.rs"]
mod agents_end;

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use gantline_node::{
    api::listen::{Place, UnixSocket},
    config::{Config, LoopbackConfig, LoopbackPort},
    daemon::Node,
    state::Home,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};

pub use agents_end::AgentsEnd;

/// Long enough for a busy machine, short enough to notice what hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct TestNode {
    pub agents: AgentsEnd,
    pub dir: tempfile::TempDir,
    pub home: Home,
    pub node: Node,
}

pub fn config() -> Config {
    let loopback = LoopbackConfig { enabled: true, port: LoopbackPort::Any };
    Config { name: Some("ada".parse().unwrap()), loopback, ..Config::default() }
}

/// A node whose shims are the real program.
pub async fn start(config: Config, home: &Home) -> Node {
    let shim = env!("CARGO_BIN_EXE_gantline").into();
    Node::start_with_shim(config, home.clone(), shim).await.unwrap()
}

impl TestNode {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(&dir.path().join("home")).unwrap();
        let node = start(config(), &home).await;
        Self { agents: AgentsEnd(home.log_dir().to_owned()), dir, home, node }
    }

    pub fn socket(&self) -> PathBuf {
        self.home.run_dir().join(UnixSocket::NAME)
    }

    pub fn port(&self) -> u16 {
        self.node.loopback().unwrap().port()
    }

    /// The token of the loopback listener, as the user's programs find it.
    pub fn token(&self) -> String {
        let place: Place = self.home.run_files().read_json(Place::FILE).unwrap().unwrap();
        assert_eq!(place.address.port(), self.port());
        String::from_utf8(self.home.run_files().read(&place.token_file).unwrap().unwrap()).unwrap()
    }

    /// A request as the user's command line sends it.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send(request(method, path, body).header("host", "localhost")).await
    }

    /// A request on the Unix socket.
    pub async fn send(&self, request: Builder) -> Answer {
        let stream = UnixStream::connect(self.socket()).await.unwrap();
        whole(exchange(stream, request).await).await
    }

    /// A request on the Unix socket, whose answer goes on.
    pub async fn open(&self, request: Builder) -> Response<Incoming> {
        exchange(UnixStream::connect(self.socket()).await.unwrap(), request).await
    }

    /// A request on 127.0.0.1.
    pub async fn call(&self, request: Builder) -> Answer {
        let stream = TcpStream::connect(self.node.loopback().unwrap()).await.unwrap();
        whole(exchange(stream, request).await).await
    }

    /// What 127.0.0.1 says to these bytes, up to its end of the connection.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.node.loopback().unwrap()).await.unwrap();
        // The other end may have had enough before all is sent.
        let _ = stream.write_all(bytes).await;
        let mut said = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut said)).await;
        let _ = read.expect("the connection was not ended");
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The first words that 127.0.0.1 says to these bytes.
    pub async fn first_words(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.node.loopback().unwrap()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut said = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut said)).await.unwrap().unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }

    pub async fn shut_down(self) {
        timeout(PATIENCE, self.node.shut_down(Duration::from_secs(10))).await.unwrap();
    }
}

pub struct Builder {
    pub request: http::request::Builder,
    pub body: Bytes,
}

impl Builder {
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.request = self.request.header(name, value.as_ref());
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// A request, with a body of JSON if there is one.
pub fn request(method: &str, path: &str, body: Option<Value>) -> Builder {
    let builder =
        Builder { request: Request::builder().method(method).uri(path), body: Bytes::new() };
    match body {
        Some(json) => builder.header("content-type", "application/json").body(json.to_string()),
        None => builder,
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts that this is a problem of that status and code.
    pub fn is_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(problem["status"], status);
        problem
    }
}

async fn exchange<S>(stream: S, request: Builder) -> Response<Incoming>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = request.request.body(Full::new(request.body)).unwrap();
    timeout(PATIENCE, sender.send_request(request)).await.expect("no answer came").unwrap()
}

async fn whole(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.expect("the answer did not end").unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() }
}

/// The next bytes of an answer that goes on; `None` at its end.
pub async fn next_bytes(response: &mut Response<Incoming>) -> Option<Bytes> {
    loop {
        let frame = timeout(PATIENCE, response.body_mut().frame()).await.expect("nothing came")?;
        if let Ok(bytes) = frame.unwrap().into_data() {
            return Some(bytes);
        }
    }
}
