//! The dashboard and the API on 127.0.0.1, for the browser of this machine's user. Every page in
//! that browser, and every program of every user of the machine, can connect: so the names by which
//! it is called are fixed, other pages are refused, and who calls the API must know the token of
//! this start of the node.

use std::{
    fmt,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
};
use gantline_dashboard::{Dashboard, Scheme, Sockets};
use gantline_protocol::api::{PagePlace, PageToken, PageTokenRequest, Problem, ProblemCode};
use gantline_transport::websocket::{
    self, SUBPROTOCOL as PIPE_SUBPROTOCOL, Upgrade, WebSocketReader, WebSocketWriter,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        AUTHORIZATION, CACHE_CONTROL, HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
        WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    ListenError,
    connections::Connections,
    once::OneTimeTokens,
    token::{Token, WrongTokens},
};
use crate::{
    access::{Entrance, Principal},
    api::{Refused, VERSION, input::is_json},
    config::LoopbackPort,
    state::Home,
};

/// Ports that are tried, beginning with the one that was asked for.
const PORTS: u16 = 32;
/// The path of the WebSocket that is a pipe to the door.
const SESSION: &str = "/v1/session";
/// Where a page asks what it is served by.
const PLACE: &str = "/v1/place";
/// What monitoring reads: the one route that is not below `/v1`.
const METRICS: &str = "/metrics";
/// Where a page trades its one-time token for the token of the API.
const PAGE_TOKEN: &str = "/v1/page-token";
/// The greatest body of that, in bytes.
const MAX_TRADE: usize = 1024;
/// How long it may take to arrive: whoever has no token yet must not keep a connection.
const TRADE_WITHIN: Duration = Duration::from_secs(5);
/// The WebSocket subprotocol of the API's conversations.
pub(crate) const SUBPROTOCOL: &str = "gantline.v1";
/// What stands before the token among the subprotocols, since a page can't set other headers.
const BEARER_SUBPROTOCOL: &str = "gantline.bearer.";

/// Both ends of a pipe that came in as a WebSocket.
pub type PipeEnds = (WebSocketReader, WebSocketWriter);

/// Takes the pipes that come in at `/v1/session`.
pub type OnPipe = Arc<dyn Fn(PipeEnds) + Send + Sync>;

/// The listener on 127.0.0.1, open.
#[derive(Debug)]
pub struct LoopbackListener {
    listener: TcpListener,
    address: SocketAddr,
    token: Token,
}

/// Where the listener is, for the user's own programs: `loopback.json` in [`Home::run_dir`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Its address and port.
    pub address: SocketAddr,
    /// The name of the file beside this one that holds the token.
    pub token_file: String,
}

impl Place {
    /// The name of its file in [`Home::run_dir`].
    pub const FILE: &str = "loopback.json";
}

const TOKEN_FILE: &str = "loopback.token";

impl LoopbackListener {
    /// Opens the listener on `port`, or on the next one that is free, draws its token, and writes
    /// both down in [`Home::run_dir`].
    ///
    /// # Errors
    /// [`ListenError`] if no port is free, or the system refuses.
    pub async fn bind(home: &Home, port: LoopbackPort) -> Result<Self, ListenError> {
        let listener = bind(port).await?;
        let failed = |source| ListenError::Io { place: "127.0.0.1".to_owned(), source };
        let address = listener.local_addr().map_err(failed)?;
        let token = Token::draw().map_err(|error| failed(error.into()))?;
        let files = home.run_files();
        files.remove(TOKEN_FILE)?;
        files.write(TOKEN_FILE, token.reveal().as_bytes())?;
        files.write_json(Place::FILE, &Place { address, token_file: TOKEN_FILE.to_owned() })?;
        Ok(Self { listener, address, token })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with `router`, and gives pipes to `on_pipe`, until `closing` is cancelled and the
    /// last answer is given.
    pub async fn serve(
        self,
        router: Router,
        on_pipe: OnPipe,
        one_time_tokens: OneTimeTokens,
        closing: CancellationToken,
    ) {
        let Self { listener, address, token } = self;
        let entrance = Arc::new(LoopbackEntrance {
            dashboard: Dashboard::embedded(),
            one_time_tokens,
            hosts: ["127.0.0.1", "localhost"].map(|host| format!("{host}:{}", address.port())),
            token,
            wrong: Mutex::default(),
            router,
            on_pipe,
        });
        let accept = || listener.accept();
        Connections::new(closing)
            .run(accept, |connections, place, (stream, peer): (TcpStream, SocketAddr)| {
                let _ = stream.set_nodelay(true);
                let entrance = entrance.clone();
                connections.serve(place, stream, move |request| {
                    let entrance = entrance.clone();
                    async move {
                        match entrance.answer(request, peer.ip()).await {
                            Ok(response) => response,
                            Err(refused) => refused.into_response(),
                        }
                    }
                });
            })
            .await;
    }
}

async fn bind(port: LoopbackPort) -> Result<TcpListener, ListenError> {
    let failed =
        |port| move |source| ListenError::Io { place: format!("127.0.0.1:{port}"), source };
    let first = match port {
        LoopbackPort::Any => {
            return TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed(0));
        }
        LoopbackPort::From(first) => first.get(),
    };
    let last = first.saturating_add(PORTS - 1);
    for port in first..=last {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(failed(port)(error)),
        }
    }
    Err(ListenError::NoPort { first, last })
}

struct LoopbackEntrance {
    /// `host:port`, as the user's browser may call this listener.
    hosts: [String; 2],
    token: Token,
    wrong: Mutex<WrongTokens>,
    one_time_tokens: OneTimeTokens,
    dashboard: Dashboard,
    router: Router,
    on_pipe: OnPipe,
}

impl fmt::Debug for LoopbackEntrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopbackEntrance").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl LoopbackEntrance {
    async fn answer(&self, mut request: Request, peer: IpAddr) -> Result<Response, Refused> {
        self.check_names(&request)?;
        match request.uri().path() {
            SESSION => return self.take_pipe(request),
            PLACE => return place(request.method()),
            PAGE_TOKEN => return self.trade(request, peer).await,
            METRICS => {}
            path if path != "/v1" && !path.starts_with("/v1/") => return Ok(self.page(&request)),
            _ => {}
        }
        if let Some(refusal) = self.check_token(request.headers(), peer) {
            return Ok(refusal);
        }
        let headers = request.headers_mut();
        headers.remove(AUTHORIZATION);
        if headers.remove(SEC_WEBSOCKET_PROTOCOL).is_some() {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        }
        request.extensions_mut().insert(Principal::local(Entrance::Loopback));
        let Ok(response) = self.router.clone().oneshot(request).await;
        Ok(response)
    }

    /// Refuses requests for other names, which a page of another site can have made to lead here
    /// (DNS rebinding), and those of other pages.
    fn check_names(&self, request: &Request) -> Result<(), Refused> {
        let refused = |what: &str| Err(Refused::new(ProblemCode::RoleForbids, what));
        let is_host = |host: &str| self.hosts.iter().any(|own| own == host);
        let host = single(request.headers(), &HOST);
        let named = request.uri().authority().is_none_or(|authority| is_host(authority.as_str()));
        if !named || !host.is_ok_and(|host| host.is_some_and(is_host)) {
            return refused("this address goes by 127.0.0.1 and localhost with its port only");
        }
        if is_for_another_page(request.headers()) {
            return refused("a page of another origin may not call this address");
        }
        let is_origin = |origin: &str| origin.strip_prefix("http://").is_some_and(is_host);
        match single(request.headers(), &ORIGIN) {
            Ok(None) => Ok(()),
            Ok(Some(origin)) if is_origin(origin) => Ok(()),
            Ok(Some(_)) | Err(_) => refused("a page of another origin may not call this address"),
        }
    }

    /// The dashboard's files are no secret.
    fn page(&self, request: &Request) -> Response {
        let headers = request.headers();
        let authority = single(headers, &HOST).ok().flatten().unwrap_or_default();
        let place =
            gantline_dashboard::Place { authority, sockets: Sockets::Own, scheme: Scheme::Plain };
        self.dashboard.answer(request.method(), request.uri(), headers, &place)
    }

    /// Gives the token of the API for one that works once.
    async fn trade(&self, request: Request, peer: IpAddr) -> Result<Response, Refused> {
        if request.method() != Method::POST {
            return Err(
                Problem::new(ProblemCode::MethodNotAllowed, "this is to be posted to").into()
            );
        }
        let (parts, body) = request.into_parts();
        // A page of another origin can't send this type without asking first.
        if !is_json(&parts.headers) {
            return Err(Refused::invalid("the body is not of the type application/json"));
        }
        let body = timeout(TRADE_WITHIN, to_bytes(body, MAX_TRADE)).await;
        let body = body.map_err(|_| Refused::invalid("the body took too long"))?;
        let body = body.map_err(|_| Refused::too_large(MAX_TRADE))?;
        let PageTokenRequest { one_time_token } = serde_json::from_slice(&body)
            .map_err(|_| Refused::invalid("the body is not {\"oneTimeToken\": TOKEN}"))?;
        if !self.one_time_tokens.redeem(&one_time_token) {
            return Ok(self.wrong_token(peer));
        }
        let mut response =
            Json(PageToken { token: self.token.reveal().to_owned() }).into_response();
        unkept(response.headers_mut());
        Ok(response)
    }

    /// The answer to whoever does not know the token.
    fn check_token(&self, headers: &HeaderMap, peer: IpAddr) -> Option<Response> {
        let guess = if headers.contains_key(UPGRADE) {
            from_subprotocols(headers)
        } else {
            from_authorization(headers)
        };
        match guess {
            Some(guess) if self.token.is(guess) => None,
            Some(_) => Some(self.wrong_token(peer)),
            None => Some(no_token()),
        }
    }

    fn wrong_token(&self, peer: IpAddr) -> Response {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.note(peer, Instant::now()) {
            let refused = Refused::new(ProblemCode::Rate, "too many wrong tokens; wait a minute");
            return refused.into_response();
        }
        drop(wrong);
        no_token()
    }

    /// Makes a WebSocket of the connection, which is a pipe to the door. No token: the session or
    /// pairing in it proves who asks.
    fn take_pipe(&self, mut request: Request) -> Result<Response, Refused> {
        let offers = Upgrade::offers(&request, PIPE_SUBPROTOCOL);
        let upgrade = Upgrade::of(&mut request)
            .ok_or_else(|| Refused::invalid("this path takes WebSockets only (RFC 6455)"))?;
        if !offers {
            let detail = format!("the WebSocket has not the subprotocol {PIPE_SUBPROTOCOL}");
            return Err(Refused::invalid(detail));
        }
        let response = upgrade.response::<Body>(Some(PIPE_SUBPROTOCOL));
        let on_pipe = self.on_pipe.clone();
        tokio::spawn(async move {
            match upgrade.socket().await {
                Ok(socket) => {
                    let (_, writer, reader) = websocket::pipe(socket, None);
                    on_pipe((reader, writer));
                }
                Err(error) => tracing::debug!(%error, "a WebSocket came to nothing"),
            }
        });
        Ok(response)
    }
}

fn no_token() -> Response {
    let detail = "this needs the token of this start of the node; `gantline open` has it";
    let mut response = Refused::new(ProblemCode::Unauthenticated, detail).into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// What a page is told that does not know yet where it is.
fn place(method: &Method) -> Result<Response, Refused> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Problem::new(ProblemCode::MethodNotAllowed, "this can only be read").into());
    }
    let mut response = Json(PagePlace::Node { version: VERSION.to_owned() }).into_response();
    unkept(response.headers_mut());
    Ok(response)
}

fn unkept(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Whether a browser makes the request for a page of another site, or of another port of this one,
/// and not because its user opens the page itself.
fn is_for_another_page(headers: &HeaderMap) -> bool {
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    matches!(told("sec-fetch-site"), Some("cross-site" | "same-site"))
        && told("sec-fetch-dest") != Some("document")
}

/// The only value of a header, if it is there.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Malformed> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Malformed),
        (Some(_), Some(_)) => Err(Malformed),
    }
}

struct Malformed;

fn from_authorization(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = single(headers, &AUTHORIZATION).ok()??.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The token among the subprotocols, if the API's own is among them too.
fn from_subprotocols(headers: &HeaderMap) -> Option<&str> {
    subprotocols(headers).find(|entry| *entry == SUBPROTOCOL)?;
    subprotocols(headers).find_map(|entry| entry.strip_prefix(BEARER_SUBPROTOCOL))
}

fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')).map(str::trim)
}
