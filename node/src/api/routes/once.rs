//! Tokens by which the machine's own user opens its page in a browser.

use axum::{Json, extract::State};
use gantline_protocol::api::OneTimeToken;
use http::StatusCode;

use crate::api::{App, Refused};

/// Mints the address by which a browser is let in once, within a minute. For the machine's own user
/// only.
#[utoipa::path(
    post,
    path = "/v1/one-time-tokens",
    operation_id = "mint_one_time_token",
    responses((status = 201, description = "The page's address.", body = OneTimeToken))
)]
pub(super) async fn mint(
    State(app): State<App>,
) -> Result<(StatusCode, Json<OneTimeToken>), Refused> {
    let address = app.loopback.ok_or_else(|| {
        Refused::conflict(
            "this node has no page: loopback.enabled is false in its config.toml; set it to true, and start the node again",
        )
    })?;
    let token = app.one_time_tokens.mint(address).map_err(|error| Refused::internal(&error))?;
    Ok((StatusCode::CREATED, Json(token)))
}
