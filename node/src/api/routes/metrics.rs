//! What agents and the machine used, for charts.

use std::time::{Duration, SystemTime};

use axum::{Json, extract::State};
use gantline_protocol::{AgentId, Timestamp, api::Metrics};
use serde::Deserialize;

use crate::{
    api::{
        App, Refused,
        input::{Asked, Id},
    },
    history::Subject,
};

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Steps that a chart has about, if nobody says how many.
const USUAL: u64 = 400;
/// Steps that people can read, in milliseconds.
const ROUND: [u64; 10] =
    [1_000, 2_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000];

/// Which part of the time.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    /// Its beginning; an hour before its end if left out.
    from: Option<Timestamp>,
    /// Its end, not included; now if left out.
    to: Option<Timestamp>,
    /// What one place of the answer stands for, in milliseconds: 1,000 at least, and so much that
    /// there are 2,000 places at most. A step that gives some 400 if left out.
    #[param(minimum = 1000)]
    step_ms: Option<u64>,
}

/// What an agent used: for a day as it was measured, every 2 or 15 seconds, and for 30 days by the
/// minute. Of an agent that was removed, too.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}/metrics",
    operation_id = "chart_agent",
    params(("id" = AgentId, Path, description = "The agent."), Span),
    responses((status = 200, description = "What it used.", body = Metrics))
)]
pub(super) async fn of_agent(
    State(app): State<App>,
    Id(id): Id<AgentId>,
    Asked(span): Asked<Span>,
) -> Result<Json<Metrics>, Refused> {
    let (from, to, step) = span.resolved(SystemTime::now().into())?;
    let metrics = app.history.metrics(Subject::Agent(id), from, to, step).await?;
    if metrics.at.is_empty() {
        // Nothing is known of it because it is new, or because there is none.
        app.agents.find(id)?;
    }
    Ok(Json(metrics))
}

/// What the machine used, likewise.
#[utoipa::path(
    get,
    path = "/v1/machine/metrics",
    operation_id = "chart_machine",
    params(Span),
    responses((status = 200, description = "What it used.", body = Metrics))
)]
pub(super) async fn of_machine(
    State(app): State<App>,
    Asked(span): Asked<Span>,
) -> Result<Json<Metrics>, Refused> {
    let (from, to, step) = span.resolved(SystemTime::now().into())?;
    Ok(Json(app.history.metrics(Subject::Machine, from, to, step).await?))
}

impl Span {
    fn resolved(self, now: Timestamp) -> Result<(Timestamp, Timestamp, u64), Refused> {
        let to = self.to.unwrap_or(now);
        let hour_before = || {
            Timestamp::from_millis(
                to.as_millis().saturating_sub(u64::try_from(HOUR.as_millis()).unwrap_or(0)),
            )
        };
        let from = self.from.unwrap_or_else(hour_before);
        if from >= to {
            return Err(Refused::invalid("`from` is not before `to`"));
        }
        let long = to.as_millis() - from.as_millis();
        let usual = || {
            let fits = |step: &&u64| long.div_ceil(**step) <= USUAL;
            ROUND.iter().find(fits).copied().unwrap_or_else(|| long.div_ceil(USUAL))
        };
        let step = self.step_ms.unwrap_or_else(usual);
        let least = long.div_ceil(Metrics::MAX_STEPS - 1).max(1000);
        if step < least {
            return Err(Refused::invalid(format!(
                "`stepMs` is too small for that time: take {least} at least"
            )));
        }
        Ok((from, to, step))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_answer_has_an_end_whatever_is_asked(
            from in prop::option::of(any::<u64>()),
            to in prop::option::of(any::<u64>()),
            step_ms in prop::option::of(prop_oneof![0..100_000u64, any::<u64>()]),
            now in 0..4_000_000_000_000u64,
        ) {
            let time = |millis: Option<u64>| millis.map(Timestamp::from_millis);
            let span = Span { from: time(from), to: time(to), step_ms };
            if let Ok((from, to, step)) = span.resolved(Timestamp::from_millis(now)) {
                let first = from.as_millis() / step;
                let last = (to.as_millis() - 1) / step;
                prop_assert!(last - first < Metrics::MAX_STEPS, "{from:?} {to:?} {step}");
            }
        }
    }
}
