//! Starts shims.

use std::{io, process::Stdio, time::Duration};

use gantline_protocol::{
    AgentId,
    shim::{Greeting, ToShim, Versions},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use super::{HostError, Shims};
use crate::{
    pty::{
        link::{Input, Link},
        scope as unit,
    },
    shim::{
        self,
        start::{self, Answer, Start},
    },
};

/// How long a shim may take to start a process.
const START_WITHIN: Duration = Duration::from_secs(10);
/// The greatest length of a Unix socket's path, in bytes, on every system that has them.
const MAX_SOCKET: usize = 103;

/// A shim that has started a process, and why its limits are not enforced, if they are not.
type Launched = (Link, Greeting, Input, Option<String>);

/// Starts a shim, in a scope of its own where there is such a thing, and hears whether it has started
/// the process.
pub(super) async fn launch(
    shims: &Shims,
    agent: AgentId,
    start: &Start,
    first_words: &[u8],
) -> Result<Launched, HostError> {
    let scope = unit::Scope::find();
    let in_scope = scope.and_then(|scope| scope.command(&shims.program, agent, start.epoch));
    if let Some(command) = in_scope {
        match launch_by(command, agent, start, first_words).await {
            Err(HostError::NoShim(why)) => {
                tracing::warn!(%agent, %why, "the user's systemd gives no scope; going on without");
            }
            answer => return answer,
        }
    }
    let mut command = tokio::process::Command::new(&shims.program);
    command.arg0("gantline").env_clear();
    launch_by(command, agent, start, first_words).await
}

async fn launch_by(
    mut command: tokio::process::Command,
    agent: AgentId,
    start: &Start,
    first_words: &[u8],
) -> Result<Launched, HostError> {
    let path = &start.socket;
    if path.as_os_str().len() > MAX_SOCKET {
        let path = path.display();
        let why = format!("{path} is too long for a socket: set GANTLINE_HOME to a shorter path");
        return Err(HostError::Shim(why));
    }
    let failed = |error: io::Error| HostError::Shim(error.to_string());
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    command.args([shim::VERB, &agent.to_string()]).current_dir("/");
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let program = command.as_std().get_program().to_owned();
    let not_there = |error| HostError::NoShim(format!("{}: {error}", program.display()));
    let mut child = command.spawn().map_err(not_there)?;
    // Ours would keep the other end open after whoever has it has gone.
    drop(command);
    // It is reaped by this node as long as there is one.
    tokio::spawn(async move { child.wait().await });
    let mut ours = UnixStream::from_std(ours).map_err(failed)?;
    let mut words = start.encode();
    if words.len() > start::MAX {
        return Err(HostError::Shim("the command and its environment are too long".to_owned()));
    }
    ToShim::Hello(Versions::OURS).encode(&mut words).expect("a HELLO is within its bounds");
    words.extend_from_slice(first_words);
    let answered = async {
        ours.write_all(&words).await?;
        let mut header = [0; start::LENGTH];
        ours.read_exact(&mut header).await?;
        let mut answer = vec![0; start::length_of(header)?];
        ours.read_exact(&mut answer).await?;
        Answer::decode(&answer).map_err(io::Error::other)
    };
    let late = |_| HostError::Shim("it does not start within 10 s".to_owned());
    let gone = |error: io::Error| HostError::NoShim(format!("it went without a word: {error}"));
    let not_enforced = match timeout(START_WITHIN, answered).await.map_err(late)?.map_err(gone)? {
        Answer::Started { pid: _, not_enforced } => not_enforced,
        Answer::NotStarted { errno } => {
            return Err(HostError::Spawn(io::Error::from_raw_os_error(errno)));
        }
        Answer::Failed(why) => return Err(HostError::Shim(why)),
    };
    let (link, mut input) = Link::new(ours).map_err(failed)?;
    let greeted = input.greeting().await;
    let greeting = greeted.map_err(|error| HostError::Shim(error.to_string()))?;
    Ok((link, greeting, input, not_enforced))
}
