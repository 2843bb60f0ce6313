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
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    unreachable_pub
)]

mod bare;
mod node;
mod programs;
mod table;
mod typist;
mod viewer;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gantline_protocol::api::Agent;

use self::{
    bare::BareTerminal,
    node::{Node, private_of},
    table::{Table, at},
    typist::Typist,
    viewer::{Behaviour, Digest, Viewer},
};

const KEYS: usize = 500;
/// Floods during which keys are typed: one lasts for some 250 of them.
const FLOODS: usize = 3;
/// For how long a flood's end is looked at.
const DRAWN: Duration = Duration::from_secs(1);
/// How long a node takes at most to drop the parser of an agent that nobody watches, and to give
/// memory back.
const TRIMMED: Duration = Duration::from_secs(22);
pub const LINES: usize = 10_000;

pub fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lines");
    let lines = number("GANTLINE_BENCH_MB", 100) * 1_000_000 / 80;
    let text: String = (0..lines).map(|number| format!("{number:079}\n")).collect();
    std::fs::write(&file, &text).unwrap();
    let truth = Digest::default().of(b"\n").of(text.as_bytes());
    // A program that is started below begins as a copy of this process.
    drop(text);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut told = Table::default();
    let node = runtime.block_on(async {
        let node = Node::start(dir.path().join("home")).await;
        flood(&node, &file, &truth, &mut told).await;
        idle(&node, &mut told).await;
        attach(&node, &mut told).await;
        node
    });
    programs::attach(&node, dir.path(), &mut told);
    node.stop();
    told.tell();
}

/// Eight viewers on a flood, one of whom stands still, and somebody at another agent meanwhile.
async fn flood(node: &Node, file: &Path, truth: &Digest, told: &mut Table) {
    let keys = node.spawn("stty raw -echo; echo; exec cat").await;
    let quiet = AtomicBool::new(true);
    let alone = std::thread::scope(|scope| {
        let alone = scope.spawn(|| {
            let mut typist = Typist::start(node, &keys);
            (typist.echo(&quiet, KEYS), typist)
        });
        alone.join()
    });
    let (baseline, mut typist) = alone.unwrap();
    let mut bare = BareTerminal::start();
    let bare_baseline = bare.echo(&quiet, KEYS);
    let script = format!("stty -opost -echo; echo; read x; exec cat {}", file.display());
    let (mut exact, mut of, mut typed, mut bare_typed) = (0, 0, Vec::new(), Vec::new());
    let (mut rates, mut most, mut most_more) = (Vec::new(), 0, 0);
    for _ in 0..FLOODS {
        let agent = node.spawn(&script).await;
        let mut watching = Vec::new();
        for number in 0..8 {
            let stands_still = number == 7;
            let behaviour =
                if stands_still { Behaviour::StandsStill } else { Behaviour::Acknowledges };
            watching.push(Viewer::from_the_beginning(node, &agent, behaviour).await);
        }
        let before = node.memory();
        let peak = node.watch();
        let lasts = Arc::new(AtomicBool::new(true));
        let meanwhile = std::thread::spawn({
            let lasts = lasts.clone();
            move || (typist.echo(&lasts, usize::MAX), typist)
        });
        let bare_meanwhile = std::thread::spawn({
            let lasts = lasts.clone();
            move || (bare.echo(&lasts, usize::MAX), bare)
        });
        let still = watching.pop().unwrap();
        watching[0].types(b"\r");
        let began = Instant::now();
        for viewer in watching {
            of += 1;
            exact += usize::from(viewer.end().await == *truth);
        }
        let took = began.elapsed();
        lasts.store(false, Ordering::Relaxed);
        rates.push(7.0 * truth.length as f64 / 1e6 / took.as_secs_f64());
        let (more, back) = meanwhile.join().unwrap();
        typist = back;
        typed.extend(more);
        let (more, back) = bare_meanwhile.join().unwrap();
        bare = back;
        bare_typed.extend(more);
        still.leave();
        // Until the screen is drawn as well, which is when it is quiet.
        tokio::time::sleep(DRAWN).await;
        let peak = peak.end();
        (most, most_more) = (most.max(peak), most_more.max(peak.saturating_sub(before)));
    }
    typist.leave();
    node.end(keys.agent_id);
    rates.sort_by(f64::total_cmp);
    typed.sort_unstable();
    bare_typed.sort_unstable();
    told.bar(
        "-opost, 8 viewers of whom one stands still: the others byte for byte",
        format!("{exact} of {of}"),
        of,
        exact == of,
    );
    told.row("all of them together, MB/s", format!("{:.0}", rates[rates.len() / 2]));
    told.bar("memory of the node more than before, KiB", most_more, "≤ 16384", most_more <= 16_384);
    told.bar("at its peak, KiB", most, "≤ 40960", most <= 40_960);
    let told_of = |times: &[Duration]| format!("{:.0?}, {:.0?}", at(times, 50), at(times, 99));
    let ratio = |before: &[Duration], meanwhile: &[Duration]| {
        at(meanwhile, 99).as_secs_f64() / at(before, 99).as_secs_f64()
    };
    told.row("another agent's echo, p50 and p99", told_of(&baseline));
    told.row(format!("the same meanwhile, {} keys", typed.len()), told_of(&typed));
    told.row("a bare terminal's echo, p50 and p99", told_of(&bare_baseline));
    told.row(format!("the same meanwhile, {} keys", bare_typed.len()), told_of(&bare_typed));
    let ours = ratio(&baseline, &typed);
    told.bar("another agent's p99 meanwhile, of before", format!("{ours:.1}"), "≤ 2", ours <= 2.0);
    let bare = ratio(&bare_baseline, &bare_typed);
    told.row("a bare terminal's p99 meanwhile, of before", format!("{bare:.1}"));
}

/// What agents cost that have written a screen and a scrollback, and that nobody watches.
async fn idle(node: &Node, told: &mut Table) {
    const AGENTS: u32 = 32;
    let warm = settled(node).await;
    // Until its parser is gone, and what the flood has left.
    tokio::time::sleep(TRIMMED).await;
    let before = node.memory();
    let mut agents = Vec::new();
    for _ in 0..AGENTS {
        agents.push(settled(node).await);
    }
    tokio::time::sleep(TRIMMED).await;
    let each = node.memory().saturating_sub(before) / u64::from(AGENTS);
    told.row("an idle agent more with 2,000 lines, its log included, KiB", each);
    let mut shims = Vec::new();
    for agent in &agents {
        shims.push(private_of(Node::shim_of(agent)));
    }
    shims.sort_unstable();
    let shim = shims[shims.len() / 2];
    told.bar("private memory of its shim, KiB", shim, "≤ 3072", shim <= 3072);
    for agent in agents.iter().chain([&warm]) {
        node.end(agent.agent_id);
    }
}

/// An agent that has written its lines, whose screen somebody has seen.
async fn settled(node: &Node) -> Agent {
    let agent = node.spawn("seq 2000; exec sleep 600").await;
    written(node, &agent, 2000).await;
    Viewer::at_the_screen(node, &agent).await.leave();
    agent
}

/// How long until somebody who attaches has the screen.
async fn attach(node: &Node, told: &mut Table) {
    let script = format!("stty -echo; seq {LINES}; exec sleep 600");
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..number("GANTLINE_BENCH_ROUNDS", 5) {
        let agent = node.spawn(&script).await;
        written(node, &agent, LINES).await;
        // The first comes before anything was drawn, the second after.
        for times in &mut times {
            let began = Instant::now();
            let viewer = Viewer::at_the_screen(node, &agent).await;
            times.push(began.elapsed());
            viewer.leave();
        }
        node.end(agent.agent_id);
    }
    for times in &mut times {
        times.sort_unstable();
    }
    for (who, times) in ["the first viewer", "the next"].iter().zip(&times) {
        told.row(
            format!("the screen after {LINES} lines, {who}"),
            format!("{:.1?}", at(times, 50)),
        );
    }
}

/// Waits until the numbers up to this one were written.
async fn written(node: &Node, agent: &Agent, lines: usize) {
    let bytes: usize = (1..=lines).map(|number| number.to_string().len() + 2).sum();
    let mut viewer = Viewer::from_the_beginning(node, agent, Behaviour::Acknowledges).await;
    viewer.until(bytes as u64).await;
    viewer.leave();
}
