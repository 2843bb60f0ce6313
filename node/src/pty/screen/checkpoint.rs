//! A screen at a place in the output, in the form in which it is kept: whoever has it need not read
//! what came before.

use bytes::Bytes;
use gantline_protocol::{Offset, terminal::TerminalSize};

/// A screen is at most so long, in bytes; a longer one is not kept.
pub const MAX_SCREEN: usize = 1024 * 1024 - HEADER;
/// What stands before the screen: version, position, size.
const HEADER: usize = 13;
const VERSION: u8 = 1;

/// Why bytes are no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Another version has written it. What it is of can be read from the output.
    #[error("the checkpoint is of version {0}")]
    Version(u8),
    /// It is damaged.
    #[error("the checkpoint is damaged: {0}")]
    Damaged(&'static str),
}

/// A screen at a place in the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// It shows the output before this.
    pub position: Offset,
    /// The size of the terminal there.
    pub size: TerminalSize,
    /// Bytes that draw it on an empty terminal of that size.
    pub screen: Bytes,
}

impl Checkpoint {
    /// The bytes that it is kept as; `None` if there would be too many.
    ///
    /// `version u8 = 1 | position u64 | cols u16 | rows u16 | screen`, integers big-endian.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        if self.screen.len() > MAX_SCREEN {
            return None;
        }
        let mut bytes = Vec::with_capacity(HEADER + self.screen.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.position.0.to_be_bytes());
        bytes.extend_from_slice(&self.size.cols().to_be_bytes());
        bytes.extend_from_slice(&self.size.rows().to_be_bytes());
        bytes.extend_from_slice(&self.screen);
        Some(bytes)
    }

    /// Reads what [`Checkpoint::encode`] has written.
    ///
    /// # Errors
    /// [`CheckpointError`] for another version, a size that is none, or too many bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        if bytes.len() > HEADER + MAX_SCREEN {
            return Err(CheckpointError::Damaged("it is too long"));
        }
        let &[version, p0, p1, p2, p3, p4, p5, p6, p7, c0, c1, r0, r1, ref screen @ ..] = bytes
        else {
            return Err(CheckpointError::Damaged("it is cut short"));
        };
        if version != VERSION {
            return Err(CheckpointError::Version(version));
        }
        let position = Offset(u64::from_be_bytes([p0, p1, p2, p3, p4, p5, p6, p7]));
        let size = TerminalSize::new(u16::from_be_bytes([c0, c1]), u16::from_be_bytes([r0, r1]))
            .map_err(|_| CheckpointError::Damaged("its size is none"))?;
        Ok(Self { position, size, screen: Bytes::copy_from_slice(screen) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn what_was_kept_is_read_again(
            position in any::<u64>(), cols in 1..=1000u16, rows in 1..=1000u16,
            screen in vec(any::<u8>(), 0..100),
        ) {
            let size = TerminalSize::new(cols, rows).unwrap();
            let checkpoint = Checkpoint { position: Offset(position), size, screen: screen.into() };
            let bytes = checkpoint.encode().unwrap();
            prop_assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint));
            for length in 0..HEADER {
                prop_assert!(Checkpoint::decode(&bytes[..length]).is_err());
            }
        }

        #[test]
        fn noise_is_an_error_and_no_panic(bytes in vec(any::<u8>(), 0..40)) {
            let _ = Checkpoint::decode(&bytes);
        }
    }

    #[test]
    fn one_that_is_too_long_is_not_kept() {
        let screen = vec![b'x'; MAX_SCREEN + 1].into();
        let size = TerminalSize::STANDARD;
        assert!(Checkpoint { position: Offset(0), size, screen }.encode().is_none());
        let mut bytes = vec![0; HEADER + MAX_SCREEN + 1];
        bytes[0] = VERSION;
        assert_eq!(Checkpoint::decode(&bytes), Err(CheckpointError::Damaged("it is too long")));
    }

    #[test]
    fn one_of_another_version_is_refused() {
        let screen = Bytes::from_static(b"x");
        let checkpoint = Checkpoint { position: Offset(7), size: TerminalSize::STANDARD, screen };
        let mut bytes = checkpoint.encode().unwrap();
        assert_eq!(bytes, b"\x01\0\0\0\0\0\0\0\x07\0\x50\0\x18x");
        bytes[0] = 2;
        assert_eq!(Checkpoint::decode(&bytes), Err(CheckpointError::Version(2)));
    }
}
