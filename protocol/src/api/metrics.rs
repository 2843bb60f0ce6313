//! What agents and the machine used, over time, for charts.

use serde::{Deserialize, Serialize};

use crate::{AgentId, time::Timestamp};

/// What one agent or the machine used: `GET /v1/agents/{id}/metrics` and `GET /v1/machine/metrics`.
/// All lists are of one length: the values of one place belong to the step that begins at that place
/// of `at`. Steps of which nothing is known are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// The agent; the machine if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The beginning of the time that was asked for.
    pub from: Timestamp,
    /// Its end, not included.
    pub to: Timestamp,
    /// What one place stands for, in milliseconds.
    pub step_ms: u64,
    /// When each step begins.
    pub at: Vec<Timestamp>,
    /// Processor time, in percent of one core.
    pub cpu_percent: Percents,
    /// Memory in use, in bytes. Of an agent, what its processes share is counted for each.
    pub memory: Amounts,
    /// Bytes read from disks a second. Absent for the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_read_rate: Option<Amounts>,
    /// Bytes written to disks a second. Absent for the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_written_rate: Option<Amounts>,
    /// Processes.
    pub processes: Amounts,
}

/// Shares, in percent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Percents {
    /// The mean of each step.
    pub mean: Vec<f64>,
    /// The greatest that was measured in each step.
    pub max: Vec<f64>,
}

/// Whole numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// The mean of each step.
    pub mean: Vec<u64>,
    /// The greatest that was measured in each step.
    pub max: Vec<u64>,
}

impl Metrics {
    /// The most steps of one answer.
    pub const MAX_STEPS: u64 = 2000;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::is_written_as;

    #[test]
    fn metrics_have_the_documented_json() {
        let amounts = |mean, max| Amounts { mean: vec![mean], max: vec![max] };
        let metrics = Metrics {
            agent_id: Some("ag-x7k2p".parse().unwrap()),
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(60_000),
            step_ms: 60_000,
            at: vec![Timestamp::from_millis(0)],
            cpu_percent: Percents { mean: vec![12.5], max: vec![99.9] },
            memory: amounts(1, 2),
            disk_read_rate: Some(amounts(3, 4)),
            disk_written_rate: None,
            processes: amounts(5, 6),
        };
        is_written_as(
            &metrics,
            r#"{"agentId":"ag-x7k2p","from":0,"to":60000,"stepMs":60000,"at":[0],"cpuPercent":{"mean":[12.5],"max":[99.9]},"memory":{"mean":[1],"max":[2]},"diskReadRate":{"mean":[3],"max":[4]},"processes":{"mean":[5],"max":[6]}}"#,
        );
    }
}
