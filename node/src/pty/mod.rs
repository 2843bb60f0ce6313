//! An agent's process and everything about its output: the PTY, the log, and everybody who watches.
//!
//! [`host`] is what will move into a process of its own: it holds process and log, and everything
//! above it speaks to it in READ, WRITE, RESIZE, SIGNAL and WAIT. [`terminal`] serves one viewer,
//! [`hub`] decides between them, [`screen`] knows what they see.

pub mod command;
mod flow;
pub mod host;
pub mod hub;
mod input;
pub mod log;
pub mod screen;
mod sys;
pub mod terminal;
pub(crate) mod tree;

pub use host::{Host, HostError};
