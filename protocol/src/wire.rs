//! Reading bytes that a stranger wrote: a cursor that never panics and never trusts a length.

use std::fmt;

/// Why bytes could not be decoded. Nothing was acted upon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside `what`.
    #[error("{what} is cut short")]
    Truncated {
        /// The field or message that was being read.
        what: &'static str,
    },
    /// Bytes follow the end of `what`.
    #[error("{what} is followed by {extra} bytes that do not belong to it")]
    Trailing {
        /// The message that was read.
        what: &'static str,
        /// How many bytes are left over.
        extra: usize,
    },
    /// A length is outside its bounds.
    #[error("{what} has a length of {length}, at most {limit} is allowed")]
    TooLong {
        /// The field or message.
        what: &'static str,
        /// The length found.
        length: usize,
        /// The greatest length allowed.
        limit: usize,
    },
    /// A value is not one that the protocol knows or allows here.
    #[error("{what} is not valid: {why}")]
    Invalid {
        /// The field or message.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A type byte below 0x80 that this version doesn't know. Types from 0x80 are ignored.
    #[error("{what} has the unknown type 0x{kind:02x}")]
    UnknownType {
        /// The family of messages.
        what: &'static str,
        /// The type byte found.
        kind: u8,
    },
    /// A version that this crate doesn't speak.
    #[error("{what} has version {version}, this program speaks version {ours}")]
    Version {
        /// The message.
        what: &'static str,
        /// The version found.
        version: u8,
        /// The version spoken here.
        ours: u8,
    },
}

impl WireError {
    /// Shorthand for [`WireError::Invalid`].
    pub(crate) const fn invalid(what: &'static str, why: &'static str) -> Self {
        Self::Invalid { what, why }
    }
}

/// A cursor over received bytes. Integers are big-endian.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({}, {} bytes left)", self.what, self.rest.len())
    }
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; `what` names them in errors.
    #[must_use]
    pub const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when fewer are left.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(self.truncated())?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(self.truncated())?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when none is left.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_be_bytes)
    }

    /// Two bytes, big-endian.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when fewer are left.
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when fewer are left.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when fewer are left.
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    /// All that is left; the reader is empty afterwards.
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Everything that is left as UTF-8 of at most `limit` bytes.
    ///
    /// # Errors
    /// [`WireError::TooLong`] above `limit`, [`WireError::Invalid`] when it isn't UTF-8.
    pub fn rest_str(&mut self, limit: usize) -> Result<&'a str, WireError> {
        let bytes = self.take_rest();
        if bytes.len() > limit {
            return Err(WireError::TooLong { what: self.what, length: bytes.len(), limit });
        }
        std::str::from_utf8(bytes).map_err(|_| WireError::invalid(self.what, "text is not UTF-8"))
    }

    /// Asserts that nothing is left.
    ///
    /// # Errors
    /// [`WireError::Trailing`] when something is.
    pub const fn finish(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(WireError::Trailing { what: self.what, extra }),
        }
    }

    const fn truncated(&self) -> WireError {
        WireError::Truncated { what: self.what }
    }
}

/// Decodes a JSON object of at most `limit` bytes, without space in front of it.
///
/// # Errors
/// [`WireError::TooLong`] before anything is parsed, [`WireError::Invalid`] for anything that is
/// not one JSON value of the expected shape.
pub(crate) fn json<'a, T: serde::Deserialize<'a>>(
    bytes: &'a [u8],
    what: &'static str,
    limit: usize,
) -> Result<T, WireError> {
    if bytes.len() > limit {
        return Err(WireError::TooLong { what, length: bytes.len(), limit });
    }
    // Otherwise an array with the fields in order would do as well, here and in no other language.
    if bytes.first() != Some(&b'{') {
        return Err(WireError::invalid(what, "it is not a JSON object"));
    }
    // serde_json does not look into the texts of members that nobody reads.
    let text = std::str::from_utf8(bytes)
        .map_err(|_| WireError::invalid(what, "its text is not UTF-8"))?;
    serde_json::from_str(text)
        .map_err(|_| WireError::invalid(what, "its JSON is malformed or has the wrong shape"))
}

/// Encodes JSON of at most `limit` bytes.
///
/// # Errors
/// [`WireError::TooLong`] above `limit`.
pub(crate) fn to_json<T: serde::Serialize>(
    value: &T,
    what: &'static str,
    limit: usize,
) -> Result<Vec<u8>, WireError> {
    let bytes = serde_json::to_vec(value)
        .map_err(|_| WireError::invalid(what, "it can't be written as JSON"))?;
    match bytes.len() {
        length if length > limit => Err(WireError::TooLong { what, length, limit }),
        _ => Ok(bytes),
    }
}
