//! The terminal at this end: raw while a viewer holds it, and as before when it is let go, however
//! that happens.

use std::{
    io::{self, IsTerminal, Write},
    os::fd::{BorrowedFd, OwnedFd},
    panic,
    sync::{Arc, Mutex, Once, PoisonError},
};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use rustix::{
    fs::{Mode, OFlags},
    termios::ttyname,
};

use super::modes::Modes;

/// Undoes what was done to the terminal, whoever comes to it first: the owner or a panic.
static HELD: Mutex<Option<Held>> = Mutex::new(None);
static HOOK: Once = Once::new();

struct Held {
    modes: Option<Arc<Mutex<Modes>>>,
    is_raw: bool,
}

/// Opens the terminal behind `stdio` once more, if it is one: whoever else has it as standard input or
/// output may wait for it, and this one never does.
pub(super) fn open_again(stdio: BorrowedFd<'_>, access: OFlags) -> Option<OwnedFd> {
    let name = ttyname(stdio, Vec::new()).ok()?;
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(name, flags, Mode::empty()).ok()
}

/// Holds the terminal. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Terminal(());

impl Terminal {
    /// Takes hold of the terminal, as far as there is one: makes its input raw, and remembers to
    /// undo what the output does to it.
    pub(super) fn hold(modes: &Arc<Mutex<Modes>>) -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
            }));
        });
        let is_raw = io::stdin().is_terminal();
        if is_raw {
            enable_raw_mode()?;
        }
        let modes = io::stdout().is_terminal().then(|| modes.clone());
        *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Held { modes, is_raw });
        Ok(Self(()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let held = match HELD.try_lock() {
        Ok(mut held) => held.take(),
        Err(_) => return,
    };
    let Some(Held { modes, is_raw }) = held else { return };
    if let Some(modes) = modes {
        let undo = match modes.try_lock() {
            Ok(modes) => modes.undo(),
            Err(_) => Modes::default().undo(),
        };
        // Not through the lock of stdout, which a writer that waits may hold.
        let _ = rustix::io::write(rustix::stdio::stdout(), &undo);
        let _ = io::stderr().flush();
    }
    if is_raw {
        let _ = disable_raw_mode();
    }
}
