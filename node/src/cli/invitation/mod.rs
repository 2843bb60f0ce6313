//! `gantline invitation`: the links that still let somebody in.

mod list;
mod revoke;

use super::{
    Context,
    failure::{Exit, Failure},
};

/// List or withdraw invitations, which `gantline pair --link` makes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline invitation list
  gantline invitation revoke 1724369001")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(list::Args),
    Revoke(revoke::Args),
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.verb {
        Verb::List(args) => list::run(args, context).await,
        Verb::Revoke(args) => revoke::run(args, context).await,
    }
}
