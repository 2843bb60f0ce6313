//! A request that is sent twice acts once: `Idempotency-Key` on whatever changes something.
//!
//! The key is 8 to 128 visible ASCII characters, drawn by the client for one request. For 24 hours
//! (less only for a subject with more than [`book::MAX_KEYS`] keys or [`book::MAX_BYTES`] bytes of
//! answers, and until the node ends) the same request with the same key gets the same answer and
//! changes nothing. The same key with another request is refused (422), and so is one whose first
//! request still runs (409). An answer that is a stream, or has more than [`MAX_ANSWER`] bytes, is
//! not kept: its repetition is refused (409), and `instance` names what the first one made. A
//! request runs to its end even if whoever sent it has gone; 429 and 503 are not kept, since
//! nothing was done.

mod book;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use gantline_protocol::api::ProblemCode;
use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
    request::Parts,
};
use http_body::Body as _;
use sha2::{Digest, Sha256};

use self::book::{Answer, Book, Key, Verdict, Whole};
use super::{Refused, input::read_body};
use crate::access::{Access, Effect, Principal, Subject};

/// The header that carries the key.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The greatest answer that is kept, in bytes.
pub(super) const MAX_ANSWER: usize = 64 * 1024;

/// Marks an answer that is a stream, by an extension.
#[derive(Debug, Clone, Copy)]
pub(super) struct IsStream;

/// What was answered to keyed requests. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Idempotency {
    book: Arc<Mutex<Book<Subject>>>,
}

impl Idempotency {
    fn book(&self) -> MutexGuard<'_, Book<Subject>> {
        // A panic in here would leave a book whose counts are off, but every entry whole.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a keyed request once.
pub(super) async fn once(
    State(idempotency): State<Idempotency>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let changes = parts
        .extensions
        .get::<&'static Access>()
        .is_some_and(|access| matches!(access.effect, Effect::Changes { .. }));
    if !changes || !parts.headers.contains_key(HEADER) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    match keyed(idempotency, parts, body, next).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn keyed(
    idempotency: Idempotency,
    parts: Parts,
    body: Body,
    next: Next,
) -> Result<Response, Refused> {
    let key = key(&parts.headers)?;
    let subject = parts
        .extensions
        .get::<Principal>()
        .map(|principal| principal.subject)
        .ok_or_else(Refused::nobody)?;
    let body = read_body(&parts, body).await?;
    let fingerprint = fingerprint(&parts, &body);
    let verdict = idempotency.book().begin(subject, &key, fingerprint, Instant::now());
    match verdict {
        Verdict::Run => {}
        Verdict::Runs => {
            return Err(Refused::conflict(
                "the request with this Idempotency-Key still runs; ask again later",
            ));
        }
        Verdict::Mismatch => {
            return Err(Refused::new(
                ProblemCode::IdempotencyMismatch,
                "this Idempotency-Key was used with another request; draw a new one for each",
            ));
        }
        Verdict::Full => {
            return Err(Refused::new(
                ProblemCode::Rate,
                "too many requests with an Idempotency-Key run at the same time",
            ));
        }
        Verdict::Again(Answer::Whole(whole)) => return Ok(replayed(whole)),
        Verdict::Again(Answer::NotKept { location }) => return Err(not_kept(location)),
    }
    // On a task of its own: whoever asks may go away, and will ask whether it was done.
    let request = Request::from_parts(parts, Body::from(body));
    let run = tokio::spawn(async move {
        let (answer, response) = kept(next.run(request).await).await;
        idempotency.book().finish(subject, &key, answer, Instant::now());
        response
    });
    run.await.map_err(|error| Refused::internal(&error))
}

fn key(headers: &HeaderMap) -> Result<Key, Refused> {
    let mut values = headers.get_all(HEADER).iter();
    let text = values.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    match (Key::new(text), values.next()) {
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) | (None, _) => {
            Err(Refused::invalid("the Idempotency-Key is not 8 to 128 visible ASCII characters"))
        }
    }
}

fn fingerprint(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    Sha256::new()
        .chain_update(parts.method.as_str())
        .chain_update([0])
        .chain_update(path)
        .chain_update([0])
        .chain_update(body)
        .finalize()
        .into()
}

/// What to keep of an answer, if anything, and the answer itself.
async fn kept(response: Response) -> (Option<Answer>, Response) {
    let status = response.status();
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return (None, response);
    }
    let location = response.headers().get(LOCATION).cloned();
    let too_long = response.body().size_hint().lower() > MAX_ANSWER as u64;
    if too_long || response.extensions().get::<IsStream>().is_some() {
        return (Some(Answer::NotKept { location }), response);
    }
    let (parts, body) = response.into_parts();
    // Every answer but a stream is made of one piece, whose length the hint has told.
    match to_bytes(body, MAX_ANSWER).await {
        Ok(body) => {
            let content_type = parts.headers.get(CONTENT_TYPE).cloned();
            let whole = Whole { status, content_type, location, body: body.clone() };
            (Some(Answer::Whole(whole)), Response::from_parts(parts, Body::from(body)))
        }
        Err(error) => {
            let refused = Refused::internal(&error).into_response();
            (Some(Answer::NotKept { location }), refused)
        }
    }
}

fn replayed(whole: Whole) -> Response {
    let mut response = (whole.status, whole.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    for (name, value) in [(CONTENT_TYPE, whole.content_type), (LOCATION, whole.location)] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    response
}

fn not_kept(location: Option<http::HeaderValue>) -> Refused {
    let location = location.and_then(|value| value.to_str().ok().map(str::to_owned));
    match location {
        Some(path) => Refused::conflict(format!(
            "the request with this Idempotency-Key was carried out, and its answer is not kept; what it made is at {path}"
        ))
        .about(path),
        None => Refused::conflict(
            "the request with this Idempotency-Key was carried out, and its answer is not kept",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{Extension, Router, middleware, routing::post};
    use gantline_protocol::api::Problem;
    use http::HeaderValue;
    use http_body_util::BodyExt;
    use tokio::sync::Notify;
    use tower::ServiceExt;

    use super::*;
    use crate::access::{Entrance, TABLE};

    /// A route that counts how often it runs, and waits until it is let go.
    #[derive(Debug, Clone, Default)]
    struct Slow {
        runs: Arc<AtomicUsize>,
        started: Arc<Notify>,
        go: Arc<Notify>,
        done: Arc<Notify>,
    }

    async fn run(Extension(slow): Extension<Slow>) -> StatusCode {
        slow.runs.fetch_add(1, Ordering::Relaxed);
        slow.started.notify_one();
        slow.go.notified().await;
        slow.done.notify_one();
        StatusCode::CREATED
    }

    async fn streams() -> Response {
        let mut response = "start".into_response();
        response.headers_mut().insert(LOCATION, HeaderValue::from_static("/v1/agents/ag-aaaaa"));
        response.extensions_mut().insert(IsStream);
        response
    }

    async fn busy(Extension(slow): Extension<Slow>) -> StatusCode {
        slow.runs.fetch_add(1, Ordering::Relaxed);
        StatusCode::SERVICE_UNAVAILABLE
    }

    fn router(slow: &Slow) -> Router {
        let access = TABLE.iter().find(|access| access.path == "/v1/pairing-codes").unwrap();
        Router::new()
            .route("/slow", post(run))
            .route("/stream", post(streams))
            .route("/busy", post(busy))
            .layer(middleware::from_fn_with_state(Idempotency::default(), once))
            .layer(Extension(access))
            .layer(Extension(Principal::local(Entrance::UnixSocket)))
            .layer(Extension(slow.clone()))
    }

    async fn ask(router: &Router, path: &str) -> (StatusCode, axum::body::Bytes) {
        let request = Request::post(path).header(HEADER, "key-00001").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn who_hangs_up_and_asks_again_finds_that_it_was_done_once() {
        let slow = Slow::default();
        let router = router(&slow);
        let first = tokio::spawn({
            let router = router.clone();
            async move { ask(&router, "/slow").await }
        });
        slow.started.notified().await;
        let (status, body) = ask(&router, "/slow").await;
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((status.as_u16(), problem.code), (409, ProblemCode::Conflict));
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        slow.go.notify_one();
        slow.done.notified().await;
        while ask(&router, "/slow").await.0 != StatusCode::CREATED {
            tokio::task::yield_now().await;
        }
        assert_eq!(slow.runs.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_stream_is_not_repeated_but_names_what_it_made() {
        let router = router(&Slow::default());
        assert_eq!(ask(&router, "/stream").await, (StatusCode::OK, "start".into()));
        let (status, body) = ask(&router, "/stream").await;
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, StatusCode::CONFLICT);
        assert_eq!(problem.instance.as_deref(), Some("/v1/agents/ag-aaaaa"));
    }

    #[tokio::test]
    async fn what_could_not_be_done_for_now_may_be_asked_again() {
        let slow = Slow::default();
        let router = router(&slow);
        for _ in 0..2 {
            assert_eq!(ask(&router, "/busy").await.0, StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(slow.runs.load(Ordering::Relaxed), 2);
    }
}
