//! The bytes Gantline puts on a wire, and nothing else: ids, relay link messages, session records
//! and frames, terminal messages, shim messages, API models.
//!
//! Every decoder is total: any bytes in, a value or a [`WireError`] out. A length that a peer
//! names is checked against its bound before anything is allocated for it. There is no I/O, no
//! clock and no randomness here. `docs/protocol.md` is this crate in prose.

pub mod api;
pub mod ids;
pub mod link;
pub mod lv;
pub mod name;
pub mod position;
pub mod relay;
pub mod role;
pub mod session;
pub mod shim;
pub mod terminal;
pub mod time;
pub mod wire;

pub use ids::{AgentId, DeviceId, InvitationId, MachineId, StreamId, Ticket, ViewerId};
pub use name::{Alias, HostName, Name};
pub use position::{Epoch, Offset};
pub use relay::{RelayAddress, SpkiPin};
pub use role::Role;
pub use time::Timestamp;
pub use wire::WireError;

/// The version of every cleartext preface and of the session protocol that this crate speaks.
pub const PROTOCOL_VERSION: u8 = 1;
