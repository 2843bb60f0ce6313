//! `gantline-relay machines`: who has joined.

use clap::Args;
use gantline_protocol::Timestamp;
use gantline_relay::{
    registry::{Machine, Registry, SqliteRegistry},
    state::StateDir,
};
use serde::Serialize;

use super::{Place, output};

#[derive(Debug, Args)]
pub(super) struct Machines {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A machine in the list, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    machine_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    account: String,
    version: String,
    enrolled_at: Timestamp,
    last_seen_at: Timestamp,
}

impl Machines {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        let registry = SqliteRegistry::open(&StateDir::open_existing(&place.path()?)?).await?;
        let machines = registry.machines().await;
        registry.close().await;
        let listed: Vec<_> = machines?.into_iter().map(Listed::from).collect();
        if self.json {
            return output::json(&listed);
        }
        let rows: Vec<_> = listed
            .into_iter()
            .map(|machine| {
                let (joined, seen) =
                    (output::time(machine.enrolled_at), output::time(machine.last_seen_at));
                let alias = machine.alias.unwrap_or_else(|| "-".to_owned());
                [machine.machine_id, alias, machine.version, joined, seen]
            })
            .collect();
        output::table(["MACHINE", "ALIAS", "VERSION", "JOINED", "LAST SEEN"], &rows)
    }
}

impl From<Machine> for Listed {
    fn from(machine: Machine) -> Self {
        Self {
            machine_id: machine.id.to_string(),
            alias: machine.alias.map(|alias| alias.to_string()),
            account: machine.account,
            version: machine.version,
            enrolled_at: machine.enrolled_at,
            last_seen_at: machine.last_seen_at,
        }
    }
}
