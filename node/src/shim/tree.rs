//! A process and everything that it has started: signalled, found and ended without ever touching a
//! stranger who got a number that was free again. The shim is the one to whom all of them come back
//! when their own parents end, so whoever descends from the shim belongs to it. Where the process has
//! a cgroup of its own, the system itself ends everybody in it at once.

use std::path::PathBuf;

use gantline_protocol::{
    Epoch,
    api::{ResourceLimits, signal::Signal},
};
use rustix::process::{Pid, Signal as Number, kill_process, kill_process_group};

use super::sys;
use crate::{
    limits::{Ground, Group},
    proc,
};

/// A process that leads a group of its own, and what it started.
#[derive(Debug)]
pub(super) struct Tree {
    root: Pid,
    /// Its number may be somebody else's by now.
    is_reaped: bool,
    placed: Placed,
}

/// Where the process is put.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// A cgroup that nobody is in but the process and what it starts.
    pub(super) group: Option<Group>,
    /// Why its limits are not enforced, if it has some and they are not.
    pub(super) not_enforced: Option<String>,
}

impl Tree {
    pub(super) const fn new(root: Pid, placed: Placed) -> Self {
        Self { root, is_reaped: false, placed }
    }

    pub(super) const fn placed(&self) -> &Placed {
        &self.placed
    }

    pub(super) const fn root(&self) -> Pid {
        self.root
    }

    /// The process was reaped: nobody signals it any more.
    pub(super) const fn reaped(&mut self) {
        self.is_reaped = true;
    }

    /// To the group of the process, unless it has ended.
    pub(super) fn signal(&self, signal: Signal) {
        if !self.is_reaped {
            let _ = kill_process_group(self.root, number(signal));
        }
    }

    /// To the process, unless it has ended, and to everything that it has started.
    pub(super) fn signal_all(&self, signal: Signal) {
        self.signal(signal);
        for pid in self.rest() {
            let _ = kill_process(pid, number(signal));
        }
    }

    /// Ends the process, unless it has ended, and everything that it has started. Who calls this
    /// again until [`Tree::rest`] is empty ends also those that began meanwhile.
    pub(super) fn kill(&self) {
        if let Some(group) = &self.placed.group {
            group.kill();
        }
        // Stopped first, so that nobody starts another one meanwhile.
        self.unless_reaped(Number::STOP);
        // Also those that have left the cgroup.
        proc::end_all(|| self.rest());
        self.unless_reaped(Number::KILL);
    }

    /// Everything that the process has started and that has not ended; the process itself left out.
    pub(super) fn rest(&self) -> Vec<Pid> {
        sys::descendants().into_iter().filter(|pid| *pid != self.root).collect()
    }

    /// Whoever is gone already needs no signal.
    fn unless_reaped(&self, signal: Number) {
        if !self.is_reaped {
            let _ = kill_process_group(self.root, signal);
            let _ = kill_process(self.root, signal);
        }
    }
}

impl Placed {
    /// Makes a group for a process of these limits: in the scope that the shim is alone in, or else
    /// on `ground` if there are limits. `lack` says what can't be had there.
    pub(super) fn place(
        epoch: Epoch,
        limits: ResourceLimits,
        ground: Option<PathBuf>,
        lack: Option<String>,
    ) -> Self {
        let name = format!("gantline-{:016x}", epoch.0);
        let scope = Ground::of_scope(epoch);
        let ground = match scope {
            Some(scope) => Some(scope),
            None if limits.are_none() => return Self::default(),
            None => ground.map(|dir| Ground { dir, lack: lack.clone() }),
        };
        let Some(Ground { dir, lack }) = ground else {
            return Self { group: None, not_enforced: lack };
        };
        let group = match Group::make(&dir, &name) {
            Ok(group) => group,
            Err(error) => {
                let why = format!("no cgroup can be made in {}: {error}", dir.display());
                let not_enforced = (!limits.are_none()).then_some(why);
                return Self { group: None, not_enforced };
            }
        };
        let missing = group.limit(limits);
        let not_enforced = missing.first().map(|(_, error)| {
            let whats: Vec<_> = missing.iter().map(|(what, _)| *what).collect();
            let why = lack.unwrap_or_else(|| format!("{}: {error}", dir.display()));
            format!("not limited: {}; {why}", whats.join(", "))
        });
        Self { group: Some(group), not_enforced }
    }
}

/// The number of a signal on this system.
pub(super) const fn number(signal: Signal) -> Number {
    match signal {
        Signal::Hup => Number::HUP,
        Signal::Int => Number::INT,
        Signal::Quit => Number::QUIT,
        Signal::Kill => Number::KILL,
        Signal::Usr1 => Number::USR1,
        Signal::Usr2 => Number::USR2,
        Signal::Term => Number::TERM,
        Signal::Cont => Number::CONT,
        Signal::Stop => Number::STOP,
        Signal::Tstp => Number::TSTP,
        Signal::Winch => Number::WINCH,
    }
}
