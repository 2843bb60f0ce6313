//! One agent, as the table keeps it.

use std::time::Duration;

use gantline_protocol::{
    AgentId, Timestamp,
    api::{Agent, AgentSource, AgentState, Desired, Supervision, signal::Signal},
};

use crate::{
    pty::{host::Host, hub::Hub},
    shim::record::Definition,
};

/// An agent.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) definition: Definition,
    /// It was told to stop.
    pub(super) is_stopping: bool,
    pub(super) running: Running,
}

/// What its process talks to.
#[derive(Debug, Clone)]
pub(super) enum Running {
    /// A terminal.
    Terminal(Hub),
    /// Pipes for standard output and standard error.
    Pipes(Host),
}

impl Running {
    pub(super) fn host(&self) -> &Host {
        match self {
            Self::Terminal(hub) => hub.host(),
            Self::Pipes(host) => host,
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.host().signal(signal);
    }

    pub(super) fn stop(&self, grace: Duration) {
        self.host().stop(Signal::Term, grace);
    }
}

impl Entry {
    pub(super) const fn id(&self) -> AgentId {
        self.definition.agent_id
    }

    pub(super) fn host(&self) -> &Host {
        self.running.host()
    }

    /// When its process ended, if it has.
    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        self.host().end().map(|end| end.at)
    }

    /// What it has to say for itself.
    pub(super) fn describe(&self) -> Agent {
        let end = self.host().end();
        let state = match (end.map(|end| end.how), self.is_stopping) {
            (Some(None), _) => AgentState::Lost,
            (Some(Some(_)), _) => AgentState::Exited,
            (None, true) => AgentState::Stopping,
            (None, false) => AgentState::Running,
        };
        let Definition { agent_id, name, argv, shell, cwd, size, epoch, created_at, kind: _ } =
            self.definition.clone();
        Agent {
            agent_id,
            name,
            argv,
            shell,
            cwd,
            state,
            reason: None,
            desired: if self.is_stopping { Desired::Stopped } else { Desired::Running },
            source: match self.running {
                Running::Terminal(_) => AgentSource::Spawn,
                Running::Pipes(_) => AgentSource::Exec,
            },
            pid: self.host().pid().filter(|_| end.is_none()),
            epoch: Some(epoch),
            size: match &self.running {
                Running::Terminal(hub) => hub.size(),
                Running::Pipes(_) => size,
            },
            exit: end.and_then(|end| end.how),
            problem: self.host().problem().map(|why| why.to_string()),
            restarts: 0,
            created_at,
            started_at: Some(created_at),
            ended_at: end.map(|end| end.at),
            next_start_at: None,
            limits_not_enforced: self.host().limits_not_enforced(),
            supervision: Supervision::default(),
        }
    }
}
