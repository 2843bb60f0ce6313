//! `gantline identity`: the key that names this machine.

mod reset;
mod show;

use super::{
    Context,
    failure::{Exit, Failure},
};

/// Show which machine this is, or make it another one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline identity show
  gantline identity reset --yes")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Show(show::Args),
    Reset(reset::Args),
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Show(args) => show::run(args, context),
        Verb::Reset(args) => reset::run(args, context),
    }
}
