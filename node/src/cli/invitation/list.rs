//! `gantline invitation list`.

use std::time::SystemTime;

use gantline_client::connection::Request;
use gantline_protocol::{Timestamp, api::Invitation};

use crate::cli::{
    Context,
    failure::{Exit, Failure},
    out, text,
};

/// List the invitations that still work
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gantline invitation list")]
pub(super) struct Args {
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let invitations: Vec<Invitation> = reached.json(Request::get("/v1/invitations")).await?;
    if args.json {
        out::json(&invitations)?;
        return Ok(Exit::Ok);
    }
    if invitations.is_empty() {
        out::say("no invitation is open; make one with `gantline pair --link`");
        return Ok(Exit::Ok);
    }
    let now = Timestamp::from(SystemTime::now());
    let mut rows =
        vec![["INVITATION", "ROLE", "USES LEFT", "EXPIRES IN"].map(str::to_owned).to_vec()];
    for invitation in &invitations {
        rows.push(vec![
            invitation.invitation_id.0.to_string(),
            format!("{:?}", invitation.role).to_lowercase(),
            invitation.uses_left.to_string(),
            text::span(invitation.expires_at.since(now)),
        ]);
    }
    out::data(text::columns(&rows))?;
    Ok(Exit::Ok)
}
