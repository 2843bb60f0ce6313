//! What each fuzz target does with its input: drive a decoder or a state machine as a stranger on
//! the way, or an authenticated but hostile peer, could, and assert what must hold whatever he does.
//!
//! `targets/` wraps these functions for libFuzzer; `tests/replay.rs` runs them over the committed
//! corpus on every `make test`, with stable Rust and nothing else.

// An assertion that fails is how a target says that it found something.
#![allow(clippy::indexing_slicing)]

mod api_json;
mod ends;
mod frames;
mod handshake;
mod link_messages;
mod login;
mod pairing_device;
mod pairing_node;
mod pairing_run;
mod pipe;
mod random;
mod script;
mod session_bytes;
mod session_plaintext;
mod shim;
mod terminal;
mod texts;

pub use api_json::api_json;
pub use frames::frames;
pub use handshake::handshake;
pub use link_messages::link_messages;
pub use login::login;
pub use pairing_device::pairing_device;
pub use pairing_node::pairing_node;
pub use pipe::pipe;
pub use session_bytes::session_bytes;
pub use session_plaintext::session_plaintext;
pub use shim::shim;
pub use terminal::terminal;
pub use texts::texts;
