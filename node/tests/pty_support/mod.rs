//! Agents in a directory of their own, and viewers at their terminals.

#[path = "../agents_end/mod.rs"]
mod agents_end;

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use gantline_node::{
    duplex::{DuplexError, MessageReceiver, MessageSender},
    events::{Events, Heard, Listener},
    pty::{
        Shims,
        hub::Hub,
        log::Limits,
        terminal::{TerminalError, serve},
    },
    supervisor::{Agents, OutputItem, OutputRange, Settings},
};
use gantline_protocol::{
    AgentId, Epoch, Offset, ViewerId,
    api::{Agent, AgentState, Command, EventKind, ExitStatus, SpawnRequest},
    terminal::{
        Attach, NodeMessage, Position, TerminalSize, ViewerMessage, ViewerMode, stream::LENGTH,
    },
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

/// Long enough for a busy machine, short enough to notice what hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Agents whose files are below a directory that goes with them.
pub struct Machine {
    pub agents: Agents,
    pub log_dir: PathBuf,
    pub run_dir: PathBuf,
    events: Events,
    settings: Settings,
    /// How long an agent may take to end after it was told to.
    pub grace: Duration,
    dir: tempfile::TempDir,
}

impl Machine {
    pub fn new() -> Self {
        let file = 256 << 20;
        let limits = Limits { memory: 1 << 20, file };
        let mut machine = Self::with(Settings { limits, ..Settings::default() });
        machine.grace = Duration::from_millis(300);
        machine
    }

    pub fn with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (log_dir, run_dir) = (dir.path().join("log"), dir.path().join("run"));
        std::fs::create_dir(&run_dir).unwrap();
        let events = Events::new();
        let agents = Agents::with_settings(shims(&log_dir, &run_dir), events.clone(), settings);
        let grace = PATIENCE;
        Self { agents, log_dir, run_dir, events, settings, grace, dir }
    }

    /// The node goes without a word, and another one comes.
    pub async fn start_again(&mut self) {
        self.agents.leave();
        self.events = Events::new();
        let shims = shims(&self.log_dir, &self.run_dir);
        self.agents = Agents::with_settings(shims, self.events.clone(), self.settings);
        self.agents.find_again().await;
    }

    /// A file that the agent's shim keeps.
    pub fn file(&self, id: AgentId, name: &str) -> PathBuf {
        self.log_dir.join(id.to_string()).join(name)
    }

    /// The number of the agent's shim.
    pub fn shim(&self, id: AgentId) -> i32 {
        let life = std::fs::read(self.file(id, "process.json")).unwrap();
        let life: serde_json::Value = serde_json::from_slice(&life).unwrap();
        i32::try_from(life["shim"]["pid"].as_i64().unwrap()).unwrap()
    }

    /// Runs a script of the system's shell on a terminal.
    pub async fn sh(&self, script: &str) -> AgentId {
        self.spawn(command(&["/bin/sh", "-c", script])).await
    }

    pub async fn spawn(&self, command: Command) -> AgentId {
        let mut request = SpawnRequest::new(command);
        let grace_ms = u32::try_from(self.grace.as_millis()).unwrap();
        request.supervision.stop.grace_ms = grace_ms.try_into().unwrap();
        self.agents.spawn(request).await.unwrap().agent_id
    }

    pub fn hub(&self, id: AgentId) -> Hub {
        self.agents.hub(id).unwrap()
    }

    pub fn listen(&self) -> Listener {
        self.events.listen(None)
    }

    /// Waits until the agent has ended.
    pub async fn ended(&self, id: AgentId) -> Agent {
        let mut events = self.listen();
        let wait = async {
            loop {
                let agent = self.agents.find(id).unwrap();
                if agent.ended_at.is_some() {
                    return agent;
                }
                events.next().await;
            }
        };
        timeout(PATIENCE, wait).await.expect("the agent does not end")
    }

    /// All that the agent has written, as long as it runs, and the gaps in it.
    pub async fn written(&self, id: AgentId) -> (Vec<u8>, Vec<(u64, u64)>) {
        let range = OutputRange { follow: true, ..OutputRange::default() };
        let mut output = self.agents.output(id, None, range).await.unwrap();
        let (mut all, mut gaps) = (Vec::new(), Vec::new());
        while let Some(item) = timeout(PATIENCE, output.next()).await.expect("no more output") {
            match item {
                OutputItem::Bytes(bytes) => all.extend_from_slice(&bytes),
                OutputItem::Gap { from, to } => gaps.push((from.0, to.0)),
            }
        }
        (all, gaps)
    }

    /// Runs a script on a terminal to its end; what it wrote.
    pub async fn says(&self, script: &str) -> String {
        let id = self.sh(script).await;
        String::from_utf8(self.written(id).await.0).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        agents_end::all(&self.log_dir);
    }
}

fn shims(log_dir: &std::path::Path, run_dir: &std::path::Path) -> Shims {
    let (log_dir, run_dir) = (log_dir.to_owned(), run_dir.to_owned());
    Shims { program: env!("CARGO_BIN_EXE_gantline").into(), log_dir, run_dir }
}

/// What a listener hears about the ends of agents.
pub async fn next_end(listener: &mut Listener) -> (AgentId, AgentState, Option<ExitStatus>) {
    loop {
        let heard = timeout(PATIENCE, listener.next()).await.expect("no agent ends");
        if let Heard::Event(event) = heard
            && let EventKind::AgentChanged { agent_id, state, exit, .. } = event.what
            && matches!(state, AgentState::Exited | AgentState::Lost)
        {
            return (agent_id, state, exit);
        }
    }
}

pub fn command(argv: &[&str]) -> Command {
    let argv: Vec<String> = argv.iter().map(|&item| item.to_owned()).collect();
    Command {
        argv: argv.try_into().unwrap(),
        cwd: Some("/".to_owned().try_into().unwrap()),
        env: Default::default(),
        shell: false,
    }
}

pub fn size(cols: u16, rows: u16) -> TerminalSize {
    TerminalSize::new(cols, rows).unwrap()
}

/// The numbered lines that `seq` prints.
pub fn numbered(from: u32, to: u32) -> Vec<u8> {
    use std::io::Write as _;
    let mut lines = Vec::new();
    for number in from..=to {
        writeln!(lines, "{number}").unwrap();
    }
    lines
}

/// A process, so that its end can be waited for.
#[cfg(target_os = "linux")]
pub struct Witness(Option<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>>);

#[cfg(target_os = "linux")]
impl Witness {
    #[allow(unsafe_code)]
    pub fn of(pid: i32) -> Self {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let opened = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty());
        // SAFETY: an `OwnedFd` is open as long as it lives, and names the same descriptor.
        let register = |fd| unsafe { tokio::io::unix::AsyncFd::register(fd) };
        Self(opened.ok().map(|fd| register(fd).unwrap()))
    }

    /// Whether it runs, now.
    pub async fn runs(&self) -> bool {
        let Some(fd) = &self.0 else { return false };
        timeout(Duration::from_millis(100), fd.readable()).await.is_err()
    }

    pub async fn ends(&self) {
        if let Some(fd) = &self.0 {
            let end = timeout(Duration::from_secs(5), fd.readable()).await;
            end.expect("a process is left behind").unwrap().retain_ready();
        }
    }
}

/// What the node told a viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Attached { position: Position, driver: bool, size: TerminalSize, applied: u64 },
    Snapshot { position: Position, size: TerminalSize, last: bool, bytes: Vec<u8> },
    Output { offset: u64, bytes: Vec<u8> },
    Skipped { from: u64, to: u64 },
    Size { size: TerminalSize, driver: bool },
    InputAck(u64),
    Exited(Option<ExitStatus>),
}

impl Told {
    fn read(message: &[u8]) -> Self {
        match NodeMessage::decode(message).expect("the node keeps the protocol") {
            NodeMessage::Attached { position, driver, size, applied } => {
                Self::Attached { position, driver, size, applied }
            }
            NodeMessage::Snapshot(snapshot) => Self::Snapshot {
                position: snapshot.position,
                size: snapshot.size,
                last: snapshot.last,
                bytes: snapshot.bytes.to_vec(),
            },
            NodeMessage::Output { offset, bytes } => {
                Self::Output { offset: offset.0, bytes: bytes.to_vec() }
            }
            NodeMessage::Skipped { from, to } => Self::Skipped { from: from.0, to: to.0 },
            NodeMessage::Size { size, driver } => Self::Size { size, driver },
            NodeMessage::InputAck { seq } => Self::InputAck(seq),
            NodeMessage::Exited(status) => Self::Exited(status),
            NodeMessage::Ignored(kind) => panic!("a message of type {kind}"),
        }
    }
}

pub struct ToViewer(mpsc::Sender<Vec<u8>>);

impl MessageSender for ToViewer {
    async fn send(&mut self, framed: Bytes) -> Result<(), DuplexError> {
        self.0.send(framed[LENGTH..].to_vec()).await.map_err(|_| DuplexError::Gone)
    }

    async fn send_parts(&mut self, head: &[u8], rest: Bytes) -> Result<(), DuplexError> {
        let message = [&head[LENGTH..], &rest].concat();
        self.0.send(message).await.map_err(|_| DuplexError::Gone)
    }
}

pub struct FromViewer(mpsc::Receiver<Bytes>);

impl MessageReceiver for FromViewer {
    async fn receive(&mut self) -> Result<Option<Bytes>, DuplexError> {
        Ok(self.0.recv().await)
    }
}

/// A conversation that is served, before anything was said.
pub struct Wire {
    pub to_node: mpsc::Sender<Bytes>,
    pub from_node: mpsc::Receiver<Vec<u8>>,
    pub serving: JoinHandle<Result<(), TerminalError>>,
}

impl Wire {
    pub fn new(hub: &Hub, may_drive: bool) -> Self {
        let (to_node, from_viewer) = mpsc::channel(4);
        let (to_viewer, from_node) = mpsc::channel(4);
        let hub = hub.clone();
        let serving = tokio::spawn(async move {
            serve(&hub, ToViewer(to_viewer), FromViewer(from_viewer), may_drive).await
        });
        Self { to_node, from_node, serving }
    }

    /// What becomes of the conversation.
    pub async fn end(mut self) -> Result<(), TerminalError> {
        let ended = async {
            while self.from_node.recv().await.is_some() {}
            self.serving.await.unwrap()
        };
        timeout(PATIENCE, ended).await.expect("the conversation does not end")
    }
}

/// A viewer that has introduced itself. It checks that every byte comes once and in order.
pub struct Viewer {
    wire: Wire,
    pub id: ViewerId,
    pub epoch: Epoch,
    /// What it has seen, from where it began.
    pub seen: Vec<u8>,
    pub begins: u64,
    pub applied: u64,
    pub driver: bool,
    pub size: TerminalSize,
    pub skipped: Vec<(u64, u64)>,
    /// Whether it acknowledges what it sees at once.
    pub acknowledges: bool,
    next_seq: u64,
    acked: u64,
}

/// How a viewer attaches.
pub struct As {
    pub id: ViewerId,
    pub mode: ViewerMode,
    pub size: TerminalSize,
    pub may_drive: bool,
    pub position: Option<Position>,
}

impl Default for As {
    fn default() -> Self {
        let mut id = [0; 16];
        getrandom::fill(&mut id).unwrap();
        Self {
            id: ViewerId::from_bytes(id),
            mode: ViewerMode::Drive,
            size: size(100, 30),
            may_drive: true,
            position: None,
        }
    }
}

impl Viewer {
    /// A viewer that wants all output from the very first byte.
    pub async fn from_start(hub: &Hub) -> Self {
        let position = Position { epoch: hub.host().log().epoch(), offset: Offset(0) };
        Self::attach(hub, As { position: Some(position), ..As::default() }).await
    }

    pub async fn attach(hub: &Hub, how: As) -> Self {
        let wire = Wire::new(hub, how.may_drive);
        let mut viewer = Self {
            wire,
            id: how.id,
            epoch: hub.host().log().epoch(),
            seen: Vec::new(),
            begins: 0,
            applied: 0,
            driver: false,
            size: how.size,
            skipped: Vec::new(),
            acknowledges: true,
            next_seq: 1,
            acked: 0,
        };
        let As { id, mode, size, position, .. } = how;
        viewer.say(ViewerMessage::Attach(Attach { viewer: id, mode, size, position })).await;
        let Some(Told::Attached { position: at, driver, size, applied }) = viewer.hear().await
        else {
            panic!("not ATTACHED")
        };
        viewer.begins = at.offset.0;
        viewer.applied = applied;
        viewer.next_seq = applied + 1;
        viewer.epoch = at.epoch;
        (viewer.driver, viewer.size) = (driver, size);
        viewer
    }

    /// Up to where it has seen the output.
    pub fn at(&self) -> u64 {
        self.begins + self.seen.len() as u64
    }

    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: Offset(self.at()) }
    }

    pub async fn say(&self, message: ViewerMessage<'_>) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes).unwrap();
        let sent = timeout(PATIENCE, self.wire.to_node.send(bytes.into())).await;
        sent.expect("the node does not listen").expect("the viewer was sent away");
    }

    /// Types. Returns the number of the input.
    pub async fn types(&mut self, text: &str) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.say(ViewerMessage::Input { seq, bytes: text.as_bytes() }).await;
        seq
    }

    /// The next input has this number.
    pub fn types_from(&mut self, seq: u64) {
        self.next_seq = seq;
    }

    async fn hear(&mut self) -> Option<Told> {
        let message = timeout(PATIENCE, self.wire.from_node.recv()).await;
        message.expect("the node says nothing more").map(|message| Told::read(&message))
    }

    /// The next message; `None` when the conversation is over.
    pub async fn next(&mut self) -> Option<Told> {
        let told = self.hear().await?;
        match &told {
            Told::Output { offset, bytes } => {
                assert_eq!(*offset, self.at(), "output was doubled or left out");
                self.seen.extend_from_slice(bytes);
                if self.acknowledges && self.at() - self.acked >= 64 * 1024 {
                    self.acked = self.at();
                    let mut bytes = Vec::new();
                    ViewerMessage::Ack(Offset(self.acked)).encode(&mut bytes).unwrap();
                    // The node may have said its last word already.
                    let _ = timeout(PATIENCE, self.wire.to_node.send(bytes.into())).await.unwrap();
                }
            }
            Told::Skipped { from, to } => {
                assert!(*from == self.at() || self.seen.is_empty(), "{from} is not {}", self.at());
                self.skipped.push((*from, *to));
                self.seen.clear();
                self.begins = *to;
            }
            Told::Size { size, driver } => (self.size, self.driver) = (*size, *driver),
            Told::Attached { .. } => panic!("a second ATTACHED"),
            Told::Snapshot { .. } | Told::InputAck(_) | Told::Exited(_) => {}
        }
        Some(told)
    }

    /// Reads on until `is_it` has come.
    pub async fn until(&mut self, mut is_it: impl FnMut(&Self, &Told) -> bool) {
        loop {
            let told = self.next().await.expect("the conversation is over");
            if is_it(self, &told) {
                return;
            }
        }
    }

    /// Reads on until the text was seen, and forgets what came up to it. Returns that.
    pub async fn sees(&mut self, text: &str) -> String {
        loop {
            let found = self.seen.windows(text.len()).position(|part| part == text.as_bytes());
            if let Some(at) = found {
                let rest = self.seen.split_off(at + text.len());
                let before = std::mem::replace(&mut self.seen, rest);
                self.begins += before.len() as u64;
                return String::from_utf8_lossy(&before).into_owned();
            }
            let seen = String::from_utf8_lossy(&self.seen).into_owned();
            assert!(self.next().await.is_some(), "{text:?} never came, but {seen:?}");
        }
    }

    pub async fn is_acknowledged(&mut self, seq: u64) {
        self.until(|_, told| *told == Told::InputAck(seq)).await;
    }

    /// Reads everything. Returns how the process ended.
    pub async fn exit(&mut self) -> Option<ExitStatus> {
        loop {
            match self.next().await.expect("the conversation ended without EXITED") {
                Told::Exited(status) => return status,
                Told::Attached { .. }
                | Told::Snapshot { .. }
                | Told::Output { .. }
                | Told::Skipped { .. }
                | Told::Size { .. }
                | Told::InputAck(_) => {}
            }
        }
    }

    /// Breaks off, as a lost connection does.
    pub async fn breaks_off(self) {
        self.wire.serving.abort();
        let _ = self.wire.serving.await;
    }

    /// Leaves in order.
    pub async fn leaves(self) -> Result<(), TerminalError> {
        self.say(ViewerMessage::Detach).await;
        self.wire.end().await
    }
}
