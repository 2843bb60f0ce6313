//! The lines of what a machine sends, whole, however it cuts them. Each byte is looked at once, and a
//! line without end is not kept.

/// Bytes that arrived, and the lines in them that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Where the next line begins.
    begin: usize,
    /// Up to here it has no end.
    searched: usize,
    longest: usize,
}

/// A line has no end.
#[derive(Debug)]
pub(crate) struct WithoutEnd;

impl Lines {
    /// No lines yet. One may have `longest` bytes before its end is there.
    pub(crate) const fn up_to(longest: usize) -> Self {
        Self { bytes: Vec::new(), begin: 0, searched: 0, longest }
    }

    /// Takes in what came after the last line was taken.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), WithoutEnd> {
        // All taken lines at once: one by one, each would move everything behind it.
        self.bytes.drain(..self.begin);
        self.searched -= self.begin;
        self.begin = 0;
        self.bytes.extend_from_slice(bytes);
        let unfinished = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => bytes.len() - end - 1,
            None => self.bytes.len(),
        };
        if unfinished > self.longest { Err(WithoutEnd) } else { Ok(()) }
    }

    /// The next whole line, without its end.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let unsearched = self.bytes.get(self.searched..)?;
        let Some(length) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.bytes.len();
            return None;
        };
        let (begin, end) = (self.begin, self.searched + length);
        self.begin = end + 1;
        self.searched = self.begin;
        self.bytes.get(begin..end)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::{collection::vec, prelude::*};

    use super::*;

    const LONGEST: usize = 256 * 1024;

    proptest! {
        #[test]
        fn lines_are_whole_however_they_come(pieces in vec("[ab\n]{0,6}", 0..32)) {
            let mut lines = Lines::up_to(LONGEST);
            let mut read = String::new();
            for piece in &pieces {
                lines.push(piece.as_bytes()).unwrap();
                while let Some(line) = lines.next() {
                    read.push_str(std::str::from_utf8(line).unwrap());
                    read.push('\n');
                }
            }
            let sent = pieces.concat();
            let whole = sent.rfind('\n').map_or("", |end| &sent[..=end]);
            prop_assert_eq!(read, whole);
        }
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut lines = Lines::up_to(LONGEST);
        let piece = [b'x'; 1024];
        let pushed = (0..1000).take_while(|_| lines.push(&piece).is_ok()).count();
        assert_eq!(pushed * piece.len(), LONGEST);
    }

    #[test]
    fn a_machine_that_sends_crumbs_keeps_no_core_busy() {
        let began = Instant::now();
        let mut lines = Lines::up_to(LONGEST);
        // As many lines as a session holds at once.
        lines.push(&vec![b'\n'; 4 << 20]).unwrap();
        assert_eq!(std::iter::from_fn(|| lines.next().map(<[u8]>::len)).sum::<usize>(), 0);
        // And a line that comes byte by byte.
        for _ in 0..LONGEST {
            lines.push(b"x").unwrap();
            assert_eq!(lines.next(), None);
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
