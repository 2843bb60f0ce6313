//! Which text need not be drawn: what has scrolled out of everything that is kept before the next
//! thing happens that could tell. A flood of lines is read at the speed of memory that way.

use std::ops::Range;

use super::scan::{Kind, Part, Scanner, Sequence};

/// A shorter run is not worth the look.
const WORTH: usize = 32 * 1024;

/// Pieces of `bytes`, of which the text may be passed over if the main screen scrolls as a whole
/// where they begin: after each, so many lines follow that nothing of it is left. Each ends at the
/// beginning of a line.
pub(super) fn runs(scanner: &Scanner, bytes: &[u8], kept_lines: usize) -> Vec<Range<usize>> {
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
fn scrolled_out(bytes: &[u8], run: Range<usize>, kept_lines: usize) -> Option<Range<usize>> {
    if run.len() < WORTH {
        return None;
    }
    let text = bytes.get(run.clone())?;
    let mut line_ends = memchr::memrchr_iter(b'\n', text).skip(kept_lines);
    let end = line_ends.find(|at| {
        at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(|byte| *byte == b'\r')
    })?;
    (end >= WORTH / 2).then(|| run.start..run.start + end + 1)
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
