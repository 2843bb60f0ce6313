//! `gantline device list`.

use std::time::SystemTime;

use gantline_protocol::{Timestamp, api::Device};

use crate::cli::{
    Context,
    failure::{Exit, Failure},
    out, text,
};

/// List the devices that may reach a machine
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gantline device list --json")]
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
    let devices = super::devices(&reached).await?;
    if args.json {
        out::json(&devices)?;
    } else if devices.is_empty() {
        out::say("no device is paired; let one in with `gantline pair`");
    } else {
        out::data(table(&devices))?;
    }
    Ok(Exit::Ok)
}

fn table(devices: &[Device]) -> String {
    let now = Timestamp::from(SystemTime::now());
    let ago = |then| format!("{} ago", text::span(now.since(then)));
    let mut rows =
        vec![["NAME", "ROLE", "PAIRED", "LAST SEEN", "DEVICE"].map(str::to_owned).to_vec()];
    for device in devices {
        rows.push(vec![
            text::cut(device.name.as_str(), 32),
            format!("{:?}", device.role).to_lowercase(),
            ago(device.created_at),
            match (device.last_seen, device.pending) {
                (Some(seen), _) => ago(seen),
                (None, true) => "pending".to_owned(),
                (None, false) => "never".to_owned(),
            },
            device.device_id.to_string(),
        ]);
    }
    text::columns(&rows)
}
