//! The disk is full, or can only be read: the node says so, terminals live, and once it can be written
//! again everything works.
#![cfg(target_os = "linux")]
// Nobody tells of files and processes: they are looked at until they are as expected.
#![allow(
    clippy::disallowed_methods,
    missing_docs,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

mod cli_support;

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use cli_support::{Home, PATIENCE, Terminal, agents_end};
use serde_json::Value;

/// A small disk of its own in the place of a home. There is room for all that the agents of one story
/// leave there.
struct Disk(PathBuf);

impl Disk {
    /// `None` where nothing can be mounted, which is said.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=32m,mode=0700", "none"])
            .arg(at)
            .output();
        if mount.is_ok_and(|done| done.status.success()) {
            return Some(Self(at.to_owned()));
        }
        assert!(std::env::var_os("GANTLINE_NO_SKIPS").is_none(), "nothing can be mounted here");
        eprintln!("SKIPPED: nothing can be mounted here");
        None
    }

    /// Writes until nothing more can be written.
    fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.filler()).unwrap();
        while filler.write_all(&[b'x'; 4096]).is_ok() {}
        while filler.write_all(b"x").is_ok() {}
    }

    /// Makes so much room, and no more.
    fn spare(&self, bytes: u64) {
        let filler = File::options().write(true).open(self.filler()).unwrap();
        filler.set_len(filler.metadata().unwrap().len() - bytes).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    /// `rw`, or `ro`: nothing can be written any more.
    fn remount(&self, how: &str) {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(&self.0)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still ends keeps it until then.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// A request to the node's socket: the status, and the answer.
fn ask(home: &Home, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = UnixStream::connect(home.path().join("run/node.sock")).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_full_disk_costs_new_work_and_history_and_nothing_else_and_heals_by_itself() {
    let mut home = Home::empty();
    let Some(disk) = Disk::mount(&home.path()) else { return };
    home.up();
    let echo = home.spawn("stty -echo; echo up; while read -r line; do echo \"got $line\"; done");
    let scratch = tempfile::tempdir().unwrap();
    let gate = scratch.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let flood = home.spawn(&format!("cat '{}'; seq 1 2000000; exit 7", gate.display()));
    let mut terminal = Terminal::run(&home, &["attach", &echo]);
    terminal.until("up");
    disk.fill();

    terminal.types("still there\r");
    terminal.until("got still there");
    // So does an agent that writes far more than memory keeps, and how it ends is known although
    // that can't be written down.
    fs::write(&gate, "go\n").unwrap();
    until("its end", || home.ok(&["ps", "-a"]).contains("exited (exit 7)"));
    // New work is refused, with the reason.
    let refused = home.run(&["spawn", "--", "sleep", "600"]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("No space left on device"), "{}", refused.err);
    let (status, problem) = ask(&home, "POST", "/v1/agents", r#"{"argv":["sleep","600"]}"#);
    assert_eq!((status, &problem["code"]), (503, &"unavailable".into()), "{problem}");
    // A change of how an agent is looked after counts at once; it is kept as soon as that goes.
    let path = format!("/v1/agents/{echo}");
    let (status, changed) = ask(&home, "PATCH", &path, r#"{"name":"renamed"}"#);
    assert_eq!((status, &changed["name"]), (200, &"renamed".into()), "{changed}");
    let kept = || fs::read_to_string(home.path().join("state/agents.json")).unwrap();
    // Logs that are in memory are read as ever.
    assert!(home.ok(&["logs", &echo]).contains("got still there"));
    // The node that nobody would start again is there.
    home.ok(&["status"]);

    // There is a little room again, and not enough for what it wrote: how it ended is written first.
    disk.spare(512 * 1024);
    let dir = home.path().join("log").join(&flood);
    until("how it ended", || dir.join("exit.json").exists());
    let shim = home.path().join(format!("run/{flood}.sock"));
    assert!(shim.exists(), "what does not fit is not kept");

    disk.free();
    // Then all of it is, and nothing stays but files.
    until("the end of its shim", || !shim.exists());
    assert!(home.ok(&["logs", &flood]).trim_end().ends_with("2000000"));
    let after = home.spawn("echo after; exec sleep 600");
    until("its output", || home.ok(&["logs", &after]).contains("after"));
    until("the change", || kept().contains("renamed"));
    terminal.types("and again\r");
    terminal.until("got and again");
    // The log is kept again: what did not fit into memory is found whole on the disk.
    let long = home.spawn("seq 1 1200000");
    until("its end", || home.ok(&["ps", "-a"]).contains("exited (exit 0)"));
    let lines = home.ok(&["logs", &long]);
    assert_eq!(lines.lines().count(), 1_200_000, "{}", home.run(&["logs", &long]).err);
    assert_eq!(home.down(), Some(0));
    // Below the disk, where they can't be found any more when it is gone.
    agents_end::all(&home.path().join("log"));
    drop(disk);
}

#[test]
fn a_home_that_can_only_be_read_is_named_and_its_agents_live_on() {
    let mut home = Home::empty();
    let Some(disk) = Disk::mount(&home.path()) else { return };
    home.up();
    let echo = home.spawn("stty -echo; echo up; while read -r line; do echo \"got $line\"; done");
    let before = home.ok(&["ps"]);
    home.kill();
    disk.remount("ro");
    let refused = home.run(&["up", "--port", "0"]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    let where_it_is = home.path().display().to_string();
    assert!(
        refused.err.contains(&where_it_is) && refused.err.contains("Read-only file system"),
        "{}",
        refused.err
    );
    disk.remount("rw");
    home.up();
    // The same process, by its number.
    let pid = |ps: &str| ps.lines().nth(1).unwrap().split('\t').nth(3).map(str::to_owned);
    assert_eq!(pid(&home.ok(&["ps"])), pid(&before));
    let mut terminal = Terminal::run(&home, &["attach", &echo]);
    terminal.until("up");
    terminal.types("still there\r");
    terminal.until("got still there");
    assert_eq!(home.down(), Some(0));
    agents_end::all(&home.path().join("log"));
    drop(disk);
}
