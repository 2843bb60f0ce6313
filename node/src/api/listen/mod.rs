//! Where requests of this machine's own user come in: the Unix socket and 127.0.0.1.

mod connections;
mod loopback;
mod once;
mod token;
mod unix;

use std::{io, path::PathBuf};

pub(crate) use loopback::SUBPROTOCOL;
pub use loopback::{LoopbackListener, OnPipe, PipeEnds, Place};
pub use once::OneTimeTokens;
pub use unix::UnixSocket;

use crate::state::StateError;

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody answers on the Unix socket.
    #[error("{0} is in use by another program: stop it, or set another GANTLINE_HOME")]
    SocketTaken(PathBuf),
    /// Unix sockets have short paths only.
    #[error("the path {0} is too long for a Unix socket: set GANTLINE_HOME to a shorter one")]
    PathTooLong(PathBuf),
    /// No port of those that were tried is free.
    #[error(
        "none of the ports {first} to {last} on 127.0.0.1 is free: set loopback.port in config.toml to one that is"
    )]
    NoPort {
        /// The first port that was tried.
        first: u16,
        /// The last port that was tried.
        last: u16,
    },
    /// A file that belongs to the listener can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system refused.
    #[error("can't listen on {place}: {source}")]
    Io {
        /// Where.
        place: String,
        /// What the system said.
        source: io::Error,
    },
}
