//! One agent, as the table keeps it.

use std::time::{Instant, SystemTime};

use gantline_protocol::{
    AgentId, Epoch, Timestamp,
    api::{self, Agent, AgentSource, AgentState, LogMb, ScrollbackKb},
    terminal::TerminalSize,
};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::AbortHandle};

use super::fleet::{Life, Shown};
use crate::{
    pty::{
        host::{End, Host},
        hub::Hub,
        log::Limits,
    },
    shim::record::{Definition, Kind},
};

/// What an agent is, but for how it is looked after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Described {
    pub(super) agent_id: AgentId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<gantline_protocol::Name>,
    #[serde(flatten)]
    pub(super) command: api::Command,
    pub(super) size: TerminalSize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scrollback_kb: Option<ScrollbackKb>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log_mb: Option<LogMb>,
    pub(super) kind: Kind,
    pub(super) source: AgentSource,
    pub(super) created_at: Timestamp,
}

impl Described {
    /// The bytes that its command comes to.
    pub(super) fn length(&self) -> usize {
        let argv = self.command.argv.items().iter().map(String::len);
        let env = self.command.env.iter().map(|(name, value)| name.len() + value.len());
        argv.chain(env).sum()
    }

    /// How much of its output is kept.
    pub(super) fn limits(&self, usual: Limits) -> Limits {
        let memory = self.scrollback_kb.and_then(|kb| usize::try_from(kb.bytes()).ok());
        let memory = memory.unwrap_or(usual.memory);
        Limits { memory, file: self.log_mb.map_or(usual.file, LogMb::bytes) }
    }
}

/// An agent.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) described: Described,
    /// The lives of its process of which something is kept, the present or last one at the end.
    pub(super) lives: Vec<Definition>,
    /// The process of the last of them.
    pub(super) process: Option<Running>,
    /// The terminal of the last of them, for viewers that wait for the next.
    pub(super) hub: watch::Sender<Option<Hub>>,
    /// What probes it, until this is dropped.
    pub(super) probing: Option<Ends>,
    /// What its last process wrote last.
    pub(super) said: Option<String>,
    /// What the history knows of it.
    pub(super) noted: Option<(Option<Epoch>, AgentState)>,
    /// It is not told to anybody before its first process runs.
    pub(super) is_hidden: bool,
}

/// Ends a task when it is dropped.
#[derive(Debug)]
pub(super) struct Ends(pub(super) AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a process talks to.
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
}

impl Entry {
    /// One of which nothing was started yet.
    pub(super) fn new(described: Described) -> Self {
        Self {
            described,
            lives: Vec::new(),
            process: None,
            hub: watch::Sender::new(None),
            probing: None,
            said: None,
            noted: None,
            is_hidden: false,
        }
    }

    pub(super) fn host(&self) -> Option<&Host> {
        self.process.as_ref().map(Running::host)
    }

    /// The process of a life, if that is the last one.
    pub(super) fn host_of(&self, life: Life) -> Option<&Host> {
        self.host().filter(|_| self.lives.last().is_some_and(|last| last.number == life.0))
    }

    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.lives.last().map(|life| life.epoch)
    }

    /// This life has a process now.
    pub(super) fn has(&mut self, life: Definition, process: Running) {
        if self.lives.last().is_none_or(|last| last.number < life.number) {
            self.lives.push(life);
        }
        if let Running::Terminal(hub) = &process {
            self.hub.send_replace(Some(hub.clone()));
        }
        self.process = Some(process);
    }

    /// The size that its terminal has, or that the next one gets.
    pub(super) fn size(&self) -> TerminalSize {
        match &self.process {
            Some(Running::Terminal(hub)) => hub.size(),
            Some(Running::Pipes(_)) | None => self.described.size,
        }
    }

    /// When and how the last process ended, once what follows from that is decided.
    pub(super) fn end(&self, shown: &Shown) -> Option<End> {
        self.host().and_then(Host::end).filter(|_| !has_process(shown.state))
    }

    /// What it has to say for itself.
    pub(super) fn describe(
        &self,
        shown: &Shown,
        supervision: api::Supervision,
        name: impl Fn(AgentId) -> String,
    ) -> Agent {
        let end = self.end(shown);
        let Described { agent_id, name: own_name, command, source, created_at, .. } =
            self.described.clone();
        let host = self.host();
        let api::Command { argv, cwd, shell, env: _ } = command;
        Agent {
            agent_id,
            name: own_name,
            argv,
            shell,
            cwd,
            state: shown.state,
            reason: shown.reason.as_ref().map(|reason| reason.told(name)),
            desired: shown.desired,
            source,
            pid: host
                .filter(|_| has_process(shown.state))
                .filter(|host| host.end().is_none())
                .and_then(Host::pid),
            epoch: self.epoch(),
            size: self.size(),
            exit: end.and_then(|end| end.how),
            problem: host.and_then(Host::problem).map(|why| why.to_string()),
            restarts: shown.restarts,
            created_at,
            started_at: self.lives.last().map(|life| life.created_at),
            ended_at: end.map(|end| end.at),
            next_start_at: shown.next_start.map(on_the_wall),
            limits_not_enforced: host.and_then(Host::limits_not_enforced),
            supervision,
        }
    }
}

/// Whether a process lives in this state, as far as is known.
pub(super) const fn has_process(state: AgentState) -> bool {
    match state {
        AgentState::Running
        | AgentState::Healthy
        | AgentState::Unhealthy
        | AgentState::Stopping => true,
        AgentState::Starting
        | AgentState::Backoff
        | AgentState::Exited
        | AgentState::Failed
        | AgentState::RestartLimit
        | AgentState::Lost => false,
    }
}

/// What clocks will show then, if nobody sets them.
fn on_the_wall(at: Instant) -> Timestamp {
    (SystemTime::now() + at.saturating_duration_since(Instant::now())).into()
}
