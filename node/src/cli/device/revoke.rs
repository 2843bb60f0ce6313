//! `gantline device revoke`.

use gantline_client::connection::Request;

use crate::cli::{
    Context,
    failure::{Exit, Failure},
    out,
};

/// Remove a device; its sessions end at once
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gantline device revoke old-laptop")]
pub(super) struct Args {
    /// The device: its name, its id, or the beginning of the id
    device: String,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let devices = super::devices(&reached).await?;
    let device = super::choose(&devices, &args.device)?;
    reached.request(Request::delete(format!("/v1/devices/{device}"))).await?;
    out::say(format!("{device}: removed; to let it in again: gantline pair"));
    Ok(Exit::Ok)
}
