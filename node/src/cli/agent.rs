//! Agents as people name and describe them on a command line.

use std::{collections::BTreeMap, time::Duration};

use gantline_client::connection::Request;
use gantline_protocol::{
    AgentId,
    api::{Agent, Argv, Command, Cwd, Env, ExitStatus},
    terminal::TerminalSize,
};

use super::{
    failure::{Exit, Failure},
    reach::Reached,
    text,
};

/// What to run, as `spawn` and `exec` take it.
#[derive(Debug, clap::Args)]
pub(super) struct What {
    /// Where it runs; a relative path begins at the home directory there
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// Add to its environment; without =VALUE the value is the one here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Take the first word as a script for the user's shell there, the others as its $1, $2, …
    #[arg(long)]
    shell: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

impl What {
    /// The command to send.
    pub(super) fn command(self) -> Result<Command, Failure> {
        Ok(Command {
            argv: Argv::try_from(self.command)?,
            cwd: self.cwd.map(Cwd::try_from).transpose()?,
            env: env(self.env)?,
            shell: self.shell,
        })
    }
}

/// What is added to an environment: without a value, the one here.
pub(super) fn env(entries: Vec<String>) -> Result<Env, Failure> {
    let mut variables = BTreeMap::new();
    for entry in entries {
        let (name, value) = match entry.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => match std::env::var(&entry) {
                Ok(value) => (entry, value),
                Err(_) => {
                    return Err(Failure::usage(format!("-e {entry}: it is not set here"))
                        .next(format!("give it a value: -e {entry}=VALUE")));
                }
            },
        };
        variables.insert(name, value);
    }
    Ok(Env::try_from(variables)?)
}

/// The agent that a person means: by its id with or without `ag-`, the beginning of it, or its
/// name, of which a live one goes before one that has ended.
pub(super) async fn find(reached: &Reached, wanted: &str) -> Result<AgentId, Failure> {
    if let Ok(id) = wanted.parse() {
        return Ok(id);
    }
    let agents: Vec<Agent> = reached.json(Request::get("/v1/agents")).await?;
    choose(&agents, wanted)
}

fn choose(agents: &[Agent], wanted: &str) -> Result<AgentId, Failure> {
    let named = |agent: &&Agent| agent.name.as_ref().is_some_and(|name| name.as_str() == wanted);
    let live = |agent: &&Agent| named(agent) && !agent.state.is_final();
    let begins = |agent: &&Agent| {
        let id = agent.agent_id.to_string();
        !wanted.is_empty()
            && (id.starts_with(wanted)
                || id.strip_prefix("ag-").is_some_and(|tail| tail.starts_with(wanted)))
    };
    let matching: [&dyn Fn(&&Agent) -> bool; 3] = [&live, &named, &begins];
    for is_meant in matching {
        let mut found = agents.iter().filter(|agent| is_meant(agent));
        match (found.next(), found.next()) {
            (Some(agent), None) => return Ok(agent.agent_id),
            (Some(agent), Some(other)) => {
                return Err(Failure::usage(format!(
                    "{} may be {} or {}: name it by its id",
                    text::line(wanted),
                    agent.agent_id,
                    other.agent_id
                )));
            }
            (None, _) => {}
        }
    }
    Err(Failure::failed(format!("there is no agent {}", text::line(wanted)))
        .next("`gantline ps -a` lists them all"))
}

/// The exit code that says how a process ended: its own, or 128 and the signal, as shells have it.
pub(super) fn exit(status: Option<ExitStatus>) -> Exit {
    match status {
        Some(ExitStatus::Code(code)) => Exit::Passed(code.to_le_bytes()[0]),
        Some(ExitStatus::Signal(signal)) => Exit::Passed(128 | (signal.to_le_bytes()[0] & 0x7f)),
        // Nobody saw it end: never a success.
        None => Exit::Failed,
    }
}

/// How a process ended, for people.
pub(super) fn ending(status: Option<ExitStatus>) -> String {
    match status {
        Some(ExitStatus::Code(code)) => format!("exit {code}"),
        Some(ExitStatus::Signal(signal)) => format!("signal {signal}"),
        None => "lost; nobody saw how it ended".to_owned(),
    }
}

/// The size of the terminal at this end, if there is one.
pub(super) fn terminal_size() -> Option<TerminalSize> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout())
        .or_else(|_| rustix::termios::tcgetwinsize(rustix::stdio::stdin()))
        .ok()?;
    let bounded = |cells: u16| cells.min(TerminalSize::MAX);
    TerminalSize::new(bounded(size.ws_col), bounded(size.ws_row)).ok()
}

/// Reads a duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("write a whole number and ms, s, m, h or d, as in 30s".to_owned()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .map(Duration::from_millis)
        .ok_or_else(|| "write a whole number and ms, s, m, h or d, as in 30s".to_owned())
}

#[cfg(test)]
mod tests {
    use gantline_protocol::{
        Timestamp,
        api::{AgentSource, AgentState, Desired, Supervision},
    };

    use super::*;

    fn agent(id: &str, name: Option<&str>, state: AgentState) -> Agent {
        Agent {
            agent_id: id.parse().unwrap(),
            name: name.map(|name| name.parse().unwrap()),
            argv: vec!["true".to_owned()].try_into().unwrap(),
            shell: false,
            cwd: None,
            state,
            reason: None,
            desired: Desired::default(),
            source: AgentSource::default(),
            pid: None,
            epoch: None,
            size: TerminalSize::STANDARD,
            exit: None,
            problem: None,
            restarts: 0,
            created_at: Timestamp::default(),
            started_at: None,
            ended_at: None,
            next_start_at: None,
            limits_not_enforced: None,
            supervision: Supervision::default(),
        }
    }

    #[test]
    fn nobody_stops_another_agent_than_the_one_that_was_meant() {
        let agents = [
            agent("ag-aaaaa", Some("web"), AgentState::Exited),
            agent("ag-aabbb", Some("web"), AgentState::Running),
            agent("ag-ccccc", Some("aa"), AgentState::Exited),
            agent("ag-ddddd", Some("twin"), AgentState::Running),
            agent("ag-eeeee", Some("twin"), AgentState::Running),
        ];
        let chosen = |wanted| choose(&agents, wanted).map(|id| id.to_string()).ok();
        assert_eq!(chosen("web").as_deref(), Some("ag-aabbb"));
        assert_eq!(chosen("aa").as_deref(), Some("ag-ccccc"));
        assert_eq!(chosen("aab").as_deref(), Some("ag-aabbb"));
        assert_eq!(chosen("ag-c").as_deref(), Some("ag-ccccc"));
        for wanted in ["", "ag-", "ag-a", "twin", "nobody"] {
            assert_eq!(chosen(wanted), None, "{wanted}");
        }
    }

    #[test]
    fn scripts_see_how_a_command_ended() {
        let code = |status| exit(status).code();
        assert_eq!(code(Some(ExitStatus::Code(0))), 0);
        assert_eq!(code(Some(ExitStatus::Code(7))), 7);
        assert_eq!(code(Some(ExitStatus::Signal(9))), 137);
        assert_eq!(code(None), 1);
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("30s", 30), ("2m", 120), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        assert_eq!(duration("5ms"), Ok(Duration::from_millis(5)));
        for bad in ["", "s", "5", "-1s", "1.5s", "5 s", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
