//! The sections of the benchmark: each measures one thing of everyone, in turn.

mod connect;
mod echo;
pub(crate) mod flood;
mod memory;
pub(crate) mod terminal;
mod throughput;

use std::{env, fmt, str::FromStr};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{
    field::Field,
    results::{Measured, Missing, Row, What},
};

/// Rounds of a section, unless `GANTLINE_BENCH_ROUNDS` says otherwise.
const ROUNDS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Section {
    /// Bulk over one stream.
    OneStream,
    /// Bulk over sixteen streams at once.
    SixteenStreams,
    /// One byte there and back.
    Echo,
    /// To the first byte of an answer.
    Connect,
    /// What relay and idle agents weigh.
    Memory,
    /// Keys on a real terminal.
    Terminal,
    /// A flood on a real terminal.
    Flood,
}

impl Section {
    pub(crate) const ALL: [Self; 7] = [
        Self::OneStream,
        Self::SixteenStreams,
        Self::Echo,
        Self::Connect,
        Self::Memory,
        Self::Terminal,
        Self::Flood,
    ];

    pub(crate) fn measure(self, field: &Field) -> Result<Measured> {
        let rounds = rounds()?;
        let (rows, missing) = match self {
            Self::OneStream => throughput::measure(field, 1, rounds),
            Self::SixteenStreams => throughput::measure(field, 16, rounds),
            Self::Echo => echo::measure(field, rounds),
            Self::Connect => connect::measure(field, rounds),
            Self::Memory => memory::measure(field),
            Self::Terminal => terminal::measure(field, rounds),
            Self::Flood => flood::measure(field, rounds),
        }?;
        Ok(Measured::now(rounds, rows, missing))
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneStream => "one-stream",
            Self::SixteenStreams => "sixteen-streams",
            Self::Echo => "echo",
            Self::Connect => "connect",
            Self::Memory => "memory",
            Self::Terminal => "terminal",
            Self::Flood => "flood",
        })
    }
}

impl FromStr for Section {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = |section: &Self| section.to_string() == text;
        Self::ALL.into_iter().find(named).with_context(|| {
            format!("no section {text}; there are: {}", Self::ALL.map(|s| s.to_string()).join(" "))
        })
    }
}

/// What a section has to tell.
type Told = (Vec<Row>, Vec<Missing>);

/// Everyone in turn, so many rounds, each round in the order opposite to the one before (A B B A):
/// what drifts in the machine hits all alike. Who fails twice in a turn is not asked again, and is
/// missing.
fn in_turn<T>(
    everyone: &mut Vec<(&'static str, T)>,
    missing: &mut Vec<Missing>,
    rounds: usize,
    mut each: impl FnMut(&'static str, &mut T) -> Result<()>,
) {
    for round in 0..rounds {
        if round > 0 {
            everyone.reverse();
        }
        everyone.retain_mut(|(who, contestant)| {
            match each(who, contestant).or_else(|_| each(who, contestant)) {
                Ok(()) => true,
                Err(error) => {
                    missing.push(Missing::new(who, &error));
                    false
                }
            }
        });
    }
}

fn rounds() -> Result<usize> {
    number("GANTLINE_BENCH_ROUNDS", ROUNDS)
}

fn number(variable: &str, default: usize) -> Result<usize> {
    match env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} is no number: {text}")),
        Err(_) => Ok(default),
    }
}

/// Rows as they are filled, sample by sample.
#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn add(&mut self, who: &str, what: What, sample: f64) {
        match self.0.iter_mut().find(|row| row.who == who && row.what == what) {
            Some(row) => row.samples.push(sample),
            None => self.0.push(Row { who: who.to_owned(), what, samples: vec![sample] }),
        }
    }
}
