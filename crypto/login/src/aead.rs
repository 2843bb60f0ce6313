//! ChaCha20-Poly1305 (RFC 8439) as Noise uses it (section 12.3), by `ring`.
//!
//! `ring` doesn't wipe its key objects, so none is kept: the key bytes stay with their owner, who
//! wipes them, and each call makes a key object on the stack, which costs next to nothing.
//! `docs/decisions/0003-aead.md` has the figures.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

pub(crate) const KEY: usize = 32;
pub(crate) const TAG: usize = 16;

/// The message was not made with this key, nonce and associated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unauthentic;

/// Encrypts `text` in place and returns its tag. `text` is at most 65,535 bytes.
pub(crate) fn seal(key: &[u8; KEY], nonce: u64, associated: &[u8], text: &mut [u8]) -> [u8; TAG] {
    let tag = key_object(key)
        .seal_in_place_separate_tag(nonce_bytes(nonce), Aad::from(associated), text)
        .expect("a Noise message is far below the cipher's limit of 2^38 bytes");
    let mut bytes = [0; TAG];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

/// Checks and decrypts `sealed` (ciphertext and tag) in place; the plaintext is its first
/// `sealed.len() - 16` bytes. On error the contents of `sealed` are unspecified.
pub(crate) fn open(
    key: &[u8; KEY],
    nonce: u64,
    associated: &[u8],
    sealed: &mut [u8],
) -> Result<(), Unauthentic> {
    key_object(key)
        .open_in_place(nonce_bytes(nonce), Aad::from(associated), sealed)
        .map(|_| ())
        .map_err(|_| Unauthentic)
}

fn key_object(key: &[u8; KEY]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has the cipher's length");
    LessSafeKey::new(key)
}

/// Noise section 12.3: 32 zero bits, then the counter in little-endian order.
fn nonce_bytes(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}
