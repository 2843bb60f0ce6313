//! The devices that may reach this machine.

use axum::{Json, extract::State};
use gantline_protocol::{DeviceId, api::Device};
use http::StatusCode;

use crate::{
    access::Principal,
    api::{App, Refused, input::Id},
};

/// The paired devices, those that have yet to open their first session included, with the safety
/// number of each.
#[utoipa::path(
    get,
    path = "/v1/devices",
    tag = "devices",
    operation_id = "list_devices",
    responses((status = 200, description = "The devices.", body = Vec<Device>))
)]
pub(super) async fn list(State(app): State<App>) -> Json<Vec<Device>> {
    Json(app.devices.list_to_compare().await)
}

/// Removes a device. Its sessions end at once.
#[utoipa::path(
    delete,
    path = "/v1/devices/{id}",
    tag = "devices",
    operation_id = "revoke_device",
    params(("id" = DeviceId, Path, description = "The device.")),
    responses((status = 204, description = "It is removed."))
)]
pub(super) async fn revoke(
    State(app): State<App>,
    who: Principal,
    Id(id): Id<DeviceId>,
) -> Result<StatusCode, Refused> {
    app.mutations.revoke_device(&who, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
