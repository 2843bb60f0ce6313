//! Attached in a real terminal: what is typed and shown, and that the terminal is given back.

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
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use cli_support::{Home, Terminal};
use rustix::process::Signal;

/// A terminal that is attached to a new shell, which does not echo.
fn shell(home: &Home) -> Terminal {
    let mut terminal = Terminal::run(home, &["spawn", "--attach", "--", "sh", "-i"]);
    terminal.until("Ctrl-] detaches");
    terminal.types("stty -echo; echo re''ady\r");
    terminal.until("ready\r\n");
    assert!(!terminal.is_as_before(), "the terminal is raw while it is attached");
    terminal
}

#[test]
fn a_person_types_resizes_and_leaves_with_the_terminal_as_it_was() {
    let home = Home::with_node();
    let mut terminal = shell(&home);
    terminal.types("echo $((6 * 7)) is the answer\r");
    terminal.until("42 is the answer");
    terminal.resize(132, 43);
    // The new size arrives on its own way: asked until it is there.
    terminal.types("while [ \"$(stty size)\" != '43 132' ]; do :; done; echo resi''zed\r");
    terminal.until("resized");
    terminal.types("printf '\\033[?1049h\\033[?25l'; echo ful''l\r");
    terminal.until("full");
    terminal.types("\x1d");
    terminal.until("\x1b[?25h");
    terminal.until("detached");
    assert_eq!(terminal.end(), 0);
    assert!(terminal.is_as_before());
    assert!(home.ok(&["ps"]).contains("running"));
}

#[test]
fn a_terminal_that_stands_still_for_a_while_shows_everything_afterwards() {
    const LINES: u32 = 100_000;
    let home = Home::with_node();
    let mut terminal = shell(&home);
    let id = home.json(&["ps", "--json"])[0]["agentId"].as_str().unwrap().to_owned();
    terminal.types(&format!("echo; seq {LINES}; echo do''ne\r"));
    let typed = Instant::now();
    while !home.ok(&["logs", &id]).contains("done") {
        assert!(typed.elapsed() < Duration::from_secs(30), "the terminal holds the agent up");
    }
    let seen = terminal.until("done");
    let numbers = seen.lines().filter_map(|line| line.trim().parse::<u32>().ok());
    assert!(numbers.eq(1..=LINES), "a line was lost, doubled or torn");
    terminal.types("\x1d");
    terminal.until("detached");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn the_end_of_the_agent_is_the_end_of_the_viewer() {
    let home = Home::with_node();
    let mut terminal = shell(&home);
    terminal.types("exit 7\r");
    terminal.until("ended: exit 7");
    assert_eq!(terminal.end(), 7);
    assert!(terminal.is_as_before());
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let home = Home::with_node();
    for (signal, number) in
        [(Signal::TERM, 15), (Signal::HUP, 1), (Signal::INT, 2), (Signal::QUIT, 3)]
    {
        let mut terminal = shell(&home);
        terminal.signal(signal);
        assert_eq!(terminal.end(), 128 + number);
        assert!(terminal.is_as_before(), "after signal {number}");
    }
}

#[test]
fn somebody_who_only_watches_types_nothing() {
    let home = Home::with_node();
    let mut typist = shell(&home);
    let id = home.json(&["ps", "--json"])[0]["agentId"].as_str().unwrap().to_owned();
    let mut watcher = Terminal::run(&home, &["attach", "--read-only", &id]);
    watcher.until("ready");
    watcher.types("echo intr''uder\r");
    typist.types("echo from the typ''ist\r");
    watcher.until("from the typist");
    typist.types("exit\r");
    typist.until("ended");
    assert!(!home.ok(&["logs", &id]).contains("intruder"));
    assert_eq!((watcher.end(), typist.end()), (0, 0));
}

#[test]
fn a_pipe_is_typed_in_and_detaches_at_its_end() {
    let home = Home::with_node();
    let id = home.spawn("stty -echo; read -r line; echo got $line; exec sleep 600");
    let mut attach = home.command(&["attach", &id]);
    let attach = attach.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut attach = attach.spawn().unwrap();
    attach.stdin.take().unwrap().write_all(b"a line\n").unwrap();
    let output = attach.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What was typed waits for the program, which need not have read it yet.
    let typed = Instant::now();
    while !home.ok(&["logs", &id]).contains("got a line") {
        assert!(typed.elapsed() < Duration::from_secs(30), "what was typed is lost");
    }
    home.ok(&["kill", "-9", &id]);
}

#[test]
fn a_node_that_was_killed_is_missed_and_the_shell_goes_on_under_the_next_one() {
    let mut home = Home::with_node();
    let mut terminal = shell(&home);
    home.kill();
    home.up();
    terminal.types("echo still''here\r");
    terminal.until("stillhere");
    terminal.types("exit 5\r");
    terminal.until("ended");
    assert_eq!(terminal.end(), 5);
    assert!(terminal.is_as_before());
}

#[test]
fn an_agent_that_is_not_there_is_named() {
    let home = Home::with_node();
    let ran = home.run(&["attach", "ag-zzzzz"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("ag-zzzzz"), "{}", ran.err);
}
