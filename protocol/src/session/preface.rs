//! The first two bytes a device writes on a new pipe: which version, and what the pipe is for.

use crate::{PROTOCOL_VERSION, WireError};

/// What a pipe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeKind {
    /// A session of a device that is already paired.
    Session,
    /// Pairing with an 8-digit code.
    PairByCode,
    /// Pairing with a link or QR code.
    PairByLink,
}

impl PipeKind {
    /// The byte on the wire; also part of the handshakes' prologues.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Session => 1,
            Self::PairByCode => 2,
            Self::PairByLink => 3,
        }
    }
}

/// `version u8 | kind u8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preface {
    /// What the pipe is for.
    pub kind: PipeKind,
}

impl Preface {
    /// The length on the wire, in bytes.
    pub const SIZE: usize = 2;

    /// The bytes to send.
    #[must_use]
    pub const fn encode(self) -> [u8; Self::SIZE] {
        [PROTOCOL_VERSION, self.kind.to_byte()]
    }

    /// Reads a preface.
    ///
    /// # Errors
    /// [`WireError::Version`] for another version, [`WireError::Invalid`] for an unknown kind.
    pub const fn decode(bytes: [u8; Self::SIZE]) -> Result<Self, WireError> {
        let [version, kind] = bytes;
        if version != PROTOCOL_VERSION {
            return Err(WireError::Version { what: "preface", version, ours: PROTOCOL_VERSION });
        }
        let kind = match kind {
            1 => PipeKind::Session,
            2 => PipeKind::PairByCode,
            3 => PipeKind::PairByLink,
            _ => return Err(WireError::invalid("preface", "its kind is none of 1, 2 and 3")),
        };
        Ok(Self { kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_three_known_pipes_of_this_version_are_served() {
        let accepted: Vec<_> = (0..=u16::MAX)
            .filter_map(|bytes| Preface::decode(bytes.to_be_bytes()).ok())
            .map(|preface| (preface.kind, preface.encode()))
            .collect();
        assert_eq!(
            accepted,
            [
                (PipeKind::Session, [1, 1]),
                (PipeKind::PairByCode, [1, 2]),
                (PipeKind::PairByLink, [1, 3]),
            ]
        );
    }
}
