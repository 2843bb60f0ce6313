//! What viewers cost each other: a flood with eight, one of whom stands still, and keys typed into
//! another agent meanwhile; what an agent costs that nobody watches; how long it takes until somebody
//! who attaches sees the exact screen, and until a new command has written something, beside tmux in
//! the same run, which is left out where it is not installed. Megabytes by `GANTLINE_BENCH_MB` (100),
//! rounds by `GANTLINE_BENCH_ROUNDS` (5).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

use std::{
    io::Read as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
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
    api::{Command as Argv, SpawnRequest, signal::Signal},
    terminal::{
        Attach, NodeMessage, Position, TerminalSize, ViewerMessage, ViewerMode, stream::LENGTH,
    },
};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::sync::mpsc;

const KEYS: usize = 500;
/// Floods during which keys are typed: one lasts for some 250 of them.
const FLOODS: usize = 3;
const PACE: Duration = Duration::from_millis(4);
const LINES: usize = 10_000;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lines");
    let lines = number("GANTLINE_BENCH_MB", 100) * 1_000_000 / 80;
    let text: String = (0..lines).map(|number| format!("{number:079}\n")).collect();
    std::fs::write(&file, &text).unwrap();
    let truth = Digest::default().of(b"\n").of(text.as_bytes());
    // What is measured below is the memory of this process.
    drop(text);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _context = runtime.enter();
    let (log_dir, run_dir) = (dir.path().join("log"), dir.path().to_owned());
    let program = env!("CARGO_BIN_EXE_gantline").into();
    let agents = Agents::new(Shims { program, log_dir, run_dir }, Events::new());
    let mut told = Table::default();
    runtime.block_on(async {
        flood(&agents, &file, truth, &mut told).await;
        idle(&agents, &mut told).await;
        attach(&agents, &mut told).await;
    });
    attach_programs(dir.path(), &mut told);
    println!("\n| | measured | bar | |\n|---|---|---|---|");
    println!("{}", told.rows.join("\n"));
}

/// What was measured, as docs/performance.md has it.
#[derive(Default)]
struct Table {
    rows: Vec<String>,
}

impl Table {
    /// Something that has no bar.
    fn row(&mut self, what: impl std::fmt::Display, measured: impl std::fmt::Display) {
        self.rows.push(format!("| {what} | {measured} | | |"));
    }

    fn bar(
        &mut self,
        what: impl std::fmt::Display,
        measured: impl std::fmt::Display,
        bar: impl std::fmt::Display,
        is_met: bool,
    ) {
        let verdict = if is_met { "met" } else { "**missed**" };
        self.rows.push(format!("| {what} | {measured} | {bar} | {verdict} |"));
    }
}

/// Eight viewers on a flood, one of whom stands still, and somebody at another agent meanwhile.
async fn flood(agents: &Agents, file: &Path, truth: Digest, told: &mut Table) {
    let keys = start(agents, "stty raw -echo; echo; exec cat").await;
    let mut typist = Viewer::attach(&keys, Behaviour::Acknowledges, Some(0)).await;
    let baseline = typist.echo(&AtomicBool::new(true), KEYS).await;
    let script = format!("stty -opost -echo; echo; read x; exec cat {}", file.display());
    let (mut exact, mut of, mut typed) = (0, 0, Vec::new());
    let (mut rates, mut before, mut most) = (Vec::new(), u64::MAX, 0);
    for _ in 0..FLOODS {
        let hub = start(agents, &script).await;
        let mut watching = Vec::new();
        for number in 0..8 {
            let stands_still = number == 7;
            let behaviour =
                if stands_still { Behaviour::StandsStill } else { Behaviour::Acknowledges };
            watching.push(Viewer::attach(&hub, behaviour, Some(0)).await);
        }
        before = before.min(memory());
        let peak = Peak::watch();
        let lasts = Arc::new(AtomicBool::new(true));
        let meanwhile = tokio::spawn({
            let lasts = lasts.clone();
            async move { (typist.echo(&lasts, usize::MAX).await, typist) }
        });
        watching[0].types(b"\r");
        let began = Instant::now();
        let still = watching.pop().unwrap();
        for viewer in watching {
            of += 1;
            exact += usize::from(viewer.end().await == truth);
        }
        let took = began.elapsed();
        lasts.store(false, Ordering::Relaxed);
        most = most.max(peak.end());
        rates.push(7.0 * hub.host().log().end().0 as f64 / 1e6 / took.as_secs_f64());
        let (more, back) = meanwhile.await.unwrap();
        typist = back;
        typed.extend(more);
        still.gone();
    }
    keys.host().signal(Signal::Kill);
    rates.sort_by(f64::total_cmp);
    typed.sort_unstable();
    told.bar(
        "-opost, 8 viewers of whom one stands still: the others byte for byte",
        format!("{exact} of {of}"),
        of,
        exact == of,
    );
    told.row("all of them together, MB/s", format!("{:.0}", rates[rates.len() / 2]));
    let more = most.saturating_sub(before);
    told.bar("memory more than before, KiB", more, "≤ 16384", more <= 16_384);
    told.bar("memory at its peak, KiB", most, "≤ 40960", most <= 40_960);
    let at = |times: &[Duration], share: usize| times[times.len() * share / 100];
    let (quiet, meanwhile) = (at(&baseline, 99), at(&typed, 99));
    let ratio = meanwhile.as_secs_f64() / quiet.as_secs_f64();
    told.row(
        "another agent's echo, p50 and p99",
        format!("{:.0?}, {quiet:.0?}", at(&baseline, 50)),
    );
    told.row(
        format!("the same meanwhile, {} keys", typed.len()),
        format!("{:.0?}, {meanwhile:.0?}", at(&typed, 50)),
    );
    told.bar("p99 meanwhile, of p99 before", format!("{ratio:.1}"), "≤ 2", ratio <= 2.0);
}

/// What agents cost that have written a screen and a scrollback, and that nobody watches.
async fn idle(agents: &Agents, told: &mut Table) {
    const AGENTS: u32 = 32;
    let warm = start(agents, "seq 2000; exec sleep 600").await;
    settled(&warm).await;
    let before = memory();
    let mut hubs = Vec::new();
    for _ in 0..AGENTS {
        let hub = start(agents, "seq 2000; exec sleep 600").await;
        settled(&hub).await;
        hubs.push(hub);
    }
    // Until their parsers are gone.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let after = memory();
    let each = after.saturating_sub(before) / u64::from(AGENTS);
    told.row("an idle agent more with 2,000 lines, its log included, KiB", each);
    let shims = hubs.iter().map(|hub| private_of(parent_of(hub.host().pid().unwrap())));
    let mut shims: Vec<_> = shims.collect();
    shims.sort_unstable();
    let shim = shims[shims.len() / 2];
    told.bar("private memory of its shim, KiB", shim, "≤ 3072", shim <= 3072);
    for hub in hubs.iter().chain([&warm]) {
        hub.host().signal(Signal::Kill);
    }
}

/// How long until somebody who attaches has the screen.
async fn attach(agents: &Agents, told: &mut Table) {
    let script = format!("stty -echo; seq {LINES}; exec sleep 600");
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..number("GANTLINE_BENCH_ROUNDS", 5) {
        let hub = start(agents, &script).await;
        written(&hub, LINES).await;
        // The first comes before anything was drawn, the second after.
        for times in &mut times {
            let began = Instant::now();
            let viewer = Viewer::attach(&hub, Behaviour::Acknowledges, None).await;
            times.push(began.elapsed());
            drop(viewer);
        }
        hub.host().signal(Signal::Kill);
    }
    for times in &mut times {
        times.sort_unstable();
    }
    for (who, times) in ["the first viewer", "the next"].iter().zip(&times) {
        let median = format!("{:.1?}", times[times.len() / 2]);
        told.row(format!("the screen after {LINES} lines, {who}"), median);
    }
}

/// The same, as programs: `gantline attach` and `tmux attach`, from their start to the last line.
fn attach_programs(dir: &Path, table: &mut Table) {
    let home = dir.join("home");
    let gantline = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
        command.args(arguments).env("GANTLINE_HOME", &home);
        command
    };
    let mut node = gantline(&["up"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !gantline(&["ps"]).output().unwrap().status.success() {
        assert!(began.elapsed() < Duration::from_secs(20), "the node does not start");
    }
    let script = format!("seq {LINES}; echo the last; exec sleep 600");
    let spawned = gantline(&["spawn", "--", "sh", "-c", &script]).output().unwrap();
    let id = String::from_utf8(spawned.stdout).unwrap().trim().to_owned();
    let socket = dir.join("tmux");
    let tmux = |arguments: &[&str]| {
        let mut command = Command::new("tmux");
        command.arg("-f").arg("/dev/null").arg("-S").arg(&socket).args(arguments);
        command
    };
    let has_tmux = tmux(&["-V"]).output().is_ok_and(|output| output.status.success());
    if has_tmux {
        let set = ["set", "-g", "history-limit", "20000", ";", "new-session", "-d", &script];
        tmux(&set).status().unwrap();
    }
    std::thread::park_timeout(Duration::from_secs(1));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..number("GANTLINE_BENCH_ROUNDS", 5) {
        ours.push(seen(&gantline(&["attach", &id]), "the last"));
        if has_tmux {
            theirs.push(seen(&tmux(&["attach"]), "the last"));
        }
    }
    ours.sort_unstable();
    theirs.sort_unstable();
    let [ours, theirs] = [ours, theirs].map(|times| times.get(times.len() / 2).copied());
    let told = |time: Option<Duration>| {
        time.map_or("not installed".to_owned(), |time| format!("{time:.1?}"))
    };
    table.bar(
        format!(
            "`gantline attach` to the last of {LINES} lines, with 1,000 of them above the screen"
        ),
        told(ours),
        format!("tmux attach, with none: {}", told(theirs)),
        theirs.is_none() || ours < theirs,
    );
    spawn_programs(&gantline, has_tmux.then_some(&tmux as &Program<'_>), table);
    if has_tmux {
        let _ = tmux(&["kill-server"]).status();
    }
    let _ = gantline(&["kill", "-9", &id]).output();
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&node),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    node.wait().unwrap();
}

/// A program with these arguments.
type Program<'a> = dyn Fn(&[&str]) -> Command + 'a;

/// From starting the program to the first thing that a new command has written: the command alone,
/// `gantline spawn --attach`, and a new session of the tmux that runs.
fn spawn_programs(gantline: &Program<'_>, tmux: Option<&Program<'_>>, table: &mut Table) {
    const SCRIPT: &str = "echo the first; exec sleep 1";
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..2 * number("GANTLINE_BENCH_ROUNDS", 5) {
        let mut order = [0, 1, 2];
        if round % 2 == 1 {
            order.reverse();
        }
        for which in order {
            let command = match (which, tmux) {
                (0, _) => {
                    let mut bare = Command::new("sh");
                    bare.args(["-c", SCRIPT]);
                    bare
                }
                (1, _) => gantline(&["spawn", "--attach", "--", "sh", "-c", SCRIPT]),
                (_, Some(tmux)) => tmux(&["new-session", SCRIPT]),
                (_, None) => continue,
            };
            times[which].push(seen(&command, "the first"));
        }
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    let [bare, ours, theirs] = times.map(|times| times.get(times.len() / 2).copied());
    let told = |time: Option<Duration>| {
        time.map_or("not installed".to_owned(), |time| format!("{time:.1?}"))
    };
    for (what, time) in [
        ("a new command's first byte: the command alone", bare),
        ("by `gantline spawn --attach`", ours),
        ("by `tmux new-session`", theirs),
    ] {
        table.row(what, told(time));
    }
}

/// Starts a program on a terminal and waits until this text was on it.
fn seen(command: &Command, text: &str) -> Duration {
    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut builder = CommandBuilder::new(command.get_program());
    builder.args(command.get_args());
    for (name, value) in command.get_envs() {
        builder.env(name, value.unwrap());
    }
    builder.env("TERM", "xterm-256color");
    let began = Instant::now();
    let mut child = pair.slave.spawn_command(builder).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 65_536];
    while !seen.windows(text.len()).any(|part| part == text.as_bytes()) {
        let length = reader.read(&mut buffer).unwrap();
        let from = seen.len().saturating_sub(text.len());
        seen.drain(..from);
        seen.extend_from_slice(&buffer[..length]);
    }
    let took = began.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    took
}

async fn start(agents: &Agents, script: &str) -> Hub {
    let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec().try_into().unwrap();
    let cwd = Some("/".to_owned().try_into().unwrap());
    let command = Argv { argv, cwd, env: Default::default(), shell: false };
    let agent = agents.spawn(SpawnRequest::new(command)).await.unwrap();
    agents.hub(agent.agent_id).unwrap()
}

/// Waits until the numbers up to this one were written.
async fn written(hub: &Hub, lines: usize) {
    let bytes: usize = (1..=lines).map(|number| number.to_string().len() + 2).sum();
    let mut follower = hub.host().log().follow();
    follower.beyond(Offset(bytes as u64 - 1)).await;
}

async fn settled(hub: &Hub) {
    written(hub, 2000).await;
    let viewer = Viewer::attach(hub, Behaviour::Acknowledges, None).await;
    drop(viewer);
}

/// The memory of this process, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What nobody shares with a process, in KiB.
fn private_of(process: u32) -> u64 {
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

/// The greatest memory of this process.
struct Peak {
    most: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    watching: std::thread::JoinHandle<()>,
}

impl Peak {
    fn watch() -> Self {
        let (most, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (told, over) = (most.clone(), is_over.clone());
        let watching = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                told.fetch_max(memory(), Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(5));
            }
        });
        Self { most, is_over, watching }
    }

    fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.watching.join().unwrap();
        self.most.load(Ordering::Relaxed)
    }
}

/// A sum that tells streams apart: FNV, eight bytes at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Digest {
    sum: u64,
    length: u64,
    rest: Vec<u8>,
}

impl Default for Digest {
    fn default() -> Self {
        Self { sum: 0xcbf2_9ce4_8422_2325, length: 0, rest: Vec::new() }
    }
}

impl Digest {
    fn of(mut self, bytes: &[u8]) -> Self {
        self.length += bytes.len() as u64;
        let mut bytes = bytes;
        if !self.rest.is_empty() {
            let (now, later) = bytes.split_at((8 - self.rest.len()).min(bytes.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if let Ok(word) = <[u8; 8]>::try_from(&*self.rest) {
                self.add(word);
                self.rest.clear();
            }
        }
        let words = bytes.chunks_exact(8);
        self.rest.extend_from_slice(words.remainder());
        for word in words {
            self.add(word.try_into().unwrap());
        }
        self
    }

    fn add(&mut self, word: [u8; 8]) {
        self.sum = (self.sum ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Acknowledges,
    StandsStill,
}

/// What a viewer is sent.
struct Screen {
    behaviour: Behaviour,
    digest: Option<Digest>,
    acked: u64,
    say: mpsc::UnboundedSender<Bytes>,
    tell: mpsc::UnboundedSender<Told>,
}

enum Told {
    Screen,
    Upto(Digest),
}

impl MessageSender for Screen {
    async fn send(&mut self, framed: Bytes) -> Result<(), DuplexError> {
        let message = framed.slice(LENGTH..);
        match NodeMessage::decode(&message)? {
            NodeMessage::Snapshot(part) if part.last => drop(self.tell.send(Told::Screen)),
            NodeMessage::Skipped { .. } => self.digest = None,
            _ => {}
        }
        Ok(())
    }

    async fn send_parts(&mut self, _: &[u8], rest: Bytes) -> Result<(), DuplexError> {
        let Some(digest) = self.digest.take() else { return Ok(()) };
        let digest = digest.of(&rest);
        if self.behaviour == Behaviour::Acknowledges && digest.length - self.acked >= 64 * 1024 {
            self.acked = digest.length;
            let mut ack = Vec::new();
            ViewerMessage::Ack(Offset(self.acked)).encode(&mut ack)?;
            let _ = self.say.send(ack.into());
        }
        let _ = self.tell.send(Told::Upto(digest.clone()));
        self.digest = Some(digest);
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
    say: mpsc::UnboundedSender<Bytes>,
    told: mpsc::UnboundedReceiver<Told>,
    serving: tokio::task::JoinHandle<()>,
    seq: u64,
}

impl Viewer {
    /// Attaches, and waits until something is there.
    async fn attach(hub: &Hub, behaviour: Behaviour, from: Option<u64>) -> Self {
        let (say, said) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let epoch = hub.host().log().epoch();
        let position = from.map(|from| Position { epoch, offset: Offset(from) });
        let mut id = [0; 16];
        getrandom::fill(&mut id).unwrap();
        let viewer = ViewerId::from_bytes(id);
        let (mode, size) = (ViewerMode::Drive, TerminalSize::STANDARD);
        let mut message = Vec::new();
        let attach = Attach { viewer, mode, size, position };
        ViewerMessage::Attach(attach).encode(&mut message).unwrap();
        say.send(message.into()).unwrap();
        let digest = Some(Digest::default());
        let screen = Screen { behaviour, digest, acked: 0, say: say.clone(), tell };
        let hub = hub.clone();
        let serving = tokio::spawn(async move {
            let _ = serve(&hub, screen, Keys(said), true).await;
        });
        let mut viewer = Self { say, told, serving, seq: 0 };
        assert!(viewer.told.recv().await.is_some(), "it is ready");
        viewer
    }

    fn types(&mut self, bytes: &[u8]) {
        self.seq += 1;
        let mut message = Vec::new();
        ViewerMessage::Input { seq: self.seq, bytes }.encode(&mut message).unwrap();
        self.say.send(message.into()).unwrap();
    }

    /// How long keys take, in order, as long as this `lasts`, and no more than so many.
    async fn echo(&mut self, lasts: &AtomicBool, keys: usize) -> Vec<Duration> {
        let mut times = Vec::new();
        while lasts.load(Ordering::Relaxed) && times.len() < keys {
            tokio::time::sleep(PACE).await;
            let began = Instant::now();
            self.types(b"x");
            self.told.recv().await.unwrap();
            times.push(began.elapsed());
        }
        times.sort_unstable();
        times
    }

    /// What it was sent to the end.
    async fn end(mut self) -> Digest {
        let mut last = Digest::default();
        while let Some(told) = self.told.recv().await {
            match told {
                Told::Upto(digest) => last = digest,
                Told::Screen => panic!("a viewer that keeps up was given the screen"),
            }
        }
        last
    }

    fn gone(self) {
        self.serving.abort();
    }
}
