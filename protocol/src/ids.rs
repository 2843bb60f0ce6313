//! Names for machines, devices, agents, viewers, streams and tickets. Each has its own type, so
//! that one can't be passed where another is meant.

use std::{fmt, str::FromStr};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::WireError;

/// Names a machine for ever: 16 bytes derived from the node's public key (`mid16`), written as 26
/// characters of lower-case RFC 4648 base32 without padding, which is one DNS label.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId([u8; 16]);

impl MachineId {
    /// The length of the written form.
    pub const TEXT_LENGTH: usize = 26;

    /// The id with these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, `mid16` in the protocol's formulas.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl FromStr for MachineId {
    type Err = WireError;

    /// Only the canonical form is accepted: 26 lower-case characters whose two spare bits are 0.
    fn from_str(text: &str) -> Result<Self, WireError> {
        const WHAT: &str = "machine id";
        if text.len() != Self::TEXT_LENGTH {
            return Err(WireError::invalid(WHAT, "it does not have 26 characters"));
        }
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(WireError::invalid(WHAT, "it has upper-case letters"));
        }
        let bytes = BASE32_NOPAD
            .decode(text.to_ascii_uppercase().as_bytes())
            .map_err(|_| WireError::invalid(WHAT, "it is not canonical base32"))?;
        let bytes = bytes.try_into().map_err(|_| WireError::invalid(WHAT, "it is not 16 bytes"))?;
        Ok(Self(bytes))
    }
}

/// Names a device on one machine: 16 random bytes, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId([u8; 16]);

/// Names an attached terminal for as long as its program runs, across reconnects: 16 random
/// bytes, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewerId([u8; 16]);

/// Lets a node dial exactly one pipe on a WebSocket link: 16 random bytes, single use, 10 s.
/// Written as 32 lower-case hexadecimal digits; whoever has it may use it, so `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket([u8; 16]);

macro_rules! hex_id {
    ($type:ident, $what:literal) => {
        impl $type {
            /// The id with these 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl FromStr for $type {
            type Err = WireError;

            fn from_str(text: &str) -> Result<Self, WireError> {
                let mut bytes = [0; 16];
                if text.len() != 32 {
                    return Err(WireError::invalid($what, "it does not have 32 characters"));
                }
                HEXLOWER
                    .decode_mut(text.as_bytes(), &mut bytes)
                    .map_err(|_| WireError::invalid($what, "it is not lower-case hexadecimal"))?;
                Ok(Self(bytes))
            }
        }
    };
}

hex_id!(DeviceId, "device id");
hex_id!(ViewerId, "viewer id");
hex_id!(Ticket, "ticket");

/// Names an agent on its machine: `ag-` and five characters of `a-z0-9`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId([u8; 5]);

impl AgentId {
    const PREFIX: &str = "ag-";
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

    /// The id that five random bytes stand for. Bytes are taken modulo 36, which favours the
    /// first four letters slightly: an agent id is a name, not a secret.
    #[must_use]
    pub fn from_random(random: [u8; 5]) -> Self {
        Self(random.map(|byte| Self::ALPHABET.get(usize::from(byte) % 36).copied().unwrap_or(b'a')))
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl FromStr for AgentId {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        text.strip_prefix(Self::PREFIX)
            .and_then(|tail| <[u8; 5]>::try_from(tail.as_bytes()).ok())
            .filter(|tail| tail.iter().all(|byte| Self::ALPHABET.contains(byte)))
            .map(Self)
            .ok_or(WireError::invalid("agent id", "it is not ag- and five of a-z and 0-9"))
    }
}

macro_rules! text_id {
    ($($type:ident),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

text_id!(MachineId, DeviceId, ViewerId, Ticket, AgentId);

macro_rules! shown_as_text {
    ($($type:ident),*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

shown_as_text!(MachineId, DeviceId, ViewerId, AgentId);

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

/// Names an invitation on its machine: random, and different from every other that is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvitationId(pub u32);

/// Names a stream inside one session. Devices open odd ids, nodes even ones; each side's ids rise
/// strictly. 0 is the session itself and never a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u32);

impl StreamId {
    /// The stream with this number; `None` for 0, which means the session.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether the device opened this stream (odd), else the node did (even).
    #[must_use]
    pub const fn opened_by_device(self) -> bool {
        self.0 % 2 == 1
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_machine_has_exactly_one_name(bytes: [u8; 16]) {
            let id = MachineId::from_bytes(bytes);
            let text = id.to_string();
            prop_assert_eq!(text.len(), MachineId::TEXT_LENGTH);
            prop_assert_eq!(text.parse::<MachineId>(), Ok(id));
            prop_assert!(text.to_ascii_uppercase().parse::<MachineId>().is_err());
            // The last character carries two spare bits: three of its four spellings are refused.
            let alphabet = b"abcdefghijklmnopqrstuvwxyz234567";
            let accepted = alphabet.iter().filter(|last| {
                let mut other = text[..25].to_owned();
                other.push(char::from(**last));
                other.parse::<MachineId>().is_ok()
            });
            prop_assert_eq!(accepted.count(), 8);
        }

        #[test]
        fn any_text_is_an_id_or_an_error(text in "\\PC{0,40}") {
            if let Ok(id) = text.parse::<MachineId>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(id) = text.parse::<DeviceId>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(id) = text.parse::<AgentId>() { prop_assert_eq!(id.to_string(), text); }
        }

        #[test]
        fn agent_ids_read_back(random: [u8; 5]) {
            let id = AgentId::from_random(random);
            prop_assert_eq!(id.to_string().parse::<AgentId>(), Ok(id));
        }
    }

    #[test]
    fn a_known_machine_id_is_spelled_as_documented() {
        let id = MachineId::from_bytes([0; 16]);
        assert_eq!(id.to_string(), "aaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"aaaaaaaaaaaaaaaaaaaaaaaaaa\"");
    }
}
