//! The JSON of the API under `/v1`: names in camelCase, times as [`crate::time::Timestamp`],
//! durations as whole milliseconds whose names end in `Ms`. What is optional is left out when
//! there is nothing to say. Unknown members are ignored. A request that is out of bounds does not
//! come into being: reading it fails with an error that names the bound.

pub mod agent;
pub mod browser;
pub mod command;
pub mod device;
pub mod event;
pub mod exec;
pub mod gateway;
pub mod history;
pub mod machine;
pub mod metrics;
pub mod page;
pub mod pairing;
pub mod probe;
pub mod problem;
#[cfg(feature = "openapi")]
mod schema;
pub mod signal;
pub mod status;
pub mod supervision;
pub mod vitals;

pub use agent::{
    Agent, AgentPatch, AgentSource, AgentState, Desired, EnvComparison, EnvDifference, ExitStatus,
    LogMb, ScrollbackKb, SpawnRequest,
};
pub use browser::{OneTimeToken, PagePlace, PageToken, PageTokenRequest};
pub use command::{Argv, Command, Cwd, Env};
pub use device::Device;
pub use event::{Event, EventId, EventKind};
pub use exec::{ExecBytes, ExecEvent, ExecRequest};
pub use gateway::{
    AddMachineRequest, AddedMachine, MachineEvent, MachineEventsMissed, MachineKey,
    RenameMachineRequest,
};
pub use history::{
    Actor, ChangeKind, HistoryStatus, Life, LifeChange, LifeRecord, Outcome, Way, Who,
};
pub use machine::{Machine, MachineSoftware, MachineSummary, PathKind, Reach};
pub use metrics::{Amounts, Metrics, Percents};
pub use page::{Cursor, Page, PageLimit, Place};
pub use pairing::{
    Invitation, InvitationLink, InvitationRequest, MintedCode, MintedInvitation, PairingCode,
    PairingCodeRequest,
};
pub use probe::{LineText, Probe, ProbeCheck, ProbePace, ProbePath};
pub use problem::{Problem, ProblemCode};
pub use signal::{Signal, SignalRequest};
pub use status::{Carrier, LinkState, LinkStatus, Status};
pub use supervision::{
    Dependencies, Dependency, DependencyCondition, GraceMs, ResourceLimits, RestartPolicy,
    StopPlan, StopSignal, SuccessCodes, Supervision,
};
pub use vitals::{AgentVitals, MachineVitals, Vitals};

/// Reads what may be left out but is never null. What a request alone has may be null as well, and
/// the description says so; what answers have too is described once, and they have no null.
pub(crate) fn not_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::{collection::vec, prelude::*, sample::Index};
    use serde::{Serialize, de::DeserializeOwned};

    use super::*;

    /// Asserts that `value` is written as `json` and read back from it, also when a later version
    /// added a member.
    pub(super) fn is_written_as<T>(value: &T, json: &str)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug,
    {
        assert_eq!(serde_json::to_string(value).unwrap(), json);
        assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
        if let Some(members) = json.strip_prefix('{').filter(|members| *members != "}") {
            let newer = format!("{{\"fromTheFuture\":[1],{members}");
            assert_eq!(&serde_json::from_str::<T>(&newer).unwrap(), value);
        }
    }

    /// What reading `json` complains about.
    pub(super) fn complaint<T: DeserializeOwned + Debug>(json: &str) -> String {
        serde_json::from_str::<T>(json).unwrap_err().to_string()
    }

    /// Reads `json` as a `T`; if it is one, writing it must lose nothing.
    fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(json: &[u8]) {
        if let Ok(value) = serde_json::from_slice::<T>(json) {
            let again = serde_json::to_vec(&value).unwrap();
            assert_eq!(serde_json::from_slice::<T>(&again).unwrap(), value);
        }
    }

    const SAMPLES: [&str; 10] = [
        r#"{"argv":["a"],"cwd":"/","env":{"A":"b"},"name":"n","size":{"cols":80,"rows":24}}"#,
        r#"{"kind":"out","base64":"/wA=","text":null}"#,
        r#"{"kind":"exit","at":7,"status":{"code":0,"signal":null}}"#,
        r#"{"code":"1234 5678","role":"owner","expiresAt":9}"#,
        r#"{"id":8,"at":7,"kind":"agent-changed","agentId":"ag-x7k2p","state":"lost","exit":null}"#,
        r#"{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"a","role":"owner","state":"offline"}"#,
        r#"{"title":"Gone","status":410,"code":"rate"}"#,
        r#"{"role":"operator","validForMs":1000,"uses":1}"#,
        r#"{"code":"1234 5678","address":"aaaaaaaaaaaaaaaaaaaaaaaaaa.relay.example","name":"ada"}"#,
        r#"{"servedBy":"relay","scope":"machine","domain":"localhost","version":"0.1.0"}"#,
    ];

    proptest! {
        #[test]
        fn a_stranger_cannot_crash_a_node_or_a_client_with_json(
            sample in prop::sample::select(&SAMPLES[..]),
            changes in vec((any::<Index>(), any::<u8>()), 0..4),
            end in any::<Index>(),
            whole: bool,
        ) {
            let mut json = sample.as_bytes().to_vec();
            for (at, byte) in changes {
                let at = at.index(json.len());
                json[at] = byte;
            }
            if !whole {
                json.truncate(end.index(json.len()));
            }
            survives::<SpawnRequest>(&json);
            survives::<ExecRequest>(&json);
            survives::<ExecEvent>(&json);
            survives::<MintedCode>(&json);
            survives::<InvitationRequest>(&json);
            survives::<Event>(&json);
            survives::<MachineSummary>(&json);
            survives::<Problem>(&json);
            survives::<AddMachineRequest>(&json);
            survives::<PagePlace>(&json);
        }
    }
}
