//! The terminal of an agent, as a conversation with one viewer.

use axum::{
    extract::{FromRequestParts, Request, State, WebSocketUpgrade},
    response::Response,
};
use gantline_protocol::{AgentId, Role, terminal::MAX_MESSAGE};
use http::{
    HeaderValue,
    header::{CONTENT_TYPE, UPGRADE},
};
use tokio_util::sync::CancellationToken;

use crate::{
    access::Principal,
    api::{App, Refused, input::Id, listen::SUBPROTOCOL},
    duplex::{MessageReceiver, MessageSender, over_body, over_websocket},
    pty::{hub::Hub, terminal},
    supervisor::Agents,
};

/// A conversation between a viewer and the agent's terminal, in the messages of section 9 of the
/// protocol. As a WebSocket a binary message is one message. On a stream of a session they travel
/// with their lengths in the bodies of this request and its answer. An observer only watches.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}/terminal",
    tag = "agents",
    operation_id = "terminal",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses(
        (status = 101, description = "The WebSocket is open."),
        (
            status = 200,
            description = "The stream is open.",
            body = Vec<u8>,
            content_type = "application/octet-stream",
        ),
        (status = 400, description = "It asks for a WebSocket, and not as RFC 6455 has it."),
        (status = 409, description = "The agent has no terminal: it was started by `exec`."),
        (status = 503, description = "What holds the terminal can't be reached now."),
    )
)]
pub(super) async fn terminal(
    State(app): State<App>,
    who: Principal,
    Id(id): Id<AgentId>,
    request: Request,
) -> Result<Response, Refused> {
    let hub = app.agents.hub(id)?;
    let agents = app.agents;
    let may_drive = who.role >= Role::Operator;
    let closing = app.closing;
    if !request.headers().contains_key(UPGRADE) {
        let body = over_body(request.into_body(), move |sender, receiver| {
            serve(agents, id, hub, sender, receiver, may_drive, closing)
        });
        let mut response = Response::new(body);
        let content_type = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        return Ok(response);
    }
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|error| Refused::invalid(error.body_text()))?;
    Ok(upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .protocols([SUBPROTOCOL])
        .on_upgrade(move |socket| {
            let (sender, receiver) = over_websocket(socket);
            serve(agents, id, hub, sender, receiver, may_drive, closing)
        }))
}

async fn serve(
    agents: Agents,
    id: AgentId,
    hub: Hub,
    sender: impl MessageSender,
    receiver: impl MessageReceiver,
    may_drive: bool,
    closing: CancellationToken,
) {
    let next = |last: Hub| {
        let agents = agents.clone();
        async move { agents.next_hub(id, &last).await }
    };
    tokio::select! {
        served = terminal::serve_lives(hub, next, sender, receiver, may_drive) => {
            if let Err(error) = served {
                tracing::debug!(%error, "a viewer was sent away");
            }
        }
        () = closing.cancelled() => {}
    }
}
