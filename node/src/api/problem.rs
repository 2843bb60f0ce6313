//! Failures as answers: `application/problem+json`, whatever failed.

use std::{any::Any, panic::AssertUnwindSafe};

use axum::{
    Json,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use gantline_protocol::api::{Problem, ProblemCode};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

/// A request that failed, as its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub Problem);

impl Refused {
    /// A failure with `detail` for people: what, why, what next.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }

    pub(crate) fn nobody() -> Self {
        Self::new(ProblemCode::Unauthenticated, "this request comes from nobody known")
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidRequest, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::NotFound, detail)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Conflict, detail)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = match limit {
            0 => "this request takes no body".to_owned(),
            limit => format!("the body has more than the {limit} bytes that this route takes"),
        };
        Self::new(ProblemCode::TooLarge, detail)
    }

    /// An error inside the node. What it was is for its log only.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed inside the node");
        Self::new(
            ProblemCode::Internal,
            "something failed inside the node; its log says what. Try again, and report it if it stays",
        )
    }

    /// The same failure about a resource.
    #[must_use]
    pub(crate) fn about(mut self, path: String) -> Self {
        self.0.instance = Some(path);
        self
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::CONTENT_TYPE));
        if self.0.code == ProblemCode::Rate {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
        }
        response
    }
}

/// Answers what no route does.
pub(super) async fn no_such_path() -> Refused {
    Refused::not_found("there is no such path; /v1/openapi.json describes those that there are")
}

/// Makes a panic in a handler an answer without details, and the node go on.
pub(super) async fn catch_panics(request: Request, next: Next) -> Response {
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|panic| {
        Refused::internal(&format_args!("a handler panicked: {}", message(&*panic))).into_response()
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn fails() -> StatusCode {
        panic!("the password is hunter2")
    }

    #[tokio::test]
    async fn a_bug_in_one_request_is_an_answer_without_details() {
        let router: Router =
            Router::new().route("/", get(fails)).layer(middleware::from_fn(catch_panics));
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem.code, ProblemCode::Internal);
        assert!(!problem.to_string().contains("hunter2"));
    }
}
