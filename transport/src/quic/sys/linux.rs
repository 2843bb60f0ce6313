//! Linux.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use rustix::net::sockopt::{
    ip_mtu, ipv6_mtu, set_socket_recv_buffer_size, set_socket_send_buffer_size,
};

/// Asks for room for so many bytes of datagrams in each direction. The system may give less, which
/// is only slower.
pub(in crate::quic) fn give_room(socket: &UdpSocket, bytes: usize) {
    let _ = set_socket_recv_buffer_size(socket, bytes);
    let _ = set_socket_send_buffer_size(socket, bytes);
}

/// The longest IP packet that leaves this machine towards `remote` in one piece.
pub(in crate::quic) fn longest_packet(remote: SocketAddr) -> io::Result<u32> {
    let bind_and_connect = |socket: io::Result<UdpSocket>| {
        let socket = socket?;
        socket.connect(remote)?;
        Ok::<_, io::Error>(socket)
    };
    Ok(match remote {
        SocketAddr::V4(_) => {
            ip_mtu(bind_and_connect(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?)?
        }
        SocketAddr::V6(_) => {
            ipv6_mtu(bind_and_connect(UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)))?)?
        }
    })
}
