//! How agents are looked after, as people say it on the command line: at a spawn, by `set`, and by the
//! verbs that start, stop and show them.

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
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use cli_support::{Home, PATIENCE, pid};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

fn agent(home: &Home, wanted: &str) -> Value {
    home.json(&["show", wanted, "--json"])
}

/// Waits until the agent is as wanted.
fn until(home: &Home, wanted: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let now = agent(home, wanted);
        if is_it(&now) {
            return now;
        }
        assert!(begun.elapsed() < PATIENCE, "{now}");
        pause();
    }
}

/// Nobody tells a command line when something has changed.
#[allow(clippy::disallowed_methods)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn until_state(home: &Home, wanted: &str, state: &str) -> Value {
    until(home, wanted, |agent| agent["state"] == state)
}

#[test]
fn what_is_said_at_a_spawn_counts_and_set_changes_nothing_but_what_it_names() {
    let home = Home::with_node();
    let spawn = [
        "spawn --json --name db --restart on-failure --success-codes 0,3 --stop-signal sigint",
        "--stop-grace 2s --probe exec:true --probe-interval 7s --probe-failures 2",
        "--probe-successes 3 --probe-start-period 1m --memory 2G --cpu 150% --pids 64",
        "-- sleep 600",
    ]
    .join(" ");
    let spawned = home.json(&spawn.split(' ').collect::<Vec<_>>());
    assert_eq!(
        (&spawned["restart"], &spawned["successCodes"]),
        (&"on-failure".into(), &json!([0, 3]))
    );
    assert_eq!(spawned["stop"], json!({"signal": "INT", "graceMs": 2000}));
    let limits = json!({"memoryMb": 2048, "cpuPercent": 150, "pids": 64});
    assert_eq!(spawned["limits"], limits);
    let probe = |timeout: u32| {
        json!({
            "kind": "exec", "argv": ["/bin/sh", "-c", "true"], "intervalMs": 7000,
            "timeoutMs": timeout, "startPeriodMs": 60_000, "failures": 2, "successes": 3,
            "restarts": false,
        })
    };
    let usual = u32::try_from(spawned["probe"]["timeoutMs"].as_u64().unwrap()).unwrap();
    assert_eq!(spawned["probe"], probe(usual));

    let set = |arguments: &[&str]| home.json(&[&["set", "db", "--json"], arguments].concat());
    assert_eq!(set(&["--probe-timeout", "500ms"])["probe"], probe(500));
    let now = set(&["--cpu", "none", "--stop-grace", "3s"]);
    assert_eq!(now["limits"], json!({"memoryMb": 2048, "pids": 64}));
    assert_eq!(now["stop"], json!({"signal": "INT", "graceMs": 3000}));
    assert_eq!((&now["restart"], &now["pid"]), (&spawned["restart"], &spawned["pid"]));
    let shown = home.ok(&["show", "db"]);
    for what in ["INT, and KILL after 3 s", "every 7 s within 0.5 s", "2048 MiB of memory"] {
        assert!(shown.contains(what), "{shown}");
    }
    assert!(set(&["--probe", "none"])["probe"].is_null());
    let ran = home.run(&["set", "db"]);
    assert!(ran.code == Some(2) && ran.err.contains("nothing is to be changed"), "{}", ran.err);
    for (wrong, why) in [
        (["--memory", "512"], "as in 512M"),
        (["--after", "db"], "wait for itself"),
        (["--after", "nobody"], "no agent nobody"),
        (["--probe", "udp:1"], "tcp:PORT"),
        (["--stop-signal", "usr1"], "HUP, INT, QUIT, TERM or KILL"),
    ] {
        let ran = home.run(&[&["set", "db"][..], &wrong].concat());
        assert!(ran.code != Some(0) && ran.err.contains(why), "{wrong:?}: {}", ran.err);
    }
}

#[test]
fn who_waits_is_listed_and_says_for_what_and_starts_when_that_comes_true() {
    let home = Home::with_node();
    let gate = home.path().join("gate");
    let script =
        format!("until [ -e '{}' ]; do sleep 0.05; done; echo ready; sleep 600", gate.display());
    home.ok(&["spawn", "--name", "db", "--probe", "line:ready", "--", "sh", "-c", &script]);
    let web = home.run(&["spawn", "--name", "web", "--after", "db:healthy", "--", "sleep", "600"]);
    assert!(web.code == Some(0) && web.err.contains("waits for db"), "{}", web.err);
    let report = ["spawn", "--name", "report", "--after", "web:completed", "--", "true"];
    assert!(home.run(&report).err.contains("waits for web"));
    let listed = home.ok(&["ps"]);
    for name in ["web", "report"] {
        let line =
            listed.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{listed}"));
        assert!(line.contains("starting"), "{listed}");
    }
    let shown = home.ok(&["show", "web"]);
    assert!(shown.contains("db (ag-") && shown.contains("is healthy"), "{shown}");
    fs::write(&gate, "").unwrap();
    let web = until_state(&home, "web", "running");
    assert!(web["pid"].as_u64().is_some());
    // Who waits is stopped as well, or it would start later.
    home.ok(&["kill", "--all"]);
    for name in ["db", "web", "report"] {
        until_state(&home, name, "exited");
    }
    assert_eq!(agent(&home, "report")["restarts"], 0);
}

#[test]
fn an_agent_that_is_always_restarted_is_ended_for_good_by_kill_9_too() {
    let home = Home::with_node();
    home.ok(&["spawn", "--name", "db", "--restart", "always", "--", "sleep", "600"]);
    home.ok(&["kill", "-9", "db"]);
    let ended = until(&home, "db", |agent| agent["pid"].is_null());
    assert_eq!((&ended["desired"], &ended["restarts"]), (&json!("stopped"), &json!(0)), "{ended}");
}

#[test]
fn several_agents_are_stopped_started_and_restarted_by_one_command() {
    let home = Home::with_node();
    let names = ["one", "two"];
    for name in names {
        home.ok(&["spawn", "--name", name, "--restart", "always", "--", "sleep", "600"]);
    }
    let pids = || names.map(|name| until_state(&home, name, "running")["pid"].clone());
    let first = pids();
    home.ok(&["restart", "one", "two"]);
    for (name, old) in names.iter().zip(&first) {
        until(&home, name, |agent| agent["state"] == "running" && agent["pid"] != *old);
    }
    home.ok(&["stop", "one", "two"]);
    for name in names {
        let stopped = until_state(&home, name, "exited");
        assert_eq!((&stopped["desired"], &stopped["restarts"]), (&"stopped".into(), &0.into()));
    }
    let ran = home.run(&["stop", "one"]);
    assert!(ran.code == Some(1) && ran.err.contains("has ended"), "{}", ran.err);
    home.ok(&["start", "one", "two"]);
    pids();
    let ran = home.run(&["start", "one"]);
    assert!(ran.code == Some(1) && ran.err.contains("gantline restart"), "{}", ran.err);
}

#[test]
fn what_can_not_be_started_fails_in_the_script_that_starts_it_and_says_why() {
    let home = Home::with_node();
    let program = home.path().join("program");
    fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    home.ok(&["spawn", "--name", "web", "--", program.to_str().unwrap()]);
    home.ok(&["stop", "web"]);
    until_state(&home, "web", "exited");
    fs::remove_file(&program).unwrap();
    for verb in ["start", "restart"] {
        let ran = home.run(&[verb, "web"]);
        assert_eq!(ran.code, Some(1), "{verb}: {}", ran.err);
        assert!(ran.err.contains("failed: there is no program"), "{}", ran.err);
    }
    let shown = home.ok(&["show", "web"]);
    assert!(shown.contains("there is no program"), "{shown}");
    // Its definition is still good for something: whoever puts the program back starts it.
    fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    home.ok(&["start", "web"]);
}

#[test]
fn an_environment_is_changed_for_the_next_start_and_can_be_taken_away() {
    let home = Home::with_node();
    let script = "echo \"it is ${WORD-unset}.\"; exec sleep 600";
    home.ok(&["spawn", "--name", "web", "-e", "WORD=first", "--", "sh", "-c", script]);
    for (change, expected) in
        [(&["-e", "WORD=second"][..], "it is second."), (&["--no-env"], "it is unset.")]
    {
        let told = home.run(&[&["set", "web"], change].concat());
        assert!(told.err.contains("from the next start on"), "{}", told.err);
        let before = agent(&home, "web")["epoch"].clone();
        home.ok(&["restart", "web"]);
        until(&home, "web", |agent| agent["state"] == "running" && agent["epoch"] != before);
        let begun = Instant::now();
        loop {
            let said = home.ok(&["logs", "web"]);
            if said.contains(expected) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{said}");
            pause();
        }
    }
}

#[test]
fn an_agent_that_nobody_saw_end_is_among_those_that_went_wrong() {
    let home = Home::with_node();
    let ids = ["lost", "failed", "fine"].map(|name| {
        let script = match name {
            "lost" => "exec sleep 600",
            "failed" => "exit 4",
            _ => "true",
        };
        home.ok(&["spawn", "--name", name, "--", "sh", "-c", script]).trim().to_owned()
    });
    let life = fs::read(home.path().join(format!("log/{}/process.json", ids[0]))).unwrap();
    let life: Value = serde_json::from_slice(&life).unwrap();
    let of = |which: &str| pid(u32::try_from(life[which]["pid"].as_u64().unwrap()).unwrap());
    kill_process(of("shim"), Signal::KILL).unwrap();
    let _ = kill_process(of("process"), Signal::KILL);
    until_state(&home, &ids[0], "lost");
    until_state(&home, &ids[1], "exited");
    until_state(&home, &ids[2], "exited");
    let begun = Instant::now();
    loop {
        let failed = home.json(&["history", "--failed", "--json"]);
        let named = |name: &str| failed.as_array().unwrap().iter().any(|life| life["name"] == name);
        assert!(!named("fine"), "{failed}");
        if named("lost") && named("failed") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{failed}");
        pause();
    }
}

#[test]
fn a_chart_is_of_the_time_that_was_asked_for() {
    let home = Home::with_node();
    for (since, seconds) in [("10m", 600), ("2d", 172_800)] {
        let metrics = home.json(&["metrics", "--since", since, "--json"]);
        let time = |which: &str| metrics[which].as_u64().unwrap();
        let long = (time("to") - time("from")) / 1000;
        assert_eq!(long, seconds, "{since}");
        assert!(long * 1000 / time("stepMs") <= 60, "{metrics}");
    }
}

#[test]
fn a_probe_that_was_taken_away_or_whose_agent_was_stopped_is_not_run_any_more() {
    let home = Home::with_node();
    let [clock, other, stopped] = ["clock", "other", "stopped"].map(|name| {
        let file = home.path().join(name);
        let probe = format!("exec:echo >> '{}'", file.display());
        let pace = ["--probe-interval", "100ms", "--probe", &probe];
        home.ok(&[&["spawn", "--name", name], &pace[..], &["--", "sleep", "600"]].concat());
        file
    });
    let count = |file: &Path| fs::read(file).map_or(0, |lines| lines.len());
    let grows = |file: &Path, by: usize| {
        let (before, begun) = (count(file), Instant::now());
        while count(file) < before + by {
            assert!(begun.elapsed() < PATIENCE, "{} is not probed", file.display());
            pause();
        }
    };
    grows(&other, 2);
    grows(&stopped, 2);
    home.ok(&["set", "other", "--probe", "none"]);
    home.ok(&["stop", "stopped"]);
    until_state(&home, "stopped", "exited");
    let before = [count(&other), count(&stopped)];
    // What was begun already may still write its line.
    grows(&clock, 10);
    let after = [count(&other), count(&stopped)];
    assert!(after[0] <= before[0] + 1 && after[1] <= before[1] + 1, "{before:?} {after:?}");
}
