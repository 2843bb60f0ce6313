//! An agent's process and everything about its output: the PTY, the log, and everybody who watches.
//!
//! The process itself is in the hands of a [`shim`](crate::shim), with its log. [`host`] is this
//! node's side of it: everything above speaks to it in READ, WRITE, RESIZE, SIGNAL and WAIT.
//! [`terminal`] serves one viewer, [`hub`] decides between them, [`screen`] knows what they see.

pub mod command;
mod flow;
pub mod host;
pub mod hub;
pub(crate) mod last_line;
mod link;
pub mod log;
mod scope;
pub mod screen;
pub mod terminal;

pub use host::{Host, HostError, Shims};
