//! One act on each of the agents that a person names: `start`, `stop`, `restart`.

use gantline_client::connection::Request;
use gantline_protocol::api::Agent;

use super::{Context, agent, failure::Failure, out, show};

/// The agents that are meant, and where they are.
#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// The agents: their ids or names
    #[arg(required = true, value_name = "AGENT")]
    agents: Vec<String>,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
}

impl Named {
    /// Does `act`, which the API has a path for, to one after the other, and says how each stands
    /// then. The first that fails ends it.
    pub(super) async fn each(&self, act: &str, context: &Context) -> Result<Vec<Agent>, Failure> {
        let reached = context.reach.machine(self.on.as_deref()).await?;
        let mut agents = Vec::new();
        for wanted in &self.agents {
            let id = agent::find(&reached, wanted).await?;
            let path = format!("/v1/agents/{id}/{act}");
            let agent = reached.json(Request::post(path, &serde_json::json!({}))?).await?;
            out::say(show::briefly(&agent));
            agents.push(agent);
        }
        Ok(agents)
    }
}
