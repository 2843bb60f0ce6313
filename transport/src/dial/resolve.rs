//! From a relay's address to socket addresses.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use gantline_protocol::RelayAddress;
use tokio::net::lookup_host;

/// Where to dial, best first. `localhost` and everything below it is this machine, whatever a
/// name server says (RFC 6761 section 6.3).
pub(crate) async fn resolve(relay: &RelayAddress) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = (relay.host.as_str(), relay.port.get());
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if host == "localhost" || host.ends_with(".localhost") {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Ok(loopback.map(|address| SocketAddr::new(address, port)).to_vec());
    }
    let addresses: Vec<_> = lookup_host((host, port)).await?.collect();
    match addresses.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        false => Ok(addresses),
    }
}
