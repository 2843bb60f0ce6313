//! `gantline-relay token`: lets machines join. Works beside a running relay and without one.

use std::{
    num::NonZeroU16,
    time::{Duration, SystemTime},
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use gantline_protocol::{HostName, RelayAddress, Timestamp, link::JoinLink};
use gantline_relay::{
    config::PORT,
    registry::{Registry, SqliteRegistry, TokenEntry, TokenId, TokenOrder},
    state::StateDir,
};
use serde::Serialize;

use super::{Place, duration::duration, output};

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token, and print it as a link for `gantline up --join`
    Create(Create),
    /// List the tokens. What they are is not kept, only what they do
    List(List),
    /// Make a token worthless. Machines that have joined by it stay
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// How many machines may join by it
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    uses: u32,
    /// How long it is good
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "24h")]
    expires: Duration,
    /// What it is for, for your own list
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
    /// The relay's name in the link, in place of its first
    #[arg(long, value_name = "NAME")]
    host: Option<HostName>,
    /// The relay's port in the link, in place of the one that it was last served on
    #[arg(long, value_name = "PORT")]
    port: Option<NonZeroU16>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The token's id, as `token list` shows it
    #[arg(value_name = "ID")]
    id: TokenId,
}

/// A new token, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    id: String,
    link: String,
    relay: String,
    uses: u32,
    expires_at: Timestamp,
    label: String,
}

/// A token in a list, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    label: String,
    state: &'static str,
    uses: u32,
    max_uses: u32,
    created_at: Timestamp,
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

impl Token {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(place).await,
            Self::List(list) => list.run(place).await,
            Self::Revoke(revoke) => revoke.run(place).await,
        }
    }
}

impl Create {
    async fn run(self, place: &Place) -> anyhow::Result<()> {
        let state = StateDir::open(&place.path()?)?;
        let served = state.served()?;
        let (domains, port) = match served {
            Some(served) => (served.domains, served.port),
            None => {
                output::note(
                    "note: no relay was served with this state yet; the link supposes what \
                     `gantline-relay serve` does without flags",
                );
                let port = NonZeroU16::new(PORT).context("the default port is none")?;
                (vec!["localhost".parse()?], port)
            }
        };
        let host = match (self.host, domains.first()) {
            (Some(host), _) => host,
            (None, Some(first)) => first.clone(),
            (None, None) => bail!("the relay was served without a name: give one with --host"),
        };
        if !domains.contains(&host) {
            output::note(&format!(
                "warning: the relay was last served without the name {host}; start it with \
                 --domain {host}, or nodes are turned away"
            ));
        }
        let pin = Some(state.identity(&domains)?.pin());
        let relay = RelayAddress { host, port: self.port.unwrap_or(port), pin };
        let order = TokenOrder { uses: self.uses, life: self.expires, label: self.label };
        let (token, entry) = order.fill(SystemTime::now().into())?;
        let registry = SqliteRegistry::open(&state).await?;
        let added = registry.add_token(&entry).await;
        registry.close().await;
        added?;
        let join = JoinLink { relay, token };
        if self.json {
            return output::json(&Created {
                id: entry.id.to_string(),
                link: join.to_string(),
                relay: join.relay.to_string(),
                uses: entry.max_uses,
                expires_at: entry.expires_at,
                label: entry.label,
            });
        }
        output::line(&join.to_string())?;
        let machines = match entry.max_uses {
            1 => "1 machine".to_owned(),
            uses => format!("{uses} machines"),
        };
        output::note(&format!(
            "{id} admits {machines} until {until}. On the machine, run:\n  \
             gantline up --join <link>",
            id = entry.id,
            until = output::time(entry.expires_at),
        ));
        Ok(())
    }
}

impl List {
    async fn run(self, place: &Place) -> anyhow::Result<()> {
        let registry = SqliteRegistry::open(&StateDir::open_existing(&place.path()?)?).await?;
        let tokens = registry.tokens().await;
        registry.close().await;
        let now = SystemTime::now().into();
        let listed: Vec<_> = tokens?.into_iter().map(|token| Listed::new(token, now)).collect();
        if self.json {
            return output::json(&listed);
        }
        let rows: Vec<_> = listed
            .into_iter()
            .map(|token| {
                let uses = format!("{}/{}", token.uses, token.max_uses);
                let until = output::time(token.expires_at);
                [token.id, token.state.to_owned(), uses, until, token.label]
            })
            .collect();
        output::table(["ID", "STATE", "USES", "EXPIRES", "LABEL"], &rows)
    }
}

impl Listed {
    fn new(token: TokenEntry, now: Timestamp) -> Self {
        let state = match token.revoked_at {
            Some(_) => "revoked",
            None if token.expires_at <= now => "expired",
            None if token.uses >= token.max_uses => "used",
            None => "good",
        };
        Self {
            id: token.id.to_string(),
            label: token.label,
            state,
            uses: token.uses,
            max_uses: token.max_uses,
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}

impl Revoke {
    async fn run(self, place: &Place) -> anyhow::Result<()> {
        let registry = SqliteRegistry::open(&StateDir::open_existing(&place.path()?)?).await?;
        let revoked = registry.revoke_token(&self.id, SystemTime::now().into()).await;
        registry.close().await;
        if !revoked? {
            bail!("there is no token {}. `gantline-relay token list` shows them", self.id);
        }
        output::note(&format!("{} admits nobody any more.", self.id));
        Ok(())
    }
}
