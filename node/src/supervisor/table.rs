//! All agents at one moment, with what the fleet decides about them.

use std::collections::BTreeMap;

use gantline_protocol::{
    AgentId, Timestamp,
    api::{Agent, AgentSource, RestartPolicy, Supervision},
    terminal::TerminalSize,
};

use super::{
    AgentsError,
    agent::{Described, Entry},
    fleet::{Fleet, Refusal, Shown},
    work::First,
};
use crate::shim::record::Kind;

/// What is known of the agents of a machine. Behind one lock, so that the order is kept.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) fleet: Fleet,
    pub(super) entries: BTreeMap<AgentId, Entry>,
    /// Who waits for the first process of an agent.
    pub(super) first: BTreeMap<AgentId, First>,
    /// Counts what is to be kept.
    pub(super) version: u64,
    /// The tasks that keep time and the file run.
    pub(super) has_begun: bool,
    /// The node stops: nothing new is started.
    pub(super) is_closed: bool,
}

impl Table {
    /// What an agent has to say for itself, if it is told at all.
    pub(super) fn describe(&self, id: AgentId) -> Option<Agent> {
        let entry = self.entries.get(&id).filter(|entry| !entry.is_hidden)?;
        let shown = self.fleet.shown(id)?;
        let plan = self.fleet.plan(id)?.clone();
        Some(entry.describe(&shown, plan, |id| self.name(id)))
    }

    /// What people call an agent.
    pub(super) fn name(&self, id: AgentId) -> String {
        let name = self.entries.get(&id).and_then(|entry| entry.described.name.as_ref());
        name.map_or_else(|| id.to_string(), |name| format!("{name} ({id})"))
    }

    /// What is to be started for an agent.
    pub(super) fn to_start(&self, id: AgentId) -> Option<(Described, Supervision, TerminalSize)> {
        let entry = self.entries.get(&id)?;
        Some((entry.described.clone(), self.fleet.plan(id)?.clone(), entry.size()))
    }

    /// The agents that may be forgotten, by when they ended.
    pub(super) fn forgettable(&self) -> Vec<(Timestamp, AgentId)> {
        let ended = self.entries.iter().filter_map(|(id, entry)| {
            let shown: Shown = self.fleet.shown(*id)?;
            let is_one = shown.state.is_final()
                && entry.described.source != AgentSource::Apply
                && self.fleet.plan(*id)?.restart == RestartPolicy::No;
            let end = entry.end(&shown)?;
            is_one.then_some((end.at, *id))
        });
        ended.collect()
    }

    /// The bytes that the commands of all agents come to.
    pub(super) fn length(&self) -> usize {
        let kept = self.entries.values().filter(|entry| entry.described.kind == Kind::Terminal);
        kept.map(|entry| entry.described.length()).sum()
    }

    pub(super) fn never_started(&self, id: AgentId) -> AgentsError {
        let reason = self.describe(id).and_then(|agent| agent.reason);
        AgentsError::NeverStarted(id, reason.map(|why| format!(": {why}")).unwrap_or_default())
    }

    pub(super) fn refused(&self, id: AgentId, refusal: Refusal) -> AgentsError {
        let named = |ids: &[AgentId], between: &str| {
            ids.iter().map(|id| self.name(*id)).collect::<Vec<_>>().join(between)
        };
        match refusal {
            Refusal::Unknown => AgentsError::NotFound(id),
            Refusal::Runs => AgentsError::AlreadyRuns(id),
            Refusal::Starts(reason) => {
                let why = reason.map(|reason| format!(": it {}", reason.told(|id| self.name(id))));
                AgentsError::AlreadyStarts(id, why.unwrap_or_default())
            }
            Refusal::Ended => AgentsError::Ended(id),
            Refusal::StillRuns => AgentsError::StillRunning(id),
            Refusal::IsAwaited(by) => AgentsError::IsAwaited(id, named(&by, ", ")),
            Refusal::UnknownDependency(on) => {
                AgentsError::Dependency(format!("there is no agent {on}"))
            }
            Refusal::NeverHealthy(on) => AgentsError::Dependency(format!(
                "nothing probes {}, so it would never be known to be healthy; give it a probe first",
                self.name(on)
            )),
            Refusal::Circle(by) => AgentsError::Dependency(format!(
                "it would wait for itself, by way of {}",
                named(&by, ", which waits for ")
            )),
        }
    }
}
