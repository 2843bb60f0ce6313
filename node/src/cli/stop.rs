//! `gantline stop`: has an agent not run.

use gantline_client::connection::Request;
use gantline_protocol::api::Agent;

use super::{
    Context, agent,
    failure::{Exit, Failure},
    out, show,
};

/// Stop an agent: it is asked to end, and killed with all that it started if it has not in time
///
/// It is not started again by itself, whatever its restart policy. Which signal asks it and how long
/// it may take is its own: see `gantline set`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline stop web
  gantline stop web worker --on ada
  gantline kill web -9              end it at once; a restart policy may start it again")]
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
        let request = Request::post(format!("/v1/agents/{id}/stop"), &serde_json::json!({}))?;
        let agent: Agent = reached.json(request).await?;
        out::say(show::briefly(&agent));
    }
    Ok(Exit::Ok)
}
