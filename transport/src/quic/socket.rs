//! UDP sockets as links need them, and how long a datagram may be on the way out.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use super::sys::{give_room, longest_packet};

/// Bytes that the system may hold for us in each direction. When it is full, datagrams are lost and
/// sent again; what the system gives by itself is full after three batches of a flood.
const ROOM: usize = 2 << 20;
/// What every path carries (RFC 9000 section 14).
const SHORTEST: u16 = 1200;
/// The longest UDP payload that is ever tried: ten of them, which is what goes to the system at
/// once, fill the 64 KiB that segmentation offload takes.
pub(super) const LONGEST: u16 = 6500;
/// The longest UDP payload that is tried where the system gives no answer: Ethernet with IPv6.
const ETHERNET: u16 = 1452;

/// Binds a socket, with room for floods as far as the system gives it.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    give_room(&socket, ROOM);
    Ok(socket)
}

/// The longest UDP payload that leaves this machine towards `remote` in one piece: there is no use
/// in probing for more. What the rest of the path takes is found out by probes.
pub(super) fn longest_towards(remote: SocketAddr) -> u16 {
    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
    let headers = if remote.is_ipv4() { 20 + 8 } else { 40 + 8 };
    longest_packet(remote).map_or(ETHERNET, |packet| {
        let payload = u16::try_from(packet.saturating_sub(headers)).unwrap_or(u16::MAX);
        payload.clamp(SHORTEST, LONGEST)
    })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn on_this_machine_datagrams_may_be_as_long_as_they_ever_are() {
        for remote in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let remote: IpAddr = remote.parse().unwrap();
            // A system without IPv6 has no way to ::1.
            if UdpSocket::bind(SocketAddr::new(remote.to_canonical(), 0)).is_ok() {
                assert_eq!(longest_towards(SocketAddr::new(remote, 9)), LONGEST, "{remote}");
            }
        }
    }
}
