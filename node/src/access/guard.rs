//! The one check in front of every route: who asks, and whether the table lets them.

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use gantline_protocol::{
    Role,
    api::{Problem, ProblemCode},
};
use http::{
    HeaderValue,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, X_CONTENT_TYPE_OPTIONS},
};
use http_body_util::Limited;

use super::{
    Principal,
    table::{self, Access, Effect, From},
};
use crate::api::Refused;

/// Lets a request through if its principal may make it. Behind it every request has a
/// [`Principal`], an [`Access`] (unless there is no such path), and a bounded body.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match admit(request) {
        Ok(request) => next.run(request).await,
        Err(refusal) => *refusal,
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn admit(mut request: Request) -> Result<Request, Box<Response>> {
    let Some(principal) = request.extensions().get::<Principal>().copied() else {
        return Err(Box::new(Refused::nobody().into_response()));
    };
    let Some(path) = request.extensions().get::<MatchedPath>() else {
        return Ok(request);
    };
    let Some(access) = table::find(request.method(), path.as_str()) else {
        return Err(Box::new(wrong_method(path.as_str())));
    };
    if principal.role < access.least {
        return Err(Box::new(forbidden(principal.role, access.least)));
    }
    match access.from {
        From::Anywhere => {}
        From::Here if principal.is_local_user() => {}
        From::Here => return Err(Box::new(only_here())),
    }
    request.extensions_mut().insert::<&'static Access>(access);
    let limit = match access.effect {
        Effect::Reads => 0,
        Effect::Changes { body } => body,
        Effect::Converses => return Ok(request),
    };
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|text| text.parse::<usize>().ok()).is_some_and(|length| length > limit) {
        return Err(Box::new(Refused::too_large(limit).into_response()));
    }
    Ok(request.map(|body| Body::new(Limited::new(body, limit))))
}

fn forbidden(role: Role, least: Role) -> Response {
    let name = |role| match role {
        Role::Observer => "observer",
        Role::Operator => "operator",
        Role::Owner => "owner",
    };
    let detail = format!(
        "this needs the role {}, and this device is {}; an owner of the machine can invite it again with another role",
        name(least),
        name(role),
    );
    Refused::new(ProblemCode::RoleForbids, detail).into_response()
}

fn only_here() -> Response {
    let detail = "this is for the machine's own user, on the machine itself, and not for sessions; to reach another machine, pair this device with that one";
    Refused::new(ProblemCode::RoleForbids, detail).into_response()
}

fn wrong_method(path: &str) -> Response {
    let methods = table::methods(path);
    let detail = format!("this path has the methods {methods}");
    let mut response = Refused(Problem::new(ProblemCode::MethodNotAllowed, detail)).into_response();
    if let Ok(methods) = HeaderValue::from_str(&methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}
