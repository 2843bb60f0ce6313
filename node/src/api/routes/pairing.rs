//! Codes and invitations by which new devices are paired.

use axum::{Json, extract::State};
use gantline_protocol::{
    InvitationId,
    api::{Invitation, InvitationRequest, MintedCode, MintedInvitation, PairingCodeRequest},
};
use http::StatusCode;

use crate::{
    access::Principal,
    api::{
        App, Refused,
        input::{Id, Input},
    },
};

/// Mints a pairing code for one device. An earlier code stops working.
#[utoipa::path(
    post,
    path = "/v1/pairing-codes",
    tag = "pairing",
    operation_id = "mint_pairing_code",
    request_body(content = PairingCodeRequest, example = json!({ "role": "operator" })),
    responses((status = 201, description = "The code, shown this once.", body = MintedCode))
)]
pub(super) async fn mint_code(
    State(app): State<App>,
    who: Principal,
    Input(request): Input<PairingCodeRequest>,
) -> Result<(StatusCode, Json<MintedCode>), Refused> {
    let code = app.mutations.mint_code(&who, request.role)?;
    Ok((StatusCode::CREATED, Json(code)))
}

/// The invitations that still work.
#[utoipa::path(
    get,
    path = "/v1/invitations",
    tag = "pairing",
    operation_id = "list_invitations",
    responses((status = 200, description = "The invitations.", body = Vec<Invitation>))
)]
pub(super) async fn list(State(app): State<App>) -> Json<Vec<Invitation>> {
    Json(app.devices.invitations())
}

/// Mints an invitation.
#[utoipa::path(
    post,
    path = "/v1/invitations",
    tag = "pairing",
    operation_id = "mint_invitation",
    request_body(
        content = InvitationRequest,
        example = json!({ "role": "observer", "validForMs": 86_400_000, "uses": 1 }),
    ),
    responses((
        status = 201,
        description = "The invitation, with its link, which is shown this once.",
        body = MintedInvitation,
        links((
            "withdraw" = (
                operation_id = "withdraw_invitation",
                parameters(("id" = "$response.body#/invitationId")),
            )
        )),
    ))
)]
pub(super) async fn invite(
    State(app): State<App>,
    who: Principal,
    Input(request): Input<InvitationRequest>,
) -> Result<(StatusCode, Json<MintedInvitation>), Refused> {
    let minted = app.mutations.mint_invitation(&who, request).await?;
    Ok((StatusCode::CREATED, Json(minted)))
}

/// Withdraws an invitation. Devices that it has paired stay.
#[utoipa::path(
    delete,
    path = "/v1/invitations/{id}",
    tag = "pairing",
    operation_id = "withdraw_invitation",
    params(("id" = InvitationId, Path, description = "The invitation.")),
    responses((status = 204, description = "It is withdrawn."))
)]
pub(super) async fn withdraw(
    State(app): State<App>,
    who: Principal,
    Id(Number(id)): Id<Number>,
) -> Result<StatusCode, Refused> {
    app.mutations.revoke_invitation(&who, InvitationId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An invitation's id in a path.
pub(super) struct Number(u32);

impl std::str::FromStr for Number {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
