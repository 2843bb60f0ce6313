//! Randomness whose only draw is known beforehand.

#![allow(clippy::panic, unreachable_pub)]

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

/// Draws exactly these bytes, once: a handshake's ephemeral key.
pub struct Fixed(pub Vec<u8>);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("a handshake draws bytes only")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("a handshake draws bytes only")
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Infallible> {
        dest.copy_from_slice(&std::mem::take(&mut self.0));
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}
