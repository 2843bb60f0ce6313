//! The link, or QR code, that carries a pairing where a person can't type a code: also the
//! invitation by which a machine is shared.

use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use gantline_protocol::{MachineId, RelayAddress, WireError};
use zeroize::Zeroizing;

use crate::LinkToken;

/// The fragment of a pairing link: `1.<machine id>.<token>.<relay address>`, the token as base64url
/// without padding (RFC 4648 section 5). A fragment is never sent to a server; whoever opens the
/// page clears it at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingLink {
    /// The machine to pair with.
    pub machine: MachineId,
    /// The secret.
    pub token: LinkToken,
    /// The relay that reaches the machine.
    pub relay: RelayAddress,
}

impl PairingLink {
    /// The greatest length of a fragment, in bytes.
    pub const MAX: usize = 2 + MachineId::TEXT_LENGTH + 1 + 43 + 1 + RelayAddress::MAX;

    /// The fragment, without `#`, for the person who is to carry it.
    #[must_use]
    pub fn reveal(&self) -> String {
        let token = Zeroizing::new(BASE64URL_NOPAD.encode(self.token.as_bytes()));
        format!("1.{}.{}.{}", self.machine, *token, self.relay)
    }
}

impl FromStr for PairingLink {
    type Err = WireError;

    /// Reads a fragment, or a whole URL that has one.
    fn from_str(text: &str) -> Result<Self, WireError> {
        const WHAT: &str = "pairing link";
        const SHAPE: WireError =
            WireError::Invalid { what: WHAT, why: "it is not 1.<machine id>.<token>.<relay>" };
        let fragment = text.rsplit_once('#').map_or(text, |(_, fragment)| fragment);
        if fragment.len() > Self::MAX {
            let length = fragment.len();
            return Err(WireError::TooLong { what: WHAT, length, limit: Self::MAX });
        }
        let mut parts = fragment.splitn(4, '.');
        let mut part = || parts.next().ok_or(SHAPE);
        if part()? != "1" {
            return Err(WireError::Invalid { what: WHAT, why: "its version is not 1" });
        }
        let machine = part()?.parse()?;
        let mut token = Zeroizing::new([0; 32]);
        let encoded = part()?;
        if encoded.len() != 43
            || BASE64URL_NOPAD.decode_mut(encoded.as_bytes(), token.as_mut()) != Ok(32)
        {
            return Err(WireError::Invalid { what: WHAT, why: "its token is not 32 bytes" });
        }
        let relay = part()?.parse()?;
        Ok(Self { machine, token: LinkToken::from_bytes(*token), relay })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_link_survives_the_way_from_machine_to_device(machine: [u8; 16], token: [u8; 32]) {
            let link = PairingLink {
                machine: MachineId::from_bytes(machine),
                token: LinkToken::from_bytes(token),
                relay: "relay.example:8443".parse().unwrap(),
            };
            prop_assert_eq!(link.reveal().parse::<PairingLink>(), Ok(link.clone()));
            let url = format!("https://relay.example/pair#{}", link.reveal());
            prop_assert_eq!(url.parse::<PairingLink>(), Ok(link.clone()));
            for end in 0..link.reveal().len() - "relay.example:8443".len() + 1 {
                prop_assert!(link.reveal()[..end].parse::<PairingLink>().is_err());
            }
            let printed = format!("{link:?}");
            prop_assert!(!printed.contains(&BASE64URL_NOPAD.encode(&token)));
        }

        #[test]
        fn any_text_is_a_link_or_an_error(text in any::<String>()) {
            let _ = text.parse::<PairingLink>();
        }
    }
}
