//! Reaches a Gantline machine: pairing as a device, paths to a machine, the session over whichever
//! path is there first, and requests to the machine's API over it.
//!
//! The command line, the gateway and other people's programs use it. The node uses its
//! [`session`], which serves both ends.

pub mod session;
