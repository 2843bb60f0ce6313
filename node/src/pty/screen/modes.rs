//! What the output has switched in the terminal, beside what it has drawn. The parser's picture
//! leaves some of it out or in the wrong order; [`Modes::restore`] adds that.

use std::fmt::Write as _;

use super::scan::{Kind, Sequence};

/// Modes that are remembered. When there are more, those that were switched longest ago go.
const MAX_MODES: usize = 64;
/// A link or a title is at most so long, in bytes; a longer one is not remembered.
const MAX_TEXT: usize = 512;
/// Titles that programs have put away for later.
const MAX_TITLES: usize = 16;

/// Modes whose effect on what is drawn the parser knows, and puts into its picture itself.
const DRAWN: [u16; 15] = [1, 3, 4, 6, 7, 12, 25, 47, 69, 1004, 1047, 1048, 1049, 2004, 40];
/// Modes that show the other screen.
const OTHER_SCREEN: [u16; 3] = [47, 1047, 1049];

/// A colour that a program may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Text,
    Background,
    Cursor,
}

/// A colour, 16 bits each of red, green and blue. Programs are told what they have set in these
/// numbers only: handing back their own text would type it into whatever reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rgb([u16; 3]);

impl Rgb {
    pub(super) const fn new(red: u16, green: u16, blue: u16) -> Self {
        Self([red, green, blue])
    }

    /// `#rgb` with one to four digits each, or `rgb:r/g/b`.
    fn read(text: &[u8]) -> Option<Self> {
        let mut parts: [&[u8]; 3] = [&[]; 3];
        match text {
            [b'#', digits @ ..] if matches!(digits.len(), 3 | 6 | 9 | 12) => {
                let mut chunks = digits.chunks(digits.len() / 3);
                parts = [chunks.next()?, chunks.next()?, chunks.next()?];
            }
            [b'r', b'g', b'b', b':', digits @ ..] => {
                let mut given = digits.split(|byte| *byte == b'/');
                for part in &mut parts {
                    *part = given.next()?;
                }
                if given.next().is_some() {
                    return None;
                }
            }
            _ => return None,
        }
        let mut rgb = [0; 3];
        for (value, digits) in rgb.iter_mut().zip(parts) {
            let text =
                std::str::from_utf8(digits).ok().filter(|text| (1..=4).contains(&text.len()))?;
            let number = u32::from_str_radix(text, 16).ok()?;
            let greatest = 16u32.pow(u32::try_from(text.len()).ok()?) - 1;
            *value = u16::try_from(number * 0xffff / greatest).ok()?;
        }
        Some(Self(rgb))
    }
}

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "rgb:{red:04x}/{green:04x}/{blue:04x}")
    }
}

/// What is switched.
#[derive(Debug, Clone, Default)]
pub(super) struct Modes {
    /// Private modes as they were switched last, in this order.
    private: Vec<(u16, bool)>,
    is_inserting: bool,
    /// The title, once there was one.
    title: Option<Vec<u8>>,
    /// Those that were put away, the last one last.
    titles: Vec<Vec<u8>>,
    /// Whether lines scroll in a part of the screen only.
    has_region: bool,
    /// The link that text belongs to now: all that follows `OSC 8 ;`.
    link: Option<Vec<u8>>,
    /// How keys with modifiers are told (`CSI > 4 ; n m`).
    keys: Option<u16>,
    /// What `OSC 10` to `12` have set.
    colours: [Option<Rgb>; 3],
}

impl Modes {
    /// Takes note of what a sequence switches on a screen of `rows` rows.
    pub(super) fn apply(&mut self, sequence: &Sequence<'_>, rows: u16) {
        match sequence.kind {
            Kind::Escape => {
                if sequence.bytes == b"\x1bc" {
                    self.reset();
                }
            }
            Kind::Control => self.control(sequence, rows),
            Kind::Command => self.command(sequence),
            Kind::Device | Kind::Other | Kind::Overlong => {}
        }
    }

    fn control(&mut self, sequence: &Sequence<'_>, rows: u16) {
        let Some(control) = sequence.control() else { return };
        match (control.private, control.intermediate, control.last) {
            (Some(b'?'), b"", b'h' | b'l') => {
                for mode in control.numbers() {
                    self.switch(mode, control.last == b'h');
                }
            }
            (None, b"", b'h' | b'l') if control.numbers().any(|mode| mode == 4) => {
                self.is_inserting = control.last == b'h';
            }
            (None, b"", b'r') => {
                let mut numbers = control.numbers();
                let (top, bottom) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
                let bottom = if bottom == 0 || bottom > rows { rows } else { bottom };
                if top.max(1) < bottom {
                    self.has_region = top > 1 || bottom < rows;
                }
            }
            (None, b"!", b'p') => {
                self.is_inserting = false;
                self.has_region = false;
                self.private.retain(|(mode, _)| !matches!(mode, 1 | 6 | 7 | 12 | 25 | 69));
            }
            (Some(b'>'), b"", b'm') => {
                let mut numbers = control.numbers();
                match (numbers.next(), numbers.next()) {
                    (Some(4), value) => self.keys = Some(value.unwrap_or(0)),
                    (Some(0), None) => self.keys = self.keys.map(|_| 0),
                    (Some(_) | None, _) => {}
                }
            }
            (None, b"", b't') => {
                let mut numbers = control.numbers();
                match (numbers.next(), numbers.next().unwrap_or(0)) {
                    (Some(22), 0 | 2) if self.titles.len() < MAX_TITLES => {
                        self.titles.push(self.title.clone().unwrap_or_default());
                    }
                    (Some(23), 0 | 2) => self.title = self.titles.pop().or(self.title.take()),
                    _ => {}
                }
            }
            (Some(b'>'), b"", b'n') if control.number() == 4 => self.keys = Some(0),
            _ => {}
        }
    }

    fn command(&mut self, sequence: &Sequence<'_>) {
        let Some((number, text)) = sequence.command() else { return };
        let fits = text.len() <= MAX_TEXT;
        match number {
            b"0" | b"2" if fits => self.title = Some(text.to_vec()),
            b"8" => {
                let target = text.iter().position(|byte| *byte == b';').map(|at| at + 1);
                let is_open = target.is_some_and(|at| at < text.len());
                self.link = (is_open && fits).then(|| text.to_vec());
            }
            b"10" | b"11" | b"12" if !text.starts_with(b"?") => {
                if let Some(colour) = self.colour_slot(number) {
                    *colour = Rgb::read(text);
                }
            }
            b"110" | b"111" | b"112" => {
                if let Some(colour) = self.colour_slot(number) {
                    *colour = None;
                }
            }
            _ => {}
        }
    }

    fn colour_slot(&mut self, number: &[u8]) -> Option<&mut Option<Rgb>> {
        let last = number.last()?.checked_sub(b'0')?;
        self.colours.get_mut(usize::from(last))
    }

    fn switch(&mut self, mode: u16, is_on: bool) {
        self.private.retain(|(other, _)| *other != mode);
        if self.private.len() >= MAX_MODES {
            self.private.remove(0);
        }
        self.private.push((mode, is_on));
    }

    /// Everything is as it was in the beginning. What was on is remembered as off: a viewer that
    /// goes on from an earlier picture may have it on.
    fn reset(&mut self) {
        let mut private = std::mem::take(&mut self.private);
        private.retain(|(mode, _)| !DRAWN.contains(mode));
        private.iter_mut().for_each(|(_, is_on)| *is_on = false);
        let keys = self.keys.map(|_| 0);
        // Terminals keep their colours and their title.
        let Self { colours, title, titles, .. } = std::mem::take(self);
        *self = Self { private, keys, colours, title, titles, ..Self::default() };
    }

    /// How a private mode was switched last.
    pub(super) fn private(&self, mode: u16) -> Option<bool> {
        self.private.iter().find(|(other, _)| *other == mode).map(|(_, is_on)| *is_on)
    }

    pub(super) const fn is_inserting(&self) -> bool {
        self.is_inserting
    }

    /// What a colour was set to.
    pub(super) const fn colour(&self, colour: Colour) -> Option<Rgb> {
        let [text, background, cursor] = self.colours;
        match colour {
            Colour::Text => text,
            Colour::Background => background,
            Colour::Cursor => cursor,
        }
    }

    /// The link that text belongs to now, as a command.
    pub(super) fn link(&self) -> Option<Vec<u8>> {
        let link = self.link.as_ref()?;
        Some([b"\x1b]8;", &link[..], b"\x1b\\"].concat())
    }

    /// Whether lines that scroll out of the top are gone from the screen for good: on the main
    /// screen, as a whole.
    pub(super) fn scrolls_plainly(&self) -> bool {
        let is_on = |mode: u16| self.private(mode) == Some(true);
        !self.has_region && !OTHER_SCREEN.into_iter().chain([6, 69]).any(is_on)
    }

    /// A picture begins by switching everything off that is off anyway.
    pub(super) fn restored(&mut self) {
        let mut was_on = false;
        self.private.retain(|(mode, is_on)| {
            let is_drawn = DRAWN.contains(mode);
            was_on |= *is_on && !is_drawn;
            is_drawn || was_on
        });
    }

    /// What is to be written after the parser's picture.
    pub(super) fn restore(&self, picture: &mut Vec<u8>) {
        let title = |title: &[u8]| [b"\x1b]2;", title, b"\x1b\\"].concat();
        for put_away in &self.titles {
            picture.extend(title(put_away));
            picture.extend_from_slice(b"\x1b[22;2t");
        }
        picture.extend(self.title.iter().flat_map(|text| title(text)));
        let mut text = String::new();
        for (mode, is_on) in self.private.iter().filter(|(mode, _)| !DRAWN.contains(mode)) {
            let last = if *is_on { 'h' } else { 'l' };
            // Writing to a string does not fail.
            let _ = write!(text, "\x1b[?{mode}{last}");
        }
        if let Some(keys) = self.keys {
            let _ = write!(text, "\x1b[>4;{keys}m");
        }
        picture.extend_from_slice(text.as_bytes());
        picture.extend(self.link().unwrap_or_default());
    }
}
