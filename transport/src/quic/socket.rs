//! UDP sockets as links need them, and how long a datagram may be on the way out.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use rustix::net::sockopt::{
    ip_mtu, ipv6_mtu, set_socket_recv_buffer_size, set_socket_send_buffer_size,
};

/// Bytes that the system may hold for us in each direction. When it is full, datagrams are lost and
/// sent again; what the system gives by itself is full after three batches of a flood.
const BUFFER: usize = 2 << 20;
/// What every path carries (RFC 9000 section 14).
pub(super) const SHORTEST: u16 = 1200;
/// The longest UDP payload that is ever tried: ten of them, which is what goes to the system at
/// once, fill the 64 KiB that segmentation offload takes.
pub(super) const LONGEST: u16 = 6500;

/// Binds a socket, with room for floods as far as the system allows.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    // With less room it is only slower.
    let _ = set_socket_recv_buffer_size(&socket, BUFFER);
    let _ = set_socket_send_buffer_size(&socket, BUFFER);
    Ok(socket)
}

/// The longest UDP payload that leaves this machine towards `remote` in one piece: there is no use
/// in probing for more. What the rest of the path takes is found out by probes.
pub(super) fn longest_towards(remote: SocketAddr) -> u16 {
    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
    let payload = match remote.ip() {
        IpAddr::V4(_) => connected(remote, Ipv4Addr::UNSPECIFIED.into())
            .and_then(|socket| Ok(ip_mtu(&socket)?))
            .map(|mtu| mtu.saturating_sub(20 + 8)),
        IpAddr::V6(_) => connected(remote, Ipv6Addr::UNSPECIFIED.into())
            .and_then(|socket| Ok(ipv6_mtu(&socket)?))
            .map(|mtu| mtu.saturating_sub(40 + 8)),
    };
    // Without an answer, what Ethernet carries.
    let payload = payload.map_or(1452, |payload| u16::try_from(payload).unwrap_or(u16::MAX));
    payload.clamp(SHORTEST, LONGEST)
}

fn connected(remote: SocketAddr, from: IpAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect(remote)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_this_machine_datagrams_may_be_as_long_as_they_ever_are() {
        for remote in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let remote: IpAddr = remote.parse().unwrap();
            // A system without IPv6 has no way to ::1.
            if UdpSocket::bind(SocketAddr::new(remote, 0)).is_ok() {
                assert_eq!(longest_towards(SocketAddr::new(remote, 9)), LONGEST, "{remote}");
            }
        }
    }
}
