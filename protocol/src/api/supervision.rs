//! How a machine looks after an agent: when it is started again, what counts as success, how it is
//! stopped, what it waits for, how its health is known and what it may use.

use serde::{Deserialize, Serialize};

use super::{Probe, Signal, not_null};
use crate::{AgentId, WireError};

/// How an agent is looked after, as [`super::SpawnRequest`] and [`super::Agent`] carry it beside
/// their other members. What is left out has the defaults of a command that is run once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Supervision {
    /// When its process is started again after it ended by itself.
    pub restart: RestartPolicy,
    /// Exit codes that count as success.
    pub success_codes: SuccessCodes,
    /// How it is stopped.
    pub stop: StopPlan,
    /// What tells whether it is well; nothing does if left out.
    #[serde(deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// What must be true of other agents of this machine before it is started.
    #[serde(skip_serializing_if = "Dependencies::is_empty")]
    pub depends_on: Dependencies,
    /// What it may use, with all that it starts.
    #[serde(skip_serializing_if = "ResourceLimits::are_none")]
    pub limits: ResourceLimits,
}

/// When a process that ended by itself is started again. A stop that a person asked for is final
/// under each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// When it ended by a signal or with a code that is no success.
    OnFailure,
    /// However it ended.
    Always,
}

/// Exit codes that count as success: 1 to 32 different ones, each 0 to 255; `[0]` if left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<i32>")]
pub struct SuccessCodes(Vec<i32>);

impl SuccessCodes {
    /// The greatest number of codes.
    pub const MAX: usize = 32;

    /// The codes, in ascending order.
    #[must_use]
    pub fn codes(&self) -> &[i32] {
        &self.0
    }
}

impl Default for SuccessCodes {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl TryFrom<Vec<i32>> for SuccessCodes {
    type Error = WireError;

    fn try_from(mut codes: Vec<i32>) -> Result<Self, WireError> {
        codes.sort_unstable();
        codes.dedup();
        match codes.as_slice() {
            [] => Err(WireError::invalid("successCodes", "it names no code")),
            codes if codes.len() > Self::MAX => {
                Err(WireError::invalid("successCodes", "it has more than 32 codes"))
            }
            [first, .., last] if *first < 0 || *last > 255 => {
                Err(WireError::invalid("successCodes", "a code is not within 0 and 255"))
            }
            [only] if !(0..=255).contains(only) => {
                Err(WireError::invalid("successCodes", "a code is not within 0 and 255"))
            }
            _ => Ok(Self(codes)),
        }
    }
}

/// How an agent is stopped: a signal to its process group, and KILL to whatever is left of its
/// whole tree after the grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct StopPlan {
    /// HUP, INT, QUIT, TERM or KILL; TERM if left out.
    pub signal: StopSignal,
    /// How long it may take to end, in milliseconds; 10,000 if left out.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, maximum = 3_600_000))]
    pub grace_ms: GraceMs,
}

impl Default for StopPlan {
    fn default() -> Self {
        Self { signal: StopSignal(Signal::Term), grace_ms: GraceMs(10_000) }
    }
}

/// A signal that asks a process to end: HUP, INT, QUIT, TERM or KILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Signal")]
pub struct StopSignal(Signal);

impl StopSignal {
    /// The signal.
    #[must_use]
    pub const fn signal(self) -> Signal {
        self.0
    }
}

impl TryFrom<Signal> for StopSignal {
    type Error = WireError;

    fn try_from(signal: Signal) -> Result<Self, WireError> {
        match signal {
            Signal::Hup | Signal::Int | Signal::Quit | Signal::Term | Signal::Kill => {
                Ok(Self(signal))
            }
            Signal::Usr1
            | Signal::Usr2
            | Signal::Cont
            | Signal::Stop
            | Signal::Tstp
            | Signal::Winch => {
                Err(WireError::invalid("stop.signal", "it is not HUP, INT, QUIT, TERM or KILL"))
            }
        }
    }
}

/// Milliseconds between a stop's signal and KILL: 0 to 3,600,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub struct GraceMs(u32);

impl GraceMs {
    /// So many milliseconds.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for GraceMs {
    type Error = WireError;

    fn try_from(millis: u32) -> Result<Self, WireError> {
        match millis {
            0..=3_600_000 => Ok(Self(millis)),
            _ => Err(WireError::invalid("stop.graceMs", "it is more than 3,600,000")),
        }
    }
}

/// What an agent waits for: at most 32 other agents, each named once. A circle is refused by the
/// machine, which alone sees all agents.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Dependency>")]
pub struct Dependencies(Vec<Dependency>);

impl Dependencies {
    /// The greatest number.
    pub const MAX: usize = 32;

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Dependency> {
        self.0.iter().copied()
    }

    /// Whether it waits for nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<Dependency>> for Dependencies {
    type Error = WireError;

    fn try_from(dependencies: Vec<Dependency>) -> Result<Self, WireError> {
        if dependencies.len() > Self::MAX {
            return Err(WireError::invalid("dependsOn", "it has more than 32 agents"));
        }
        let mut agents: Vec<_> = dependencies.iter().map(|on| on.agent_id).collect();
        agents.sort_unstable();
        if agents.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return Err(WireError::invalid("dependsOn", "it names an agent twice"));
        }
        Ok(Self(dependencies))
    }
}

/// One agent that another waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// The agent that is waited for.
    pub agent_id: AgentId,
    /// What must be true of it.
    pub condition: DependencyCondition,
}

/// What must be true of an agent before those that wait for it are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DependencyCondition {
    /// Its process lives.
    Started,
    /// Its probe succeeds.
    Healthy,
    /// Its process ended with success.
    Completed,
}

/// What an agent may use, with all that it starts. Enforced by cgroup v2 where this user may; an
/// agent says whether it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", try_from = "WrittenLimits")]
pub struct ResourceLimits {
    /// Memory in MiB, 1 to 16,777,216.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 16_777_216))]
    pub memory_mb: Option<u32>,
    /// Processor time in percent of one core, 1 to 102,400.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 102_400))]
    pub cpu_percent: Option<u32>,
    /// Processes and threads, 1 to 4,194,304.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 4_194_304))]
    pub pids: Option<u32>,
}

impl ResourceLimits {
    /// Whether there is no limit.
    #[must_use]
    pub const fn are_none(&self) -> bool {
        matches!(self, Self { memory_mb: None, cpu_percent: None, pids: None })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLimits {
    #[serde(default, deserialize_with = "not_null")]
    memory_mb: Option<u32>,
    #[serde(default, deserialize_with = "not_null")]
    cpu_percent: Option<u32>,
    #[serde(default, deserialize_with = "not_null")]
    pids: Option<u32>,
}

impl TryFrom<WrittenLimits> for ResourceLimits {
    type Error = WireError;

    fn try_from(written: WrittenLimits) -> Result<Self, WireError> {
        let WrittenLimits { memory_mb, cpu_percent, pids } = written;
        let within = |value: Option<u32>, most: u32| value.is_none_or(|v| (1..=most).contains(&v));
        if !within(memory_mb, 16_777_216) {
            return Err(WireError::invalid("limits.memoryMb", "it is not within 1 and 16,777,216"));
        }
        if !within(cpu_percent, 102_400) {
            return Err(WireError::invalid("limits.cpuPercent", "it is not within 1 and 102,400"));
        }
        if !within(pids, 4_194_304) {
            return Err(WireError::invalid("limits.pids", "it is not within 1 and 4,194,304"));
        }
        Ok(Self { memory_mb, cpu_percent, pids })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::{complaint, is_written_as};

    #[test]
    fn what_is_left_out_is_a_command_that_is_run_once() {
        is_written_as(
            &Supervision::default(),
            r#"{"restart":"no","successCodes":[0],"stop":{"signal":"TERM","graceMs":10000}}"#,
        );
        assert_eq!(serde_json::from_str::<Supervision>("{}").unwrap(), Supervision::default());
    }

    #[test]
    fn how_an_agent_is_looked_after_has_the_documented_json() {
        let json = r#"{"restart":"on-failure","successCodes":[0,143],"stop":{"signal":"INT","graceMs":500},"dependsOn":[{"agentId":"ag-x7k2p","condition":"healthy"}],"limits":{"memoryMb":512,"cpuPercent":150,"pids":64}}"#;
        let read: Supervision = serde_json::from_str(json).unwrap();
        is_written_as(&read, json);
        assert_eq!(read.success_codes.codes(), [0, 143]);
    }

    #[test]
    fn bounds_are_named_when_they_are_crossed() {
        let complaints = [
            (r#"{"successCodes":[]}"#, "names no code"),
            (r#"{"successCodes":[256]}"#, "within 0 and 255"),
            (r#"{"successCodes":[-1,3]}"#, "within 0 and 255"),
            (r#"{"stop":{"signal":"USR1"}}"#, "not HUP, INT, QUIT, TERM or KILL"),
            (r#"{"stop":{"graceMs":3600001}}"#, "more than 3,600,000"),
            (r#"{"limits":{"memoryMb":0}}"#, "memoryMb"),
            (r#"{"limits":{"cpuPercent":102401}}"#, "cpuPercent"),
            (r#"{"limits":{"pids":0}}"#, "pids"),
            (r#"{"limits":{"pids":null}}"#, "null"),
            (r#"{"probe":null}"#, "null"),
            (
                r#"{"dependsOn":[{"agentId":"ag-x7k2p","condition":"started"},{"agentId":"ag-x7k2p","condition":"healthy"}]}"#,
                "names an agent twice",
            ),
        ];
        for (json, expected) in complaints {
            let complaint = complaint::<Supervision>(json);
            assert!(complaint.contains(expected), "{json}: {complaint}");
        }
    }
}
