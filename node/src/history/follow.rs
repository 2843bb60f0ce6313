//! Notes what agents do by listening to the events, for what nobody has told the journal.

use std::collections::BTreeMap;

use gantline_protocol::{
    AgentId, Epoch, Timestamp,
    api::{Agent, AgentState, EventKind},
};

use super::{Began, Changed, Ended, Journal, LastLines, Removed, lives::outcome_of};
use crate::events::{Events, Heard};

/// Notes what the events tell of agents, as `find` describes them, until it is dropped.
pub async fn follow(
    journal: Journal,
    events: Events,
    find: impl Fn(AgentId) -> Option<Agent>,
    list: impl Fn() -> Vec<Agent>,
) {
    let mut listener = events.listen(None);
    let mut known: BTreeMap<AgentId, (Option<Epoch>, AgentState)> = BTreeMap::new();
    for agent in list() {
        known.insert(agent.agent_id, (agent.epoch, agent.state));
    }
    loop {
        match listener.next().await {
            Heard::Event(event) => match event.what {
                EventKind::AgentChanged { agent_id, .. } => {
                    match find(agent_id) {
                        Some(agent) => note(&journal, &agent, event.at, &mut known),
                        // It is told of a moment before it can be found, or was removed.
                        None => journal.doubt(),
                    }
                }
                EventKind::AgentRemoved { agent_id } => {
                    known.remove(&agent_id);
                    journal.note(Removed { agent_id, at: event.at, by: None });
                }
                EventKind::DevicePaired { .. }
                | EventKind::DeviceRemoved { .. }
                | EventKind::LinkUp { .. }
                | EventKind::LinkDown { .. }
                | EventKind::HistoryChanged { .. }
                | EventKind::MachineChanged { .. }
                | EventKind::MachineForgotten { .. }
                | EventKind::Other => {}
            },
            Heard::Missed => journal.doubt(),
        }
    }
}

fn note(
    journal: &Journal,
    agent: &Agent,
    at: Timestamp,
    known: &mut BTreeMap<AgentId, (Option<Epoch>, AgentState)>,
) {
    let Some(epoch) = agent.epoch else { return };
    let before = known.insert(agent.agent_id, (Some(epoch), agent.state));
    if before.is_none_or(|(before, _)| before != Some(epoch))
        && let Some(began) = Began::of(agent, None, None)
    {
        journal.note(began);
    }
    let from = before.map(|(_, state)| state);
    if from != Some(agent.state) {
        journal.note(Changed {
            agent_id: agent.agent_id,
            epoch,
            at,
            from,
            to: agent.state,
            reason: agent.reason.clone(),
            by: None,
        });
    }
    if agent.ended_at.is_some() || agent.exit.is_some() {
        journal.note(Ended {
            agent_id: agent.agent_id,
            epoch,
            at: agent.ended_at.unwrap_or(at),
            exit: agent.exit,
            outcome: outcome_of(agent),
            reason: agent.reason.clone(),
            last_lines: LastLines::default(),
        });
    }
}
