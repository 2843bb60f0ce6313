//! Processes that make it hard to end them, or to count them: whoever stops an agent gets rid of all
//! that it has started, and what it used is known.
#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub
)]

mod pty_support;

use std::time::{Duration, Instant};

use gantline_node::{pty::Host, supervisor::Settings};
use gantline_protocol::{
    AgentId,
    api::{AgentState, ExitStatus, SpawnRequest, Vitals, signal::Signal},
};
use pty_support::{Machine, PATIENCE, command};
use tokio::time::{sleep, timeout};

/// Every process that is part of an agent and has not ended, wherever it has gone: the agent's id is
/// in its environment.
fn processes(agent: AgentId) -> Vec<i32> {
    let mark = format!("GANTLINE_AGENT={agent}");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let has_ended = state.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"));
        !has_ended && environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    })
    .collect()
}

/// Waits until the agent has so many processes at least.
async fn has_grown(agent: AgentId, to: usize) {
    let grown = async {
        while processes(agent).len() < to {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let grown = timeout(PATIENCE, grown).await;
    assert!(grown.is_ok(), "it has {} processes, not {to}", processes(agent).len());
}

/// Stops an agent, and waits until nothing of it is left. The promise is grace + 1 s, which a machine
/// that does something else as well is not held to.
async fn stops_whole(host: &Host, agent: AgentId, grace: Duration) {
    let is_strict = std::env::var("GANTLINE_TIER").is_ok_and(|tier| tier == "bars");
    let within = grace + Duration::from_secs(if is_strict { 1 } else { 20 });
    let began = Instant::now();
    host.stop(Signal::Term, grace);
    loop {
        let left = processes(agent);
        if left.is_empty() {
            break;
        }
        assert!(began.elapsed() < within, "{} left after {:?}", left.len(), began.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
    eprintln!("gone {:?} after the stop, of which {grace:?} are grace", began.elapsed());
    timeout(PATIENCE, host.is_over()).await.expect("its shim stays");
}

fn host(machine: &Machine, agent: AgentId) -> Host {
    machine.hub(agent).host().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_stopped_agent_is_left_a_second_after_its_grace() {
    let machine = Machine::new();
    // Deaf, in a session of their own, without a parent, stopped, and one that brings back whatever
    // is taken from it.
    let agent = machine
        .sh("trap '' TERM HUP INT QUIT
             sleep 600 &
             setsid sleep 600 &
             (setsid sh -c 'sleep 600 & sleep 600' &)
             (sh -c 'kill -STOP $$; exec sleep 600' &)
             (sh -c 'trap \"\" TERM; while :; do sleep 600; done' &)
             sh -c 'while :; do setsid sleep 600 & wait $!; done' &
             wait; wait; wait; while :; do sleep 600; done")
        .await;
    has_grown(agent, 11).await;
    stops_whole(&host(&machine, agent), agent, Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_daemonizes_itself_is_found_although_the_agent_has_gone_at_once() {
    let machine = Machine::new();
    let dir = tempfile::tempdir().unwrap();
    let up = dir.path().join("up");
    let daemon = format!("trap : TERM HUP; : >{}; while :; do sleep 600; done", up.display());
    let agent = machine
        .sh(&format!(
            "trap 'exit 0' TERM
             (setsid sh -c '(setsid sh -c \"{daemon}\" &)' &)
             while :; do sleep 0.05; done"
        ))
        .await;
    let daemon = async {
        while !up.exists() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, daemon).await.expect("the daemon does not start");
    stops_whole(&host(&machine, agent), agent, Duration::from_secs(1)).await;
    assert_eq!(machine.ended(agent).await.exit, Some(ExitStatus::Code(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_that_goes_on_forking_is_stopped_whole() {
    let machine = Machine::new();
    let dir = tempfile::tempdir().unwrap();
    let hop = dir.path().join("hop");
    // It is never there for long: another one has taken its place.
    std::fs::write(&hop, "trap '' TERM HUP; setsid sh \"$0\" & exit 0").unwrap();
    // 127 processes, of which half bring back what is taken from them, one that starts daemons as
    // fast as it can, and twelve that hop from one number to the next.
    let agent = machine
        .sh(&format!(
            "trap '' TERM HUP
             n() {{ if [ $1 -gt 5 ]; then while :; do sleep 600 & wait $!; done; fi
                   n $(($1 + 1)) & n $(($1 + 1)) & wait; wait; while :; do sleep 600; done; }}
             sh -c 'while :; do (setsid sleep 1 &); done' &
             for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sh '{}' & done
             n 0",
            hop.display()
        ))
        .await;
    has_grown(agent, 200).await;
    stops_whole(&host(&machine, agent), agent, Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signal_that_may_stop_an_agent_arrives_as_itself() {
    let machine = Machine::new();
    let named = [
        (Signal::Hup, "HUP"),
        (Signal::Int, "INT"),
        (Signal::Quit, "QUIT"),
        (Signal::Term, "TERM"),
    ];
    for (signal, name) in named {
        let script =
            format!("trap 'echo got {name}; exit 7' {name}; echo up; while :; do sleep 0.05; done");
        let agent = machine.sh(&script).await;
        let host = host(&machine, agent);
        host.log().follow().beyond(gantline_protocol::Offset(2)).await;
        host.stop(signal, Duration::from_secs(60));
        assert_eq!(machine.ended(agent).await.exit, Some(ExitStatus::Code(7)), "{name}");
        let (written, _) = machine.written(agent).await;
        let written = String::from_utf8_lossy(&written).into_owned();
        assert!(written.contains(&format!("got {name}")), "{written:?}");
    }
    let agent = machine.sh("trap '' TERM; while :; do sleep 600; done").await;
    host(&machine, agent).stop(Signal::Kill, Duration::from_secs(60));
    assert_eq!(machine.ended(agent).await.exit, Some(ExitStatus::Signal(9)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_started_again_and_again_leaves_nothing_behind_each_time() {
    let machine = Machine::new();
    let spawn = async |supervision: &str| {
        let mut request = SpawnRequest::new(command(&[
            "/bin/sh",
            "-c",
            "trap '' HUP; setsid sleep 600 & exit 3",
        ]));
        request.supervision = serde_json::from_str(supervision).unwrap();
        machine.agents.spawn(request).await.unwrap().agent_id
    };
    // What was left running on purpose goes on.
    let once = spawn("{}").await;
    assert_eq!(machine.ended(once).await.state, AgentState::Exited);
    let left = processes(once);
    assert_eq!(left.len(), 1, "{left:?}");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(left[0]).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    // Of one that is started again, a daemon of its last life would be in the way of the next.
    let again = spawn(r#"{"restart":"on-failure","stop":{"graceMs":1000}}"#).await;
    let gone = async {
        while !processes(again).is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("a life left something behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_this_machine_does_not_enforce_are_named_with_what_to_do() {
    let mut machine = Machine::new();
    let mut request =
        SpawnRequest::new(command(&["/bin/sh", "-c", "trap '' TERM; while :; do sleep 600; done"]));
    request.supervision =
        serde_json::from_str(r#"{"limits":{"memoryMb":64,"cpuPercent":50,"pids":32}}"#).unwrap();
    let agent = machine.agents.spawn(request).await.unwrap();
    assert_eq!(agent.state, AgentState::Running);
    let cgroup = std::fs::read_to_string(format!("/proc/{}/cgroup", agent.pid.unwrap())).unwrap();
    match agent.limits_not_enforced.clone() {
        Some(why) => {
            eprintln!("SKIPPED in part, limits are not enforced here: {why}");
            let says_what_to_do = ["Delegate=yes", "mount it", "boot with"];
            assert!(says_what_to_do.iter().any(|next| why.contains(next)), "{why}");
        }
        None => {
            let own = cgroup.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
            let read = |file| std::fs::read_to_string(format!("/sys/fs/cgroup/{own}/{file}"));
            assert_eq!(read("memory.max").unwrap().trim(), "67108864");
            assert_eq!(read("cpu.max").unwrap().trim(), "50000 100000");
            assert_eq!(read("pids.max").unwrap().trim(), "32");
        }
    }
    machine.start_again().await;
    let found = machine.agents.find(agent.agent_id).unwrap();
    assert_eq!(found.limits_not_enforced, agent.limits_not_enforced);
    let group = cgroup.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    let group = group.rsplit('/').next().unwrap().to_owned();
    stops_whole(&host(&machine, agent.agent_id), agent.agent_id, Duration::from_millis(500)).await;
    if group.starts_with("gantline-") {
        let left = std::process::Command::new("find")
            .args(["/sys/fs/cgroup", "-maxdepth", "3", "-name", &group])
            .output()
            .unwrap();
        assert!(left.stdout.is_empty(), "its cgroup stays: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_uses_is_counted_with_all_that_it_has_started() {
    let machine = Machine::with(Settings::default());
    // One that works, one that has left the session, and much memory in a third.
    let agent = machine
        .sh("(ulimit -t 60; setsid sh -c 'while :; do :; done' &)
             printf 'first\\n\\033[32mall is well\\033[0m\\n'
             exec dd if=/dev/zero of=/dev/null bs=30M")
        .await;
    let closing = tokio_util::sync::CancellationToken::new();
    let monitor = gantline_node::vitals::Monitor::of(machine.agents.clone(), closing.clone());
    let mut watcher = monitor.watch();
    let used = async {
        loop {
            let vitals: std::sync::Arc<Vitals> = watcher.next().await.unwrap();
            let own = vitals.agents.iter().find(|one| one.agent_id == agent);
            // Of the machine, the first look has nothing to compare with.
            if vitals.machine.cpu_percent == 0.0 {
                continue;
            }
            if let Some(own) = own.filter(|own| {
                own.cpu_percent > 5.0
                    && own.memory > 25_000_000
                    && own.processes == 2
                    && own.last_line.as_deref() == Some("all is well")
            }) {
                return (own.clone(), vitals.machine);
            }
        }
    };
    let (own, machine_used) = timeout(PATIENCE, used).await.expect("what it uses is not seen");
    assert!(machine_used.processes > 3, "{machine_used:?} {own:?}");
    stops_whole(&host(&machine, agent), agent, Duration::from_millis(500)).await;
    closing.cancel();
    let over = async { while watcher.next().await.is_some() {} };
    timeout(PATIENCE, over).await.expect("it goes on after the node");
}
