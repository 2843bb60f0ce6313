//! Everything of a node but its API, for which stand sinks and sources.

use std::path::Path;

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
    door::{Devices, Door, Nameplate, Sessions},
    events::Events,
    state::Home,
    uplink::{Identity, Tokens, Uplinks},
};
use gantline_protocol::{Role, link::JoinLink};
use gantline_transport::{QuicDialer, quic::Timing};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::Deserialize;

use crate::{CHUNK, part::ready};

pub(crate) async fn node(home: &Path, join: &str) -> Result<()> {
    let link: JoinLink = join.parse()?;
    let home = Home::below(home)?;
    let events = Events::new();
    let key = StaticKey::generate(&mut UnwrapErr(SysRng));
    let machine = key.public().machine_id();
    let relays = vec![link.relay.clone()];
    let nameplate = Nameplate { key: key.clone(), name: "bench".parse()?, relays: relays.clone() };
    let sessions = Sessions::default();
    let devices =
        Devices::load(nameplate.clone(), home.state_files(), events.clone(), sessions.clone())?;
    let router = Router::new()
        .route("/sink", post(count))
        .route("/source", get(source))
        .route("/echo", post(|body: Body| async { body }));
    let door = Door::new(nameplate, devices.clone(), sessions, router);
    let tokens = Tokens::load(home.state_files())?;
    tokens.keep(&link)?;
    let dialer = QuicDialer::new(Timing::default())?;
    let mut heard = events.listen(None);
    let identity = Identity { key, alias: None };
    let _uplinks = Uplinks::start(&relays, &identity, &dialer, &tokens, &door, &events);
    heard.next().await;
    let code = devices.mint_code(Role::Owner)?;
    ready(&format!("{} {machine}.{}", code.code.to_string().replace(' ', "-"), link.relay)).await
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
