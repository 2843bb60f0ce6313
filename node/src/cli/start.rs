//! `gantline start`: has an agent run.

use gantline_client::connection::Request;
use gantline_protocol::api::Agent;

use super::{
    Context, agent,
    failure::{Exit, Failure},
    out, show,
};

/// Start an agent that does not run
///
/// What went wrong before does not count any more. An agent that is being stopped is started when it
/// has ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline start web
  gantline start web --on ada")]
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
    let mut exit = Exit::Ok;
    for wanted in &args.agents {
        let id = agent::find(&reached, wanted).await?;
        let request = Request::post(format!("/v1/agents/{id}/start"), &serde_json::json!({}))?;
        let agent: Agent = reached.json(request).await?;
        if agent.state.is_final() {
            exit = Exit::Failed;
        }
        out::say(show::briefly(&agent));
    }
    Ok(exit)
}
