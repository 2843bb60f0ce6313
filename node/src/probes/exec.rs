//! A check by a command, which runs as the agent does and in a process group of its own. Whatever it
//! has started ends with it when its time is over.

use std::process::Stdio;

use gantline_protocol::api::{self, ExitStatus};
use getrandom::{
    SysRng,
    rand_core::{Rng as _, UnwrapErr},
};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::unix::pipe,
    process::{Child, Command},
};

use super::{Checked, ProbeFailure, Subject};
use crate::{
    proc::{self, Proc},
    pty::{command::Prepared, last_line::last_line},
};

/// By this variable everything that a check has started is known, wherever it has gone.
const MARK: &str = "GANTLINE_PROBE";
/// What is kept of what it writes, in bytes. The rest is taken and forgotten.
const KEPT: usize = 4096;
/// How often as much is read in one go.
const AT_ONCE: usize = 16;

pub(super) async fn check(argv: &api::Argv, subject: &Subject) -> Checked {
    let api::Command { cwd, env, argv: _, shell: _ } = subject.command.clone();
    let command = api::Command { argv: argv.clone(), cwd, env, shell: false };
    let prepared = Prepared::new(&command)?.of_agent(subject.agent);
    let (mut running, output) = Running::start(prepared).map_err(ProbeFailure::NotRun)?;
    let mut tail = Tail::default();
    let ended = async {
        let exited = running.has_exited();
        tokio::pin!(exited);
        loop {
            tokio::select! {
                biased;
                exited = &mut exited => {
                    tail.take(&output);
                    return exited;
                }
                ready = output.readable() => match ready {
                    Ok(()) if tail.take(&output) => {}
                    Ok(()) | Err(_) => return exited.await,
                },
            }
        }
    };
    ended.await.map_err(ProbeFailure::NotRun)?;
    let status = running.reap().await.map_err(ProbeFailure::NotRun)?;
    match status {
        ExitStatus::Code(0) => Ok(()),
        status => Err(ProbeFailure::Exit { status, said: last_line(&tail.bytes, tail.is_cut) }),
    }
}

/// A command at work. Dropping it ends it with everything that it has started.
struct Running {
    pid: Pid,
    mark: String,
    /// As long as it is here it was not reaped, and its number is nobody else's.
    child: Option<Child>,
    ended: AsyncFd<std::os::fd::OwnedFd>,
}

impl Running {
    #[allow(unsafe_code)]
    fn start(mut prepared: Prepared) -> std::io::Result<(Self, pipe::Receiver)> {
        let mark = format!("{:016x}", UnwrapErr(SysRng).next_u64());
        prepared.environment.push((MARK.into(), mark.clone().into()));
        let (output, writer) = std::io::pipe()?;
        let output = pipe::Receiver::from_owned_fd(output.into())?;
        let mut command = Command::new(&prepared.program);
        command.args(&prepared.arguments).current_dir(&prepared.cwd).env_clear();
        command.envs(prepared.environment).process_group(0);
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let child = command.spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or(std::io::ErrorKind::Unsupported)?;
        let ended = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK)?;
        // SAFETY: an `OwnedFd` is open as long as it lives, and names the same descriptor.
        let ended = unsafe { AsyncFd::register_with_interest(ended, Interest::READABLE) }?;
        Ok((Self { pid, mark, child: Some(child), ended }, output))
    }

    async fn has_exited(&self) -> std::io::Result<()> {
        self.ended.readable().await.map(drop)
    }

    /// It has ended: so does what it has left in its group, and its end is asked for.
    async fn reap(&mut self) -> std::io::Result<ExitStatus> {
        use std::os::unix::process::ExitStatusExt as _;
        let _ = kill_process_group(self.pid, Signal::KILL);
        let mut child = self.child.take().ok_or(std::io::ErrorKind::NotFound)?;
        let status = child.wait().await?;
        let code = status.code().map(ExitStatus::Code);
        code.or_else(|| status.signal().map(ExitStatus::Signal))
            .ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(child) = self.child.take() else { return };
        let (pid, mark) = (self.pid, std::mem::take(&mut self.mark));
        let _ = kill_process_group(pid, Signal::STOP);
        let end = move || {
            proc::end_all(|| of_check(pid, &mark));
            let _ = kill_process(pid, Signal::KILL);
            let _ = kill_process_group(pid, Signal::KILL);
            // Tokio reaps it once it has ended.
            drop(child);
        };
        // All processes are looked at, which takes some milliseconds.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(end)),
            Err(_) => end(),
        }
    }
}

/// Every process of a check: those in its group, those that descend from it, and those that have its
/// mark.
fn of_check(root: Pid, mark: &str) -> Vec<Pid> {
    let number = root.as_raw_nonzero().get();
    let mark = format!("{MARK}={mark}");
    let mut found = proc::descendants(number);
    let Ok(mut proc) = Proc::open() else { return found };
    let mut others = Vec::new();
    let listed = proc.each(|pid, stat| {
        if !stat.has_ended {
            others.push((pid, stat.group == number));
        }
    });
    if listed.is_err() {
        return found;
    }
    for (pid, is_in_group) in others {
        let has_mark = |proc: &mut Proc| {
            let environment = proc.read(&format!("{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        };
        if is_in_group || has_mark(&mut proc) {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}

/// The end of what a command has written.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Tail {
    /// Takes what is there; says whether there may be more later.
    fn take(&mut self, output: &pipe::Receiver) -> bool {
        let mut buffer = [0; KEPT];
        // One that never stops writing is not listened to without end.
        for _ in 0..AT_ONCE {
            match output.try_read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    self.bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    let over = self.bytes.len().saturating_sub(KEPT);
                    self.is_cut |= over > 0;
                    self.bytes.drain(..over);
                }
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}
