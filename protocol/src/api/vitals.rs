//! What changes all the time: what a machine and its agents use, and what each agent wrote last.

use serde::{Deserialize, Serialize};

use crate::{AgentId, time::Timestamp};

/// One look at everything: an event of `GET /v1/vitals`, every 2 s while somebody listens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Vitals {
    /// When this was.
    pub at: Timestamp,
    /// The whole machine.
    pub machine: MachineVitals,
    /// The agents whose processes live.
    pub agents: Vec<AgentVitals>,
}

/// What a machine uses.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MachineVitals {
    /// Processor time since the last look, in percent of one core: 200 is two cores at work.
    pub cpu_percent: f64,
    /// Processor cores.
    pub cores: u32,
    /// Memory in use, in bytes: what is neither free nor could be freed at once.
    pub memory_used: u64,
    /// All memory, in bytes.
    pub memory_total: u64,
    /// Processes.
    pub processes: u32,
}

/// What an agent uses, with all that it has started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentVitals {
    /// The agent.
    pub agent_id: AgentId,
    /// Processor time since the last look, in percent of one core.
    pub cpu_percent: f64,
    /// Resident memory, in bytes. What its processes share is counted for each.
    pub memory: u64,
    /// Bytes read from disks since its processes were started, of those that still live.
    pub disk_read: u64,
    /// Bytes written to disks, likewise.
    pub disk_written: u64,
    /// Its processes.
    pub processes: u32,
    /// The last line that it wrote which is not empty: at most 200 characters, without control
    /// sequences. It is a stranger's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_line: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::is_written_as;

    #[test]
    fn vitals_have_the_documented_json() {
        let vitals = Vitals {
            at: Timestamp::from_millis(7),
            machine: MachineVitals {
                cpu_percent: 12.5,
                cores: 2,
                memory_used: 1,
                memory_total: 2,
                processes: 3,
            },
            agents: vec![AgentVitals {
                agent_id: "ag-x7k2p".parse().unwrap(),
                cpu_percent: 0.0,
                memory: 4096,
                disk_read: 0,
                disk_written: 1,
                processes: 2,
                last_line: Some("ready".to_owned()),
            }],
        };
        is_written_as(
            &vitals,
            r#"{"at":7,"machine":{"cpuPercent":12.5,"cores":2,"memoryUsed":1,"memoryTotal":2,"processes":3},"agents":[{"agentId":"ag-x7k2p","cpuPercent":0.0,"memory":4096,"diskRead":0,"diskWritten":1,"processes":2,"lastLine":"ready"}]}"#,
        );
    }
}
