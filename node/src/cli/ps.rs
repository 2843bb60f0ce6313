//! `gantline ps`: lists agents.

use std::{io::IsTerminal as _, time::SystemTime};

use gantline_client::connection::Request;
use gantline_protocol::{
    MachineId, Timestamp,
    api::{Agent, AgentState},
};
use serde::Serialize;

use super::{
    Context, agent, everywhere,
    failure::{Exit, Failure},
    out,
    reach::{self, Reach},
    show, text,
};

/// List agents
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline ps
  gantline ps --on ada -a   also those that have ended
  gantline ps --all         those of every paired machine")]
pub(super) struct Args {
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Every paired machine
    #[arg(long, conflicts_with = "on")]
    all: bool,
    /// Also agents that have ended
    #[arg(short = 'a', long)]
    ended: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An agent, and where it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    machine_id: MachineId,
    machine: String,
    #[serde(flatten)]
    agent: Agent,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let (mut rows, exit) = match args.all {
        true => everywhere(context).await?,
        false => (agents(&context.reach, args.on.as_deref()).await?, Exit::Ok),
    };
    rows.retain(|row| args.ended || !row.agent.state.is_final());
    if args.json {
        out::json(&rows)?;
    } else if rows.is_empty() {
        out::say("no agents; start one: gantline spawn --attach -- bash");
    } else {
        out::data(table(&rows, args.all, context.color.on_stdout()))?;
        for Row { agent, .. } in &rows {
            if let Some(problem) = &agent.problem {
                out::say(format!("{}: {}", agent.agent_id, text::line(problem)));
            }
        }
    }
    Ok(exit)
}

async fn agents(reach: &Reach, on: Option<&str>) -> Result<Vec<Row>, Failure> {
    let reached = reach.machine(on).await?;
    list(&reached).await
}

async fn list(reached: &reach::Reached) -> Result<Vec<Row>, Failure> {
    let agents: Vec<Agent> = reached.json(Request::get("/v1/agents")).await?;
    let (machine_id, machine) = (reached.machine_id().await?, text::line(&reached.name));
    let row = |agent| Row { machine_id, machine: machine.clone(), agent };
    Ok(agents.into_iter().map(row).collect())
}

/// The agents of all paired machines.
async fn everywhere(context: &Context) -> Result<(Vec<Row>, Exit), Failure> {
    let (mut rows, exit) =
        everywhere::ask(context, |reached| async move { list(&reached).await }).await?;
    rows.sort_by(|a, b| (&a.machine, a.agent.created_at).cmp(&(&b.machine, b.agent.created_at)));
    Ok((rows, exit))
}

fn table(rows: &[Row], with_machine: bool, colours: bool) -> String {
    let now = Timestamp::from(SystemTime::now());
    let mut head = vec!["AGENT", "NAME", "STATE", "PID", "RESTARTS", "UPTIME", "COMMAND", "WHY"];
    if with_machine {
        head.insert(0, "MACHINE");
    }
    let mut table = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for Row { machine, agent, .. } in rows {
        let mut cells = vec![
            agent.agent_id.to_string(),
            agent.name.as_ref().map_or_else(|| "-".to_owned(), |name| text::cut(name.as_str(), 20)),
            state(agent),
            agent.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            agent.restarts.to_string(),
            uptime(agent, now),
            text::cut(&text::command(agent.argv.items()), 60),
            why(agent, now),
        ];
        if with_machine {
            cells.insert(0, text::cut(machine, 20));
        }
        table.push(cells);
    }
    let table = match std::io::stdout().is_terminal() {
        true => text::columns(&table),
        false => text::tabs(&table),
    };
    if !colours {
        return table;
    }
    match table.split_once('\n') {
        Some((head, rest)) => format!("\u{1b}[1m{head}\u{1b}[0m\n{rest}"),
        None => table,
    }
}

/// How long its process has lived; `-` without one.
fn uptime(agent: &Agent, now: Timestamp) -> String {
    let began = agent.pid.and(agent.started_at);
    began.map_or_else(|| "-".to_owned(), |began| text::span(now.since(began)))
}

/// Why it is in its state, in a few words; nothing where there is nothing to say.
fn why(agent: &Agent, now: Timestamp) -> String {
    let next = agent.next_start_at.map(|at| format!("next start in {}", text::span(at.since(now))));
    let reason = agent.reason.as_deref().map(|why| text::cut(show::first_line(why), 100));
    [next, reason].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What it is doing, in words.
pub(super) fn state(agent: &Agent) -> String {
    let name = match agent.state {
        AgentState::Starting => "starting",
        AgentState::Running => "running",
        AgentState::Healthy => "healthy",
        AgentState::Unhealthy => "unhealthy",
        AgentState::Backoff => "backoff",
        AgentState::Stopping => "stopping",
        AgentState::Exited => "exited",
        AgentState::Failed => "failed",
        AgentState::RestartLimit => "restart limit",
        AgentState::Lost => "lost",
    };
    if agent.problem.is_some() {
        return format!("{name} (out of reach)");
    }
    // Of one that could not be started it would be how an earlier process ended.
    let has_ended = agent.state.is_final() && agent.state != AgentState::Failed;
    match agent.exit.filter(|_| has_ended) {
        Some(status) => format!("{name} ({})", agent::ending(Some(status))),
        None => name.to_owned(),
    }
}
