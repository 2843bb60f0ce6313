//! The history: what is remembered, what never gets in, and what a bad disk can't do to it.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../agents_end/mod.rs"]
mod agents_end;
mod damage;
mod records;
mod served;

use std::{
    path::PathBuf,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use gantline_node::{
    events::{Events, Heard, Listener},
    history::{Began, Changed, Ended, FILE, History, LastLines, Retention, Search},
};
use gantline_protocol::{
    Epoch, Timestamp,
    api::{Agent, AgentState, Env, EventKind, ExitStatus, Life, Outcome, Way},
};
use serde_json::{Value, json};
use tokio::time::timeout;

/// An hour ago: what is older than its retention is forgotten at once.
static BASE: LazyLock<u64> =
    LazyLock::new(|| Timestamp::from(SystemTime::now()).as_millis() / 1000 * 1000 - 3_600_000);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(*BASE + millis)
}

/// Long enough for a busy machine, short enough to notice what hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory of state with a history in it.
struct Place {
    dir: tempfile::TempDir,
    events: Events,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), events: Events::new() }
    }

    fn open(&self) -> History {
        self.open_with(Retention::default())
    }

    fn open_with(&self, retention: Retention) -> History {
        History::open(self.dir.path(), retention, self.events.clone())
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join(FILE)
    }

    /// Everything that the history has on the disk.
    fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// The names of files that were set aside.
    fn aside(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.contains("damaged")).collect();
        names.sort();
        names
    }
}

async fn lives(history: &History, search: Search) -> Vec<Life> {
    let lives = history.lives(search, 1000).await.unwrap();
    lives.into_iter().map(|(_, life)| life).collect()
}

async fn all(history: &History) -> Vec<Life> {
    lives(history, Search::default()).await
}

async fn found(history: &History, words: &str) -> Vec<Life> {
    lives(history, Search { words: Some(words.parse().unwrap()), ..Search::default() }).await
}

/// Ends it, so that all is on the disk.
async fn close(history: History) {
    history.close(PATIENCE).await;
}

/// An agent that runs, the `number`th; its life began at `number` seconds.
fn agent(number: u64, argv: &[&str]) -> Agent {
    let id = format!("ag-{number:05}");
    let agent = json!({
        "agentId": id, "argv": argv, "shell": false, "state": "running", "desired": "running",
        "source": "spawn", "pid": 7, "epoch": format!("{number:016x}"),
        "size": { "cols": 80, "rows": 24 }, "restarts": 0,
        "createdAt": at(number * 1000), "startedAt": at(number * 1000),
    });
    serde_json::from_value(agent).unwrap()
}

fn env(pairs: Value) -> Env {
    serde_json::from_value(pairs).unwrap()
}

fn end_of(agent: &Agent, millis: u64, exit: ExitStatus, outcome: Outcome) -> Ended {
    Ended {
        agent_id: agent.agent_id,
        epoch: agent.epoch.unwrap(),
        at: at(millis),
        exit: Some(exit),
        outcome,
        reason: None,
        last_lines: LastLines::default(),
    }
}

/// Notes a whole life.
fn live(history: &History, agent: &Agent, exit: i32) {
    history.journal().note(Began::of(agent, None, None).unwrap());
    let outcome = if exit == 0 { Outcome::Success } else { Outcome::Failure };
    let at = agent.started_at.unwrap().since(at(0)).as_millis() as u64 + 500;
    history.journal().note(end_of(agent, at, ExitStatus::Code(exit), outcome));
}

/// The next thing that the events tell of the history: the problem, and what was set aside.
async fn next_change(listener: &mut Listener) -> (Option<String>, Option<String>) {
    let change = async {
        loop {
            if let Heard::Event(event) = listener.next().await
                && let EventKind::HistoryChanged { problem, set_aside } = event.what
            {
                return (problem, set_aside);
            }
        }
    };
    timeout(PATIENCE, change).await.expect("nothing was told of the history")
}
