//! One agent, as the table keeps it.

use std::time::Duration;

use gantline_protocol::{
    AgentId, Name, Timestamp,
    api::{Argv, Cwd, signal::Signal},
    terminal::TerminalSize,
};

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

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

/// How often to look whether processes are gone that can't be waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
        kill(self.tree()).await;
    }

    /// Asks what its process has left behind to end, and waits until it has, until `deadline`.
    pub(super) async fn ask_the_rest(&self, deadline: Instant) {
        let look = |ask: bool| {
            let tree = self.tree();
            // It does not panic, and when the runtime ends there is nobody to wait for.
            let looked =
                spawn_blocking(move || if ask { tree.ask_the_rest() } else { tree.has_rest() });
            async { looked.await.unwrap_or(false) }
        };
        let mut is_there = look(true).await;
        while is_there && Instant::now() < deadline {
            // Nobody tells when a process ends that is nobody's child here.
            sleep(LOOK_EVERY).await;
            is_there = look(false).await;
        }
    }

    fn tree(&self) -> Tree {
        match self {
            Self::Terminal(hub) => hub.host().tree().clone(),
            Self::Pipes(group) => group.tree().clone(),
        }
    }

    pub(super) async fn wait(&self) {
        match self {
            Self::Terminal(hub) => drop(hub.host().wait().await),
            Self::Pipes(group) => group.wait().await,
        }
    }
}
