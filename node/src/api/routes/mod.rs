//! Every route, with the handler that answers it.

mod agents;
mod devices;
mod events;
mod exec;
mod exposition;
mod history;
mod machine;
pub(super) mod machines;
mod metrics;
mod once;
mod output;
mod pairing;
mod terminal;
mod vitals;

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
    own().merge(gateway())
}

/// What is asked of other machines.
pub(super) fn gateway() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(machines::list, machines::add))
        .routes(routes!(machines::events))
        .routes(routes!(machines::find, machines::rename, machines::forget))
        .routes(routes!(machines::hand_on))
}

/// What is asked of this machine itself.
pub(super) fn own() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(machine::machine))
        .routes(routes!(machine::status))
        .routes(routes!(agents::list, agents::spawn))
        .routes(routes!(agents::find, agents::edit, agents::remove))
        .routes(routes!(agents::signal))
        .routes(routes!(agents::compare_env))
        .routes(routes!(agents::start))
        .routes(routes!(agents::stop))
        .routes(routes!(agents::restart))
        .routes(routes!(output::output))
        .routes(routes!(terminal::terminal))
        .routes(routes!(exec::exec))
        .routes(routes!(events::events))
        .routes(routes!(history::list))
        .routes(routes!(history::find))
        .routes(routes!(metrics::of_agent))
        .routes(routes!(metrics::of_machine))
        .routes(routes!(exposition::exposition))
        .routes(routes!(devices::list))
        .routes(routes!(devices::revoke))
        .routes(routes!(pairing::mint_code))
        .routes(routes!(pairing::list, pairing::invite))
        .routes(routes!(pairing::withdraw))
        .routes(routes!(once::mint))
        .routes(routes!(vitals::vitals))
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
