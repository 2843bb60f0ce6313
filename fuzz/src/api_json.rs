//! JSON of the API, as any client or node may send it.

use std::fmt::Debug;

use gantline_protocol::api::{
    Agent, Device, Event, ExecEvent, ExecRequest, InvitationRequest, Machine, MachineSummary,
    MintedCode, MintedInvitation, PairingCodeRequest, Problem, SpawnRequest,
};
use serde::{Serialize, de::DeserializeOwned};

/// What was read as one of the API's types can be written, and reads back the same.
pub fn api_json(data: &[u8]) {
    survives::<Agent>(data);
    survives::<Device>(data);
    survives::<Event>(data);
    survives::<ExecEvent>(data);
    survives::<ExecRequest>(data);
    survives::<InvitationRequest>(data);
    survives::<Machine>(data);
    survives::<MachineSummary>(data);
    survives::<MintedCode>(data);
    survives::<MintedInvitation>(data);
    survives::<PairingCodeRequest>(data);
    survives::<Problem>(data);
    survives::<SpawnRequest>(data);
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(json) else { return };
    let written = serde_json::to_string(&value).expect("what was read can be written");
    let again = serde_json::from_str::<T>(&written).expect("what was written can be read");
    assert_eq!(again, value);
    let written_again = serde_json::to_string(&again).expect("as before");
    assert_eq!(written_again, written, "a value has two spellings");
}
