//! `gantline spawn`: starts an agent.

use gantline_client::connection::Request;
use gantline_protocol::{
    Name,
    api::{Agent, LogMb, ScrollbackKb, SpawnRequest},
};

use super::{
    Context,
    agent::{self, What},
    attach,
    care::Care,
    failure::{Exit, Failure},
    out, show, text,
};

/// Start an agent: a command in a terminal that stays when you leave
///
/// Prints its id, by which `attach`, `logs` and `kill` know it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline spawn --attach -- bash
  gantline spawn --on ada --name build --cwd src -e CI=1 -- make all
  gantline spawn --name db --restart always --probe tcp:5432 -- postgres -D data
  gantline spawn --name web --restart on-failure --after db:healthy --memory 512M -- ./web
  gantline spawn --shell -- 'make all 2>&1 | tee log'")]
pub(super) struct Args {
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// What people call the agent
    #[arg(long)]
    name: Option<Name>,
    /// Keep so many KiB of its output in memory; 4096 if left out
    #[arg(long, value_name = "KIB")]
    scrollback_kb: Option<ScrollbackKb>,
    /// Keep so many MiB of its output on the disk beyond that; 128 if left out
    #[arg(long, value_name = "MIB")]
    log_mb: Option<LogMb>,
    /// Attach to it at once
    #[arg(short, long, conflicts_with = "json")]
    attach: bool,
    /// Print the agent as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    care: Care,
    #[command(flatten)]
    what: What,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let request = SpawnRequest {
        command: args.what.command()?,
        name: args.name,
        size: agent::terminal_size(),
        scrollback_kb: args.scrollback_kb,
        log_mb: args.log_mb,
        supervision: args.care.whole(&reached).await?,
        applied: false,
    };
    let agent: Agent = reached.json(Request::post("/v1/agents", &request)?).await?;
    if args.attach {
        return attach::to(reached, agent.agent_id, attach::Mode::Drive, context).await;
    }
    if args.json {
        out::json(&agent)?;
    } else {
        out::data(format!("{}\n", agent.agent_id))?;
        if let Some(reason) = &agent.reason {
            out::say(format!("{}: {}", agent.agent_id, text::line(show::first_line(reason))));
        }
    }
    Ok(Exit::Ok)
}
