//! What the relay answers over HTTP.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, ORIGIN,
            REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use gantline_protocol::api::problem::{Problem, ProblemCode};
use gantline_transport::websocket::{STREAM_PATH, SUBPROTOCOL, Upgrade};

use super::{
    host::{Authority, Target},
    listener::Arrival,
    origin, page, session, stream,
};
use crate::exchange::Exchange;

const NOWHERE: &str = "There is nothing here. A machine's host is <machine id>.<relay's name>.";

/// Every route, behind the look at the host name.
pub(super) fn router(exchange: Arc<Exchange>) -> Router {
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/v1/place", get(place))
        .route("/v1/session", get(open_session))
        .route(STREAM_PATH, get(open_stream))
        .fallback(page)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(exchange.clone(), find_target))
        .layer(from_fn(secure))
        .with_state(exchange)
}

/// A relay that answers is healthy.
async fn healthy(Extension(target): Extension<Target>) -> Response {
    match target {
        Target::Apex(_) | Target::Nobody => status(StatusCode::OK, "ok"),
        Target::Machine(..) | Target::Alias(..) => nowhere().await,
    }
}

/// A relay that is about to stop takes no more sessions.
async fn ready(
    State(exchange): State<Arc<Exchange>>,
    Extension(target): Extension<Target>,
) -> Response {
    match target {
        Target::Apex(_) | Target::Nobody if exchange.draining.is_cancelled() => {
            status(StatusCode::SERVICE_UNAVAILABLE, "draining")
        }
        Target::Apex(_) | Target::Nobody => status(StatusCode::OK, "ok"),
        Target::Machine(..) | Target::Alias(..) => nowhere().await,
    }
}

fn status(code: StatusCode, word: &str) -> Response {
    let body = format!("{{\"status\":\"{word}\"}}");
    (code, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// A browser's pipe to a machine.
async fn open_session(
    State(exchange): State<Arc<Exchange>>,
    Extension(arrival): Extension<Arrival>,
    Extension(target): Extension<Target>,
    Extension(asked): Extension<Authority>,
    mut request: Request,
) -> Response {
    let Target::Machine(machine, domain) = target else { return nowhere().await };
    let page = match only(request.headers(), &ORIGIN) {
        Ok(page) => page,
        Err(detail) => return problem(ProblemCode::InvalidRequest, detail),
    };
    if !origin::may_open(page, &asked, &domain, arrival.carrier) {
        let detail = "Sessions are opened by pages of this relay, or of this machine's host, and \
                      this request names another origin or none.";
        return forbidden(detail);
    }
    let address = client(&exchange, &arrival, request.headers());
    let Some(upgrade) = Upgrade::of(&mut request) else {
        return problem(ProblemCode::InvalidRequest, "A session is a WebSocket.");
    };
    session::open(exchange, upgrade, machine, address, arrival.places)
}

/// A stream of a node or native client. Pages have no business here, and nobody without TLS: it is
/// what the login is tied to.
async fn open_stream(
    State(exchange): State<Arc<Exchange>>,
    Extension(arrival): Extension<Arrival>,
    Extension(target): Extension<Target>,
    mut request: Request,
) -> Response {
    match target {
        Target::Apex(_) | Target::Nobody => {}
        Target::Machine(..) | Target::Alias(..) => return nowhere().await,
    }
    if request.headers().contains_key(ORIGIN) {
        return forbidden("Links are made by nodes and native clients, not by pages.");
    }
    if arrival.exporter.is_none() && !exchange.config.behind_proxy {
        return forbidden("Links are made over TLS.");
    }
    if exchange.draining.is_cancelled() {
        return status(StatusCode::SERVICE_UNAVAILABLE, "draining");
    }
    if !Upgrade::offers(&request, SUBPROTOCOL) {
        let detail = format!("A link is a WebSocket with the subprotocol {SUBPROTOCOL}.");
        return problem(ProblemCode::InvalidRequest, &detail);
    }
    let address = client(&exchange, &arrival, request.headers());
    let Some(upgrade) = Upgrade::of(&mut request) else {
        return problem(ProblemCode::InvalidRequest, "A link is a WebSocket.");
    };
    stream::open(exchange, upgrade, address, arrival)
}

/// Where a page is, and so whom it trusts.
async fn place(
    State(exchange): State<Arc<Exchange>>,
    Extension(target): Extension<Target>,
) -> Response {
    match page::place(&exchange.config, &target) {
        Some(response) => response,
        None => nowhere().await,
    }
}

/// A page or file of the dashboard.
async fn page(
    State(exchange): State<Arc<Exchange>>,
    Extension(arrival): Extension<Arrival>,
    Extension(target): Extension<Target>,
    Extension(asked): Extension<Authority>,
    request: Request,
) -> Response {
    match page::answer(&exchange, &target, &asked, arrival.carrier, &request) {
        Some(response) => response,
        None => nowhere().await,
    }
}

async fn nowhere() -> Response {
    problem(ProblemCode::NotFound, NOWHERE)
}

async fn wrong_method() -> Response {
    problem(ProblemCode::MethodNotAllowed, "This can only be read.")
}

/// Finds out whom the request means. Aliases are sent on to the machine's own host; hosts that are
/// none of the relay's get no more than a sign of life.
async fn find_target(
    State(exchange): State<Arc<Exchange>>,
    mut request: Request,
    next: Next,
) -> Response {
    let named = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => match only(request.headers(), &HOST) {
            Ok(host) => host,
            Err(detail) => return problem(ProblemCode::InvalidRequest, detail),
        },
    };
    let Some(asked) = named.and_then(Authority::read) else {
        return problem(ProblemCode::InvalidRequest, "The request names no host.");
    };
    let target = Target::of(&asked.host, &exchange.config.domains);
    if let Target::Alias(alias, domain) = &target {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        return match exchange.by_alias(alias).filter(|_| is_read) {
            Some(machine) => {
                let port = asked.port.map(|port| format!(":{port}")).unwrap_or_default();
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                // Without a scheme: the browser stays with the one that it came by.
                redirect(&format!("//{machine}.{domain}{port}{path}"))
            }
            None => nowhere().await,
        };
    }
    request.extensions_mut().insert(asked);
    request.extensions_mut().insert(target);
    next.run(request).await
}

fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response(),
        Err(_) => problem(ProblemCode::InvalidRequest, "The path can't be sent on."),
    }
}

/// Nothing that the relay itself says is to be guessed at, framed, kept or run. What the dashboard's
/// files say of it stays.
async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fields: [(HeaderName, &str); 4] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in fields {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Where the client is. Only a proxy that the operator has announced is believed, and of what it
/// passes on only its own entry, the last.
fn client(exchange: &Exchange, arrival: &Arrival, headers: &HeaderMap) -> std::net::IpAddr {
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()
        .filter(|_| exchange.config.behind_proxy && arrival.carrier == origin::Carrier::Plain)
        .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    forwarded.unwrap_or(arrival.peer)
}

/// The value of a field that may be there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, &'static str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| "A header field is not ASCII."),
        (Some(_), Some(_)) => Err("A header field is there twice."),
    }
}

fn forbidden(detail: &str) -> Response {
    let problem = Problem {
        title: "Forbidden".into(),
        status: 403,
        ..Problem::new(ProblemCode::Other, detail)
    };
    answer(&problem)
}

fn problem(code: ProblemCode, detail: &str) -> Response {
    answer(&Problem::new(code, detail))
}

fn answer(problem: &Problem) -> Response {
    let code = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match serde_json::to_vec(problem) {
        Ok(body) => (code, [(CONTENT_TYPE, Problem::CONTENT_TYPE)], body).into_response(),
        Err(_) => code.into_response(),
    }
}
