//! Definition files with a real node: what `gantline apply` starts, changes and leaves alone.

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
    io::Write,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use cli_support::{Home, PATIENCE};
use serde_json::Value;

const FILE: &str = r#"
[defaults]
restart = "always"

[agents.web]
command = "echo token $TOKEN; exec sleep 600"
env = { TOKEN = "hunter2" }
dependsOn = { db = "healthy" }

[agents.db]
argv = ["sh", "-c", "echo ready; exec sleep 600"]
probe = { kind = "line", text = "ready" }
stop = { signal = "TERM", graceMs = 2000 }
"#;

/// Applies `file`, with these options.
fn apply(home: &Home, file: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["apply"], options, &["-"]].concat();
    let mut child = home
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(file.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn agents(home: &Home) -> Vec<Value> {
    serde_json::from_str::<Vec<Value>>(&home.ok(&["ps", "-a", "--json"])).unwrap()
}

fn agent(home: &Home, name: &str) -> Value {
    let agents = agents(home);
    agents.into_iter().find(|agent| agent["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// Nobody tells a command line when something has changed.
#[allow(clippy::disallowed_methods)]
fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it does not come true");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_file_comes_true_once_and_nothing_is_touched_the_second_time() {
    let home = Home::with_node();
    let (code, out, err) = apply(&home, FILE, &["--dry-run"]);
    assert_eq!((code, agents(&home).len()), (Some(0), 0), "{out}{err}");
    assert!(out.contains("+ db") && err.contains("2 agents would change"), "{out}{err}");

    let (code, out, err) = apply(&home, FILE, &[]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (web, db) = (agent(&home, "web"), agent(&home, "db"));
    assert_eq!((&web["source"], &web["restart"]), (&"apply".into(), &"always".into()));
    assert_eq!(web["dependsOn"][0]["agentId"], db["agentId"]);

    let (code, out, err) = apply(&home, FILE, &[]);
    assert_eq!(code, Some(0));
    assert!(err.contains("nothing to change") && !out.contains(['+', '~', '!']), "{out}{err}");
    let again = (agent(&home, "web"), agent(&home, "db"));
    assert_eq!(again.1["pid"], db["pid"], "it was restarted");
    assert_eq!((&again.0["agentId"], &again.1["agentId"]), (&web["agentId"], &db["agentId"]));
    home.ok(&["kill", "--all", "-9"]);
}

#[test]
fn what_differs_is_changed_and_a_password_is_never_shown() {
    let home = Home::with_node();
    apply(&home, FILE, &[]);
    let db = agent(&home, "db");
    let other = FILE.replace("hunter2", "swordfish").replace("2000", "3000");
    for options in [&["--diff", "--dry-run"][..], &["--json", "--dry-run"], &["--diff"]] {
        let (code, out, err) = apply(&home, &other, options);
        assert_eq!(code, Some(0), "{out}{err}");
        assert!(
            !(out.clone() + &err).contains("hunter2") && !out.contains("swordfish"),
            "{out}{err}"
        );
        if options.contains(&"--diff") {
            assert!(out.contains("TOKEN changed") && out.contains("2000"), "{out}");
            let stop = out.lines().find(|line| line.contains("graceMs")).unwrap();
            let (from, to) = stop.split_once(" → ").unwrap();
            assert!(from.contains("2000") && to.contains("3000"), "{stop}");
        }
        if options.contains(&"--dry-run") {
            assert_eq!(agent(&home, "db")["stop"]["graceMs"], 2000);
        }
    }
    let changed = agent(&home, "db");
    assert_eq!((&changed["pid"], &changed["stop"]["graceMs"]), (&db["pid"], &3000.into()));
    let (_, _, err) = apply(&home, &other, &[]);
    assert!(err.contains("nothing to change"), "{err}");
    home.ok(&["kill", "--all", "-9"]);
}

#[test]
fn what_counts_from_the_next_start_on_is_brought_about_and_nobody_waits_for_an_agent_of_before() {
    let home = Home::with_node();
    apply(&home, FILE, &[]);
    let (web, db) = (agent(&home, "web"), agent(&home, "db"));
    // Another environment takes another process.
    let (code, out, err) = apply(&home, &FILE.replace("hunter2", "swordfish"), &[]);
    assert!(code == Some(0) && out.contains("env; restarts"), "{out}{err}");
    let other = |name: &str, old: &Value| {
        let now = agent(&home, name);
        now["epoch"].is_string() && now["epoch"] != old["epoch"]
    };
    until(|| other("web", &web));
    assert_eq!(agent(&home, "db")["pid"], db["pid"], "it was not meant");
    let said = |word: &str| home.ok(&["logs", "web"]).contains(word);
    until(|| said("token swordfish"));

    // Another command takes another agent, for which those wait that waited for the old one.
    let (code, out, err) =
        apply(&home, &FILE.replace("echo ready", "echo ready again"), &["--json"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let done: Value = serde_json::from_str(&out).unwrap();
    let replaced = done.as_array().unwrap().iter().find(|done| done["agent"] == "db").unwrap();
    let now = agent(&home, "db");
    assert_eq!((&replaced["action"], &replaced["agentId"]), (&"replace".into(), &now["agentId"]));
    assert_ne!(now["agentId"], db["agentId"]);
    assert_eq!(agent(&home, "web")["dependsOn"][0]["agentId"], now["agentId"]);
    assert!(
        agents(&home).iter().all(|agent| agent["agentId"] != db["agentId"]),
        "the old one stays"
    );
    home.ok(&["kill", "--all", "-9"]);
}

#[test]
fn what_was_exported_is_applied_without_a_change_and_prune_asks_first() {
    let home = Home::with_node();
    apply(&home, FILE, &[]);
    let exported = home.ok(&["export"]);
    assert!(exported.contains("[agents.web]") && !exported.contains("hunter2"), "{exported}");
    let (code, out, err) = apply(&home, &exported, &["--prune"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("nothing to change"), "{exported}{out}{err}");

    let only_db = exported.split("[agents.web]").next().unwrap();
    let (code, _, err) = apply(&home, only_db, &["--prune"]);
    assert_eq!((code, agents(&home).len()), (Some(2), 2), "{err}");
    let (code, out, err) = apply(&home, only_db, &["--prune", "--yes"]);
    assert_eq!((code, agents(&home).len()), (Some(0), 1), "{out}{err}");
    home.ok(&["kill", "--all", "-9"]);
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_says_where_it_is() {
    let home = Home::with_node();
    let path = home.path().join("agents.toml");
    fs::write(&path, "[agents.a]\nargv = [\"true\"]\nretsart = \"no\"\n").unwrap();
    let ran = home.run(&["apply", path.to_str().unwrap()]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("agents.toml:3: agents.a.retsart"), "{}", ran.err);
    assert_eq!(agents(&home).len(), 0);
    let ran = home.run(&["apply", "/no/such/file"]);
    assert!(ran.code == Some(1) && ran.err.contains("can't be read"), "{}", ran.err);
}
