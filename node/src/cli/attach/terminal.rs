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
    if name.to_bytes().ends_with(b"/ptmx") {
        // The other side of a terminal has no name of its own: this one makes a new terminal.
        return None;
    }
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    #[test]
    fn whoever_holds_the_other_side_of_a_terminal_is_not_given_a_new_one() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).and_then(|()| unlockpt(&master)).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let terminal = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        assert!(open_again(master.as_fd(), OFlags::WRONLY).is_none());
        let again = open_again(terminal.as_fd(), OFlags::WRONLY).unwrap();
        rustix::io::write(&again, b"x").unwrap();
        let mut seen = [0];
        rustix::io::read(&master, &mut seen).unwrap();
        assert_eq!(&seen, b"x");
    }
}
