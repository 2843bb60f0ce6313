//! What a session through the relay costs, beside bare splices of the same carriers, raw loopback,
//! and peers: throughput, echo, connecting, memory, and keys on a real terminal.
//!
//! Everyone's parts are processes of their own. Figures are medians of rounds in the order A B B A,
//! ratios are taken round by round. docs/performance.md says how to run it and what is compared.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod bare;
mod bars;
mod contestant;
mod field;
mod figures;
mod keyboards;
mod part;
mod peers;
mod results;
mod roles;
mod sections;
mod tables;
mod ways;

use std::{env, path::PathBuf};

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use self::{field::Field, results::Results, sections::Section, tables::Style};

const USAGE: &str = "\
through_relay [SECTION...] [--none] [--keep FILE] [--json | --markdown]

  SECTION      what to measure: one-stream sixteen-streams echo connect memory terminal flood;
               without one, all
  --none       measure nothing, tell what FILE has
  --keep FILE  keep figures there; what FILE has of other sections is told as well
  --json       figures and verdicts as JSON
  --markdown   tables as docs/performance.md has them";

fn main() -> Result<()> {
    // `cargo bench` adds one of its own.
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(played) = roles::play(&arguments) {
        return played;
    }
    let Some(wish) = Wish::read(arguments)? else {
        println!("{USAGE}");
        return Ok(());
    };
    let mut results = wish.keep.as_deref().map(Results::load).transpose()?.unwrap_or_default();
    for section in wish.sections {
        eprintln!("measuring {section}");
        let measured = section.measure(&Field::new()?)?;
        for missing in &measured.missing {
            eprintln!("!!! WITHOUT {}: {}", missing.who, missing.why);
        }
        results.sections.insert(section, measured);
        if let Some(file) = &wish.keep {
            results.store(file)?;
        }
    }
    tables::tell(&results, wish.style)
}

/// As the command line has it: measured is what people use.
fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// What was asked for on the command line.
struct Wish {
    sections: Vec<Section>,
    keep: Option<PathBuf>,
    style: Style,
}

impl Wish {
    /// `None` for help.
    fn read(arguments: Vec<String>) -> Result<Option<Self>> {
        let mut wish = Self { sections: Vec::new(), keep: None, style: Style::Text };
        let mut is_all = true;
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--none" => is_all = false,
                "--keep" => {
                    wish.keep = Some(arguments.next().context("--keep wants a file")?.into())
                }
                "--json" => wish.style = Style::Json,
                "--markdown" => wish.style = Style::Markdown,
                "--help" => return Ok(None),
                section => {
                    wish.sections.push(section.parse().context(USAGE)?);
                    is_all = false;
                }
            }
        }
        if is_all {
            wish.sections = Section::ALL.to_vec();
        }
        Ok(Some(wish))
    }
}
