//! One direction of a Noise transport: a key and a counter that never goes back.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::aead;

/// The authentication tag that sealing adds, in bytes.
pub const TAG: usize = aead::TAG;

/// Why a transport message could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The message was altered, replayed, reordered, or sealed with another key.
    #[error("a message is not authentic: altered, replayed, out of order or for somebody else")]
    Unauthentic,
    /// All 2^64 - 1 counters of this key are used up.
    #[error("the key's counters are used up")]
    Exhausted,
}

/// A Noise cipher state (Noise revision 34, section 5.1) with empty associated data. Its key is
/// wiped when it is dropped, and never printed.
#[derive(ZeroizeOnDrop)]
pub struct CipherState {
    key: [u8; aead::KEY],
    counter: u64,
}

impl CipherState {
    /// A cipher state at counter 0. `key` is wiped.
    #[must_use]
    pub fn new(key: &mut [u8; aead::KEY]) -> Self {
        let state = Self { key: *key, counter: 0 };
        key.zeroize();
        state
    }

    /// How many messages were sealed or opened.
    #[must_use]
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// Encrypts `text` in place and returns the tag that belongs behind it.
    ///
    /// # Errors
    /// [`CipherError::Exhausted`] at the last counter, which Noise reserves for [`Self::rekey`].
    pub fn seal(&mut self, text: &mut [u8]) -> Result<[u8; TAG], CipherError> {
        let counter = self.counter;
        self.counter = Self::after(counter)?;
        Ok(aead::seal(&self.key, counter, &[], text))
    }

    /// Checks and decrypts `sealed` (ciphertext and tag) in place and returns the plaintext, its
    /// first `sealed.len() - 16` bytes.
    ///
    /// # Errors
    /// [`CipherError::Unauthentic`]: the contents of `sealed` are then unspecified, the counter
    /// is unchanged, and nothing may be read from this peer any more.
    pub fn open<'a>(&mut self, sealed: &'a mut [u8]) -> Result<&'a mut [u8], CipherError> {
        let counter = self.counter;
        let next = Self::after(counter)?;
        aead::open(&self.key, counter, &[], sealed).map_err(|_| CipherError::Unauthentic)?;
        self.counter = next;
        let length = sealed.len().saturating_sub(TAG);
        sealed.get_mut(..length).ok_or(CipherError::Unauthentic)
    }

    /// Replaces the key by its successor (Noise sections 4.2 and 11.3). The counter goes on.
    pub fn rekey(&mut self) {
        let mut next = [0; aead::KEY];
        aead::seal(&self.key, u64::MAX, &[], &mut next);
        self.key = next;
        next.zeroize();
    }

    const fn after(counter: u64) -> Result<u64, CipherError> {
        match counter {
            u64::MAX => Err(CipherError::Exhausted),
            counter => Ok(counter + 1),
        }
    }
}

impl fmt::Debug for CipherState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CipherState(counter {})", self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_counter_is_never_used_for_a_message() {
        let mut state = CipherState { key: [1; 32], counter: u64::MAX - 1 };
        assert!(state.seal(&mut [0; 8]).is_ok());
        assert_eq!(state.seal(&mut [0; 8]), Err(CipherError::Exhausted));
        assert_eq!(state.open(&mut [0; 24]), Err(CipherError::Exhausted));
    }

    #[test]
    fn a_key_that_was_handed_over_is_wiped_where_it_was() {
        let mut key = [0xbb; 32];
        let _state = CipherState::new(&mut key);
        assert_eq!(key, [0; 32]);
    }
}
