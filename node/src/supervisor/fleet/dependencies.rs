//! What waits for what.

use gantline_protocol::{
    AgentId,
    api::{DependencyCondition, Supervision},
};

use super::{
    Fleet, Refusal,
    health::Known,
    keeper::{Keeper, Over, Phase},
    reason::Awaited,
};

impl Fleet {
    /// Whether an agent may be looked after like this.
    pub(super) fn check_dependencies(
        &self,
        id: AgentId,
        plan: &Supervision,
    ) -> Result<(), Refusal> {
        for on in plan.depends_on.iter() {
            if on.agent_id == id {
                return Err(Refusal::Circle(vec![id]));
            }
            let other = self.agents.get(&on.agent_id);
            let other = other.ok_or(Refusal::UnknownDependency(on.agent_id))?;
            if on.condition == DependencyCondition::Healthy && other.plan.probe.is_none() {
                return Err(Refusal::NeverHealthy(on.agent_id));
            }
        }
        match self.circle(id, plan) {
            Some(circle) => Err(Refusal::Circle(circle)),
            None => Ok(()),
        }
    }

    /// By whom an agent would wait for itself, if it waited for these. Each agent is looked at once.
    fn circle(&self, id: AgentId, plan: &Supervision) -> Option<Vec<AgentId>> {
        let mut seen = std::collections::BTreeSet::new();
        let mut paths: Vec<Vec<AgentId>> =
            plan.depends_on.iter().map(|on| vec![on.agent_id]).collect();
        while let Some(path) = paths.pop() {
            let Some(last) = path.last().copied() else { continue };
            if last == id {
                return Some(path);
            }
            if !seen.insert(last) {
                continue;
            }
            let further = self.agents.get(&last).map(|keeper| &keeper.plan.depends_on);
            for on in further.into_iter().flat_map(|on| on.iter()) {
                let mut path = path.clone();
                path.push(on.agent_id);
                paths.push(path);
            }
        }
        None
    }

    /// What an agent that is looked after like this still waits for.
    pub(super) fn awaited(&self, plan: &Supervision) -> Vec<Awaited> {
        let awaited = plan.depends_on.iter().filter_map(|on| {
            let (agent, condition) = (on.agent_id, on.condition);
            match self.agents.get(&agent) {
                Some(other) if is_fulfilled(other, condition) => None,
                Some(other) => {
                    Some(Awaited { agent, condition, hopeless: hopeless(other, condition) })
                }
                None => Some(Awaited { agent, condition, hopeless: Some("there is none") }),
            }
        });
        awaited.collect()
    }

    /// Who waits for an agent, or will when it is started.
    pub(crate) fn dependents(&self, id: AgentId) -> Vec<AgentId> {
        let waits = |keeper: &Keeper| keeper.plan.depends_on.iter().any(|on| on.agent_id == id);
        self.agents.iter().filter(|(_, keeper)| waits(keeper)).map(|(id, _)| *id).collect()
    }
}

fn is_fulfilled(other: &Keeper, condition: DependencyCondition) -> bool {
    match (&other.phase, condition) {
        (Phase::Alive { .. }, DependencyCondition::Started) => true,
        (Phase::Alive { health, .. }, DependencyCondition::Healthy) => health.known == Known::Well,
        (Phase::Over(_) | Phase::Backoff { .. }, DependencyCondition::Completed) => {
            other.is_success(other.last)
        }
        (
            Phase::Waiting { .. }
            | Phase::Launching { .. }
            | Phase::Alive { .. }
            | Phase::Stopping { .. }
            | Phase::Backoff { .. }
            | Phase::Over(_),
            _,
        ) => false,
    }
}

/// Why it does not become true by itself any more, if so.
fn hopeless(other: &Keeper, condition: DependencyCondition) -> Option<&'static str> {
    let never_healthy = condition == DependencyCondition::Healthy && other.plan.probe.is_none();
    match &other.phase {
        Phase::Over(over) => Some(match over {
            Over::Exited if other.is_success(other.last) => "it has ended",
            Over::Exited => "it ended with a failure",
            Over::Stopped => "it is stopped",
            Over::Failed(_) => "it could not be started",
            Over::RestartLimit(_) => "it ended too often",
            Over::Lost(_) => "nobody knows what became of it",
        }),
        Phase::Waiting { .. }
        | Phase::Launching { .. }
        | Phase::Alive { .. }
        | Phase::Stopping { .. }
        | Phase::Backoff { .. } => never_healthy.then_some("nothing probes it"),
    }
}
