//! What was measured, as docs/performance.md has it.

use std::{fmt::Display, time::Duration};

/// One section's rows.
#[derive(Default)]
pub struct Table {
    rows: Vec<String>,
}

impl Table {
    /// Something that has no bar.
    pub fn row(&mut self, what: impl Display, measured: impl Display) {
        self.rows.push(format!("| {what} | {measured} | | |"));
    }

    pub fn bar(
        &mut self,
        what: impl Display,
        measured: impl Display,
        bar: impl Display,
        is_met: bool,
    ) {
        let verdict = if is_met { "met" } else { "**missed**" };
        self.rows.push(format!("| {what} | {measured} | {bar} | {verdict} |"));
    }

    pub fn tell(&self) {
        println!("\n| | measured | bar | |\n|---|---|---|---|");
        println!("{}", self.rows.join("\n"));
    }
}

/// What lies at this share of sorted times, in percent.
pub fn at(times: &[Duration], percent: usize) -> Duration {
    times.get(times.len() * percent / 100).copied().unwrap_or_default()
}
