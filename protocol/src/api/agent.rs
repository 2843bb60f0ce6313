//! Agents: commands that a machine starts and watches over.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    Argv, Command, Cwd, Dependencies, Env, Probe, ResourceLimits, RestartPolicy, StopPlan,
    SuccessCodes, Supervision,
};
use crate::{AgentId, Epoch, Name, WireError, terminal::TerminalSize, time::Timestamp};

/// Asks for a new agent: `POST /v1/agents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SpawnRequest {
    /// What to run; its members stand beside the others.
    #[serde(flatten)]
    pub command: Command,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The size of its terminal until a driver decides; [`TerminalSize::STANDARD`] if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<TerminalSize>,
    /// How much of its output is kept in memory, in KiB; 4,096 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(value_type = Option<u32>, minimum = 64, maximum = 65_536)
    )]
    pub scrollback_kb: Option<ScrollbackKb>,
    /// How much of its output is kept in files beyond that, in MiB; 128 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, maximum = 65_536))]
    pub log_mb: Option<LogMb>,
    /// How it is looked after; its members stand beside the others.
    #[serde(flatten)]
    pub supervision: Supervision,
    /// Whether a definition file asks for it: one that no longer has it may take it away again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub applied: bool,
}

impl SpawnRequest {
    /// Whether it says no more than what to run, under which name, in which size.
    #[must_use]
    pub fn is_command_alone(&self) -> bool {
        let Self { command, name: _, size: _, scrollback_kb, log_mb, supervision, applied } = self;
        command.env.is_empty()
            && scrollback_kb.is_none()
            && log_mb.is_none()
            && *supervision == Supervision::default()
            && !applied
    }

    /// Asks for an agent of which nothing but its command is said.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self {
            command,
            name: None,
            size: None,
            scrollback_kb: None,
            log_mb: None,
            supervision: Supervision::default(),
            applied: false,
        }
    }
}

/// Asks how an environment differs from what was added to an agent's own, which is never read back:
/// `POST /v1/agents/{id}/env/compare`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnvComparison {
    /// The environment.
    pub env: Env,
}

/// The names by which an environment differs from an agent's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnvDifference {
    /// What the agent does not have.
    pub added: Vec<String>,
    /// What has another value.
    pub changed: Vec<String>,
    /// What only the agent has.
    pub removed: Vec<String>,
}

impl EnvDifference {
    /// How `new` differs from `old`.
    #[must_use]
    pub fn between(old: &Env, new: &Env) -> Self {
        let value = |env: &Env, wanted: &str| {
            env.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
        };
        let mut difference = Self::default();
        for (name, is) in new.iter() {
            match value(old, name) {
                None => difference.added.push(name.to_owned()),
                Some(was) if was != is => difference.changed.push(name.to_owned()),
                Some(_) => {}
            }
        }
        let removed = old.iter().filter(|(name, _)| value(new, name).is_none());
        difference.removed = removed.map(|(name, _)| name.to_owned()).collect();
        difference
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// Changes what an agent is, also while it runs: `PATCH /v1/agents/{id}`, a merge patch (RFC 7396).
/// What is left out stays, `null` takes away. Name, restart policy, success codes, stop plan, probe
/// and dependencies count at once, the others from the next start on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AgentPatch {
    /// What people call it.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<Name>>,
    /// Where it runs.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Option<Cwd>>,
    /// All that is added to the node's environment: it replaces what was there.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub env: Option<Option<Env>>,
    /// When it is started again.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub restart: Option<Option<RestartPolicy>>,
    /// Exit codes that count as success.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub success_codes: Option<Option<SuccessCodes>>,
    /// How it is stopped.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub stop: Option<Option<StopPlan>>,
    /// What tells whether it is well.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub probe: Option<Option<Probe>>,
    /// What must be true of other agents before it is started.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<Option<Dependencies>>,
    /// What it may use.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub limits: Option<Option<ResourceLimits>>,
}

impl AgentPatch {
    /// The members that are said, as the API names them.
    #[must_use]
    pub fn members(&self) -> Vec<&'static str> {
        let members = [
            ("name", self.name.is_some()),
            ("cwd", self.cwd.is_some()),
            ("env", self.env.is_some()),
            ("restart", self.restart.is_some()),
            ("successCodes", self.success_codes.is_some()),
            ("stop", self.stop.is_some()),
            ("probe", self.probe.is_some()),
            ("dependsOn", self.depends_on.is_some()),
            ("limits", self.limits.is_some()),
        ];
        members.into_iter().filter(|(_, is_said)| *is_said).map(|(name, _)| name).collect()
    }
}

/// Tells `null` from nothing.
fn said<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Output kept in memory, in KiB: 64 to 65,536.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub struct ScrollbackKb(u32);

impl ScrollbackKb {
    /// So many bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0 as u64 * 1024
    }
}

impl TryFrom<u32> for ScrollbackKb {
    type Error = WireError;

    fn try_from(kb: u32) -> Result<Self, WireError> {
        match kb {
            64..=65_536 => Ok(Self(kb)),
            _ => Err(WireError::invalid("scrollbackKb", "it is not within 64 and 65,536")),
        }
    }
}

impl FromStr for ScrollbackKb {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let kb = text.parse().map_err(|_| WireError::invalid("scrollbackKb", "it is no number"));
        kb.and_then(|kb: u32| kb.try_into())
    }
}

/// Output kept in files, in MiB: 0 to 65,536.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub struct LogMb(u32);

impl LogMb {
    /// So many bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0 as u64 * 1024 * 1024
    }
}

impl TryFrom<u32> for LogMb {
    type Error = WireError;

    fn try_from(mb: u32) -> Result<Self, WireError> {
        match mb {
            0..=65_536 => Ok(Self(mb)),
            _ => Err(WireError::invalid("logMb", "it is not within 0 and 65,536")),
        }
    }
}

impl FromStr for LogMb {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let mb = text.parse().map_err(|_| WireError::invalid("logMb", "it is no number"));
        mb.and_then(|mb: u32| mb.try_into())
    }
}

/// An agent: `GET /v1/agents/{id}`. Its environment is never read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Its name on its machine.
    pub agent_id: AgentId,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The program and its arguments.
    pub argv: Argv,
    /// Whether the first item of `argv` is a script for the shell.
    pub shell: bool,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Cwd>,
    /// What it is doing.
    pub state: AgentState,
    /// Why it is in this state, for people, where the state does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it is to be.
    #[serde(default)]
    pub desired: Desired,
    /// What had it started.
    #[serde(default)]
    pub source: AgentSource,
    /// The process id, while there is a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The present or last life of its process, once there was one. Opaque; 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The size of its terminal.
    pub size: TerminalSize,
    /// How the last process ended. Absent while one lives, and for ever when nobody saw it end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<ExitStatus>,
    /// Why nothing can be done with it or learned of it, although its process may live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How often the supervisor started it anew since a person last did.
    pub restarts: u32,
    /// When it was defined.
    pub created_at: Timestamp,
    /// When the present or last process was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the last process ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When the next process is started, in [`AgentState::Backoff`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_start_at: Option<Timestamp>,
    /// Why its limits are not enforced here, if it has some and they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_not_enforced: Option<String>,
    /// How it is looked after; its members stand beside the others.
    #[serde(flatten)]
    pub supervision: Supervision,
}

/// What an agent is to be, by the will of whoever asked last. It outlives the node and the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// Its process is to live. After the machine was started anew its policy decides, as if the
    /// process had failed at that moment.
    Running,
    /// Its process is not to live.
    #[default]
    Stopped,
}

/// What had an agent started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AgentSource {
    /// A request for an agent.
    #[default]
    Spawn,
    /// A request to run a command and listen to it.
    Exec,
    /// A definition file.
    Apply,
}

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Its process is being started, or waits for what it depends on.
    Starting,
    /// Its process lives; nothing probes it.
    Running,
    /// Its process lives and its probe succeeds.
    Healthy,
    /// Its process lives and its probe fails.
    Unhealthy,
    /// Its process ended; the next one is about to be started.
    Backoff,
    /// It was told to stop, and has not yet.
    Stopping,
    /// Its process ended and won't be started again.
    Exited,
    /// Its process could not be started.
    Failed,
    /// Its process ended too often in too short a time; a person has to start it.
    RestartLimit,
    /// Nobody knows what became of its process.
    Lost,
}

impl AgentState {
    /// Whether nothing more happens by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Exited | Self::Failed | Self::RestartLimit | Self::Lost => true,
            Self::Starting
            | Self::Running
            | Self::Healthy
            | Self::Unhealthy
            | Self::Backoff
            | Self::Stopping => false,
        }
    }
}

/// How a process ended: `{"code":0}` or `{"signal":9}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "WrittenExit")]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// By this signal, numbered as on its machine.
    Signal(i32),
}

impl ExitStatus {
    /// Whether it ended by itself with code 0.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

#[derive(Deserialize)]
struct WrittenExit {
    code: Option<i32>,
    signal: Option<i32>,
}

impl TryFrom<WrittenExit> for ExitStatus {
    type Error = WireError;

    fn try_from(written: WrittenExit) -> Result<Self, WireError> {
        match (written.code, written.signal) {
            (Some(code), None) => Ok(Self::Code(code)),
            (None, Some(signal)) => Ok(Self::Signal(signal)),
            (Some(_), Some(_)) | (None, None) => {
                Err(WireError::invalid("exit status", "it has not exactly one of code and signal"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::{complaint, is_written_as};

    #[test]
    fn a_request_has_the_documented_json() {
        let request = SpawnRequest {
            command: serde_json::from_str(r#"{"argv":["top"]}"#).unwrap(),
            name: Some("top".parse().unwrap()),
            size: Some(TerminalSize::STANDARD),
            scrollback_kb: Some("64".parse().unwrap()),
            log_mb: Some("0".parse().unwrap()),
            supervision: Supervision::default(),
            applied: false,
        };
        is_written_as(
            &request,
            r#"{"argv":["top"],"shell":false,"name":"top","size":{"cols":80,"rows":24},"scrollbackKb":64,"logMb":0,"restart":"no","successCodes":[0],"stop":{"signal":"TERM","graceMs":10000}}"#,
        );
        let least: SpawnRequest = serde_json::from_str(r#"{"argv":["top"]}"#).unwrap();
        assert_eq!(least, SpawnRequest::new(request.command));
    }

    #[test]
    fn a_request_out_of_bounds_says_which_bound() {
        let complaints = [
            (r"{}", "missing field `argv`"),
            (r#"{"argv":[]}"#, "it names no program"),
            (r#"{"argv":["a"],"size":{"cols":0,"rows":1}}"#, "within 1 and 1,000"),
            (r#"{"argv":["a"],"scrollbackKb":63}"#, "within 64 and 65,536"),
            (r#"{"argv":["a"],"logMb":65537}"#, "within 0 and 65,536"),
            (r#"{"argv":["a"],"name":"a\nb"}"#, "control or invisible"),
            (r#"{"argv":["a"],"env":{"A=":""}}"#, "contains ="),
            (r#"{"argv":["a"],"cwd":""}"#, "cwd is not valid: it is empty"),
            (r#"{"argv":"a"}"#, "expected a sequence"),
        ];
        for (json, expected) in complaints {
            let complaint = complaint::<SpawnRequest>(json);
            assert!(complaint.contains(expected), "{json}: {complaint}");
        }
    }

    #[test]
    fn an_agent_has_the_documented_json() {
        let mut agent = Agent {
            agent_id: "ag-x7k2p".parse().unwrap(),
            name: None,
            argv: vec!["sleep".to_owned(), "9".to_owned()].try_into().unwrap(),
            shell: false,
            cwd: None,
            state: AgentState::Running,
            reason: None,
            desired: Desired::Running,
            source: AgentSource::Spawn,
            pid: Some(42),
            epoch: Some(Epoch(u64::MAX - 1)),
            size: TerminalSize::STANDARD,
            exit: None,
            problem: None,
            restarts: 0,
            created_at: Timestamp::from_millis(1),
            started_at: Some(Timestamp::from_millis(2)),
            ended_at: None,
            next_start_at: None,
            limits_not_enforced: None,
            supervision: Supervision::default(),
        };
        is_written_as(
            &agent,
            r#"{"agentId":"ag-x7k2p","argv":["sleep","9"],"shell":false,"state":"running","desired":"running","source":"spawn","pid":42,"epoch":"fffffffffffffffe","size":{"cols":80,"rows":24},"restarts":0,"createdAt":1,"startedAt":2,"restart":"no","successCodes":[0],"stop":{"signal":"TERM","graceMs":10000}}"#,
        );
        agent.state = AgentState::RestartLimit;
        agent.exit = Some(ExitStatus::Signal(9));
        (agent.pid, agent.epoch) = (None, None);
        is_written_as(
            &agent,
            r#"{"agentId":"ag-x7k2p","argv":["sleep","9"],"shell":false,"state":"restart_limit","desired":"running","source":"spawn","size":{"cols":80,"rows":24},"exit":{"signal":9},"restarts":0,"createdAt":1,"startedAt":2,"restart":"no","successCodes":[0],"stop":{"signal":"TERM","graceMs":10000}}"#,
        );
    }

    #[test]
    fn a_patch_tells_what_is_taken_away_from_what_stays() {
        let json = r#"{"name":null,"restart":"always","limits":{"pids":9}}"#;
        let patch: AgentPatch = serde_json::from_str(json).unwrap();
        assert_eq!(patch.name, Some(None));
        assert_eq!(patch.restart, Some(Some(RestartPolicy::Always)));
        assert_eq!(patch.cwd, None);
        assert_eq!(serde_json::to_string(&patch).unwrap(), json);
        let complaint = complaint::<AgentPatch>(r#"{"argv":["other"]}"#);
        assert!(complaint.contains("unknown field `argv`"), "{complaint}");
    }

    #[test]
    fn an_epoch_survives_a_language_whose_numbers_end_at_2_to_the_53() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Only {
            #[serde(default)]
            epoch: Option<Epoch>,
        }
        let read = |json: &str| serde_json::from_str::<Only>(json).map(|only| only.epoch).ok();
        assert_eq!(read(r#"{"epoch":"00000000000000ff"}"#), Some(Some(Epoch(255))));
        assert_eq!(read("{}"), Some(None));
        for bad in [r#""ff""#, r#""+0000000000000ff""#, r#""00000000000000FF""#, "255"] {
            assert_eq!(read(&format!("{{\"epoch\":{bad}}}")), None);
        }
    }

    #[test]
    fn every_state_keeps_its_name() {
        let names = [
            "starting",
            "running",
            "healthy",
            "unhealthy",
            "backoff",
            "stopping",
            "exited",
            "failed",
            "restart_limit",
            "lost",
        ];
        for name in names {
            let json = format!("\"{name}\"");
            let state: AgentState = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&state).unwrap(), json);
            assert_eq!(
                state.is_final(),
                ["exited", "failed", "restart_limit", "lost"].contains(&name)
            );
        }
    }

    #[test]
    fn an_end_nobody_saw_is_never_a_success() {
        is_written_as(&ExitStatus::Code(0), r#"{"code":0}"#);
        is_written_as(&ExitStatus::Signal(9), r#"{"signal":9}"#);
        assert!(ExitStatus::Code(0).is_success());
        assert!(!ExitStatus::Code(1).is_success() && !ExitStatus::Signal(0).is_success());
        for bad in ["{}", "0", r#"{"code":null}"#, r#"{"code":1,"signal":2}"#] {
            assert!(serde_json::from_str::<ExitStatus>(bad).is_err(), "{bad} was accepted");
        }
    }
}
