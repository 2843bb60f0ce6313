//! One agent, as the table keeps it.

use gantline_protocol::{
    AgentId, Name, Timestamp,
    api::{Argv, Cwd, signal::Signal},
    terminal::TerminalSize,
};

use tokio::task::spawn_blocking;

use super::exec::Group;
use crate::pty::{host::Ended, hub::Hub, log::Log, tree::Tree};

/// An agent.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: AgentId,
    pub(super) name: Option<Name>,
    pub(super) argv: Argv,
    pub(super) shell: bool,
    pub(super) cwd: Option<Cwd>,
    pub(super) size: TerminalSize,
    pub(super) started: Timestamp,
    /// When and how its process ended.
    pub(super) ended: Option<(Timestamp, Ended)>,
    /// It was told to stop.
    pub(super) is_stopping: bool,
    pub(super) running: Running,
    pub(super) log: Log,
}

/// What holds its process.
#[derive(Debug, Clone)]
pub(super) enum Running {
    /// A terminal.
    Terminal(Hub),
    /// Pipes for standard output and standard error.
    Pipes(Group),
}

/// Ends a process and everything that it started, at once. Who they are takes a look at everything
/// that runs.
pub(super) async fn kill(tree: Tree) {
    // It does not panic, and when the runtime ends there is nobody to tell.
    let _ = spawn_blocking(move || tree.kill()).await;
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        match self {
            Self::Terminal(hub) => hub.host().pid(),
            Self::Pipes(group) => group.pid(),
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        match self {
            Self::Terminal(hub) => hub.host().signal(signal),
            Self::Pipes(group) => group.signal(signal),
        }
    }

    /// Ends its process and everything that it started, at once.
    pub(super) async fn kill(&self) {
        let tree = match self {
            Self::Terminal(hub) => hub.host().tree().clone(),
            Self::Pipes(group) => group.tree().clone(),
        };
        kill(tree).await;
    }

    pub(super) async fn wait(&self) {
        match self {
            Self::Terminal(hub) => drop(hub.host().wait().await),
            Self::Pipes(group) => group.wait().await,
        }
    }
}
