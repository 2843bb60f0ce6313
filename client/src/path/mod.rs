//! The ways to a machine. Each gives a pipe to the machine's door; who is behind it, the session's
//! handshake proves. The Unix socket alone carries plain HTTP: there the system says who is who.

mod loopback;
pub(crate) mod relay;
pub(crate) mod unix;

use std::{fmt, io, net::SocketAddr, path::PathBuf, time::Duration};

use gantline_crypto::pairing::PairingError;
use gantline_protocol::{
    MachineId, RelayAddress,
    api::{Carrier, PathKind},
    link::PipeReply,
};
use gantline_transport::{DialError, PipeReader, PipeWriter, RelayWriter};

use self::relay::{RefusedByRelay, Relays};

/// A way to a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// The node of this machine and user, at this socket.
    Unix(PathBuf),
    /// A node on this machine, at this address on 127.0.0.1.
    Loopback(SocketAddr),
    /// Through this relay.
    Relay(RelayAddress),
}

impl Path {
    /// The kind that people are told.
    #[must_use]
    pub const fn kind(&self) -> PathKind {
        match self {
            Self::Unix(_) | Self::Loopback(_) => PathKind::Loopback,
            Self::Relay(_) => PathKind::Relay,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(socket) => write!(f, "the socket {}", socket.display()),
            Self::Loopback(address) => write!(f, "loopback {address}"),
            Self::Relay(relay) => write!(f, "the relay {}:{}", relay.host, relay.port),
        }
    }
}

/// Why a machine was not reached on one path.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// The relay can't be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The relay doesn't join this device to the machine. Only a hint: anybody on the way could
    /// have said it.
    #[error("{}", in_words(.0))]
    Refused(PipeReply),
    /// There is no socket to reach relays from.
    #[error("the system gives no UDP socket: {0}")]
    NoSocket(io::Error),
    /// Something on this machine can't be reached.
    #[error("nothing answers there: {0}")]
    Local(io::Error),
    /// The node on this machine is another one.
    #[error("the node there is another machine")]
    OtherMachine,
    /// The pipe broke off.
    #[error("the connection broke off: {0}")]
    Broken(io::Error),
    /// The machine ended the pipe in answer to the handshake, without a word.
    #[error(
        "the machine hung up without a word: it does not know this device (any more), or has too much \
         to do; if it goes on, pair again (`gantline pair` there)"
    )]
    HungUp,
    /// Whoever answered is not the machine, or has forgotten the pairing; or somebody interferes.
    #[error("whoever answers there can't prove to be the machine; somebody may be interfering")]
    NotProved,
    /// A pairing failed.
    #[error(transparent)]
    Pairing(#[from] PairingError),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Slow(Duration),
}

impl PathError {
    /// A relay's refusal is found where the pipe breaks.
    fn told(self) -> Self {
        let Self::Broken(error) = &self else { return self };
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RefusedByRelay>());
        match inner {
            Some(RefusedByRelay(reply)) => Self::Refused(*reply),
            None => self,
        }
    }
}

const fn in_words(reply: &PipeReply) -> &'static str {
    match reply {
        PipeReply::Offline => "the relay says that the machine is offline",
        PipeReply::Unknown => "the relay does not know the machine",
        PipeReply::Rate => "the relay has had too many attempts; wait a little",
        PipeReply::Busy => "the machine or the relay has as many connections as it bears",
        PipeReply::Version => {
            "the relay does not speak this program's version; upgrade the older one"
        }
        PipeReply::Spliced | PipeReply::Other(_) => {
            "the relay refuses, for a reason not known here"
        }
    }
}

/// A pipe to a machine's door, whatever carries it.
pub(crate) trait WithPipe {
    type Output;

    /// Whether a relay has to have joined the pipe before anything is written: what is written is
    /// good for one pipe only.
    const WAITS_FOR_THE_RELAY: bool;

    async fn with(
        self,
        reader: impl PipeReader,
        writer: impl PipeWriter,
    ) -> Result<Self::Output, PathError>;
}

/// Opens a pipe to `machine` on `path` and does `what` with it. Also tells what carries the pipe to
/// a relay.
pub(crate) async fn open<W: WithPipe>(
    path: &Path,
    machine: MachineId,
    relays: &Relays,
    what: W,
) -> Result<(W::Output, Option<Carrier>), PathError> {
    match path {
        Path::Relay(relay) => {
            let (writer, mut reader) = relays.open(relay, machine).await?;
            if W::WAITS_FOR_THE_RELAY {
                reader.answered().await.map_err(PathError::Broken).map_err(PathError::told)?;
            }
            let carrier = match &writer {
                RelayWriter::Quic(_) => Carrier::Quic,
                RelayWriter::WebSocket(_) => Carrier::WebSocket,
            };
            let output = what.with(reader, writer).await.map_err(PathError::told)?;
            Ok((output, Some(carrier)))
        }
        Path::Loopback(address) => {
            let (writer, reader) = loopback::open(*address).await?;
            Ok((what.with(reader, writer).await?, None))
        }
        Path::Unix(_) => Err(PathError::Local(io::ErrorKind::Unsupported.into())),
    }
}
