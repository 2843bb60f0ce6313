//! How many agents there may be, how much they may be, and how much of those that have ended is kept:
//! whoever asks for more is refused with a reason, and what is forgotten is the oldest.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub
)]

mod pty_support;

use std::{collections::BTreeMap, path::Path};

use gantline_node::{
    events::Heard,
    pty::HostError,
    supervisor::{AgentsError, MAX_AGENTS, MAX_RUNNING, Settings},
};
use gantline_protocol::{
    AgentId,
    api::{Agent, AgentPatch, AgentState, Env, EventKind, SpawnRequest},
};
use pty_support::{Machine, PATIENCE, command};
use serde_json::json;
use tokio::time::timeout;

/// An agent that waits for another one, for ever: it costs no process.
async fn wait_for(machine: &Machine, gate: AgentId) -> Result<Agent, AgentsError> {
    let mut request = SpawnRequest::new(command(&["true"]));
    let after = json!({"dependsOn": [{"agentId": gate, "condition": "completed"}]});
    request.supervision = serde_json::from_value(after).unwrap();
    machine.agents.spawn(request).await
}

fn env(length: usize) -> Env {
    // Each entry has a bound of its own.
    let entries = (0..length / 100_000).map(|number| (format!("V{number}"), "x".repeat(100_000)));
    Env::try_from(entries.collect::<BTreeMap<_, _>>()).unwrap()
}

#[tokio::test]
async fn one_agent_more_than_may_run_is_refused_and_what_has_ended_can_not_be_started_either() {
    let machine = Machine::new();
    let ended = machine.sh("exit 0").await;
    machine.ended(ended).await;
    let gate = machine.sh("exec sleep 600").await;
    for _ in 1..MAX_RUNNING {
        wait_for(&machine, gate).await.unwrap();
    }
    let refused = wait_for(&machine, gate).await.unwrap_err();
    assert!(matches!(refused, AgentsError::Full), "{refused}");
    assert!(refused.to_string().contains("stop one first"), "{refused}");
    let refused = machine.agents.start(ended).await.unwrap_err();
    assert!(matches!(refused, AgentsError::Full), "{refused}");
    // Once there is room both go on as if nothing had been.
    machine.agents.stop(gate).unwrap();
    machine.ended(gate).await;
    machine.agents.start(ended).await.unwrap();
    assert_eq!(machine.agents.list().len(), MAX_RUNNING + 1);
}

#[tokio::test]
async fn one_agent_more_than_there_may_be_is_refused_and_a_removal_makes_room() {
    let machine = Machine::new();
    let gate = machine.sh("exec sleep 600").await;
    let mut last = gate;
    for _ in 1..MAX_AGENTS {
        last = wait_for(&machine, gate).await.unwrap().agent_id;
        // Nothing is forgotten of those that somebody may want to start again.
        machine.agents.stop(last).unwrap();
    }
    let refused = wait_for(&machine, gate).await.unwrap_err();
    assert!(matches!(refused, AgentsError::TooMany), "{refused}");
    assert!(refused.to_string().contains("gantline rm"), "{refused}");
    machine.agents.remove(last).unwrap();
    wait_for(&machine, gate).await.unwrap();
}

#[tokio::test]
async fn agents_that_would_not_fit_into_their_file_are_refused_also_when_one_grows() {
    let machine = Machine::new();
    let gate = machine.sh("exec sleep 600").await;
    let grown = |id| {
        let patch = AgentPatch { env: Some(Some(env(1_000_000))), ..AgentPatch::default() };
        machine.agents.edit(id, patch)
    };
    let mut waiting = Vec::new();
    for _ in 0..9 {
        waiting.push(wait_for(&machine, gate).await.unwrap().agent_id);
    }
    for id in &waiting[..8] {
        grown(*id).unwrap();
    }
    let refused = grown(waiting[8]).unwrap_err();
    assert!(matches!(refused, AgentsError::TooLong), "{refused}");
    let mut request = SpawnRequest::new(command(&["true"]));
    request.command.env = env(1_000_000);
    let refused = machine.agents.spawn(request).await.unwrap_err();
    assert!(matches!(refused, AgentsError::TooLong), "{refused}");
    assert!(refused.to_string().contains("8 MiB"), "{refused}");
    // Nothing has changed, and who gets smaller makes room.
    assert!(machine.agents.compare_env(waiting[8], &Env::default()).unwrap().is_none());
    let patch = AgentPatch { env: Some(None), ..AgentPatch::default() };
    machine.agents.edit(waiting[0], patch).unwrap();
    grown(waiting[8]).unwrap();
}

#[tokio::test]
async fn of_agents_that_have_ended_the_oldest_are_forgotten_and_none_that_is_to_be_started_again() {
    let machine = Machine::with(Settings { ended: 3, ..Settings::default() });
    let mut request = SpawnRequest::new(command(&["/bin/sh", "-c", "exit 0"]));
    request.supervision = serde_json::from_value(json!({"restart": "on-failure"})).unwrap();
    let service = machine.agents.spawn(request).await.unwrap().agent_id;
    machine.ended(service).await;
    let awaited = machine.sh("exit 3").await;
    machine.ended(awaited).await;
    let waiting = wait_for(&machine, awaited).await.unwrap().agent_id;
    let mut events = machine.listen();
    let mut once = Vec::new();
    for _ in 0..6 {
        let id = machine.sh("exit 0").await;
        once.push(id);
        // Its end and what follows from it is one turn.
        machine.ended(id).await;
    }
    let mut forgotten = Vec::new();
    let heard = async {
        while forgotten.len() < 3 {
            if let Heard::Event(event) = events.next().await
                && let EventKind::AgentRemoved { agent_id } = event.what
            {
                forgotten.push(agent_id);
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("nothing is forgotten");
    // Who is waited for counts among the three, and stays all the same.
    assert_eq!(forgotten, once[..3]);
    for id in [service, awaited, waiting, once[5]] {
        machine.agents.find(id).unwrap();
    }
}

#[tokio::test]
async fn spawns_that_fail_leave_nothing_behind_that_counts() {
    let machine = Machine::new();
    // A shim can't write there, so there is none.
    std::fs::write(&machine.log_dir, "in the way").unwrap();
    for _ in 0..=MAX_AGENTS {
        let failed = machine.agents.spawn(SpawnRequest::new(command(&["true"]))).await.unwrap_err();
        assert!(matches!(failed, AgentsError::Host(HostError::Files { .. })), "{failed}");
    }
    std::fs::remove_file(&machine.log_dir).unwrap();
    machine.sh("exit 0").await;
    assert_eq!(machine.agents.list().len(), 1);
}

/// The directories of an agent's lives that have left something.
fn lives(of_agent: &Path) -> usize {
    let later =
        std::fs::read_dir(of_agent).unwrap().flatten().filter(|entry| entry.path().is_dir());
    let later = later.filter(|life| life.path().join("agent.json").exists()).count();
    later + usize::from(of_agent.join("agent.json").exists())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_restarted_for_years_keeps_the_output_of_its_last_lives_alone() {
    let machine = Machine::new();
    let id = machine.sh("echo a life; exec sleep 600").await;
    for _ in 0..7 {
        let before = machine.agents.find(id).unwrap().epoch;
        machine.agents.restart(id).await.unwrap();
        let mut events = machine.listen();
        let anew = async {
            loop {
                let now = machine.agents.find(id).unwrap();
                if now.epoch != before && now.state == AgentState::Running {
                    return;
                }
                events.next().await;
            }
        };
        timeout(PATIENCE, anew).await.expect("it is not started anew");
    }
    let of_agent = machine.log_dir.join(id.to_string());
    let pruned = async {
        // Nobody tells of files.
        while lives(&of_agent) > 5 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, pruned).await.expect("earlier lives stay");
    assert_eq!(lives(&of_agent), 5);
}
