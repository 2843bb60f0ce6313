//! A process and everything that it has started: signalled, found and ended without ever touching a
//! stranger who got a number that was free again. The shim is the one to whom all of them come back
//! when their own parents end, so whoever descends from the shim belongs to it.

use std::collections::HashSet;

use gantline_protocol::api::signal::Signal;
use rustix::process::{Pid, Signal as Number, kill_process, kill_process_group};

use super::sys;

/// A process that leads a group of its own, and what it started.
#[derive(Debug)]
pub(super) struct Tree {
    root: Pid,
    /// Its number may be somebody else's by now.
    is_reaped: bool,
}

impl Tree {
    pub(super) const fn new(root: Pid) -> Self {
        Self { root, is_reaped: false }
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

    /// Ends the process, unless it has ended, and everything that it has started. Looks again until
    /// nobody new is there.
    pub(super) fn kill(&self) {
        const ROUNDS: usize = 20;
        let mut known = HashSet::new();
        // Stopped first, so that nobody starts another one meanwhile.
        self.unless_reaped(Number::STOP);
        for _ in 0..ROUNDS {
            let found = self.rest();
            let before = known.len();
            known.extend(found.iter().copied());
            if known.len() == before {
                break;
            }
            for signal in [Number::STOP, Number::KILL] {
                for pid in &found {
                    let _ = kill_process(*pid, signal);
                }
            }
        }
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
