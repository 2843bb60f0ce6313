//! A node of one scenario: the real program, with a home of its own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use gantline_client::{Client, Connection, Device, connection::Request};
use gantline_crypto::StaticKey;
use gantline_protocol::{
    RelayAddress, Role,
    api::{LinkState, Machine, MintedCode, PairingCodeRequest, Status},
    link::JoinLink,
};
use gantline_transport::Carriers;
use getrandom::{SysRng, rand_core::UnwrapErr};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::{
    page::Page,
    program::{self, Program},
    soon,
};

/// An answer of the API is at most so long, in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// A node. It keeps its home over [`TestNode::kill`] and [`TestNode::start_again`].
#[derive(Debug)]
pub struct TestNode {
    program: Program,
    _agents: AgentsEnd,
    home: TempDir,
    relay: Option<RelayAddress>,
    carriers: Carriers,
    /// The program that it is.
    file: PathBuf,
}

impl TestNode {
    /// Starts one that joins the relay that the link names, and waits until its link is up.
    pub async fn join(link: &JoinLink) -> Self {
        Self::join_by(Carriers::Both, link).await
    }

    /// Starts one that reaches its relay by these carriers alone, and waits until its link is up.
    pub async fn join_by(carriers: Carriers, link: &JoinLink) -> Self {
        let options = ["--join", &link.to_string()];
        let node = Self::launch_by(carriers, &options, Some(link.relay.clone()));
        node.linked().await;
        node
    }

    /// Starts one without a relay.
    #[must_use]
    pub fn alone() -> Self {
        Self::launch(&[], None)
    }

    /// Starts one with further options of `gantline up`, and waits for nothing but that it runs.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn launch(options: &[&str], relay: Option<RelayAddress>) -> Self {
        Self::launch_by(Carriers::Both, options, relay)
    }

    /// Starts one without a relay that is this file.
    #[must_use]
    pub fn of_program(file: &Path) -> Self {
        Self::launch_program(file.to_owned(), Carriers::Both, &[], None)
    }

    /// The same, by these carriers alone.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn launch_by(carriers: Carriers, options: &[&str], relay: Option<RelayAddress>) -> Self {
        Self::launch_program(program::path("gantline"), carriers, options, relay)
    }

    fn launch_program(
        file: PathBuf,
        carriers: Carriers,
        options: &[&str],
        relay: Option<RelayAddress>,
    ) -> Self {
        let home = TempDir::new().expect("there is a temporary directory");
        let (program, _) = up(&file, home.path(), carriers, options);
        let _agents = AgentsEnd(home.path().join("home/log"));
        Self { program, _agents, home, relay, carriers, file }
    }

    /// The process.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// Its `GANTLINE_HOME`.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.home.path().join("home")
    }

    /// The relay that it joined.
    ///
    /// # Panics
    /// If it joined none.
    #[must_use]
    pub fn relay(&self) -> RelayAddress {
        self.relay.clone().expect("this node joined a relay")
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    /// Asks it to stop, and waits.
    pub fn stop(&mut self) {
        assert!(self.program.stop().success(), "{}", self.program.log());
    }

    /// Starts it again on the same home; it is joined already.
    pub fn start_again(&mut self) {
        self.program = up(&self.file, self.home.path(), self.carriers, &[]).0;
    }

    /// Its API, by its Unix socket.
    ///
    /// # Panics
    /// If nobody answers.
    pub async fn api(&self) -> Connection {
        let key = StaticKey::generate(&mut UnwrapErr(SysRng));
        let name = "harness".parse().expect("it is a name");
        let client = Client::new(Device { key, name });
        client.local(&self.home().join("run/node.sock")).await.expect("the node answers")
    }

    /// What it says of its machine.
    pub async fn machine(&self) -> Machine {
        self.read("/v1/machine").await
    }

    /// What it answers to a GET.
    ///
    /// # Panics
    /// If it refuses.
    pub async fn read<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.api().await.request(Request::get(path)).await.expect(path);
        answer.json(MAX_ANSWER).await.expect(path)
    }

    /// A new pairing code.
    ///
    /// # Panics
    /// If there is none to be had.
    pub async fn code(&self, role: Role) -> MintedCode {
        let request = Request::post("/v1/pairing-codes", &PairingCodeRequest { role });
        let answer = self.api().await.request(request.expect("it is JSON")).await;
        answer.expect("a code can be minted").json(MAX_ANSWER).await.expect("a minted code")
    }

    /// Waits until all its links are up.
    pub async fn linked(&self) {
        self.links_are(|state| state == LinkState::Up).await;
    }

    /// Waits until none of its links is up.
    pub async fn unlinked(&self) {
        self.links_are(|state| state != LinkState::Up).await;
    }

    async fn links_are(&self, wanted: impl Fn(LinkState) -> bool) {
        let api = self.api().await;
        let mut events = api.request(Request::get("/v1/events")).await.expect("it tells events");
        let changed = async {
            loop {
                let status: Status = self.read("/v1/status").await;
                if status.links.iter().all(|link| wanted(link.state)) {
                    return;
                }
                // Whatever happens, look again.
                events.chunk().await.expect("the node lives").expect("events do not end");
            }
        };
        soon("a change of the node's link to its relay", changed).await;
    }

    /// A page of its user on its 127.0.0.1, let in as `gantline open` lets one in.
    ///
    /// # Panics
    /// If it is not let in.
    pub async fn page(&self) -> Page {
        let opened = self.run(&["open", "--print"]);
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        Page::open(String::from_utf8_lossy(&opened.stdout).trim()).await
    }

    /// Runs `gantline` with this node's home, as its user would.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        gantline(&self.home()).args(arguments).output().expect("it was built")
    }
}

/// Agents outlive a node, but not a scenario: those below this directory are killed.
#[derive(Debug)]
struct AgentsEnd(PathBuf);

impl Drop for AgentsEnd {
    fn drop(&mut self) {
        let agents = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        agents.for_each(|agent| end_lives(&agent.path()));
    }
}

/// Kills what lives of the agent that has its files here: its first life, and each later one in a
/// directory of its own.
pub fn end_lives(agent: &Path) {
    let later = std::fs::read_dir(agent).into_iter().flatten().flatten();
    let later = later.map(|entry| entry.path()).filter(|path| path.is_dir());
    for dir in std::iter::once(agent.to_owned()).chain(later) {
        let life = std::fs::read(dir.join("process.json")).unwrap_or_default();
        let life: serde_json::Value = serde_json::from_slice(&life).unwrap_or_default();
        let pid = |which: &str| {
            let pid = life[which]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
            pid.and_then(Pid::from_raw)
        };
        let is_shim = |pid: &Pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with(b"gantline\0shim")
        };
        if let Some(shim) = pid("shim").filter(is_shim) {
            let _ = kill_process(shim, Signal::KILL);
        }
        if let Some(process) = pid("process").filter(|_| !dir.join("exit.json").exists()) {
            let _ = kill_process_group(process, Signal::KILL);
        }
    }
}

/// The command line with this home.
#[must_use]
pub fn gantline(home: &Path) -> Command {
    command(&program::path("gantline"), home)
}

fn command(file: &Path, home: &Path) -> Command {
    let mut command = Command::new(file);
    command.env("GANTLINE_HOME", home).env_remove("GANTLINE_LOG").env("NO_COLOR", "1");
    command
}

fn up(
    file: &Path,
    scratch: &Path,
    carriers: Carriers,
    options: &[&str],
) -> (Program, serde_json::Value) {
    let mut command = command(file, &scratch.join("home"));
    command.env(Carriers::VARIABLE, carriers.to_string());
    command.args(["up", "--json", "--port", "0"]).args(options);
    Program::start("gantline", &mut command, &scratch.join("stderr.log"))
}
