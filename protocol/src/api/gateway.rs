//! What a gateway's user tells it and hears from it: `/v1/machines`. None of it is for sessions.

use serde::{Deserialize, Serialize};

use super::{Event, InvitationLink, MachineSummary, PairingCode};
use crate::{MachineId, Name, RelayAddress, WireError};

/// Pairs with a machine: `POST /v1/machines`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "UncheckedAdd")]
pub struct AddMachineRequest {
    /// What opens the machine's door; its members stand beside the name.
    #[serde(flatten)]
    pub key: MachineKey,
    /// What its user will call it; its own name if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}

/// What opens a machine's door for a new device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum MachineKey {
    /// A code that the machine shows, and where the machine is.
    Code {
        /// The code, as a person typed it.
        code: PairingCode,
        /// `<machine id>.<relay>[:port][~pin]`.
        address: String,
    },
    /// A link that was handed over.
    Link {
        /// The whole link, or what stands behind its `#`.
        link: InvitationLink,
    },
}

impl AddMachineRequest {
    /// The greatest length of an address, in bytes.
    pub const MAX_ADDRESS: usize = MachineId::TEXT_LENGTH + 1 + RelayAddress::MAX;
    /// The greatest length of a link, in bytes.
    pub const MAX_LINK: usize = 4096;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UncheckedAdd {
    code: Option<PairingCode>,
    address: Option<String>,
    link: Option<InvitationLink>,
    name: Option<Name>,
}

impl TryFrom<UncheckedAdd> for AddMachineRequest {
    type Error = WireError;

    fn try_from(request: UncheckedAdd) -> Result<Self, WireError> {
        let too_long = |what, length, limit| WireError::TooLong { what, length, limit };
        let key = match (request.code, request.address, request.link) {
            (Some(code), Some(address), None) => {
                if address.len() > Self::MAX_ADDRESS {
                    return Err(too_long("address", address.len(), Self::MAX_ADDRESS));
                }
                MachineKey::Code { code, address }
            }
            (None, None, Some(link)) => {
                if link.reveal().len() > Self::MAX_LINK {
                    return Err(too_long("link", link.reveal().len(), Self::MAX_LINK));
                }
                MachineKey::Link { link }
            }
            (_, _, _) => {
                let why = "it has neither code and address nor just a link";
                return Err(WireError::invalid("machine to add", why));
            }
        };
        Ok(Self { key, name: request.name })
    }
}

/// A machine that was just paired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AddedMachine {
    /// The machine, as it will be listed.
    pub machine: MachineSummary,
    /// Six words, to compare with those that the machine shows.
    pub safety_number: String,
}

/// Renames a machine for this gateway's user: `PATCH /v1/machines/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenameMachineRequest {
    /// What its user will call it.
    pub name: Name,
}

/// An event of one of many machines, on the stream `GET /v1/machines/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MachineEvent {
    /// Whose it is.
    pub machine_id: MachineId,
    /// What happened there. Its id counts on that machine alone.
    pub event: Event,
}

/// Events were lost, on the stream `GET /v1/machines/events`: the data of an event named `missed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MachineEventsMissed {
    /// Whose state is to be asked for again, as a whole; of every machine if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<MachineId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{
            EventId, EventKind,
            tests::{complaint, is_written_as},
        },
        time::Timestamp,
    };

    #[test]
    fn a_machine_is_added_by_a_code_or_by_a_link_and_not_by_half_of_either() {
        let address = "aaaaaaaaaaaaaaaaaaaaaaaaaa.relay.example".to_owned();
        let code = AddMachineRequest {
            key: MachineKey::Code { code: "12345678".parse().unwrap(), address },
            name: Some("ada".parse().unwrap()),
        };
        is_written_as(
            &code,
            r#"{"code":"1234 5678","address":"aaaaaaaaaaaaaaaaaaaaaaaaaa.relay.example","name":"ada"}"#,
        );
        let link = InvitationLink::new("https://relay.example/pair#1.x".to_owned());
        let link = AddMachineRequest { key: MachineKey::Link { link }, name: None };
        is_written_as(&link, r#"{"link":"https://relay.example/pair#1.x"}"#);
        let shown = format!("{code:?} {link:?}");
        assert!(!shown.contains("5678") && !shown.contains("pair#"), "{shown}");
        for half in [
            "{}",
            r#"{"code":"12345678"}"#,
            r#"{"address":"a.b"}"#,
            r#"{"code":"12345678","address":"a.b","link":"1.x"}"#,
        ] {
            assert!(complaint::<AddMachineRequest>(half).contains("neither"), "{half}");
        }
        for (member, limit) in [
            ("link", AddMachineRequest::MAX_LINK),
            (r#"code":"12345678","address"#, AddMachineRequest::MAX_ADDRESS),
        ] {
            let json = format!(r#"{{"{member}":"{}"}}"#, "x".repeat(limit + 1));
            let complaint = complaint::<AddMachineRequest>(&json);
            assert!(complaint.contains(&limit.to_string()), "{complaint}");
        }
    }

    #[test]
    fn an_event_of_a_machine_says_whose_it_is() {
        let machine_id = MachineId::from_bytes([0; 16]);
        let what = EventKind::AgentRemoved { agent_id: "ag-x7k2p".parse().unwrap() };
        let event = Event { id: EventId(8), at: Timestamp::from_millis(7), what };
        is_written_as(
            &MachineEvent { machine_id, event },
            r#"{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa","event":{"id":8,"at":7,"kind":"agent-removed","agentId":"ag-x7k2p"}}"#,
        );
        is_written_as(
            &MachineEventsMissed { machine_id: Some(machine_id) },
            r#"{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa"}"#,
        );
        is_written_as(&MachineEventsMissed { machine_id: None }, "{}");
    }
}
