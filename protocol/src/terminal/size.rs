//! How large a terminal is, in character cells.

use serde::{Deserialize, Serialize};

use crate::{WireError, wire::Reader};

/// A terminal's size in character cells, 1 to 1,000 each way. In JSON `{"cols":80,"rows":24}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct TerminalSize {
    cols: u16,
    rows: u16,
}

impl TerminalSize {
    /// The greatest number of columns, and of rows.
    pub const MAX: u16 = 1000;
    /// What a terminal has when nobody said otherwise: 80 columns, 24 rows.
    pub const STANDARD: Self = Self { cols: 80, rows: 24 };

    /// A size of `cols` columns and `rows` rows.
    ///
    /// # Errors
    /// [`WireError::Invalid`] unless both are within 1 and 1,000.
    pub const fn new(cols: u16, rows: u16) -> Result<Self, WireError> {
        if cols == 0 || rows == 0 || cols > Self::MAX || rows > Self::MAX {
            return Err(WireError::invalid(
                "terminal size",
                "its columns and rows are not within 1 and 1,000",
            ));
        }
        Ok(Self { cols, rows })
    }

    /// Columns.
    #[must_use]
    pub const fn cols(self) -> u16 {
        self.cols
    }

    /// Rows.
    #[must_use]
    pub const fn rows(self) -> u16 {
        self.rows
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Self::new(reader.u16()?, reader.u16()?)
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.cols.to_be_bytes());
        out.extend_from_slice(&self.rows.to_be_bytes());
    }
}

#[derive(Deserialize)]
struct Unchecked {
    cols: u16,
    rows: u16,
}

impl TryFrom<Unchecked> for TerminalSize {
    type Error = WireError;

    fn try_from(Unchecked { cols, rows }: Unchecked) -> Result<Self, WireError> {
        Self::new(cols, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_would_exhaust_a_parser_or_has_no_cell_is_refused() {
        for (cols, rows) in [(0, 24), (80, 0), (1001, 24), (80, 1001), (u16::MAX, u16::MAX)] {
            assert!(TerminalSize::new(cols, rows).is_err(), "{cols} × {rows}");
            let json = format!("{{\"cols\":{cols},\"rows\":{rows}}}");
            let error = serde_json::from_str::<TerminalSize>(&json).unwrap_err();
            assert!(error.to_string().contains("within 1 and 1,000"), "{error}");
        }
        assert!(TerminalSize::new(1, 1000).is_ok());
    }

    #[test]
    fn a_size_has_the_documented_json() {
        let json = r#"{"cols":80,"rows":24}"#;
        assert_eq!(serde_json::to_string(&TerminalSize::STANDARD).unwrap(), json);
        assert_eq!(serde_json::from_str::<TerminalSize>(json).unwrap(), TerminalSize::STANDARD);
    }
}
