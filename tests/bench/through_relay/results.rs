//! What was measured, and where it is kept between runs of single sections.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{figures::Figure, sections::Section};

/// What a row tells, and in which unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    /// MB/s of one stream from client to service.
    OneUp,
    OneDown,
    /// MB/s of sixteen streams together.
    SixteenUp,
    SixteenDown,
    /// Microseconds there and back of one byte.
    EchoP50,
    EchoP99,
    /// Microseconds from nothing to the first byte of an answer, on what stands already.
    ConnectP50,
    ConnectP99,
    /// Microseconds until a new session on a link that stands is proved at both ends.
    SessionP50,
    SessionP99,
    /// Microseconds from a device without a link to the first byte of an answer.
    ColdP50,
    ColdP99,
    /// MB of the relay with one agent.
    RelayIdle,
    /// MB of the relay at most, under sixteen floods each way.
    RelayPeak,
    /// KiB that one idle agent more costs the relay.
    PerAgent,
    /// Microseconds from a key to its echo on a terminal.
    KeyP50,
    KeyP99,
    /// MB/s of a flood that ends its lines with CR LF, to one viewer and to eight together, and how many
    /// of them got all of it.
    CookedOne,
    CookedMany,
    CookedWhole,
    /// The same of one that ends them with LF.
    PlainOne,
    PlainMany,
    PlainWhole,
    /// MB of a node with agents and viewers.
    NodeIdle,
}

/// What one contestant did, a sample for each round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) who: String,
    pub(crate) what: What,
    pub(crate) samples: Vec<f64>,
}

/// Who could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Missing {
    pub(crate) who: String,
    pub(crate) why: String,
}

/// What one run of a section gave.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) at: String,
    /// The commit that was measured; with `+` there were changes on top of it.
    pub(crate) commit: String,
    pub(crate) rounds: usize,
    pub(crate) rows: Vec<Row>,
    pub(crate) missing: Vec<Missing>,
}

/// Everything that is known.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) sections: BTreeMap<Section, Measured>,
}

impl Missing {
    pub(crate) fn new(who: &str, why: &anyhow::Error) -> Self {
        Self { who: who.to_owned(), why: format!("{why:#}").replace('\n', " ") }
    }
}

impl Measured {
    pub(crate) fn now(rounds: usize, rows: Vec<Row>, missing: Vec<Missing>) -> Self {
        let at = first_line("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_default();
        Self { at, commit: commit(), rounds, rows, missing }
    }
}

impl Results {
    /// What `file` has, or nothing if it is not there.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        match fs::read(file) {
            Ok(json) => serde_json::from_slice(&json)
                .with_context(|| format!("{} is none of ours", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| file.display().to_string()),
        }
    }

    pub(crate) fn store(&self, file: &Path) -> Result<()> {
        if let Some(above) = file.parent() {
            fs::create_dir_all(above)?;
        }
        Ok(fs::write(file, serde_json::to_vec(self)?)?)
    }

    pub(crate) fn samples(&self, who: &str, what: What) -> &[f64] {
        let mut rows = self.sections.values().flat_map(|measured| &measured.rows);
        rows.find(|row| row.who == who && row.what == what).map_or(&[], |row| &row.samples)
    }

    pub(crate) fn figure(&self, who: &str, what: What) -> Option<Figure> {
        Figure::of(self.samples(who, what))
    }
}

fn commit() -> String {
    let Some(commit) = first_line("git", &["rev-parse", "--short", "HEAD"]) else {
        return "?".to_owned();
    };
    match first_line("git", &["status", "--porcelain", "--untracked-files=no"]) {
        None => commit,
        Some(_) => format!("{commit}+"),
    }
}

/// Of what a program prints; `None` when it fails or prints nothing.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().filter(|_| output.status.success()).map(str::to_owned)
}
