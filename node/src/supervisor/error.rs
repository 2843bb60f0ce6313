//! Why something about an agent can't be done.

use gantline_protocol::AgentId;

use super::{MAX_AGENTS, MAX_RUNNING};
use crate::pty::{HostError, command::CommandError};

/// Why something about an agent could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AgentsError {
    /// There is no such agent.
    #[error("there is no agent {0}; `gantline ps -a` shows those there are")]
    NotFound(AgentId),
    /// It does not run.
    #[error("agent {0} has ended")]
    Ended(AgentId),
    /// It runs.
    #[error("agent {0} runs already; for another process: gantline restart {0}")]
    AlreadyRuns(AgentId),
    /// It is being started, or waits for something.
    #[error("agent {0} is being started already{1}")]
    AlreadyStarts(AgentId, String),
    /// It has no process yet.
    #[error("agent {0} was not started yet{1}")]
    NeverStarted(AgentId, String),
    /// It was started by `exec`.
    #[error("agent {0} was run by exec, which runs a command once; spawn an agent for more")]
    RunsOnce(AgentId),
    /// Its process still runs, or is to.
    #[error("agent {0} still runs; stop it first: gantline stop {0}")]
    StillRunning(AgentId),
    /// Others wait for it.
    #[error("agent {0} is what others depend on: {1}; change or remove them first")]
    IsAwaited(AgentId, String),
    /// It can't depend on that.
    #[error("dependsOn: {0}")]
    Dependency(String),
    /// What that life of its process has written is gone.
    #[error("what agent {0} wrote in that life of its process is not kept any more; {1}")]
    NotKept(AgentId, String),
    /// It has no terminal: it was started by `exec`.
    #[error("agent {0} has no terminal")]
    NoTerminal(AgentId),
    /// As many agents run as may.
    #[error("{MAX_RUNNING} agents run already; stop one first")]
    Full,
    /// There are as many agents as there may be.
    #[error("there are {MAX_AGENTS} agents already; remove one first: gantline rm AGENT")]
    TooMany,
    /// It is too much to be kept.
    #[error(
        "the commands and environments of all agents would come to more than 8 MiB; put what is \
         long into a file, or remove agents: gantline rm AGENT"
    )]
    TooLong,
    /// Its shim can't be reached.
    #[error("agent {0} can't be reached: {1}")]
    Away(AgentId, String),
    /// The node is stopping.
    #[error("this node is stopping")]
    Stopping,
    /// The command can't be started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Its process, or the shim that is to hold it, can't be started.
    #[error(transparent)]
    Host(#[from] HostError),
}
