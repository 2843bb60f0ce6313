//! What a person waits for at a terminal: programs from their start to what they show, beside tmux.

use std::{
    io::Read as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::{
    LINES,
    node::{Node, command},
    number,
    table::Table,
};

/// The same, as programs: `gantline attach` and `tmux attach`, from their start to the last line.
pub fn attach(node: &Node, dir: &Path, table: &mut Table) {
    let gantline = |arguments: &[&str]| command(&node.home, arguments);
    let script = format!("seq {LINES}; echo the last; exec sleep 600");
    let spawned = gantline(&["spawn", "--", "sh", "-c", &script]).output().unwrap();
    let id = String::from_utf8(spawned.stdout).unwrap().trim().to_owned();
    let socket = dir.join("tmux");
    let tmux = |arguments: &[&str]| {
        let mut command = Command::new("tmux");
        command.arg("-f").arg("/dev/null").arg("-S").arg(&socket).args(arguments);
        command
    };
    let has_tmux = tmux(&["-V"]).output().is_ok_and(|output| output.status.success());
    if has_tmux {
        let set = ["set", "-g", "history-limit", "20000", ";", "new-session", "-d", &script];
        tmux(&set).status().unwrap();
    }
    std::thread::park_timeout(Duration::from_secs(1));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..number("GANTLINE_BENCH_ROUNDS", 5) {
        ours.push(seen(&gantline(&["attach", &id]), "the last"));
        if has_tmux {
            theirs.push(seen(&tmux(&["attach"]), "the last"));
        }
    }
    ours.sort_unstable();
    theirs.sort_unstable();
    let [ours, theirs] = [ours, theirs].map(|times| times.get(times.len() / 2).copied());
    let told = |time: Option<Duration>| {
        time.map_or("not installed".to_owned(), |time| format!("{time:.1?}"))
    };
    table.bar(
        format!(
            "`gantline attach` to the last of {LINES} lines, with 1,000 of them above the screen"
        ),
        told(ours),
        format!("tmux attach, with none: {}", told(theirs)),
        theirs.is_none() || ours < theirs,
    );
    spawn(&gantline, has_tmux.then_some(&tmux as &Program<'_>), table);
    if has_tmux {
        let _ = tmux(&["kill-server"]).status();
    }
    let _ = gantline(&["kill", "-9", &id]).output();
}

/// A program with these arguments.
type Program<'a> = dyn Fn(&[&str]) -> Command + 'a;

/// From starting the program to the first thing that a new command has written: the command alone,
/// `gantline spawn --attach`, and a new session of the tmux that runs.
fn spawn(gantline: &Program<'_>, tmux: Option<&Program<'_>>, table: &mut Table) {
    const SCRIPT: &str = "echo the first; exec sleep 1";
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..2 * number("GANTLINE_BENCH_ROUNDS", 5) {
        let mut order = [0, 1, 2];
        if round % 2 == 1 {
            order.reverse();
        }
        for which in order {
            let command = match (which, tmux) {
                (0, _) => {
                    let mut bare = Command::new("sh");
                    bare.args(["-c", SCRIPT]);
                    bare
                }
                (1, _) => gantline(&["spawn", "--attach", "--", "sh", "-c", SCRIPT]),
                (_, Some(tmux)) => tmux(&["new-session", SCRIPT]),
                (_, None) => continue,
            };
            times[which].push(seen(&command, "the first"));
        }
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    let [bare, ours, theirs] = times.map(|times| times.get(times.len() / 2).copied());
    let told = |time: Option<Duration>| {
        time.map_or("not installed".to_owned(), |time| format!("{time:.1?}"))
    };
    for (what, time) in [
        ("a new command's first byte: the command alone", bare),
        ("by `gantline spawn --attach`", ours),
        ("by `tmux new-session`", theirs),
    ] {
        table.row(what, told(time));
    }
}

/// Starts a program on a terminal and waits until this text was on it.
fn seen(command: &Command, text: &str) -> Duration {
    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut builder = CommandBuilder::new(command.get_program());
    builder.args(command.get_args());
    for (name, value) in command.get_envs() {
        builder.env(name, value.unwrap());
    }
    builder.env("TERM", "xterm-256color");
    let began = Instant::now();
    let mut child = pair.slave.spawn_command(builder).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 65_536];
    while !seen.windows(text.len()).any(|part| part == text.as_bytes()) {
        let length = reader.read(&mut buffer).unwrap();
        let from = seen.len().saturating_sub(text.len());
        seen.drain(..from);
        seen.extend_from_slice(&buffer[..length]);
    }
    let took = began.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    took
}
