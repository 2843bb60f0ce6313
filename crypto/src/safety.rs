//! A short number that both ends compute from what they share, for people to compare by eye or
//! by voice: equal means that nobody stands in between.

use std::fmt;

use gantline_login::PublicKey;
use gantline_protocol::lv;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::Psk;

const LABEL: &[u8] = b"gantline/safety-number/1";
/// Rounds of hashing, which make each guess at a collision that much dearer. The construction
/// follows Signal's numeric fingerprints, which use 5,200 rounds of SHA-512.
const ROUNDS: usize = 5200;

/// 96 bits as six pronounceable words, and 30 decimal digits (just under 100 bits). Either is
/// enough; both follow from the same hash.
#[derive(Clone, PartialEq, Eq)]
pub struct SafetyNumber([u8; 64]);

impl SafetyNumber {
    /// `h₀ = SHA-512(lv(label, node, device, psk))`, `hₙ₊₁ = SHA-512(hₙ ‖ h₀)`, 5,200 times.
    ///
    /// The pairing secret is part of it: it is drawn by the node at the end of the pairing, so
    /// that somebody in between can't search for two key pairs whose numbers agree.
    #[must_use]
    pub fn new(node: &PublicKey, device: &PublicKey, psk: &Psk) -> Self {
        let input = Zeroizing::new(lv::concat(&[
            LABEL,
            node.as_bytes(),
            device.as_bytes(),
            psk.as_bytes(),
        ]));
        let first = Sha512::digest(input.as_slice());
        let last = (0..ROUNDS)
            .fold(first, |hash, _| Sha512::new().chain_update(hash).chain_update(first).finalize());
        Self(last.into())
    }

    /// Six words of five letters: bytes 0 to 11, two bytes a word, big-endian, each word spelled
    /// consonant (4 bits), vowel (2), consonant (4), vowel (2), consonant (4), as in
    /// arXiv:0901.4016.
    #[must_use]
    pub fn words(&self) -> [String; 6] {
        let mut pairs = self.0.chunks_exact(2).map(|pair| match pair {
            [high, low] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        });
        std::array::from_fn(|_| word(pairs.next().unwrap_or(0)))
    }

    /// Six groups of five digits: bytes 16 to 45, five bytes a group, each the big-endian number
    /// modulo 100,000.
    #[must_use]
    pub fn digits(&self) -> [String; 6] {
        let (_, behind_the_words) = self.0.split_at(16);
        let mut groups = behind_the_words.chunks_exact(5).map(|group| {
            let number = group.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
            format!("{:05}", number % 100_000)
        });
        std::array::from_fn(|_| groups.next().unwrap_or_default())
    }
}

fn word(bits: u16) -> String {
    const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8; 4] = b"aiou";
    let letter = |set: &[u8], shift: u32, mask: u16| {
        let index = usize::from((bits >> shift) & mask);
        char::from(set.get(index).copied().unwrap_or(b'?'))
    };
    [
        letter(CONSONANTS, 12, 15),
        letter(VOWELS, 10, 3),
        letter(CONSONANTS, 6, 15),
        letter(VOWELS, 4, 3),
        letter(CONSONANTS, 0, 15),
    ]
    .into_iter()
    .collect()
}

impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(" "))
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafetyNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_spelled_as_the_proposal_spells_addresses() {
        // 127.0.0.1 is lusab-babad there.
        assert_eq!((word(0x7f00), word(0x0001)), ("lusab".into(), "babad".into()));
        assert_eq!((word(0x3f54), word(0xdcc1)), ("gutih".into(), "tugad".into()));
    }

    #[test]
    fn a_man_in_the_middle_is_heard() {
        let key = |byte| PublicKey::from_bytes([byte; 32]);
        let number = |node, device, psk| {
            SafetyNumber::new(&key(node), &key(device), &Psk::from_bytes([psk; 32]))
        };
        let honest = number(1, 2, 3);
        assert_eq!(honest.words(), number(1, 2, 3).words());
        for other in [number(9, 2, 3), number(1, 9, 3), number(1, 2, 9), number(2, 1, 3)] {
            assert_ne!(honest.words(), other.words());
            assert_ne!(honest.digits(), other.digits());
        }
    }
}
