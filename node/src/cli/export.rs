//! `gantline export`: writes down what agents are, in a file that `gantline apply` takes.

use gantline_client::connection::Request;
use gantline_protocol::api::{Agent, AgentSource};

use super::{
    Context, agent,
    apply::definition,
    failure::{Exit, Failure},
    out,
};

/// Write agents down as a definition file, for `gantline apply`
///
/// What has the usual value is left out. Environments are never in it, since a machine does not tell
/// them: write `env` into the file yourself, or leave it out and an agent keeps what it has.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline export > agents.toml
  gantline export --on ada web db")]
pub(super) struct Args {
    /// Agents by id or name; all if left out
    agents: Vec<String>,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let all: Vec<Agent> = reached.json(Request::get("/v1/agents")).await?;
    let mut chosen = Vec::new();
    for wanted in &args.agents {
        let id = agent::find(&reached, wanted).await?;
        chosen.extend(all.iter().filter(|agent| agent.agent_id == id));
    }
    if args.agents.is_empty() {
        chosen.extend(all.iter().filter(|agent| agent.source != AgentSource::Exec));
    }
    let file = definition::write(&chosen, &all)
        .map_err(|error| Failure::failed(format!("these agents can't be written down: {error}")))?;
    out::data(file)?;
    Ok(Exit::Ok)
}
