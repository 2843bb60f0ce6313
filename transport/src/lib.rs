//! How bytes get from a node or a client to a relay: a [`Link`] carries pipes, and a pipe is two
//! directions of bytes, each with an end of its own.
//!
//! There are two carriers, QUIC and WebSockets, and a [`Dialer`] that takes whichever gets through.
//! A link proves who the relay is, by its pin or by the Web PKI; who the node is, the login proves
//! inside it.

pub mod backoff;
mod changes;
mod dial;
pub mod inbox;
pub mod link;
mod local;
pub mod quic;
mod relay_link;
pub mod tls;
pub mod websocket;

pub use backoff::Backoff;
pub use changes::{Change, NetworkChanges, Way};
pub use dial::{Carriers, CarriersError, DialError, Dialer};
pub use inbox::{Inbox, ReadError};
pub use link::{Link, LinkEnd, PipeReader, PipeWriter};
pub use local::LocalStream;
pub use quic::{QuicDialer, QuicLink, QuicListener};
pub use relay_link::{RelayLink, RelayReader, RelayWriter};
pub use tls::{Identity, IdentityError};
pub use websocket::{WebSocketDialer, WebSocketLink};
