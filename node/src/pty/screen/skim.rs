//! Which text need not be drawn: what has scrolled out of everything that is kept before the next
//! thing happens that could tell. A flood of lines is read at the speed of memory that way.

use std::ops::Range;

use super::scan::{Kind, Part, Scanner, Sequence};

/// A shorter run is not worth the look.
const WORTH: usize = 32 * 1024;

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Where it is.
    pub(super) bytes: Range<usize>,
    pub(super) ends: Ends,
}

/// In which column the output goes on behind a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// In the first one.
    AtTheLeft,
    /// Behind this run, which is nothing but [plain](column_after) text, whose lines end without
    /// going back to the left.
    Anywhere,
}

/// Pieces of `bytes`, of which the text may be passed over if the main screen scrolls as a whole
/// where they begin: after each, so many lines follow that nothing of it is left. Each ends with the
/// end of a line.
pub(super) fn runs(scanner: &Scanner, bytes: &[u8], kept_lines: usize) -> Vec<Run> {
    if bytes.len() < WORTH {
        return Vec::new();
    }
    let mut scanner = scanner.clone();
    let mut runs = Vec::new();
    let mut begins = 0;
    let mut take = |run: Range<usize>| {
        if let Some(run) = scrolled_out(bytes, run, kept_lines) {
            runs.push(run);
        }
    };
    scanner.scan(bytes, |part, upto| {
        let is_harmless = match part {
            // Other alphabets outlive the text.
            Part::Text(text) => memchr::memchr2(0x0e, 0x0f, text).is_none(),
            Part::Sequence(sequence) => is_harmless(&sequence),
        };
        if !is_harmless {
            take(begins..upto);
            begins = upto;
        }
    });
    take(begins..bytes.len());
    runs
}

/// The beginning of a run of which nothing is left at its end.
fn scrolled_out(bytes: &[u8], run: Range<usize>, kept_lines: usize) -> Option<Run> {
    if run.len() < WORTH {
        return None;
    }
    let text = bytes.get(run.clone())?;
    let mut line_ends = memchr::memrchr_iter(b'\n', text).skip(kept_lines);
    let worth = |end: &usize| *end >= WORTH / 2;
    let last = line_ends.next().filter(worth)?;
    let is_at_the_left = |end: usize| end > 0 && text.get(end - 1) == Some(&b'\r');
    let (end, ends) = match is_at_the_left(last) {
        true => (last, Ends::AtTheLeft),
        false if is_plain(text.get(..=last)?) => (last, Ends::Anywhere),
        false => (line_ends.find(|end| is_at_the_left(*end)).filter(worth)?, Ends::AtTheLeft),
    };
    Some(Run { bytes: run.start..run.start + end + 1, ends })
}

fn is_plain(text: &[u8]) -> bool {
    // Without a branch for each, it is done many bytes at a time.
    text.iter().fold(true, |is_plain, byte| is_plain & matches!(byte, b' '..=b'~' | b'\n'))
}

/// The column of the cursor, on a terminal of `width` columns that wraps, after text of nothing but
/// printable ASCII and line feeds that begins in the column `from`; [`width`] is one that wraps when
/// the next character comes.
pub(super) fn column_after(text: &[u8], from: usize, width: usize) -> usize {
    let mut column = from;
    let mut begins = 0;
    let advance = |column: usize, length: usize| match length {
        0 => column,
        _ => (column + length - 1) % width + 1,
    };
    for end in memchr::memchr_iter(b'\n', text) {
        // A line feed takes the wrap back.
        column = advance(column, end - begins).min(width - 1);
        begins = end + 1;
    }
    advance(column, text.len() - begins)
}

/// Whether a sequence neither moves the cursor to another line nor changes how lines scroll.
fn is_harmless(sequence: &Sequence<'_>) -> bool {
    match sequence.kind {
        Kind::Command | Kind::Device | Kind::Other | Kind::Overlong => true,
        Kind::Escape => matches!(sequence.bytes, b"\x1b=" | b"\x1b>"),
        Kind::Control => sequence.control().is_some_and(|control| {
            match (control.private, control.intermediate, control.last) {
                (None, b"", b'm' | b'K' | b'C' | b'D' | b'G' | b'c' | b'n') => true,
                (Some(b'?'), b"", b'h' | b'l') => control.numbers().all(|mode| {
                    matches!(mode, 1 | 12 | 25 | 1000..=1006 | 1015 | 1016 | 2004 | 2026)
                }),
                (Some(b'?'), b"$", b'p') | (None, b" ", b'q') => true,
                _ => false,
            }
        }),
    }
}
