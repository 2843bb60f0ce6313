//! Machines: the one that answers, and those that a gateway reaches.

use serde::{Deserialize, Serialize};

use super::Carrier;
use crate::{Alias, HostName, MachineId, Name, RelayAddress, Role, time::Timestamp};

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

/// A machine that a gateway knows: an entry of `GET /v1/machines`. The gateway's own machine is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MachineSummary {
    /// Its name for ever.
    pub machine_id: MachineId,
    /// Its friendly name, if it has one; as the machine said when it was last reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<Alias>,
    /// What this gateway's user calls it.
    pub name: Name,
    /// What this gateway's user may do there.
    pub role: Role,
    /// Whether it is the gateway's own machine, which is always there and can't be forgotten.
    #[serde(default)]
    pub is_local: bool,
    /// The relays that lead there.
    #[serde(default)]
    pub relays: Vec<RelayAddress>,
    /// When it was paired; the gateway's own machine never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paired_at: Option<Timestamp>,
    /// What it said of itself when it was last reached since the gateway was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<MachineSoftware>,
    /// Whether and how it is reached; its members, `state` first, stand beside the others.
    #[serde(flatten)]
    pub reach: Reach,
}

/// What runs on a machine. Hostile text: the machine says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MachineSoftware {
    /// The node's software version.
    pub version: String,
    /// The operating system, as Rust names it.
    pub os: String,
    /// The processor architecture, as Rust names it.
    pub arch: String,
}

/// Whether and how a gateway reaches a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Reach {
    /// Nobody asked for it, so no session is open. The next request opens one.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Idle {
        /// When a session was last open.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_seen: Option<Timestamp>,
    },
    /// A session is being made.
    Connecting,
    /// A session is open.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Connected {
        /// The path it takes.
        path: PathKind,
        /// The relay that it goes through, if it does.
        #[serde(skip_serializing_if = "Option::is_none")]
        relay: Option<HostName>,
        /// What carries it to that relay.
        #[serde(skip_serializing_if = "Option::is_none")]
        carrier: Option<Carrier>,
        /// The round-trip time in microseconds, once measured; not of the gateway's own machine.
        #[serde(skip_serializing_if = "Option::is_none")]
        rtt_us: Option<u64>,
        /// Since when it is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// No path leads there at the moment.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Offline {
        /// When a session was last open.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_seen: Option<Timestamp>,
        /// What became of each path, for people: what, why, what next. It may quote a stranger:
        /// show it as text.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// When the gateway tries again by itself, if it does.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_try_at: Option<Timestamp>,
    },
    /// The machine said, inside a session, that it removed this device. It has to be paired again.
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

    fn summary(reach: Reach) -> MachineSummary {
        MachineSummary {
            machine_id: MachineId::from_bytes([0; 16]),
            alias: None,
            name: "ada".parse().unwrap(),
            role: Role::Operator,
            is_local: false,
            relays: Vec::new(),
            paired_at: None,
            software: None,
            reach,
        }
    }

    #[test]
    fn a_machine_in_the_list_says_how_it_is_reached_and_only_then_on_which_path() {
        let time = |millis| Some(Timestamp::from_millis(millis));
        let reaches = [
            (Reach::Idle { last_seen: time(5) }, r#""state":"idle","lastSeen":5"#),
            (Reach::Connecting, r#""state":"connecting""#),
            (
                Reach::Connected {
                    path: PathKind::Relay,
                    relay: Some("relay.example".parse().unwrap()),
                    carrier: Some(Carrier::Quic),
                    rtt_us: Some(3100),
                    since: time(6),
                },
                r#""state":"connected","path":"relay","relay":"relay.example","carrier":"quic","rttUs":3100,"since":6"#,
            ),
            (
                Reach::Connected {
                    path: PathKind::Loopback,
                    relay: None,
                    carrier: None,
                    rtt_us: None,
                    since: None,
                },
                r#""state":"connected","path":"loopback""#,
            ),
            (
                Reach::Offline {
                    last_seen: time(5),
                    why: Some("it is off".to_owned()),
                    next_try_at: time(9),
                },
                r#""state":"offline","lastSeen":5,"why":"it is off","nextTryAt":9"#,
            ),
            (
                Reach::Offline { last_seen: None, why: None, next_try_at: None },
                r#""state":"offline""#,
            ),
            (Reach::Revoked, r#""state":"revoked""#),
            (Reach::Other, r#""state":"other""#),
        ];
        let (before, name) = (r#"{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa""#, "ada");
        for (reach, json) in reaches {
            is_written_as(
                &summary(reach),
                &format!(
                    r#"{before},"name":"{name}","role":"operator","isLocal":false,"relays":[],{json}}}"#
                ),
            );
        }
        let newer = format!(r#"{before},"name":"ada","role":"owner","state":"asleep","until":7}}"#);
        let machine: MachineSummary = serde_json::from_str(&newer).unwrap();
        assert_eq!(machine.reach, Reach::Other);
    }

    #[test]
    fn a_machine_in_the_list_says_what_it_runs_once_it_was_reached() {
        let mut machine = summary(Reach::Connecting);
        machine.relays = vec!["relay.example:8443".parse().unwrap()];
        machine.paired_at = Some(Timestamp::from_millis(4));
        machine.software = Some(MachineSoftware {
            version: "0.1.0".to_owned(),
            os: "linux".to_owned(),
            arch: "aarch64".to_owned(),
        });
        is_written_as(
            &machine,
            r#"{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"ada","role":"operator","isLocal":false,"relays":["relay.example:8443"],"pairedAt":4,"software":{"version":"0.1.0","os":"linux","arch":"aarch64"},"state":"connecting"}"#,
        );
    }
}
