//! The machine, and how its node is doing.

use std::env::consts;

use axum::{Json, extract::State};
use gantline_protocol::api::{Machine, Status};

use crate::{
    access::Principal,
    api::{App, VERSION},
};

/// The machine that answers.
#[utoipa::path(
    get,
    path = "/v1/machine",
    operation_id = "machine",
    tag = "machine",
    responses((status = 200, description = "The machine.", body = Machine))
)]
pub(super) async fn machine(State(app): State<App>, who: Principal) -> Json<Machine> {
    let machine = &app.machine;
    Json(Machine {
        machine_id: machine.machine_id,
        alias: machine.alias.clone(),
        name: machine.name.clone(),
        version: VERSION.to_owned(),
        os: consts::OS.to_owned(),
        arch: consts::ARCH.to_owned(),
        started_at: machine.started_at,
        role: who.role,
    })
}

/// How the node is doing, and how its relays reach it.
#[utoipa::path(
    get,
    path = "/v1/status",
    operation_id = "status",
    tag = "machine",
    responses((status = 200, description = "The status.", body = Status))
)]
pub(super) async fn status(State(app): State<App>) -> Json<Status> {
    let uptime = app.machine.started.elapsed();
    Json(Status {
        version: VERSION.to_owned(),
        uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        loopback: app.loopback.map(|address| address.to_string()),
        links: app.links.list(),
        history: app.history.status(),
    })
}
