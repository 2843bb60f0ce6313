//! What a request says, read so that whatever is wrong with it is answered as a problem.

use std::str::FromStr;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
};
use bytes::Bytes;
use http::{HeaderMap, Method, header::CONTENT_TYPE, request::Parts};
use http_body_util::{BodyExt, LengthLimitError};
use serde::de::DeserializeOwned;

use super::Refused;
use crate::access::{Access, Effect, Principal};

/// The JSON of the body; in a PATCH it may also be called what it is there, a merge patch (RFC 7396).
pub(super) struct Input<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let is_patch =
            parts.method == Method::PATCH && is(&parts.headers, "application/merge-patch+json");
        if !is_patch && !is_json(&parts.headers) {
            let mut refused = Refused::invalid("the body is not of the type application/json");
            (refused.0.status, refused.0.title) = (415, "Unsupported Media Type".into());
            return Err(refused);
        }
        let bytes = read_body(&parts, body).await?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Refused::invalid(format!("the body is not as described: {error}")))
    }
}

/// Whether the body is said to be JSON. A page of another origin can't send this type without
/// asking first.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    is(headers, "application/json")
}

fn is(headers: &HeaderMap, wanted: &str) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(wanted)
}

/// All of a body, which the guard has bounded.
pub(super) async fn read_body(parts: &Parts, body: Body) -> Result<Bytes, Refused> {
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if is_too_long(&error) => Err(Refused::too_large(body_limit(parts))),
        Err(_) => Err(Refused::invalid("the body broke off")),
    }
}

fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<LengthLimitError>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn body_limit(parts: &Parts) -> usize {
    match parts.extensions.get::<&'static Access>().map(|access| access.effect) {
        Some(Effect::Changes { body }) => body,
        Some(Effect::Reads | Effect::Converses) | None => 0,
    }
}

/// The query of the path.
pub(super) struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => Err(Refused::invalid(error.body_text())),
        }
    }
}

/// The id in the path. One that can't be is one that is not there.
pub(super) struct Id<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let id: Option<T> = match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => text.parse().ok(),
            Err(_) => None,
        };
        id.map(Self).ok_or_else(|| Refused::not_found("the id in the path names nothing"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        parts.extensions.get::<Self>().copied().ok_or_else(Refused::nobody)
    }
}
