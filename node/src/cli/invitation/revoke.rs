//! `gantline invitation revoke`.

use gantline_client::connection::Request;

use crate::cli::{
    Context,
    failure::{Exit, Failure},
    out,
};

/// Withdraw an invitation; devices that it has paired stay
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gantline invitation revoke 1724369001")]
pub(super) struct Args {
    /// Its number, as `gantline invitation list` shows it
    invitation: u32,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    reached.request(Request::delete(format!("/v1/invitations/{}", args.invitation))).await?;
    out::say(format!("{}: withdrawn", args.invitation));
    Ok(Exit::Ok)
}
