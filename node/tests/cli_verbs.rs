//! The command line with a real node: agents, commands, and what it says when something is missing.

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
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use cli_support::Home;
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn whoever_knows_nothing_learns_three_commands() {
    let home = Home::empty();
    let out = home.ok(&[]);
    for command in ["gantline up", "gantline spawn", "gantline pair"] {
        assert!(out.contains(command), "{out}");
    }
    assert!(home.ok(&["exec", "--help"]).contains("gantline exec --all"));
    assert_eq!(home.run(&["frobnicate"]).code, Some(2));
    assert_eq!(home.run(&["exec"]).code, Some(2));
}

#[test]
fn without_a_node_every_verb_says_so_and_what_to_do() {
    let home = Home::empty();
    for verb in [&["ps"][..], &["status"], &["exec", "--", "true"], &["device", "list"], &["pair"]]
    {
        let ran = home.run(verb);
        assert_eq!(ran.code, Some(3), "{verb:?}: {}", ran.err);
        assert!(ran.err.contains("no node runs on this machine"), "{}", ran.err);
        assert!(ran.err.contains("gantline up"), "{}", ran.err);
        assert_eq!(ran.out, "");
    }
    let ran = home.run(&["exec", "--on", "nobody", "--", "true"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("no machine called nobody is paired"), "{}", ran.err);
}

#[test]
fn a_node_that_hangs_keeps_nobody_waiting() {
    let home = Home::with_node();
    let agent = home.spawn("sleep 600");
    home.signal(Signal::STOP);
    let (home, verbs) = (&home, [vec!["ps"], vec!["attach", &agent]]);
    let begun = Instant::now();
    let all = thread::scope(|scope| {
        let ran = verbs.map(|verb| scope.spawn(move || home.run(&verb)));
        ran.map(|ran| ran.join().unwrap())
    });
    home.signal(Signal::CONT);
    assert!(begun.elapsed() < Duration::from_secs(20));
    for ran in all {
        assert_eq!(ran.code, Some(3), "{}", ran.err);
        assert!(ran.err.contains("no answer within 10 s"), "{}", ran.err);
    }
}

#[test]
fn a_second_node_is_told_of_the_first() {
    let mut home = Home::empty();
    let ready = home.up();
    let ran = home.run(&["up"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains(&format!("process {}", ready["pid"])), "{}", ran.err);
    assert_eq!(home.down(), Some(0));
}

#[test]
fn a_command_is_as_if_it_were_run_here() {
    let home = Home::with_node();
    let ran = home.run(&["exec", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(7), "out\n", "err\n"));
    let ran = home.run(&["exec", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(ran.code, Some(137), "{}", ran.err);
    let ran =
        home.run(&["exec", "--shell", "-e", "A=b c", "--cwd", "/", "--", "echo $A $1; pwd", "x"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "b c x\n/\n"), "{}", ran.err);
    let ran = home.run(&["exec", "--", "/no/such/program"]);
    assert!(ran.code != Some(0) && ran.err.contains("/no/such/program"), "{}", ran.err);
}

#[test]
fn bytes_that_are_not_text_arrive_as_they_are() {
    let home = Home::with_node();
    let output =
        home.command(&["exec", "--", "sh", "-c", r"printf '\377\000\033[2J\n'"]).output().unwrap();
    assert_eq!(output.stdout, b"\xff\x00\x1b[2J\n");
}

#[test]
fn a_command_that_takes_too_long_is_stopped() {
    let home = Home::with_node();
    let ran = home.run(&["exec", "--timeout", "300ms", "--", "sleep", "600"]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("its time was over"), "{}", ran.err);
}

#[test]
fn a_program_can_read_what_happens() {
    let home = Home::with_node();
    let ran = home.run(&["exec", "--json", "--", "sh", "-c", "echo out; echo err >&2; exit 2"]);
    let lines: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let one = |kind: &str| lines.iter().find(|line| line["kind"] == kind).unwrap();
    assert_eq!(lines[0]["kind"], "start");
    assert_eq!(one("out")["text"], "out\n");
    assert_eq!(one("err")["text"], "err\n");
    assert_eq!(one("exit")["status"]["code"], 2);
    assert_eq!(one("summary")["failed"], 1);
    assert_eq!(ran.code, Some(1));
    let status = home.json(&["status", "--json"]);
    assert_eq!(status["machine"]["name"], "ada");
    assert!(status["loopback"].as_str().unwrap().starts_with("127.0.0.1:"), "{status}");
}

#[test]
fn an_agent_is_started_listed_read_stopped_and_forgotten() {
    let home = Home::with_node();
    let agent = home.json(&[
        "spawn",
        "--json",
        "--name",
        "work",
        "--",
        "sh",
        "-c",
        "echo begun; exec sleep 600",
    ]);
    let id = agent["agentId"].as_str().unwrap();
    assert!(home.ok(&["ps"]).contains(id));
    let listed = home.json(&["ps", "--json"]);
    assert_eq!((&listed[0]["agentId"], &listed[0]["name"]), (&agent["agentId"], &agent["name"]));

    // Follows to the agent's end, which the kill brings about.
    let mut logs = home.command(&["logs", "-f", "work"]);
    let logs = logs.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ran = home.run(&["kill", "work"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let logs = logs.wait_with_output().unwrap();
    assert!(logs.status.success(), "{}", String::from_utf8_lossy(&logs.stderr));
    assert_eq!(logs.stdout, b"begun\r\n");

    assert!(!home.ok(&["ps"]).contains(id));
    assert!(home.ok(&["ps", "-a"]).contains(id));
    assert_eq!(home.ok(&["logs", "--from", "2", "--plain", id]), "gun\n");
    home.ok(&["rm", id]);
    assert!(!home.ok(&["ps", "-a"]).contains(id));
    let ran = home.run(&["logs", id]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
}

#[test]
fn a_kill_that_can_not_be_ignored() {
    let home = Home::with_node();
    let id = home.spawn("trap '' TERM INT; echo deaf; sleep 600");
    let ran = home.run(&["kill", &id, "-9"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    home.ok(&["logs", "-f", &id]);
    assert!(home.ok(&["ps", "-a"]).contains("signal 9"));
    let ran = home.run(&["kill", "nobody"]);
    assert!(ran.code == Some(1) && ran.err.contains("no agent nobody"), "{}", ran.err);
}

#[test]
fn whoever_stops_reading_hears_no_complaint() {
    let home = Home::with_node();
    let id = home.spawn("seq 1 100000");
    home.ok(&["logs", "-f", &id]);
    let mut logs = home.command(&["logs", &id]);
    let mut logs = logs.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(logs.stdout.take());
    let output = logs.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn where_the_user_has_a_manager_each_agent_gets_a_scope_of_its_own() {
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};
    let dir = tempfile::tempdir().unwrap();
    let (runtime, bin) = (dir.path().join("runtime"), dir.path().join("bin"));
    std::fs::create_dir_all(runtime.join("systemd")).unwrap();
    std::fs::create_dir(&bin).unwrap();
    let _manager = UnixListener::bind(runtime.join("systemd/private")).unwrap();
    // Notes what it was asked for, and does as the real one: it becomes the program.
    let run = bin.join("systemd-run");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> '{}/asked'\n[ -e '{0}/refuse' ] && exit 1\n\
         while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"\n",
        dir.path().display()
    );
    std::fs::write(&run, script).unwrap();
    std::fs::set_permissions(&run, PermissionsExt::from_mode(0o700)).unwrap();
    let mut home = Home::empty();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    home.up_with(|command| {
        command.env("XDG_RUNTIME_DIR", &runtime).env("PATH", path);
    });
    let id = home.spawn("echo in a scope");
    assert!(home.ok(&["logs", "-f", &id]).contains("in a scope"));
    let asked = || std::fs::read_to_string(dir.path().join("asked")).unwrap();
    assert!(asked().starts_with(
        "--user --scope --quiet --collect --property=Delegate=yes --unit=gantline-ag-"
    ));
    // A manager that refuses costs the scope, not the agent.
    std::fs::write(dir.path().join("refuse"), "").unwrap();
    let id = home.spawn("echo all the same");
    assert!(home.ok(&["logs", "-f", &id]).contains("all the same"));
    assert_eq!(asked().lines().count(), 2);
}
