//! Records: `length u16 | ciphertext`. Sealed and opened in place, in the caller's buffer.

use gantline_login::CipherState;
use gantline_protocol::session::{
    Frame,
    frame::FRAME_HEADER,
    record::{HEADER, MAX_CIPHERTEXT, MAX_PLAINTEXT, TAG, is_padded, padded},
};

use super::{RECORDS_PER_KEY, SessionError};

/// Seals records in one direction.
#[derive(Debug)]
pub struct Sealer {
    cipher: CipherState,
    /// Records sealed with the present key.
    records: u32,
}

impl Sealer {
    /// Seals with `cipher`, from its counter on.
    #[must_use]
    pub const fn new(cipher: CipherState) -> Self {
        Self { cipher, records: 0 }
    }

    /// Whether the next record is the last one that the present key may seal.
    #[must_use]
    pub const fn is_last_of_key(&self) -> bool {
        self.records + 1 >= RECORDS_PER_KEY
    }

    /// Begins a record at the end of `out`: append frames, at most [`Self::room`] bytes, then
    /// call [`Self::seal`] with what this returned.
    pub fn begin(&self, out: &mut Vec<u8>) -> Begun {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        Begun { start }
    }

    /// Bytes of frames that the next record has room for.
    #[must_use]
    pub const fn room(&self, rekey: bool) -> usize {
        if rekey { MAX_PLAINTEXT - FRAME_HEADER } else { MAX_PLAINTEXT }
    }

    /// Pads and seals the frames that were appended since [`Self::begin`]. With `rekey` a REKEY
    /// ends the record, and the next one is sealed with the next key.
    ///
    /// # Errors
    /// [`SessionError::Internal`] when the frames don't fit into a record or the key has sealed
    /// all the records it may, [`SessionError::Cipher`] when the counters are used up. `out` is
    /// then as it was before [`Self::begin`].
    pub fn seal(
        &mut self,
        out: &mut Vec<u8>,
        begun: Begun,
        rekey: bool,
    ) -> Result<(), SessionError> {
        let Begun { start } = begun;
        self.try_seal(out, start, rekey).inspect_err(|_| out.truncate(start))
    }

    fn try_seal(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        rekey: bool,
    ) -> Result<(), SessionError> {
        const TOO_LONG: SessionError = SessionError::Internal("a record is too long");
        if self.records >= RECORDS_PER_KEY {
            return Err(SessionError::Internal("a REKEY is overdue"));
        }
        if rekey {
            Frame::Rekey.encode(out)?;
        }
        let body = start + HEADER;
        let length = padded(out.len().saturating_sub(body));
        if length > MAX_PLAINTEXT {
            return Err(TOO_LONG);
        }
        out.resize(body + length, 0);
        let tag = self.cipher.seal(out.get_mut(body..).ok_or(TOO_LONG)?)?;
        out.extend_from_slice(&tag);
        let header = u16::try_from(length + TAG).map_err(|_| TOO_LONG)?.to_be_bytes();
        out.get_mut(start..body).ok_or(TOO_LONG)?.copy_from_slice(&header);
        self.records += 1;
        if rekey {
            self.cipher.rekey();
            self.records = 0;
        }
        Ok(())
    }
}

/// A record that was begun.
#[derive(Debug)]
#[must_use]
pub struct Begun {
    start: usize,
}

/// Opens records in one direction.
#[derive(Debug)]
pub struct Opener {
    cipher: CipherState,
    /// Records opened with the present key.
    records: u32,
}

impl Opener {
    /// Opens with `cipher`, from its counter on.
    #[must_use]
    pub const fn new(cipher: CipherState) -> Self {
        Self { cipher, records: 0 }
    }

    /// Opens a record in place and returns its plaintext, padding included. `ciphertext` is what
    /// follows its length.
    ///
    /// # Errors
    /// [`SessionError::Cipher`] when it isn't the peer's next record, [`SessionError::Rule`] when
    /// it isn't padded or the key should have been changed before it.
    pub fn open<'a>(&mut self, ciphertext: &'a mut [u8]) -> Result<&'a [u8], SessionError> {
        if ciphertext.len() > MAX_CIPHERTEXT {
            return Err(SessionError::Rule("a record is too long"));
        }
        let plaintext = self.cipher.open(ciphertext)?;
        if !is_padded(plaintext.len()) {
            return Err(SessionError::Rule("a record is not padded"));
        }
        if self.records >= RECORDS_PER_KEY {
            return Err(SessionError::Rule("a REKEY is overdue"));
        }
        self.records += 1;
        Ok(plaintext)
    }

    /// Goes on to the next key: the record that was opened last ended with REKEY.
    pub fn rekey(&mut self) {
        self.cipher.rekey();
        self.records = 0;
    }
}
