//! Randomness that is the same in every run, so that an input that fails once fails always.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

/// `SplitMix64` (Steele, Lea, Flood 2014): a counter and a mixing function. Predictable, which here
/// is the point: it makes keys that protect nothing.
pub(crate) struct Fixed(u64);

impl Fixed {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| (number >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(mixed ^ (mixed >> 31))
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Infallible> {
        for chunk in dest.chunks_mut(8) {
            let bytes = self.try_next_u64()?.to_be_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}
