//! The node: it runs agents on a machine, and lets its user and paired devices reach them, with or
//! without a relay.

pub mod access;
pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod door;
pub mod duplex;
pub mod events;
pub mod gateway;
pub mod history;
mod limits;
mod lines;
mod memory;
pub mod probes;
mod proc;
pub mod pty;
pub mod shim;
pub mod state;
pub mod supervisor;
pub mod uplink;
pub mod vitals;
