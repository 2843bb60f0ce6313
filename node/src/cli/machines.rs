//! `gantline machines`: the machines that this user is paired with.

use std::time::{Duration, Instant};

use gantline_client::{Client, Path, connection::Request};
use gantline_protocol::{Alias, MachineId, Name, RelayAddress, Role, Timestamp, api::Machine};
use serde::Serialize;
use tokio::{task::JoinSet, time::timeout};

use super::{
    Context,
    failure::{Exit, Failure},
    out,
    reach::{self, MAX_ANSWER},
    text,
};
use crate::gateway::book::{Book, Entry};

/// How long a machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// List the machines that this user is paired with
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline machines
  gantline machines --check   also whether they answer, on which path, and how fast")]
pub(super) struct Args {
    /// Reach each of them, and say on which path and how fast
    #[arg(long)]
    check: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    machine_id: MachineId,
    name: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<Alias>,
    role: Role,
    relays: Vec<RelayAddress>,
    paired_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    #[serde(flatten)]
    checked: Option<Checked>,
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Checked {
    Connected { path: &'static str, rtt_ms: f64 },
    Offline { error: String },
    Revoked,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let book = Book::load(&context.reach.home)?;
    let mut rows: Vec<Row> = book.machines.iter().map(row).collect();
    if args.check {
        check(&book, &mut rows, context).await?;
    }
    if args.json {
        out::json(&rows)?;
    } else if rows.is_empty() {
        out::say(reach::paired(&book));
    } else {
        out::data(table(&rows, args.check))?;
    }
    let is_away = |row: &Row| matches!(row.checked, Some(Checked::Offline { .. }));
    Ok(if rows.iter().any(is_away) { Exit::Unreachable } else { Exit::Ok })
}

fn row(entry: &Entry) -> Row {
    let machine = &entry.machine;
    Row {
        machine_id: machine.machine_id,
        name: machine.name.clone(),
        alias: entry.alias.clone(),
        role: machine.role,
        relays: machine.relays.clone(),
        paired_at: machine.paired_at,
        revoked_at: entry.revoked_at,
        checked: None,
    }
}

/// Reaches all of them at once.
async fn check(book: &Book, rows: &mut [Row], context: &Context) -> Result<(), Failure> {
    let client = context.reach.client()?;
    let mut checks = JoinSet::new();
    for (place, entry) in book.machines.iter().enumerate() {
        // A path that was asked for and is not there is a failure of this machine alone.
        let paths = context.reach.paths(entry);
        let (client, entry, home) = (client.clone(), entry.clone(), context.reach.home.clone());
        checks.spawn(async move {
            let paths = match paths {
                Ok(paths) => paths,
                Err(failure) => {
                    return (place, Checked::Offline { error: failure.to_string() }, None);
                }
            };
            let late = || Failure::new(Exit::TimedOut, "it did not answer in time");
            match timeout(PATIENCE, answer(&client, &entry, &paths)).await {
                Ok(Ok((checked, alias))) => (place, checked, Some(alias)),
                Ok(Err(Away::Revoked)) => {
                    reach::revoked(&home, &entry);
                    (place, Checked::Revoked, None)
                }
                Ok(Err(Away::Failed(failure))) => {
                    (place, Checked::Offline { error: failure.to_string() }, None)
                }
                Err(_) => (place, Checked::Offline { error: late().to_string() }, None),
            }
        });
    }
    while let Some(done) = checks.join_next().await {
        let (place, checked, alias) = done.map_err(Failure::failed)?;
        if let Some(row) = rows.get_mut(place) {
            row.checked = Some(checked);
            if let Some(alias) = alias {
                row.alias = alias;
            }
        }
    }
    remember(rows, context)
}

enum Away {
    Revoked,
    Failed(Failure),
}

async fn answer(
    client: &Client,
    entry: &Entry,
    paths: &[Path],
) -> Result<(Checked, Option<Alias>), Away> {
    let connection =
        client.connect(&entry.machine, paths).await.map_err(|error| Away::Failed(error.into()))?;
    let failed = |error: gantline_client::RequestError| match error.is_revoked() {
        true => Away::Revoked,
        false => Away::Failed(error.into()),
    };
    let asked = connection.request(Request::get("/v1/machine")).await.map_err(failed)?;
    let machine: Machine = asked.json(MAX_ANSWER).await.map_err(failed)?;
    // The second answer alone: the first one may have waited for the session.
    let before = Instant::now();
    let again = connection.request(Request::get("/v1/machine")).await.map_err(failed)?;
    again.whole(MAX_ANSWER).await.map_err(failed)?;
    let rtt_ms = (before.elapsed().as_secs_f64() * 1e5).round() / 100.0;
    let path = match connection.path() {
        Path::Unix(_) => "unix",
        Path::Loopback(_) => "loopback",
        Path::Relay(_) => "relay",
    };
    connection.close().await;
    Ok((Checked::Connected { path, rtt_ms }, machine.alias))
}

/// Keeps what the machines said of themselves. One that answers has not removed this device.
fn remember(rows: &[Row], context: &Context) -> Result<(), Failure> {
    Book::change(&context.reach.home, |book| {
        for row in rows {
            if let Some(Checked::Connected { path, .. }) = &row.checked
                && let Some(entry) = book.by_id_mut(row.machine_id)
            {
                entry.alias.clone_from(&row.alias);
                if *path != "unix" {
                    entry.revoked_at = None;
                }
            }
        }
        Ok(())
    })
}

fn table(rows: &[Row], checked: bool) -> String {
    let mut head = vec!["NAME", "ALIAS", "ROLE", "MACHINE", "RELAY"];
    if checked {
        head.extend(["STATE", "PATH", "RTT"]);
    }
    let mut table = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for row in rows {
        let relays: Vec<_> =
            row.relays.iter().map(|relay| format!("{}:{}", relay.host, relay.port)).collect();
        let mut cells = vec![
            text::cut(row.name.as_str(), 24),
            row.alias.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            format!("{:?}", row.role).to_lowercase(),
            row.machine_id.to_string(),
            if relays.is_empty() { "-".to_owned() } else { relays.join(",") },
        ];
        match &row.checked {
            Some(Checked::Connected { path, rtt_ms }) => {
                cells.extend(["connected".into(), (*path).into(), format!("{rtt_ms} ms")]);
            }
            Some(Checked::Offline { error }) => {
                cells.extend(["offline".into(), text::cut(&error.replace('\n', "; "), 100)]);
            }
            Some(Checked::Revoked) => cells.push("revoked".into()),
            None if row.revoked_at.is_some() => cells.push("(revoked)".into()),
            None => {}
        }
        table.push(cells);
    }
    text::columns(&table)
}
