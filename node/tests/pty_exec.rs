//! Commands without a terminal, as scripts run them.
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

use std::num::NonZeroU32;

use gantline_node::{
    pty::{HostError, command::CommandError},
    supervisor::{AgentsError, Exec},
};
use gantline_protocol::api::{
    AgentPatch, AgentState, Command, ExecEvent, ExecRequest, ExitStatus, StopPlan,
};
use pty_support::{Machine, PATIENCE, command, numbered};
use tokio::time::timeout;

async fn exec(machine: &Machine, script: &str) -> Exec {
    exec_within(machine, script, None).await
}

async fn exec_within(machine: &Machine, script: &str, millis: Option<u32>) -> Exec {
    let timeout_ms = millis.and_then(NonZeroU32::new);
    let command = command(&["/bin/sh", "-c", script]);
    machine.agents.exec(ExecRequest { command, timeout_ms }).await.unwrap()
}

#[derive(Debug, Default)]
struct Heard {
    out: Vec<u8>,
    err: Vec<u8>,
    started: bool,
    exit: Option<Option<ExitStatus>>,
}

async fn hear(mut exec: Exec) -> Heard {
    let mut heard = Heard::default();
    while let Some(event) = timeout(PATIENCE, exec.next()).await.expect("no exit") {
        assert!(heard.exit.is_none(), "{event:?} after the exit");
        match event {
            ExecEvent::Start { agent_id, .. } => {
                assert_eq!(agent_id, exec.agent());
                heard.started = true;
            }
            ExecEvent::Out(bytes) => heard.out.extend_from_slice(bytes.as_slice()),
            ExecEvent::Err(bytes) => heard.err.extend_from_slice(bytes.as_slice()),
            ExecEvent::Exit { status, .. } => heard.exit = Some(status),
            ExecEvent::Other => panic!("an event without a name"),
        }
    }
    assert!(heard.started);
    heard
}

#[tokio::test]
async fn both_outputs_and_the_exit_code_come_apart() {
    let machine = Machine::new();
    let running = exec(&machine, "seq 1 100000; seq 1 50000 >&2; exit 5").await;
    let id = running.agent();
    let heard = hear(running).await;
    assert!(heard.out == numbered(1, 100_000) && heard.err == numbered(1, 50_000));
    assert_eq!(heard.exit, Some(Some(ExitStatus::Code(5))));
    let agent = machine.ended(id).await;
    assert_eq!((agent.state, agent.exit), (AgentState::Exited, Some(ExitStatus::Code(5))));
    let (all, gaps) = machine.written(id).await;
    assert_eq!((all.len(), gaps), (heard.out.len() + heard.err.len(), vec![]));
    assert!(matches!(machine.agents.hub(id), Err(AgentsError::NoTerminal(_))));
}

#[tokio::test]
async fn a_signal_is_not_taken_for_an_exit_code() {
    let machine = Machine::new();
    let heard = hear(exec(&machine, "kill -9 $$").await).await;
    assert_eq!(heard.exit, Some(Some(ExitStatus::Signal(9))));
}

#[tokio::test]
async fn what_can_not_run_is_refused() {
    let machine = Machine::new();
    let request = |command| ExecRequest { command, timeout_ms: None };
    let refused = machine.agents.exec(request(command(&["no-such-program-at-all"]))).await;
    assert!(matches!(refused, Err(AgentsError::Command(CommandError::NoProgram(_)))));
    let cwd = Some("/no/such/dir".to_owned().try_into().unwrap());
    let refused = machine.agents.exec(request(Command { cwd, ..command(&["true"]) })).await;
    assert!(matches!(refused, Err(AgentsError::Command(CommandError::Cwd { .. }))));
    let refused = machine.agents.exec(request(command(&["echo", &"x".repeat(131_072)]))).await;
    assert!(matches!(refused, Err(AgentsError::Host(HostError::Spawn(_)))));
    assert!(machine.agents.list().is_empty());
}

#[tokio::test]
async fn nothing_is_there_to_be_read_by_the_command() {
    let machine = Machine::new();
    let heard = hear(exec(&machine, "wc -c").await).await;
    assert_eq!(String::from_utf8_lossy(&heard.out).trim(), "0");
}

#[tokio::test]
async fn a_listener_that_is_slow_misses_nothing() {
    let machine = Machine::new();
    // More pieces than are kept for a listener; the last ones are in the pipe when the process ends.
    let script = "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 \
        28 29 30; do echo $n; sleep 0.01; done; echo the end >&2";
    let running = exec(&machine, script).await;
    let agent = machine.ended(running.agent()).await;
    assert_eq!(agent.exit, Some(ExitStatus::Code(0)));
    let (all, _) = machine.written(agent.agent_id).await;
    assert_eq!(all.len(), numbered(1, 30).len() + 8, "the log misses what nobody listened to");
    let heard = hear(running).await;
    assert_eq!(heard.out, numbered(1, 30));
    assert_eq!(heard.err, b"the end\n");
}

#[tokio::test]
async fn a_listener_that_is_slow_holds_up_a_command_that_writes_much() {
    let machine = Machine::new();
    let running = exec(&machine, "seq 1 1000000").await;
    let id = running.agent();
    let log_is_full = async {
        let range = gantline_node::supervisor::OutputRange { follow: true, ..Default::default() };
        let mut output = machine.agents.output(id, None, range).await.unwrap();
        while output.next().await.is_some() {}
    };
    let brief = std::time::Duration::from_millis(500);
    assert!(timeout(brief, log_is_full).await.is_err(), "nothing is held up");
    assert!(hear(running).await.out == numbered(1, 1_000_000));
}

#[tokio::test]
async fn a_listener_that_leaves_does_not_end_the_command_and_its_output_is_kept() {
    let machine = Machine::new();
    let running = exec(&machine, "seq 1 400000; seq 1 10 >&2; exit 4").await;
    let id = running.agent();
    drop(running);
    assert_eq!(machine.ended(id).await.exit, Some(ExitStatus::Code(4)));
    let (all, gaps) = machine.written(id).await;
    assert!(gaps.is_empty());
    assert_eq!(all.len(), numbered(1, 400_000).len() + numbered(1, 10).len());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn when_the_time_is_over_the_command_ends_with_all_that_it_started() {
    use pty_support::Witness;
    let machine = Machine::new();
    let script = "(trap '' TERM HUP; exec sleep 1000) & echo $!; exec sleep 1000";
    let mut running = exec_within(&machine, script, Some(300)).await;
    let mut pid = String::new();
    while !pid.ends_with('\n') {
        if let Some(ExecEvent::Out(bytes)) = timeout(PATIENCE, running.next()).await.unwrap() {
            pid.push_str(std::str::from_utf8(bytes.as_slice()).unwrap());
        }
    }
    let witness = Witness::of(pid.trim().parse().unwrap());
    assert!(witness.runs().await);
    let agent = machine.ended(running.agent()).await;
    assert_eq!(agent.exit, Some(ExitStatus::Signal(15)));
    witness.ends().await;
}

#[tokio::test]
async fn who_ignores_that_the_time_is_over_is_ended() {
    let machine = Machine::new();
    let script = "trap '' TERM; while :; do sleep 1; done";
    let heard = hear(exec_within(&machine, script, Some(100)).await).await;
    assert_eq!(heard.exit, Some(Some(ExitStatus::Signal(9))));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stopped_command_takes_with_it_what_is_in_its_group() {
    use pty_support::Witness;
    let machine = Machine::new();
    let script = "(trap '' TERM HUP; exec sleep 1000) & echo $!; exec sleep 1000";
    let mut running = exec(&machine, script).await;
    let mut pid = String::new();
    while !pid.ends_with('\n') {
        if let Some(ExecEvent::Out(bytes)) = timeout(PATIENCE, running.next()).await.unwrap() {
            pid.push_str(std::str::from_utf8(bytes.as_slice()).unwrap());
        }
    }
    let witness = Witness::of(pid.trim().parse().unwrap());
    let stop = StopPlan { grace_ms: 300.try_into().unwrap(), ..StopPlan::default() };
    let patch = AgentPatch { stop: Some(Some(stop)), ..AgentPatch::default() };
    machine.agents.edit(running.agent(), patch).unwrap();
    machine.agents.stop(running.agent()).unwrap();
    machine.ended(running.agent()).await;
    witness.ends().await;
}

#[tokio::test]
async fn what_a_command_leaves_behind_may_go_on_writing_to_the_log() {
    let machine = Machine::new();
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let path = go.display();
    let script = format!(
        "mkfifo {path}; (read x < {path}; echo later; echo still there > {path}.2) & echo now"
    );
    let mut running = exec(&machine, &script).await;
    let id = running.agent();
    machine.ended(id).await;
    let mut out = Vec::new();
    while let Some(event) = timeout(PATIENCE, running.next()).await.unwrap() {
        if let ExecEvent::Out(bytes) = event {
            out.extend_from_slice(bytes.as_slice());
        }
    }
    assert_eq!(out, b"now\n", "the exit waits for what was left behind");
    tokio::fs::write(&go, "\n").await.unwrap();
    let is_kept = async {
        while machine.written(id).await.0 != b"now\nlater\n" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, is_kept).await.expect("its output is not kept");
}

#[tokio::test]
async fn text_stays_text_and_bytes_stay_bytes() {
    let machine = Machine::new();
    let heard =
        hear(exec(&machine, "printf '\\377\\376\\000'; printf 'n\\303'; printf '\\244f'").await)
            .await;
    assert_eq!(heard.out, b"\xff\xfe\0n\xc3\xa4f");
}
