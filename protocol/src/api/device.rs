//! Devices that may open sessions to this machine.

use serde::{Deserialize, Serialize};

use crate::{DeviceId, Name, Role, time::Timestamp};

/// A paired device: an entry of `GET /v1/devices`. Its keys are never read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its name on this machine.
    pub device_id: DeviceId,
    /// What people call it.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// When it was paired.
    pub created_at: Timestamp,
    /// When it last had a session, if it ever had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// Whether it has yet to open its first session, without which it is removed 10 minutes after
    /// it was paired.
    pub pending: bool,
    /// Six words that stand for the keys of this pairing. The device has the same ones, unless
    /// somebody sat in between when it was paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_number: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::is_written_as;

    #[test]
    fn a_device_has_the_documented_json() {
        let mut device = Device {
            device_id: DeviceId::from_bytes([0xab; 16]),
            name: "phone".parse().unwrap(),
            role: Role::Observer,
            created_at: Timestamp::from_millis(1),
            last_seen: None,
            pending: true,
            safety_number: None,
        };
        is_written_as(
            &device,
            r#"{"deviceId":"abababababababababababababababab","name":"phone","role":"observer","createdAt":1,"pending":true}"#,
        );
        device.last_seen = Some(Timestamp::from_millis(2));
        device.pending = false;
        device.safety_number = Some("lusab babad".to_owned());
        is_written_as(
            &device,
            r#"{"deviceId":"abababababababababababababababab","name":"phone","role":"observer","createdAt":1,"lastSeen":2,"pending":false,"safetyNumber":"lusab babad"}"#,
        );
    }
}
