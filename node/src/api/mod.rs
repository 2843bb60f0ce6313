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
pub use document::document;
pub use mutations::{Act, Mutations};
pub use problem::Refused;
