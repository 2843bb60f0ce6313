//! Keyboards at a terminal that gives back each key: attached to an agent, at a bare terminal, and at
//! one behind processes that only hand on.

mod attach;
mod sshx;
mod tmux;

use std::{
    array,
    io::{Read, Write},
    iter::Cycle,
    os::unix::net::UnixStream,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gantline_client::{
    Connection,
    connection::Request,
    terminal::{TerminalReceiver, TerminalSender},
};
use gantline_protocol::{
    AgentId, Offset, ViewerId,
    api::{Agent, SpawnRequest},
    terminal::{Attach, NodeMessage, TerminalSize, ViewerMessage, ViewerMode},
};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::json;
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::sleep};

pub(crate) use self::{attach::InAttach, sshx::InSshx, tmux::InTmux};
use crate::part::{Part, nap};

/// Says that it is there, then gives back each key.
pub(crate) const ECHO: &str = "stty raw -echo; printf ready; exec cat";
pub(crate) const READY: &[u8] = b"ready";
/// Keys that are in no sequence which a program between writes for itself.
const PLAIN: [u8; 5] = *b"QUVWY";
/// These, one after the other.
type PlainKeys = Cycle<array::IntoIter<u8, 5>>;
/// The greatest answer of the API that is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;

pub(crate) trait Keyboard {
    /// Presses a key and waits for its echo.
    fn press(&mut self) -> Result<Duration>;
    /// Lets so much time go by.
    fn rest(&mut self, time: Duration);
}

/// Attached to an agent of a node.
pub(crate) struct Attached {
    sender: TerminalSender,
    receiver: TerminalReceiver,
    seq: u64,
    runtime: Rc<Runtime>,
    _connection: Connection,
}

impl Attached {
    /// Starts an agent that echoes, and attaches to it. `runtime` is of one thread, as that of
    /// `gantline attach`.
    pub(crate) fn start(connection: Connection, runtime: &Rc<Runtime>) -> Result<Self> {
        runtime.block_on(async {
            let agent = start_echo(&connection).await?;
            let (mut sender, receiver) = connection.terminal(agent).await?;
            let attach = Attach {
                viewer: ViewerId::from_bytes([7; 16]),
                mode: ViewerMode::Drive,
                size: TerminalSize::STANDARD,
                position: None,
            };
            sender.send(&ViewerMessage::Attach(attach)).await?;
            let runtime = runtime.clone();
            let mut attached = Self { sender, receiver, seq: 0, runtime, _connection: connection };
            let mut seen = Vec::new();
            while !seen.ends_with(READY) {
                attached.receive(&mut seen).await?;
            }
            Ok(attached)
        })
    }

    /// Waits for messages; of output, what it is, and where it ends.
    async fn receive(&mut self, seen: &mut Vec<u8>) -> Result<Option<Offset>> {
        let mut end = None;
        let goes_on = self
            .receiver
            .receive(|message| match message {
                NodeMessage::Output { offset, bytes } => {
                    seen.extend_from_slice(bytes);
                    end = Some(Offset(offset.0 + bytes.len() as u64));
                }
                NodeMessage::Snapshot(snapshot) => seen.extend_from_slice(snapshot.bytes),
                NodeMessage::Attached { .. }
                | NodeMessage::Skipped { .. }
                | NodeMessage::InputAck { .. }
                | NodeMessage::Exited(_)
                | NodeMessage::Size { .. }
                | NodeMessage::Ignored(_) => {}
            })
            .await?;
        ensure!(goes_on, "the agent has ended");
        Ok(end)
    }
}

/// Starts an agent that echoes.
async fn start_echo(connection: &Connection) -> Result<AgentId> {
    let wanted: SpawnRequest = serde_json::from_value(json!({ "argv": ["sh", "-c", ECHO] }))?;
    let agent = connection.request(Request::post("/v1/agents", &wanted)?).await?;
    let agent: Agent = agent.json(MAX_ANSWER).await?;
    Ok(agent.agent_id)
}

impl Keyboard for Attached {
    fn press(&mut self) -> Result<Duration> {
        let runtime = self.runtime.clone();
        runtime.block_on(async {
            self.seq += 1;
            let mut seen = Vec::new();
            let began = Instant::now();
            self.sender.send(&ViewerMessage::Input { seq: self.seq, bytes: b"x" }).await?;
            let mut end = None;
            while seen.is_empty() {
                end = self.receive(&mut seen).await?.or(end);
            }
            let took = began.elapsed();
            ensure!(seen == b"x", "the echo is {seen:?}");
            if let Some(end) = end {
                self.sender.send(&ViewerMessage::Ack(end)).await?;
            }
            Ok(took)
        })
    }

    fn rest(&mut self, time: Duration) {
        // What comes meanwhile is seen to.
        self.runtime.block_on(async { sleep(time).await });
    }
}

/// A terminal and nothing else.
pub(crate) struct BareTerminal {
    pub(crate) reader: Box<dyn Read + Send>,
    pub(crate) writer: Box<dyn Write + Send>,
    pub(crate) child: EndsWithUs,
}

impl BareTerminal {
    pub(crate) fn start() -> Result<Self> {
        let mut terminal = Self::open(ECHO)?;
        terminal.reader.read_exact(&mut [0; READY.len()])?;
        Ok(terminal)
    }

    /// One that is yet to say that it is ready.
    pub(crate) fn open(script: &str) -> Result<Self> {
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", script]);
        Self::running(command)
    }

    fn running(command: CommandBuilder) -> Result<Self> {
        let pair = native_pty_system().openpty(PtySize::default())?;
        let child = EndsWithUs(pair.slave.spawn_command(command)?);
        let reader = pair.master.try_clone_reader()?;
        let writer = pair.master.take_writer()?;
        Ok(Self { reader, writer, child })
    }
}

impl BareTerminal {
    /// Presses a key and waits for its echo: another one each time, so that what is left of the last is
    /// not taken for this one's.
    fn press_next(&mut self, keys: &mut PlainKeys) -> Result<Duration> {
        let key = keys.next().context("they go round")?;
        let began = Instant::now();
        self.writer.write_all(&[key])?;
        self.until(&[key])?;
        Ok(began.elapsed())
    }

    /// Waits until this was written.
    fn until(&mut self, text: &[u8]) -> Result<()> {
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        while !seen.windows(text.len()).any(|part| part == text) {
            let length = self.reader.read(&mut buffer)?;
            ensure!(length > 0, "it has ended: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
        Ok(())
    }
}

/// A process that is killed when this is dropped.
pub(crate) struct EndsWithUs(Box<dyn portable_pty::Child + Send + Sync>);

impl Drop for EndsWithUs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Keyboard for BareTerminal {
    fn press(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.writer.write_all(b"x")?;
        self.reader.read_exact(&mut [0])?;
        Ok(began.elapsed())
    }

    fn rest(&mut self, time: Duration) {
        nap(time);
    }
}

/// A bare terminal behind processes that do nothing but hand on: what so many of them take of
/// themselves, whatever they are for.
pub(crate) struct BehindHops {
    stream: UnixStream,
    _hops: Vec<Part>,
    _scratch: TempDir,
}

impl BehindHops {
    pub(crate) fn start(hops: usize) -> Result<Self> {
        let scratch = TempDir::new()?;
        let (mut parts, mut next) = (Vec::new(), None);
        for number in 0..hops {
            let path = scratch.path().join(number.to_string());
            let path = path.to_str().context("a temporary directory has a name in UTF-8")?;
            let role = ["hop", path].into_iter().chain(next.as_deref()).collect::<Vec<_>>();
            parts.push(Part::role(&role, scratch.path())?.0);
            next = Some(path.to_owned());
        }
        let mut stream = UnixStream::connect(next.context("at least one hop")?)?;
        stream.read_exact(&mut [0; READY.len()])?;
        Ok(Self { stream, _hops: parts, _scratch: scratch })
    }
}

impl Keyboard for BehindHops {
    fn press(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.stream.write_all(b"x")?;
        self.stream.read_exact(&mut [0])?;
        Ok(began.elapsed())
    }

    fn rest(&mut self, time: Duration) {
        nap(time);
    }
}
