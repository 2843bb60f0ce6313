//! How an agent is looked after, as people say it on a command line: for `spawn` and `set`.

use std::time::Duration;

use gantline_protocol::api::{
    Dependencies, Dependency, DependencyCondition, Probe, ProbeCheck, ProbePace, ResourceLimits,
    RestartPolicy, StopPlan, SuccessCodes, Supervision,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{agent, failure::Failure, reach::Reached, text};

/// How an agent is looked after.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "How it is looked after")]
pub(super) struct Care {
    /// When it is started again after it ended by itself: no, on-failure or always
    #[arg(long, value_name = "WHEN", value_parser = word::<RestartPolicy>)]
    restart: Option<RestartPolicy>,
    /// Exit codes that count as success, as in 0,143
    #[arg(long, value_name = "CODES", value_parser = codes)]
    success_codes: Option<SuccessCodes>,
    /// What asks it to end: HUP, INT, QUIT, TERM or KILL
    #[arg(long, value_name = "SIG")]
    stop_signal: Option<String>,
    /// How long it may take to end before it is killed with all that it started, as in 30s
    #[arg(long, value_name = "TIME", value_parser = agent::duration)]
    stop_grace: Option<Duration>,
    /// What tells whether it is well: tcp:PORT, http:PORT/PATH, exec:SCRIPT (for /bin/sh), line:TEXT;
    /// or none
    #[arg(long, value_name = "PROBE", value_parser = probe)]
    probe: Option<Check>,
    /// Between two probes, as in 5s
    #[arg(long, value_name = "TIME", value_parser = agent::duration)]
    probe_interval: Option<Duration>,
    /// How long one probe may take
    #[arg(long, value_name = "TIME", value_parser = agent::duration)]
    probe_timeout: Option<Duration>,
    /// How long failures do not count after a start
    #[arg(long, value_name = "TIME", value_parser = agent::duration)]
    probe_start_period: Option<Duration>,
    /// Failures in a row until it is unhealthy
    #[arg(long, value_name = "N")]
    probe_failures: Option<u32>,
    /// Successes in a row until it is healthy
    #[arg(long, value_name = "N")]
    probe_successes: Option<u32>,
    /// Whether it is started anew when it is unhealthy
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, default_missing_value = "yes",
        value_parser = yes)]
    probe_restarts: Option<bool>,
    /// Start it after another agent was started, is healthy or has completed; or none. May be
    /// repeated
    #[arg(long, value_name = "AGENT[:started|healthy|completed]")]
    after: Vec<String>,
    /// The most memory, with all that it starts, as in 512M or 2G; or none
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory: Option<Limit>,
    /// The most processor time, in percent of one core; or none
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    cpu: Option<Limit>,
    /// The most processes and threads; or none
    #[arg(long, value_name = "N", value_parser = number)]
    pids: Option<Limit>,
}

/// A limit, or that there is none.
#[derive(Debug, Clone, Copy)]
struct Limit(Option<u32>);

/// A check, or that there is none.
#[derive(Debug, Clone)]
struct Check(Option<ProbeCheck>);

/// What of it was said.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) restart: Option<RestartPolicy>,
    pub(super) success_codes: Option<SuccessCodes>,
    pub(super) stop: Option<StopPlan>,
    pub(super) probe: Option<Option<Probe>>,
    pub(super) depends_on: Option<Dependencies>,
    pub(super) limits: Option<ResourceLimits>,
}

impl Care {
    /// What was said, of an agent that is looked after like `now` otherwise.
    pub(super) async fn said(&self, now: &Supervision, there: &Reached) -> Result<Said, Failure> {
        Ok(Said {
            restart: self.restart,
            success_codes: self.success_codes.clone(),
            stop: self.stop(now.stop)?,
            probe: self.probe(now.probe.as_ref())?,
            depends_on: self.depends_on(there).await?,
            limits: self.limits(now.limits)?,
        })
    }

    /// The whole of it, of a new agent.
    pub(super) async fn whole(&self, there: &Reached) -> Result<Supervision, Failure> {
        let usual = Supervision::default();
        let said = self.said(&usual, there).await?;
        Ok(Supervision {
            restart: said.restart.unwrap_or_default(),
            success_codes: said.success_codes.unwrap_or_default(),
            stop: said.stop.unwrap_or_default(),
            probe: said.probe.flatten(),
            depends_on: said.depends_on.unwrap_or_default(),
            limits: said.limits.unwrap_or_default(),
        })
    }

    fn stop(&self, now: StopPlan) -> Result<Option<StopPlan>, Failure> {
        if self.stop_signal.is_none() && self.stop_grace.is_none() {
            return Ok(None);
        }
        let mut plan = now;
        if let Some(signal) = &self.stop_signal {
            let name = signal.to_uppercase();
            let name = name.strip_prefix("SIG").unwrap_or(&name);
            plan.signal = serde_json::from_value(json!(name)).map_err(|_| {
                let why =
                    format!("--stop-signal: an agent is not stopped by {}", text::line(signal));
                Failure::usage(why).next("it may be HUP, INT, QUIT, TERM or KILL")
            })?;
        }
        if let Some(grace) = self.stop_grace {
            plan.grace_ms = read("--stop-grace", json!(millis(grace)))?;
        }
        Ok(Some(plan))
    }

    fn probe(&self, now: Option<&Probe>) -> Result<Option<Option<Probe>>, Failure> {
        let check = match &self.probe {
            Some(Check(None)) => return Ok(Some(None)),
            Some(Check(Some(check))) => Some(check.clone()),
            None => None,
        };
        let pace = [
            ("intervalMs", self.probe_interval.map(millis)),
            ("timeoutMs", self.probe_timeout.map(millis)),
            ("startPeriodMs", self.probe_start_period.map(millis)),
            ("failures", self.probe_failures.map(u64::from)),
            ("successes", self.probe_successes.map(u64::from)),
        ];
        let says_nothing = check.is_none()
            && self.probe_restarts.is_none()
            && pace.iter().all(|(_, n)| n.is_none());
        if says_nothing {
            return Ok(None);
        }
        let Some(check) = check.or_else(|| now.map(|probe| probe.check.clone())) else {
            let why = "there is no probe that this could be about";
            return Err(Failure::usage(why).next("say what is checked: --probe tcp:8080"));
        };
        let mut written = match now {
            Some(probe) => serde_json::to_value(probe.pace)?,
            None => serde_json::to_value(ProbePace::default())?,
        };
        if let Some(members) = written.as_object_mut() {
            for (name, value) in pace {
                if let Some(value) = value {
                    members.insert(name.to_owned(), json!(value));
                }
            }
            if let Some(restarts) = self.probe_restarts {
                members.insert("restarts".to_owned(), json!(restarts));
            }
        }
        Ok(Some(Some(Probe { check, pace: read("--probe", written)? })))
    }

    async fn depends_on(&self, there: &Reached) -> Result<Option<Dependencies>, Failure> {
        if self.after.is_empty() {
            return Ok(None);
        }
        if let [only] = self.after.as_slice()
            && only == "none"
        {
            return Ok(Some(Dependencies::default()));
        }
        let mut all = Vec::new();
        for after in &self.after {
            let (name, condition) = match after.rsplit_once(':') {
                Some((name, "started")) => (name, DependencyCondition::Started),
                Some((name, "healthy")) => (name, DependencyCondition::Healthy),
                Some((name, "completed")) => (name, DependencyCondition::Completed),
                Some(_) | None => (after.as_str(), DependencyCondition::Started),
            };
            all.push(Dependency { agent_id: agent::find(there, name).await?, condition });
        }
        Ok(Some(all.try_into()?))
    }

    fn limits(&self, now: ResourceLimits) -> Result<Option<ResourceLimits>, Failure> {
        if self.memory.is_none() && self.cpu.is_none() && self.pids.is_none() {
            return Ok(None);
        }
        let limit = |said: Option<Limit>, now| said.map_or(now, |Limit(limit)| limit);
        let limits = ResourceLimits {
            memory_mb: limit(self.memory, now.memory_mb),
            cpu_percent: limit(self.cpu, now.cpu_percent),
            pids: limit(self.pids, now.pids),
        };
        // Their bounds are the protocol's.
        Ok(Some(read("limits", serde_json::to_value(limits)?)?))
    }
}

fn read<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| Failure::usage(format!("{what}: {error}")))
}

fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(json!(text)).map_err(|error| error.to_string())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn yes(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("say yes or no".to_owned()),
    }
}

fn codes(text: &str) -> Result<SuccessCodes, String> {
    let codes: Result<Vec<i32>, _> = text.split(',').map(|code| code.trim().parse()).collect();
    let codes =
        codes.map_err(|_| "write numbers with commas between them, as in 0,143".to_owned())?;
    codes.try_into().map_err(|error: gantline_protocol::WireError| error.to_string())
}

fn probe(text: &str) -> Result<Check, String> {
    if text == "none" {
        return Ok(Check(None));
    }
    let how = || "write tcp:PORT, http:PORT/PATH, exec:SCRIPT, line:TEXT or none".to_owned();
    let (kind, rest) = text.split_once(':').ok_or_else(how)?;
    let port = |text: &str| text.parse::<u16>().map_err(|_| format!("{text:?} is no port"));
    let check = match kind {
        "tcp" => json!({"kind": "tcp", "port": port(rest)?}),
        "http" => {
            let (number, path) = match rest.find('/') {
                Some(at) => rest.split_at(at),
                None => (rest, "/"),
            };
            json!({"kind": "http", "port": port(number)?, "path": path})
        }
        "exec" => json!({"kind": "exec", "argv": ["/bin/sh", "-c", rest]}),
        "line" => json!({"kind": "line", "text": rest}),
        _ => return Err(how()),
    };
    serde_json::from_value(check).map(|check| Check(Some(check))).map_err(|error| error.to_string())
}

fn memory(text: &str) -> Result<Limit, String> {
    let how = || "write a number and M or G, as in 512M, or none".to_owned();
    if text == "none" {
        return Ok(Limit(None));
    }
    let (digits, factor) = match text.strip_suffix(['G', 'g']) {
        Some(digits) => (digits, 1024),
        None => (text.strip_suffix(['M', 'm']).ok_or_else(how)?, 1),
    };
    let number: u32 = digits.parse().map_err(|_| how())?;
    Ok(Limit(Some(number.checked_mul(factor).ok_or_else(how)?)))
}

fn percent(text: &str) -> Result<Limit, String> {
    number(text.strip_suffix('%').unwrap_or(text))
}

fn number(text: &str) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit(None)),
        text => match text.parse() {
            Ok(number) => Ok(Limit(Some(number))),
            Err(_) => Err("write a number, or none".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_read_as_people_write_them() {
        let kinds = [
            ("tcp:5432", json!({"kind": "tcp", "port": 5432})),
            ("http:80", json!({"kind": "http", "port": 80, "path": "/"})),
            ("http:80/a?b:c", json!({"kind": "http", "port": 80, "path": "/a?b:c"})),
            ("line:ready: yes", json!({"kind": "line", "text": "ready: yes"})),
            ("exec:a b", json!({"kind": "exec", "argv": ["/bin/sh", "-c", "a b"]})),
        ];
        for (text, expected) in kinds {
            let read = probe(text).unwrap().0.unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), expected, "{text}");
        }
        for bad in ["", "tcp", "tcp:", "tcp:0", "udp:1", "http:80x", "line:", "exec:\0"] {
            assert!(probe(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(memory("512M").unwrap().0, Some(512));
        assert_eq!(memory("2G").unwrap().0, Some(2048));
        assert_eq!(memory("none").unwrap().0, None);
        assert_eq!(percent("150%").unwrap().0, Some(150));
        for bad in ["512", "M", "1.5G", "-1M", "9999999G"] {
            assert!(memory(bad).is_err(), "{bad}");
        }
        assert_eq!(codes("143, 0").unwrap().codes(), [0, 143]);
        assert!(codes("0,").is_err() && codes("256").is_err());
    }
}
