//! What comes from the terminal at this end: keys for the agent, the key that detaches, and the
//! terminal's answers to questions in the output, which the node has answered already.

/// Ctrl-].
const DETACH: u8 = 0x1d;
const ESC: u8 = 0x1b;
/// An answer is never longer, in bytes.
const MAX_SEQUENCE: usize = 4096;

/// Sorts what the terminal sends, in pieces as they come.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// A sequence that has begun.
    sequence: Vec<u8>,
}

/// What came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    /// Keys for the agent.
    pub(super) typed: Vec<u8>,
    /// Whether the person wants to leave; what they typed after that counts no more.
    pub(super) detach: bool,
}

/// What a sequence is, as far as it has come.
enum Kind {
    Unfinished,
    Key,
    Answer,
    Detach,
}

impl Keys {
    /// Sorts the next bytes.
    pub(super) fn sort(&mut self, bytes: &[u8]) -> Sorted {
        let mut sorted = Sorted::default();
        for byte in bytes {
            if self.sequence.is_empty() && *byte != ESC {
                if *byte == DETACH {
                    sorted.detach = true;
                    return sorted;
                }
                sorted.typed.push(*byte);
                continue;
            }
            self.sequence.push(*byte);
            match kind(&self.sequence) {
                Kind::Unfinished if self.sequence.len() < MAX_SEQUENCE => {}
                Kind::Unfinished | Kind::Key => sorted.typed.append(&mut self.sequence),
                Kind::Answer => self.sequence.clear(),
                Kind::Detach => {
                    sorted.detach = true;
                    return sorted;
                }
            }
        }
        sorted
    }

    /// Whether a sequence has begun. If nothing follows soon it was a key: Escape, or Alt and
    /// another.
    pub(super) const fn is_unfinished(&self) -> bool {
        !self.sequence.is_empty()
    }

    /// The keys that had looked like the beginning of a sequence.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sequence)
    }
}

fn kind(sequence: &[u8]) -> Kind {
    match sequence {
        [ESC] | [ESC, b'[' | b']' | b'P' | b'_'] => Kind::Unfinished,
        [ESC, b'[', parameters @ .., last] => match last {
            0x20..=0x3f => Kind::Unfinished,
            _ => control(parameters, *last),
        },
        // OSC, DCS and APC: no key sends them.
        [ESC, b']' | b'P' | b'_', .., 0x07] | [ESC, b']' | b'P' | b'_', .., ESC, b'\\'] => {
            Kind::Answer
        }
        [ESC, b']' | b'P' | b'_', ..] => Kind::Unfinished,
        _ => Kind::Key,
    }
}

fn control(parameters: &[u8], last: u8) -> Kind {
    let is_private = matches!(parameters.first(), Some(b'?' | b'>' | b'='));
    match (parameters, last) {
        (b"93;5", b'u') | (b"27;5;93", b'~') => Kind::Detach,
        // F3 with Shift, Alt, Control: looks like a cursor in the first line.
        ([b'1', b';', b'2'..=b'8'], b'R') => Kind::Key,
        // Device attributes, status, cursor, window, parameters, modes, keyboard, graphics.
        (_, b'c' | b'u' | b'S') if is_private => Kind::Answer,
        (_, b'n' | b'R' | b't' | b'x') => Kind::Answer,
        ([.., b'$'], b'y') => Kind::Answer,
        _ => Kind::Key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> Vec<u8> {
        let mut keys = Keys::default();
        let mut sorted = keys.sort(bytes);
        sorted.typed.extend(keys.flush());
        sorted.typed
    }

    #[test]
    fn what_the_terminal_answers_is_not_typed_into_the_shell() {
        let answers: [&[u8]; 9] = [
            b"\x1b[?62;22c",
            b"\x1b[>1;10;0c",
            b"\x1b[0n",
            b"\x1b[24;80R",
            b"\x1b]11;rgb:0000/0000/0000\x1b\\",
            b"\x1b]10;rgb:ffff/ffff/ffff\x07",
            b"\x1bP>|xterm(390)\x1b\\",
            b"\x1b[?2026;2$y",
            b"\x1b[?1u",
        ];
        for answer in answers {
            let around = [b"a", answer, b"b"].concat();
            assert_eq!(typed(&around), b"ab", "{}", String::from_utf8_lossy(answer));
            // However it is cut.
            let mut keys = Keys::default();
            let bytewise: Vec<u8> =
                around.iter().flat_map(|byte| keys.sort(&[*byte]).typed).collect();
            assert_eq!(bytewise, b"ab");
        }
    }

    #[test]
    fn every_key_reaches_the_agent() {
        let keys: [&[u8]; 10] = [
            b"\x03",
            b"\x1b",
            b"\x1b[A",
            b"\x1bOP",
            b"\x1b[1;5C",
            b"\x1b[1;2R",
            b"\x1b[15~",
            b"\x1b[<0;10;20M",
            b"\x1b[200~paste\x1b[201~",
            "\x1bx é 日本".as_bytes(),
        ];
        for key in keys {
            assert_eq!(typed(key), key, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn the_detaching_key_is_heard_and_what_came_before_it_is_typed() {
        for key in [&b"\x1d"[..], b"\x1b[93;5u", b"\x1b[27;5;93~"] {
            let sorted = Keys::default().sort(&[b"ls\r", key, b"lost"].concat());
            assert_eq!(sorted, Sorted { typed: b"ls\r".to_vec(), detach: true });
        }
    }

    #[test]
    fn a_sequence_without_end_is_not_kept_for_ever() {
        let mut keys = Keys::default();
        keys.sort(b"\x1b]");
        keys.sort(&[b'x'; 2 * MAX_SEQUENCE]);
        assert!(!keys.is_unfinished());
    }
}
