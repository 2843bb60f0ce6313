//! Where text ends and a control sequence begins in the output of a terminal program. Pure, and the
//! same state machine that terminals have (ECMA-48 with UTF-8), without any of their meaning.

/// A sequence of more bytes is not kept: whoever scans is told that it was there, not what it was.
pub(super) const MAX_SEQUENCE: usize = 8 * 1024;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// A part of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Text, with the control characters in it: line feeds, tabs, bells.
    Text(&'a [u8]),
    /// A whole sequence.
    Sequence(Sequence<'a>),
}

/// A whole sequence, from its escape to its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence<'a> {
    pub(crate) kind: Kind,
    /// All its bytes. The terminator of a string (BEL, or ESC and a backslash) is not among them.
    pub(crate) bytes: &'a [u8],
}

/// What a sequence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `ESC`, intermediates, one final byte.
    Escape,
    /// `ESC [`, parameters, intermediates, one final byte.
    Control,
    /// `ESC ]` and a text.
    Command,
    /// `ESC P` and a text.
    Device,
    /// `ESC` with `X`, `^` or `_`, and a text.
    Other,
    /// Any of these, too long to be kept.
    Overlong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    Control,
    /// A text that ends with BEL (commands only) or with ESC.
    Text(Kind),
    /// The ESC that ends a text; a backslash should follow.
    Ending(Kind),
}

/// Splits output into [`Part`]s, however it is cut.
#[derive(Debug, Clone)]
pub(crate) struct Scanner {
    state: State,
    /// The sequence that has begun.
    begun: Vec<u8>,
    /// Its bytes, also of what was not kept.
    length: usize,
    /// Bytes of a character that are still to come.
    character: u8,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { state: State::Ground, begun: Vec::new(), length: 0, character: 0 }
    }
}

impl Scanner {
    /// Whether neither a sequence nor a character has begun.
    pub(super) fn is_ground(&self) -> bool {
        self.state == State::Ground && self.character == 0
    }

    /// Scans the next bytes. `on_part` gets each part and how many of the bytes lead up to its end.
    pub(crate) fn scan(&mut self, bytes: &[u8], mut on_part: impl FnMut(Part<'_>, usize)) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.state == State::Ground {
                let length = memchr::memchr(ESC, rest).unwrap_or(rest.len());
                if let Some(text) = rest.get(..length).filter(|text| !text.is_empty()) {
                    at += length;
                    self.character = unfinished(self.character, text);
                    on_part(Part::Text(text), at);
                }
                if length < rest.len() {
                    at += 1;
                    self.begin();
                }
                continue;
            }
            let Some(byte) = rest.first() else { return };
            at += 1;
            self.step(*byte, at, &mut on_part);
        }
    }

    fn begin(&mut self) {
        self.state = State::Escape;
        self.character = 0;
        self.begun.clear();
        self.begun.push(ESC);
        self.length = 1;
    }

    fn keep(&mut self, byte: u8) {
        self.length += 1;
        if self.begun.len() < MAX_SEQUENCE {
            self.begun.push(byte);
        }
    }

    fn end(&mut self, kind: Kind, at: usize, on_part: &mut impl FnMut(Part<'_>, usize)) {
        self.state = State::Ground;
        let kind = if self.length > MAX_SEQUENCE { Kind::Overlong } else { kind };
        on_part(Part::Sequence(Sequence { kind, bytes: &self.begun }), at);
        if self.begun.capacity() > 1024 {
            self.begun = Vec::new();
        }
    }

    fn step(&mut self, byte: u8, at: usize, on_part: &mut impl FnMut(Part<'_>, usize)) {
        match (self.state, byte) {
            (State::Text(kind), ESC) => self.state = State::Ending(kind),
            (State::Ending(kind), b'\\') => self.end(kind, at, on_part),
            (State::Ending(kind), _) => {
                self.end(kind, at - 1, on_part);
                self.begin();
                self.step(byte, at, on_part);
            }
            (State::Text(kind @ Kind::Command), BEL) => self.end(kind, at, on_part),
            (State::Text(kind), CAN | SUB) => self.end(kind, at, on_part),
            (State::Text(_), _) => self.keep(byte),
            (State::Ground | State::Escape | State::Control, CAN | SUB) => {
                self.state = State::Ground;
                on_part(Part::Text(&[byte]), at);
            }
            (State::Ground | State::Escape | State::Control, ESC) => self.begin(),
            // Control characters act at once, also within a sequence.
            (State::Ground | State::Escape | State::Control, 0x00..=0x1f) => {
                on_part(Part::Text(&[byte]), at);
            }
            (State::Ground | State::Escape | State::Control, 0x7f..) => {}
            (State::Escape, 0x20..=0x2f) => self.keep(byte),
            (State::Escape, _) => {
                self.keep(byte);
                // With an intermediate before it, it means something else.
                match if self.length == 2 { byte } else { 0 } {
                    b'[' => self.state = State::Control,
                    b']' => self.state = State::Text(Kind::Command),
                    b'P' => self.state = State::Text(Kind::Device),
                    b'X' | b'^' | b'_' => self.state = State::Text(Kind::Other),
                    _ => self.end(Kind::Escape, at, on_part),
                }
            }
            (State::Control, 0x40..=0x7e) => {
                self.keep(byte);
                self.end(Kind::Control, at, on_part);
            }
            (State::Ground | State::Control, _) => self.keep(byte),
        }
    }
}

/// How many bytes of a character are missing after `text`, before which `missing` were.
fn unfinished(missing: u8, text: &[u8]) -> u8 {
    let last = text.get(text.len().saturating_sub(3)..).unwrap_or(text);
    for (back, byte) in (1u8..).zip(last.iter().rev()) {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        return u8::saturating_sub(length, back);
    }
    // Nothing but the middle of a character.
    missing.saturating_sub(u8::try_from(text.len()).unwrap_or(u8::MAX))
}

impl<'a> Sequence<'a> {
    /// Of a control sequence: what stands before its parameters (`?`, `>`, `=` or `<`), the
    /// parameters, what stands after them, and the final byte.
    pub(super) fn control(&self) -> Option<Control<'a>> {
        let (Kind::Control, [ESC, b'[', rest @ .., last]) = (self.kind, self.bytes) else {
            return None;
        };
        let (private, rest) = match rest {
            [mark @ b'<'..=b'?', rest @ ..] => (Some(*mark), rest),
            _ => (None, rest),
        };
        let parameters = rest.iter().position(|byte| *byte < b'0').unwrap_or(rest.len());
        let (parameters, intermediate) = rest.split_at_checked(parameters).unwrap_or((rest, &[]));
        Some(Control { private, parameters, intermediate, last: *last })
    }

    /// Of a command: its number and what follows the first semicolon.
    pub(super) fn command(&self) -> Option<(&'a [u8], &'a [u8])> {
        let (Kind::Command, [ESC, b']', rest @ ..]) = (self.kind, self.bytes) else { return None };
        let number = rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len());
        let (number, rest) = rest.split_at_checked(number).unwrap_or((rest, &[]));
        Some((number, rest.get(1..).unwrap_or_default()))
    }
}

/// A control sequence, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Control<'a> {
    pub(super) private: Option<u8>,
    pub(super) parameters: &'a [u8],
    pub(super) intermediate: &'a [u8],
    pub(super) last: u8,
}

impl Control<'_> {
    /// The parameters as numbers, 0 for one that is left out or no number; of those with parts the
    /// first part.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u16> {
        self.parameters.split(|byte| *byte == b';').map(|number| {
            let first = number.split(|byte| *byte == b':').next().unwrap_or_default();
            first.iter().fold(0u16, |sum, byte| {
                sum.saturating_mul(10).saturating_add(u16::from(byte.saturating_sub(b'0')))
            })
        })
    }

    /// The first parameter.
    pub(super) fn number(&self) -> u16 {
        self.numbers().next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// What it is, its bytes, where it ends.
    type Piece = (Option<Kind>, Vec<u8>, usize);

    /// Text and sequences, with how far the scan had come at the end of each; text pieces joined.
    fn parts(pieces: &[&[u8]]) -> (Vec<Piece>, Scanner) {
        let mut scanner = Scanner::default();
        let mut parts: Vec<Piece> = Vec::new();
        let mut before = 0;
        for piece in pieces {
            scanner.scan(piece, |part, upto| {
                let upto = before + upto;
                match (part, parts.last_mut()) {
                    (Part::Text(text), Some((None, last, end))) => {
                        last.extend_from_slice(text);
                        *end = upto;
                    }
                    (Part::Text(text), _) => parts.push((None, text.to_vec(), upto)),
                    (Part::Sequence(Sequence { kind, bytes }), _) => {
                        parts.push((Some(kind), bytes.to_vec(), upto));
                    }
                }
            });
            before += piece.len();
        }
        (parts, scanner)
    }

    fn one(bytes: &[u8]) -> (Option<Kind>, Vec<u8>) {
        let (parts, _) = parts(&[bytes]);
        let (kind, bytes, _) = parts.into_iter().next().unwrap();
        (kind, bytes)
    }

    #[test]
    fn each_kind_of_sequence_is_known_by_its_end() {
        for (bytes, kind, kept) in [
            (&b"\x1b[?2004h"[..], Kind::Control, 8),
            (b"\x1b[ q", Kind::Control, 4),
            (b"\x1b7", Kind::Escape, 2),
            (b"\x1b(0", Kind::Escape, 3),
            (b"\x1b]0;title\x07", Kind::Command, 9),
            (b"\x1b]0;title\x1b\\", Kind::Command, 9),
            (b"\x1bP$qm\x1b\\", Kind::Device, 5),
            (b"\x1b_Gx\x1b\\", Kind::Other, 4),
        ] {
            assert_eq!(one(bytes), (Some(kind), bytes[..kept].to_vec()));
        }
    }

    #[test]
    fn a_line_feed_inside_a_sequence_is_a_line_feed() {
        let (parts, _) = parts(&[b"\x1b[3\n1m"]);
        let parts: Vec<_> = parts.into_iter().map(|(kind, bytes, _)| (kind, bytes)).collect();
        assert_eq!(parts, [(None, b"\n".to_vec()), (Some(Kind::Control), b"\x1b[31m".to_vec())]);
    }

    #[test]
    fn a_sequence_without_end_costs_no_more_than_its_limit() {
        let (_, mut scanner) = parts(&[b"\x1b]52;c;", &[b'A'; 1 << 20]]);
        assert!(scanner.begun.capacity() <= 2 * MAX_SEQUENCE && !scanner.is_ground());
        let mut kinds = Vec::new();
        scanner.scan(b"\x07x", |part, _| {
            if let Part::Sequence(sequence) = part {
                kinds.push(sequence.kind);
            }
        });
        assert_eq!(kinds, [Kind::Overlong]);
    }

    #[test]
    fn half_a_character_is_no_ground_to_cut_at() {
        for (text, whole) in
            [("é", 2), ("한", 3), ("🙂", 4)].map(|(text, length)| (text.as_bytes(), length))
        {
            for cut in 1..whole {
                assert!(!parts(&[&text[..cut]]).1.is_ground(), "after {cut} of {whole}");
            }
            assert!(parts(&[text]).1.is_ground());
            let bytewise: Vec<&[u8]> = text.chunks(1).collect();
            assert!(parts(&bytewise).1.is_ground());
        }
        assert!(parts(&[b"\xff\xfe"]).1.is_ground(), "what is no text ends at once");
    }

    #[test]
    fn parameters_are_taken_apart() {
        let read = |bytes| Sequence { kind: Kind::Control, bytes }.control().unwrap();
        let control = read(b"\x1b[?25;1049h");
        assert_eq!((control.private, control.last), (Some(b'?'), b'h'));
        assert_eq!(control.numbers().collect::<Vec<_>>(), [25, 1049]);
        assert_eq!(read(b"\x1b[4:3;31m").numbers().collect::<Vec<_>>(), [4, 31]);
        assert_eq!(read(b"\x1b[?2026$p").intermediate, b"$");
        assert_eq!(read(b"\x1b[H").numbers().collect::<Vec<_>>(), [0]);
    }

    proptest! {
        #[test]
        fn however_output_is_cut_its_parts_are_the_same(
            bytes in vec(prop_oneof![Just(0x1b), Just(b'['), Just(b']'), Just(b'm'), Just(7), any::<u8>()], 0..200),
            cuts in vec(0..200usize, 0..10),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let (whole, one) = parts(&[&bytes]);
            let (cut, other) = parts(&pieces);
            prop_assert_eq!(whole, cut);
            prop_assert_eq!(one.is_ground(), other.is_ground());
        }
    }
}
