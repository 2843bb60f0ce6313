//! `gantline device`: the devices that may reach a machine.

mod list;
mod revoke;
mod verify;

use gantline_client::connection::Request;
use gantline_protocol::api::Device;

use super::{
    Context,
    failure::{Exit, Failure},
    reach::Reached,
};

/// List, revoke or verify the devices that may reach a machine
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline device list
  gantline device revoke old-laptop
  gantline device verify --on ada")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(list::Args),
    Revoke(revoke::Args),
    Verify(verify::Args),
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.verb {
        Verb::List(args) => list::run(args, context).await,
        Verb::Revoke(args) => revoke::run(args, context).await,
        Verb::Verify(args) => verify::run(args, context).await,
    }
}

async fn devices(reached: &Reached) -> Result<Vec<Device>, Failure> {
    reached.json(Request::get("/v1/devices")).await
}
