//! The lengths and fixed fields of the pairing messages.
//!
//! ```text
//!      by code                          by link
//! P1   device → node   nonce 16        the same
//! P2   node → device   status, nonce                  1 + 16
//! P3   device → node   Ya 32           -
//! P4   node → device   status, Yb      -              1 + 32
//! P5   device → node   psk, e                         48
//! P6   node → device   status; e, ee, s, es, name     1 + 160
//! P7   device → node   s, se, name                    128
//! P8   node → device   status; a record with the grant
//! ```

use std::fmt;

use gantline_protocol::{Name, WireError};

/// The length of each end's nonce in P1 and P2.
pub const NONCE: usize = 16;
/// The length of a CPace share in P3 and P4.
pub const SHARE: usize = 32;
/// The length of P5.
pub const P5: usize = 48;
/// The length of P6 behind its status.
pub const P6: usize = 160;
/// The length of P7.
pub const P7: usize = 128;
/// The length of the name field in P6 and P7, zero-padded.
pub const NAME: usize = Name::MAX;

/// Status: the message goes on.
pub(super) const GO_ON: u8 = 0;

/// Why a node doesn't go on. Cleartext, so it may have been said by anybody on the way: show it,
/// but decide nothing upon it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 1: no code or link is live.
    NotOpen,
    /// 2: the code or link isn't the right one.
    Wrong,
    /// 3: as many pairings are under way as the machine bears, or it knows too many devices.
    Busy,
    /// 4: a message could not be read.
    Broken,
    /// Any other number.
    Other(u8),
}

impl Refusal {
    /// The byte that a node sends in place of its next message.
    #[must_use]
    pub const fn to_status(self) -> u8 {
        match self {
            Self::NotOpen => 1,
            Self::Wrong => 2,
            Self::Busy => 3,
            Self::Broken => 4,
            Self::Other(status) => status,
        }
    }

    pub(super) const fn from_status(status: u8) -> Self {
        match status {
            1 => Self::NotOpen,
            2 => Self::Wrong,
            3 => Self::Busy,
            4 => Self::Broken,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => f.write_str("no code or link is live there"),
            Self::Wrong => f.write_str("the code or link is not the right one"),
            Self::Busy => f.write_str("it is too busy to pair at the moment"),
            Self::Broken => f.write_str("it could not read a message"),
            Self::Other(number) => write!(f, "status {number}"),
        }
    }
}

/// A name in its fixed field.
pub(super) fn encode_name(name: &Name) -> [u8; NAME] {
    let mut field = [0; NAME];
    let text = name.as_str().as_bytes();
    if let Some(start) = field.get_mut(..text.len()) {
        start.copy_from_slice(text);
    }
    field
}

/// The name in a field: UTF-8, then zeros to the end.
pub(super) fn decode_name(field: &[u8; NAME]) -> Result<Name, WireError> {
    const INVALID: WireError =
        WireError::Invalid { what: "name", why: "its field is not a name and zeros" };
    let length = field.iter().position(|byte| *byte == 0).unwrap_or(NAME);
    let (text, padding) = field.split_at(length);
    if padding.iter().any(|byte| *byte != 0) {
        return Err(INVALID);
    }
    std::str::from_utf8(text).map_err(|_| INVALID)?.parse()
}
