//! `gantline restart`: has another process take the place of an agent's.

use gantline_client::connection::Request;
use gantline_protocol::api::Agent;

use super::{
    Context, agent,
    failure::{Exit, Failure},
    out, show,
};

/// Stop an agent, and start it anew
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline restart web
  gantline restart web worker --on ada")]
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
        let request = Request::post(format!("/v1/agents/{id}/restart"), &serde_json::json!({}))?;
        let agent: Agent = reached.json(request).await?;
        if agent.state.is_final() {
            exit = Exit::Failed;
        }
        out::say(show::briefly(&agent));
    }
    Ok(exit)
}
