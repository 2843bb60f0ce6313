//! What the output has done to the terminal at this end, so that it can be undone when the viewer
//! leaves in the middle: another screen, a hidden cursor, a mouse that reports.

use std::collections::BTreeSet;

/// Private modes that are off in a terminal at rest.
const OFF: [u16; 14] = [1, 5, 9, 47, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1047, 1049, 2004];
/// Private modes that are on.
const ON: [u16; 2] = [7, 25];
/// Those that show another screen.
const OTHER_SCREEN: [u16; 3] = [47, 1047, 1049];
/// A sequence that matters is never longer, in bytes.
const MAX_SEQUENCE: usize = 64;
const ESC: u8 = 0x1b;

/// Follows the output, in pieces as they come.
#[derive(Debug, Default)]
pub(super) struct Modes {
    state: State,
    sequence: Vec<u8>,
    /// Modes that are not as in a terminal at rest.
    changed: BTreeSet<u16>,
    keypad: bool,
    region: bool,
    keyboard: bool,
    other_keys: bool,
    cursor: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    Control,
}

impl Modes {
    /// Takes note of output that is about to be shown.
    pub(super) fn follow(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = match (self.state, byte) {
                (_, &ESC) => State::Escape,
                (State::Escape, b'[') => {
                    self.sequence.clear();
                    State::Control
                }
                (State::Escape, b'=') => {
                    self.keypad = true;
                    State::Text
                }
                (State::Escape, b'>') => {
                    self.keypad = false;
                    State::Text
                }
                (State::Escape, b'c') => {
                    *self = Self::default();
                    State::Text
                }
                (State::Control, 0x20..=0x3f) if self.sequence.len() < MAX_SEQUENCE => {
                    self.sequence.push(*byte);
                    State::Control
                }
                (State::Control, _) => {
                    self.control(*byte);
                    State::Text
                }
                (State::Text | State::Escape, _) => State::Text,
            };
        }
    }

    /// Whether the output shows another screen than the one where it began.
    pub(super) fn is_on_other_screen(&self) -> bool {
        OTHER_SCREEN.iter().any(|mode| self.changed.contains(mode))
    }

    /// What brings the terminal to rest.
    pub(super) fn undo(&self) -> Vec<u8> {
        let mut out = b"\x1b[0m\x1b(B".to_vec();
        if self.region {
            // The cursor would go home.
            out.extend_from_slice(b"\x1b7\x1b[r\x1b8");
        }
        for mode in &self.changed {
            let to = if ON.contains(mode) { 'h' } else { 'l' };
            out.extend_from_slice(format!("\x1b[?{mode}{to}").as_bytes());
        }
        if self.keypad {
            out.extend_from_slice(b"\x1b>");
        }
        if self.keyboard {
            out.extend_from_slice(b"\x1b[<32u");
        }
        if self.other_keys {
            out.extend_from_slice(b"\x1b[>4m");
        }
        if self.cursor {
            out.extend_from_slice(b"\x1b[0 q");
        }
        out
    }

    fn control(&mut self, last: u8) {
        match (self.sequence.as_slice(), last) {
            ([b'?', modes @ ..], b'h' | b'l') => {
                let modes: Vec<u16> = modes
                    .split(|byte| *byte == b';')
                    .filter_map(|mode| std::str::from_utf8(mode).ok()?.parse().ok())
                    .collect();
                for mode in modes {
                    let is_changed = match last {
                        b'h' => OFF.contains(&mode),
                        _ => ON.contains(&mode),
                    };
                    match is_changed {
                        true => self.changed.insert(mode),
                        false => self.changed.remove(&mode),
                    };
                }
            }
            ([b'>', ..], b'u') => self.keyboard = true,
            ([b'>', b'4', ..], b'm') => self.other_keys = true,
            ([.., b' '], b'q') => self.cursor = true,
            (b"!", b'p') => *self = Self::default(),
            ([b'0'..=b'9' | b';', ..] | [], b'r') => self.region = !self.sequence.is_empty(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(output: &[u8]) -> String {
        let mut modes = Modes::default();
        for byte in output {
            modes.follow(&[*byte]);
        }
        String::from_utf8(modes.undo()).unwrap()
    }

    #[test]
    fn whoever_leaves_an_editor_has_their_own_screen_again() {
        let undone =
            undone(b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?25l\x1b[1;24r\x1b[?1000;1006h");
        for wanted in ["?1049l", "?1l", "?2004l", "?25h", "?1000l", "?1006l", "\x1b>", "\x1b[r"] {
            assert!(undone.contains(wanted), "{wanted} in {undone:?}");
        }
    }

    #[test]
    fn nothing_is_undone_that_was_not_done() {
        let rest = "\x1b[0m\x1b(B";
        assert_eq!(undone(b"plain \x1b[31mtext\x1b[0m"), rest);
        assert_eq!(undone(b"\x1b[?1049h\x1b[?25l vim \x1b[?25h\x1b[?1049l"), rest);
        assert_eq!(undone(b"\x1b[?1049h\x1bc"), rest);
        assert_eq!(undone(b"\x1b[?1048576h\x1b[?hx\x1b[?;;h"), rest);
    }
}
