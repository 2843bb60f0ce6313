//! P8: what a node gives a device that it has paired with.
//!
//! `device id 16 | secret 32 | role u8 | count u8 | count × (length u16 | relay address)`, then
//! zeros to the next step of a record's padding.

use gantline_protocol::{
    DeviceId, RelayAddress, Role, WireError,
    session::record::{is_padded, padded},
    wire::Reader,
};
use zeroize::Zeroizing;

use crate::Psk;

/// Relays that a grant can name.
pub(super) const MAX_RELAYS: usize = 8;
/// The longest grant, padded.
pub(super) const MAX_GRANT: usize = padded(50 + MAX_RELAYS * (2 + RelayAddress::MAX));

/// A pairing's result as it travels.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) device: DeviceId,
    pub(super) psk: Psk,
    pub(super) role: Role,
    pub(super) relays: Vec<RelayAddress>,
}

impl Grant {
    /// The padded plaintext. Only the first eight relays are named.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(MAX_GRANT));
        let relays = self.relays.iter().take(MAX_RELAYS);
        out.extend_from_slice(self.device.as_bytes());
        out.extend_from_slice(self.psk.as_bytes());
        out.push(self.role.to_byte());
        out.push(u8::try_from(relays.len()).unwrap_or(u8::MAX));
        for relay in relays {
            let text = relay.to_string();
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        let length = padded(out.len());
        out.resize(length, 0);
        out
    }

    pub(super) fn decode(plaintext: &[u8]) -> Result<Self, WireError> {
        const WHAT: &str = "grant";
        let invalid = |why| WireError::Invalid { what: WHAT, why };
        if !is_padded(plaintext.len()) || plaintext.len() > MAX_GRANT {
            return Err(invalid("its length is not a padded one"));
        }
        let mut reader = Reader::new(plaintext, WHAT);
        let device = DeviceId::from_bytes(reader.array()?);
        let psk = Psk::from_bytes(reader.array()?);
        let role = Role::from_byte(reader.u8()?)?;
        let count = usize::from(reader.u8()?);
        if count > MAX_RELAYS {
            return Err(WireError::TooLong { what: WHAT, length: count, limit: MAX_RELAYS });
        }
        let mut relays = Vec::with_capacity(count);
        for _ in 0..count {
            let length = usize::from(reader.u16()?);
            let text = std::str::from_utf8(reader.bytes(length)?)
                .map_err(|_| invalid("a relay is not UTF-8"))?;
            relays.push(text.parse()?);
        }
        if reader.take_rest().iter().any(|byte| *byte != 0) {
            return Err(invalid("its padding is not all zero"));
        }
        Ok(Self { device, psk, role, relays })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use gantline_protocol::{HostName, SpkiPin};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn a_grant_arrives_as_it_was_given(id: [u8; 16], psk: [u8; 32], relays in vec("[a-z]{1,63}", 0..=8)) {
            let grant = Grant {
                device: DeviceId::from_bytes(id),
                psk: Psk::from_bytes(psk),
                role: Role::Operator,
                relays: relays.iter().map(|relay| relay.parse().unwrap()).collect(),
            };
            let bytes = grant.encode();
            prop_assert!(is_padded(bytes.len()));
            prop_assert_eq!(Grant::decode(&bytes), Ok(grant));
        }

        #[test]
        fn any_bytes_are_a_grant_or_an_error(bytes in vec(any::<u8>(), 0..3000)) {
            let _ = Grant::decode(&bytes);
        }
    }

    #[test]
    fn the_longest_grant_fits_its_bound() {
        let host = [&"a".repeat(63); 4].map(String::as_str).join(".");
        let longest = RelayAddress {
            host: host[..HostName::MAX].parse().unwrap(),
            port: NonZeroU16::MAX,
            pin: Some(SpkiPin([0xff; 32])),
        };
        let relays = vec![longest; 12];
        let grant = Grant {
            device: DeviceId::from_bytes([1; 16]),
            psk: Psk::from_bytes([2; 32]),
            role: Role::Owner,
            relays,
        };
        let bytes = grant.encode();
        assert!(bytes.len() <= MAX_GRANT);
        assert_eq!(Grant::decode(&bytes).unwrap().relays.len(), MAX_RELAYS);
    }
}
