//! A check by a line: whether the process wrote one that has a text in it. The log is followed from
//! the beginning of this life, so nothing that it ever wrote is missed as long as it is kept.

use std::future::pending;

use gantline_protocol::Offset;
use memchr::{memchr2, memmem::Finder};

use crate::pty::{
    log::{Follower, Log, Read},
    screen::scan::{Part, Scanner},
};

/// What is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// Looks for a line in a log.
#[derive(Debug)]
pub(super) struct LineSearch {
    log: Log,
    follower: Follower,
    at: Offset,
    matcher: Matcher,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Looking,
    /// It is there, and this was not told yet.
    Found,
    Told,
}

impl LineSearch {
    pub(super) fn new(text: &str, log: &Log, was_found: bool) -> Self {
        let state = if was_found { State::Found } else { State::Looking };
        let matcher = Matcher::new(text);
        Self { log: log.clone(), follower: log.follow(), at: Offset(0), matcher, state }
    }

    /// Whether all was told that there will be to tell.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Told
    }

    /// Returns when the line is there, once. Giving the wait up loses nothing.
    pub(super) async fn found(&mut self) {
        while self.state == State::Looking {
            match self.log.read(self.at, CHUNK).await {
                Read::Bytes(bytes) => {
                    self.at = Offset(self.at.0 + bytes.len() as u64);
                    if self.matcher.feed(&bytes) {
                        self.state = State::Found;
                    }
                }
                Read::Gap { to, .. } => {
                    self.at = to;
                    self.matcher.forget();
                }
                Read::End => {
                    let progress = self.follower.beyond(self.at).await;
                    if progress.is_closed && progress.end <= self.at {
                        self.state = State::Told;
                    }
                }
            }
        }
        match self.state {
            State::Found => self.state = State::Told,
            State::Looking | State::Told => pending().await,
        }
    }
}

/// Finds a text in a line of output without its control sequences, however the output is cut.
#[derive(Debug)]
struct Matcher {
    finder: Finder<'static>,
    scanner: Scanner,
    /// The end of the line that is arriving, as far as the text may begin in it.
    line: Vec<u8>,
}

impl Matcher {
    fn new(text: &str) -> Self {
        let finder = Finder::new(text).into_owned();
        Self { finder, scanner: Scanner::default(), line: Vec::new() }
    }

    /// Whether the text is there now.
    fn feed(&mut self, bytes: &[u8]) -> bool {
        let Self { finder, scanner, line } = self;
        let mut is_found = false;
        scanner.scan(bytes, |part, _| match part {
            Part::Text(text) => is_found = is_found || find(finder, line, text),
            Part::Sequence(_) => {}
        });
        is_found
    }

    /// What comes next does not continue what came before.
    fn forget(&mut self) {
        self.scanner = Scanner::default();
        self.line.clear();
    }
}

fn find(finder: &Finder<'_>, line: &mut Vec<u8>, mut text: &[u8]) -> bool {
    let is_shown = |byte: &u8| !matches!(byte, 0..=0x08 | 0x0a..=0x1f | 0x7f);
    loop {
        let ends = memchr2(b'\n', b'\r', text);
        let (piece, rest) = text.split_at_checked(ends.unwrap_or(text.len())).unwrap_or_default();
        line.extend(piece.iter().copied().filter(is_shown));
        if finder.find(line).is_some() {
            return true;
        }
        if ends.is_none() {
            let kept = finder.needle().len().saturating_sub(1);
            line.drain(..line.len().saturating_sub(kept));
            return false;
        }
        line.clear();
        text = rest.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn is_found(text: &str, pieces: &[&[u8]]) -> bool {
        let mut matcher = Matcher::new(text);
        pieces.iter().any(|piece| matcher.feed(piece))
    }

    #[test]
    fn a_line_is_found_as_a_person_reads_it() {
        for output in [
            &b"listening on 80\r\n"[..],
            b"\x1b[32mlisten\x1b[1ming\x1b[0m on 80",
            b"a\nb\n 2026 INFO listening on :8080",
            b"\x1b]0;title\x07listening on",
            b"\xff\xfe listening on \xff",
            b"lis\x07tening on",
        ] {
            assert!(is_found("listening on", &[output]), "{}", output.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_part_of_one_line_is_not_found() {
        for output in [
            &b"listening\r\n on"[..],
            b"listening\ron",
            b"\x1b]0;listening on\x07",
            b"listenin",
            b"listening  on",
        ] {
            assert!(!is_found("listening on", &[output]), "{}", output.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_output_is_cut(
            pieces in vec("[ab\u{1b}\\[\\]m0;\n\r\u{7}é]{0,5}", 0..12),
            text in "[abé]{1,4}",
        ) {
            let whole = pieces.concat();
            let cut: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            prop_assert_eq!(is_found(&text, &cut), is_found(&text, &[whole.as_bytes()]));
            let bytes: Vec<&[u8]> = whole.as_bytes().chunks(1).collect();
            prop_assert_eq!(is_found(&text, &bytes), is_found(&text, &[whole.as_bytes()]));
        }
    }
}
