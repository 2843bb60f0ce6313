//! A node, as it ships, in a process of its own: what it costs can be told from what its viewers cost.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use gantline_client::{Client, Connection, Device, connection::Request};
use gantline_crypto::StaticKey;
use gantline_protocol::{
    AgentId,
    api::{Agent, Command as Argv, SpawnRequest},
};
use getrandom::{SysRng, rand_core::UnwrapErr};

pub struct Node {
    pub home: PathBuf,
    pub connection: Connection,
    child: Child,
}

impl Node {
    /// Starts a node, and waits until it answers.
    pub async fn start(home: PathBuf) -> Self {
        let mut up = command(&home, &["up", "--port", "0"]);
        let child = up.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let key = StaticKey::generate(&mut UnwrapErr(SysRng));
        let client = Client::new(Device { key, name: "bench".parse().unwrap() });
        let began = Instant::now();
        let connection = loop {
            match client.local(&home.join("run/node.sock")).await {
                Ok(connection) => break connection,
                Err(error) if began.elapsed() > Duration::from_secs(20) => panic!("{error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        Self { home, connection, child }
    }

    pub async fn spawn(&self, script: &str) -> Agent {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec().try_into().unwrap();
        let cwd = Some("/".to_owned().try_into().unwrap());
        let command = Argv { argv, cwd, env: Default::default(), shell: false };
        let request = Request::post("/v1/agents", &SpawnRequest::new(command)).unwrap();
        let answer = self.connection.request(request).await.unwrap();
        answer.json(1 << 20).await.unwrap()
    }

    /// Ends an agent for good.
    pub fn end(&self, agent: AgentId) {
        let ended = command(&self.home, &["kill", "-9", &agent.to_string()]).output().unwrap();
        assert!(ended.status.success());
    }

    /// The shim of an agent.
    pub fn shim_of(agent: &Agent) -> u32 {
        parent_of(agent.pid.unwrap())
    }

    /// Its memory, in KiB.
    pub fn memory(&self) -> u64 {
        memory_of(self.child.id())
    }

    /// Its greatest memory from now on.
    pub fn watch(&self) -> Peak {
        Peak::watch(self.child.id())
    }

    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

/// The program, at the node of this home.
pub fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
    command.args(arguments).env("GANTLINE_HOME", home);
    command
}

fn memory_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What nobody shares with a process, in KiB.
pub fn private_of(process: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let of = |name| {
        let line = rollup.lines().find_map(|line: &str| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    of("Private_Clean:") + of("Private_Dirty:")
}

fn parent_of(process: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    line.trim().parse().unwrap()
}

/// The greatest memory of a process.
pub struct Peak {
    most: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    watching: JoinHandle<()>,
}

impl Peak {
    fn watch(process: u32) -> Self {
        let (most, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (told, over) = (most.clone(), is_over.clone());
        let watching = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                told.fetch_max(memory_of(process), Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(5));
            }
        });
        Self { most, is_over, watching }
    }

    /// In KiB.
    pub fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.watching.join().unwrap();
        self.most.load(Ordering::Relaxed)
    }
}
