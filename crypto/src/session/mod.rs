//! An authenticated, encrypted channel between one device and one node, with many streams in it.
//!
//! [`handshake`] makes a [`Session`]; whoever owns the pipe feeds it what arrives and writes what
//! it wants sent. Nothing here waits, and nothing is trusted because a relay said it.

mod credit;
mod end;
mod error;
mod event;
pub mod handshake;
mod receive;
pub mod record;
mod state;
mod stream;
mod transmit;

pub use error::{OpenError, SessionError, StreamError};
pub use event::Event;
pub use handshake::{DeviceHandshake, NodeHandshake};
pub use record::{Opener, Sealer};
pub use state::{Session, SessionKeys, Side};

use std::time::Duration;

/// Records sealed with one key; the last of them ends with REKEY.
pub const RECORDS_PER_KEY: u32 = 65_536;
/// The longest a key is used, from its first record on.
pub const KEY_AGE: Duration = Duration::from_secs(10 * 60);
/// The greatest age of a session.
pub const SESSION_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its greatest age a session stops taking new streams.
pub const SESSION_FAREWELL: Duration = Duration::from_secs(10 * 60);
/// The window up to which a stream's grows by itself, while what it lets in is consumed fast.
pub const MAX_STREAM_WINDOW: u64 = 4 * 1024 * 1024;
/// How much the windows of a session's streams may grow by themselves, all together; the session's
/// window grows with them. When it is used up, no stream's grows any further.
pub const MAX_GROWN: u64 = 8 * 1024 * 1024;
/// Bytes of DATA that may wait to be sent, over all streams.
pub const MAX_UNSENT: u64 = 4 * 1024 * 1024;
/// Bytes of frames other than DATA that may wait to be sent. A peer that makes us answer without
/// reading the answers ends here.
pub const MAX_UNSENT_CONTROL: usize = 4 * 1024 * 1024;
