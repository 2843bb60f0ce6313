//! Everything of a node but its API, for which stand sinks and sources; and a crowd of nodes that
//! only hold their links.

use std::{ops::Range, path::Path};

use anyhow::Result;
use axum::{
    Router,
    body::Body,
    extract::Query,
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::StreamExt;
use gantline_crypto::StaticKey;
use gantline_node::{
    config::RelayConfig,
    door::{Devices, Door, Nameplate, Sessions},
    events::Events,
    state::Home,
    uplink::{Identity, Tokens, Uplinks},
};
use gantline_protocol::{Role, api::LinkState, link::JoinLink};
use gantline_transport::{Carriers, Dialer, quic::Timing};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::Deserialize;

use crate::{part::ready, ways::CHUNK};

pub(crate) async fn node(home: &Path, join: &str, carrier: &str) -> Result<()> {
    let router = Router::new()
        .route("/sink", post(count))
        .route("/source", get(source))
        .route("/echo", post(|body: Body| async { body }));
    let node = Node::start(home, &join.parse()?, carrier.parse()?, router)?;
    node.linked().await?;
    let code = node.devices.mint_code(Role::Owner)?.code.to_string().replace(' ', "-");
    ready(&format!("{code} {}", node.address)).await
}

/// Nodes with a link each, all of one process.
pub(crate) async fn crowd(
    homes: &Path,
    join: &str,
    carrier: &str,
    which: Range<usize>,
) -> Result<()> {
    let (join, carriers) = (join.parse()?, carrier.parse()?);
    let mut nodes = Vec::new();
    for number in which {
        nodes.push(Node::start(&homes.join(format!("{number}")), &join, carriers, Router::new())?);
    }
    for node in &nodes {
        node.linked().await?;
    }
    ready("linked").await
}

struct Node {
    address: String,
    devices: Devices,
    uplinks: Uplinks,
    events: Events,
}

impl Node {
    fn start(home: &Path, join: &JoinLink, carriers: Carriers, router: Router) -> Result<Self> {
        let home = Home::below(home)?;
        let events = Events::new();
        let key = StaticKey::generate(&mut UnwrapErr(SysRng));
        let address = format!("{}.{}", key.public().machine_id(), join.relay);
        let relays = vec![join.relay.clone()];
        let nameplate =
            Nameplate { key: key.clone(), name: "bench".parse()?, relays: relays.clone() };
        let sessions = Sessions::default();
        let devices =
            Devices::load(nameplate.clone(), home.state_files(), events.clone(), sessions.clone())?;
        let door = Door::new(nameplate, devices.clone(), sessions, router);
        let tokens = Tokens::load(home.state_files())?;
        tokens.keep(join)?;
        let dialer = Dialer::new(Timing::default(), carriers)?;
        let relays: Vec<_> = relays.into_iter().map(RelayConfig::from).collect();
        let identity = Identity { key, alias: None };
        let uplinks = Uplinks::start(&relays, &identity, &dialer, &tokens, &door, &events);
        Ok(Self { address, devices, uplinks, events })
    }

    async fn linked(&self) -> Result<()> {
        let mut changes = self.events.listen(None);
        while self.uplinks.statuses().iter().any(|link| link.state != LinkState::Up) {
            changes.next().await;
        }
        Ok(())
    }
}

async fn count(body: Body) -> String {
    let mut body = body.into_data_stream();
    let mut total = 0;
    while let Some(Ok(chunk)) = body.next().await {
        total += chunk.len();
    }
    total.to_string()
}

#[derive(Deserialize)]
struct Wanted {
    bytes: usize,
}

async fn source(Query(wanted): Query<Wanted>) -> Body {
    let chunk = Bytes::from(vec![7; CHUNK]);
    let pieces = (0..wanted.bytes)
        .step_by(CHUNK)
        .map(move |at| Ok::<_, std::io::Error>(chunk.slice(..CHUNK.min(wanted.bytes - at))));
    Body::from_stream(futures_util::stream::iter(pieces))
}
