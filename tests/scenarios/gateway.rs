//! A page on one's own machine reaches other machines through the node there: as their device, over
//! one session each, and none of them can hold up another.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use gantline_client::connection::Request;
use gantline_protocol::{
    AgentId, MachineId, Role,
    api::{Device, Reach},
};
use gantline_tests::{Page, PageViewer, TestDevice, TestNode, TestRelay, soon};
use hyper::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Far less than the patience for a dead path, far more than an answer takes.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Longer than a person waits who has just started something again.
const BACK: Duration = Duration::from_secs(5);

/// Pairs the page's user with a machine, as a person does: by the code that it shows.
async fn add(page: &Page, node: &TestNode, name: &str) -> MachineId {
    let machine = node.machine().await.machine_id;
    let code = node.code(Role::Owner).await.code.to_string();
    let address = format!("{machine}.{}", node.relay());
    let body = json!({ "code": code, "address": address, "name": name });
    let added = page.post("/v1/machines", body).await;
    assert_eq!(added.status, 201, "{added:?}");
    let json = added.json();
    assert_eq!(added.location, Some(format!("/v1/machines/{machine}")));
    assert_eq!(json["machine"]["name"], name);
    assert_eq!(json["safetyNumber"].as_str().unwrap().split(' ').count(), 6);
    machine
}

fn at(machine: MachineId, path: &str) -> String {
    format!("/v1/machines/{machine}/{path}")
}

async fn spawn(page: &Page, machine: MachineId, argv: &[&str]) -> AgentId {
    let spawned = page.post(&at(machine, "agents"), json!({ "argv": argv })).await;
    assert_eq!(spawned.status, 201, "{spawned:?}");
    let id = spawned.json()["agentId"].as_str().unwrap().to_owned();
    assert_eq!(spawned.location, Some(at(machine, &format!("agents/{id}"))));
    id.parse().unwrap()
}

/// How long a machine takes to answer: the median of some requests.
async fn pace(page: &Page, machine: MachineId) -> Duration {
    pace_beside(page, machine, &[]).await
}

/// The same, until others have their answers. None takes as long as it takes to give a machine up.
async fn pace_beside(page: &Page, machine: MachineId, others: &[JoinHandle<u16>]) -> Duration {
    let mut times = Vec::new();
    while times.len() < 15 || others.iter().any(|other| !other.is_finished()) {
        let before = Instant::now();
        assert_eq!(page.get(&at(machine, "machine")).await.status, 200);
        times.push(before.elapsed());
    }
    times.sort();
    assert!(times[times.len() - 1] < AT_ONCE, "one request took {:?}", times[times.len() - 1]);
    times[times.len() / 2]
}

/// Many ask a machine that does not answer.
fn ask_in_vain(page: &Page, machine: MachineId) -> Vec<JoinHandle<u16>> {
    let asking = |_| {
        let page = page.clone();
        tokio::spawn(async move { page.get(&at(machine, "agents")).await.status })
    };
    (0..40).map(asking).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_on_ones_own_machine_works_with_the_others() {
    let relay = TestRelay::start();
    let (ada, lin) = tokio::join!(async { TestNode::join(&relay.join_link()).await }, async {
        TestNode::join(&relay.join_link()).await
    });
    let home = TestNode::alone();
    let page = home.page().await;
    let (ada, lin) = (add(&page, &ada, "ada").await, (add(&page, &lin, "lin").await, lin));
    let own = home.machine().await.machine_id;

    let machines = page.machines().await;
    let ids: Vec<_> = machines.iter().map(|machine| machine.machine_id).collect();
    assert_eq!(ids, [own, ada, lin.0]);
    assert!(machines[0].is_local && matches!(machines[0].reach, Reach::Connected { .. }));
    // The same path for every machine, this one too.
    for machine in ids {
        let answer = page.get(&at(machine, "machine")).await;
        assert_eq!(answer.json()["machineId"], machine.to_string());
    }

    // What streams comes as it is written, not at its end.
    let agent = spawn(&page, ada, &["sh", "-c", "echo one; read x; echo two"]).await;
    let output = format!("agents/{agent}/output?follow=true");
    let mut output = page.begin(Method::GET, &at(ada, &output), None).await;
    let mut seen = String::new();
    let mut is_woken = false;
    while let Some(frame) = soon("output", http_body_util::BodyExt::frame(output.body_mut())).await
    {
        seen.push_str(&String::from_utf8_lossy(&frame.unwrap().into_data().unwrap()));
        if seen.contains("one") && !is_woken {
            is_woken = true;
            let path = at(ada, &format!("agents/{agent}/terminal"));
            let mut viewer = PageViewer::attach(&page, path).await;
            viewer.types("go\r").await;
            assert_eq!(viewer.until("never").await, Err(1000));
        }
    }
    assert!(seen.contains("two"), "{seen}");
    let exec = page.post(&at(lin.0, "exec"), json!({ "argv": ["echo", "hi"] })).await;
    assert!(String::from_utf8_lossy(&exec.body).contains("hi\\n"), "{exec:?}");

    // What a machine refuses is its own answer.
    let missing = page.get(&at(ada, "agents/ag-zzzzz")).await;
    assert_eq!((missing.status, &missing.json()["code"]), (404, &"not-found".into()));
    let no_terminal = page.terminal(&at(ada, "agents/ag-zzzzz/terminal")).await.unwrap_err();
    assert!(no_terminal.to_string().contains("404"), "{no_terminal}");

    let path = format!("/v1/machines/{ada}");
    let call_it = |name: &str| page.ask(Method::PATCH, &path, Some(json!({ "name": name })));
    assert_eq!(call_it("lin").await.status, 409, "another machine has the name");
    assert_eq!(call_it("eve").await.json()["name"], "eve");
    // The command line has the same list, and each hears of what the other does.
    let listed = home.run(&["machines", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed[0]["name"], &listed[1]["name"]), (&"eve".into(), &"lin".into()));
    let ran = home.run(&["exec", "--on", "eve", "--", "echo", "by the command line"]);
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "by the command line\n");

    let forgotten = page.ask(Method::DELETE, &format!("/v1/machines/{ada}"), None).await;
    assert_eq!(forgotten.status, 204);
    assert_eq!(page.get(&at(ada, "machine")).await.status, 404);
    for status in [
        page.ask(Method::DELETE, &format!("/v1/machines/{own}"), None).await.status,
        page.ask(Method::PATCH, &format!("/v1/machines/{own}"), Some(json!({ "name": "x" })))
            .await
            .status,
    ] {
        assert_eq!(status, 409, "this machine itself");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_dies_says_why_comes_back_by_itself_and_slows_no_other() {
    let relay = TestRelay::start();
    let (mut ada, lin) = tokio::join!(async { TestNode::join(&relay.join_link()).await }, async {
        TestNode::join(&relay.join_link()).await
    });
    let home = TestNode::alone();
    let page = home.page().await;
    let (to_ada, to_lin) = (add(&page, &ada, "ada").await, add(&page, &lin, "lin").await);
    let mut events = page.events().await;
    // Nobody asked for them: that somebody listens is enough.
    for machine in [to_ada, to_lin] {
        let told = events.until(machine, "connected").await;
        assert_eq!((&told["path"], &told["relay"]), (&"relay".into(), &"localhost".into()));
    }
    let before = pace(&page, to_lin).await;

    ada.kill();
    let told = events.until(to_ada, "offline").await;
    assert!(told["why"].as_str().unwrap().starts_with("ada can't be reached: "), "{told}");
    assert!(told["nextTryAt"].is_u64() && told["lastSeen"].is_u64(), "{told}");
    let asked = Instant::now();
    let refused = page.get(&at(to_ada, "agents")).await;
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    let problem = refused.json();
    assert_eq!((refused.status, &problem["code"]), (502, &"unreachable".into()), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("ada") && detail.contains("gantline up"), "{detail}");
    let terminal = page.terminal(&at(to_ada, "agents/ag-zzzzz/terminal")).await.unwrap_err();
    assert!(terminal.to_string().contains("502"), "{terminal}");
    // Also while many ask the dead one.
    let asking = ask_in_vain(&page, to_ada);
    let with_a_dead_one = pace_beside(&page, to_lin, &asking).await;
    for asked in asking {
        assert_eq!(asked.await.unwrap(), 502);
    }
    let bound = before * 5 + Duration::from_millis(100);
    assert!(
        with_a_dead_one < bound,
        "{before:?} before, {with_a_dead_one:?} beside a dead machine"
    );

    ada.start_again();
    events.until(to_ada, "connected").await;
    assert_eq!(page.get(&at(to_ada, "agents")).await.status, 200);

    // One that stands still is the worse case: nobody says that it is gone.
    let pid = Pid::from_raw(i32::try_from(ada.program().pid()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let (asked, asking) = (Instant::now(), ask_in_vain(&page, to_ada));
    let with_a_hanging_one = pace_beside(&page, to_lin, &asking).await;
    assert!(asked.elapsed() < BACK, "a page has few connections: {:?}", asked.elapsed());
    assert!(with_a_hanging_one < bound, "{before:?} before, {with_a_hanging_one:?} beside one");
    for asked in asking {
        assert_eq!(asked.await.unwrap(), 502);
    }
    // Making a session takes as long as the relay believes in the machine.
    events.until(to_ada, "connecting").await;
    let (asked, asking) = (Instant::now(), ask_in_vain(&page, to_ada));
    let with_one_sought = pace_beside(&page, to_lin, &asking).await;
    assert!(asked.elapsed() < AT_ONCE, "a page has few connections: {:?}", asked.elapsed());
    assert!(with_one_sought < bound, "{before:?} before, {with_one_sought:?} while it is sought");
    for asked in asking {
        assert_eq!(asked.await.unwrap(), 502);
    }
    let told = events.until(to_ada, "offline").await;
    assert!(told["why"].is_string(), "{told}");
    kill_process(pid, Signal::CONT).unwrap();
    events.until(to_ada, "connected").await;
    println!(
        "lin answers within {before:?}, {with_a_dead_one:?} beside a dead machine, {with_a_hanging_one:?} beside one that stands still, {with_one_sought:?} while it is sought"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_goes_on_at_the_very_byte_when_the_session_below_it_broke() {
    let relay = TestRelay::start();
    let mut ada = TestNode::join(&relay.join_link()).await;
    let mut home = TestNode::alone();
    let page = home.page().await;
    let machine = add(&page, &ada, "ada").await;
    let agent = spawn(&page, machine, &["sh", "-i"]).await;
    let path = at(machine, &format!("agents/{agent}/terminal"));
    let mut viewer = PageViewer::attach(&page, path).await;
    viewer.types("stty -echo; echo $((6 * 7)) first\r").await;
    viewer.until("42 first").await.unwrap();

    // The node with its session dies; its agent does not.
    ada.kill();
    viewer.types("echo $((6 * 8)) second\r").await;
    assert_eq!(viewer.until("never").await, Err(1012));
    ada.start_again();
    ada.linked().await;
    // A person who presses Retry does not wait for the gateway's own next try.
    viewer.come_back_soon(&page).await;
    viewer.until("48 second").await.unwrap();

    // The page's own node dies: the token is another one, and everything else is as it was.
    home.kill();
    home.start_again();
    viewer.come_back(&home.page().await).await.unwrap();
    viewer.types("echo $((6 * 9)) third; exit\r").await;
    viewer.until("54 third").await.unwrap();
    // The orderly end of the agent is one of the conversation.
    assert_eq!(viewer.until("never").await, Err(1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_back_at_once_when_a_node_was_killed_and_started_again() {
    let mut relay = TestRelay::start();
    let mut ada = TestNode::join(&relay.join_link()).await;
    let home = TestNode::alone();
    let page = home.page().await;
    let _events = page.events().await;
    let machine = add(&page, &ada, "ada").await;
    let agent = spawn(&page, machine, &["sh", "-i"]).await;
    let path = at(machine, &format!("agents/{agent}/terminal"));
    let mut viewer = PageViewer::attach(&page, path).await;
    viewer.types("stty -echo; echo $((6 * 7)) first\r").await;
    viewer.until("42 first").await.unwrap();
    ada.kill();
    ada.start_again();
    let took = back(&mut viewer, &page, "48 second", "echo $((6 * 8)) second\r").await;
    println!("the node was started again: the terminal goes on after {took:?}");
    assert!(took < BACK, "{took:?}");

    // The page's node learns of it at its next packet; the other node is silent for up to 8 s.
    relay.kill();
    relay.start_again();
    let took = back(&mut viewer, &page, "54 third", "echo $((6 * 9)) third\r").await;
    println!("the relay was started again: the terminal goes on after {took:?}");
    assert!(took < Duration::from_secs(8) + BACK, "{took:?}");
}

/// How long it takes until something that is typed now is answered.
async fn back(viewer: &mut PageViewer, page: &Page, answer: &str, keys: &str) -> Duration {
    let since = Instant::now();
    viewer.types(keys).await;
    while viewer.until(answer).await.is_err() {
        viewer.come_back_soon(page).await;
    }
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_no_machine_takes_is_noticed_at_once_and_typed_once() {
    let relay = TestRelay::start();
    let ada = TestNode::join(&relay.join_link()).await;
    let home = TestNode::alone();
    let page = home.page().await;
    let machine = add(&page, &ada, "ada").await;
    let agent = spawn(&page, machine, &["sh", "-i"]).await;
    let path = at(machine, &format!("agents/{agent}/terminal"));
    let mut viewer = PageViewer::attach(&page, path).await;
    viewer.types("stty -echo; count=0; echo $((6 * 7)) first\r").await;
    viewer.until("42 first").await.unwrap();

    ada.program().signal(Signal::STOP);
    let since = Instant::now();
    viewer.types("count=$((count + 1)); echo counted $count\r").await;
    assert_eq!(viewer.until("never").await, Err(1012));
    let took = since.elapsed();
    ada.program().signal(Signal::CONT);
    println!("noticed after {took:?}");
    assert!(took < BACK, "noticed after {took:?}");
    viewer.come_back_soon(&page).await;
    viewer.types("echo $((6 * 9)) keys: $count\r").await;
    viewer.until("54 keys: ").await.unwrap();
    viewer.until("54 keys: 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_on_a_machine_while_its_session_was_broken_is_told_afterwards() {
    let mut relay = TestRelay::start();
    let ada = TestNode::join(&relay.join_link()).await;
    let home = TestNode::alone();
    let page = home.page().await;
    let mut events = page.events().await;
    let machine = add(&page, &ada, "ada").await;
    // There has to be an event from which to go on.
    let agent = spawn(&page, machine, &["true"]).await;
    while events.next().await.1["event"]["agentId"] != agent.to_string() {}
    relay.kill();
    let request = Request::post("/v1/agents", &json!({ "argv": ["true"] })).unwrap();
    let answer = ada.api().await.request(request).await.unwrap();
    let unseen = answer.json::<Value>(1 << 20).await.unwrap()["agentId"].clone();
    relay.start_again();
    let told = async {
        loop {
            let (name, data) = events.next().await;
            assert_ne!(name, "missed", "it begins anew: {data}");
            if data["event"]["agentId"] == unseen {
                return data;
            }
        }
    };
    assert_eq!(soon("the event", told).await["machineId"], machine.to_string());
}

fn resident(node: &TestNode) -> usize {
    let status = format!("/proc/{}/status", node.program().pid());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_reads_nothing_fills_no_memory_and_holds_up_nobody() {
    const LENGTH: usize = 64 << 20;
    let relay = TestRelay::start();
    let ada = TestNode::join(&relay.join_link()).await;
    let home = TestNode::alone();
    let page = home.page().await;
    let mut events = page.events().await;
    let machine = add(&page, &ada, "ada").await;
    let before = (pace(&page, machine).await, resident(&home));
    let script = format!("read go; head -c {LENGTH} /dev/zero | tr '\\0' x");
    let agent = spawn(&page, machine, &["sh", "-c", &script]).await;
    let output = at(machine, &format!("agents/{agent}/output?follow=true"));
    let mut unread = page.begin(Method::GET, &output, None).await;
    let path = at(machine, &format!("agents/{agent}/terminal"));
    // What a page says last is not lost when it closes.
    PageViewer::attach(&page, path).await.types("go\r").await;
    let ended = async { while events.next().await.1["event"]["state"] != "exited" {} };
    soon("the end of the flood", ended).await;
    let (pace, resident) = (pace(&page, machine).await, resident(&home));
    let grown = resident.saturating_sub(before.1) >> 20;
    println!("{grown} MiB more; {:?} before, {pace:?} beside what is not read", before.0);
    assert!(grown < 32, "{grown} MiB more");
    assert!(pace < before.0 * 5 + Duration::from_millis(100), "{:?}, {pace:?}", before.0);
    let mut length = 0;
    let body = unread.body_mut();
    while let Some(frame) = soon("output", http_body_util::BodyExt::frame(body)).await {
        length += frame.unwrap().into_data().unwrap().iter().filter(|byte| **byte == b'x').count();
    }
    assert_eq!(length, LENGTH);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_machine_can_be_is_none_and_what_none_takes_is_refused() {
    let relay = TestRelay::start();
    let ada = TestNode::join(&relay.join_link()).await;
    let home = TestNode::alone();
    let page = home.page().await;
    let machine = add(&page, &ada, "ada").await;
    let own = home.machine().await.machine_id;
    let id = machine.to_string();
    for other in
        ["x", "%2e%2e", "..", &id[1..], &format!("{id}a"), &id.to_uppercase(), &"a".repeat(26)]
    {
        for rest in ["", "/agents", "/machine"] {
            let answer = page.get(&format!("/v1/machines/{other}{rest}")).await;
            assert_eq!(answer.status, 404, "{other}{rest}: {answer:?}");
        }
    }
    for (machine, rest) in [(machine, "../devices"), (machine, "agents/%2e%2e%2fdevices")]
        .into_iter()
        .chain([(own, "../devices"), (own, "machines"), (own, "machines/events")])
    {
        let answer = page.get(&at(machine, rest)).await;
        assert_eq!(answer.status, 404, "{rest}: {answer:?}");
    }
    for machine in [machine, own] {
        let huge = json!({ "argv": ["true", "x".repeat(9 << 20)] });
        let answer = page.post(&at(machine, "agents"), huge).await;
        assert_eq!((answer.status, &answer.json()["code"]), (413, &"too-large".into()));
        let large = json!({ "name": "x".repeat(65 << 10) });
        let answer = page.ask(Method::PATCH, &at(machine, "agents/ag-zzzzz"), Some(large)).await;
        assert!((400..=413).contains(&answer.status), "{answer:?}");
        assert_eq!(page.get(&at(machine, "machine")).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_may_do_all_here_reaches_no_other_machine_from_here() {
    let relay = TestRelay::start();
    let (home, ada) = tokio::join!(async { TestNode::join(&relay.join_link()).await }, async {
        TestNode::join(&relay.join_link()).await
    });
    let page = home.page().await;
    let machine = add(&page, &ada, "ada").await;
    let own = home.machine().await.machine_id;
    let phone = TestDevice::new("phone");
    let session = phone.connect(&phone.pair(&home, Role::Owner).await).await;
    for path in [
        "/v1/machines".to_owned(),
        "/v1/machines/events".to_owned(),
        format!("/v1/machines/{machine}"),
        at(machine, "machine"),
        at(machine, "agents"),
        at(own, "machine"),
    ] {
        let error = session.request(Request::get(&*path)).await.unwrap_err().to_string();
        assert!(error.contains("own user"), "{path}: {error}");
    }
    let error = session.request(Request::delete(format!("/v1/machines/{machine}"))).await;
    assert!(error.unwrap_err().to_string().contains("own user"));
    // Nor does it hear which machines there are.
    let mut heard = session.request(Request::get("/v1/events")).await.unwrap();
    page.get(&at(machine, "machine")).await;
    let devices: Vec<Device> = home.read("/v1/devices").await;
    home.code(Role::Observer).await;
    let other = TestDevice::new("tablet").pair(&home, Role::Observer).await;
    assert_eq!((devices.len(), other.machine_id), (1, own));
    let mut text = String::new();
    while !text.contains("tablet") {
        let bytes = soon("an event", heard.chunk()).await.unwrap().unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    assert!(!text.contains(&machine.to_string()), "{text}");
    // And one machine's gateway is no way to a third's.
    let through = page.get(&at(machine, &format!("machines/{own}/machine"))).await;
    assert_eq!((through.status, &through.json()["code"]), (403, &"role-forbids".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_removed_this_user_says_so_and_takes_them_in_again() {
    let relay = TestRelay::start();
    let ada = TestNode::join(&relay.join_link()).await;
    let home = TestNode::alone();
    let page = home.page().await;
    let machine = add(&page, &ada, "ada").await;
    let mut events = page.events().await;
    events.until(machine, "connected").await;
    let devices: Vec<Device> = ada.read("/v1/devices").await;
    let path = format!("/v1/devices/{}", devices[0].device_id);
    ada.api().await.request(Request::delete(path)).await.unwrap();
    events.until(machine, "revoked").await;
    let refused = page.get(&at(machine, "machine")).await;
    assert_eq!(refused.status, 502);
    assert!(refused.json()["detail"].as_str().unwrap().contains("gantline pair"), "{refused:?}");

    // A code is not burnt by a slip of the finger, and a wrong one pairs nobody.
    let code = ada.code(Role::Operator).await.code.to_string();
    let wrong = format!("{}{}", if code.starts_with('0') { '1' } else { '0' }, &code[1..]);
    let ask = |code: &str| {
        let address = format!("{machine}.{}", ada.relay());
        page.post("/v1/machines", json!({ "code": code, "address": address })).boxed()
    };
    for _ in 0..2 {
        let refused = ask(&wrong).await;
        assert_eq!(refused.status, 409, "{refused:?}");
    }
    let refused = ask(&wrong).await.json();
    assert!(refused["detail"].as_str().unwrap().contains("two tries"), "{refused}");
    let added = ask(&code).await;
    assert_eq!(added.status, 201, "{added:?}");
    let told = events.until(machine, "connected").await;
    assert_eq!((&told["role"], &told["name"]), (&"operator".into(), &"ada".into()));
    assert_eq!(page.get(&at(machine, "machine")).await.json()["role"], "operator");
    assert_eq!(page.get(&at(machine, "devices")).await.status, 403, "the role counts there");
}
