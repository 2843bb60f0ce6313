//! The bare splice of QUIC links: one link on each side, its streams joined.

use std::{net::Ipv4Addr, num::NonZeroU16};

use anyhow::{Context, Result};
use gantline_protocol::RelayAddress;
use gantline_transport::{
    Identity, Link, QuicDialer, QuicLink, QuicListener,
    quic::{QuicReader, QuicWriter, ResetKey, Timing},
};

use super::{Pipes, join, serve, wish_of};
use crate::part::ready;

/// The client's link to a splice.
#[derive(Clone)]
pub(crate) struct QuicPipes {
    link: QuicLink,
    _dialer: QuicDialer,
}

impl QuicPipes {
    pub(crate) async fn dial(splice: &str) -> Result<Self> {
        let dialer = QuicDialer::new(Timing::default())?;
        let link = dialer.dial(&splice.parse::<RelayAddress>()?).await?;
        Ok(Self { link, _dialer: dialer })
    }
}

impl Pipes for QuicPipes {
    type Reader = QuicReader;
    type Writer = QuicWriter;

    async fn open(&self) -> Result<(QuicWriter, QuicReader)> {
        Ok(self.link.open_pipe().await?)
    }
}

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
                while let Ok(pipe) = link.accept_pipe().await {
                    let Ok(to_sink) = sink.open_pipe().await else { break };
                    join(pipe, to_sink);
                }
            });
        }
        Ok::<_, anyhow::Error>(())
    });
    ready(&address.to_string()).await
}

pub(crate) async fn sink(splice: &str) -> Result<()> {
    let link = QuicPipes::dial(splice).await?.link;
    tokio::spawn(async move {
        while let Ok((writer, mut reader)) = link.accept_pipe().await {
            tokio::spawn(async move {
                let wish = wish_of(&mut reader).await?;
                serve(wish, writer, reader).await
            });
        }
    });
    ready("sink").await
}
