//! The process that a shim holds: what it writes, what it reads, and everything it has started.

use std::{
    io,
    os::fd::OwnedFd,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use gantline_protocol::{
    api::signal::Signal,
    shim::{MarkKind, Scope},
    terminal::TerminalSize,
};
use rustix::{
    io::{Errno, ioctl_fionread},
    process::{Pid, kill_process_group},
};

use super::{
    patience::Patience,
    sys,
    tree::{Placed, Tree, number},
};
use crate::{limits::Group, pty::command::Prepared};

/// What is read at once, in bytes.
const READ: usize = 64 * 1024;

/// Whoever has written so much at once writes more. A terminal gives 4 KiB at a time, and to be woken
/// for each takes longer than the next one does: it is looked for so long instead.
const FLOOD: usize = 2048;
const NEXT: Duration = Duration::from_micros(150);
/// How long an echo is looked for, when something was typed, before it is waited for.
const ECHO: Duration = Duration::from_micros(80);

/// A process, and our ends of what it talks to.
#[derive(Debug)]
pub(super) struct Process {
    tree: Tree,
    pub(super) ends: Ends,
    buffer: Vec<u8>,
    flood: Patience,
    echo: Patience,
}

/// Our ends, as long as there is somebody at the other.
#[derive(Debug)]
pub(super) enum Ends {
    Terminal { master: Option<OwnedFd>, size: TerminalSize },
    Pipes { out: Option<OwnedFd>, err: Option<OwnedFd> },
}

/// What became of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// So many bytes, which are now in the buffer.
    Bytes(usize),
    /// There is nothing now.
    Nothing,
    /// Nobody writes there any more.
    End,
}

impl Process {
    /// Starts a command on a terminal of this size, or on pipes.
    pub(super) fn start(
        command: &Prepared,
        terminal: Option<TerminalSize>,
        mut placed: Placed,
    ) -> io::Result<Self> {
        let entrance = match placed.group.as_ref().map(Group::entrance) {
            Some(Ok(entrance)) => Some(entrance),
            Some(Err(error)) => {
                placed = Placed { group: None, not_enforced: Some(error.to_string()) };
                None
            }
            None => None,
        };
        let mut builder = Command::new(&command.program);
        builder.args(&command.arguments).current_dir(&command.cwd).env_clear();
        builder.envs(command.environment.iter().map(|(name, value)| (name, value)));
        let (pid, ends) = match terminal {
            Some(size) => {
                let (master, tty) = sys::open_terminal(size)?;
                let spawned = sys::spawn(builder, Some(&tty), entrance)?;
                (spawned.pid, Ends::Terminal { master: Some(master), size })
            }
            None => {
                builder.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
                let sys::Spawned { pid, stdout, stderr } = sys::spawn(builder, None, entrance)?;
                for end in [&stdout, &stderr].into_iter().flatten() {
                    sys::set_nonblocking(end)?;
                }
                (pid, Ends::Pipes { out: stdout, err: stderr })
            }
        };
        let (tree, buffer) = (Tree::new(pid, placed), vec![0; READ]);
        Ok(Self { tree, ends, buffer, flood: Patience::new(NEXT), echo: Patience::new(ECHO) })
    }

    pub(super) fn pid(&self) -> u32 {
        self.tree.root().as_raw_nonzero().get().unsigned_abs()
    }

    pub(super) const fn root(&self) -> Pid {
        self.tree.root()
    }

    pub(super) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The process was reaped.
    pub(super) const fn reaped(&mut self) {
        self.tree.reaped();
    }

    /// The size of the terminal, if it has one.
    pub(super) const fn size(&self) -> Option<TerminalSize> {
        match &self.ends {
            Ends::Terminal { size, .. } => Some(*size),
            Ends::Pipes { .. } => None,
        }
    }

    /// Gives the terminal this size; says whether there is one.
    pub(super) fn resize(&mut self, to: TerminalSize) -> bool {
        match &mut self.ends {
            Ends::Terminal { master: Some(master), size } if sys::resize(master, to).is_ok() => {
                *size = to;
                true
            }
            Ends::Terminal { .. } | Ends::Pipes { .. } => false,
        }
    }

    pub(super) fn signal(&self, signal: Signal, scope: Scope) {
        match (scope, signal) {
            (Scope::All, Signal::Kill) => self.tree.kill(),
            (Scope::All, _) => self.tree.signal_all(signal),
            (Scope::Group, _) => {
                self.tree.signal(signal);
                if let Some(foreground) = self.foreground().filter(|group| *group != self.root()) {
                    // Whoever is gone already needs no signal.
                    let _ = kill_process_group(foreground, number(signal));
                }
            }
        }
    }

    fn foreground(&self) -> Option<Pid> {
        match &self.ends {
            Ends::Terminal { master: Some(master), .. } => rustix::termios::tcgetpgrp(master).ok(),
            Ends::Terminal { .. } | Ends::Pipes { .. } => None,
        }
    }

    /// Where its output comes from, and which it is.
    pub(super) fn outputs(&self) -> [Option<(&OwnedFd, Option<MarkKind>)>; 2] {
        self.ends.outputs()
    }

    /// Whether anybody may still write.
    pub(super) fn has_output(&self) -> bool {
        self.outputs().iter().any(Option::is_some)
    }

    /// Reads what there is at one of [`Process::outputs`], as much as fits. A terminal gives 4 KiB
    /// at a time; whoever follows is told once for all there is.
    pub(super) fn read(&mut self, which: usize) -> (Got, Option<MarkKind>, &[u8]) {
        let Self { ends, buffer, flood, .. } = self;
        let (got, kind) = match ends.outputs().get(which).copied().flatten() {
            Some((fd, kind)) => (read_from(fd, buffer, flood), kind),
            None => (Got::End, None),
        };
        let length = match got {
            Got::Bytes(length) => length,
            Got::Nothing | Got::End => 0,
        };
        (got, kind, self.buffer.get(..length).unwrap_or_default())
    }

    /// Something was typed: looks for the echo until it comes, or is not worth looking for any more.
    /// Says whether it is there.
    pub(super) fn look_for_echo(&mut self) -> bool {
        match &self.ends {
            Ends::Terminal { master: Some(master), .. } => look_for_more(master, &mut self.echo),
            Ends::Terminal { .. } | Ends::Pipes { .. } => false,
        }
    }

    /// Nobody writes there any more.
    pub(super) fn close_output(&mut self, which: usize) {
        match (&mut self.ends, which) {
            (Ends::Terminal { master, .. } | Ends::Pipes { out: master, .. }, 0) => *master = None,
            (Ends::Pipes { err, .. }, _) => *err = None,
            (Ends::Terminal { .. }, _) => {}
        }
    }

    /// Types as much as the process has room for now; `None` when nobody reads it.
    pub(super) fn type_in(&self, bytes: &[u8]) -> Option<usize> {
        let Ends::Terminal { master: Some(master), .. } = &self.ends else { return None };
        match rustix::io::write(master, bytes) {
            Ok(length) => Some(length),
            Err(Errno::AGAIN | Errno::INTR) => Some(0),
            Err(_) => None,
        }
    }
}

impl Ends {
    fn outputs(&self) -> [Option<(&OwnedFd, Option<MarkKind>)>; 2] {
        match self {
            Self::Terminal { master, .. } => [master.as_ref().map(|master| (master, None)), None],
            Self::Pipes { out, err } => [
                out.as_ref().map(|out| (out, Some(MarkKind::Stdout))),
                err.as_ref().map(|err| (err, Some(MarkKind::Stderr))),
            ],
        }
    }
}

fn read_from(fd: &OwnedFd, buffer: &mut [u8], flood: &mut Patience) -> Got {
    let mut length = 0;
    loop {
        let Some(room) = buffer.get_mut(length..).filter(|room| !room.is_empty()) else {
            return Got::Bytes(length);
        };
        if length >= FLOOD {
            look_for_more(fd, flood);
        } else if length > 0 && !has_more(fd) {
            return Got::Bytes(length);
        }
        match rustix::io::read(fd, room) {
            Ok(read) if read > 0 => length += read,
            Err(Errno::INTR) => {}
            // What ended will say so once more.
            Ok(_) | Err(_) if length > 0 => return Got::Bytes(length),
            Err(Errno::AGAIN) => return Got::Nothing,
            // EIO is how Linux says that the other side of a terminal is closed.
            Ok(_) | Err(_) => return Got::End,
        }
    }
}

/// Looks for something to read as long as patience is left, and says whether there is. Meanwhile others
/// may have the processor: the process, and what the kernel does for its terminal.
fn look_for_more(fd: &OwnedFd, patience: &mut Patience) -> bool {
    while patience.is_left(Instant::now()) {
        if has_more(fd) {
            patience.is_rewarded();
            return true;
        }
        thread::yield_now();
    }
    false
}

/// Whether there is something to read, or to be told. To read or to poll a terminal that has nothing is
/// to wait for what the kernel does for it, asleep; to ask how much there is, is not.
fn has_more(fd: &OwnedFd) -> bool {
    !matches!(ioctl_fionread(fd), Ok(0))
}
