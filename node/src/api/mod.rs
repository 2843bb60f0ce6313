//! The API under `/v1`: one router, which answers on the Unix socket, on 127.0.0.1 and in every
//! session. Whoever passes a request to it has put a [`crate::access::Principal`] into it.

mod app;
mod document;
mod idempotency;
mod input;
pub mod listen;
mod mutations;
mod page;
mod problem;
mod routes;

pub use app::{App, Links, MachineInfo, router};
pub use document::{document, documented};
pub(crate) use listen::SUBPROTOCOL;
pub use mutations::{Act, Mutations};
pub use problem::Refused;

/// The software version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
