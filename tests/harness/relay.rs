//! A relay of one scenario: the real program, on loopback, with state of its own.

use std::{path::PathBuf, process::Command};

use gantline_protocol::{RelayAddress, link::JoinLink};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{self, Program};

/// A relay. It keeps its port and state over [`TestRelay::kill`] and [`TestRelay::start_again`].
#[derive(Debug)]
pub struct TestRelay {
    program: Program,
    state: TempDir,
    listen: String,
    address: RelayAddress,
    options: Vec<String>,
}

impl TestRelay {
    /// Starts one on a free port.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one on a free port, with further options of `gantline-relay serve`.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_with(options: &[&str]) -> Self {
        Self::listening_on("127.0.0.1:0", options)
    }

    /// Starts one on this address and port, with further options of `gantline-relay serve`.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn listening_on(listen: &str, options: &[&str]) -> Self {
        let state = TempDir::new().expect("there is a temporary directory");
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        let (program, ready) = serve(&state, listen, &options);
        let text = |field: &str| ready.get(field).and_then(Value::as_str).unwrap_or_default();
        let (listen, address) = (text("address").to_owned(), text("relay").parse());
        Self { program, state, listen, address: address.expect("an address"), options }
    }

    /// How it is dialled.
    #[must_use]
    pub const fn address(&self) -> &RelayAddress {
        &self.address
    }

    /// Where it listens, UDP and TCP, as `address:port`.
    #[must_use]
    pub fn listen(&self) -> &str {
        &self.listen
    }

    /// The directory of all its state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.state.path().join("state")
    }

    /// The process.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    /// Asks it to stop, and waits.
    pub fn stop(&mut self) {
        assert!(self.program.stop().success(), "{}", self.program.log());
    }

    /// Starts it again on the same port, with the same state.
    pub fn start_again(&mut self) {
        self.program = serve(&self.state, &self.listen, &self.options).0;
    }

    /// A new join link.
    ///
    /// # Panics
    /// If there is none to be had.
    #[must_use]
    pub fn join_link(&self) -> JoinLink {
        let made = self.run(&["token", "create", "--json"]);
        let made: Value = serde_json::from_str(&made).expect("it prints JSON");
        let link = made.get("link").and_then(Value::as_str).expect("it names a link");
        link.parse().expect("it is a join link")
    }

    /// Runs `gantline-relay` on this relay's state and returns what it prints.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = command(&self.state).args(arguments).output().expect("it was built");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gantline-relay {arguments:?}: {complaint}");
        String::from_utf8(output.stdout).expect("it prints text")
    }
}

fn serve(state: &TempDir, listen: &str, options: &[String]) -> (Program, Value) {
    let mut command = command(state);
    command.args(["serve", "--json", "--listen", listen]).args(options);
    Program::start("gantline-relay", &mut command, &state.path().join("stderr.log"))
}

fn command(state: &TempDir) -> Command {
    let mut command = Command::new(program::path("gantline-relay"));
    command.arg("--state-dir").arg(state.path().join("state")).env_remove("GANTLINE_RELAY_LISTEN");
    command
}
