//! `gantline status`: how the node of this machine is doing.

use std::time::{Duration, SystemTime};

use gantline_client::connection::Request;
use gantline_protocol::{
    Timestamp,
    api::{LinkState, Machine, Status},
};
use serde::Serialize;

use super::{
    Context,
    failure::{Exit, Failure},
    out, text,
};

/// Show how a node is doing, and how it can be reached
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline status
  gantline status --on ada --json")]
pub(super) struct Args {
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    machine: Machine,
    #[serde(flatten)]
    status: Status,
    /// How this program reached it.
    path: String,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let machine: Machine = reached.json(Request::get("/v1/machine")).await?;
    let status: Status = reached.json(Request::get("/v1/status")).await?;
    let path = reached.connection.path().to_string();
    let shown = Shown { machine, status, path };
    if args.json {
        out::json(&shown)?;
    } else {
        out::data(page(&shown))?;
    }
    Ok(Exit::Ok)
}

fn page(Shown { machine, status, path }: &Shown) -> String {
    let uptime = text::span(Duration::from_millis(status.uptime_ms));
    let mut rows = vec![
        [
            "machine".to_owned(),
            format!("{} ({})", text::line(machine.name.as_str()), machine.machine_id),
        ],
        [
            "version".to_owned(),
            format!(
                "{} on {}, {}",
                text::line(&status.version),
                text::line(&machine.os),
                text::line(&machine.arch)
            ),
        ],
        ["up for".to_owned(), uptime],
        ["your role".to_owned(), format!("{:?}", machine.role).to_lowercase()],
        ["reached by".to_owned(), text::line(path)],
        [
            "loopback".to_owned(),
            status.loopback.as_deref().map_or_else(|| "closed".to_owned(), text::line),
        ],
    ];
    let now = Timestamp::from(SystemTime::now());
    for link in &status.links {
        let state = match link.state {
            LinkState::Connecting => "connecting",
            LinkState::Up => "up",
            LinkState::Down => "down",
            LinkState::Refused => "refused",
            LinkState::Other => "in a state unknown here",
        };
        let mut what = format!("{}  {state} for {}", link.host, text::span(now.since(link.since)));
        if let Some(error) = &link.last_error {
            what.push_str(&format!("; last: {}", text::line(error)));
        }
        rows.push(["relay".to_owned(), what]);
    }
    if status.links.is_empty() {
        rows.push(["relay".to_owned(), "none; join one with `gantline up --join LINK`".to_owned()]);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    text::columns(&rows)
}
