//! What a terminal costs through [`serve`]: floods to 1 and 8 viewers and paced echo, each beside a
//! bare PTY in the same run, and the processor time that each of the processes took. Rounds by
//! `GANTLINE_BENCH_ROUNDS` (3), megabytes by `GANTLINE_BENCH_MB` (100), bytes of a line by
//! `GANTLINE_BENCH_LINE` (80), parts by `GANTLINE_BENCH_ONLY`
//! (words of: cooked -opost echo bare 1 8).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

use std::{
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

use bytes::Bytes;
use gantline_node::{
    duplex::{DuplexError, MessageReceiver, MessageSender},
    events::Events,
    pty::{Shims, hub::Hub, terminal::serve},
    supervisor::Agents,
};
use gantline_protocol::{
    Offset, ViewerId,
    api::{Command, SpawnRequest, signal::Signal},
    terminal::{
        Attach, NodeMessage, Position, TerminalSize, ViewerMessage, ViewerMode, stream::LENGTH,
    },
};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::sync::mpsc;

const KEYS: usize = 400;
/// Bytes of a line, with its end. Peers were measured with lines of 8, of which a terminal that ends
/// them with CR LF takes 23 MB/s from the process; longer ones are harder for whoever reads.
const LINE: usize = 80;
/// Between a key and the one before: longer than a node collects output for at most.
const PACE: Duration = Duration::from_millis(5);

fn main() {
    let number = |name, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let only = std::env::var("GANTLINE_BENCH_ONLY").unwrap_or_default();
    let wanted = |word: &str, of: &[&str]| {
        let mut words = only.split_whitespace().filter(|word| of.contains(word)).peekable();
        words.peek().is_none() || words.any(|other| other == word)
    };
    let rounds: usize = number("GANTLINE_BENCH_ROUNDS", 3);
    let line = number("GANTLINE_BENCH_LINE", LINE);
    let lines = number("GANTLINE_BENCH_MB", 100) * 1_000_000 / line;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lines");
    let text = ["x".repeat(line - 1).as_str(), "\n"].concat();
    std::fs::write(&file, text.repeat(lines)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _context = runtime.enter();
    let (log_dir, run_dir) = (dir.path().join("log"), dir.path().to_owned());
    let program = env!("CARGO_BIN_EXE_gantline").into();
    let agents = Agents::new(Shims { program, log_dir, run_dir }, Events::new());
    let mut told = Told::default();
    for (name, mode, length) in [("cooked", "-echo", line + 1), ("-opost", "-echo -opost", line)] {
        if !wanted(name, &["cooked", "-opost", "echo"]) {
            continue;
        }
        // It stays until it is killed, so that its processor time can be read.
        let script = format!("stty {mode}; echo; read x; exec cat {} -", file.display());
        let bytes = (lines * length) as u64;
        let mut figures: [Vec<Flood>; 3] = Default::default();
        for _ in 0..rounds {
            for which in [0, 1, 2, 2, 1, 0] {
                if !wanted(["bare", "1", "8"][which], &["bare", "1", "8"]) {
                    continue;
                }
                // What the one before has left to be drawn is drawn meanwhile.
                std::thread::sleep(Duration::from_millis(500));
                figures[which].push(match which {
                    0 => bare_flood(&script, bytes),
                    1 => runtime.block_on(flood(&agents, &script, bytes, 1)),
                    _ => runtime.block_on(flood(&agents, &script, bytes, 8)),
                });
            }
        }
        told.flood(name, bytes, &figures);
    }
    if !wanted("echo", &["cooked", "-opost", "echo"]) {
        return told.tell();
    }
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for is_ours in [false, true, true, false] {
            match is_ours {
                false => bare.extend(bare_echo()),
                true => ours.extend(runtime.block_on(echo(&agents))),
            }
        }
    }
    for (name, mut times) in [("bare terminal", bare), ("one viewer, in this process", ours)] {
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).unwrap().as_micros();
        told.echoes.push(format!("| {name} | {} | {} |", at(50), at(99)));
    }
    told.tell();
}

/// What was measured, as docs/performance.md has it.
#[derive(Default)]
struct Told {
    floods: Vec<String>,
    cpu: Vec<String>,
    echoes: Vec<String>,
    bars: Vec<String>,
}

impl Told {
    fn flood(&mut self, name: &str, bytes: u64, figures: &[Vec<Flood>; 3]) {
        let rate = |flood: &Flood| bytes as f64 / 1e6 / flood.took.as_secs_f64();
        let [bare, one, eight] =
            figures.each_ref().map(|floods| median(floods.iter().map(rate).collect()));
        let total = 8.0 * eight;
        // Round by round, as what drifts hits all alike.
        let ratios = figures[1].iter().zip(&figures[0]).map(|(one, bare)| rate(one) / rate(bare));
        let mut ratios: Vec<_> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = median(ratios.clone());
        let range = match (ratios.get(ratios.len() / 4), ratios.get(ratios.len() * 3 / 4)) {
            (Some(low), Some(high)) => format!(" ({low:.2} to {high:.2})"),
            _ => String::new(),
        };
        self.floods.push(format!(
            "| {name} | {bare:.1} | {one:.1} | {ratio:.2}{range} | {total:.0} | {:.2} |",
            eight / bare
        ));
        for (who, floods) in ["nobody but a loop", "1 viewer", "8 viewers"].iter().zip(figures) {
            let of = |which: fn(&Cpu) -> Duration| {
                let each = floods.iter().map(|flood| which(&flood.cpu).as_secs_f64());
                median(each.collect()) * 1e11 / bytes as f64
            };
            self.cpu.push(format!(
                "| {name}, {who} | {:.0} | {:.0} | {:.0} |",
                of(|cpu| cpu.process),
                of(|cpu| cpu.shim),
                of(|cpu| cpu.this)
            ));
        }
        let least = if name == "cooked" { 180.0 } else { 400.0 };
        for (what, least, measured) in
            [("1 viewer, of bare", 0.95, ratio), ("8 viewers in total, MB/s", least, total)]
        {
            let verdict = if measured >= least { "met" } else { "**missed**" };
            self.bars.push(format!("| {name}: {what} | ≥ {least} | {measured:.2} | {verdict} |"));
        }
    }

    fn tell(self) {
        for (title, head, rows) in [
            (
                "Floods, MB/s",
                "| | bare | 1 viewer | of bare | 8 viewers in total | of bare each |\n|---|---|---|---|---|---|",
                self.floods,
            ),
            (
                "Processor time for 100 MB, ms",
                "| | process | shim | node, or the loop |\n|---|---|---|---|",
                self.cpu,
            ),
            ("From key to echo, µs", "| | p50 | p99 |\n|---|---|---|", self.echoes),
            ("Bars", "| | bar | measured | |\n|---|---|---|---|", self.bars),
        ] {
            if !rows.is_empty() {
                println!("\n{title}\n\n{head}\n{}", rows.join("\n"));
            }
        }
    }
}

/// One flood.
struct Flood {
    took: Duration,
    cpu: Cpu,
}

/// Processor time that was taken: by the process that floods, by its shim, and by this process.
#[derive(Clone, Copy)]
struct Cpu {
    process: Duration,
    shim: Duration,
    this: Duration,
}

impl Cpu {
    fn of(process: u32, shim: Option<u32>) -> Self {
        let shim = shim.map_or(Duration::ZERO, used_by);
        Self { process: used_by(process), shim, this: used_by(std::process::id()) }
    }

    fn since(self, before: Self) -> Self {
        let Self { process, shim, this } = before;
        Self {
            process: self.process.saturating_sub(process),
            shim: self.shim.saturating_sub(shim),
            // Of threads that have ended nothing is known any more.
            this: self.this.saturating_sub(this),
        }
    }
}

fn used_by(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of = |thread: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    };
    threads.filter_map(of).sum()
}

fn parent_of(process: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    line.trim().parse().unwrap()
}

fn median(mut figures: Vec<f64>) -> f64 {
    if figures.is_empty() {
        return f64::NAN;
    }
    figures.sort_by(f64::total_cmp);
    *figures.get(figures.len() / 2).unwrap()
}

/// A PTY and nothing else.
struct Bare {
    reader: Box<dyn std::io::Read + Send>,
    writer: Box<dyn std::io::Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Bare {
    fn start(script: &str) -> Self {
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut command = CommandBuilder::new("/bin/sh");
        command.args(["-c", script]);
        command.cwd("/");
        let child = pair.slave.spawn_command(command).unwrap();
        let reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let mut bare = Self { reader, writer, child, _master: pair.master };
        assert!(bare.read() > 0, "it is ready");
        bare
    }

    fn read(&mut self) -> usize {
        let mut buffer = [0; 65_536];
        self.reader.read(&mut buffer).unwrap_or(0)
    }
}

fn bare_flood(script: &str, bytes: u64) -> Flood {
    let mut bare = Bare::start(script);
    let process = bare.child.process_id().unwrap();
    let before = Cpu::of(process, None);
    let began = Instant::now();
    bare.writer.write_all(b"\n").unwrap();
    let mut buffer = vec![0; 65_536];
    let mut got = 0;
    while got < bytes {
        let read = bare.reader.read(&mut buffer).unwrap();
        got += read as u64;
    }
    let took = began.elapsed();
    let cpu = Cpu::of(process, None).since(before);
    bare.child.kill().unwrap();
    bare.child.wait().unwrap();
    Flood { took, cpu }
}

const CAT: &str = "stty raw -echo; echo; exec cat";

fn bare_echo() -> Vec<Duration> {
    let mut bare = Bare::start(CAT);
    let times = (0..KEYS).map(|_| {
        std::thread::park_timeout(PACE);
        let began = Instant::now();
        bare.writer.write_all(b"x").unwrap();
        assert_eq!(bare.read(), 1);
        began.elapsed()
    });
    let times = times.collect();
    bare.child.kill().unwrap();
    bare.child.wait().unwrap();
    times
}

/// Takes what a viewer is sent, and acknowledges it.
struct Screen {
    bytes: u64,
    acked: u64,
    acks: mpsc::UnboundedSender<Bytes>,
    seen: mpsc::UnboundedSender<u64>,
}

impl MessageSender for Screen {
    async fn send(&mut self, framed: Bytes) -> Result<(), DuplexError> {
        let message = framed.slice(LENGTH..);
        if let NodeMessage::Skipped { .. } = NodeMessage::decode(&message)? {
            // The figures are of output that comes whole.
            return Err(DuplexError::Gone);
        }
        Ok(())
    }

    async fn send_parts(&mut self, _: &[u8], rest: Bytes) -> Result<(), DuplexError> {
        self.bytes += rest.len() as u64;
        if self.bytes - self.acked >= 64 * 1024 {
            self.acked = self.bytes;
            let mut ack = Vec::new();
            ViewerMessage::Ack(Offset(self.bytes)).encode(&mut ack)?;
            let _ = self.acks.send(ack.into());
        }
        let _ = self.seen.send(self.bytes);
        Ok(())
    }
}

struct Keys(mpsc::UnboundedReceiver<Bytes>);

impl MessageReceiver for Keys {
    async fn receive(&mut self) -> Result<Option<Bytes>, DuplexError> {
        Ok(self.0.recv().await)
    }
}

/// A viewer that is served in a task of its own.
struct Viewer {
    keys: mpsc::UnboundedSender<Bytes>,
    seen: mpsc::UnboundedReceiver<u64>,
    seq: u64,
}

impl Viewer {
    async fn attach(hub: &Hub, number: u8) -> Self {
        let (keys, from_viewer) = mpsc::unbounded_channel();
        let (to_screen, seen) = mpsc::unbounded_channel();
        let position = Position { epoch: hub.host().log().epoch(), offset: Offset(0) };
        let attach = Attach {
            viewer: ViewerId::from_bytes([number; 16]),
            mode: ViewerMode::Drive,
            size: TerminalSize::STANDARD,
            position: Some(position),
        };
        let mut message = Vec::new();
        ViewerMessage::Attach(attach).encode(&mut message).unwrap();
        keys.send(message.into()).unwrap();
        let screen = Screen { bytes: 0, acked: 0, acks: keys.clone(), seen: to_screen };
        let hub = hub.clone();
        tokio::spawn(async move {
            serve(&hub, screen, Keys(from_viewer), true).await.expect("served to the end");
        });
        let mut viewer = Self { keys, seen, seq: 0 };
        assert!(viewer.seen.recv().await.is_some(), "it is ready");
        viewer
    }

    fn types(&mut self, bytes: &[u8]) {
        self.seq += 1;
        let mut message = Vec::new();
        ViewerMessage::Input { seq: self.seq, bytes }.encode(&mut message).unwrap();
        self.keys.send(message.into()).unwrap();
    }
}

async fn start(agents: &Agents, script: &str) -> Hub {
    let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec().try_into().unwrap();
    let cwd = Some("/".to_owned().try_into().unwrap());
    let command = Command { argv, cwd, env: Default::default(), shell: false };
    let request = SpawnRequest::new(command);
    let agent = agents.spawn(request).await.unwrap();
    agents.hub(agent.agent_id).unwrap()
}

async fn flood(agents: &Agents, script: &str, bytes: u64, viewers: u8) -> Flood {
    let hub = start(agents, script).await;
    let mut watching = Vec::new();
    for number in 0..viewers {
        watching.push(Viewer::attach(&hub, number).await);
    }
    let from = hub.host().log().end().0;
    let process = hub.host().pid().unwrap();
    let shim = parent_of(process);
    let before = Cpu::of(process, Some(shim));
    let began = Instant::now();
    watching.first_mut().unwrap().types(b"\r");
    for viewer in &mut watching {
        let mut seen = 0;
        while seen < from + bytes {
            seen = viewer.seen.recv().await.expect("it goes on");
        }
    }
    let took = began.elapsed();
    let cpu = Cpu::of(process, Some(shim)).since(before);
    assert_eq!(hub.host().log().end().0, from + bytes);
    hub.host().signal(Signal::Kill);
    hub.host().wait().await;
    Flood { took, cpu }
}

async fn echo(agents: &Agents) -> Vec<Duration> {
    let hub = start(agents, CAT).await;
    let mut viewer = Viewer::attach(&hub, 0).await;
    let mut times = Vec::with_capacity(KEYS);
    for _ in 0..KEYS {
        tokio::time::sleep(PACE).await;
        let began = Instant::now();
        viewer.types(b"x");
        viewer.seen.recv().await.unwrap();
        times.push(began.elapsed());
    }
    hub.host().signal(Signal::Kill);
    hub.host().wait().await;
    times
}
