//! A session at work: the sans-I/O core of `gantline-crypto` on a pipe, with streams that can be
//! read and written from any task. Both ends use it: the device to ask, the node to serve.
//!
//! [`drive`] starts two tasks, one that reads and opens, one that seals and writes. Whoever holds a
//! [`Session`] or one of its streams talks to the core directly, under a lock that is never held
//! across a wait; so a key press costs one wake-up of the writing task and nothing more.

mod shared;
mod stream;
mod tasks;

pub use shared::{Arrival, Arrivals, Session, SessionEnd};
pub use stream::{OpenFailed, Receiving, Sending, StreamEnd};
pub use tasks::drive;
