//! Takes escape sequences out of output, in pieces as they come. Whatever stays can't move the
//! cursor, change the title or make the terminal answer.

/// What of the escapes stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Keep {
    /// None.
    Nothing,
    /// Colours and other looks of characters (SGR).
    Colours,
}

/// Remembers where in a sequence the last piece ended.
#[derive(Debug)]
pub(in crate::cli) struct Stripper {
    keep: Keep,
    state: State,
    /// The sequence that is arriving, as long as it may be one of colours.
    sequence: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte: one more byte ends it.
    Intermediate,
    /// Within CSI.
    Control,
    /// Within OSC, DCS, APC, PM or SOS, which BEL or ST ends.
    String,
    /// After ESC within one of these.
    StringEscape,
}

/// A colour sequence is never longer, in bytes.
const MAX_SEQUENCE: usize = 64;
const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

impl Stripper {
    pub(in crate::cli) const fn new(keep: Keep) -> Self {
        Self { keep, state: State::Text, sequence: Vec::new() }
    }

    /// What stays of the next piece of output.
    pub(in crate::cli) fn strip(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.take(*byte, &mut out);
        }
        out
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.state = match (self.state, byte) {
            (State::String, ESC) => State::StringEscape,
            (State::String, BEL) | (State::StringEscape, b'\\') => State::Text,
            (State::String, _) => State::String,
            (_, ESC) => {
                self.sequence.clear();
                State::Escape
            }
            (State::Text, _) => {
                // C1 controls arrive as UTF-8 and are taken apart by nobody we know of; DEL and the
                // C0 controls that move the cursor go.
                if matches!(byte, b'\n' | b'\t' | 0x20..=0x7e | 0x80..) {
                    out.push(byte);
                }
                State::Text
            }
            (State::Escape | State::StringEscape, b'[') => State::Control,
            (State::Escape | State::StringEscape, b']' | b'P' | b'_' | b'^' | b'X') => {
                State::String
            }
            (State::Escape | State::StringEscape, 0x20..=0x2f) => State::Intermediate,
            (State::Escape | State::StringEscape, _) => State::Text,
            (State::Intermediate, 0x20..=0x2f) => State::Intermediate,
            (State::Intermediate, _) => State::Text,
            (State::Control, 0x20..=0x3f) => {
                if self.sequence.len() < MAX_SEQUENCE {
                    self.sequence.push(byte);
                }
                State::Control
            }
            (State::Control, _) => {
                if byte == b'm' && self.keep == Keep::Colours && self.is_look() {
                    out.extend_from_slice(b"\x1b[");
                    out.extend_from_slice(&self.sequence);
                    out.push(b'm');
                }
                State::Text
            }
        };
    }

    fn is_look(&self) -> bool {
        self.sequence.len() < MAX_SEQUENCE
            && self.sequence.iter().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stripped(keep: Keep, text: &[u8]) -> Vec<u8> {
        Stripper::new(keep).strip(text)
    }

    #[test]
    fn output_from_a_stranger_cannot_take_over_the_terminal() {
        let hostile = b"a\x1b[2Jb\x1b]0;title\x07c\x1b]52;c;aGk=\x1b\\d\x1bPq\x1b\\e\r\x08f\x1b(0g\x1b7h\x1b[31mi\x1b[>4mj\n";
        assert_eq!(stripped(Keep::Nothing, hostile), b"abcdefghij\n");
        assert_eq!(stripped(Keep::Colours, hostile), b"abcdefgh\x1b[31mij\n");
        assert_eq!(stripped(Keep::Nothing, "Zoë\t日本".as_bytes()), "Zoë\t日本".as_bytes());
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_output_is_cut(
            pieces in prop::collection::vec("[a\u{1b}\\[\\]m0;\\\\\u{7}P(]{0,6}", 0..8)
        ) {
            for keep in [Keep::Nothing, Keep::Colours] {
                let mut stripper = Stripper::new(keep);
                let cut: Vec<u8> =
                    pieces.iter().flat_map(|piece| stripper.strip(piece.as_bytes())).collect();
                prop_assert_eq!(cut, stripped(keep, pieces.concat().as_bytes()));
            }
        }
    }
}
