//! Every route, with the handler that answers it.

mod agents;
mod devices;
mod events;
mod exec;
mod machine;
mod output;
mod pairing;
mod terminal;

use axum::Json;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    App,
    document::{Description, document},
};

/// The routes, each registered with its description.
pub(super) fn all() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(machine::machine))
        .routes(routes!(machine::status))
        .routes(routes!(agents::list, agents::spawn))
        .routes(routes!(agents::find, agents::remove))
        .routes(routes!(agents::signal))
        .routes(routes!(agents::stop))
        .routes(routes!(output::output))
        .routes(routes!(terminal::terminal))
        .routes(routes!(exec::exec))
        .routes(routes!(events::events))
        .routes(routes!(devices::list))
        .routes(routes!(devices::revoke))
        .routes(routes!(pairing::mint_code))
        .routes(routes!(pairing::list, pairing::invite))
        .routes(routes!(pairing::withdraw))
        .routes(routes!(openapi))
}

/// This description.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "openapi",
    tag = "machine",
    responses((status = 200, description = "The OpenAPI document.", body = Value))
)]
async fn openapi() -> Json<&'static Value> {
    Json(document())
}
