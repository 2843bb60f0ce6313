//! What happens on a machine, as it happens: `GET /v1/events`.

use serde::{Deserialize, Serialize};

use super::{AgentState, Carrier, ExitStatus, MachineSummary};
use crate::{AgentId, DeviceId, HostName, MachineId, Name, Role, time::Timestamp};

/// One event. On the stream its id is also the id of its server-sent event, by which a client
/// resumes with `Last-Event-ID`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place among all events of this machine.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened; its members, `kind` first, stand beside the others.
    #[serde(flatten)]
    pub what: EventKind,
}

/// Numbers the events of a machine, strictly rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl EventId {
    /// The greatest one, 2^53 - 1: every program reads it exactly.
    pub const MAX: u64 = (1 << 53) - 1;
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum EventKind {
    /// An agent was defined, was edited or changed its state.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    AgentChanged {
        /// The agent.
        agent_id: AgentId,
        /// What it is doing now.
        state: AgentState,
        /// How its process ended, if this says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit: Option<ExitStatus>,
        /// What people call it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Name>,
        /// Why it is in this state, for people. It may quote the agent: show it as text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An agent and its log were removed.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    AgentRemoved {
        /// The agent.
        agent_id: AgentId,
    },
    /// A device was paired.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    DevicePaired {
        /// The device.
        device_id: DeviceId,
        /// What people call it.
        name: Name,
        /// What it may do.
        role: Role,
    },
    /// A device was removed; its sessions have ended.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    DeviceRemoved {
        /// The device.
        device_id: DeviceId,
    },
    /// The link to a relay is up.
    LinkUp {
        /// The relay.
        host: HostName,
        /// What carries it.
        carrier: Carrier,
    },
    /// The link to a relay is down, or could not be made; told again when the reason changes.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    LinkDown {
        /// The relay.
        host: HostName,
        /// Why, for people; it may quote the relay: show it as text.
        why: String,
        /// When the node dials next, in milliseconds from now.
        retry_in_ms: u64,
    },
    /// A machine that this gateway knows was added, renamed, or is reached otherwise than before.
    /// Told to the machine's own user only.
    MachineChanged {
        /// The machine as it is now.
        machine: Box<MachineSummary>,
    },
    /// This gateway knows a machine no longer. Told to the machine's own user only.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    MachineForgotten {
        /// The machine.
        machine_id: MachineId,
    },
    /// The history can't be written, can be again, or was damaged and begun anew.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    HistoryChanged {
        /// Why nothing can be written, for people. Absent when all is well.
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
        /// The file that a damaged history was set aside as, if this says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        set_aside: Option<String>,
    },
    /// An event that a later version gave a name; to be skipped.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Reach, tests::is_written_as};

    #[test]
    fn every_event_has_the_documented_json() {
        let agent_id: AgentId = "ag-x7k2p".parse().unwrap();
        let device_id = DeviceId::from_bytes([0xab; 16]);
        let host: HostName = "relay.example".parse().unwrap();
        let machine = MachineSummary {
            machine_id: MachineId::from_bytes([0; 16]),
            alias: None,
            name: "ada".parse().unwrap(),
            role: Role::Owner,
            is_local: false,
            relays: Vec::new(),
            paired_at: None,
            software: None,
            reach: Reach::Revoked,
        };
        let events = [
            (
                EventKind::AgentChanged {
                    agent_id,
                    state: AgentState::Exited,
                    exit: Some(ExitStatus::Code(1)),
                    name: None,
                    reason: None,
                },
                r#""kind":"agent-changed","agentId":"ag-x7k2p","state":"exited","exit":{"code":1}"#,
            ),
            (
                EventKind::AgentChanged {
                    agent_id,
                    state: AgentState::Failed,
                    exit: None,
                    name: Some("web".parse().unwrap()),
                    reason: Some("no".to_owned()),
                },
                r#""kind":"agent-changed","agentId":"ag-x7k2p","state":"failed","name":"web","reason":"no""#,
            ),
            (
                EventKind::AgentRemoved { agent_id },
                r#""kind":"agent-removed","agentId":"ag-x7k2p""#,
            ),
            (
                EventKind::DevicePaired {
                    device_id,
                    name: "phone".parse().unwrap(),
                    role: Role::Observer,
                },
                r#""kind":"device-paired","deviceId":"abababababababababababababababab","name":"phone","role":"observer""#,
            ),
            (
                EventKind::DeviceRemoved { device_id },
                r#""kind":"device-removed","deviceId":"abababababababababababababababab""#,
            ),
            (
                EventKind::LinkUp { host: host.clone(), carrier: Carrier::Quic },
                r#""kind":"link-up","host":"relay.example","carrier":"quic""#,
            ),
            (
                EventKind::LinkDown { host, why: "gone".to_owned(), retry_in_ms: 250 },
                r#""kind":"link-down","host":"relay.example","why":"gone","retryInMs":250"#,
            ),
            (
                EventKind::HistoryChanged {
                    problem: None,
                    set_aside: Some("node.db.x".to_owned()),
                },
                r#""kind":"history-changed","setAside":"node.db.x""#,
            ),
            (
                EventKind::MachineChanged { machine: Box::new(machine) },
                r#""kind":"machine-changed","machine":{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"ada","role":"owner","isLocal":false,"relays":[],"state":"revoked"}"#,
            ),
            (
                EventKind::MachineForgotten { machine_id: MachineId::from_bytes([0; 16]) },
                r#""kind":"machine-forgotten","machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa""#,
            ),
        ];
        for (what, json) in events {
            let event = Event { id: EventId(8), at: Timestamp::from_millis(7), what };
            is_written_as(&event, &format!(r#"{{"id":8,"at":7,{json}}}"#));
        }
    }

    #[test]
    fn an_event_from_the_future_does_not_break_the_stream() {
        let json = r#"{"id":8,"at":7,"kind":"moon-rose","phase":{"lit":0.5}}"#;
        let event: Event = serde_json::from_str(json).unwrap();
        assert_eq!((event.id, event.what), (EventId(8), EventKind::Other));
    }

    #[test]
    fn a_known_event_that_is_malformed_is_an_error_and_not_skipped() {
        let json = r#"{"id":8,"at":7,"kind":"agent-changed","agentId":"ag-x7k2p","state":"bored"}"#;
        assert!(serde_json::from_str::<Event>(json).is_err());
    }
}
