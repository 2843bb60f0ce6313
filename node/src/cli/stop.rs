//! `gantline stop`: has an agent not run.

use super::{
    Context,
    each::Named,
    failure::{Exit, Failure},
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
    #[command(flatten)]
    agents: Named,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    args.agents.each("stop", context).await?;
    Ok(Exit::Ok)
}
