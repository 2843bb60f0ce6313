//! What differs by operating system: options of UDP sockets.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(super) use linux::{give_room, longest_packet};

#[cfg(any(test, not(target_os = "linux")))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{give_room, longest_packet};
