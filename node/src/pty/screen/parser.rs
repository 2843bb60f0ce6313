//! The terminal-state parser: what a terminal shows that was given all output up to some place. The
//! crate behind it is seen nowhere else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use gantline_protocol::{Offset, terminal::TerminalSize};
use shpool_vterm::{ContentRegion, Size, Term};

use super::{
    checkpoint::Checkpoint,
    modes::Modes,
    query::{self, Cursor, Query, Situation},
    scan::{Kind, Part, Scanner, Sequence},
    skim::{self, Ends, Run},
};

/// Lines above the screen that are kept.
pub const SCROLLBACK: u16 = 1000;
/// Cells above the screen that are kept at most: on very wide terminals there are fewer lines.
const SCROLLBACK_CELLS: usize = 256 * 1024;
/// Text that waits for a place to cut at, in bytes. When there is more, it is cut anywhere.
const MAX_HELD: usize = 64 * 1024;
/// What is drawn ahead of time at once, in bytes, so that whoever waits for another screen has its
/// turn soon.
const BRIEF: usize = 64 * 1024;
/// The mode in which text goes on in the next line.
const AUTOWRAP: u16 = 7;
/// A link is at most so long, in bytes: every cell of it has a copy.
const MAX_LINK: usize = 512;

/// Output on which the parser panics, for tests: none is known on which the crate does.
#[cfg(test)]
pub(super) const PANICS: &[u8] = b"\x1b[4242z";
/// So many columns on which it does.
#[cfg(test)]
pub(super) const PANICS_AT: u16 = 997;

/// The parser has panicked. What it had drawn is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the terminal parser has failed on this output")]
pub struct Failed;

/// A terminal's state.
///
/// It shows the output up to [`Parser::position`]: a place where neither a sequence nor a character
/// is cut, and where nothing that follows acts upon the character before (a combining one, a
/// repetition), unless there has been no such place for long.
pub struct Parser {
    drawing: Drawing,
    scanner: Scanner,
    /// Text after the last place to cut at.
    held: Vec<u8>,
    position: Offset,
    /// What was fed, including what is held or cut.
    fed: Offset,
}

/// What was drawn so far.
struct Drawing {
    term: Term,
    modes: Modes,
    size: TerminalSize,
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Parser {
    /// An empty terminal, before the output at `position`.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn new(size: TerminalSize, position: Offset) -> Result<Self, Failed> {
        let term = guarded(|| Term::new(lines(size), cells(size)))?;
        let drawing = Drawing { term, modes: Modes::default(), size };
        let scanner = Scanner::default();
        Ok(Self { drawing, scanner, held: Vec::new(), position, fed: position })
    }

    /// The terminal that a checkpoint is of.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn restore(checkpoint: &Checkpoint) -> Result<Self, Failed> {
        let mut parser = Self::new(checkpoint.size, Offset(0))?;
        parser.feed(&checkpoint.screen)?;
        parser.flush()?;
        parser.drawing.modes.restored();
        parser.position = checkpoint.position;
        parser.fed = checkpoint.position;
        Ok(parser)
    }

    /// Draws the next output. Text that scrolls out of what is kept within `bytes` is passed over,
    /// so a flood is cheaper in large pieces.
    ///
    /// # Errors
    /// [`Failed`]; the parser is of no use then.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let done = self.skim(bytes)?;
        self.draw(bytes.get(done..).unwrap_or_default(), Text::Drawn)
    }

    /// Takes the beginning of `bytes`, as much as is quickly done; the lines at the end that are
    /// kept are left for when somebody wants to see them. Until then nothing here shows the screen:
    /// the output from [`Parser::fed`] on has to be fed first.
    ///
    /// # Errors
    /// [`Failed`]; the parser is of no use then.
    pub(super) fn pass_over(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        if self.skim(bytes)? == 0 {
            self.draw(bytes.get(..BRIEF).unwrap_or(bytes), Text::Drawn)?;
        }
        Ok(())
    }

    /// Draws up to the end of the last text that may be passed over. Returns how many bytes that
    /// were.
    fn skim(&mut self, bytes: &[u8]) -> Result<usize, Failed> {
        let mut done = 0;
        for Run { bytes: run, ends } in skim::runs(&self.scanner, bytes, self.drawing.kept_lines())
        {
            self.draw(bytes.get(done..run.start).unwrap_or_default(), Text::Drawn)?;
            done = run.start;
            if !self.drawing.modes.scrolls_plainly() {
                continue;
            }
            self.flush()?;
            let text = bytes.get(run.clone()).unwrap_or_default();
            let column = match ends {
                Ends::AtTheLeft => None,
                Ends::Anywhere if self.held.is_empty() && self.drawing.wraps() => {
                    let width = usize::from(self.drawing.size.cols());
                    Some(skim::column_after(text, self.drawing.column()?, width))
                }
                Ends::Anywhere => continue,
            };
            self.draw(text, Text::PassedOver)?;
            done = run.end;
            if let Some(column) = column {
                self.drawing.process(format!("\x1b[{}G", column + 1).as_bytes())?;
            }
        }
        Ok(done)
    }

    /// The terminal has another size from here on.
    ///
    /// # Errors
    /// [`Failed`]; the parser is of no use then.
    pub fn resize(&mut self, size: TerminalSize) -> Result<(), Failed> {
        self.flush()?;
        self.drawing.size = size;
        let term = &mut self.drawing.term;
        guarded(|| {
            #[cfg(test)]
            assert_ne!(size.cols(), PANICS_AT, "as was asked for");
            term.set_scrollback_lines(lines(size));
            term.resize(cells(size));
        })
    }

    /// The size of the terminal.
    #[must_use]
    pub const fn size(&self) -> TerminalSize {
        self.drawing.size
    }

    /// Up to where the output is shown.
    #[must_use]
    pub const fn position(&self) -> Offset {
        self.position
    }

    /// Up to where it was fed.
    #[must_use]
    pub const fn fed(&self) -> Offset {
        self.fed
    }

    /// What it shows: bytes that draw it on an empty terminal of its size.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn checkpoint(&self) -> Result<Checkpoint, Failed> {
        let mut screen = guarded(|| self.drawing.term.contents(ContentRegion::All))?;
        self.drawing.modes.restore(&mut screen);
        Ok(Checkpoint { position: self.position, size: self.drawing.size, screen: screen.into() })
    }

    /// Answers a question at the end of what was fed.
    pub(super) fn answer(&self, query: Query) -> Result<Vec<u8>, Failed> {
        let cursor = match query {
            Query::Cursor { .. } => self.drawing.cursor()?,
            Query::Attributes
            | Query::SecondaryAttributes
            | Query::Status
            | Query::Mode { .. }
            | Query::Colour(_)
            | Query::Version
            | Query::Size => Cursor { row: 1, col: 1 },
        };
        let Drawing { modes, size, .. } = &self.drawing;
        let situation = Situation { modes, cursor, cols: size.cols(), rows: size.rows() };
        Ok(query::answer(query, &situation))
    }

    fn draw(&mut self, bytes: &[u8], text: Text) -> Result<(), Failed> {
        let Self { drawing, scanner, held, position, fed } = self;
        let before = fed.0;
        fed.0 += bytes.len() as u64;
        let mut outcome = Ok(());
        scanner.scan(bytes, |part, upto| {
            if outcome.is_ok() {
                let upto = Offset(before + upto as u64);
                outcome = match part {
                    Part::Text(_) if text == Text::PassedOver => {
                        *position = upto;
                        Ok(())
                    }
                    Part::Text(text) => write(drawing, held, position, text, upto),
                    Part::Sequence(sequence) => {
                        *position = upto;
                        release(drawing, held).and_then(|()| drawing.sequence(&sequence))
                    }
                };
            }
        });
        if outcome.is_ok() && self.held.len() > MAX_HELD && self.scanner.is_ground() {
            return self.flush();
        }
        outcome
    }

    /// Draws what is held.
    fn flush(&mut self) -> Result<(), Failed> {
        if self.scanner.is_ground() && !self.held.is_empty() {
            release(&mut self.drawing, &mut self.held)?;
            self.position = self.fed;
        }
        Ok(())
    }
}

/// What becomes of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Drawn,
    /// It scrolls out of what is kept anyway.
    PassedOver,
}

/// Draws text up to its last control character, and holds what follows.
fn write(
    drawing: &mut Drawing,
    held: &mut Vec<u8>,
    position: &mut Offset,
    text: &[u8],
    upto: Offset,
) -> Result<(), Failed> {
    let control = text.iter().rposition(|byte| *byte < 0x20);
    let (now, later) = text.split_at_checked(control.map_or(0, |at| at + 1)).unwrap_or((text, &[]));
    if !now.is_empty() {
        if held.is_empty() {
            drawing.process(now)?;
        } else {
            // Together: a character may be cut between them.
            held.extend_from_slice(now);
            release(drawing, held)?;
        }
        *position = Offset(upto.0 - later.len() as u64);
    }
    held.extend_from_slice(later);
    Ok(())
}

fn release(drawing: &mut Drawing, held: &mut Vec<u8>) -> Result<(), Failed> {
    if !held.is_empty() {
        drawing.process(held)?;
        held.clear();
    }
    Ok(())
}

impl Drawing {
    fn process(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        if bytes.is_empty() {
            return Ok(());
        }
        let term = &mut self.term;
        guarded(|| {
            #[cfg(test)]
            assert!(memchr::memmem::find(bytes, PANICS).is_none(), "as was asked for");
            term.process(bytes);
        })
    }

    fn sequence(&mut self, sequence: &Sequence<'_>) -> Result<(), Failed> {
        self.modes.apply(sequence, self.size.rows());
        match sequence.kind {
            Kind::Escape => self.process(sequence.bytes),
            Kind::Control => {
                let last = sequence.control().map(|control| (control.private, control.last));
                match last {
                    // Titles are kept with the modes.
                    Some((None, b't')) => Ok(()),
                    // The parser ends a link with the attributes; terminals don't.
                    Some((None, b'm')) => {
                        self.process(sequence.bytes)?;
                        self.process(&self.modes.link().unwrap_or_default())
                    }
                    Some(_) | None => self.process(sequence.bytes),
                }
            }
            Kind::Command if is_title(sequence) => Ok(()),
            // Without a link, rather than with a copy of a long one in each cell.
            Kind::Command if sequence.bytes.len() > MAX_LINK && is_link(sequence) => {
                self.process(b"\x1b]8;;\x1b\\")
            }
            Kind::Command => {
                self.process(sequence.bytes)?;
                self.process(b"\x1b\\")
            }
            // They draw nothing that a snapshot could hold.
            Kind::Device | Kind::Other | Kind::Overlong => Ok(()),
        }
    }

    /// Lines after which nothing is left of what was there before.
    fn kept_lines(&self) -> usize {
        lines(self.size) + usize::from(self.size.rows())
    }

    /// Whether what comes at the right edge goes on in the next line.
    fn wraps(&self) -> bool {
        self.modes.private(AUTOWRAP) != Some(false)
    }

    /// Where the cursor is.
    fn cursor(&self) -> Result<Cursor, Failed> {
        let (cursor, _) = self.place()?;
        Ok(cursor)
    }

    /// How many characters stand before the next one in its line, if it does not wrap.
    fn column(&self) -> Result<usize, Failed> {
        let (cursor, is_beyond) = self.place()?;
        Ok(usize::from(cursor.col) - usize::from(!is_beyond))
    }

    /// Where the cursor is, and whether the next character wraps. The drawing of the screen ends
    /// with putting it there.
    fn place(&self) -> Result<(Cursor, bool), Failed> {
        let screen = guarded(|| self.term.contents(ContentRegion::Screen))?;
        let mut place = (Cursor { row: 1, col: 1 }, false);
        let right = self.size.cols();
        Scanner::default().scan(&screen, |part, _| match part {
            Part::Sequence(sequence) => {
                if let Some(control) = sequence.control().filter(|control| control.last == b'H') {
                    let mut numbers = control.numbers();
                    let row = numbers.next().unwrap_or(1).max(1);
                    place = (Cursor { row, col: numbers.next().unwrap_or(1).max(1) }, false);
                }
            }
            // A character in the last column is drawn anew so that the next one wraps.
            Part::Text(_) => {
                place.0.col = right;
                place.1 = true;
            }
        });
        Ok(place)
    }
}

fn is_title(sequence: &Sequence<'_>) -> bool {
    sequence.command().is_some_and(|(number, _)| matches!(number, b"0" | b"1" | b"2"))
}

fn is_link(sequence: &Sequence<'_>) -> bool {
    sequence.command().is_some_and(|(number, _)| number == b"8")
}

/// Calls the parser. It is young, and the output is anybody's.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Failed> {
    // What a panic leaves behind is never looked at again.
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Failed)
}

fn cells(size: TerminalSize) -> Size {
    Size { width: usize::from(size.cols()), height: usize::from(size.rows()) }
}

/// Lines that the parser keeps, those on the screen included.
fn lines(size: TerminalSize) -> usize {
    let above = usize::from(SCROLLBACK).min(SCROLLBACK_CELLS / usize::from(size.cols()).max(1));
    usize::from(size.rows()) + above
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn size(cols: u16, rows: u16) -> TerminalSize {
        TerminalSize::new(cols, rows).unwrap()
    }

    /// The screen after `pieces`.
    fn screen(pieces: &[&[u8]]) -> Checkpoint {
        let mut parser = Parser::new(size(40, 10), Offset(0)).unwrap();
        for piece in pieces {
            parser.feed(piece).unwrap();
        }
        parser.checkpoint().unwrap()
    }

    fn text(checkpoint: &Checkpoint) -> String {
        String::from_utf8_lossy(&checkpoint.screen).into_owned()
    }

    #[test]
    fn a_flood_that_is_passed_over_leaves_the_same_screen() {
        let mut flood = b"\x1b]0;building\x07first\x1b[4m\r\n".to_vec();
        for number in 0..20_000 {
            let line = match number % 7 {
                0 => format!("\x1b[3{}mline {number}\x1b[0m\x1b[K\r\n", number % 8),
                1 => format!("{number} {}\r\n", "wraps around ".repeat(5)),
                2 => format!("\x1b[1m{number} \u{65e5}\u{672c} e\u{301}\n\r\n"),
                3 => format!("\r{number}\t|\x08#\x1b[?25l\x1b[?25h\r\n"),
                _ => format!("{number}\r\n"),
            };
            flood.extend_from_slice(line.as_bytes());
            // Things happen now and then that have to be drawn.
            if number % 6000 == 5999 {
                flood.extend_from_slice(b"\x1b[3A\x1b[31mup\x1b[2;5r\x1b[5;1H\r\n\r\n\x1b[r");
            }
        }
        flood.extend_from_slice(b"\x1b[?1049hother screen");
        let lines: Vec<&[u8]> = flood.chunks(8 * 1024).collect();
        let drawn = screen(&lines);
        for pieces in [vec![&*flood], flood.chunks(300_000).collect()] {
            let passed = screen(&pieces);
            assert_eq!(passed.position, drawn.position);
            assert!(passed.screen == drawn.screen, "another screen than line by line");
        }
        let mut ahead = Parser::new(size(40, 10), Offset(0)).unwrap();
        ahead.pass_over(&flood).unwrap();
        let Offset(fed) = ahead.fed();
        assert!(fed > 300_000 && fed < flood.len() as u64, "nothing was passed over");
        ahead.feed(&flood[fed as usize..]).unwrap();
        assert!(ahead.checkpoint().unwrap().screen == drawn.screen);
    }

    #[test]
    fn a_flood_whose_lines_never_go_back_to_the_left_is_passed_over_too() {
        // One line fills the screen's width, with the wrap of the next one pending.
        let begins: [&[u8]; 4] = [b"", b"$ make", b"\x1b[5;40Hx", "\x1b[31m\u{e9}".as_bytes()];
        for begin in begins {
            let mut flood = begin.to_vec();
            for number in 0..20_000 {
                let line = format!("{number}{}\n", " wraps ~".repeat(number % 11));
                flood.extend_from_slice(line.as_bytes());
            }
            flood.extend_from_slice(b"the end");
            let lines: Vec<&[u8]> = flood.chunks(8 * 1024).collect();
            let drawn = screen(&lines);
            for pieces in [vec![&*flood], flood.chunks(300_000).collect()] {
                let passed = screen(&pieces);
                assert_eq!(passed.position, drawn.position);
                assert!(passed.screen == drawn.screen, "another screen than line by line");
            }
            let mut ahead = Parser::new(size(40, 10), Offset(0)).unwrap();
            // What is not plain is drawn first.
            while ahead.fed().0 < 64 * 1024 {
                ahead.pass_over(&flood[ahead.fed().0 as usize..]).unwrap();
            }
            ahead.pass_over(&flood[ahead.fed().0 as usize..]).unwrap();
            assert!(ahead.fed().0 > 300_000, "nothing was passed over");
        }
    }

    #[test]
    fn it_shows_the_output_up_to_where_nothing_is_cut() {
        for (output, position) in [
            (&b"ab\r\n$ "[..], 4),
            (b"ab\r\n$ \x1b[3", 4),
            (b"ab\r\n$ \x1b[31m", 11),
            ("ab\r\nx\u{65e5}".as_bytes(), 4),
        ] {
            let shown = screen(&[output]);
            assert_eq!(shown.position, Offset(position), "{output:?}");
        }
        let long = "\u{65e5}".repeat(40_000);
        let shown = screen(&[&long.as_bytes()[..100_001]]);
        assert_eq!(shown.position, Offset(0), "not within a character");
        let shown = screen(&[&long.as_bytes()[..100_001], &long.as_bytes()[100_001..100_002]]);
        assert_eq!(shown.position, Offset(100_002), "a text without end is cut somewhere");
    }

    #[test]
    fn a_link_goes_on_after_its_attributes_and_a_long_one_is_text() {
        let shown = screen(&[b"\x1b]8;;http://x.y\x07\x1b[1mbold\x1b[0m plain\r\n"]);
        assert!(text(&shown).ends_with("\x1b]8;;http://x.y\x1b\\"));
        let long = format!("\x1b]8;;http://{}\x07text\x1b]8;;\x07\r\n", "x".repeat(600));
        let shown = text(&screen(&[long.as_bytes()]));
        assert!(shown.contains("text") && !shown.contains("http"));
    }

    #[test]
    fn the_scrollback_is_a_thousand_lines_and_less_on_huge_terminals() {
        let lines: String = (0..3000).map(|number| format!("<{number}>\r\n")).collect();
        let shown = text(&screen(&[lines.as_bytes()]));
        assert!(!shown.contains("<1990>") && shown.contains("<1991>") && shown.contains("<2999>"));
        let mut wide = Parser::new(size(1000, 10), Offset(0)).unwrap();
        wide.feed(lines.as_bytes()).unwrap();
        let shown = text(&wide.checkpoint().unwrap());
        assert!(!shown.contains("<2700>") && shown.contains("<2740>"));
    }

    #[test]
    fn the_cursor_is_told_where_it_is() {
        for (output, row, col) in [
            (&b""[..], 1, 1),
            (b"ab\r\ncd", 2, 3),
            (b"\x1b[7;20H", 7, 20),
            (b"0123456789012345678901234567890123456789", 1, 40),
            (b"\x1b[3;8r\x1b[?6h\x1b[2;4H", 2, 4),
            (b"\x1b7\x1b[5;5H\x1b[?1049h\x1b[2;3Hx", 2, 4),
        ] {
            let mut parser = Parser::new(size(40, 10), Offset(0)).unwrap();
            parser.feed(&[output, b"\x1b[6n"].concat()).unwrap();
            let answer = parser.answer(Query::Cursor { is_private: false }).unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert_eq!(answer, format!("\x1b[{row};{col}R"), "{output:?}");
        }
    }

    #[test]
    fn a_panic_of_the_parser_is_an_error() {
        assert_eq!(guarded(|| panic!("young")), Err::<(), _>(Failed));
    }

    /// Pieces of output that mean something, among noise.
    fn output() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop_oneof![
            4 => "[a-z\r\n\t]{0,60}".prop_map(String::into_bytes),
            4 => "\x1b\\[[?>!]?[0-9]{0,4}(;[0-9]{0,4}){0,3}[@-z]".prop_map(String::into_bytes),
            1 => "\x1b[78cDEMHNOc=>Z]".prop_map(String::into_bytes),
            1 => "\x1b\\][0-9]{1,3};[a-z;?#]{0,9}(\x07|\x1b\\\\)".prop_map(String::into_bytes),
            1 => "\\PC{0,20}".prop_map(String::into_bytes),
            1 => vec(any::<u8>(), 0..20),
        ];
        vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_output_breaks_out_and_every_screen_can_be_gone_on_from(
            output in output(), more in output(), cols in 1..60u16, rows in 1..20u16,
        ) {
            let mut parser = Parser::new(size(30, 10), Offset(0)).unwrap();
            parser.feed(&output).unwrap();
            parser.resize(size(cols, rows)).unwrap();
            let kept = parser.checkpoint().unwrap();
            let mut restored = Parser::restore(&kept).unwrap();
            restored.feed(&more).unwrap();
            restored.answer(Query::Cursor { is_private: true }).unwrap();
            restored.checkpoint().unwrap();
        }

        #[test]
        fn the_column_behind_plain_text_is_where_the_parser_is(
            begin in "[a-z]{0,50}", text in "[ -~\n]{0,200}", cols in 1..60u16,
        ) {
            let mut parser = Parser::new(size(cols, 10), Offset(0)).unwrap();
            // Whatever is held waits for something that ends it.
            parser.feed(&[begin.as_bytes(), b"\x1b[m"].concat()).unwrap();
            let from = parser.drawing.column().unwrap();
            parser.feed(&[text.as_bytes(), b"\x1b[m"].concat()).unwrap();
            let column = skim::column_after(text.as_bytes(), from, cols.into());
            prop_assert_eq!(parser.drawing.column().unwrap(), column);
        }

        #[test]
        fn however_output_is_cut_the_screen_is_the_same(
            output in output(), cuts in vec(0..500usize, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(output.len())).collect();
            cuts.extend([0, output.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &output[cut[0]..cut[1]]).collect();
            prop_assert_eq!(screen(&[&output]), screen(&pieces));
        }
    }
}
