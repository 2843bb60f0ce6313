//! CPace over ristretto255 with SHA-512 (draft-irtf-cfrg-cpace-21, suite CPACE-RISTR255-SHA512):
//! two ends that know the same short code come to share a long key, and somebody in between who
//! doesn't know it can test one guess for each run, and none afterwards.

use std::fmt;

use curve25519_dalek::{RistrettoPoint, Scalar, ristretto::CompressedRistretto, traits::Identity};
use gantline_protocol::lv;
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

const DSI: &[u8] = b"CPaceRistretto255";
const DSI_ISK: &[u8] = b"CPaceRistretto255_ISK";
/// Input block of SHA-512, in bytes: `s_in_bytes` of the draft.
const HASH_BLOCK: usize = 128;

/// A share that isn't a valid group element, or is the neutral one: the other end is broken or
/// hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other end's share is not a valid one")]
pub struct InvalidShare;

/// Which end this is; the transcript is ordered initiator, responder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Sends its share first.
    Initiator,
    /// Answers with its share.
    Responder,
}

/// The intermediate session key, 64 bytes; derive keys from it. Wiped when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Isk([u8; 64]);

impl Isk {
    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Isk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Isk(..)")
    }
}

/// One end of a run: its secret scalar and its public share.
#[derive(ZeroizeOnDrop)]
pub struct CPace {
    scalar: Scalar,
    #[zeroize(skip)]
    share: [u8; 32],
    #[zeroize(skip)]
    sid: Vec<u8>,
    #[zeroize(skip)]
    party: Party,
}

impl fmt::Debug for CPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPace({:?})", self.party)
    }
}

impl CPace {
    /// Starts a run over the password `prs`, the channel identifier `ci` and the session id `sid`.
    /// Draws 64 bytes, reduced modulo the group's order.
    pub fn start(
        party: Party,
        prs: &[u8],
        ci: &[u8],
        sid: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Self {
        let mut wide = Zeroizing::new([0; 64]);
        rng.fill_bytes(wide.as_mut());
        Self::with_scalar(party, prs, ci, sid, Scalar::from_bytes_mod_order_wide(&wide))
    }

    fn with_scalar(party: Party, prs: &[u8], ci: &[u8], sid: &[u8], scalar: Scalar) -> Self {
        let share = (generator(prs, ci, sid) * scalar).compress().to_bytes();
        Self { scalar, share, sid: sid.to_vec(), party }
    }

    /// The share to send: Ya or Yb.
    #[must_use]
    pub const fn share(&self) -> &[u8; 32] {
        &self.share
    }

    /// Takes the other end's share. Both ends have the same key if they had the same password;
    /// that they did is shown only by using the key. Associated data is empty (ADa, ADb).
    ///
    /// # Errors
    /// [`InvalidShare`] when it isn't a canonical point, or gives the neutral element.
    pub fn finish(&self, other: &[u8; 32]) -> Result<Isk, InvalidShare> {
        self.finish_with(other, [b"", b""])
    }

    fn finish_with(&self, other: &[u8; 32], data: [&[u8]; 2]) -> Result<Isk, InvalidShare> {
        let shared = scalar_mult_vfy(&self.scalar, other)?;
        let (ya, yb) = match self.party {
            Party::Initiator => (&self.share, other),
            Party::Responder => (other, &self.share),
        };
        let transcript = [lv::concat(&[ya, data[0]]), lv::concat(&[yb, data[1]])].concat();
        Ok(isk(&self.sid, &shared, &transcript))
    }
}

/// `calculate_generator` of the draft: hashes password, channel and session to a group element.
fn generator(prs: &[u8], ci: &[u8], sid: &[u8]) -> RistrettoPoint {
    let used = 1 + prs.len() + lv::length_size(prs.len()) + DSI.len() + lv::length_size(DSI.len());
    let pad = vec![0; HASH_BLOCK.saturating_sub(used)];
    let string = Zeroizing::new(lv::concat(&[DSI, prs, &pad, ci, sid]));
    let hash: Zeroizing<[u8; 64]> = Zeroizing::new(Sha512::digest(string.as_slice()).into());
    RistrettoPoint::from_uniform_bytes(&hash)
}

/// `scalar_mult_vfy` of the draft: the encoded product, refused when it would be the neutral
/// element or the input isn't a canonical encoding.
fn scalar_mult_vfy(scalar: &Scalar, other: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, InvalidShare> {
    let point = CompressedRistretto(*other).decompress().ok_or(InvalidShare)?;
    let product = Zeroizing::new((point * scalar).compress().to_bytes());
    let neutral = CompressedRistretto::identity();
    if bool::from(product.ct_eq(neutral.as_bytes())) {
        return Err(InvalidShare);
    }
    Ok(product)
}

fn isk(sid: &[u8], shared: &[u8; 32], transcript: &[u8]) -> Isk {
    let prefix = Zeroizing::new(lv::concat(&[DSI_ISK, sid, shared]));
    let hash = Sha512::new().chain_update(prefix.as_slice()).chain_update(transcript).finalize();
    Isk(hash.into())
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXUPPER;
    use serde_json::Value;

    use super::*;

    struct Vectors(Value);

    impl Vectors {
        fn load(section: &str) -> Self {
            let file = include_str!("../vectors/cpace-ristretto255-sha512.json");
            let all: Value = serde_json::from_str(file).unwrap();
            Self(all[section].clone())
        }

        fn bytes(&self, name: &str) -> Vec<u8> {
            HEXUPPER.decode(self.0[name].as_str().unwrap().as_bytes()).unwrap()
        }

        fn array(&self, name: &str) -> [u8; 32] {
            self.bytes(name).try_into().unwrap()
        }

        fn scalar(&self, name: &str) -> Scalar {
            Scalar::from_bytes_mod_order(self.array(name))
        }
    }

    #[test]
    fn the_drafts_run_gives_the_drafts_key_at_both_ends() {
        let v = Vectors::load("G_Coffee25519");
        let (prs, ci, sid) = (v.bytes("PRS"), v.bytes("CI"), v.bytes("sid"));
        assert_eq!(generator(&prs, &ci, &sid).compress().to_bytes(), v.array("g"));

        let a = CPace::with_scalar(Party::Initiator, &prs, &ci, &sid, v.scalar("ya"));
        let b = CPace::with_scalar(Party::Responder, &prs, &ci, &sid, v.scalar("yb"));
        assert_eq!((*a.share(), *b.share()), (v.array("Ya"), v.array("Yb")));

        let shared = scalar_mult_vfy(&v.scalar("ya"), b.share()).unwrap();
        assert_eq!(*shared, v.array("K"));
        let (ada, adb) = (v.bytes("ADa"), v.bytes("ADb"));
        let ours = a.finish_with(b.share(), [&ada, &adb]).unwrap();
        let theirs = b.finish_with(a.share(), [&ada, &adb]).unwrap();
        assert_eq!(ours.as_bytes().as_slice(), v.bytes("ISK_IR"));
        assert_eq!(theirs.as_bytes(), ours.as_bytes());
    }

    /// Gantline speaks the initiator-responder transcript only; the draft's other values check
    /// the same functions from another side.
    #[test]
    fn the_drafts_symmetric_values_agree_as_well() {
        let v = Vectors::load("G_Coffee25519");
        let a = lv::concat(&[&v.bytes("Ya"), &v.bytes("ADa")]);
        let b = lv::concat(&[&v.bytes("Yb"), &v.bytes("ADb")]);
        let (greater, lesser) = if a > b { (&a, &b) } else { (&b, &a) };
        let symmetric = [b"oc".as_slice(), greater, lesser].concat();
        let key = isk(&v.bytes("sid"), &v.array("K"), &symmetric);
        assert_eq!(key.as_bytes().as_slice(), v.bytes("ISK_SY"));

        let output = |transcript: &[u8]| {
            Sha512::new().chain_update(b"CPaceSidOutput").chain_update(transcript).finalize()
        };
        assert_eq!(output(&[a.clone(), b.clone()].concat()).as_slice(), v.bytes("sid_output_ir"));
        assert_eq!(output(&symmetric).as_slice(), v.bytes("sid_output_oc"));
    }

    #[test]
    fn an_invalid_share_ends_the_run() {
        let v = Vectors::load("G_Coffee25519_points");
        let valid = Vectors(v.0["Valid"].clone());
        let product = scalar_mult_vfy(&valid.scalar("s"), &valid.array("X")).unwrap();
        assert_eq!(*product, valid.array("G.scalar_mult_vfy(s,X)"));
        assert_eq!(*product, valid.array("G.scalar_mult(s,decode(X))"));
        for name in ["Invalid Y1", "Invalid Y2"] {
            assert_eq!(scalar_mult_vfy(&valid.scalar("s"), &v.array(name)), Err(InvalidShare));
        }
    }
}
