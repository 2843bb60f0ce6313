//! `gantline start`: has an agent run.

use super::{
    Context,
    each::Named,
    failure::{Exit, Failure},
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
    #[command(flatten)]
    agents: Named,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let agents = args.agents.each("start", context).await?;
    let all_run = agents.iter().all(|agent| !agent.state.is_final());
    Ok(if all_run { Exit::Ok } else { Exit::Failed })
}
