//! What has become of every agent: one record for each life of its process, and what changed in it.

use serde::{Deserialize, Serialize};

use super::{AgentSource, AgentState, ExitStatus};
use crate::{AgentId, DeviceId, Epoch, Name, time::Timestamp};

/// One life of an agent's process: an entry of `GET /v1/history`. It stays when the agent is
/// removed, for as long as the machine keeps its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// The agent.
    pub agent_id: AgentId,
    /// This life of its process.
    pub epoch: Epoch,
    /// What people called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The program and its arguments: 4 KiB of them at most, so an item may be cut and items may be
    /// missing. Values of its environment are replaced by `‹NAME›`.
    pub argv: Vec<String>,
    /// Whether `argv` is not all of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub argv_cut: bool,
    /// Whether the first item of `argv` was a script for the shell.
    pub shell: bool,
    /// Where it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// What was added to its environment: names, and of references to secrets `NAME=@secret:NAME`.
    /// Values are never kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// What had the agent started.
    pub source: AgentSource,
    /// Who had it started, if that was noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
    /// What the agent did last in this life.
    pub state: AgentState,
    /// What this life came to, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// How the process ended, if somebody saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<ExitStatus>,
    /// Why it is or ended so, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the process was started.
    pub started_at: Timestamp,
    /// When it ended. For one that was lost, when that was noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How long it lived, in milliseconds; 0 if the clock was set back meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The last lines that it wrote, without control sequences. They are a stranger's text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
}

/// One life with all that changed in it: `GET /v1/history/{agentId}/{epoch}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LifeRecord {
    /// The life; its members stand beside the others.
    #[serde(flatten)]
    pub life: Life,
    /// What changed, oldest first; the newest 1,000.
    pub changes: Vec<LifeChange>,
}

/// Something that changed in one life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LifeChange {
    /// When.
    pub at: Timestamp,
    /// What; its members, `kind` first, stand beside the others.
    #[serde(flatten)]
    pub what: ChangeKind,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who had it done, if somebody had and it was noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ChangeKind {
    /// What it is doing.
    State {
        /// What it did before, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<AgentState>,
        /// What it does since.
        to: AgentState,
    },
    /// What it is.
    Edited {
        /// The members that were changed.
        members: Vec<String>,
    },
    /// It was removed with its log.
    Removed,
    /// A change that a later version gave a name.
    #[serde(other)]
    Other,
}

/// What one life of a process came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It ended by itself with a code that counts as success.
    Success,
    /// It ended otherwise by itself, or could not be started.
    Failure,
    /// Somebody stopped it.
    Stopped,
    /// Nobody saw what became of it.
    Lost,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// Who; its members, `who` first, stand beside the others.
    #[serde(flatten)]
    pub who: Who,
    /// The way they came, if they came by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Way>,
}

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "who", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Who {
    /// The user that the node runs as.
    LocalUser,
    /// A paired device.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Device {
        /// The device.
        device_id: DeviceId,
        /// What people called it then.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<Name>,
    },
    /// The node itself, by the settings of the agent.
    Node,
    /// Somebody that a later version gave a name.
    #[serde(other)]
    Other,
}

/// The way by which somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The Unix socket.
    Unix,
    /// 127.0.0.1.
    Loopback,
    /// The local network.
    Lan,
    /// A relay.
    Relay,
    /// A session, by whatever path.
    Session,
}

/// How the keeping of history is doing, as `GET /v1/status` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HistoryStatus {
    /// Why nothing can be written at the moment, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What was not noted since the node started, because nothing could be written for too long.
    pub dropped: u64,
    /// The file that a damaged history was set aside as, if that happened since the node started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<String>,
    /// The size of its files, in bytes.
    pub bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::is_written_as;

    fn life() -> Life {
        Life {
            agent_id: "ag-x7k2p".parse().unwrap(),
            epoch: Epoch(7),
            name: None,
            argv: vec!["true".to_owned()],
            argv_cut: false,
            shell: false,
            cwd: None,
            env: Vec::new(),
            source: AgentSource::Spawn,
            by: None,
            state: AgentState::Running,
            outcome: None,
            exit: None,
            reason: None,
            started_at: Timestamp::from_millis(2),
            ended_at: None,
            duration_ms: None,
            last_lines: Vec::new(),
        }
    }

    #[test]
    fn a_life_has_the_documented_json() {
        let full = Life {
            name: Some("top".parse().unwrap()),
            argv_cut: true,
            cwd: Some("/".to_owned()),
            env: vec!["A".to_owned(), "B=@secret:db".to_owned()],
            by: Some(Actor {
                who: Who::Device { device_id: DeviceId::from_bytes([0xab; 16]), name: None },
                path: Some(Way::Relay),
            }),
            state: AgentState::Exited,
            outcome: Some(Outcome::Failure),
            exit: Some(ExitStatus::Code(1)),
            reason: Some("why".to_owned()),
            ended_at: Some(Timestamp::from_millis(5)),
            duration_ms: Some(3),
            last_lines: vec!["bye".to_owned()],
            ..life()
        };
        is_written_as(
            &life(),
            r#"{"agentId":"ag-x7k2p","epoch":"0000000000000007","argv":["true"],"shell":false,"source":"spawn","state":"running","startedAt":2}"#,
        );
        is_written_as(
            &full,
            r#"{"agentId":"ag-x7k2p","epoch":"0000000000000007","name":"top","argv":["true"],"argvCut":true,"shell":false,"cwd":"/","env":["A","B=@secret:db"],"source":"spawn","by":{"who":"device","deviceId":"abababababababababababababababab","path":"relay"},"state":"exited","outcome":"failure","exit":{"code":1},"reason":"why","startedAt":2,"endedAt":5,"durationMs":3,"lastLines":["bye"]}"#,
        );
    }

    #[test]
    fn a_record_has_the_documented_json() {
        let change = |at, what| LifeChange {
            at: Timestamp::from_millis(at),
            what,
            reason: None,
            by: Some(Actor { who: Who::Node, path: None }),
        };
        let to = AgentState::Exited;
        let record = LifeRecord {
            life: life(),
            changes: vec![
                change(3, ChangeKind::State { from: Some(AgentState::Running), to }),
                change(4, ChangeKind::Edited { members: vec!["env".to_owned()] }),
                change(5, ChangeKind::Removed),
            ],
        };
        is_written_as(
            &record,
            r#"{"agentId":"ag-x7k2p","epoch":"0000000000000007","argv":["true"],"shell":false,"source":"spawn","state":"running","startedAt":2,"changes":[{"at":3,"kind":"state","from":"running","to":"exited","by":{"who":"node"}},{"at":4,"kind":"edited","members":["env"],"by":{"who":"node"}},{"at":5,"kind":"removed","by":{"who":"node"}}]}"#,
        );
    }
}
