//! The relay: admits nodes, joins clients to them, and can read nothing of what passes.
//!
//! [`Relay::start`] runs one in this process; the binary `gantline-relay` is a thin shell around
//! it. Who is let in is decided in [`admission`] and [`registry`]; what happens to a session's
//! bytes is all in [`splice`]. There is no code for sessions here and no way to get at any.

pub mod admission;
pub mod config;
pub mod directory;
mod edge;
mod exchange;
pub mod limits;
mod line;
pub mod links;
mod login;
mod pipes;
mod quic;
pub mod registry;
mod server;
pub mod splice;
pub mod state;
mod stream;
mod tickets;

pub use config::Config;
pub use limits::Limits;
pub use server::{JoinError, Relay, StartError};
