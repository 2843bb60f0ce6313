//! `gantline rm`: forgets agents that have ended, with their output.

use gantline_client::connection::Request;

use super::{
    Context, agent,
    failure::{Exit, Failure},
    out,
};

/// Forget agents that have ended, and delete their output
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline rm ag-x7k2p
  gantline rm build test --on ada")]
pub(super) struct Args {
    /// The agents: their ids or names
    #[arg(required = true, value_name = "AGENT")]
    agents: Vec<String>,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    for wanted in &args.agents {
        let id = agent::find(&reached, wanted).await?;
        reached.request(Request::delete(format!("/v1/agents/{id}"))).await?;
        out::say(format!("{id}: removed"));
    }
    Ok(Exit::Ok)
}
