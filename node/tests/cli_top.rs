//! What agents use, for people and for programs.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

mod cli_support;

use cli_support::{Home, Terminal};
use rustix::process::Signal;

#[test]
fn a_program_that_reads_top_gets_one_table_or_one_json() {
    let home = Home::with_node();
    let quiet = home.spawn("printf '\\033[1mready\\033[0m\\n'; exec sleep 600");
    home.ok(&["logs", &quiet]);
    let table = home.run(&["top"]);
    assert_eq!(table.code, Some(0), "{}", table.err);
    assert!(table.err.contains("this machine: CPU "), "{}", table.err);
    let lines: Vec<_> = table.out.lines().collect();
    assert!(lines[0].starts_with("AGENT ") && lines.len() == 2, "{}", table.out);
    assert!(lines[1].starts_with(&quiet) && lines[1].contains("running"), "{}", table.out);
    assert!(!table.out.contains('\u{1b}'), "{:?}", table.out);
    let json = home.json(&["top", "--json"]);
    assert_eq!(json.as_array().map(Vec::len), Some(1), "{json}");
    assert_eq!(json[0]["machine"], "this machine");
    let agent = &json[0]["vitals"]["agents"][0];
    assert_eq!((&agent["agentId"], &agent["lastLine"]), (&quiet.into(), &"ready".into()));
    assert!(agent["memory"].as_u64().unwrap() > 0, "{agent}");
}

#[test]
fn top_on_a_terminal_draws_itself_anew_in_place_until_it_is_ended() {
    let home = Home::with_node();
    let mut terminal = Terminal::run(&home, &["top"]);
    terminal.until("no agent runs");
    let busy = home.spawn("echo working; while :; do :; done");
    // Back to the first line, and everything below it gone.
    terminal.until("A\r\u{1b}[J");
    terminal.until(&busy);
    terminal.until("working");
    terminal.signal(Signal::INT);
    assert_eq!(terminal.end(), 0);
    assert!(terminal.is_as_before());
}

#[test]
fn top_says_what_is_missing() {
    let home = Home::empty();
    let ran = home.run(&["top"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("gantline up"), "{}", ran.err);
    assert_eq!(home.run(&["top", "--all"]).code, Some(2));
}
