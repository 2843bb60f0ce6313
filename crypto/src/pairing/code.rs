//! The 8-digit code that a person carries from the machine to the device.

use std::{fmt, str::FromStr};

use gantline_protocol::WireError;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use super::PairingError;

/// Tries that a device makes with one code before it wants a new one.
pub const TRIES: u8 = 2;

/// Eight decimal digits. Wiped when dropped, never printed by `Debug`; [`PairingCode::reveal`]
/// is for the person who is to type it.
#[derive(Clone, ZeroizeOnDrop)]
pub struct PairingCode([u8; Self::DIGITS]);

impl PairingCode {
    /// How many digits a code has.
    pub const DIGITS: usize = 8;

    /// A new code; every one of the 10^8 is equally likely.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        const CODES: u32 = 100_000_000;
        const LIMIT: u32 = u32::MAX - u32::MAX % CODES;
        loop {
            let mut bytes = [0; 4];
            rng.fill_bytes(&mut bytes);
            let number = u32::from_be_bytes(bytes);
            if number < LIMIT {
                return Self::from_number(number % CODES);
            }
        }
    }

    fn from_number(mut number: u32) -> Self {
        let mut digits = [b'0'; Self::DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit += (number % 10) as u8;
            number /= 10;
        }
        Self(digits)
    }

    /// The eight ASCII digits, as CPace takes them.
    pub(super) const fn as_bytes(&self) -> &[u8; Self::DIGITS] {
        &self.0
    }

    /// The code as people read it: `1234 5678`.
    #[must_use]
    pub fn reveal(&self) -> String {
        let (left, right) = self.0.split_at(4);
        format!("{} {}", String::from_utf8_lossy(left), String::from_utf8_lossy(right))
    }
}

impl FromStr for PairingCode {
    type Err = WireError;

    /// Eight digits; spaces and hyphens anywhere are skipped. The input is at most 32 bytes.
    fn from_str(text: &str) -> Result<Self, WireError> {
        const INVALID: WireError =
            WireError::Invalid { what: "pairing code", why: "it is not eight digits" };
        if text.len() > 32 {
            return Err(INVALID);
        }
        let mut digits = [0; Self::DIGITS];
        let mut typed = text.bytes().filter(|byte| !matches!(byte, b' ' | b'-'));
        for digit in &mut digits {
            *digit = typed.next().filter(u8::is_ascii_digit).ok_or(INVALID)?;
        }
        match typed.next() {
            None => Ok(Self(digits)),
            Some(_) => Err(INVALID),
        }
    }
}

impl PartialEq for PairingCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for PairingCode {}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode(..)")
    }
}

/// A code as a device holds it: good for two tries, each made because a person asked for it.
/// Every try lets a malicious relay test one guess, so a device never tries again by itself.
#[derive(Debug)]
pub struct CodeAttempts {
    code: PairingCode,
    left: u8,
}

impl CodeAttempts {
    /// The code that a person typed.
    #[must_use]
    pub const fn new(code: PairingCode) -> Self {
        Self { code, left: TRIES }
    }

    /// Spends one try.
    pub(super) fn spend(&mut self) -> Result<&PairingCode, PairingError> {
        self.left = self.left.checked_sub(1).ok_or(PairingError::AskForNewCode)?;
        Ok(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_a_person_types_it() {
        let code = PairingCode::from_number(1_234_567);
        assert_eq!(code.reveal(), "0123 4567");
        for typed in ["01234567", "0123 4567", "0123-4567", " 0 1 2 3 4 5 6 7 "] {
            assert_eq!(typed.parse::<PairingCode>(), Ok(code.clone()), "{typed:?}");
        }
        for wrong in ["", "0123456", "012345678", "0123456a", "０1234567", &" ".repeat(99)] {
            assert!(wrong.parse::<PairingCode>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_debug_print_never_shows_a_code() {
        let attempts = CodeAttempts::new("12345678".parse().unwrap());
        assert!(!format!("{attempts:?}").contains('1'));
    }

    #[test]
    fn a_device_stops_after_two_tries() {
        let mut attempts = CodeAttempts::new("12345678".parse().unwrap());
        assert!(attempts.spend().is_ok() && attempts.spend().is_ok());
        assert_eq!(attempts.spend(), Err(PairingError::AskForNewCode));
    }
}
