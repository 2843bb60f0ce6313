//! A flood of short lines on a terminal, to one viewer and to eight at once: on a bare terminal, by the
//! local path, through the relay, and in sshx.

use std::{
    fs,
    io::{Read, Write},
    path::Path as FilePath,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use gantline_client::{
    Connection, Path,
    connection::Request,
    terminal::{TerminalReceiver, TerminalSender},
};
use gantline_protocol::{
    AgentId, Offset, Role, ViewerId,
    api::{Agent, SpawnRequest},
    terminal::{Attach, NodeMessage, TerminalSize, ViewerMessage, ViewerMode},
};
use gantline_tests::{TestDevice, TestNode, TestRelay};
use gantline_transport::Carriers;
use serde_json::json;
use tokio::time::timeout;

use super::{
    Rows, Told, in_turn, number,
    terminal::{BARE, RELAY_QUIC, RELAY_WEBSOCKET, SSHX, UNIX},
};
use crate::{
    field::Field,
    keyboards::{BareTerminal, READY},
    part::nap,
    peers::sshx::{Sshx, SshxViewer},
    results::{Missing, What},
};

/// In the order in which they are told.
pub(crate) const NAMES: [&str; 5] = [BARE, SSHX, UNIX, RELAY_QUIC, RELAY_WEBSOCKET];

/// Megabytes of a flood, and bytes of a line, unless `GANTLINE_BENCH_MB` and `GANTLINE_BENCH_LINE` say
/// otherwise.
const MEGABYTES: usize = 100;
const LINE: usize = 8;
/// Viewers that watch together.
const MANY: usize = 8;
/// Rounds at most: one of them is a minute.
const ROUNDS: usize = 3;
/// How long a flood may take.
const PATIENCE: Duration = Duration::from_secs(100);
/// The greatest answer of the API that is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// A viewer shows that it has seen so many bytes more.
const ACKNOWLEDGED: u64 = 64 * 1024;

/// What is written, and how much comes of it.
struct Lines {
    script: String,
    bytes: u64,
}

/// What one viewer was given until the end of the flood.
#[derive(Debug, Clone, Copy, Default)]
struct Given {
    bytes: u64,
    left_out: u64,
}

/// Where a flood can be watched.
enum Place {
    Bare,
    Sshx(Sshx),
    /// A connection for each viewer.
    Ours(Vec<Connection>),
}

pub(super) fn measure(field: &Field, rounds: usize) -> Result<Told> {
    let megabytes = number("GANTLINE_BENCH_MB", MEGABYTES)?;
    let line = number("GANTLINE_BENCH_LINE", LINE)?;
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("lines");
    let text = ["x".repeat(line.saturating_sub(1)).as_str(), "\n"].concat();
    let lines = megabytes * 1_000_000 / text.len();
    fs::write(&file, text.repeat(lines))?;
    let lines = |mode, length: usize| Lines::new(&file, mode, (lines * length) as u64);
    let cooked = lines("-echo", text.len() + 1);
    let plain = lines("-echo -opost", text.len());
    let runtime = crate::runtime()?;
    let relay = TestRelay::start();
    let join = |carrier| runtime.block_on(TestNode::join_by(carrier, &relay.join_link()));
    let (by_quic, by_websocket) = (join(Carriers::Quic), join(Carriers::WebSocket));
    let mut everyone = vec![
        (BARE, Place::Bare),
        (UNIX, runtime.block_on(Place::local(&by_quic))),
        (RELAY_QUIC, runtime.block_on(Place::relayed(&by_quic, Carriers::Quic))?),
        (RELAY_WEBSOCKET, runtime.block_on(Place::relayed(&by_websocket, Carriers::WebSocket))?),
    ];
    let mut missing = Vec::new();
    match Sshx::start(&field.ground()?) {
        Ok(sshx) => everyone.push((SSHX, Place::Sshx(sshx))),
        Err(error) => missing.push(Missing::new(SSHX, &error)),
    }
    let mut rows = Rows::default();
    let columns = [
        (&cooked, 1, What::CookedOne, None),
        (&cooked, MANY, What::CookedMany, Some(What::CookedWhole)),
        (&plain, 1, What::PlainOne, None),
        (&plain, MANY, What::PlainMany, Some(What::PlainWhole)),
    ];
    everyone.retain(|(who, _)| Field::is_wanted(who));
    in_turn(&mut everyone, &mut missing, rounds.min(ROUNDS), |who, place| {
        for (lines, viewers, rate, whole) in columns {
            if viewers > 1 && matches!(place, Place::Bare) {
                continue;
            }
            // What the one before has left to be done is done meanwhile.
            nap(Duration::from_millis(500));
            let flood = async { timeout(PATIENCE, place.flood(lines, viewers)).await };
            let (took, given) = runtime.block_on(flood).context("it takes too long")??;
            let bytes: u64 = given.iter().map(|given| given.bytes).sum();
            rows.add(who, rate, bytes as f64 / 1e6 / took.as_secs_f64());
            if let Some(whole) = whole {
                let all = given.iter().filter(|given| given.left_out == 0).count();
                rows.add(who, whole, all as f64);
            }
        }
        Ok(())
    });
    Ok((rows.0, missing))
}

impl Lines {
    fn new(file: &FilePath, mode: &str, bytes: u64) -> Self {
        let file = file.display();
        Self { script: format!("stty {mode}; printf ready; read x; cat {file}; read x"), bytes }
    }

    fn on_a_bare_terminal(&self) -> Result<(Duration, Vec<Given>)> {
        let mut terminal = BareTerminal::open(&self.script)?;
        terminal.reader.read_exact(&mut [0; READY.len()])?;
        let (mut buffer, mut bytes) = (vec![0; 64 * 1024], 0);
        let began = Instant::now();
        terminal.writer.write_all(b"\n")?;
        while bytes < self.bytes {
            let read = terminal.reader.read(&mut buffer)?;
            ensure!(read > 0, "it has ended");
            bytes += read as u64;
        }
        Ok((began.elapsed(), vec![Given { bytes, left_out: 0 }]))
    }
}

impl Place {
    async fn local(node: &TestNode) -> Self {
        let mut connections = Vec::new();
        for _ in 0..MANY {
            connections.push(node.api().await);
        }
        Self::Ours(connections)
    }

    async fn relayed(node: &TestNode, carrier: Carriers) -> Result<Self> {
        let device = TestDevice::by(carrier, "bench");
        let machine = device.pair(node, Role::Owner).await;
        let path = [Path::Relay(node.relay())];
        let mut connections = Vec::new();
        for _ in 0..MANY {
            connections.push(device.client().connect(&machine, &path).await?);
        }
        Ok(Self::Ours(connections))
    }

    /// How long a flood takes until the last viewer has seen its end, and what each was given.
    async fn flood(&self, lines: &Lines, viewers: usize) -> Result<(Duration, Vec<Given>)> {
        match self {
            Self::Bare => lines.on_a_bare_terminal(),
            Self::Sshx(sshx) => {
                let mut first = sshx.open(&lines.script).await?;
                until_ready(&mut first).await?;
                let mut all = Vec::new();
                for _ in 1..viewers {
                    let mut other = sshx.join(&first).await?;
                    until_ready(&mut other).await?;
                    all.push(other);
                }
                let began = Instant::now();
                first.input(b"\n").await?;
                all.push(first);
                let watching = all.into_iter().map(|viewer| watch_sshx(viewer, lines.bytes));
                let watched = try_join_all(watching.map(tokio::spawn)).await?;
                let took = began.elapsed();
                let (mut viewers, given): (Vec<_>, Vec<_>) =
                    watched.into_iter().collect::<Result<Vec<_>>>()?.into_iter().unzip();
                viewers.pop().context("at least one")?.close().await?;
                Ok((took, given))
            }
            Self::Ours(connections) => {
                let first = connections.first().context("at least one")?;
                let wanted: SpawnRequest =
                    serde_json::from_value(json!({ "argv": ["sh", "-c", lines.script] }))?;
                let agent = first.request(Request::post("/v1/agents", &wanted)?).await?;
                let agent: Agent = agent.json(MAX_ANSWER).await?;
                let mut all = Vec::new();
                for (number, connection) in connections.iter().take(viewers).enumerate() {
                    all.push(Watching::at(connection, agent.agent_id, number).await?);
                }
                let began = Instant::now();
                if let Some(first) = all.first_mut() {
                    first.sender.send(&ViewerMessage::Input { seq: 1, bytes: b"\n" }).await?;
                }
                let watching = all.into_iter().map(|viewer| viewer.watch(lines.bytes));
                let watched = try_join_all(watching.map(tokio::spawn)).await?;
                let took = began.elapsed();
                let (mut viewers, given): (Vec<_>, Vec<_>) =
                    watched.into_iter().collect::<Result<Vec<_>>>()?.into_iter().unzip();
                if let Some(first) = viewers.first_mut() {
                    first.sender.send(&ViewerMessage::Input { seq: 2, bytes: b"\n" }).await?;
                    first.until_gone().await?;
                }
                Ok((took, given))
            }
        }
    }
}

async fn until_ready(viewer: &mut SshxViewer) -> Result<()> {
    let mut seen = Vec::new();
    while !seen.ends_with(READY) {
        viewer.receive(&mut seen).await?;
    }
    Ok(())
}

async fn watch_sshx(mut viewer: SshxViewer, bytes: u64) -> Result<(SshxViewer, Given)> {
    let (mut given, mut seen) = (Given::default(), Vec::new());
    while given.bytes + given.left_out < bytes {
        seen.clear();
        given.left_out += viewer.receive(&mut seen).await?;
        given.bytes += seen.len() as u64;
    }
    Ok((viewer, given))
}

/// A viewer at an agent of ours.
struct Watching {
    sender: TerminalSender,
    receiver: TerminalReceiver,
    /// Where its output goes on.
    at: Offset,
}

impl Watching {
    /// One that has seen that the agent is ready.
    async fn at(connection: &Connection, agent: AgentId, number: usize) -> Result<Self> {
        let (mut sender, receiver) = connection.terminal(agent).await?;
        let attach = Attach {
            viewer: ViewerId::from_bytes([number as u8; 16]),
            mode: ViewerMode::Drive,
            size: TerminalSize::STANDARD,
            position: None,
        };
        sender.send(&ViewerMessage::Attach(attach)).await?;
        let mut viewer = Self { sender, receiver, at: Offset(0) };
        // A screen is drawn around what was written.
        let (mut shown, mut given) = (Vec::new(), Given::default());
        while !shown.windows(READY.len()).any(|part| part == READY) {
            viewer.receive(&mut given, |bytes| shown.extend_from_slice(bytes)).await?;
        }
        Ok(viewer)
    }

    async fn watch(mut self, bytes: u64) -> Result<(Self, Given)> {
        let end = self.at.0 + bytes;
        let (mut given, mut acknowledged) = (Given::default(), self.at.0);
        while self.at.0 < end {
            ensure!(self.receive(&mut given, |_| {}).await?, "the agent has ended");
            if self.at.0 - acknowledged >= ACKNOWLEDGED || self.at.0 >= end {
                acknowledged = self.at.0;
                self.sender.send(&ViewerMessage::Ack(self.at)).await?;
            }
        }
        Ok((self, given))
    }

    async fn until_gone(&mut self) -> Result<()> {
        while self.receive(&mut Given::default(), |_| {}).await? {}
        Ok(())
    }

    /// Waits for output, or for what is shown in its place. `false` at the end.
    async fn receive(&mut self, given: &mut Given, mut show: impl FnMut(&[u8])) -> Result<bool> {
        let at = &mut self.at;
        let mut has_exited = false;
        let goes_on = self
            .receiver
            .receive(|message| match message {
                NodeMessage::Attached { position, .. } => *at = position.offset,
                NodeMessage::Output { offset, bytes } => {
                    given.bytes += bytes.len() as u64;
                    *at = Offset(offset.0 + bytes.len() as u64);
                    show(bytes);
                }
                NodeMessage::Skipped { from, to } => {
                    given.left_out += to.0 - from.0;
                    *at = to;
                }
                NodeMessage::Snapshot(snapshot) => show(snapshot.bytes),
                NodeMessage::Exited(_) => has_exited = true,
                NodeMessage::InputAck { .. }
                | NodeMessage::Size { .. }
                | NodeMessage::Ignored(_) => {}
            })
            .await?;
        Ok(goes_on && !has_exited)
    }
}
