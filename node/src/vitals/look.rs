//! One look at `/proc`, and what has changed since the one before.

use std::{
    collections::HashMap,
    time::{Instant, SystemTime},
};

use gantline_protocol::{
    AgentId, Epoch,
    api::{AgentVitals, MachineVitals, Vitals},
};
use rustix::param::{clock_ticks_per_second, page_size};

use super::tally::Processes;
use crate::proc::Proc;

/// An agent that is looked at.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) agent: AgentId,
    pub(super) epoch: Epoch,
    pub(super) pid: u32,
    pub(super) shim: Option<u32>,
    pub(super) last_line: Option<String>,
}

/// Remembers the look before.
#[derive(Debug, Default)]
pub(super) struct Looker {
    proc: Option<Proc>,
    before: HashMap<(AgentId, Epoch), (Instant, u64)>,
    machine_before: Option<(Instant, u64)>,
}

impl Looker {
    /// What the machine and the agents use now. What can't be read is 0.
    pub(super) fn look(&mut self, seen: &[Seen]) -> Vitals {
        let at = SystemTime::now().into();
        if self.proc.is_none() {
            self.proc = Proc::open().ok();
        }
        let Some(mut proc) = self.proc.take() else {
            return Vitals { at, machine: MachineVitals::default(), agents: Vec::new() };
        };
        let mut processes = Processes::default();
        // One that goes meanwhile is not there.
        let _ = proc.each(|pid, stat| processes.add(pid, stat));
        let machine = self.machine(&mut proc, processes.count());
        let uptime = uptime(&mut proc);
        let before = std::mem::take(&mut self.before);
        let agents = seen.iter().filter_map(|seen| {
            let Seen { agent, epoch, pid, shim, last_line } = seen;
            let signed = |pid: u32| i32::try_from(pid).ok();
            let pid = signed(*pid)?;
            let root = processes.find(pid)?;
            let tally = processes.below(pid, shim.and_then(signed));
            let now = Instant::now();
            let (passed, used) = match before.get(&(*agent, *epoch)) {
                Some((then, ticks)) => {
                    ((now - *then).as_secs_f64(), tally.ticks.saturating_sub(*ticks))
                }
                // Since it began.
                None => (uptime - root.began as f64 / hz(), tally.ticks),
            };
            self.before.insert((*agent, *epoch), (now, tally.ticks));
            let (mut disk_read, mut disk_written) = (0, 0);
            for pid in &tally.members {
                let (read, written) = disk(&mut proc, *pid);
                disk_read += read;
                disk_written += written;
            }
            Some(AgentVitals {
                agent_id: *agent,
                cpu_percent: percent(used, passed),
                memory: tally.pages.saturating_mul(page_size() as u64),
                disk_read,
                disk_written,
                processes: u32::try_from(tally.members.len()).unwrap_or(u32::MAX),
                last_line: last_line.clone(),
            })
        });
        let agents = agents.collect();
        self.proc = Some(proc);
        Vitals { at, machine, agents }
    }

    fn machine(&mut self, proc: &mut Proc, processes: usize) -> MachineVitals {
        let now = Instant::now();
        let (busy, cores) = proc.read("stat").map(busy).unwrap_or_default();
        let (memory_total, available) = proc.read("meminfo").map(memory).unwrap_or_default();
        let used = self
            .machine_before
            .map(|(then, before)| percent(busy.saturating_sub(before), (now - then).as_secs_f64()));
        self.machine_before = Some((now, busy));
        MachineVitals {
            cpu_percent: used.unwrap_or(0.0),
            cores,
            memory_used: memory_total.saturating_sub(available),
            memory_total,
            processes: u32::try_from(processes).unwrap_or(u32::MAX),
        }
    }
}

fn hz() -> f64 {
    clock_ticks_per_second() as f64
}

/// Ticks within so many seconds, in percent of one core, to a tenth.
fn percent(ticks: u64, seconds: f64) -> f64 {
    // What is shorter than a tick can't be told.
    let seconds = seconds.max(1.0 / hz());
    (ticks as f64 / hz() / seconds * 1000.0).round() / 10.0
}

fn uptime(proc: &mut Proc) -> f64 {
    let text = proc.read("uptime").ok().and_then(|text| std::str::from_utf8(text).ok());
    text.and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0.0)
}

/// Ticks in which the machine's cores did something, and how many cores there are.
fn busy(stat: &[u8]) -> (u64, u32) {
    let text = String::from_utf8_lossy(stat);
    let mut lines = text.lines();
    let all = lines.next().unwrap_or_default();
    let numbers = all.split_ascii_whitespace().skip(1).take(8);
    // User, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen.
    let busy = numbers.enumerate().filter(|(place, _)| !matches!(place, 3 | 4));
    let busy = busy.filter_map(|(_, number)| number.parse::<u64>().ok()).sum();
    let cores = lines.take_while(|line| line.starts_with("cpu")).count();
    (busy, u32::try_from(cores).unwrap_or(u32::MAX))
}

/// All memory, and what is free or could be freed at once, in bytes.
fn memory(meminfo: &[u8]) -> (u64, u64) {
    let text = String::from_utf8_lossy(meminfo);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 =
            line.trim_start_matches(':').split_ascii_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    (value("MemTotal").unwrap_or(0), value("MemAvailable").unwrap_or(0))
}

/// What a process has read from disks and written to them, in bytes; 0 if that is not for us to know.
fn disk(proc: &mut Proc, pid: i32) -> (u64, u64) {
    let Ok(text) = proc.read(&format!("{pid}/io")) else { return (0, 0) };
    let text = String::from_utf8_lossy(text);
    let value = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    (value("read_bytes:").unwrap_or(0), value("write_bytes:").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read_as_the_kernel_writes_it() {
        let stat = b"cpu  10 1 20 1000 50 3 4 5 99 99\ncpu0 1 2\ncpu1 1 2\nintr 7\n";
        assert_eq!(busy(stat), (10 + 1 + 20 + 3 + 4 + 5, 2));
        let meminfo = b"MemTotal:       2000 kB\nMemFree:  5 kB\nMemAvailable:    500 kB\n";
        assert_eq!(memory(meminfo), (2000 * 1024, 500 * 1024));
        assert_eq!((busy(b""), memory(b"x")), ((0, 0), (0, 0)));
    }

    #[test]
    fn processor_time_is_in_percent_of_one_core() {
        let hz = clock_ticks_per_second();
        assert_eq!(percent(hz, 1.0), 100.0);
        assert_eq!(percent(hz * 4, 2.0), 200.0);
        assert!(percent(1, 0.0).is_finite());
    }

    #[test]
    fn this_process_is_seen() {
        let mut looker = Looker::default();
        let agent = "ag-x7k2p".parse().unwrap();
        let seen = [Seen {
            agent,
            epoch: Epoch(1),
            pid: std::process::id(),
            shim: None,
            last_line: Some("hello".to_owned()),
        }];
        let began = Instant::now();
        let vitals = loop {
            let vitals = looker.look(&seen);
            // On a busy machine it takes a while until it has got a tick.
            if vitals.agents[0].cpu_percent > 0.0 || began.elapsed().as_secs() > 30 {
                break vitals;
            }
        };
        let own = &vitals.agents[0];
        assert!(own.cpu_percent > 0.0 && own.memory > 1 << 20 && own.processes >= 1, "{own:?}");
        let machine = vitals.machine;
        assert!(
            machine.cores > 0 && machine.memory_used > 0 && machine.processes > 1,
            "{machine:?}"
        );
        assert!(machine.memory_used <= machine.memory_total);
    }
}
