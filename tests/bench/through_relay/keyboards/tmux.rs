//! A keyboard at tmux.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result};
use portable_pty::CommandBuilder;
use tempfile::TempDir;

use super::{BareTerminal, ECHO, Keyboard, PLAIN, PlainKeys, READY};
use crate::part::nap;

/// Attached to a session of tmux.
pub(crate) struct InTmux {
    terminal: BareTerminal,
    socket: PathBuf,
    keys: PlainKeys,
    _scratch: TempDir,
}

impl InTmux {
    pub(crate) fn start() -> Result<Self> {
        let scratch = TempDir::new()?;
        let (config, socket) = (scratch.path().join("config"), scratch.path().join("socket"));
        // What it writes for itself is no echo.
        std::fs::write(&config, "set -g status off\n")?;
        let mut command = CommandBuilder::new("tmux");
        command.arg("-f");
        command.arg(config);
        command.arg("-S");
        command.arg(&socket);
        command.args(["new-session", ECHO]);
        command.env("TERM", "xterm-256color");
        let terminal = BareTerminal::running(command).context("tmux does not start")?;
        let keys = PLAIN.into_iter().cycle();
        let mut tmux = Self { terminal, socket, keys, _scratch: scratch };
        tmux.terminal.until(READY)?;
        Ok(tmux)
    }
}

impl Keyboard for InTmux {
    fn press(&mut self) -> Result<Duration> {
        self.terminal.press_next(&mut self.keys)
    }

    fn rest(&mut self, time: Duration) {
        nap(time);
    }
}

impl Drop for InTmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}
