//! How bytes get from a node or a client to a relay: a [`Link`] carries pipes, and a pipe is two
//! directions of bytes, each with an end of its own.
//!
//! QUIC is the first carrier; a WebSocket carrier implements the same traits. A link proves who
//! the relay is, by its pin or by the Web PKI; who the node is, the login proves inside it.

pub mod backoff;
mod changes;
pub mod link;
pub mod quic;
mod resolve;
pub mod tls;
pub mod websocket;

pub use backoff::Backoff;
pub use changes::{Change, NetworkChanges, Way};
pub use link::{Link, LinkEnd, PipeReader, PipeWriter};
pub use quic::{DialError, QuicDialer, QuicLink, QuicListener};
pub use tls::{Identity, IdentityError};
