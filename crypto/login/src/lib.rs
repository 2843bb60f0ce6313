//! How a node proves to a relay which machine it is, and what that needs: keys, machine ids, the
//! Noise handshake and its transport messages.
//!
//! The relay depends on this crate and on no more of Gantline's cryptography: it can check who
//! logs in, and has no code to open a session. Everything here is bytes in, bytes out; randomness
//! is passed in.

mod aead;
pub mod channel;
pub mod cipher;
pub mod key;
pub mod login;
pub mod noise;

pub use channel::ControlChannel;
pub use cipher::{CipherError, CipherState};
pub use key::{PublicKey, StaticKey};
pub use login::{LoginError, LoginInitiator, LoginResponder, TlsBinding};
