//! Text as a QR code, for the camera of a phone that looks at a terminal.

use qrcode::{Color, EcLevel, QrCode, types::QrError};

/// The light border without which cameras find nothing, in modules.
const BORDER: usize = 4;
/// Black on white, whatever the terminal's own colours are.
const PAPER: &str = "\u{1b}[30;107m";
const END: &str = "\u{1b}[0m";

/// The code, two modules above each other in a character. Without colours it is drawn for terminals
/// that are dark, where what is not written is dark.
pub(super) fn drawn(text: &str, colours: bool) -> Result<String, QrError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L)?;
    let (width, modules) = (code.width(), code.to_colors());
    let size = width + 2 * BORDER;
    let is_dark = |row: usize, column: usize| {
        let inside = |at: usize| at.checked_sub(BORDER).filter(|at| *at < width);
        let module = inside(row).zip(inside(column));
        let module = module.and_then(|(row, column)| modules.get(row * width + column));
        module == Some(&Color::Dark)
    };
    let mut drawing = String::new();
    for row in (0..size).step_by(2) {
        if colours {
            drawing.push_str(PAPER);
        }
        for column in 0..size {
            let (above, below) = (is_dark(row, column), is_dark(row + 1, column));
            drawing.push(match (above == colours, below == colours) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        drawing.push_str(if colours { END } else { "" });
        drawing.push('\n');
    }
    Ok(drawing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a camera sees: true where it is dark.
    fn seen(drawing: &str, ink_is_dark: bool) -> Vec<Vec<bool>> {
        let rows = drawing.lines().map(|line| line.replace(PAPER, "").replace(END, ""));
        rows.flat_map(|line| {
            let half = |has: [char; 2]| {
                line.chars().map(|c| has.contains(&c) == ink_is_dark).collect::<Vec<_>>()
            };
            [half(['█', '▀']), half(['█', '▄'])]
        })
        .collect()
    }

    #[test]
    fn a_camera_sees_the_same_code_with_and_without_colours() {
        let link = format!("https://relay.example/pair#1.{}", "k5xq3".repeat(30));
        let seen_both = [true, false].map(|colours| seen(&drawn(&link, colours).unwrap(), colours));
        assert_eq!(seen_both[0], seen_both[1]);
        let seen = &seen_both[0];
        let code = QrCode::with_error_correction_level(&link, EcLevel::L).unwrap();
        let width = code.width() + 2 * BORDER;
        assert!(seen.iter().all(|row| row.len() == width), "it is a square");
        assert!(width <= 80, "a terminal of 80 columns has room for it: {width}");
        for (at, row) in seen.iter().take(width).enumerate() {
            for (column, dark) in row.iter().enumerate() {
                let inside = (BORDER..width - BORDER).contains(&at)
                    && (BORDER..width - BORDER).contains(&column);
                let meant = inside && code[(column - BORDER, at - BORDER)] == Color::Dark;
                assert_eq!(*dark, meant, "row {at}, column {column}");
            }
        }
        assert!(!drawn("x", false).unwrap().contains('\u{1b}'));
        assert!(drawn(&"x".repeat(4000), true).is_err(), "more than a code can hold");
    }
}
