//! The last line of some output, fit for people to see: a stranger's text without its control
//! sequences.

use gantline_protocol::name::is_deceptive;

use super::screen::scan::{Part, Scanner};

/// The greatest length, in characters.
const MAX: usize = 200;

/// The last line of `output` in which there is something to see. `output` may begin in the middle of
/// a line or of a sequence, if `is_cut`; as much is left out then.
pub(crate) fn last_line(output: &[u8], is_cut: bool) -> Option<String> {
    last_lines(output, is_cut, 1).pop()
}

/// The last lines of `output` in which there is something to see, `most` of them, in their order.
pub(crate) fn last_lines(output: &[u8], is_cut: bool, most: usize) -> Vec<String> {
    let begins = match is_cut {
        true => output.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1),
        false => 0,
    };
    let mut text = Vec::with_capacity(output.len());
    Scanner::default().scan(output.get(begins..).unwrap_or_default(), |part, _| match part {
        Part::Text(part) => text.extend_from_slice(part),
        Part::Sequence(_) => {}
    });
    let lines = text.rsplit(|byte| matches!(byte, b'\n' | b'\r'));
    let lines = lines.filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let spaced = line.chars().map(|c| if c == '\t' { ' ' } else { c });
        let line: String = spaced.filter(|c| !is_deceptive(*c)).collect();
        let line = line.trim();
        (!line.is_empty()).then(|| line.chars().take(MAX).collect())
    });
    let mut last: Vec<String> = lines.take(most).collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_last_line_that_says_something() {
        let cases: [(&[u8], Option<&str>); 7] = [
            (b"one\r\ntwo\r\n\r\n  \r\n", Some("two")),
            (b"half a li", Some("half a li")),
            (b" 10%\r 20%\r 30%", Some("30%")),
            (b"\x1b[1;31mred\x1b[0m\tand\x1b]0;title\x07 more\n", Some("red and more")),
            ("a\u{202e}b\u{7}\u{9b}31mc".as_bytes(), Some("ab31mc")),
            (b"\xff\xfe", Some("\u{fffd}\u{fffd}")),
            (b"\x1b[2J\r\n", None),
        ];
        for (output, expected) in cases {
            let line = last_line(output, false);
            assert_eq!(line.as_deref(), expected, "{}", output.escape_ascii());
        }
        assert_eq!(last_line(&[b'x'; 4096], false).unwrap().len(), MAX);
    }

    #[test]
    fn what_was_cut_in_a_sequence_shows_nothing_of_it() {
        assert_eq!(last_line(b";31mred\nblue", true).as_deref(), Some("blue"));
        assert_eq!(last_line(b"no end", true).as_deref(), Some("no end"));
    }
}
