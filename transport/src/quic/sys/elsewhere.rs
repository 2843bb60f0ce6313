//! Systems without a module of their own: nothing is asked of them.

#![cfg_attr(test, allow(dead_code, unreachable_pub))]

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

/// Leaves the socket as it is.
pub(in crate::quic) const fn give_room(_: &UdpSocket, _: usize) {}

/// Always an error.
pub(in crate::quic) fn longest_packet(_: SocketAddr) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}
