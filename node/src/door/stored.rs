//! How devices and invitations are written to their files. Both hold secrets; the files are 0600.

use data_encoding::HEXLOWER;
use gantline_crypto::{Device, LinkToken, Psk, PublicKey, devices::Standing, pairing::Invitation};
use gantline_protocol::{DeviceId, InvitationId, Name, Role, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// `devices.json`.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StoredDevices {
    pub(super) devices: Vec<StoredDevice>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StoredDevice {
    id: DeviceId,
    name: Name,
    key: Hex32,
    psk: Hex32,
    role: Role,
    created: Timestamp,
    standing: StoredStanding,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum StoredStanding {
    Pending,
    Known { last_seen: Timestamp },
    Revoked { at: Timestamp },
}

/// `invitations.json`.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StoredInvitations {
    pub(super) invitations: Vec<StoredInvitation>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StoredInvitation {
    id: InvitationId,
    token: Hex32,
    role: Role,
    created: Timestamp,
    expires: Timestamp,
    uses_left: u32,
}

impl From<&Device> for StoredDevice {
    fn from(device: &Device) -> Self {
        Self {
            id: device.id,
            name: device.name.clone(),
            key: Hex32(*device.key.as_bytes()),
            psk: Hex32(*device.psk.as_bytes()),
            role: device.role,
            created: device.created,
            standing: match device.standing {
                Standing::Pending => StoredStanding::Pending,
                Standing::Known { last_seen } => StoredStanding::Known { last_seen },
                Standing::Revoked { at } => StoredStanding::Revoked { at },
            },
        }
    }
}

impl From<StoredDevice> for Device {
    fn from(stored: StoredDevice) -> Self {
        Self {
            id: stored.id,
            name: stored.name,
            key: PublicKey::from_bytes(stored.key.0),
            psk: Psk::from_bytes(stored.psk.0),
            role: stored.role,
            created: stored.created,
            standing: match stored.standing {
                StoredStanding::Pending => Standing::Pending,
                StoredStanding::Known { last_seen } => Standing::Known { last_seen },
                StoredStanding::Revoked { at } => Standing::Revoked { at },
            },
        }
    }
}

impl StoredInvitation {
    pub(super) fn new(invitation: &Invitation, created: Timestamp) -> Self {
        Self {
            id: invitation.id,
            token: Hex32(*invitation.token.as_bytes()),
            role: invitation.role,
            created,
            expires: invitation.expires,
            uses_left: invitation.uses_left,
        }
    }

    pub(super) fn into_parts(self) -> (Invitation, Timestamp) {
        let invitation = Invitation {
            id: self.id,
            token: LinkToken::from_bytes(self.token.0),
            role: self.role,
            expires: self.expires,
            uses_left: self.uses_left,
        };
        (invitation, self.created)
    }
}

/// 32 bytes as 64 lower-case hexadecimal digits.
struct Hex32([u8; 32]);

impl Serialize for Hex32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| de::Error::custom("it is not 64 hexadecimal digits"))
    }
}
