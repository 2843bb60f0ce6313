//! The QUIC carrier (RFC 9000, by quinn).

mod config;
mod dial;
mod link;
mod listen;
mod socket;
mod sys;

pub use config::{ResetKey, Timing};
pub use dial::QuicDialer;
pub use link::{QuicLink, QuicReader, QuicWriter};
pub use listen::{ListenError, QuicIncoming, QuicListener};
