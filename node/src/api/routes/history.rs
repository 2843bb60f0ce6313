//! What has become of agents: every life of their processes.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use gantline_protocol::{
    AgentId, Epoch, Timestamp,
    api::{
        AgentSource, AgentState, ExitStatus, Life, LifeRecord, Outcome, Page, Place, ProblemCode,
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        App, Refused,
        input::Asked,
        page::{PageQuery, Paged, Paging},
    },
    history::{HistoryError, LifeId, Search},
};

/// The longest text that is looked for, in bytes.
const MAX_TEXT: usize = 1000;

/// Which lives.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Of this agent.
    agent: Option<AgentId>,
    /// Of agents of just this name.
    name: Option<String>,
    /// That are, or ended, in this state.
    state: Option<AgentState>,
    /// That came to one of these, separated by commas: `success`, `failure`, `stopped`, `lost`.
    #[param(
        example = "failure,lost",
        pattern = "^(success|failure|stopped|lost)(,(success|failure|stopped|lost)){0,7}$"
    )]
    outcome: Option<String>,
    /// That ended with this code.
    exit: Option<i32>,
    /// That ended by this signal, numbered as on the machine.
    signal: Option<i32>,
    /// That were started by this.
    source: Option<AgentSource>,
    /// That had not ended by then.
    since: Option<Timestamp>,
    /// That had begun by then.
    until: Option<Timestamp>,
    /// That have all these words, or words that begin so, in name, id, arguments, reason or last
    /// lines. At most 1,000 bytes; no character has a meaning of its own.
    q: Option<String>,
}

/// Pages go from new to old.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct NotedBefore(i64);

impl Place for NotedBefore {
    const LIST: &'static str = "history";
}

/// A life, with its place in the list.
#[derive(Debug, Serialize)]
pub(super) struct Noted {
    #[serde(skip)]
    id: LifeId,
    #[serde(flatten)]
    life: Life,
}

/// The lives of agents, those that were noted last first. Agents that were removed are among them.
#[utoipa::path(
    get,
    path = "/v1/history",
    operation_id = "list_history",
    params(Filter, PageQuery),
    responses((status = 200, description = "A page of lives.", body = Page<Life>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Asked(filter): Asked<Filter>,
    paging: Paging<NotedBefore>,
) -> Result<Paged<Noted>, Refused> {
    let mut search = filter.search()?;
    search.before = paging.after.map(|NotedBefore(id)| LifeId(id));
    let lives = app.history.lives(search, paging.wanted()).await?;
    let noted = lives.into_iter().map(|(id, life)| Noted { id, life }).collect();
    Ok(paging.page(noted, |noted| NotedBefore(noted.id.0)))
}

/// One life, with all that changed in it.
#[utoipa::path(
    get,
    path = "/v1/history/{agentId}/{epoch}",
    operation_id = "find_life",
    params(
        ("agentId" = AgentId, Path, description = "The agent."),
        ("epoch" = Epoch, Path, description = "The life of its process."),
    ),
    responses((status = 200, description = "The life.", body = LifeRecord))
)]
pub(super) async fn find(
    State(app): State<App>,
    path: Result<Path<(AgentId, Epoch)>, PathRejection>,
) -> Result<Json<LifeRecord>, Refused> {
    let none = || Refused::not_found("the history knows no such life; it may be forgotten");
    let Ok(Path((agent, epoch))) = path else { return Err(none()) };
    app.history.life(agent, epoch).await?.map(Json).ok_or_else(none)
}

impl Filter {
    fn search(self) -> Result<Search, Refused> {
        let Self { agent, name, state, outcome, exit, signal, source, since, until, q } = self;
        let outcomes = outcome.as_deref().map(outcomes).transpose()?.unwrap_or_default();
        let exit = match (exit, signal) {
            (Some(_), Some(_)) => {
                return Err(Refused::invalid("nothing ends by `exit` and by `signal`"));
            }
            (Some(code), None) => Some(ExitStatus::Code(code)),
            (None, Some(signal)) => Some(ExitStatus::Signal(signal)),
            (None, None) => None,
        };
        let words = match q {
            Some(text) if text.len() > MAX_TEXT => {
                return Err(Refused::invalid(format!("`q` has more than {MAX_TEXT} bytes")));
            }
            Some(text) => {
                let words = text.parse();
                Some(words.map_err(|error| Refused::invalid(format!("`q`: {error}")))?)
            }
            None => None,
        };
        let before = None;
        Ok(Search { agent, name, state, outcomes, exit, source, since, until, words, before })
    }
}

fn outcomes(text: &str) -> Result<Vec<Outcome>, Refused> {
    let one = |word: &str| match word {
        "success" => Ok(Outcome::Success),
        "failure" => Ok(Outcome::Failure),
        "stopped" => Ok(Outcome::Stopped),
        "lost" => Ok(Outcome::Lost),
        _ => Err(Refused::invalid(
            "`outcome` is not made of success, failure, stopped and lost, with commas between",
        )),
    };
    // More than there are would only be said twice.
    text.splitn(8, ',').map(one).collect()
}

impl From<HistoryError> for Refused {
    fn from(error: HistoryError) -> Self {
        let detail = error.to_string();
        match error {
            HistoryError::Full
            | HistoryError::Corrupt(_)
            | HistoryError::Slow
            | HistoryError::Away(_) => Self::new(ProblemCode::Unavailable, detail),
        }
    }
}
