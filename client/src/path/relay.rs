//! Through a relay. One link to each relay serves all machines behind it.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt;
use gantline_protocol::{
    MachineId, RelayAddress,
    link::{PipeReply, PipeRequest},
};
use gantline_transport::{
    Carriers, Dialer, Link, PipeReader, PipeWriter, RelayLink, RelayReader, RelayWriter,
    quic::Timing,
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::{Mutex, OnceCell},
};

use super::PathError;

/// How long a link on WebSockets is used before QUIC is tried again beside it.
const RETURN: Duration = Duration::from_secs(60);

/// The relays that this client has dialled. Clones share their socket and their links.
#[derive(Debug, Clone)]
pub(crate) struct Relays {
    carriers: Carriers,
    /// Made for the first relay: whoever stays on this machine needs no socket for others.
    dialer: Arc<OnceCell<Dialer>>,
    links: Arc<std::sync::Mutex<HashMap<String, Slot>>>,
}

/// The link to one relay, once there is one. Locked while it is being dialled.
type Slot = Arc<Mutex<Option<Standing>>>;

#[derive(Debug)]
struct Standing {
    link: RelayLink,
    /// When QUIC was last tried.
    tried: Instant,
}

impl Relays {
    pub(crate) fn new(carriers: Carriers) -> Self {
        Self { carriers, dialer: Arc::default(), links: Arc::default() }
    }

    /// A pipe to the machine's door. What is written follows the request at once, without waiting
    /// for the relay's answer; the first read has it.
    pub(super) async fn open(
        &self,
        relay: &RelayAddress,
        machine: MachineId,
    ) -> Result<(RelayWriter, Answered), PathError> {
        let slot = self.slot(relay);
        let link = self.link(&slot, relay).await?;
        let opened = link.open_pipe().await;
        let (mut writer, reader) = match opened {
            Ok(opened) => opened,
            Err(end) => {
                // Where it went there is nothing any more; the next try looks for another way.
                *slot.lock().await = None;
                return Err(broken(end));
            }
        };
        let mut request = Vec::new();
        PipeRequest { machine }.encode(&mut request);
        writer.write_chunk(Bytes::from(request)).await.map_err(PathError::Broken)?;
        Ok((writer, Answered { reader, is_answered: false }))
    }

    pub(crate) fn follow_the_way(&self) {
        if let Some(dialer) = self.dialer.get() {
            // Without a new socket the links stay where they are, and end if nothing comes of it.
            let _ = dialer.rebind();
        }
    }

    pub(crate) fn forget_links(&self) {
        let slots: Vec<_> = {
            let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.values().cloned().collect()
        };
        for slot in slots {
            // One that is locked is being dialled anew.
            if let Ok(mut standing) = slot.try_lock() {
                *standing = None;
            }
        }
    }

    async fn dialer(&self) -> Result<&Dialer, PathError> {
        let make = || async { Dialer::new(Timing::default(), self.carriers) };
        self.dialer.get_or_try_init(make).await.map_err(PathError::NoSocket)
    }

    fn slot(&self, relay: &RelayAddress) -> Slot {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.entry(relay.to_string()).or_default().clone()
    }

    /// The link to `relay`: the one that stands, or a new one.
    async fn link(&self, slot: &Slot, relay: &RelayAddress) -> Result<RelayLink, PathError> {
        let dialer = self.dialer().await?;
        let mut standing = slot.lock().await;
        if let Some(standing) = standing.as_mut()
            && standing.link.ended().now_or_never().is_none()
        {
            let is_makeshift = matches!(standing.link, RelayLink::WebSocket(_));
            if is_makeshift && dialer.may_race() && standing.tried.elapsed() >= RETURN {
                standing.tried = Instant::now();
                tokio::spawn(return_to_quic(dialer.clone(), relay.clone(), slot.clone()));
            }
            return Ok(standing.link.clone());
        }
        let link = dialer.dial(relay).await?;
        *standing = Some(Standing { link: link.clone(), tried: Instant::now() });
        Ok(link)
    }
}

/// Puts a link over QUIC in the place of one on WebSockets, if there can be one.
async fn return_to_quic(dialer: Dialer, relay: RelayAddress, slot: Slot) {
    if let Ok(link) = dialer.dial_quic(&relay).await {
        *slot.lock().await = Some(Standing { link, tried: Instant::now() });
    }
}

/// A pipe's reader, in front of whose first byte stands the relay's answer to the request.
#[derive(Debug)]
pub(crate) struct Answered {
    reader: RelayReader,
    is_answered: bool,
}

/// The relay has refused the pipe; inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("the relay does not join this device to the machine")]
pub(super) struct RefusedByRelay(pub(super) PipeReply);

impl Answered {
    fn heard(&mut self, reply: Option<u8>) -> io::Result<()> {
        let reply = reply.ok_or(io::ErrorKind::UnexpectedEof)?;
        match PipeReply::from_byte(reply).map_err(io::Error::other)? {
            PipeReply::Spliced => {
                self.is_answered = true;
                Ok(())
            }
            refusal @ (PipeReply::Offline
            | PipeReply::Unknown
            | PipeReply::Rate
            | PipeReply::Busy
            | PipeReply::Version
            | PipeReply::Other(_)) => Err(io::Error::other(RefusedByRelay(refusal))),
        }
    }

    /// Waits for the relay's answer.
    pub(super) async fn answered(&mut self) -> io::Result<()> {
        if self.is_answered {
            return Ok(());
        }
        let reply = self.reader.read_chunk(1).await?;
        self.heard(reply.and_then(|byte| byte.first().copied()))
    }
}

impl PipeReader for Answered {
    async fn read_chunk(&mut self, limit: usize) -> io::Result<Option<Bytes>> {
        self.answered().await?;
        self.reader.read_chunk(limit).await
    }

    async fn read_chunks(&mut self, pieces: &mut [Bytes]) -> io::Result<Option<usize>> {
        self.answered().await?;
        self.reader.read_chunks(pieces).await
    }

    fn stop(&mut self) {
        self.reader.stop();
    }
}

impl AsyncRead for Answered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_answered {
            let mut byte = [0];
            let mut reply = ReadBuf::new(&mut byte);
            ready!(Pin::new(&mut self.reader).poll_read(cx, &mut reply))?;
            let reply = reply.filled().first().copied();
            self.heard(reply)?;
        }
        Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> PathError {
    PathError::Broken(io::Error::other(error))
}
