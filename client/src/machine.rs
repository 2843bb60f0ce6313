//! What a device keeps: its own key, and the machines that it is paired with. Both hold secrets;
//! whoever stores them uses files of mode 0600.

use data_encoding::HEXLOWER;
use gantline_crypto::{Psk, PublicKey, SafetyNumber, StaticKey, pairing::Paired};
use gantline_protocol::{DeviceId, MachineId, Name, RelayAddress, Role, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// This device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its static key.
    pub key: StaticKey,
    /// What machines call it.
    pub name: Name,
}

/// A machine that this device is paired with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownMachine {
    /// Its name for ever; follows from the key.
    pub machine_id: MachineId,
    /// What people call it; unique among the machines of one device.
    pub name: Name,
    /// Its node's static key.
    #[serde(with = "public_key")]
    pub key: PublicKey,
    /// What this device may do there.
    pub role: Role,
    /// The relays that reach it.
    pub relays: Vec<RelayAddress>,
    /// The present pairing.
    pub pairing: PairingSecret,
    /// The pairing before, until a session with the present one was opened: the machine may never
    /// have learned that the present one arrived here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<PairingSecret>,
    /// When it was paired.
    pub paired_at: Timestamp,
}

/// What a pairing leaves with the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairingSecret {
    /// This device's id on that machine.
    pub device_id: DeviceId,
    /// The secret that both share.
    #[serde(with = "psk")]
    pub psk: Psk,
}

impl KnownMachine {
    /// A machine that was just paired. `known` is what was known of it before.
    #[must_use]
    pub fn new(paired: Paired, known: Option<&Self>, now: Timestamp) -> Self {
        Self {
            machine_id: paired.machine,
            name: known.map_or(paired.name, |known| known.name.clone()),
            key: paired.node,
            role: paired.role,
            relays: paired.relays,
            pairing: PairingSecret { device_id: paired.device, psk: paired.psk },
            earlier: known.map(|known| known.pairing.clone()),
            paired_at: now,
        }
    }

    /// What both ends show for people to compare.
    #[must_use]
    pub fn safety_number(&self, device: &PublicKey) -> SafetyNumber {
        SafetyNumber::new(&self.key, device, &self.pairing.psk)
    }

    /// Whether the id belongs to the key. A file that says otherwise was tampered with.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.key.machine_id() == self.machine_id
    }
}

mod public_key {
    use super::{Deserializer, HEXLOWER, PublicKey, Serializer, bytes};

    pub(super) fn serialize<S: Serializer>(key: &PublicKey, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(key.as_bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PublicKey, D::Error> {
        bytes(from).map(PublicKey::from_bytes)
    }
}

mod psk {
    use super::{Deserializer, HEXLOWER, Psk, Serializer, bytes};

    pub(super) fn serialize<S: Serializer>(psk: &Psk, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(psk.as_bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Psk, D::Error> {
        bytes(from).map(Psk::from_bytes)
    }
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
    let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| de::Error::custom("it is not 64 hexadecimal digits"))
}
