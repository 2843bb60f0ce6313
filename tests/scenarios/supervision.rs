//! Agents are looked after: restarted, stopped for good, started in order, and all of that also by a
//! node that comes after one that was killed.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use gantline_client::{Connection, RequestError, connection::Request};
use gantline_protocol::{
    AgentId, Epoch,
    api::{Agent, AgentState, Desired, ExitStatus},
};
use gantline_tests::{TestNode, TestViewer, node::end_lives, soon};
use serde_json::{Value, json};

async fn spawn(on: &Connection, request: Value) -> Agent {
    let request = Request::post("/v1/agents", &request).unwrap();
    on.request(request).await.unwrap().json(1 << 20).await.unwrap()
}

/// A script for the system's shell, with more members.
async fn sh(on: &Connection, script: &str, members: Value) -> Agent {
    let mut request = json!({ "argv": ["/bin/sh", "-c", script] });
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    spawn(on, request).await
}

async fn act(on: &Connection, id: AgentId, verb: &str) -> Result<Agent, RequestError> {
    let request = Request::post(format!("/v1/agents/{id}/{verb}"), &json!({})).unwrap();
    on.request(request).await?.json(1 << 20).await
}

async fn edit(on: &Connection, id: AgentId, patch: Value) -> Result<Agent, RequestError> {
    let request = Request::patch(format!("/v1/agents/{id}"), &patch).unwrap();
    on.request(request).await?.json(1 << 20).await
}

async fn agent(node: &TestNode, id: AgentId) -> Agent {
    node.read(&format!("/v1/agents/{id}")).await
}

/// Waits until the agent is as wanted; each event is a reason to look.
async fn until(node: &TestNode, id: AgentId, is_it: impl Fn(&Agent) -> bool) -> Agent {
    let mut events = node.api().await.request(Request::get("/v1/events")).await.unwrap();
    soon("an agent to become what it is to be", async {
        loop {
            let now = agent(node, id).await;
            if is_it(&now) {
                return now;
            }
            events.chunk().await.expect("the node lives").expect("events do not end");
        }
    })
    .await
}

async fn until_state(node: &TestNode, id: AgentId, state: AgentState) -> Agent {
    until(node, id, |agent| agent.state == state).await
}

async fn output(node: &TestNode, id: AgentId, epoch: Epoch) -> String {
    let path = format!("/v1/agents/{id}/output?epoch={:016x}", epoch.0);
    let answer = node.api().await.request(Request::get(path)).await.unwrap();
    String::from_utf8(answer.whole(1 << 20).await.unwrap().to_vec()).unwrap()
}

fn why(agent: &Agent) -> &str {
    agent.reason.as_deref().unwrap_or_default()
}

/// How often a script has added a line to this file.
fn count(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_is_given_up_and_says_what_it_said_last() {
    let node = TestNode::alone();
    let api = node.api().await;
    let runs = node.home().join("runs");
    let script = format!("echo run >> '{}'; echo out of cheese; exit 3", runs.display());
    let id = sh(&api, &script, json!({"restart": "always"})).await.agent_id;
    let given_up = until_state(&node, id, AgentState::RestartLimit).await;
    assert_eq!((count(&runs), given_up.restarts), (5, 4));
    assert_eq!(given_up.exit, Some(ExitStatus::Code(3)));
    assert!(why(&given_up).contains("5 times within 60 s"), "{}", why(&given_up));
    assert!(why(&given_up).ends_with("out of cheese"), "{}", why(&given_up));
    // A person may try again, and has the whole patience of the node.
    act(&api, id, "start").await.unwrap();
    let again = until_state(&node, id, AgentState::Backoff).await;
    assert!(again.next_start_at.is_some());
    act(&api, id, "stop").await.unwrap();
    assert!(count(&runs) >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_done_is_left_alone_and_one_that_failed_is_not() {
    let node = TestNode::alone();
    let api = node.api().await;
    let members = json!({"restart": "on-failure", "successCodes": [0, 3]});
    let done = sh(&api, "exit 3", members.clone()).await.agent_id;
    let script = "read code; exit $code";
    let failing = sh(&api, script, members).await;
    let done = until_state(&node, done, AgentState::Exited).await;
    assert_eq!((done.restarts, done.exit), (0, Some(ExitStatus::Code(3))));
    let id = failing.agent_id;
    let mut viewer = TestViewer::of(id);
    viewer.from_the_beginning(failing.epoch.unwrap());
    let mut terminal = viewer.attach(&api).await.unwrap();
    viewer.input(&mut terminal, b"1\r").await.unwrap();
    let anew = until(&node, id, |agent| agent.restarts == 1 && agent.pid.is_some()).await;
    assert_ne!(anew.epoch, failing.epoch);
    // Whoever watched it is there still, and types to the process that is there now.
    viewer.until_anew(&mut terminal, anew.epoch.unwrap()).await.unwrap();
    viewer.input(&mut terminal, b"3\r").await.unwrap();
    assert_eq!(viewer.until_exit(&mut terminal).await.unwrap(), Some(ExitStatus::Code(3)));
    until_state(&node, id, AgentState::Exited).await;
    // What it said before can be read, as long as it is kept.
    let earlier = output(&node, id, failing.epoch.unwrap()).await;
    assert!(earlier.starts_with("1\r\n"), "{earlier:?}");
    let gone = Request::get(format!("/v1/agents/{id}/output?epoch=0000000000000001"));
    let gone = api.request(gone).await;
    assert!(gone.unwrap_err().to_string().contains("not kept any more"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_a_crashing_agent_has_it_stopped() {
    let mut node = TestNode::alone();
    let api = node.api().await;
    let runs = node.home().join("runs");
    let script = format!("echo run >> '{}'; exit 1", runs.display());
    let id = sh(&api, &script, json!({"restart": "always"})).await.agent_id;
    until_state(&node, id, AgentState::Backoff).await;
    let stopped = act(&api, id, "stop").await.unwrap();
    assert_eq!((stopped.state, stopped.desired), (AgentState::Exited, Desired::Stopped));
    let before = count(&runs);
    // Neither this node nor the next starts it again; longer than any wait that may be left.
    node.kill();
    node.start_again();
    let other = sh(&node.api().await, "sleep 3", json!({})).await.agent_id;
    until_state(&node, other, AgentState::Exited).await;
    assert_eq!(count(&runs), before);
    assert_eq!(agent(&node, id).await.state, AgentState::Exited);
    assert!(
        act(&node.api().await, id, "stop").await.unwrap_err().to_string().contains("has ended")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_a_migration_and_a_web_server_start_in_their_order() {
    let node = TestNode::alone();
    let api = node.api().await;
    let journal = node.home().join("journal");
    let note = |what: &str| format!("echo {what} >> '{}'", journal.display());
    let script = format!("sleep 0.5; {}; echo accepting connections; exec sleep 1000", note("db"));
    let probe = json!({"kind": "line", "text": "accepting"});
    let db = sh(&api, &script, json!({"name": "db", "probe": probe})).await.agent_id;
    let on_db = json!([{"agentId": db, "condition": "healthy"}]);
    let script = format!("{}; [ -e '{}.ok' ]", note("migrate"), journal.display());
    let job = sh(&api, &script, json!({"name": "job", "dependsOn": on_db})).await;
    let job = job.agent_id;
    let on_job = json!([{"agentId": job, "condition": "completed"}]);
    let script = format!("{}; exec sleep 1000", note("web"));
    let web = sh(&api, &script, json!({"name": "web", "dependsOn": on_job})).await;
    assert_eq!((web.state, web.pid), (AgentState::Starting, None));
    assert_eq!(why(&web), format!("waits for job ({job}) to complete"));
    let web = web.agent_id;
    // The migration fails, and that is said.
    until(&node, web, |web| why(web).ends_with("but it ended with a failure")).await;
    assert_eq!(agent(&node, db).await.state, AgentState::Healthy);
    // What can't be waited for is refused.
    let circle = edit(&api, db, json!({"dependsOn": [{"agentId": web, "condition": "started"}]}));
    let circle = circle.await.unwrap_err().to_string();
    assert!(circle.contains("wait for itself"), "{circle}");
    let removed = api.request(Request::delete(format!("/v1/agents/{job}"))).await;
    assert!(removed.unwrap_err().to_string().contains(&format!("web ({web})")));
    fs::write(format!("{}.ok", journal.display()), "").unwrap();
    act(&api, job, "start").await.unwrap();
    until_state(&node, web, AgentState::Running).await;
    soon("the web server's note", async {
        // Nobody tells of a file.
        while count(&journal) < 4 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(fs::read_to_string(&journal).unwrap(), "db\nmigrate\nmigrate\nweb\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reboot_runs_what_is_to_run() {
    let mut node = TestNode::alone();
    let api = node.api().await;
    let service = sh(&api, "exec sleep 1000", json!({"restart": "on-failure"})).await;
    let shell = sh(&api, "exec sleep 1000", json!({})).await.agent_id;
    let off = sh(&api, "exec sleep 1000", json!({"restart": "always"})).await.agent_id;
    act(&api, off, "stop").await.unwrap();
    until_state(&node, off, AgentState::Exited).await;
    node.kill();
    // All processes go with the machine, and it comes back as another one.
    for id in [service.agent_id, shell] {
        end_lives(&node.home().join(format!("log/{id}")));
    }
    let file = node.home().join("state/agents.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    kept["bootId"] = json!("00000000-0000-0000-0000-000000000000");
    fs::write(&file, kept.to_string()).unwrap();
    node.start_again();
    let back = until_state(&node, service.agent_id, AgentState::Running).await;
    assert_ne!((back.pid, back.epoch), (service.pid, service.epoch));
    assert_eq!(back.restarts, 1);
    let shell = agent(&node, shell).await;
    assert_eq!(shell.state, AgentState::Lost);
    assert_eq!(why(&shell), "the machine was started anew while it ran");
    assert_eq!(agent(&node, off).await.state, AgentState::Exited);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_killed_is_followed_by_one_that_goes_on() {
    let mut node = TestNode::alone();
    let api = node.api().await;
    let runs = node.home().join("runs");
    let script = format!(
        "echo run >> '{0}'; [ $(wc -l < '{0}') -ge 4 ] && exec sleep 1000; exit 1",
        runs.display()
    );
    // It comes up at its fourth try, and the node dies while it waits for that.
    let flaky = sh(&api, &script, json!({"restart": "always"})).await.agent_id;
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    let stop = json!({"graceMs": 4000});
    let stopping = sh(&api, stubborn, json!({"restart": "always", "stop": stop})).await;
    let mut viewer = TestViewer::of(stopping.agent_id);
    viewer.from_the_beginning(stopping.epoch.unwrap());
    let mut terminal = viewer.attach(&api).await.unwrap();
    viewer.until(&mut terminal, "ready").await.unwrap();
    let gate = sh(&api, "read line", json!({})).await;
    let on_gate = json!([{"agentId": gate.agent_id, "condition": "completed"}]);
    let waiting = sh(&api, "exec sleep 1000", json!({"dependsOn": on_gate})).await.agent_id;
    let probe = json!({"kind": "exec", "argv": ["false"], "failures": 1, "intervalMs": 600_000});
    let unwell = sh(&api, "exec sleep 1000", json!({"probe": probe})).await.agent_id;
    until_state(&node, unwell, AgentState::Unhealthy).await;
    until(&node, flaky, |agent| agent.state == AgentState::Backoff && agent.restarts == 2).await;
    act(&api, stopping.agent_id, "stop").await.unwrap();
    node.kill();
    node.start_again();
    let now = agent(&node, unwell).await;
    assert_eq!(now.state, AgentState::Unhealthy, "{now:?}");
    let now = agent(&node, waiting).await;
    assert_eq!((now.state, now.pid), (AgentState::Starting, None), "{now:?}");
    let now = agent(&node, stopping.agent_id).await;
    assert!(
        matches!(now.state, AgentState::Stopping | AgentState::Exited) && now.restarts == 0,
        "{now:?}"
    );
    let now = until_state(&node, flaky, AgentState::Running).await;
    assert_eq!((count(&runs), now.restarts), (4, 3));
    let now = until_state(&node, stopping.agent_id, AgentState::Exited).await;
    assert_eq!((now.exit, now.restarts), (Some(ExitStatus::Signal(9)), 0));
    let mut viewer = TestViewer::of(gate.agent_id);
    let mut terminal = viewer.attach(&node.api().await).await.unwrap();
    viewer.input(&mut terminal, b"go\r").await.unwrap();
    until_state(&node, waiting, AgentState::Running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_changed_while_it_runs() {
    let mut node = TestNode::alone();
    let api = node.api().await;
    let before = sh(&api, "echo $WHAT; exec sleep 1000", json!({"env": {"WHAT": "first"}})).await;
    let id = before.agent_id;
    let probe = json!({"kind": "exec", "argv": ["true"], "intervalMs": 100});
    let patch =
        json!({"name": "web", "restart": "always", "probe": probe, "env": {"WHAT": "second"}});
    let now = edit(&api, id, patch).await.unwrap();
    assert_eq!((now.pid, now.epoch), (before.pid, before.epoch), "the process goes on");
    assert_eq!(now.name.as_ref().map(|name| name.as_str()), Some("web"));
    until_state(&node, id, AgentState::Healthy).await;
    edit(&api, id, json!({"probe": null})).await.unwrap();
    until_state(&node, id, AgentState::Running).await;
    let anew = act(&api, id, "restart").await.unwrap();
    assert_eq!(anew.agent_id, id);
    let anew = until(&node, id, |agent| agent.epoch != before.epoch && agent.pid.is_some()).await;
    assert_eq!(anew.restarts, 0, "a person did it");
    soon("the new environment", async {
        while !output(&node, id, anew.epoch.unwrap()).await.contains("second") {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    // It outlives the node, environment and all, and is never read back.
    node.kill();
    node.start_again();
    let found = agent(&node, id).await;
    assert_eq!((found.pid, found.epoch), (anew.pid, anew.epoch));
    assert_eq!(found.supervision, anew.supervision);
    assert!(!serde_json::to_string(&found).unwrap().contains("second"));
    let told = node.run(&["set", "web", "--stop-grace", "1s", "--restart", "no"]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let shown = String::from_utf8(node.run(&["show", "web"]).stdout).unwrap();
    assert!(shown.contains("TERM, and KILL after 1 s"), "{shown}");
    let listed = String::from_utf8(node.run(&["ps"]).stdout).unwrap();
    assert!(listed.contains(&format!("{id}\tweb\trunning\t")), "{listed}");
    for (verb, state) in [("stop", "stopping"), ("start", "running")] {
        let told = node.run(&[verb, "web"]);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        assert!(String::from_utf8_lossy(&told.stderr).contains(state), "{told:?}");
        let wanted = if verb == "stop" { AgentState::Exited } else { AgentState::Running };
        until_state(&node, id, wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_costs_no_more_than_the_last_change() {
    let mut node = TestNode::alone();
    let api = node.api().await;
    let id =
        sh(&api, "exec sleep 1000", json!({"restart": "always", "name": "web"})).await.agent_id;
    edit(&api, id, json!({"name": "newer"})).await.unwrap();
    node.kill();
    let file = node.home().join("state/agents.json");
    fs::write(&file, "{\"bootId\": ").unwrap();
    node.start_again();
    let found = agent(&node, id).await;
    assert_eq!(found.state, AgentState::Running);
    assert_eq!(found.name.map(|name| name.to_string()).as_deref(), Some("web"));
    assert!(node.home().join("state/agents.json.broken").exists());
    assert!(node.program().log().contains("agents.json"), "nobody was told");
    // Without any version, what runs is found by what it has left itself.
    node.kill();
    for name in ["agents.json", "agents.json.bak"] {
        fs::write(node.home().join("state").join(name), "no").unwrap();
    }
    node.start_again();
    assert_eq!(agent(&node, id).await.state, AgentState::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_started_says_why() {
    let node = TestNode::alone();
    let api = node.api().await;
    let dir = node.home().join("work");
    fs::create_dir(&dir).unwrap();
    let program = dir.join("program");
    fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let request = json!({"argv": [program], "cwd": dir, "restart": "always"});
    let id = spawn(&api, request.clone()).await.agent_id;
    fs::remove_file(&program).unwrap();
    act(&api, id, "restart").await.unwrap();
    let failed = until_state(&node, id, AgentState::Failed).await;
    assert!(why(&failed).starts_with("there is no program"), "{}", why(&failed));
    fs::remove_dir(&dir).unwrap();
    let failed = act(&api, id, "start").await.unwrap();
    assert_eq!(failed.state, AgentState::Failed);
    assert!(why(&failed).starts_with("it can't run in"), "{}", why(&failed));
    assert_eq!((failed.pid, failed.next_start_at), (None, None));
    // At the first time there is nobody to look after.
    let refused = api.request(Request::post("/v1/agents", &request).unwrap()).await;
    assert!(refused.unwrap_err().to_string().contains("it can't run in"));
    let all: Vec<Agent> = node.read("/v1/agents").await;
    assert_eq!(all.len(), 1);
}
