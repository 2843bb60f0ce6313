//! A process and everything that it has started: signalled, found and ended without ever touching a
//! stranger who got a number that was free again. Owned by whoever started the process.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gantline_protocol::api::signal::Signal;
use rustix::process::{Pid, Signal as Number, kill_process, kill_process_group};

use super::sys::{self, Kin};

/// A process that leads a group of its own, and what it started. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: Pid,
    /// `NAME=value` in the environment of each of them, unless one has taken it out.
    mark: Option<Arc<[u8]>>,
    /// Its number may be somebody else's by now.
    is_reaped: Arc<Mutex<bool>>,
}

impl Tree {
    pub(crate) fn new(root: Pid, mark: Option<Vec<u8>>) -> Self {
        Self { root, mark: mark.map(Arc::from), is_reaped: Arc::default() }
    }

    pub(crate) const fn root(&self) -> Pid {
        self.root
    }

    /// To the group of the process, unless it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if !*self.is_reaped() {
            let _ = kill_process_group(self.root, number(signal));
        }
    }

    /// Does what reaps the process, after which nobody signals it any more.
    pub(crate) fn reap<T>(&self, reap: impl FnOnce() -> T) -> T {
        let mut is_reaped = self.is_reaped();
        let reaped = reap();
        *is_reaped = true;
        reaped
    }

    /// Ends the process, unless it has ended, and everything that descends from it, is in its group
    /// or session, or carries its mark. Looks again until nobody new is there.
    pub(crate) fn kill(&self) {
        const ROUNDS: usize = 20;
        let mut known = HashSet::new();
        // Stopped first, so that nobody starts another one meanwhile.
        self.unless_reaped(Number::STOP);
        for _ in 0..ROUNDS {
            let found = self.kin();
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

    /// Asks everything that the process has left behind to end; says whether there was anything.
    pub(crate) fn ask_the_rest(&self) -> bool {
        let rest = self.kin();
        for pid in &rest {
            let _ = kill_process(*pid, Number::TERM);
            // A process that is stopped can't hear it.
            let _ = kill_process(*pid, Number::CONT);
        }
        !rest.is_empty()
    }

    /// Whether anything that the process has started is still there.
    pub(crate) fn has_rest(&self) -> bool {
        !self.kin().is_empty()
    }

    /// Everything that descends from the process, is in its group or session, or carries its mark;
    /// the process itself left out.
    fn kin(&self) -> Vec<Pid> {
        let root = match *self.is_reaped() {
            false => Some(self.root),
            // Whoever has the number now is a stranger, and so are those around it.
            true => (!sys::exists(self.root)).then_some(self.root),
        };
        let found = sys::find(&Kin { root, mark: self.mark.as_deref() });
        found.into_iter().filter(|pid| *pid != self.root).collect()
    }

    /// Whoever is gone already needs no signal.
    fn unless_reaped(&self, signal: Number) {
        if !*self.is_reaped() {
            let _ = kill_process_group(self.root, signal);
            let _ = kill_process(self.root, signal);
        }
    }

    fn is_reaped(&self) -> MutexGuard<'_, bool> {
        self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner)
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
