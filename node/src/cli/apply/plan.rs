//! What has to be done so that a machine has the agents that a file says. Pure; values of
//! environments are in no text that comes from here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use gantline_protocol::{
    AgentId,
    api::{Agent, AgentPatch, AgentSource, DependencyCondition, Desired, EnvDifference},
};
use serde::Serialize;

use super::definition::{Definition, key_of};

/// One agent, and what is to be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) act: Act,
}

/// What is to be done with an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Keep(AgentId),
    Create(Definition),
    /// Its command can't be changed, so another takes its place.
    Replace(AgentId, Definition, Vec<Change>),
    Change(Edit),
    Remove(AgentId),
}

/// What is changed of an agent that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) id: AgentId,
    /// But for what it depends on, whose ids may not be known yet.
    pub(super) patch: AgentPatch,
    /// All that it depends on, if that changes.
    pub(super) depends_on: Option<BTreeMap<String, DependencyCondition>>,
    pub(super) changes: Vec<Change>,
    /// What counts from the next start on has changed, and it is to run.
    pub(super) restarts: bool,
}

/// One member that changes, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    pub(super) member: &'static str,
    pub(super) from: String,
    pub(super) to: String,
}

/// Why a file can't be applied to a machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    #[error("{0} agents are called {1}: remove all but one, or name yours by its id")]
    Shared(usize, String),
    #[error("agents.{0}.dependsOn: neither these files nor the machine has an agent {1}")]
    Nobody(String, String),
}

/// The agents of the machine that the definitions mean, by their keys.
pub(super) fn meant(
    definitions: &[Definition],
    present: &[Agent],
) -> Result<BTreeMap<String, AgentId>, Unclear> {
    let mut meant = BTreeMap::new();
    for definition in definitions {
        let key = definition.name.to_string();
        if let Some(id) = find(&key, present)? {
            meant.insert(key, id);
        }
    }
    Ok(meant)
}

/// An agent by its id or its name. What `exec` has started is nobody's definition.
pub(super) fn find(key: &str, present: &[Agent]) -> Result<Option<AgentId>, Unclear> {
    let present = || present.iter().filter(|agent| agent.source != AgentSource::Exec);
    if let Some(agent) = present().find(|agent| agent.agent_id.to_string() == key) {
        return Ok(Some(agent.agent_id));
    }
    let named = |agent: &&Agent| agent.name.as_ref().is_some_and(|name| name.as_str() == key);
    let named: Vec<_> = present().filter(named).collect();
    let applied: Vec<_> = named.iter().filter(|agent| agent.source == AgentSource::Apply).collect();
    match (&*applied, &*named) {
        ([agent], _) => Ok(Some(agent.agent_id)),
        (_, [agent]) => Ok(Some(agent.agent_id)),
        (_, []) => Ok(None),
        (_, many) => Err(Unclear::Shared(many.len(), key.to_owned())),
    }
}

/// What has to be done, in this order. `environments` tells how those of agents that stay differ
/// from what the file says.
pub(super) fn plan(
    definitions: &[Definition],
    present: &[Agent],
    environments: &BTreeMap<AgentId, EnvDifference>,
    prune: bool,
) -> Result<Vec<Step>, Unclear> {
    let meant = meant(definitions, present)?;
    let keys: BTreeSet<String> = definitions.iter().map(|d| d.name.to_string()).collect();
    let mut renewed = BTreeSet::new();
    let mut steps = Vec::new();
    for definition in definitions {
        let name = definition.name.to_string();
        for on in definition.depends_on.keys() {
            if !keys.contains(on) && find(on, present)?.is_none() {
                return Err(Unclear::Nobody(name, on.clone()));
            }
        }
        let agent =
            meant.get(&name).and_then(|id| present.iter().find(|agent| agent.agent_id == *id));
        let act = match agent {
            None => Act::Create(definition.clone()),
            Some(agent) => compare(definition, agent, present, environments, &renewed),
        };
        if matches!(act, Act::Create(_) | Act::Replace(..)) {
            renewed.insert(name.clone());
        }
        steps.push(Step { name, act });
    }
    let is_left = |agent: &&Agent| {
        agent.source == AgentSource::Apply && !meant.values().any(|id| *id == agent.agent_id)
    };
    // What waits for others goes before them.
    for agent in present.iter().rev().filter(|_| prune).filter(is_left) {
        let act = Act::Remove(agent.agent_id);
        steps.push(Step { name: key_of(agent.agent_id, present), act });
    }
    Ok(steps)
}

fn compare(
    definition: &Definition,
    agent: &Agent,
    present: &[Agent],
    environments: &BTreeMap<AgentId, EnvDifference>,
    renewed: &BTreeSet<String>,
) -> Act {
    let mut changes = Vec::new();
    let command = |argv: &[String], shell: bool| match (shell, argv) {
        (true, [script]) => format!("script {script:?}"),
        (true, argv) => format!("script {argv:?}"),
        (false, argv) => format!("{argv:?}"),
    };
    let (from, to) = (agent.argv.items(), definition.argv.items());
    if (from, agent.shell) != (to, definition.shell) {
        let (from, to) = (command(from, agent.shell), command(to, definition.shell));
        changes.push(Change { member: "argv", from, to });
        return Act::Replace(agent.agent_id, definition.clone(), changes);
    }
    let mut patch = AgentPatch::default();
    let (was, is) = (&agent.supervision, &definition.supervision);
    if agent.cwd != definition.cwd {
        note(&mut changes, "cwd", &agent.cwd, &definition.cwd);
        patch.cwd = Some(definition.cwd.clone());
    }
    let environment = environments.get(&agent.agent_id).filter(|difference| !difference.is_none());
    if let Some(difference) = environment {
        changes.push(Change { member: "env", from: "not shown".to_owned(), to: names(difference) });
        patch.env = Some(definition.env.clone());
    }
    if was.limits != is.limits {
        note(&mut changes, "limits", &was.limits, &is.limits);
        patch.limits = Some(Some(is.limits));
    }
    let restarts =
        !changes.is_empty() && agent.desired == Desired::Running && !agent.state.is_final();
    if was.restart != is.restart {
        note(&mut changes, "restart", &was.restart, &is.restart);
        patch.restart = Some(Some(is.restart));
    }
    if was.success_codes != is.success_codes {
        note(&mut changes, "successCodes", &was.success_codes, &is.success_codes);
        patch.success_codes = Some(Some(is.success_codes.clone()));
    }
    if was.stop != is.stop {
        note(&mut changes, "stop", &was.stop, &is.stop);
        patch.stop = Some(Some(is.stop));
    }
    if was.probe != is.probe {
        note(&mut changes, "probe", &was.probe, &is.probe);
        patch.probe = Some(is.probe.clone());
    }
    let waits_for: BTreeMap<_, _> =
        was.depends_on.iter().map(|on| (key_of(on.agent_id, present), on.condition)).collect();
    let is_other = waits_for != definition.depends_on
        || definition.depends_on.keys().any(|on| renewed.contains(on));
    if is_other {
        note(&mut changes, "dependsOn", &waits_for, &definition.depends_on);
    }
    if changes.is_empty() {
        return Act::Keep(agent.agent_id);
    }
    let depends_on = is_other.then(|| definition.depends_on.clone());
    Act::Change(Edit { id: agent.agent_id, patch, depends_on, changes, restarts })
}

fn note<T: Serialize + Debug>(changes: &mut Vec<Change>, member: &'static str, from: &T, to: &T) {
    let text = |value: &T| match serde_json::to_string(value) {
        Ok(json) if json == "null" || json == "{}" => "nothing".to_owned(),
        Ok(json) => json,
        Err(_) => format!("{value:?}"),
    };
    changes.push(Change { member, from: text(from), to: text(to) });
}

fn names(difference: &EnvDifference) -> String {
    let EnvDifference { added, changed, removed } = difference;
    let parts = [("added", added), ("changed", changed), ("removed", removed)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    parts.map(|(how, names)| format!("{} {how}", names.join(", "))).collect::<Vec<_>>().join("; ")
}
