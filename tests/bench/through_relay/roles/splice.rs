//! A splice of the same links without sessions.

use std::{net::Ipv4Addr, num::NonZeroU16};

use anyhow::{Context, Result};
use gantline_protocol::RelayAddress;
use gantline_transport::{
    Identity, Link, PipeReader, PipeWriter, QuicListener,
    quic::{ResetKey, Timing},
};
use tokio::io::AsyncWriteExt;

use crate::{CHUNK, part::ready};

/// The first link is the sink's; the pipes of all others are joined to it.
pub(crate) async fn splice() -> Result<()> {
    let (chain, key) = Identity::self_signed(&["localhost".to_owned()])?;
    let identity = Identity::from_pem(&chain, &key)?;
    let reset_key = ResetKey::from_bytes([7; 32]);
    let local = (Ipv4Addr::LOCALHOST, 0).into();
    let listener = QuicListener::bind(local, &identity, &reset_key, Timing::default())?;
    let port = NonZeroU16::new(listener.local_address()?.port()).context("no port")?;
    let pin = Some(identity.pin());
    let address = RelayAddress { host: "localhost".parse()?, port, pin };
    tokio::spawn(async move {
        let sink = listener.accept().await.context("closed")?.accept().await?;
        while let Some(incoming) = listener.accept().await {
            let (link, sink) = (incoming.accept().await?, sink.clone());
            tokio::spawn(async move {
                while let Ok((back, there)) = link.accept_pipe().await {
                    let Ok((to_sink, from_sink)) = sink.open_pipe().await else { break };
                    tokio::spawn(copy(there, to_sink));
                    tokio::spawn(copy(from_sink, back));
                }
            });
        }
        Ok::<_, anyhow::Error>(())
    });
    ready(&address.to_string()).await
}

async fn copy(mut from: impl PipeReader, mut to: impl PipeWriter) -> Result<()> {
    while let Some(chunk) = from.read_chunk(CHUNK).await? {
        to.write_chunk(chunk).await?;
    }
    Ok(to.shutdown().await?)
}
