//! `make run` is ended with Ctrl-C in a real terminal: nothing of it is left, agents included, also
//! those that don't want to go.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::Command,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use gantline_tests::program;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

/// Long enough for a busy machine, and for the 10 s that an agent has.
const PATIENCE: Duration = Duration::from_secs(60);

/// Processes that belong to this run: they have its directory in their environment, as an agent has
/// as well, or its id.
fn processes(marks: &[String]) -> Vec<(i32, String)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let all = [environment, line].concat();
        let all = String::from_utf8_lossy(&all).replace('\0', " ");
        let is_ours = marks.iter().any(|mark| all.contains(mark));
        is_ours.then(|| (pid, all.chars().take(100).collect()))
    })
    .collect()
}

fn until(output: &Receiver<Vec<u8>>, seen: &mut String, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !seen.contains(text) {
        let left = deadline.saturating_duration_since(Instant::now());
        match output.recv_timeout(left) {
            Ok(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            Err(error) => panic!("waited for {text:?} ({error}) and saw {seen:?}"),
        }
    }
}

#[test]
fn ctrl_c_at_make_run_leaves_nothing_running() {
    let scratch = tempfile::tempdir().unwrap();
    let base = scratch.path().join("run");
    let programs = program::path("gantline").parent().unwrap().to_owned();
    assert!(program::path("gantline-relay").exists());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/run-local");
    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut command = CommandBuilder::new(script);
    command.args([programs.as_os_str(), "0".as_ref()]);
    command.env("GANTLINE_RUN_DIR", &base);
    let mut run = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut keys = pair.master.take_writer().unwrap();
    let mut screen = pair.master.try_clone_reader().unwrap();
    let (give, output) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            if give.send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut seen = String::new();
    until(&output, &mut seen, "Ctrl-C ends");

    let mut marks = vec![base.display().to_string()];
    for script in ["exec sleep 600", "trap '' TERM HUP INT; echo deaf; while :; do sleep 600; done"]
    {
        let spawned = Command::new(base.join("bin/gantline"))
            .args(["spawn", "--", "sh", "-c", script])
            .output()
            .unwrap();
        assert!(spawned.status.success(), "{spawned:?}");
        let agent = String::from_utf8(spawned.stdout).unwrap().trim().to_owned();
        marks.push(format!("GANTLINE_AGENT={agent}"));
    }
    assert!(processes(&marks).len() >= 6, "{:?}", processes(&marks));

    keys.write_all(b"\x03").unwrap();
    keys.flush().unwrap();
    let began = Instant::now();
    while run.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "the script goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Whoever ignores TERM has 10 s from the stop on.
    loop {
        let left = processes(&marks);
        if left.is_empty() {
            break;
        }
        if began.elapsed() > PATIENCE {
            for (pid, _) in &left {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            }
            panic!("left running: {left:?}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(began.elapsed() < Duration::from_secs(40), "it took {:?}", began.elapsed());
}
