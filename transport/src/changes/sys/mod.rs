//! What differs by operating system: the clocks, and who tells that something about the networks
//! has changed.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(super) use linux::{Stirs, clocks};

#[cfg(any(test, not(target_os = "linux")))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{Stirs, clocks};
