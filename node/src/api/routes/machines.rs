//! The gateway: the machines that this machine's user has paired with, and requests to them.

use std::convert::Infallible;

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{Request, State},
    response::{
        Response,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt};
use gantline_protocol::{
    MachineId,
    api::{AddMachineRequest, AddedMachine, MachineEvent, MachineSummary, RenameMachineRequest},
};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header::LOCATION};
use hyper::upgrade::OnUpgrade;
use tower::ServiceExt;

use super::events::HEARTBEAT;
use crate::{
    access::Principal,
    api::{
        App, Refused,
        input::{Id, Input},
    },
    gateway,
};

/// The routes of this machine itself, for what is asked of it by its own id.
#[derive(Debug, Clone)]
pub(in crate::api) struct Here(pub(in crate::api) Router);

/// The machines that this machine's user has paired with, and this one, which comes first. It dials
/// nobody. For the machine's own user only.
#[utoipa::path(
    get,
    path = "/v1/machines",
    operation_id = "list_machines",
    responses((status = 200, description = "The machines.", body = Vec<MachineSummary>))
)]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Vec<MachineSummary>>, Refused> {
    Ok(Json(app.gateway.list().await?))
}

/// Pairs with a machine through its relay. A code is good for two tries.
#[utoipa::path(
    post,
    path = "/v1/machines",
    operation_id = "add_machine",
    request_body = AddMachineRequest,
    responses((
        status = 201,
        description = "It is paired.",
        body = AddedMachine,
        headers(("location" = String, description = "The machine's path.")),
    ))
)]
pub(super) async fn add(
    State(app): State<App>,
    who: Principal,
    Input(request): Input<AddMachineRequest>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<AddedMachine>), Refused> {
    let added = app.mutations.add_machine(&who, &app.gateway, request).await?;
    let path = format!("/v1/machines/{}", added.machine.machine_id);
    Ok((StatusCode::CREATED, [(LOCATION, path)], Json(added)))
}

/// One machine.
#[utoipa::path(
    get,
    path = "/v1/machines/{id}",
    operation_id = "find_machine",
    params(("id" = MachineId, Path, description = "The machine.")),
    responses((status = 200, description = "The machine.", body = MachineSummary))
)]
pub(super) async fn find(
    State(app): State<App>,
    Id(id): Id<MachineId>,
) -> Result<Json<MachineSummary>, Refused> {
    Ok(Json(app.gateway.summary(id).await?))
}

/// Calls a machine something else, for this machine's user.
#[utoipa::path(
    patch,
    path = "/v1/machines/{id}",
    operation_id = "rename_machine",
    params(("id" = MachineId, Path, description = "The machine.")),
    request_body = RenameMachineRequest,
    responses((status = 200, description = "The machine.", body = MachineSummary))
)]
pub(super) async fn rename(
    State(app): State<App>,
    who: Principal,
    Id(id): Id<MachineId>,
    Input(request): Input<RenameMachineRequest>,
) -> Result<Json<MachineSummary>, Refused> {
    Ok(Json(app.mutations.rename_machine(&who, &app.gateway, id, request.name).await?))
}

/// Forgets a machine. It still lists this device until that is removed there.
#[utoipa::path(
    delete,
    path = "/v1/machines/{id}",
    operation_id = "forget_machine",
    params(("id" = MachineId, Path, description = "The machine.")),
    responses((status = 204, description = "It is forgotten."))
)]
pub(super) async fn forget(
    State(app): State<App>,
    who: Principal,
    Id(id): Id<MachineId>,
) -> Result<StatusCode, Refused> {
    app.mutations.forget_machine(&who, &app.gateway, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The events of all machines, as server-sent events. As long as it is read, a session is kept with
/// each of them. One named `missed` says whose state is to be asked for again.
#[utoipa::path(
    get,
    path = "/v1/machines/events",
    operation_id = "machine_events",
    responses((
        status = 200,
        description = "The events, without end.",
        body = MachineEvent,
        content_type = "text/event-stream",
    ))
)]
pub(super) async fn events(
    State(app): State<App>,
) -> Sse<impl Stream<Item = Result<Sent, Infallible>>> {
    let told = app.gateway.listen().take_until(app.closing.cancelled_owned());
    Sse::new(told).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

/// What a machine answers to `/v1/{rest}`, with any method. A request with `upgrade: websocket` is a
/// conversation with it.
#[utoipa::path(
    method(get, post, put, patch, delete),
    path = "/v1/machines/{id}/{*rest}",
    operation_id = "hand_on",
    params(
        ("id" = MachineId, Path, description = "The machine."),
        ("rest" = String, Path, description = "A path of that machine, below `/v1/`."),
    ),
    responses(
        (status = 101, description = "The WebSocket is open."),
        (status = 200, description = "What the machine answers.", body = serde_json::Value),
    )
)]
pub(super) async fn hand_on(
    State(app): State<App>,
    who: Principal,
    Extension(Here(own)): Extension<Here>,
    request: Request,
) -> Result<Response, Refused> {
    let (machine, path) = target(request.uri())
        .ok_or_else(|| Refused::not_found("the id in the path names no machine"))?;
    if machine != app.gateway.local_id() {
        return gateway::hand_on(&app.gateway, machine, path, request).await;
    }
    let mut response = own.oneshot(here(request, &path, who)?).await.unwrap_or_else(|e| match e {});
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    if let Some(rest) = location.and_then(|location| location.strip_prefix("/v1/"))
        && let Ok(there) = HeaderValue::from_str(&format!("/v1/machines/{machine}/{rest}"))
    {
        response.headers_mut().insert(LOCATION, there);
    }
    Ok(response)
}

/// Which machine is meant, and the path and query that it is asked for.
fn target(uri: &Uri) -> Option<(MachineId, String)> {
    let (machine, rest) = uri.path().strip_prefix("/v1/machines/")?.split_once('/')?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some((machine.parse().ok()?, format!("/v1/{rest}{query}")))
}

/// The same request for this machine itself: nothing of the first routing goes with it.
fn here(request: Request, path: &str, who: Principal) -> Result<Request, Refused> {
    let (mut parts, body) = request.into_parts();
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    parts.extensions.clear();
    parts.extensions.insert(who);
    if let Some(upgrade) = upgrade {
        parts.extensions.insert(upgrade);
    }
    parts.uri = path.parse().map_err(|_| Refused::invalid("the path can't be understood"))?;
    Ok(Request::from_parts(parts, Body::new(body)))
}
