//! Hundreds of agents, one after the other: nothing of them stays. Alone in its process, whose
//! descriptors and children it counts.
#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub
)]

mod pty_support;

use std::time::Duration;

use gantline_node::supervisor::Settings;
use gantline_protocol::api::ExecRequest;
use pty_support::{Machine, command, next_end};
use tokio::time::timeout;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resources {
    descriptors: usize,
    /// Processes that ended and that nobody has asked how.
    zombies: usize,
    shims: usize,
    sockets: usize,
    logs: usize,
}

fn resources(machine: &Machine) -> Resources {
    let entries = |path: &str| std::fs::read_dir(path).unwrap().flatten().collect::<Vec<_>>();
    let own = std::process::id().to_string();
    let is_zombie = |stat: &String| {
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[0] == "Z" && fields[1] == own
    };
    let shims = entries("/proc").into_iter().filter(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let parent = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = parent.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        line.starts_with(b"gantline\0shim") && parent == Some(&own)
    });
    let shims = shims.count();
    let stats = entries("/proc").into_iter();
    let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    Resources {
        descriptors: entries("/proc/self/fd").len(),
        zombies: stats.filter(is_zombie).count(),
        shims,
        sockets: std::fs::read_dir(&machine.run_dir).map_or(0, |dir| dir.count()),
        logs: std::fs::read_dir(&machine.log_dir).map_or(0, |dir| dir.count()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_agents_leave_nothing_behind() {
    let is_short = std::env::var("GANTLINE_TIER").is_err();
    let rounds = if is_short { 200 } else { 1000 };
    const REMEMBERED: usize = 5;
    let machine = Machine::with(Settings { ended: REMEMBERED, ..Settings::default() });
    let mut ends = machine.listen();
    let before = resources(&machine);
    for round in 0..rounds {
        match round % 2 {
            0 => drop(machine.spawn(command(&["echo", "x"])).await),
            _ => {
                let command = command(&["echo", "x"]);
                let mut exec =
                    machine.agents.exec(ExecRequest { command, timeout_ms: None }).await.unwrap();
                while exec.next().await.is_some() {}
            }
        }
        next_end(&mut ends).await;
    }
    assert_eq!(machine.agents.list().len(), REMEMBERED);
    let clean = async {
        loop {
            let now = resources(&machine);
            let as_before = Resources { logs: now.logs, ..before };
            if now == as_before && now.logs <= REMEMBERED {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if timeout(Duration::from_secs(10), clean).await.is_err() {
        panic!("left behind: {:?}, before {before:?}", resources(&machine));
    }
}
