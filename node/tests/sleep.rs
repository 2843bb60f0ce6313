//! The machine sleeps, for the node at least: when it wakes it is usable at once, knows what went on
//! meanwhile, and does not make up for everything that it has missed.
#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

mod cli_support;

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use cli_support::{Home, PATIENCE, pid};
use rustix::process::{Signal, kill_process};

/// How soon a machine is usable after it has slept.
const USABLE_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn after_a_sleep_the_node_is_usable_at_once_and_nothing_is_made_up_for() {
    let asleep = match std::env::var("GANTLINE_TIER") {
        Ok(tier) if tier == "bars" => Duration::from_secs(30),
        Ok(_) | Err(_) => Duration::from_secs(6),
    };
    let mut home = Home::empty();
    let ready = home.up();
    let node = pid(u32::try_from(ready["pid"].as_u64().unwrap()).unwrap());
    let ended = home.spawn("sleep 2; echo late; exit 9");
    let steady = home.spawn("while :; do sleep 600; done");
    let before = home.json(&["ps", "--json"]);
    // Somebody watches what is used: there is a look every two seconds.
    let mut watcher = UnixStream::connect(home.path().join("run/node.sock")).unwrap();
    watcher.write_all(b"GET /v1/vitals HTTP/1.1\r\nhost: node\r\n\r\n").unwrap();
    let (looked, looks) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(watcher).lines().map_while(Result::ok) {
            if line.starts_with("data:") && looked.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    looks.recv_timeout(PATIENCE).expect("nothing is told");

    kill_process(node, Signal::STOP).unwrap();
    std::thread::sleep(asleep);
    kill_process(node, Signal::CONT).unwrap();
    let woken = Instant::now();

    let after = home.json(&["ps", "-a", "--json"]);
    assert!(woken.elapsed() < USABLE_WITHIN, "it took {:?}", woken.elapsed());
    let find = |list: &serde_json::Value, id: &str| {
        let list = list.as_array().unwrap().clone();
        list.into_iter().find(|agent| agent["agentId"] == id).unwrap()
    };
    assert_eq!(find(&after, &steady)["pid"], find(&before, &steady)["pid"]);
    let knows = || find(&home.json(&["ps", "-a", "--json"]), &ended)["exit"]["code"] == 9;
    while !knows() {
        assert!(woken.elapsed() < USABLE_WITHIN, "what ended meanwhile is not known");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(home.ok(&["logs", &ended]).contains("late"));
    // One look for those that were missed, and then the usual pace.
    let next = looks.recv_timeout(PATIENCE).unwrap();
    let mut sooner = 0;
    while let Ok(at) = looks.recv_timeout(Duration::from_secs(3)) {
        sooner += usize::from(at.duration_since(next) < Duration::from_millis(1500));
        if at.duration_since(next) > Duration::from_secs(3) {
            break;
        }
    }
    assert!(sooner <= 1, "{sooner} looks were made up for");
    assert_eq!(home.down(), Some(0));
}
