//! `/v1/openapi.json`.

use axum::Json;
use serde_json::Value;

use crate::api::document::document;

/// This description.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "openapi",
    tag = "machine",
    responses((status = 200, description = "The OpenAPI document.", body = Value))
)]
pub(super) async fn openapi() -> Json<&'static Value> {
    Json(document())
}
