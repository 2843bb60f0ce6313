//! Agents: what there are, what they do, and everything that is done to them.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use gantline_protocol::{
    AgentId,
    api::{Agent, AgentPatch, EnvComparison, EnvDifference, SignalRequest, SpawnRequest},
};
use http::{HeaderValue, StatusCode, header::LOCATION};

use crate::{
    access::Principal,
    api::{
        App, Refused,
        input::{Id, Input},
    },
};

/// The agents, those that have ended included.
#[utoipa::path(
    get,
    path = "/v1/agents",
    tag = "agents",
    operation_id = "list_agents",
    responses((status = 200, description = "The agents.", body = Vec<Agent>))
)]
pub(super) async fn list(State(app): State<App>) -> Json<Vec<Agent>> {
    Json(app.agents.list())
}

/// Defines an agent and has it run. Answers once its process runs; if it waits for others, at once.
#[utoipa::path(
    post,
    path = "/v1/agents",
    tag = "agents",
    operation_id = "spawn_agent",
    request_body(
        content = SpawnRequest,
        examples(
            ("once" = (
                summary = "A command that is run once",
                value = json!({ "argv": ["make", "all"], "cwd": "src/project", "env": { "CI": "1" }, "name": "build" }),
            )),
            ("service" = (
                summary = "A service that is kept alive",
                value = json!({
                    "argv": ["python3", "-m", "http.server", "8080"],
                    "name": "files",
                    "restart": "always",
                    "stop": { "signal": "INT", "graceMs": 3000 },
                    "probe": { "kind": "http", "port": 8080, "path": "/", "startPeriodMs": 2000 },
                    "limits": { "memoryMb": 256 },
                }),
            )),
        ),
    ),
    responses((
        status = 201,
        description = "The agent.",
        body = Agent,
        headers(("Location" = String, description = "Its path.")),
        links(
            ("itself" = (operation_id = "find_agent", parameters(("id" = "$response.body#/agentId")))),
            ("output" = (operation_id = "read_output", parameters(("id" = "$response.body#/agentId")))),
            ("terminal" = (operation_id = "terminal", parameters(("id" = "$response.body#/agentId")))),
            ("signal" = (operation_id = "signal_agent", parameters(("id" = "$response.body#/agentId")))),
            ("stop" = (operation_id = "stop_agent", parameters(("id" = "$response.body#/agentId")))),
            ("remove" = (operation_id = "remove_agent", parameters(("id" = "$response.body#/agentId")))),
        ),
    ))
)]
pub(super) async fn spawn(
    State(app): State<App>,
    who: Principal,
    Input(request): Input<SpawnRequest>,
) -> Result<Response, Refused> {
    let agent = app.mutations.spawn(&who, request).await?;
    let location = path_of(agent.agent_id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(agent)).into_response())
}

/// One agent.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}",
    tag = "agents",
    operation_id = "find_agent",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The agent.", body = Agent))
)]
pub(super) async fn find(
    State(app): State<App>,
    Id(id): Id<AgentId>,
) -> Result<Json<Agent>, Refused> {
    Ok(Json(app.agents.find(id)?))
}

/// Removes an agent that does not run, and its log.
#[utoipa::path(
    delete,
    path = "/v1/agents/{id}",
    tag = "agents",
    operation_id = "remove_agent",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses((status = 204, description = "It is removed."))
)]
pub(super) async fn remove(
    State(app): State<App>,
    who: Principal,
    Id(id): Id<AgentId>,
) -> Result<StatusCode, Refused> {
    app.mutations.remove(&who, id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a signal to an agent's process group.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/signal",
    tag = "agents",
    operation_id = "signal_agent",
    params(("id" = AgentId, Path, description = "The agent.")),
    request_body(content = SignalRequest, example = json!({ "signal": "HUP" })),
    responses((status = 200, description = "It is sent.", body = Agent))
)]
pub(super) async fn signal(
    State(app): State<App>,
    who: Principal,
    Id(id): Id<AgentId>,
    Input(request): Input<SignalRequest>,
) -> Result<Json<Agent>, Refused> {
    Ok(Json(app.mutations.signal(&who, id, request.signal)?))
}

/// Has an agent run, with what went wrong before forgotten. Answers once its process runs or can't
/// be started, or once it is known what it waits for: `state` and `reason` tell. An agent that is
/// being stopped is started when it has ended.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/start",
    operation_id = "start_agent",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The agent as it is now.", body = Agent))
)]
pub(super) async fn start(
    State(app): State<App>,
    who: Principal,
    Id(id): Id<AgentId>,
) -> Result<Json<Agent>, Refused> {
    Ok(Json(app.mutations.start(&who, id).await?))
}

/// Stops an agent by its stop plan: its signal, and after its grace KILL to whatever is left of the
/// whole tree. It is not started again by itself. Answers at once; the events tell when it has ended.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/stop",
    tag = "agents",
    operation_id = "stop_agent",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses((status = 202, description = "It is told to stop.", body = Agent))
)]
pub(super) async fn stop(
    State(app): State<App>,
    who: Principal,
    Id(id): Id<AgentId>,
) -> Result<(StatusCode, Json<Agent>), Refused> {
    let agent = app.mutations.stop(&who, id).await?;
    Ok((StatusCode::ACCEPTED, Json(agent)))
}

/// Stops an agent by its stop plan, if it runs, and starts it anew. Answers at once if it has to end
/// first, else as `start` does; the events tell how it goes.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/restart",
    operation_id = "restart_agent",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses((status = 202, description = "It is told to.", body = Agent))
)]
pub(super) async fn restart(
    State(app): State<App>,
    who: Principal,
    Id(id): Id<AgentId>,
) -> Result<(StatusCode, Json<Agent>), Refused> {
    let agent = app.mutations.restart(&who, id).await?;
    Ok((StatusCode::ACCEPTED, Json(agent)))
}

/// Changes what an agent is, also while it runs: a merge patch (RFC 7396). What is left out stays,
/// `null` takes away. Name, restart policy, success codes, stop plan, probe and dependencies count
/// at once, the others from the next start on.
#[utoipa::path(
    patch,
    path = "/v1/agents/{id}",
    operation_id = "edit_agent",
    params(("id" = AgentId, Path, description = "The agent.")),
    request_body = AgentPatch,
    responses((status = 200, description = "The agent as it is now.", body = Agent))
)]
pub(super) async fn edit(
    State(app): State<App>,
    who: Principal,
    Id(id): Id<AgentId>,
    Input(patch): Input<AgentPatch>,
) -> Result<Json<Agent>, Refused> {
    Ok(Json(app.mutations.edit(&who, id, patch).await?))
}

/// How an environment differs from what was added to the agent's own, by names: values are never
/// read back.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/env/compare",
    operation_id = "compare_env",
    params(("id" = AgentId, Path, description = "The agent.")),
    request_body(content = EnvComparison, example = json!({ "env": { "CI": "1" } })),
    responses((status = 200, description = "The difference.", body = EnvDifference))
)]
pub(super) async fn compare_env(
    State(app): State<App>,
    Id(id): Id<AgentId>,
    Input(EnvComparison { env }): Input<EnvComparison>,
) -> Result<Json<EnvDifference>, Refused> {
    Ok(Json(app.agents.compare_env(id, &env)?))
}

/// The path of an agent, for `Location`.
pub(super) fn path_of(id: AgentId) -> HeaderValue {
    HeaderValue::from_str(&format!("/v1/agents/{id}")).expect("an agent's id is visible ASCII")
}
