//! How results are told: as text, as Markdown, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;

use crate::{
    bars::{self, Limit},
    contestant::Encrypts,
    field::Field,
    figures::Figure,
    results::{Results, What},
    sections::{flood, terminal},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Text,
    Markdown,
    Json,
}

pub(crate) fn tell(results: &Results, style: Style) -> Result<()> {
    if style == Style::Json {
        println!("{}", serde_json::to_string_pretty(&Document::of(results))?);
        return Ok(());
    }
    for (section, measured) in &results.sections {
        println!(
            "{section}: {} rounds, commit {}, {}",
            measured.rounds, measured.commit, measured.at
        );
    }
    let missing: BTreeSet<_> =
        results.sections.values().flat_map(|measured| &measured.missing).collect();
    for missing in missing {
        println!("WITHOUT {}: {}", missing.who, missing.why);
    }
    let names: Vec<_> = Field::names().collect();
    for table in [THROUGHPUT, TIMES, MEMORY] {
        tell_table(results, &names, &table, style);
    }
    tell_table(results, &terminal::NAMES, &KEYS, style);
    tell_table(results, &flood::NAMES, &FLOODS, style);
    tell_bars(results, style);
    Ok(())
}

/// A table: what its columns are, and how they are headed.
struct Table {
    title: &'static str,
    columns: &'static [(&'static str, What)],
    /// Whether it says who can read what passes.
    encrypts: bool,
}

const THROUGHPUT: Table = Table {
    title: "Throughput, MB/s",
    columns: &[
        ("1 stream up", What::OneUp),
        ("1 down", What::OneDown),
        ("16 up", What::SixteenUp),
        ("16 down", What::SixteenDown),
    ],
    encrypts: true,
};
const TIMES: Table = Table {
    title: "Times, µs",
    columns: &[
        ("echo p50", What::EchoP50),
        ("echo p99", What::EchoP99),
        ("first byte p50", What::ConnectP50),
        ("first byte p99", What::ConnectP99),
        ("session p50", What::SessionP50),
        ("session p99", What::SessionP99),
        ("cold p50", What::ColdP50),
        ("cold p99", What::ColdP99),
    ],
    encrypts: false,
};
const MEMORY: Table = Table {
    title: "Memory of the relay",
    columns: &[
        ("idle, MB", What::RelayIdle),
        ("peak, MB", What::RelayPeak),
        ("an idle agent more, KiB", What::PerAgent),
    ],
    encrypts: false,
};
const KEYS: Table = Table {
    title: "From key to echo on a terminal, µs",
    columns: &[("p50", What::KeyP50), ("p99", What::KeyP99)],
    encrypts: false,
};

const FLOODS: Table = Table {
    title: "A flood on a terminal, MB/s",
    columns: &[
        ("cooked, 1 viewer", What::CookedOne),
        ("8 in total", What::CookedMany),
        ("with all of it", What::CookedWhole),
        ("-opost, 1 viewer", What::PlainOne),
        ("8 in total", What::PlainMany),
        ("with all of it", What::PlainWhole),
    ],
    encrypts: false,
};

fn tell_table(results: &Results, names: &[&str], table: &Table, style: Style) {
    let mut rows = Vec::new();
    for who in names {
        let figures: Vec<_> =
            table.columns.iter().map(|(_, what)| results.figure(who, *what)).collect();
        if figures.iter().all(Option::is_none) {
            continue;
        }
        let mut row = vec![(*who).to_owned()];
        if table.encrypts {
            row.push(in_words(Field::encrypts(who)).to_owned());
        }
        row.extend(figures.into_iter().map(|figure| figure.map_or_else(String::new, spread)));
        rows.push(row);
    }
    let mut head = vec![String::new()];
    if table.encrypts {
        head.push("encrypts".to_owned());
    }
    head.extend(table.columns.iter().map(|(head, _)| (*head).to_owned()));
    lay_out(table.title, head, rows, style);
}

fn tell_bars(results: &Results, style: Style) {
    let rows = bars::tell(results).into_iter().map(|told| {
        let limit = match told.limit {
            Limit::AtLeast(limit) => format!("≥ {limit}"),
            Limit::AtMost(limit) => format!("≤ {limit}"),
        };
        let verdict = match told.is_met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let verdict = match style {
            Style::Text => verdict.trim_matches('*'),
            Style::Markdown | Style::Json => verdict,
        };
        let figure = told.figure.map_or_else(String::new, spread);
        vec![told.who.to_owned(), told.bar.to_owned(), limit, figure, verdict.to_owned()]
    });
    let head = ["", "", "bar", "measured", ""].map(str::to_owned).to_vec();
    lay_out("Bars", head, rows.collect(), style);
}

fn lay_out(title: &str, head: Vec<String>, rows: Vec<Vec<String>>, style: Style) {
    if rows.is_empty() {
        return;
    }
    println!("\n{title}\n");
    if style == Style::Markdown {
        println!("| {} |", head.join(" | "));
        println!("|{}", "---|".repeat(head.len()));
        for row in rows {
            println!("| {} |", row.join(" | "));
        }
        return;
    }
    let all = || std::iter::once(&head).chain(&rows);
    let widths: Vec<_> = (0..head.len())
        .map(|column| all().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in all() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// A median with the range of the middle half, each with three digits that count.
fn spread(Figure { median, low, high }: Figure) -> String {
    let digits = match median {
        median if median >= 100.0 => 0,
        median if median >= 10.0 => 1,
        _ => 2,
    };
    match low == high {
        true => format!("{median:.digits$}"),
        false => format!("{median:.digits$} ({low:.digits$} to {high:.digits$})"),
    }
}

const fn in_words(encrypts: Encrypts) -> &'static str {
    match encrypts {
        Encrypts::No => "no",
        Encrypts::Hop => "each hop",
        Encrypts::EndToEnd => "end to end",
    }
}

/// Everything, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    results: &'a Results,
    /// By contestant and what was measured.
    figures: BTreeMap<String, Vec<(What, Figure)>>,
    bars: Vec<bars::Told>,
}

impl<'a> Document<'a> {
    fn of(results: &'a Results) -> Self {
        let mut figures: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for row in results.sections.values().flat_map(|measured| &measured.rows) {
            if let Some(figure) = Figure::of(&row.samples) {
                figures.entry(row.who.clone()).or_default().push((row.what, figure));
            }
        }
        Self { results, figures, bars: bars::tell(results) }
    }
}
