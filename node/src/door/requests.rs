//! A stream of a session as an HTTP request: the node's one router answers it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use gantline_client::session::{Receiving, Sending, StreamEnd};
use gantline_protocol::session::{Head, Open, ResetCode};
use http::{HeaderName, HeaderValue, Request};
use http_body::Frame;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::access::Principal;

/// Answers one stream.
pub(super) async fn answer(
    router: Router,
    principal: Principal,
    open: Open,
    mut sending: Sending,
    receiving: Receiving,
) {
    let Some(request) = request(open, principal, receiving) else {
        return sending.reset(ResetCode::Refused);
    };
    // What must not stop half-way runs in a task of its own, as mutations with a key do.
    let response = tokio::select! {
        Ok(response) = router.oneshot(request) => response,
        _ = sending.abandoned() => return,
    };
    let (parts, mut body) = response.into_parts();
    if let Err(error) = sending.answer(head(&parts)) {
        tracing::debug!(%error, "an answer could not be sent");
        return;
    }
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            _ = sending.abandoned() => return,
        };
        match frame {
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data()
                    && sending.write(bytes).await.is_err()
                {
                    return;
                }
            }
            Some(Err(_)) => return sending.reset(ResetCode::Broken),
            None => {
                let _ = sending.finish();
                return;
            }
        }
    }
}

/// The request that a stream asks for; `None` if HTTP can't say it.
fn request(open: Open, principal: Principal, receiving: Receiving) -> Option<Request<Body>> {
    let mut request = Request::builder().method(open.method.as_bytes()).uri(open.path);
    for (name, value) in open.headers {
        request = request.header(name, value);
    }
    let mut request = request.body(Body::new(RequestBody(Some(receiving)))).ok()?;
    request.extensions_mut().insert(principal);
    Some(request)
}

fn head(parts: &http::response::Parts) -> Head {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    Head { status: parts.status.as_u16(), headers: parts.headers.iter().filter_map(text).collect() }
}

/// What the device sends with its request. When it is dropped, what still comes is thrown away.
struct RequestBody(Option<Receiving>);

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = StreamEnd;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamEnd>>> {
        let Some(receiving) = &mut self.0 else { return Poll::Ready(None) };
        receiving.poll_chunk(context).map(|chunk| match chunk {
            Ok(Some(bytes)) => Some(Ok(Frame::data(bytes))),
            Ok(None) => {
                self.0 = None;
                None
            }
            Err(end) => {
                self.0 = None;
                Some(Err(end))
            }
        })
    }
}
