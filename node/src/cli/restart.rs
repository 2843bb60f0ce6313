//! `gantline restart`: has another process take the place of an agent's.

use super::{
    Context,
    each::Named,
    failure::{Exit, Failure},
};

/// Stop an agent, and start it anew
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline restart web
  gantline restart web worker --on ada")]
pub(super) struct Args {
    #[command(flatten)]
    agents: Named,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let agents = args.agents.each("restart", context).await?;
    let all_run = agents.iter().all(|agent| !agent.state.is_final());
    Ok(if all_run { Exit::Ok } else { Exit::Failed })
}
