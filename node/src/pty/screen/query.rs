//! What programs ask their terminal, and what the node answers in its place: once, whether nobody
//! watches or sixty-four do.

use super::{
    modes::{Colour, Modes, Rgb},
    scan::{Kind, Sequence},
};

/// What a program asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Query {
    /// DA1: what kind of terminal it is.
    Attributes,
    /// DA2: which one, and its version.
    SecondaryAttributes,
    /// DSR 5: whether it works.
    Status,
    /// DSR 6: where the cursor is; in the private form with a page.
    Cursor { is_private: bool },
    /// DECRQM: whether a mode is on.
    Mode { is_private: bool, mode: u16 },
    /// OSC 10, 11, 12.
    Colour(Colour),
    /// XTVERSION: its name and version.
    Version,
    /// How many cells it has.
    Size,
}

/// Where a cursor is, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) row: u16,
    pub(super) col: u16,
}

impl Query {
    /// What a sequence asks, if it is a question that the node answers.
    pub(super) fn read(sequence: &Sequence<'_>) -> Option<Self> {
        match sequence.kind {
            Kind::Control => Self::control(sequence),
            Kind::Command => match sequence.command()? {
                (b"10", b"?") => Some(Self::Colour(Colour::Text)),
                (b"11", b"?") => Some(Self::Colour(Colour::Background)),
                (b"12", b"?") => Some(Self::Colour(Colour::Cursor)),
                _ => None,
            },
            Kind::Escape if sequence.bytes == b"\x1bZ" => Some(Self::Attributes),
            Kind::Escape | Kind::Device | Kind::Other | Kind::Overlong => None,
        }
    }

    fn control(sequence: &Sequence<'_>) -> Option<Self> {
        let control = sequence.control()?;
        let is_private = control.private == Some(b'?');
        match (control.private, control.intermediate, control.last, control.number()) {
            (None, b"", b'c', 0) => Some(Self::Attributes),
            (Some(b'>'), b"", b'c', 0) => Some(Self::SecondaryAttributes),
            (None, b"", b'n', 5) => Some(Self::Status),
            (None | Some(b'?'), b"", b'n', 6) => Some(Self::Cursor { is_private }),
            (None | Some(b'?'), b"$", b'p', mode) => Some(Self::Mode { is_private, mode }),
            (Some(b'>'), b"", b'q', 0) => Some(Self::Version),
            (None, b"", b't', 18) => Some(Self::Size),
            _ => None,
        }
    }
}

/// What the answers to some questions depend on.
pub(super) struct Situation<'a> {
    pub(super) modes: &'a Modes,
    pub(super) cursor: Cursor,
    pub(super) cols: u16,
    pub(super) rows: u16,
}

/// The answer to a question that depends on nothing.
pub(super) const fn fixed(query: Query) -> Option<&'static [u8]> {
    match query {
        // A VT220 with colours.
        Query::Attributes => Some(b"\x1b[?62;22c"),
        // What xterm has answered since it knows all that viewers can do with a mouse.
        Query::SecondaryAttributes => Some(b"\x1b[>0;277;0c"),
        Query::Status => Some(b"\x1b[0n"),
        Query::Version => {
            Some(concat!("\x1bP>|gantline(", env!("CARGO_PKG_VERSION"), ")\x1b\\").as_bytes())
        }
        Query::Cursor { .. } | Query::Mode { .. } | Query::Colour(_) | Query::Size => None,
    }
}

/// The answer to any question.
pub(super) fn answer(query: Query, situation: &Situation<'_>) -> Vec<u8> {
    let Situation { modes, cursor, cols, rows } = situation;
    let text = match query {
        Query::Cursor { is_private: false } => format!("\x1b[{};{}R", cursor.row, cursor.col),
        Query::Cursor { is_private: true } => format!("\x1b[?{};{};1R", cursor.row, cursor.col),
        Query::Mode { is_private: true, mode } => {
            format!("\x1b[?{mode};{}$y", private_mode(modes, mode))
        }
        Query::Mode { is_private: false, mode } => {
            let state = match mode {
                4 => on_or_off(modes.is_inserting()),
                _ => UNKNOWN,
            };
            format!("\x1b[{mode};{state}$y")
        }
        Query::Colour(colour) => {
            // Viewers may have others; a program that asks wants to know whether it is dark.
            let light = Rgb::new(0xd0d0, 0xd0d0, 0xd0d0);
            let (number, default) = match colour {
                Colour::Text => (10, light),
                Colour::Background => (11, Rgb::new(0, 0, 0)),
                Colour::Cursor => (12, light),
            };
            let colour = modes.colour(colour).unwrap_or(default);
            format!("\x1b]{number};{colour}\x1b\\")
        }
        Query::Size => format!("\x1b[8;{rows};{cols}t"),
        Query::Attributes | Query::SecondaryAttributes | Query::Status | Query::Version => {
            return fixed(query).unwrap_or_default().to_vec();
        }
    };
    text.into_bytes()
}

const UNKNOWN: u8 = 0;
const PERMANENTLY_OFF: u8 = 4;

const fn on_or_off(is_on: bool) -> u8 {
    if is_on { 1 } else { 2 }
}

fn private_mode(modes: &Modes, mode: u16) -> u8 {
    let default = match mode {
        7 | 25 => true,
        1 | 6 | 9 | 12 | 47 | 69 | 1000 | 1002..=1006 | 1015 | 1016 | 1047 | 1049 | 2004 | 2026 => {
            false
        }
        3 | 8 => return PERMANENTLY_OFF,
        _ => return UNKNOWN,
    };
    on_or_off(modes.private(mode).unwrap_or(default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pty::screen::scan::{Part, Scanner};

    fn asked(bytes: &[u8]) -> Vec<Query> {
        let mut queries = Vec::new();
        Scanner::default().scan(bytes, |part, _| {
            if let Part::Sequence(sequence) = part {
                queries.extend(Query::read(&sequence));
            }
        });
        queries
    }

    #[test]
    fn questions_are_told_from_orders() {
        let questions = b"\x1b[c\x1b[0c\x1b[>c\x1b[5n\x1b[6n\x1b[?6n\x1b[?2026$p\x1b[4$p\
            \x1b]10;?\x07\x1b]11;?\x1b\\\x1b]12;?\x07\x1b[>q\x1b[>0q\x1b[18t\x1bZ";
        assert_eq!(asked(questions).len(), 15);
        let orders = b"\x1b[1c\x1b[=c\x1b[4n\x1b[?25h\x1b[!p\x1b]10;#fff\x07\x1b[2 q\x1b[22;0t\
            \x1b[?62;22c\x1b[3;4R\x1b[>4;2m\x1b]52;c;?\x07";
        assert_eq!(asked(orders), []);
    }

    #[test]
    fn a_program_s_own_text_is_never_typed_back() {
        for text in
            ["\n rm -rf x\n", "red", "rgb:1/2/3/4", "#12345", "rgb:12345/0/0", "rgb://", "#"]
        {
            let mut modes = Modes::default();
            let bytes = format!("\x1b]11;{text}\x1b\\");
            Scanner::default().scan(bytes.as_bytes(), |part, _| {
                if let Part::Sequence(sequence) = part {
                    modes.apply(&sequence, 24);
                }
            });
            assert_eq!(modes.colour(Colour::Background), None, "{text}");
        }
    }

    #[test]
    fn answers_say_what_the_program_has_done() {
        let mut modes = Modes::default();
        Scanner::default().scan(b"\x1b[?2004h\x1b[?7l\x1b]11;#102030\x07\x1b[4h", |part, _| {
            if let Part::Sequence(sequence) = part {
                modes.apply(&sequence, 24);
            }
        });
        let situation =
            Situation { modes: &modes, cursor: Cursor { row: 3, col: 40 }, cols: 80, rows: 24 };
        let private = |mode| Query::Mode { is_private: true, mode };
        for (query, expected) in [
            (Query::Cursor { is_private: false }, &b"\x1b[3;40R"[..]),
            (Query::Cursor { is_private: true }, b"\x1b[?3;40;1R"),
            (private(2004), b"\x1b[?2004;1$y"),
            (private(7), b"\x1b[?7;2$y"),
            (private(25), b"\x1b[?25;1$y"),
            (private(4711), b"\x1b[?4711;0$y"),
            (Query::Mode { is_private: false, mode: 4 }, b"\x1b[4;1$y"),
            (Query::Colour(Colour::Background), b"\x1b]11;rgb:1010/2020/3030\x1b\\"),
            (Query::Size, b"\x1b[8;24;80t"),
            (Query::Attributes, b"\x1b[?62;22c"),
        ] {
            assert_eq!(answer(query, &situation), expected, "{query:?}");
        }
    }
}
