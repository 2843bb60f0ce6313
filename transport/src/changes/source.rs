//! From which network packets would leave for a place, as the system's own routing says. Sends
//! nothing: connecting a UDP socket only looks up the route.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Where packets to one place leave from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// From this address.
    V4(Ipv4Addr),
    /// From an address in this /64, on the interface of this number if it is a link-local one.
    /// The rest of the address changes every day by itself (RFC 8981), on the same network.
    V6 { prefix: u64, scope: u32 },
}

/// Places that packets may have to leave for.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    places: Vec<SocketAddr>,
}

impl Sources {
    pub(super) fn towards(peer: SocketAddr) -> Self {
        Self { places: vec![peer] }
    }

    /// Addresses for documentation (RFC 5737, RFC 3849): nobody is there, and routing treats them
    /// like any other far away.
    pub(super) fn outward() -> Self {
        let (v4, v6) =
            (Ipv4Addr::new(192, 0, 2, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
        Self { places: vec![(v4, 9).into(), (v6, 9).into()] }
    }

    /// Where packets would leave from now, for each place. `None`: nowhere.
    pub(super) fn now(&self) -> Option<Vec<Option<Source>>> {
        let sources: Vec<_> = self.places.iter().copied().map(source).collect();
        sources.iter().any(Option::is_some).then_some(sources)
    }
}

fn source(place: SocketAddr) -> Option<Source> {
    // A socket for both families names IPv4 peers in their IPv6 form.
    let place = match place.ip().to_canonical() {
        IpAddr::V4(v4) => (v4, place.port()).into(),
        IpAddr::V6(_) => place,
    };
    let any: IpAddr = match place {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(place).ok()?;
    Some(match socket.local_addr().ok()? {
        SocketAddr::V4(address) => Source::V4(*address.ip()),
        SocketAddr::V6(address) => {
            Source::V6 { prefix: (address.ip().to_bits() >> 64) as u64, scope: address.scope_id() }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_peer_of_a_socket_for_both_families_has_an_ipv4_source() {
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
        assert_eq!(source((mapped, 9).into()), Some(Source::V4(Ipv4Addr::LOCALHOST)));
    }
}
