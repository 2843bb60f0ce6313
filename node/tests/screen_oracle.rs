//! Whoever attaches late sees what a terminal shows that was there from the start. Recordings of
//! real programs (`tests/terminal_oracle/recordings`, see `examples/record_terminals.rs`) are cut in
//! many places; at each, a terminal gets the snapshot and then the rest, and is compared with one
//! that was fed everything: cells with their attributes, cursor, modes, scrollback, title. The
//! terminal is xterm's own code without a window, run by Node.js.
//!
//! Differences that are known are listed with their reasons in `docs/terminal-differences.md`; a
//! difference that is not there, or one that is there and no longer found, fails this test.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use data_encoding::BASE64;
use gantline_node::pty::screen::{checkpoint::Checkpoint, parser::Parser};
use gantline_protocol::{Offset, terminal::TerminalSize};
use serde_json::{Value, json};

/// Joiners of one recording.
const JOINERS: usize = 24;

/// A recorded program.
struct Recording {
    name: String,
    size: TerminalSize,
    events: Vec<Event>,
}

enum Event {
    Output(Vec<u8>),
    Resize(TerminalSize),
}

impl Recording {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let mut rest = &*bytes;
        let mut line = || {
            let at = rest.iter().position(|byte| *byte == b'\n')?;
            let line = std::str::from_utf8(&rest[..at]).unwrap();
            rest = &rest[at + 1..];
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse::<u16>().unwrap();
            Some(match words[0] {
                "o" => {
                    let (output, more) = rest.split_at(number(1).into());
                    rest = &more[1..];
                    Event::Output(output.to_vec())
                }
                "r" => Event::Resize(TerminalSize::new(number(1), number(2)).unwrap()),
                _ => Event::Resize(TerminalSize::new(number(0), number(1)).unwrap()),
            })
        };
        let Some(Event::Resize(size)) = line() else { panic!("no size in {}", path.display()) };
        let events = std::iter::from_fn(line).collect();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Self { name, size, events }
    }

    fn all() -> Vec<Self> {
        let mut recordings: Vec<Self> = std::fs::read_dir(fixtures().join("recordings"))
            .unwrap()
            .map(|entry| Self::read(&entry.unwrap().path()))
            .collect();
        recordings.sort_by(|one, other| one.name.cmp(&other.name));
        assert!(recordings.len() >= 14, "recordings are missing");
        recordings
    }

    fn bytes(&self) -> Vec<u8> {
        let output = self.events.iter().filter_map(|event| match event {
            Event::Output(bytes) => Some(&bytes[..]),
            Event::Resize(_) => None,
        });
        output.collect::<Vec<_>>().concat()
    }

    /// Feeds a parser in pieces and takes a snapshot in between, at each of `cuts`. With `restore`,
    /// the parser is made anew from each snapshot, as after a restart of the node.
    fn joins(&self, cuts: &[usize], restore: bool) -> Vec<(Checkpoint, usize)> {
        let mut parser = Parser::new(self.size, Offset(0)).unwrap();
        let (mut at, mut resized) = (0, 0);
        let mut joins = Vec::new();
        let mut cuts = cuts.iter().copied().peekable();
        for event in &self.events {
            match event {
                Event::Resize(size) => {
                    parser.resize(*size).unwrap();
                    resized += 1;
                }
                Event::Output(bytes) => {
                    let mut rest = &bytes[..];
                    while let Some(cut) = cuts.next_if(|cut| *cut <= at + rest.len()) {
                        let (now, later) = rest.split_at(cut - at);
                        parser.feed(now).unwrap();
                        (at, rest) = (cut, later);
                        let checkpoint = parser.checkpoint().unwrap();
                        if restore {
                            // It goes on with what its snapshot does not show.
                            let all = self.bytes();
                            let shown = usize::try_from(checkpoint.position.0).unwrap();
                            let bytes = checkpoint.encode().unwrap();
                            parser = Parser::restore(&Checkpoint::decode(&bytes).unwrap()).unwrap();
                            parser.feed(&all[shown..at]).unwrap();
                        }
                        joins.push((checkpoint, resized));
                    }
                    parser.feed(rest).unwrap();
                    at += rest.len();
                }
            }
        }
        joins
    }

    fn question(&self, joins: &[(Checkpoint, usize)]) -> Value {
        let mut at = 0;
        let mut resizes = Vec::new();
        for event in &self.events {
            match event {
                Event::Output(bytes) => at += bytes.len(),
                Event::Resize(size) => {
                    resizes.push(json!({ "at": at, "cols": size.cols(), "rows": size.rows() }));
                }
            }
        }
        let joins: Vec<Value> = joins
            .iter()
            .map(|(checkpoint, resized)| {
                let Checkpoint { position, size, screen } = checkpoint;
                json!({
                    "at": position.0, "resized": resized, "cols": size.cols(),
                    "rows": size.rows(), "snapshot": BASE64.encode(screen),
                })
            })
            .collect();
        json!({
            "name": self.name, "cols": self.size.cols(), "rows": self.size.rows(),
            "bytes": BASE64.encode(&self.bytes()), "resizes": resizes, "joins": joins,
        })
    }

    /// Places to cut at: evenly spread, wherever that is, and around the end of each write.
    fn cuts(&self) -> Vec<usize> {
        let total = self.bytes().len();
        let mut cuts: Vec<usize> = (1..=JOINERS).map(|join| total * join / JOINERS).collect();
        let mut at = 0;
        let writes = self.events.iter().filter_map(|event| match event {
            Event::Output(bytes) => {
                at += bytes.len();
                Some(at)
            }
            Event::Resize(_) => None,
        });
        let writes: Vec<usize> = writes.collect();
        cuts.extend(writes.iter().step_by((writes.len() / JOINERS).max(1)));
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terminal_oracle")
}

/// Asks the real terminal. `scripts/install-tools terminal` installs it, outside the clone.
fn ask(questions: &[Value]) -> Vec<Value> {
    let installed = Command::new(fixtures().join("../../../scripts/install-tools"))
        .arg("terminal")
        .output()
        .expect("scripts/install-tools runs");
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let oracle = String::from_utf8(installed.stdout).unwrap();
    let mut node = Command::new("node")
        .arg(oracle.trim())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js runs");
    let mut stdin = node.stdin.take().unwrap();
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let writing = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = node.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What differs, as `recording: where`, with numbers left out, and how often.
fn differences(restore: bool) -> BTreeMap<String, usize> {
    let recordings = Recording::all();
    let mut joiners = 0;
    let questions: Vec<Value> = recordings
        .iter()
        .map(|recording| {
            let joins = recording.joins(&recording.cuts(), restore);
            joiners += joins.len();
            recording.question(&joins)
        })
        .collect();
    let answers = ask(&questions);
    assert_eq!(answers.len(), questions.len(), "the terminal did not answer for all");
    println!("{joiners} joiners of {} recordings", recordings.len());
    let mut found = BTreeMap::new();
    for answer in &answers {
        let name = answer["name"].as_str().unwrap();
        for difference in answer["differences"].as_array().unwrap() {
            println!("{name} {difference}");
            let what = difference["what"].as_str().unwrap();
            let what: Vec<&str> =
                what.split('.').filter(|word| word.parse::<u32>().is_err()).collect();
            *found.entry(format!("{name}: {}", what.join("."))).or_default() += 1;
        }
    }
    found
}

/// The rows of the table in `docs/terminal-differences.md`: recording and where.
fn known() -> BTreeSet<String> {
    let table = fixtures().join("../../../docs/terminal-differences.md");
    let text = std::fs::read_to_string(table).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(row, _)| row.to_owned()).collect()
}

#[test]
fn whoever_attaches_late_sees_what_was_seen_from_the_start() {
    let late = differences(false);
    // A node that was restarted goes on from its checkpoint.
    let restarted = differences(true);
    let found: BTreeSet<String> = late.into_keys().chain(restarted.into_keys()).collect();
    let known = known();
    let news: Vec<&String> = found.difference(&known).collect();
    assert!(news.is_empty(), "a late joiner sees something else: {news:#?}");
    let gone: Vec<&String> = known.difference(&found).collect();
    assert!(gone.is_empty(), "no longer different, take it out of the table: {gone:#?}");
}
