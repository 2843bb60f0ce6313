//! The session protocol's bytes: the preface of a pipe, records, frames and their bodies.

pub mod body;
pub mod codes;
pub mod frame;
pub mod preface;
pub mod record;

pub use body::{Head, Hello, Open};
pub use codes::{CloseCode, GoAwayCode, ResetCode};
pub use frame::{Frame, Frames};
pub use preface::{PipeKind, Preface};

/// Streams that one side may have open at the same time.
pub const MAX_STREAMS: usize = 128;
/// Bytes of DATA a side may send on a new stream before any CREDIT.
pub const STREAM_WINDOW: u64 = 256 * 1024;
/// Bytes of DATA a side may send on all streams together before any CREDIT.
pub const SESSION_WINDOW: u64 = 4 * 1024 * 1024;
/// Every credit limit is below this, so that any language can hold it exactly.
pub const CREDIT_END: u64 = 1 << 53;
