//! Noise handshakes with `25519_ChaChaPoly_SHA256` (Noise revision 34): `snow` walks the pattern,
//! our primitives do the work, and the randomness is the caller's.

use std::fmt;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use snow::{
    Builder, HandshakeState,
    params::{CipherChoice, DHChoice, HashChoice, NoiseParams},
    resolvers::CryptoResolver,
    types::{Cipher, Dh, Hash, Random},
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    CipherState, PublicKey, StaticKey, aead,
    key::{agree, public_of},
};

/// A handshake pattern by its full Noise name, which is hashed into every handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern(&'static str);

impl Pattern {
    /// Node to relay: the node shows its key, the relay has none of its own.
    pub const IN: Self = Self("Noise_IN_25519_ChaChaPoly_SHA256");
    /// Pairing: both keys are unknown, a pre-shared key authenticates both.
    pub const XX_PSK0: Self = Self("Noise_XXpsk0_25519_ChaChaPoly_SHA256");
    /// Session: the device knows the node's key, a pre-shared key strengthens both.
    pub const IK_PSK2: Self = Self("Noise_IKpsk2_25519_ChaChaPoly_SHA256");

    /// Any pattern over the same primitives, for checking public test vectors.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self(name)
    }
}

/// Why a handshake failed. Both ends give up; nothing was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the handshake failed: a message was altered, or the other end has other keys")]
pub struct HandshakeFailed;

impl From<snow::Error> for HandshakeFailed {
    fn from(_: snow::Error) -> Self {
        Self
    }
}

/// What a handshake is made from.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The pattern.
    pub pattern: Pattern,
    /// What both ends must already agree on; hashed into the handshake.
    pub prologue: &'a [u8],
    /// Our static key, where the pattern has one.
    pub static_key: Option<&'a StaticKey>,
    /// The other end's static key, where the pattern knows it beforehand.
    pub remote: Option<&'a PublicKey>,
}

/// A handshake in progress.
pub struct Handshake {
    state: HandshakeState,
}

/// The two keys a finished handshake leaves behind, and its hash.
#[derive(Debug)]
pub struct Transport {
    /// From the initiator to the responder.
    pub initiator: CipherState,
    /// From the responder to the initiator.
    pub responder: CipherState,
    /// The handshake hash: equal at both ends, different for every handshake (section 11.2).
    pub hash: [u8; 32],
}

impl Handshake {
    /// Starts as initiator. Draws 32 bytes for the ephemeral key.
    ///
    /// # Errors
    /// [`HandshakeFailed`] when `setup` lacks a key that the pattern needs.
    pub fn initiator(setup: &Setup<'_>, rng: &mut impl CryptoRng) -> Result<Self, HandshakeFailed> {
        Ok(Self { state: builder(setup, rng)?.build_initiator()? })
    }

    /// Starts as responder. Draws 32 bytes for the ephemeral key.
    ///
    /// # Errors
    /// [`HandshakeFailed`] when `setup` lacks a key that the pattern needs.
    pub fn responder(setup: &Setup<'_>, rng: &mut impl CryptoRng) -> Result<Self, HandshakeFailed> {
        Ok(Self { state: builder(setup, rng)?.build_responder()? })
    }

    /// Sets the pre-shared key at `position` of the pattern; needed before the message that
    /// mixes it in.
    ///
    /// # Errors
    /// [`HandshakeFailed`] when there is no such position.
    pub fn mix_psk(&mut self, position: u8, psk: &[u8; 32]) -> Result<(), HandshakeFailed> {
        Ok(self.state.set_psk(usize::from(position), psk)?)
    }

    /// Writes the next message around `payload` into `message` and returns its length.
    ///
    /// # Errors
    /// [`HandshakeFailed`] when it isn't our turn, a pre-shared key is missing, the other key is
    /// of small order, or `message` is too short.
    pub fn write(&mut self, payload: &[u8], message: &mut [u8]) -> Result<usize, HandshakeFailed> {
        Ok(self.state.write_message(payload, message)?)
    }

    /// Like [`Self::write`], for a message of exactly `N` bytes, at most 240.
    ///
    /// # Errors
    /// As [`Self::write`], and when the message has another length.
    pub fn write_exact<const N: usize>(
        &mut self,
        payload: &[u8],
    ) -> Result<[u8; N], HandshakeFailed> {
        // snow wants room for a tag even where there is none.
        let mut message = [0; 256];
        let length = self.write(payload, &mut message)?;
        message.get(..length).and_then(|bytes| bytes.try_into().ok()).ok_or(HandshakeFailed)
    }

    /// Reads the other end's next message into `payload` and returns the payload's length.
    ///
    /// # Errors
    /// [`HandshakeFailed`] when the message was altered or made with other keys, or when
    /// `payload` is shorter than `message`. The handshake can't go on.
    pub fn read(&mut self, message: &[u8], payload: &mut [u8]) -> Result<usize, HandshakeFailed> {
        if payload.len() < message.len() {
            return Err(HandshakeFailed);
        }
        Ok(self.state.read_message(message, payload)?)
    }

    /// Like [`Self::read`], for a message of at most 256 bytes with a payload of exactly `N`.
    ///
    /// # Errors
    /// As [`Self::read`], and when the payload has another length.
    pub fn read_exact<const N: usize>(
        &mut self,
        message: &[u8],
    ) -> Result<[u8; N], HandshakeFailed> {
        let mut payload = Zeroizing::new([0; 256]);
        let length = self.read(message, payload.as_mut())?;
        payload.get(..length).and_then(|bytes| bytes.try_into().ok()).ok_or(HandshakeFailed)
    }

    /// The other end's static key, once it is known.
    #[must_use]
    pub fn remote(&self) -> Option<PublicKey> {
        self.state.get_remote_static()?.try_into().ok().map(PublicKey::from_bytes)
    }

    /// The handshake hash, once all messages have passed (section 11.2).
    #[must_use]
    pub fn hash(&self) -> Option<[u8; 32]> {
        if self.state.is_handshake_finished() {
            self.state.get_handshake_hash().try_into().ok()
        } else {
            None
        }
    }

    /// Ends the handshake and gives its keys out.
    ///
    /// # Errors
    /// [`HandshakeFailed`] while messages are still to come.
    pub fn split(mut self) -> Result<Transport, HandshakeFailed> {
        let hash = self.hash().ok_or(HandshakeFailed)?;
        let (mut initiator, mut responder) = self.state.dangerously_get_raw_split();
        Ok(Transport {
            initiator: CipherState::new(&mut initiator),
            responder: CipherState::new(&mut responder),
            hash,
        })
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

fn builder<'a>(
    setup: &Setup<'a>,
    rng: &mut impl CryptoRng,
) -> Result<Builder<'a>, HandshakeFailed> {
    let params: NoiseParams = setup.pattern.0.parse()?;
    let mut ephemeral = Zeroizing::new([0; 32]);
    rng.fill_bytes(ephemeral.as_mut());
    let mut builder = Builder::with_resolver(params, Box::new(Resolver { ephemeral }))
        .prologue(setup.prologue)?;
    if let Some(key) = setup.static_key {
        builder = builder.local_private_key(key.secret())?;
    }
    if let Some(remote) = setup.remote {
        builder = builder.remote_public_key(remote.as_bytes())?;
    }
    Ok(builder)
}

struct Resolver {
    ephemeral: Zeroizing<[u8; 32]>,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(OneEphemeral(Some(self.ephemeral.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::<X25519>::default() as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::<Sha>::default() as Box<dyn Hash>)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::ChaChaPoly)
            .then(|| Box::<ChaChaPoly>::default() as Box<dyn Cipher>)
    }
}

/// Hands out the one ephemeral key that was drawn for a handshake, and nothing twice.
struct OneEphemeral(Option<Zeroizing<[u8; 32]>>);

impl Random for OneEphemeral {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        match self.0.take() {
            Some(bytes) if bytes.len() == dest.len() => {
                dest.copy_from_slice(bytes.as_ref());
                Ok(())
            }
            _ => Err(snow::Error::Rng),
        }
    }
}

#[derive(Default, Zeroize, ZeroizeOnDrop)]
struct X25519 {
    secret: [u8; 32],
    public: [u8; 32],
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, privkey: &[u8]) {
        if let Ok(secret) = privkey.try_into() {
            self.secret = secret;
            self.public = public_of(&self.secret);
        }
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(secret.as_mut())?;
        self.set(secret.as_ref());
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.secret
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let public = pubkey.first_chunk::<32>().ok_or(snow::Error::Dh)?;
        let shared = agree(&self.secret, public).ok_or(snow::Error::Dh)?;
        out.get_mut(..32).ok_or(snow::Error::Dh)?.copy_from_slice(shared.as_ref());
        Ok(())
    }
}

#[derive(Default)]
struct Sha(Sha256);

impl Hash for Sha {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let digest = self.0.finalize_reset();
        if let Some(out) = out.get_mut(..digest.len()) {
            out.copy_from_slice(&digest);
        }
    }
}

#[derive(Default, Zeroize, ZeroizeOnDrop)]
struct ChaChaPoly {
    key: [u8; aead::KEY],
}

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; aead::KEY]) {
        self.key = *key;
    }

    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let length = plaintext.len();
        let (text, rest) = out.split_at_mut(length);
        text.copy_from_slice(plaintext);
        let tag = aead::seal(&self.key, nonce, authtext, text);
        rest.split_at_mut(aead::TAG).0.copy_from_slice(&tag);
        length + aead::TAG
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, snow::Error> {
        let length = ciphertext.len().checked_sub(aead::TAG).ok_or(snow::Error::Decrypt)?;
        let mut sealed = Zeroizing::new(ciphertext.to_vec());
        aead::open(&self.key, nonce, authtext, &mut sealed).map_err(|_| snow::Error::Decrypt)?;
        let (text, out) =
            sealed.get(..length).zip(out.get_mut(..length)).ok_or(snow::Error::Decrypt)?;
        out.copy_from_slice(text);
        Ok(length)
    }
}
