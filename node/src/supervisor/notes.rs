//! What the history is told of agents, as it happens.

use std::time::SystemTime;

use gantline_protocol::{AgentId, api::Agent};

use super::{Agents, agent::has_process, table::Table};
use crate::history::{Began, Changed, Edited, Ended, LastLines, Note, Removed, outcome_of};

impl Agents {
    /// An agent is told to stand like this now.
    pub(super) fn note_change(&self, table: &mut Table, agent: &Agent) {
        let Some(journal) = self.shared.journal.get() else { return };
        let Some(entry) = table.entries.get_mut(&agent.agent_id) else { return };
        let Some(epoch) = agent.epoch else { return };
        let env = Some(&entry.described.command.env);
        let before = entry.noted.replace((Some(epoch), agent.state));
        let is_another_life = before.is_none_or(|(before, _)| before != Some(epoch));
        if is_another_life && let Some(began) = Began::of(agent, env, self.by.clone()) {
            journal.note(began);
        }
        let from = before.map(|(_, state)| state);
        if from == Some(agent.state) {
            return;
        }
        // What it wrote last is told apart, without what its environment keeps secret.
        let reason = agent.reason.as_deref().and_then(|why| why.lines().next()).map(str::to_owned);
        journal.note(Changed {
            agent_id: agent.agent_id,
            epoch,
            at: SystemTime::now().into(),
            from,
            to: agent.state,
            reason: reason.clone(),
            by: self.by.clone(),
        });
        let had_process = from.is_none_or(has_process) || is_another_life;
        if let Some(at) = agent.ended_at.filter(|_| had_process) {
            let said = entry.said.as_deref().unwrap_or_default();
            journal.note(Ended {
                agent_id: agent.agent_id,
                epoch,
                at,
                exit: agent.exit,
                outcome: outcome_of(agent),
                reason,
                last_lines: LastLines::new(said.lines(), env),
            });
        }
    }

    /// These members of an agent were changed.
    pub(super) fn note_edit(&self, table: &Table, id: AgentId, members: &[&'static str]) {
        let entry = table.entries.get(&id);
        let Some((entry, epoch)) = entry.and_then(|entry| Some((entry, entry.epoch()?))) else {
            return;
        };
        self.note(Edited {
            agent_id: id,
            epoch,
            at: SystemTime::now().into(),
            members: members.iter().map(|&member| member.to_owned()).collect(),
            name: entry.described.name.clone(),
            by: self.by.clone(),
        });
    }

    /// An agent was removed.
    pub(super) fn note_removal(&self, id: AgentId) {
        self.note(Removed { agent_id: id, at: SystemTime::now().into(), by: self.by.clone() });
    }

    fn note(&self, note: impl Into<Note>) {
        if let Some(journal) = self.shared.journal.get() {
            journal.note(note);
        }
    }
}
