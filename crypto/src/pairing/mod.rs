//! Pairing: a device and a machine that share a short code, or a link, come to share a long secret.
//!
//! [`DevicePairing`] and [`NodePairing`] are the two ends of one run; the [`PairingDesk`] decides
//! whether a node takes part in a run at all. Messages have fixed lengths: read
//! [`DevicePairing::needs`] bytes, hand them over, send what comes back, until it is done.

pub mod code;
pub mod desk;
mod device;
mod grant;
mod keys;
pub mod link;
pub mod node;
pub mod wire;

pub use code::{CodeAttempts, PairingCode};
pub use desk::{Invitation, PairingDesk};
pub use device::{DevicePairing, Paired};
pub use link::PairingLink;
pub use node::NodePairing;

use gantline_login::noise::HandshakeFailed;
use gantline_protocol::WireError;

/// What one end does next.
#[derive(Debug)]
pub struct Step<T> {
    /// Bytes to send now; may be empty.
    pub send: Vec<u8>,
    /// The result, once the run is through.
    pub done: Option<T>,
}

/// Why a run failed. The pipe is to be closed; what [`PairingError::farewell`] says goes first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// The other end doesn't know the code or link, or somebody altered the messages.
    #[error("the pairing failed: wrong code, or somebody is interfering")]
    NotConfirmed,
    /// The machine at the other end isn't the one that was asked for.
    #[error("the machine at the other end is not the one that was asked for")]
    ForeignMachine,
    /// The other end says why it doesn't go on. Anybody on the way could have said it.
    #[error("the machine refused: {0}")]
    Refused(wire::Refusal),
    /// No code or link is live here.
    #[error("pairing is not open")]
    NotOpen,
    /// Two runs with this code have failed: ask for a new one.
    #[error("two tries with this code failed; ask the machine for a new one")]
    AskForNewCode,
    /// A message can't be read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The run is over.
    #[error("the run is over")]
    Over,
}

impl PairingError {
    /// What a node says in place of its next message before it closes the pipe; send its
    /// [`wire::Refusal::to_status`].
    #[must_use]
    pub const fn farewell(&self) -> wire::Refusal {
        match self {
            Self::NotOpen => wire::Refusal::NotOpen,
            Self::NotConfirmed => wire::Refusal::Wrong,
            Self::Refused(refusal) => *refusal,
            Self::ForeignMachine | Self::AskForNewCode | Self::Wire(_) | Self::Over => {
                wire::Refusal::Broken
            }
        }
    }
}

impl From<HandshakeFailed> for PairingError {
    fn from(_: HandshakeFailed) -> Self {
        Self::NotConfirmed
    }
}
