//! `gantline exec`: runs a command on one machine as if it were here, or on several side by side.

mod machine;
mod many;
mod one;
mod tally;

use std::{num::NonZeroU32, time::Duration};

use gantline_protocol::api::ExecRequest;

use super::{
    Context,
    agent::What,
    failure::{Exit, Failure},
    reach::{self, Target},
};
use crate::gateway::book::Book;

/// Run a command, here or on several machines, and wait for it
///
/// On one machine, its output, errors and exit code are those of this program. On several, every
/// line tells its machine. The command has no input and no terminal; for one, see spawn. If the
/// way to a machine breaks, the command goes on there: `gantline logs` shows its output.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline exec --on ada -- uname -a
  gantline exec --all -- df -h /
  gantline exec --on ada,lin --timeout 30s --shell -- 'uptime | cut -c1-20'

With several machines the exit code is 0 if all went well, 130 if interrupted, else 4 if one timed
out, else 1 if one failed, else 3: some could not be reached.")]
pub(super) struct Args {
    /// The machines; this one if left out
    #[arg(long, value_name = "NAME[,NAME]", value_delimiter = ',')]
    on: Vec<String>,
    /// Every paired machine
    #[arg(long, conflicts_with = "on")]
    all: bool,
    /// Stop it after so long: a number and s, m, h or d
    #[arg(long, value_parser = super::agent::duration)]
    timeout: Option<Duration>,
    /// Print what happens as JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    what: What,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let client = context.reach.client()?;
    let mut targets = Vec::new();
    if args.all {
        let book = Book::load(&context.reach.home)?;
        if book.machines.is_empty() {
            return Err(Failure::usage("--all: no machine is paired").next(reach::paired(&book)));
        }
        targets.extend(book.machines.into_iter().map(|entry| Target::Paired(Box::new(entry))));
    } else if args.on.is_empty() {
        targets.push(context.reach.target(&client, None).await?);
    }
    for name in &args.on {
        let target = context.reach.target(&client, Some(name)).await?;
        if !targets.iter().any(|other| other.is_same(&target)) {
            targets.push(target);
        }
    }
    let timeout_ms = match args.timeout {
        None => None,
        Some(timeout) => Some(
            u32::try_from(timeout.as_millis())
                .ok()
                .and_then(NonZeroU32::new)
                .ok_or_else(|| Failure::usage("--timeout is out of bounds: 1 ms to 49 days"))?,
        ),
    };
    let request = ExecRequest { command: args.what.command()?, timeout_ms };
    match targets.as_slice() {
        [target] if !args.all && !args.json => {
            one::run(request, client, target.clone(), context).await
        }
        _ => many::run(request, client, targets, args.json, context).await,
    }
}
