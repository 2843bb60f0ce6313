//! wstunnel: a WebSocket for each client, plain or in TLS.

use std::net::SocketAddr;

use anyhow::Result;

use super::Ground;
use crate::{
    contestant::{Contestant, Relay},
    part::{Part, free_port},
    ways::tcp::Tcp,
};

pub(super) fn ws(ground: &Ground) -> Result<Contestant> {
    start(ground, "ws")
}

pub(super) fn wss(ground: &Ground) -> Result<Contestant> {
    start(ground, "wss")
}

fn start(ground: &Ground, scheme: &str) -> Result<Contestant> {
    let address = free_port()?;
    let server = format!("{scheme}://{address}");
    let mut relay = ground.run(ground.command("wstunnel")?.args(["server", &server]))?;
    relay.until_listening(address)?;
    let tunnel = free_port()?;
    let agent = agent(ground, &server, tunnel)?;
    Ok(Contestant {
        way: Box::new(Tcp { address: tunnel }),
        relay: Some(Relay::new(relay.pid(), move |ground, which| {
            which.map(|_| self::agent(ground, &server, free_port()?)).collect()
        })),
        _keeps: vec![Box::new(relay), Box::new(agent)],
    })
}

fn agent(ground: &Ground, server: &str, tunnel: SocketAddr) -> Result<Part> {
    let forward = format!("tcp://{tunnel}:{}", ground.service);
    let mut agent =
        ground.run(ground.command("wstunnel")?.args(["client", "-R", &forward, server]))?;
    agent.until_listening(tunnel)?;
    Ok(agent)
}
