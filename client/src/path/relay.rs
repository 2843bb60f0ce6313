//! Through a relay, over QUIC. One link to each relay serves all machines behind it.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, PoisonError},
};

use futures_util::FutureExt;
use gantline_protocol::{
    MachineId, RelayAddress,
    link::{PipeReply, PipeRequest},
};
use gantline_transport::{
    Link, QuicDialer, QuicLink,
    quic::{QuicReader, QuicWriter},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Mutex,
};

use super::PathError;

/// The relays that this client has dialled. Clones share their links.
#[derive(Debug, Clone)]
pub(crate) struct Relays {
    dialer: QuicDialer,
    links: Arc<std::sync::Mutex<HashMap<String, Slot>>>,
}

/// The link to one relay, once there is one. Locked while it is being dialled.
type Slot = Arc<Mutex<Option<QuicLink>>>;

impl Relays {
    pub(crate) fn new(dialer: QuicDialer) -> Self {
        Self { dialer, links: Arc::default() }
    }

    /// A pipe to the machine's door.
    pub(super) async fn open(
        &self,
        relay: &RelayAddress,
        machine: MachineId,
    ) -> Result<(QuicWriter, QuicReader), PathError> {
        let link = self.link(relay).await?;
        let (mut writer, mut reader) = link.open_pipe().await.map_err(broken)?;
        let mut request = Vec::new();
        PipeRequest { machine }.encode(&mut request);
        writer.write_all(&request).await.map_err(PathError::Broken)?;
        let reply = reader.read_u8().await.map_err(PathError::Broken)?;
        match PipeReply::from_byte(reply).map_err(broken)? {
            PipeReply::Spliced => Ok((writer, reader)),
            refusal @ (PipeReply::Offline
            | PipeReply::Unknown
            | PipeReply::Rate
            | PipeReply::Busy
            | PipeReply::Version
            | PipeReply::Other(_)) => Err(PathError::Refused(refusal)),
        }
    }

    /// The link to `relay`: the one that stands, or a new one.
    async fn link(&self, relay: &RelayAddress) -> Result<QuicLink, PathError> {
        let slot = {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.entry(relay.to_string()).or_default().clone()
        };
        let mut slot = slot.lock().await;
        if let Some(link) = slot.as_ref().filter(|link| link.ended().now_or_never().is_none()) {
            return Ok(link.clone());
        }
        let link = self.dialer.dial(relay).await?;
        *slot = Some(link.clone());
        Ok(link)
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> PathError {
    PathError::Broken(io::Error::other(error))
}
