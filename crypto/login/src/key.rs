//! X25519 keys (RFC 7748), and the machine id that a public key stands for.

use std::fmt;

use gantline_protocol::MachineId;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Domain separation of machine ids.
const MACHINE_ID_LABEL: &[u8] = b"gantline/machine-id/1";

/// An X25519 public key, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key with these bytes. Any 32 bytes are a key; a handshake with one of small order fails.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The machine whose node has this static key:
    /// `SHA-256("gantline/machine-id/1" ‖ 0x00 ‖ key)[0..16]`.
    #[must_use]
    pub fn machine_id(&self) -> MachineId {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(MACHINE_ID_LABEL)
            .chain_update([0])
            .chain_update(self.0)
            .finalize()
            .into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        MachineId::from_bytes(id)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A static X25519 key pair: a node's or a device's identity. The secret half is wiped when the
/// value is dropped, and never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct StaticKey {
    secret: [u8; 32],
    #[zeroize(skip)]
    public: PublicKey,
}

impl StaticKey {
    /// A new key pair.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut());
        Self::from_secret(&secret)
    }

    /// The key pair with this secret half, as it was stored.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self { secret: *secret, public: PublicKey(public_of(secret)) }
    }

    /// The secret half, for storing it. Keep it in files of mode 0600.
    #[must_use]
    pub const fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticKey({:?})", self.public)
    }
}

pub(crate) fn public_of(secret: &[u8; 32]) -> [u8; 32] {
    let secret = x25519_dalek::StaticSecret::from(*secret);
    x25519_dalek::PublicKey::from(&secret).to_bytes()
}

/// The shared secret, or `None` when it is all zero: then the other key was of small order and
/// contributed nothing (RFC 7748 section 6.1).
pub(crate) fn agree(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let secret = x25519_dalek::StaticSecret::from(*secret);
    let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(*public));
    let is_zero: bool = shared.as_bytes().ct_eq(&[0; 32]).into();
    (!is_zero).then(|| Zeroizing::new(shared.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_print_never_shows_a_secret() {
        let key = StaticKey::from_secret(&[0x5a; 32]);
        let printed = format!("{key:?}");
        assert!(!printed.contains("5a5a") && !printed.contains("90, 90"), "{printed}");
    }

    #[test]
    fn a_public_key_of_small_order_agrees_on_nothing() {
        assert!(agree(&[7; 32], &[0; 32]).is_none());
        let mut one = [0; 32];
        one[0] = 1;
        assert!(agree(&[7; 32], &one).is_none());
    }

    #[test]
    fn a_machine_keeps_its_name_for_the_life_of_its_key() {
        let key = StaticKey::from_secret(&[1; 32]);
        assert_eq!(key.public().machine_id().to_string(), "7ysfeacgl67lygdarvjsj6cdsq");
    }
}
