//! `gantline rm`: forgets an agent that has ended, with its output.

use gantline_client::connection::Request;

use super::{
    Context, agent,
    failure::{Exit, Failure},
    out,
};

/// Forget an agent that has ended, and delete its output
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gantline rm ag-x7k2p")]
pub(super) struct Args {
    /// The agent: its id or name
    agent: String,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let id = agent::find(&reached, &args.agent).await?;
    reached.request(Request::delete(format!("/v1/agents/{id}"))).await?;
    out::say(format!("{id}: removed"));
    Ok(Exit::Ok)
}
