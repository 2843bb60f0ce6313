//! `gantline identity show`.

use gantline_protocol::MachineId;
use serde::Serialize;

use crate::{
    cli::{
        Context,
        failure::{Exit, Failure},
        out,
    },
    state::identity,
};

/// Show the machine id, whether a node runs or not
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gantline identity show --json")]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    machine_id: MachineId,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let files = context.reach.home.state_files();
    let machine_id = identity::machine_id(&files)?.ok_or_else(|| {
        Failure::failed("this machine has no identity yet")
            .next("`gantline up` makes one when it first starts")
    })?;
    match args.json {
        true => out::json(&Shown { machine_id })?,
        false => out::data(format!("{machine_id}\n"))?,
    }
    Ok(Exit::Ok)
}
