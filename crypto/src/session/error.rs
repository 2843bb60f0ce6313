//! What can go wrong with a session, by what the caller can do about it.

use gantline_login::cipher::CipherError;
use gantline_protocol::{StreamId, WireError, session::CloseCode};

/// The session is over. Streams that had not ended are incomplete; reconnect to go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Bytes on the pipe were not sealed by the peer: somebody altered, replayed or mixed them.
    /// Nothing of that record was used.
    #[error("the session was tampered with: {0}")]
    Cipher(#[from] CipherError),
    /// The peer sent bytes that are no frames.
    #[error("the peer broke the protocol: {0}")]
    Wire(#[from] WireError),
    /// The peer sent a frame that isn't allowed now.
    #[error("the peer broke the protocol: {0}")]
    Rule(&'static str),
    /// The peer sent more DATA than it had credit for.
    #[error("the peer sent more than it had credit for")]
    Credit,
    /// This end would have broken the protocol; a bug here.
    #[error("this end went wrong: {0}")]
    Internal(&'static str),
    /// A FIN names another number of bytes than arrived.
    #[error("stream {stream} ended after {total} bytes, of which {received} arrived")]
    Total {
        /// The stream.
        stream: StreamId,
        /// What the FIN says.
        total: u64,
        /// What arrived.
        received: u64,
    },
    /// The peer makes us send more than it reads.
    #[error("the peer does not read what it asked for")]
    Overload,
    /// The peers have no version of the protocol in common.
    #[error("the peer speaks versions {min} to {max} of the protocol, this program speaks {ours}")]
    Version {
        /// The peer's lowest.
        min: u32,
        /// The peer's highest.
        max: u32,
        /// Ours.
        ours: u32,
    },
    /// The pipe ended although the session had not.
    #[error("the connection was cut off")]
    Truncated,
    /// Nothing more can be received: the session was closed.
    #[error("the session was closed: {0}")]
    Closed(CloseCode),
}

/// Why a stream could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The request breaks a bound.
    #[error(transparent)]
    Invalid(#[from] WireError),
    /// 128 of our streams are open; wait until one ends.
    #[error("too many streams are open")]
    TooMany,
    /// The peer takes no more streams; open a new session.
    #[error("the session takes no more streams")]
    GoingAway,
    /// The session is over.
    #[error("the session is closed")]
    Closed,
}

/// Why something could not be sent on a stream. The stream is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// There is no such stream (any more).
    #[error("stream {0} is not open")]
    Unknown(StreamId),
    /// Our direction has ended, or its head is missing or was sent already.
    #[error("stream {0} can't send this now")]
    WrongState(StreamId),
    /// More than the credit and the buffers allow; wait for [`super::Event::Writable`] or for the
    /// next transmission.
    #[error("only {writable} bytes can be written now")]
    Blocked {
        /// How many bytes can be written.
        writable: u64,
    },
    /// The head breaks a bound.
    #[error(transparent)]
    Invalid(#[from] WireError),
    /// The session is over.
    #[error("the session is closed")]
    Closed,
}
