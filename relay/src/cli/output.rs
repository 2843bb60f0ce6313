//! What people and programs read: the only place that writes to stdout and stderr, apart from the
//! log.

use std::io::{self, Write};

use anyhow::Context;
use gantline_protocol::Timestamp;
use serde::Serialize;

/// One line of JSON, at once.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(value).context("the answer can't be written as JSON")?;
    line(&text)
}

/// One line for programs or for copying, at once.
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("can't write to stdout")
}

/// A word beside the answer.
pub(super) fn note(text: &str) {
    // Nobody listens: then nobody needs it.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// What went wrong.
pub(super) fn error(error: &anyhow::Error) {
    note(&format!("error: {error:#}"));
}

/// Rows in columns as wide as they need to be.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> anyhow::Result<()> {
    let mut widths = header.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let header = header.map(str::to_owned);
    for row in std::iter::once(&header).chain(rows) {
        let cells: Vec<_> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| {
                let space = width.saturating_sub(cell.chars().count());
                format!("{cell}{}", " ".repeat(space))
            })
            .collect();
        line(cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// A time for people, in UTC.
pub(super) fn time(time: Timestamp) -> String {
    let seconds = time.as_millis() / 1000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// The day in the Gregorian calendar, so many days after 1970-01-01. Years begin in March here,
/// so that the day that comes every four years is the last of its year.
const fn date(days: u64) -> (u64, u64, u64) {
    const IN_400_YEARS: u64 = 146_097;
    // From 0000-03-01 to 1970-01-01.
    let days = days + 719_468;
    let (era, day) = (days / IN_400_YEARS, days % IN_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_the_calendar_that_people_use() {
        let shown = |seconds: u64| time(Timestamp::from_millis(seconds * 1000));
        assert_eq!(shown(0), "1970-01-01 00:00:00Z");
        assert_eq!(shown(951_782_399), "2000-02-28 23:59:59Z");
        assert_eq!(shown(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(shown(951_868_800), "2000-03-01 00:00:00Z");
        assert_eq!(shown(1_234_567_890), "2009-02-13 23:31:30Z");
        assert_eq!(shown(4_102_444_799), "2099-12-31 23:59:59Z");
        assert_eq!(shown(4_107_542_400), "2100-03-01 00:00:00Z");
    }
}
