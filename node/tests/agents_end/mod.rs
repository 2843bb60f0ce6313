//! Agents outlive a node, but not a test.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Ends the agents below this directory when it is dropped.
pub struct AgentsEnd(pub PathBuf);

impl Drop for AgentsEnd {
    fn drop(&mut self) {
        all(&self.0);
    }
}

/// Kills all agents that have their files below `log_dir`, and their shims.
pub fn all(log_dir: &Path) {
    for dir in
        dirs(log_dir).into_iter().flat_map(|agent| [vec![agent.clone()], dirs(&agent)]).flatten()
    {
        let Ok(life) = std::fs::read(dir.join("process.json")) else { continue };
        let life: serde_json::Value = serde_json::from_slice(&life).unwrap();
        let pid = |which: &str| {
            let pid = life[which]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
            Pid::from_raw(pid.expect("a process has a number")).expect("it is not 0")
        };
        // Whoever has ended needs no end.
        if !dir.join("exit.json").exists() {
            let _ = kill_process_group(pid("process"), Signal::KILL);
        }
        let ours = std::fs::read(format!("/proc/{}/cmdline", pid("shim"))).unwrap_or_default();
        if ours.starts_with(b"gantline\0shim") {
            let _ = kill_process(pid("shim"), Signal::KILL);
        }
    }
}

/// The directories in one: those of agents, and in an agent's those of its later lives.
fn dirs(above: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(above).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
