//! Where each message on a shim's socket ends.

use super::MAX_MESSAGE;
use crate::WireError;

/// Bytes of the length in front of each message.
pub const LENGTH: usize = 4;

/// Cuts received bytes into messages, without copying them.
#[derive(Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
    taken: usize,
}

impl<'a> Frames<'a> {
    /// The messages at the beginning of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, taken: 0 }
    }

    /// How many bytes the messages took that were given out.
    #[must_use]
    pub const fn taken(&self) -> usize {
        self.taken
    }

    /// How many bytes the next message still needs; 0 when it is there, or its length is not.
    #[must_use]
    pub fn missing(&self) -> usize {
        let length = self.rest.first_chunk().map_or(0, |length| u32::from_be_bytes(*length));
        (LENGTH + length as usize).min(LENGTH + MAX_MESSAGE).saturating_sub(self.rest.len())
    }

    /// The next whole message without its length; `None` when it is not there yet.
    ///
    /// # Errors
    /// [`WireError::TooLong`] as soon as a length is read that no message can have,
    /// [`WireError::Invalid`] for a message without a type.
    pub fn next_message(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        const WHAT: &str = "message of a shim";
        let Some((length, rest)) = self.rest.split_first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        match length {
            0 => return Err(WireError::invalid(WHAT, "it has no type")),
            length if length > MAX_MESSAGE => {
                return Err(WireError::TooLong { what: WHAT, length, limit: MAX_MESSAGE });
            }
            _ => {}
        }
        let Some((message, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        self.rest = rest;
        self.taken += LENGTH + length;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_no_message_can_have_is_refused_before_its_bytes_are_waited_for() {
        let too_long = u32::try_from(MAX_MESSAGE + 1).unwrap().to_be_bytes();
        for bad in [&too_long[..], &[0xff; 4], &[0, 0, 0, 0]] {
            assert!(Frames::new(bad).next_message().is_err(), "{bad:?}");
        }
        let longest = u32::try_from(MAX_MESSAGE).unwrap().to_be_bytes();
        let frames = &mut Frames::new(&longest);
        assert_eq!(frames.missing(), MAX_MESSAGE);
        assert_eq!(frames.next_message(), Ok(None));
    }

    #[test]
    fn messages_are_whole_or_not_there_yet() {
        let bytes = [0, 0, 0, 2, 9, 8, 0, 0, 0, 1, 7, 0, 0];
        for length in 0..bytes.len() {
            let frames = &mut Frames::new(&bytes[..length]);
            let mut found = Vec::new();
            while let Some(message) = frames.next_message().unwrap() {
                found.push(message.to_vec());
            }
            let expected: &[&[u8]] = match length {
                0..6 => &[],
                6..11 => &[&[9, 8]],
                _ => &[&[9, 8], &[7]],
            };
            assert_eq!(found, expected, "of {length}");
        }
    }
}
