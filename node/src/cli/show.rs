//! `gantline show`: everything about one agent.

use std::time::SystemTime;

use gantline_client::connection::Request;
use gantline_protocol::{
    AgentId, Timestamp,
    api::{
        Agent, DependencyCondition, Desired, Probe, ProbeCheck, ResourceLimits, RestartPolicy,
        StopPlan,
    },
};

use super::{
    Context, agent,
    failure::{Exit, Failure},
    out, ps, text,
};

/// Show everything about an agent
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline show web
  gantline show web --json --on ada")]
pub(super) struct Args {
    /// The agent: its id or name
    agent: String,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let id = agent::find(&reached, &args.agent).await?;
    let all: Vec<Agent> = match args.json {
        true => Vec::new(),
        false => reached.json(Request::get("/v1/agents")).await?,
    };
    let agent: Agent = reached.json(Request::get(format!("/v1/agents/{id}"))).await?;
    match args.json {
        true => out::json(&agent)?,
        false => out::data(described(&agent, &all, SystemTime::now().into()))?,
    }
    Ok(Exit::Ok)
}

/// An agent and how it stands, in one line.
pub(super) fn briefly(agent: &Agent) -> String {
    let reason = agent.reason.as_deref().map(|why| format!(": {}", text::line(first_line(why))));
    format!("{}: {}{}", agent.agent_id, ps::state(agent), reason.unwrap_or_default())
}

/// The first line of a reason; what follows are the agent's own last lines.
pub(super) fn first_line(reason: &str) -> &str {
    reason.lines().next().unwrap_or_default()
}

/// Those of some words that are meant.
pub(super) fn these(words: &[&str], is_meant: impl Fn(&&str) -> bool) -> String {
    words.iter().copied().filter(|word| is_meant(word)).collect::<Vec<_>>().join(" and ")
}

fn described(agent: &Agent, all: &[Agent], now: Timestamp) -> String {
    let ago = |at: Timestamp| format!("{} ago", text::span(now.since(at)));
    let named = |id: AgentId| {
        let other = all.iter().find(|other| other.agent_id == id);
        let name = other.and_then(|other| other.name.as_ref());
        name.map_or_else(|| id.to_string(), |name| format!("{} ({id})", text::line(name.as_str())))
    };
    let plan = &agent.supervision;
    let mut rows: Vec<(&str, String)> = vec![("agent", agent.agent_id.to_string())];
    let mut row = |what, value: Option<String>| rows.extend(value.map(|value| (what, value)));
    row("name", agent.name.as_ref().map(|name| text::line(name.as_str())));
    row("state", Some(ps::state(agent)));
    row("why", agent.reason.as_deref().map(text::lines));
    row("problem", agent.problem.as_deref().map(text::line));
    let next = agent.next_start_at.map(|at| format!("in {}", text::span(at.since(now))));
    row("next start", next);
    // What was run once and has ended is to be nothing any more.
    let is_done = agent.state.is_final() && plan.restart == RestartPolicy::No;
    let desired = match agent.desired {
        Desired::Running => "running".to_owned(),
        Desired::Stopped => "stopped".to_owned(),
    };
    row("is to be", (!is_done).then_some(desired));
    row("pid", agent.pid.map(|pid| pid.to_string()));
    row("defined", Some(ago(agent.created_at)));
    row("started", agent.started_at.map(ago));
    row("ended", agent.ended_at.map(ago));
    row("last exit", agent.exit.map(|exit| agent::ending(Some(exit))));
    row("restarts", Some(agent.restarts.to_string()));
    row("command", Some(text::command(agent.argv.items())));
    row("shell", agent.shell.then(|| "yes".to_owned()));
    row("directory", agent.cwd.as_ref().map(|cwd| text::line(cwd.as_str())));
    row(
        "restart",
        Some(match plan.restart {
            RestartPolicy::No => "no".to_owned(),
            RestartPolicy::OnFailure => "on-failure".to_owned(),
            RestartPolicy::Always => "always".to_owned(),
        }),
    );
    let codes = plan.success_codes.codes().iter().map(ToString::to_string);
    row("success codes", Some(codes.collect::<Vec<_>>().join(", ")));
    let StopPlan { signal, grace_ms } = plan.stop;
    let signal = format!("{:?}", signal.signal()).to_uppercase();
    let grace = std::time::Duration::from_millis(grace_ms.get().into());
    row("stop", Some(format!("{signal}, and KILL after {} s", grace.as_secs_f64())));
    row("probe", plan.probe.as_ref().map(probe));
    let after = plan.depends_on.iter().map(|on| {
        let condition = match on.condition {
            DependencyCondition::Started => "started",
            DependencyCondition::Healthy => "healthy",
            DependencyCondition::Completed => "completed",
        };
        format!("{} is {condition}", named(on.agent_id))
    });
    let after = after.collect::<Vec<_>>().join(", ");
    row("starts after", (!after.is_empty()).then_some(after));
    row("limits", limits(plan.limits));
    let unenforced = agent.limits_not_enforced.as_deref();
    row("not enforced", unenforced.map(text::line));
    rows.into_iter().map(|(what, value)| written(what, &value)).collect()
}

/// A row; further lines of its value stand below its first.
fn written(what: &str, value: &str) -> String {
    let value = value.replace('\n', &format!("\n{:15}", ""));
    format!("{what:<15}{value}\n")
}

fn probe(probe: &Probe) -> String {
    let what = match &probe.check {
        ProbeCheck::Tcp { port } => format!("tcp:{port}"),
        ProbeCheck::Http { port, path } => format!("http:{port}{}", path.as_str()),
        ProbeCheck::Exec { argv } => format!("exec: {}", text::command(argv.items())),
        ProbeCheck::Line { text } => format!("line: {}", text::line(text.as_str())),
    };
    let pace = probe.pace;
    let seconds = |millis: u32| f64::from(millis) / 1000.0;
    let restarts = if pace.restarts { "; restarts it when unhealthy" } else { "" };
    format!(
        "{what}, every {} s within {} s; unhealthy after {}, healthy after {}, failures do not count \
         for {} s{restarts}",
        seconds(pace.interval_ms),
        seconds(pace.timeout_ms),
        pace.failures,
        pace.successes,
        seconds(pace.start_period_ms),
    )
}

fn limits(limits: ResourceLimits) -> Option<String> {
    let ResourceLimits { memory_mb, cpu_percent, pids } = limits;
    let all = [
        memory_mb.map(|mb| format!("{mb} MiB of memory")),
        cpu_percent.map(|percent| format!("{percent} % of a core")),
        pids.map(|pids| format!("{pids} processes")),
    ];
    let all: Vec<_> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(", "))
}
