//! bore: a TCP connection for each client, nothing encrypted.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;

use super::Ground;
use crate::{
    contestant::{Contestant, Relay},
    part::{Part, free_port},
    ways::tcp::Tcp,
};

/// Its server has one port, always the same; an address of its own keeps it out of others' way.
const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 78, 35)), 7835);

pub(super) fn start(ground: &Ground) -> Result<Contestant> {
    let address = SERVER.ip().to_string();
    let mut server = ground.run(ground.command("bore")?.args([
        "server",
        "--bind-addr",
        &address,
        "--bind-tunnels",
        "127.0.0.1",
    ]))?;
    server.until_listening(SERVER)?;
    let tunnel = free_port()?;
    let agent = agent(ground, tunnel)?;
    Ok(Contestant {
        way: Box::new(Tcp { address: tunnel }),
        relay: Some(Relay::new(server.pid(), |ground, which| {
            which.map(|_| self::agent(ground, free_port()?)).collect()
        })),
        _keeps: vec![Box::new(server), Box::new(agent)],
    })
}

fn agent(ground: &Ground, tunnel: SocketAddr) -> Result<Part> {
    let (service, port) = (ground.service.port().to_string(), tunnel.port().to_string());
    let address = SERVER.ip().to_string();
    let mut agent = ground.run(ground.command("bore")?.args([
        "local",
        &service,
        "--local-host",
        "127.0.0.1",
        "--to",
        &address,
        "--port",
        &port,
    ]))?;
    agent.until_listening(tunnel)?;
    Ok(agent)
}
