//! Gantline's end-to-end cryptography: pairing a device with a machine, and the sessions between
//! them that a relay can neither read nor alter.
//!
//! Everything is bytes in, bytes out. The clock and the randomness are arguments, so that a test
//! can turn ten minutes into a line and publish every byte of a handshake. `docs/protocol.md`
//! describes the bytes, `models/` holds what was proved about the message flows.

pub mod cpace;
pub mod devices;
pub mod pairing;
pub mod places;
pub mod safety;
pub mod secret;
pub mod session;

pub use devices::{Admission, Device, DeviceBook};
pub use gantline_login::{PublicKey, StaticKey};
pub use safety::SafetyNumber;
pub use secret::{LinkToken, Psk};
pub use session::Session;

/// The time as the node sees it: one clock for how long, one for when.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For waits that must not follow a change of the wall clock.
    pub monotonic: std::time::Instant,
    /// For dates that outlive the process.
    pub wall: gantline_protocol::Timestamp,
}
