//! `gantline status`: how the node of this machine is doing.

use std::time::{Duration, SystemTime};

use gantline_client::{Connection, connection::Request};
use gantline_protocol::{
    Timestamp,
    api::{Carrier, LinkState, LinkStatus, Machine, Status},
};
use serde::Serialize;
use tokio::time::timeout;

use super::{
    Context,
    failure::{Exit, Failure},
    out, text,
};

/// How long the machine has to answer a sign of life.
const PATIENCE: Duration = Duration::from_secs(2);

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
#[serde(rename_all = "camelCase")]
struct Shown {
    machine: Machine,
    #[serde(flatten)]
    status: Status,
    /// How this program reached it.
    path: String,
    /// What carried it to the relay, if it went through one.
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<Carrier>,
    /// The round trip from here to the machine, in microseconds; not by its own socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<u64>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let machine: Machine = reached.json(Request::get("/v1/machine")).await?;
    let status: Status = reached.json(Request::get("/v1/status")).await?;
    let path = reached.connection.path().to_string();
    let carrier = reached.connection.carrier();
    let rtt_us = round_trip(&reached.connection).await;
    let shown = Shown { machine, status, path, carrier, rtt_us };
    if args.json {
        out::json(&shown)?;
    } else {
        out::data(page(&shown))?;
    }
    Ok(Exit::Ok)
}

/// How long a session's sign of life takes, there and back.
async fn round_trip(connection: &Connection) -> Option<u64> {
    let session = connection.session()?;
    let mut measured = session.round_trip();
    session.ping();
    let measured = timeout(PATIENCE, measured.wait_for(Option::is_some)).await.ok()?.ok()?;
    measured.and_then(|time| u64::try_from(time.as_micros()).ok())
}

fn page(Shown { machine, status, path, carrier, rtt_us }: &Shown) -> String {
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
        [
            "reached by".to_owned(),
            [Some(text::line(path)), carrier.map(|carrier| by(carrier).to_owned())]
                .into_iter()
                .flatten()
                .chain(rtt_us.map(|rtt| format!("round trip {}", text::millis(rtt))))
                .collect::<Vec<_>>()
                .join(", "),
        ],
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
        rows.push(["relay".to_owned(), relay(link, state, now)]);
    }
    if status.links.is_empty() {
        rows.push(["relay".to_owned(), "none; join one with `gantline up --join LINK`".to_owned()]);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    text::columns(&rows)
}

/// One link: by what it goes, for how long, and why the one before has ended.
fn relay(link: &LinkStatus, state: &str, now: Timestamp) -> String {
    let carrier = link.carrier.map(|carrier| format!(" {}", by(carrier))).unwrap_or_default();
    let mut what =
        format!("{}  {state}{carrier} for {}", link.host, text::span(now.since(link.since)));
    if let Some(rtt) = link.rtt_us {
        what.push_str(&format!(", round trip {}", text::millis(rtt)));
    }
    if let (Some(at), LinkState::Down | LinkState::Refused) = (link.next_try_at, link.state) {
        what.push_str(&format!(", next try in {}", text::span(at.since(now))));
    }
    if let Some(error) = &link.last_error {
        let ago = link.last_error_at.map(|at| text::span(now.since(at)));
        let ago = ago.map(|ago| format!(" {ago} ago")).unwrap_or_default();
        what.push_str(&format!("; last{ago}: {}", text::line(error)));
    }
    what
}

const fn by(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Quic => "by QUIC",
        Carrier::WebSocket => "by WebSocket",
        Carrier::Other => "by a carrier unknown here",
    }
}
