//! The node is killed with -9, or replaced by another version, in the middle of everything: agents
//! go on, and whoever watched them misses nothing.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use gantline_client::{Connection, connection::Request};
use gantline_protocol::{
    AgentId, Role, Timestamp,
    api::{Agent, AgentState, ExitStatus, Machine, Status},
};
use gantline_tests::{TestDevice, TestNode, TestRelay, TestViewer, program, soon};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Numbered lines: about 51 MB, with the carriage returns that the terminal adds.
const LINES: u32 = 5_700_000;
/// How soon after its start a node has its agents again.
const FOUND_WITHIN: Duration = Duration::from_secs(2);

async fn spawn(on: &Connection, script: &str) -> Agent {
    spawn_as(on, &json!({ "argv": [script], "shell": true })).await
}

async fn spawn_as(on: &Connection, request: &serde_json::Value) -> Agent {
    let request = Request::post("/v1/agents", request).unwrap();
    on.request(request).await.unwrap().json(1 << 20).await.unwrap()
}

async fn agent(node: &TestNode, id: AgentId) -> Agent {
    node.read(&format!("/v1/agents/{id}")).await
}

/// Kills the node and starts it again; the agent is there soon, as it was.
async fn kill_and_start_again(node: &mut TestNode, before: &Agent) -> Connection {
    node.kill();
    let began = Instant::now();
    node.start_again();
    let after = agent(node, before.agent_id).await;
    assert!(began.elapsed() < FOUND_WITHIN, "it took {:?}", began.elapsed());
    assert_eq!(&after, before);
    node.api().await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_arrive_whole_although_the_node_is_killed_in_the_middle() {
    let mut node = TestNode::alone();
    let mut connection = node.api().await;
    let before = spawn(&connection, &format!("read go; seq 1 {LINES}; exit 9")).await;
    let mut viewer = TestViewer::of(before.agent_id);
    viewer.from_the_beginning(before.epoch.unwrap());
    let mut terminal = viewer.attach(&connection).await.unwrap();
    viewer.input(&mut terminal, b"go\r").await.unwrap();
    for at in [5_000_000, 20_000_000] {
        viewer.until_length(&mut terminal, at).await.unwrap();
        connection = kill_and_start_again(&mut node, &before).await;
        terminal = viewer.attach(&connection).await.unwrap();
    }
    assert_eq!(viewer.until_exit(&mut terminal).await.unwrap(), Some(ExitStatus::Code(9)));
    assert_eq!(viewer.skipped(), 0);
    let start = viewer.seen.windows(4).position(|window| window == b"1\r\n2").expect("line 1");
    let expected =
        (1..=LINES).fold(Sha256::new(), |hash, line| hash.chain_update(format!("{line}\r\n")));
    let expected = expected.finalize();
    assert_eq!(Sha256::digest(&viewer.seen[start..]), expected);
    // What is kept is the same, also for a node that never saw it written.
    node.kill();
    node.start_again();
    let path = format!("/v1/agents/{}/output", before.agent_id);
    let mut output = node.api().await.request(Request::get(path)).await.unwrap();
    let mut kept = Vec::new();
    while let Some(bytes) = output.chunk().await.unwrap() {
        kept.extend_from_slice(&bytes);
    }
    assert!(kept == viewer.seen, "the log has other bytes than the viewer");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_typed_twice_or_lost_although_the_node_is_killed_again_and_again() {
    let mut node = TestNode::alone();
    let mut connection = node.api().await;
    let before = spawn(&connection, "stty raw -echo; echo ready; exec cat").await;
    let mut viewer = TestViewer::of(before.agent_id);
    viewer.from_the_beginning(before.epoch.unwrap());
    let mut terminal = viewer.attach(&connection).await.unwrap();
    viewer.until(&mut terminal, "ready\n").await.unwrap();
    let mut typed = String::new();
    for round in 0..6 {
        for key in 0..50 {
            let word = format!("{round}.{key} ");
            typed.push_str(&word);
            // Typed again at the next attachment if it was not applied.
            let _ = viewer.input(&mut terminal, word.as_bytes()).await;
            if key == 5 * round + 20 && round < 5 {
                node.kill();
            }
        }
        if round < 5 {
            node.start_again();
            connection = node.api().await;
            terminal = viewer.attach(&connection).await.unwrap();
        }
        viewer.until(&mut terminal, &format!("{round}.49 ")).await.unwrap();
    }
    let seen = String::from_utf8(viewer.seen).unwrap();
    let (_, echoed) = seen.split_once("ready\n").unwrap();
    assert_eq!(echoed, typed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ended_while_no_node_was_there_says_how_and_when() {
    let mut node = TestNode::alone();
    let scratch = tempfile::tempdir().unwrap();
    let gate = scratch.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    // Far more than a terminal holds: somebody has to read it although there is no node.
    let script =
        format!("echo before; cat '{}'; seq 1 200000; echo after; exit 42", gate.display());
    let before = spawn(&node.api().await, &script).await;
    node.kill();
    let opened = Timestamp::from(SystemTime::now());
    fs::write(&gate, "meanwhile\n").unwrap();
    let record = node.home().join(format!("log/{}/exit.json", before.agent_id));
    soon("the end of the agent", async {
        while !record.exists() {
            // Nobody tells of a file.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let over = Timestamp::from(SystemTime::now());
    node.start_again();
    let after = agent(&node, before.agent_id).await;
    assert_eq!((after.state, after.exit), (AgentState::Exited, Some(ExitStatus::Code(42))));
    assert_eq!((after.argv, after.epoch), (before.argv, before.epoch));
    let ended = after.ended_at.unwrap();
    assert!(opened <= ended && ended <= over, "{opened:?} {ended:?} {over:?}");
    let output = node.run(&["logs", &before.agent_id.to_string()]);
    let output = String::from_utf8(output.stdout).unwrap().replace('\r', "");
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines.len(), 200_003);
    assert_eq!((lines[0], lines[1], lines[2]), ("before", "meanwhile", "1"));
    assert_eq!(lines[200_001..], ["200000", "after"]);
    // And nothing of it runs any more.
    assert!(!node.home().join(format!("run/{}.sock", before.agent_id)).exists());
    let removed = node.run(&["rm", &before.agent_id.to_string()]);
    assert!(removed.status.success(), "{removed:?}");
    soon("its files to go", async {
        while record.parent().unwrap().exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_stays_open_while_the_node_is_replaced_by_another_build_of_it() {
    if !Path::new("/usr/bin/vim").exists() && !Path::new("/usr/bin/vi").exists() {
        eprintln!("SKIPPED: there is no vim here");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let installed = scratch.path().join("gantline");
    fs::copy(program::path("gantline"), &installed).unwrap();
    let mut node = TestNode::of_program(&installed);
    let text = scratch.path().join("text");
    let script = format!("exec vi -u NONE -n '{}'", text.display());
    let before = spawn(&node.api().await, &script).await;
    let mut viewer = TestViewer::of(before.agent_id);
    viewer.from_the_beginning(before.epoch.unwrap());
    let mut terminal = viewer.attach(&node.api().await).await.unwrap();
    viewer.input(&mut terminal, b"ihalf a ").await.unwrap();
    viewer.until(&mut terminal, "half a").await.unwrap();
    // As a package manager does it: the name is another file's from now on.
    let next = scratch.path().join("gantline.next");
    fs::copy(program::path("gantline"), &next).unwrap();
    fs::rename(&next, &installed).unwrap();
    // The old node can still start agents.
    let beside = spawn(&node.api().await, "exec sleep 600").await;
    let connection = kill_and_start_again(&mut node, &before).await;
    assert_eq!(agent(&node, beside.agent_id).await, beside);
    let seen = viewer.seen.len();
    let mut terminal = viewer.attach(&connection).await.unwrap();
    viewer.input(&mut terminal, b"sentence\x1b:wq\r").await.unwrap();
    assert_eq!(viewer.until_exit(&mut terminal).await.unwrap(), Some(ExitStatus::Code(0)));
    assert!(viewer.seen.len() > seen && viewer.skipped() == 0);
    assert_eq!(fs::read_to_string(&text).unwrap(), "half a sentence\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_right_after_a_spawn_looks_after_the_agent_as_it_was_told_to() {
    let mut node = TestNode::alone();
    let looked_after = json!({
        "argv": ["sleep", "600"], "name": "db", "env": { "PORT": "5432" }, "restart": "always",
        "stop": { "signal": "INT", "graceMs": 1000 },
    });
    let db = spawn_as(&node.api().await, &looked_after).await;
    kill_and_start_again(&mut node, &db).await;
    let waits_for = json!([{ "agentId": db.agent_id, "condition": "completed" }]);
    let waiting = json!({ "argv": ["true"], "dependsOn": waits_for });
    let waiting = spawn_as(&node.api().await, &waiting).await;
    assert_eq!(waiting.pid, None);
    kill_and_start_again(&mut node, &waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_stopped_at_once_and_stays_stopped_without_a_node() {
    let mut node = TestNode::alone();
    let connection = node.api().await;
    let polite = spawn(&connection, "exec sleep 600").await;
    let deaf = spawn(&connection, "trap '' TERM HUP; echo deaf; while :; do sleep 600; done").await;
    let mut viewer = TestViewer::of(deaf.agent_id);
    viewer.from_the_beginning(deaf.epoch.unwrap());
    let mut terminal = viewer.attach(&connection).await.unwrap();
    viewer.until(&mut terminal, "deaf").await.unwrap();
    let killed = node.run(&["kill", "--all"]);
    assert!(killed.status.success(), "{killed:?}");
    node.stop();
    for agent in [polite, deaf] {
        let exit = node.home().join(format!("log/{}/exit.json", agent.agent_id));
        soon("the end of an agent", async {
            while !exit.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_costs_neither_a_pairing_nor_an_agent() {
    let relay = TestRelay::start();
    let mut node = TestNode::join(&relay.join_link()).await;
    let (owner, guest) = (TestDevice::new("laptop"), TestDevice::new("phone"));
    let as_owner = owner.pair(&node, Role::Owner).await;
    let as_guest = guest.pair(&node, Role::Observer).await;
    // A pairing is for good once it was used; the guest's never was before the node comes back.
    let shell = spawn(&owner.connect(&as_owner).await, "read word; echo \"it was $word\"").await;
    node.kill();
    let state = node.home().join("state");
    for name in ["node.db", "node.db-wal", "node.db-shm"] {
        fs::write(state.join(name), vec![0xa5; 64 * 1024]).unwrap();
    }
    node.start_again();
    node.linked().await;

    let at_owner = owner.connect(&as_owner).await;
    assert_eq!(role_of(&at_owner).await, Role::Owner);
    assert_eq!(role_of(&guest.connect(&as_guest).await).await, Role::Observer);
    assert_eq!(agent(&node, shell.agent_id).await, shell);
    let mut viewer = TestViewer::of(shell.agent_id);
    let mut terminal = viewer.attach(&at_owner).await.unwrap();
    viewer.input(&mut terminal, b"kept\r").await.unwrap();
    viewer.until(&mut terminal, "it was kept").await.unwrap();
    // The damaged file is there for whoever wants to know, and a fresh one is written.
    let status: Status = node.read("/v1/status").await;
    let aside = status.history.set_aside.expect("it is said");
    assert_eq!(fs::read(state.join(aside)).unwrap(), vec![0xa5; 64 * 1024]);
    let answer = at_owner.request(Request::get("/v1/history")).await.unwrap();
    let lives: serde_json::Value = answer.json(1 << 20).await.unwrap();
    assert_eq!(lives["items"][0]["agentId"], shell.agent_id.to_string(), "{lives}");
}

/// What the machine says who is asking.
async fn role_of(connection: &Connection) -> Role {
    let answer = connection.request(Request::get("/v1/machine")).await.unwrap();
    answer.json::<Machine>(1 << 20).await.unwrap().role
}
