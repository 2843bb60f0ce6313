//! A way to a machine that stands: requests to its API, over a session or over its Unix socket.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use gantline_protocol::{
    MachineId,
    api::{Carrier, Machine, Problem},
    session::{CloseCode, Open},
};
use gantline_transport::LocalStream;
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use http::{
    Method, StatusCode,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustix::{io::Errno, net::RecvFlags};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::OnceCell, time::timeout};

use crate::{
    connect::PATIENCE,
    path::{Path, PathError, unix},
    session::{OpenFailed, Receiving, Session, SessionEnd, StreamEnd},
};

/// The greatest body of a problem that is read, in bytes.
const MAX_PROBLEM: usize = 64 * 1024;
/// What a node says of its machine is at most so long, in bytes.
const MAX_MACHINE: usize = 64 * 1024;

/// A way to a machine that stands. Dropping the last handle to it ends it.
#[derive(Debug)]
pub struct Connection {
    /// On a socket it is asked for when somebody wants to know.
    machine: OnceCell<MachineId>,
    path: Path,
    carrier: Option<Carrier>,
    way: Way,
}

#[derive(Debug)]
pub(crate) enum Way {
    Session(Session),
    Socket(Socket),
}

/// The Unix socket of a node. Each request has a connection of its own.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    /// The connection that has shown that there is somebody, until it is used.
    first: Mutex<Option<LocalStream>>,
}

/// A request to a machine's API.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// An answer with a status below 400.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Session(Receiving),
    Socket(Incoming),
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The machine says why not.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The request could not be sent; asking again, in a new session, is safe.
    #[error(transparent)]
    NotSent(#[from] OpenFailed),
    /// It broke off. The machine may have acted on it: ask again with the same `Idempotency-Key`.
    #[error(transparent)]
    Stream(#[from] StreamEnd),
    /// The Unix socket can't be reached.
    #[error(transparent)]
    Path(#[from] PathError),
    /// HTTP on the Unix socket broke off. The machine may have acted on the request.
    #[error("the node broke off: {0}")]
    Http(#[from] hyper::Error),
    /// The WebSocket on the Unix socket broke off.
    #[error("the node broke off: {0}")]
    WebSocket(Box<tokio_tungstenite::tungstenite::Error>),
    /// The answer can't be understood.
    #[error("the answer of the machine can't be understood: {0}")]
    Malformed(String),
    /// The answer is larger than whoever asked is ready for.
    #[error("the answer of the machine has more than {0} bytes")]
    TooLarge(usize),
}

impl RequestError {
    /// Why the session ended, if that is what went wrong.
    #[must_use]
    pub const fn session_end(&self) -> Option<&SessionEnd> {
        match self {
            Self::NotSent(OpenFailed::Over(end)) | Self::Stream(StreamEnd::SessionOver(end)) => {
                Some(end)
            }
            Self::NotSent(OpenFailed::Invalid(_) | OpenFailed::TooMany | OpenFailed::GoingAway)
            | Self::Stream(StreamEnd::Reset(_) | StreamEnd::Invalid(_) | StreamEnd::WrongState)
            | Self::Problem(_)
            | Self::Path(_)
            | Self::Http(_)
            | Self::WebSocket(_)
            | Self::Malformed(_)
            | Self::TooLarge(_) => None,
        }
    }

    /// Whether the machine said, inside the session, that it has removed this device.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        let revoked =
            |end: &SessionEnd| matches!(end, SessionEnd::ByPeer { code: CloseCode::Revoked, .. });
        self.session_end().is_some_and(revoked)
    }
}

impl Request {
    /// A GET.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A DELETE, with an `Idempotency-Key` of its own.
    #[must_use]
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path).unsafe_once()
    }

    /// A POST of `body` as JSON, with an `Idempotency-Key` of its own: sending it twice acts once.
    ///
    /// # Errors
    /// [`RequestError::Malformed`] when it can't be written as JSON.
    pub fn post(path: impl Into<String>, body: &impl Serialize) -> Result<Self, RequestError> {
        Self::with_json(Method::POST, path, body)
    }

    /// A PATCH of `body` as JSON, likewise.
    ///
    /// # Errors
    /// [`RequestError::Malformed`] when it can't be written as JSON.
    pub fn patch(path: impl Into<String>, body: &impl Serialize) -> Result<Self, RequestError> {
        Self::with_json(Method::PATCH, path, body)
    }

    fn with_json(
        method: Method,
        path: impl Into<String>,
        body: &impl Serialize,
    ) -> Result<Self, RequestError> {
        let json = serde_json::to_vec(body);
        let json = json.map_err(|error| RequestError::Malformed(error.to_string()))?;
        let mut request = Self::new(method, path).unsafe_once();
        request.headers.push((CONTENT_TYPE.as_str().to_owned(), "application/json".to_owned()));
        request.body = json.into();
        Ok(request)
    }

    /// The same request with one more header field; the name in lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    fn unsafe_once(self) -> Self {
        let mut key = [0; 16];
        UnwrapErr(SysRng).fill_bytes(&mut key);
        self.header("idempotency-key", HEXLOWER.encode(&key))
    }
}

impl Connection {
    pub(crate) fn over_session(
        machine: MachineId,
        path: Path,
        carrier: Option<Carrier>,
        session: Session,
    ) -> Self {
        Self {
            machine: OnceCell::new_with(Some(machine)),
            path,
            carrier,
            way: Way::Session(session),
        }
    }

    /// A connection to the node whose socket this is.
    pub(crate) async fn over_socket(path: &std::path::Path) -> Result<Self, PathError> {
        let first = Mutex::new(Some(unix::connect(path).await?));
        let (socket, path) = (Socket { path: path.to_owned(), first }, Path::Unix(path.to_owned()));
        Ok(Self { machine: OnceCell::new(), path, carrier: None, way: Way::Socket(socket) })
    }

    /// The machine at the other end. On the Unix socket it is asked, once.
    ///
    /// # Errors
    /// [`RequestError`] when that fails.
    pub async fn machine(&self) -> Result<MachineId, RequestError> {
        let ask = || async {
            let answer = self.request(Request::get("/v1/machine")).await?;
            Ok(answer.json::<Machine>(MAX_MACHINE).await?.machine_id)
        };
        self.machine.get_or_try_init(ask).await.copied()
    }

    /// The path it takes.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// The session that it is; `None` on the Unix socket.
    #[must_use]
    pub const fn session(&self) -> Option<&Session> {
        match &self.way {
            Way::Session(session) => Some(session),
            Way::Socket(_) => None,
        }
    }

    /// What carries it to a relay; `None` if it goes through none.
    #[must_use]
    pub const fn carrier(&self) -> Option<Carrier> {
        self.carrier
    }

    pub(crate) const fn way(&self) -> &Way {
        &self.way
    }

    /// Asks the machine for something, and waits for the head of its answer.
    ///
    /// # Errors
    /// [`RequestError`]; a status from 400 is [`RequestError::Problem`].
    pub async fn request(&self, request: Request) -> Result<Answer, RequestError> {
        let answer = match &self.way {
            Way::Session(session) => over_session(session, request).await?,
            Way::Socket(socket) => socket.wait(socket.ask(request)).await?,
        };
        if answer.status.as_u16() < 400 { Ok(answer) } else { Err(answer.into_problem().await) }
    }

    /// Ends the connection in order, and waits until that was said.
    pub async fn close(self) {
        if let Way::Session(session) = &self.way {
            session.close(CloseCode::Done, "");
            session.finished().await;
        }
    }
}

impl Socket {
    /// A connection that nobody has used yet.
    pub(crate) async fn connect(&self) -> Result<LocalStream, PathError> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        // If there is something to read already, it is that the node has hung up.
        let is_fresh = |stream: &LocalStream| {
            rustix::net::recv(stream, &mut [0], RecvFlags::PEEK) == Err(Errno::AGAIN)
        };
        match first.filter(is_fresh) {
            Some(first) => Ok(first),
            None => unix::connect(&self.path).await,
        }
    }

    /// Waits for the beginning of an answer. A node may take its time for that, but every 5 s it is
    /// asked whether it is alive, and has 5 s to say so: nobody waits for one that hangs.
    pub(crate) async fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        const EACH: Duration = Duration::from_millis(PATIENCE.as_millis() as u64 / 2);
        tokio::pin!(answer);
        loop {
            if let Ok(answer) = timeout(EACH, &mut answer).await {
                return answer;
            }
            let alive = timeout(EACH, self.ask(Request::get("/v1/machine"))).await;
            alive.unwrap_or(Err(PathError::Slow(PATIENCE).into()))?;
        }
    }

    async fn ask(&self, request: Request) -> Result<Answer, RequestError> {
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when the answer was read or dropped.
        tokio::spawn(connection);
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(request.path)
            .header(HOST, "localhost");
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let request = builder
            .body(Full::new(request.body))
            .map_err(|error| RequestError::Malformed(error.to_string()))?;
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = parts.headers.iter().filter_map(text).collect();
        Ok(Answer { status: parts.status, headers, body: Body::Socket(body) })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Way::Session(session) = &self.way {
            session.close(CloseCode::Done, "");
        }
    }
}

async fn over_session(session: &Session, request: Request) -> Result<Answer, RequestError> {
    let Request { method, path, headers, body } = request;
    let open = Open { method: method.as_str().to_owned(), path, headers };
    let (mut sending, mut receiving) = session.open(open)?;
    if body.is_empty() {
        sending.finish()?;
    } else {
        // In a task of its own, which ends with the stream: the machine may answer before it has
        // read everything, with why it does not want it, and whoever drops the rest drops the answer.
        tokio::spawn(async move {
            if sending.write(body).await.is_ok() {
                let _ = sending.finish();
            }
        });
    }
    let head = receiving.head().await?;
    let status = StatusCode::from_u16(head.status)
        .map_err(|error| RequestError::Malformed(error.to_string()))?;
    Ok(Answer { status, headers: head.headers, body: Body::Session(receiving) })
}

impl Answer {
    /// The value of a header field; the name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The next bytes of the body, `None` at its orderly end.
    ///
    /// # Errors
    /// [`RequestError`] when it broke off: what arrived is incomplete.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RequestError> {
        match &mut self.body {
            Body::Session(receiving) => Ok(receiving.chunk().await?),
            Body::Socket(body) => loop {
                match body.frame().await.transpose()? {
                    None => return Ok(None),
                    Some(frame) => {
                        if let Ok(bytes) = frame.into_data() {
                            return Ok(Some(bytes));
                        }
                    }
                }
            },
        }
    }

    /// The whole body, at most `limit` bytes.
    ///
    /// # Errors
    /// [`RequestError`], among them [`RequestError::TooLarge`].
    pub async fn whole(mut self, limit: usize) -> Result<Bytes, RequestError> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.chunk().await? {
            if whole.len() + bytes.len() > limit {
                return Err(RequestError::TooLarge(limit));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    /// The body read as JSON, at most `limit` bytes.
    ///
    /// # Errors
    /// [`RequestError`], among them [`RequestError::Malformed`].
    pub async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, RequestError> {
        let whole = self.whole(limit).await?;
        serde_json::from_slice(&whole).map_err(|error| RequestError::Malformed(error.to_string()))
    }

    async fn into_problem(self) -> RequestError {
        let status = self.status;
        match self.json::<Problem>(MAX_PROBLEM).await {
            Ok(problem) => RequestError::Problem(Box::new(problem)),
            Err(RequestError::Malformed(_) | RequestError::TooLarge(_)) => {
                RequestError::Malformed(format!("status {status} without a problem"))
            }
            Err(error) => error,
        }
    }
}
