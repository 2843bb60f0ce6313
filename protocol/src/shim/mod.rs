//! What a node and a shim say to each other on the shim's socket. Version 1 is frozen: a shim
//! outlives the node that started it, and every later node speaks to it.
//!
//! A message is `length u32 | type u8 | body`; the length counts type and body. Both directions
//! have types of their own, so that a message sent the wrong way is an error. `docs/shim.md` is this
//! module in prose.

mod from_shim;
mod stream;
mod to_shim;

pub use from_shim::{Ended, FromShim, Greeting, Mark, MarkKind, Output, output_header};
pub use stream::{Frames, LENGTH};
pub use to_shim::{Ack, ReadMode, Scope, ToShim};

use crate::{WireError, wire::Reader};

/// The version that this crate speaks.
pub const VERSION: u8 = 1;
/// The greatest length of a message, type byte included.
pub const MAX_MESSAGE: usize = MAX_CHECKPOINT + 64 * 1024;
/// The most bytes that one OUTPUT or WRITE carries.
pub const MAX_BYTES: usize = 256 * 1024;
/// The greatest state of a terminal that a shim keeps for its node, in bytes.
pub const MAX_CHECKPOINT: usize = 1024 * 1024;
/// The most marks in one OUTPUT.
pub const MAX_MARKS: usize = 2048;
/// Viewers whose last input a shim remembers.
pub const MAX_VIEWERS: usize = 128;

/// Types from here on are skipped by whoever doesn't know them.
const OPTIONAL: u8 = 0x80;

/// The versions that one end speaks. The newest that both do is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Versions {
    /// The oldest.
    pub oldest: u8,
    /// The newest.
    pub newest: u8,
}

impl Versions {
    /// What this crate speaks.
    pub const OURS: Self = Self { oldest: VERSION, newest: VERSION };

    /// The version that both ends speak, if there is one.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u8> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { oldest: reader.u8()?, newest: reader.u8()? })
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.oldest, self.newest]);
    }
}

/// Writes one message; `out` is as it was if it is too long.
fn frame(
    out: &mut Vec<u8>,
    kind: u8,
    what: &'static str,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    out.push(kind);
    let written = body(out);
    let length = out.len() - start - LENGTH;
    let checked = written.and_then(|()| check_length(length, what, MAX_MESSAGE));
    match (checked, u32::try_from(length), out.get_mut(start..start + LENGTH)) {
        (Ok(()), Ok(length), Some(place)) => {
            place.copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        (Err(error), ..) => {
            out.truncate(start);
            Err(error)
        }
        (Ok(()), ..) => {
            out.truncate(start);
            Err(WireError::TooLong { what, length, limit: MAX_MESSAGE })
        }
    }
}

const fn check_length(length: usize, what: &'static str, limit: usize) -> Result<(), WireError> {
    if length > limit {
        return Err(WireError::TooLong { what, length, limit });
    }
    Ok(())
}
