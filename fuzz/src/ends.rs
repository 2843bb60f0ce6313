//! The two ends of a made-up session: keys without a handshake, so that an input costs
//! microseconds.

use gantline_crypto::session::{SessionKeys, Side};
use gantline_login::CipherState;

/// The keys of one end; those of the other end fit.
pub(crate) fn keys(side: Side) -> SessionKeys {
    let (by_device, by_node) = (CipherState::new(&mut [1; 32]), CipherState::new(&mut [2; 32]));
    match side {
        Side::Device => SessionKeys { send: by_device, receive: by_node },
        Side::Node => SessionKeys { send: by_node, receive: by_device },
    }
}

pub(crate) const fn other(side: Side) -> Side {
    match side {
        Side::Device => Side::Node,
        Side::Node => Side::Device,
    }
}
