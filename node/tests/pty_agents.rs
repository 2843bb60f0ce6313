//! Agents from their start to their end: what they are started with, what is kept of them, and that
//! nothing of them is left behind.
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

use std::{collections::BTreeMap, time::Duration};

use gantline_node::{
    pty::{HostError, command::CommandError, log::Limits},
    supervisor::{AgentsError, Settings},
};
use gantline_protocol::api::{AgentState, Command, ExitStatus, SpawnRequest, signal::Signal};
use pty_support::{Machine, PATIENCE, Told, Viewer, command, numbered};
use tokio::time::timeout;

async fn refused(machine: &Machine, command: Command) -> AgentsError {
    let refused = machine.agents.spawn(SpawnRequest::new(command)).await;
    assert!(machine.agents.list().is_empty(), "something is there that never ran");
    refused.expect_err("it was started")
}

#[tokio::test]
async fn what_can_not_run_is_refused_for_what_is_wrong_with_it() {
    let machine = Machine::new();
    let error = refused(&machine, command(&["no-such-program-at-all"])).await;
    assert!(
        matches!(error, AgentsError::Command(CommandError::NoProgram(name)) if name == "no-such-program-at-all")
    );
    let error = refused(&machine, command(&["/no/such/program"])).await;
    assert!(matches!(error, AgentsError::Command(CommandError::NoProgram(_))));
    let error = refused(&machine, command(&["/etc/passwd"])).await;
    assert!(matches!(error, AgentsError::Command(CommandError::NotExecutable { .. })), "{error}");
    let error = refused(&machine, command(&["/usr"])).await;
    assert!(matches!(error, AgentsError::Command(CommandError::NotExecutable { .. })), "{error}");
    for dir in ["/no/such/dir", "/etc/passwd"] {
        let cwd = Some(dir.to_owned().try_into().unwrap());
        let error = refused(&machine, Command { cwd, ..command(&["true"]) }).await;
        assert!(matches!(error, AgentsError::Command(CommandError::Cwd { .. })), "{error}");
    }
    // The system itself refuses a single item of this length.
    let error = refused(&machine, command(&["echo", &"x".repeat(131_072)])).await;
    assert!(matches!(error, AgentsError::Host(HostError::Spawn(_))), "{error}");
}

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    let machine = Machine::new();
    let long = "x".repeat(100_000);
    let script = "stty -opost; echo $# ${#1} ${#5}; printf '%s|' \"$2\" \"$3\" \"$4\"";
    let id = machine
        .spawn(command(&[
            "/bin/sh",
            "-c",
            script,
            "sh",
            &long,
            "two words",
            "$HOME;'\"*",
            "",
            &long,
        ]))
        .await;
    let (written, _) = machine.written(id).await;
    assert_eq!(String::from_utf8_lossy(&written), "5 100000 100000\ntwo words|$HOME;'\"*||");
}

#[tokio::test]
async fn a_script_for_the_shell_gets_its_arguments_as_numbers() {
    let machine = Machine::new();
    let script = "stty -opost; echo \"$1/$2/$#\"";
    let id = machine.spawn(Command { shell: true, ..command(&[script, "a b", "c;d"]) }).await;
    assert_eq!(machine.written(id).await.0, b"a b/c;d/2\n");
}

#[tokio::test]
async fn output_that_is_no_text_is_kept_as_it_is() {
    let machine = Machine::new();
    let id = machine.sh("stty -opost; printf '\\377\\376\\000\\001\\303'").await;
    assert_eq!(machine.written(id).await, (vec![0xff, 0xfe, 0, 1, 0xc3], vec![]));
}

#[tokio::test]
async fn the_environment_is_the_node_s_without_what_is_its_own() {
    const INNER: &str = "GANTLINE_TEST_INNER";
    if std::env::var_os(INNER).is_none() {
        // Once more, as a node with a home and a secret of its own.
        let mut inner = tokio::process::Command::new(std::env::current_exe().unwrap());
        inner.args(["--exact", "the_environment_is_the_node_s_without_what_is_its_own"]);
        inner.env(INNER, "1").env("GANTLINE_HOME", "/secret").env("TERM", "dumb");
        inner.env("INHERITED", "yes").kill_on_drop(true);
        let status = timeout(PATIENCE, inner.status()).await.unwrap().unwrap();
        assert!(status.success());
        return;
    }
    let machine = Machine::new();
    let env = BTreeMap::from([("ASKED".to_owned(), "a=b c".to_owned())]);
    let id = machine.spawn(Command { env: env.try_into().unwrap(), ..command(&["env"]) }).await;
    let text = String::from_utf8(machine.written(id).await.0).unwrap();
    let lines: Vec<_> = text.lines().collect();
    for line in ["ASKED=a=b c", "INHERITED=yes", "TERM=xterm-256color"] {
        assert!(lines.contains(&line), "{line} is missing in {text}");
    }
    assert!(!text.contains("secret") && !text.contains(INNER), "{text}");
    let env = BTreeMap::from([("TERM".to_owned(), "vt100".to_owned())]);
    let id = machine.spawn(Command { env: env.try_into().unwrap(), ..command(&["env"]) }).await;
    assert!(String::from_utf8_lossy(&machine.written(id).await.0).contains("TERM=vt100\r\n"));
}

#[tokio::test]
async fn who_ignores_the_request_to_end_is_ended_after_the_grace() {
    let machine = Machine::new();
    let id = machine.sh("trap '' TERM HUP; echo ready; while :; do read line; done").await;
    Viewer::from_start(&machine.hub(id)).await.sees("ready").await;
    assert_eq!(machine.agents.stop(id).unwrap().state, AgentState::Stopping);
    assert_eq!(machine.agents.find(id).unwrap().state, AgentState::Stopping);
    let agent = machine.ended(id).await;
    assert_eq!((agent.state, agent.exit), (AgentState::Exited, Some(ExitStatus::Signal(9))));
    assert!(matches!(machine.agents.stop(id), Err(AgentsError::Ended(_))));
    assert!(matches!(machine.agents.signal(id, Signal::Int), Err(AgentsError::Ended(_))));
}

#[tokio::test]
async fn who_wants_to_clean_up_may() {
    let machine = Machine::with(Settings::default());
    let id =
        machine.sh("trap 'echo bye; exit 3' TERM; echo ready; while :; do read line; done").await;
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("ready").await;
    machine.agents.stop(id).unwrap();
    viewer.sees("bye").await;
    assert_eq!(viewer.exit().await, Some(ExitStatus::Code(3)));
}

#[tokio::test]
async fn who_is_stopped_ends_all_the_same() {
    let machine = Machine::with(Settings::default());
    let id = machine.sh("echo ready; exec sleep 1000").await;
    Viewer::from_start(&machine.hub(id)).await.sees("ready").await;
    machine.agents.signal(id, Signal::Stop).unwrap();
    machine.agents.stop(id).unwrap();
    assert_eq!(machine.ended(id).await.exit, Some(ExitStatus::Signal(15)));
}

#[tokio::test]
async fn an_agent_that_runs_is_not_forgotten_and_one_that_ended_can_be() {
    let machine = Machine::new();
    let id = machine.sh("read line").await;
    assert!(matches!(machine.agents.remove(id), Err(AgentsError::StillRunning(_))));
    machine.agents.stop(id).unwrap();
    machine.ended(id).await;
    machine.agents.remove(id).unwrap();
    assert!(matches!(machine.agents.find(id), Err(AgentsError::NotFound(_))));
    assert!(matches!(machine.agents.remove(id), Err(AgentsError::NotFound(_))));
}

/// A daemon as they are made: a session of its own, and no parent that remembers it.
#[cfg(target_os = "linux")]
const DAEMON: &str = "perl -MPOSIX=setsid -e '\
    if (fork == 0) { setsid; if (fork == 0) { $SIG{TERM} = $SIG{HUP} = \"IGNORE\"; $| = 1; \
    print \"daemon $$.\\n\"; open STDOUT, \">/dev/null\"; sleep 1000 } exit } wait'";

#[cfg(target_os = "linux")]
async fn pid_after(viewer: &mut Viewer, word: &str) -> i32 {
    viewer.sees(word).await;
    viewer.sees(".").await.trim_end_matches('.').trim().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stopped_agent_takes_with_it_whatever_it_has_started() {
    use pty_support::Witness;
    let machine = Machine::new();
    // One that is left by all its parents, one in a session of its own, one in the background.
    let script = format!(
        "trap 'exit 0' TERM; {DAEMON}; setsid sh -c 'trap \"\" TERM HUP; echo apart $$.; \
        while :; do sleep 1000; done' & (trap '' TERM HUP; sh -c 'echo beside $PPID.'; \
        exec sleep 1000) & while :; do sleep 0.1; done"
    );
    let id = machine.sh(&script).await;
    let hub = machine.hub(id);
    let mut left = Vec::new();
    for word in ["daemon ", "apart ", "beside "] {
        let pid = pid_after(&mut Viewer::from_start(&hub).await, word).await;
        let witness = Witness::of(pid);
        assert!(witness.runs().await, "{word} does not run");
        left.push(witness);
    }
    machine.agents.stop(id).unwrap();
    assert_eq!(machine.ended(id).await.exit, Some(ExitStatus::Code(0)));
    for witness in left {
        witness.ends().await;
    }
}

#[tokio::test]
async fn a_node_that_stops_starts_nothing_more_and_ends_nothing() {
    use pty_support::Witness;
    let mut machine = Machine::new();
    let id = machine.sh("echo ready; read line; echo \"got $line\"; exit 6").await;
    Viewer::from_start(&machine.hub(id)).await.sees("ready").await;
    let witness = Witness::of(machine.agents.find(id).unwrap().pid.unwrap() as i32);
    machine.agents.leave();
    let request = SpawnRequest::new(command(&["true"]));
    assert!(matches!(machine.agents.spawn(request).await, Err(AgentsError::Stopping)));
    assert!(witness.runs().await);
    machine.start_again().await;
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("ready").await;
    viewer.types("me\r").await;
    viewer.sees("got me").await;
    assert_eq!(viewer.exit().await, Some(ExitStatus::Code(6)));
}

#[tokio::test]
async fn a_disk_that_refuses_costs_history_and_says_so_and_heals() {
    let limits = Limits { memory: 256 << 10, file: 64 << 20 };
    let machine = Machine::with(Settings { limits, ..Settings::default() });
    let script = "stty -opost -echo; echo ready; read x; seq 1 2000000; echo half; read x; \
        seq 2000001 4000000; echo end; read x";
    let id = machine.sh(script).await;
    let hub = machine.hub(id);
    // Where the agent's directory was there is a file.
    let (dir, aside) = (machine.log_dir.join(id.to_string()), machine.log_dir.join("aside"));
    std::fs::rename(&dir, &aside).unwrap();
    std::fs::write(&dir, "in the way").unwrap();
    let mut starter = Viewer::from_start(&hub).await;
    starter.sees("ready").await;
    starter.types("\r").await;
    starter.leaves().await.unwrap();
    let half = 6 + numbered(1, 2_000_000).len() as u64 + 5;
    let mut follower = hub.host().log().follow();
    let half_at = gantline_protocol::Offset(half - 1);
    let reached = timeout(PATIENCE, follower.beyond(half_at)).await;
    reached.expect("a full disk stops the process");
    let kept_from = hub.host().log().start().0;
    assert!(kept_from > 0 && kept_from < half, "nothing was lost without a disk, or all");
    std::fs::remove_file(&dir).unwrap();
    std::fs::rename(&aside, &dir).unwrap();
    // The disk is looked at again after a while; from then on nothing is lost.
    let is_there = async {
        let is_log =
            |entry: std::fs::DirEntry| entry.path().extension().is_some_and(|end| end == "log");
        while !std::fs::read_dir(&dir).unwrap().flatten().any(is_log) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, is_there).await.expect("the disk is never looked at again");
    let mut viewer = Viewer::from_start(&hub).await;
    viewer.until(|_, told| matches!(told, Told::Snapshot { last: true, .. })).await;
    viewer.types("\r").await;
    let end = half + numbered(2_000_001, 4_000_000).len() as u64 + 4;
    timeout(PATIENCE, follower.beyond(gantline_protocol::Offset(end - 1))).await.unwrap();
    machine.agents.stop(id).unwrap();
    machine.ended(id).await;
    let (written, gaps) = machine.written(id).await;
    let all = [
        b"ready\n",
        &*numbered(1, 2_000_000),
        b"half\n",
        &*numbered(2_000_001, 4_000_000),
        b"end\n",
    ]
    .concat();
    let lost: u64 = gaps.iter().map(|(from, to)| to - from).sum();
    assert_eq!(gaps.first().map(|(from, _)| *from), Some(0), "the gap is not named");
    assert_eq!(written.len() as u64 + lost, all.len() as u64);
    let last = gaps.last().unwrap().1 as usize;
    assert!(written.ends_with(&all[last..]), "other bytes than were written");
    assert!(all.len() - last > 14_000_000, "it lost more after the disk was back");
}

#[tokio::test]
async fn the_log_goes_with_its_agent() {
    let machine = Machine::new();
    let id = machine.sh("seq 1 500000").await;
    machine.ended(id).await;
    let dir = machine.log_dir.join(id.to_string());
    assert_eq!(machine.written(id).await.1, []);
    machine.agents.remove(id).unwrap();
    let is_gone = async {
        while dir.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, is_gone).await.expect("the log is still there");
}

#[tokio::test]
async fn what_a_stopped_agent_has_started_may_bring_its_work_to_an_end() {
    let machine = Machine::with(Settings::default());
    let done = tempfile::tempdir().unwrap();
    let done = done.path().join("done");
    // The leader leaves at once when it is told to; its child has something to write first.
    let child = format!(
        "trap '' HUP; trap 'sleep 0.3; echo flushed > {0}; exit' TERM; echo ready; while :; do sleep 0.05; done",
        done.display()
    );
    let id = machine.spawn(command(&["/bin/sh", "-c", "sh -c \"$1\" & wait", "sh", &child])).await;
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("ready").await;
    machine.agents.stop(id).unwrap();
    machine.ended(id).await;
    timeout(PATIENCE, async {
        // Nobody tells of a file; the child's time to write it is what is tested.
        while !std::fs::read_to_string(&done).is_ok_and(|text| text.contains("flushed")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the child was killed before its work was done");
}

/// On a runtime of one thread: a task that never yields would stop this test as well.
#[tokio::test]
async fn a_process_that_dies_with_a_paste_unread_takes_no_thread_with_it() {
    let machine = Machine::new();
    let id = machine.sh("stty raw -echo; echo ready; exec sleep 1000").await;
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("ready").await;
    viewer.types(&"x".repeat(50_000)).await;
    for _ in 0..1000 {
        // The terminal takes what it can, and the rest waits.
        tokio::task::yield_now().await;
    }
    machine.agents.signal(id, Signal::Kill).unwrap();
    let agent = timeout(PATIENCE, machine.ended(id)).await.expect("nothing goes on any more");
    assert_eq!(agent.exit, Some(ExitStatus::Signal(9)));
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}
