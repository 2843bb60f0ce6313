//! The bare splice of WebSockets in TLS: a WebSocket of its own for each pipe on each side, as links
//! over WebSocket have it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, Result};
use gantline_transport::{
    Identity,
    websocket::{Connection, WebSocketReader, WebSocketWriter, config, pipe},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::{accept_async_with_config, client_async_with_config};

use super::{Pipes, join, serve, wish_of};
use crate::part::ready;

/// Pipes of a sink that wait at the splice for a client. More than a client opens at once, so that
/// none has to wait for one.
const WAITING: usize = 24;

/// Dials a splice, once for each pipe.
#[derive(Clone)]
pub(crate) struct WebSocketPipes {
    address: SocketAddr,
    connector: TlsConnector,
}

impl WebSocketPipes {
    /// To whoever listens at `address` with the certificate in the file.
    pub(crate) fn to(address: &str, certificate: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate)?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { address: address.parse()?, connector: TlsConnector::from(Arc::new(config)) })
    }
}

impl Pipes for WebSocketPipes {
    type Reader = WebSocketReader;
    type Writer = WebSocketWriter;

    async fn open(&self) -> Result<(Self::Writer, Self::Reader)> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream: Box<dyn Connection> = Box::new(self.connector.connect(name, stream).await?);
        let url = format!("wss://{}/", self.address);
        let (socket, _) = client_async_with_config(url, stream, Some(config())).await?;
        let (_, writer, reader) = pipe(socket, None);
        Ok((writer, reader))
    }
}

/// Joins each pipe of a client to one that the sink has dialled before.
pub(crate) async fn splice(certificate: &Path) -> Result<()> {
    let (chain, key) = Identity::self_signed(&["localhost".to_owned()])?;
    fs::write(certificate, &chain)?;
    let acceptor = TlsAcceptor::from(Identity::from_pem(&chain, &key)?.https_config()?);
    let clients = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let sinks = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addresses = format!("{} {}", clients.local_addr()?, sinks.local_addr()?);
    // Full: whoever dials next waits.
    let (waiting, mut to_sink) = mpsc::channel(WAITING);
    let (client, mut from_client) = mpsc::channel(WAITING);
    tokio::spawn(accept(sinks, acceptor.clone(), waiting));
    tokio::spawn(accept(clients, acceptor, client));
    tokio::spawn(async move {
        while let (Some(client), Some(sink)) = (from_client.recv().await, to_sink.recv().await) {
            join(client, sink);
        }
    });
    ready(&addresses).await
}

type Accepted = (WebSocketWriter, WebSocketReader);

async fn accept(at: TcpListener, acceptor: TlsAcceptor, to: mpsc::Sender<Accepted>) -> Result<()> {
    loop {
        let (stream, _) = at.accept().await?;
        let (acceptor, to) = (acceptor.clone(), to.clone());
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let stream: Box<dyn Connection> = Box::new(acceptor.accept(stream).await?);
            let socket = accept_async_with_config(stream, Some(config())).await?;
            let (_, writer, reader) = pipe(socket, None);
            to.send((writer, reader)).await.ok().context("the splice has ended")
        });
    }
}

/// Keeps [`WAITING`] pipes at the splice, and serves those that a client is joined to.
pub(crate) async fn sink(splice: &str, certificate: &Path) -> Result<()> {
    let pipes = WebSocketPipes::to(splice, certificate)?;
    let (taken, mut again) = mpsc::channel(WAITING);
    for _ in 0..WAITING {
        taken.send(()).await?;
    }
    let keeps = async move {
        while again.recv().await.is_some() {
            let (writer, mut reader) = pipes.open().await?;
            let taken = taken.clone();
            tokio::spawn(async move {
                let wish = wish_of(&mut reader).await?;
                let _ = taken.send(()).await;
                serve(wish, writer, reader).await
            });
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::spawn(keeps);
    ready("sink").await
}
