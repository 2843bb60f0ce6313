//! Machines: the one that answers, and those that a gateway reaches.

use serde::{Deserialize, Serialize};

use crate::{Alias, MachineId, Name, Role, time::Timestamp};

/// The machine that answers: `GET /v1/machine`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Its name for ever.
    pub machine_id: MachineId,
    /// Its friendly name and subdomain, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<Alias>,
    /// What people call it.
    pub name: Name,
    /// The node's software version.
    pub version: String,
    /// The operating system, as Rust names it: `linux`, `macos`, `windows`.
    pub os: String,
    /// The processor architecture, as Rust names it: `x86_64`, `aarch64`.
    pub arch: String,
    /// When the node was started; agents may be older.
    pub started_at: Timestamp,
    /// What the device that asks may do here.
    pub role: Role,
}

/// A machine that a gateway knows: an entry of `GET /v1/machines`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MachineSummary {
    /// Its name for ever.
    pub machine_id: MachineId,
    /// Its friendly name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<Alias>,
    /// What people call it.
    pub name: Name,
    /// What this gateway's user may do there.
    pub role: Role,
    /// Whether and how it is reached; its members, `state` first, stand beside the others.
    #[serde(flatten)]
    pub reach: Reach,
}

/// Whether and how a gateway reaches a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Reach {
    /// A session is being made.
    Connecting,
    /// A session is open.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Connected {
        /// The path it takes.
        path: PathKind,
        /// The round-trip time in milliseconds, once measured.
        #[serde(skip_serializing_if = "Option::is_none")]
        rtt_ms: Option<u32>,
    },
    /// No path leads there at the moment.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Offline {
        /// When a session was last open.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_seen: Option<Timestamp>,
    },
    /// The machine said, inside a session, that it removed this device.
    Revoked,
    /// A state that a later version gave a name; written as `other`.
    #[serde(other)]
    Other,
}

/// How a client reaches a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// Within the machine.
    Loopback,
    /// Within the local network.
    Lan,
    /// Through a relay.
    Relay,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::is_written_as;

    #[test]
    fn a_machine_has_the_documented_json() {
        let machine = Machine {
            machine_id: MachineId::from_bytes([0; 16]),
            alias: Some("pi4".parse().unwrap()),
            name: "Pi in the closet".parse().unwrap(),
            version: "0.1.0".to_owned(),
            os: "linux".to_owned(),
            arch: "aarch64".to_owned(),
            started_at: Timestamp::from_millis(1000),
            role: Role::Owner,
        };
        is_written_as(
            &machine,
            r#"{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa","alias":"pi4","name":"Pi in the closet","version":"0.1.0","os":"linux","arch":"aarch64","startedAt":1000,"role":"owner"}"#,
        );
    }

    #[test]
    fn a_machine_in_the_list_says_how_it_is_reached_and_only_then_on_which_path() {
        let reaches = [
            (Reach::Connecting, r#""state":"connecting""#),
            (
                Reach::Connected { path: PathKind::Lan, rtt_ms: Some(3) },
                r#""state":"connected","path":"lan","rttMs":3"#,
            ),
            (
                Reach::Connected { path: PathKind::Relay, rtt_ms: None },
                r#""state":"connected","path":"relay""#,
            ),
            (
                Reach::Offline { last_seen: Some(Timestamp::from_millis(5)) },
                r#""state":"offline","lastSeen":5"#,
            ),
            (Reach::Offline { last_seen: None }, r#""state":"offline""#),
            (Reach::Revoked, r#""state":"revoked""#),
            (Reach::Other, r#""state":"other""#),
        ];
        let (before, name) = (r#"{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa""#, "ada");
        for (reach, json) in reaches {
            let machine = MachineSummary {
                machine_id: MachineId::from_bytes([0; 16]),
                alias: None,
                name: name.parse().unwrap(),
                role: Role::Operator,
                reach,
            };
            is_written_as(
                &machine,
                &format!(r#"{before},"name":"{name}","role":"operator",{json}}}"#),
            );
        }
        let newer = format!(r#"{before},"name":"ada","role":"owner","state":"asleep","until":7}}"#);
        let machine: MachineSummary = serde_json::from_str(&newer).unwrap();
        assert_eq!(machine.reach, Reach::Other);
    }
}
