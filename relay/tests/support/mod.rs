//! A relay in this process, and the two who dial it: a node and a native client. Everything is
//! real but the session in the pipe.

use std::{io, net::Ipv4Addr, path::Path, time::Duration};

use gantline_login::{ControlChannel, LoginInitiator, StaticKey, TlsBinding, login::L2};
use gantline_protocol::{
    HostName, MachineId, RelayAddress,
    link::{
        Denied, HEADER, LinkMessage, LinkReply, Login, PipeReply, PipeRequest, Welcome,
        ciphertext_length,
    },
};
use gantline_relay::{Config, Limits, Relay, registry::TokenOrder};
use gantline_transport::{
    Link, QuicDialer, QuicLink,
    quic::{QuicReader, QuicWriter, Timing},
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Longer than anything here takes.
pub const SOON: Duration = Duration::from_secs(20);

/// Fails the test instead of hanging it.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("it should have happened by now")
}

pub fn config(state: &Path) -> Config {
    Config {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        drain: Duration::from_secs(2),
        limits: limits(),
        ..Config::new(state.to_owned())
    }
}

/// The usual limits, but for a farewell that nobody here waits for.
pub fn limits() -> Limits {
    Limits { farewell: Duration::from_secs(1), ..Limits::default() }
}

pub async fn relay(state: &Path) -> Relay {
    Relay::start(config(state)).await.unwrap()
}

pub fn order(uses: u32) -> TokenOrder {
    TokenOrder { uses, life: Duration::from_secs(3600), label: String::new() }
}

pub async fn token(relay: &Relay) -> String {
    relay.join_link(order(1000)).await.unwrap().token.reveal().to_owned()
}

pub fn dialer() -> QuicDialer {
    QuicDialer::new(Timing::default()).unwrap()
}

pub async fn dial(relay: &Relay) -> (QuicDialer, QuicLink) {
    let dialer = dialer();
    let link = dialer.dial(&relay.address().unwrap()).await.unwrap();
    (dialer, link)
}

pub fn key() -> StaticKey {
    StaticKey::generate(&mut UnwrapErr(SysRng))
}

/// What came of a login.
#[derive(Debug)]
pub enum Outcome {
    Welcome(Box<Node>, Welcome),
    Denied(Denied),
    Refused(LinkReply),
    Ended,
}

/// A node that is linked.
#[derive(Debug)]
pub struct Node {
    pub link: QuicLink,
    pub machine: MachineId,
    pub writer: QuicWriter,
    pub reader: QuicReader,
    pub channel: ControlChannel,
    pub _dialer: QuicDialer,
}

impl Node {
    /// A node of a machine of its own, taken in by a token.
    pub async fn join(relay: &Relay) -> Self {
        let token = token(relay).await;
        Self::join_as(relay, &key(), Some(&token), None).await.welcome().0
    }

    pub async fn join_as(
        relay: &Relay,
        key: &StaticKey,
        token: Option<&str>,
        alias: Option<&str>,
    ) -> Outcome {
        let host = relay.address().unwrap().host;
        Self::join_at(&relay.address().unwrap(), &host, key, token, alias).await
    }

    pub async fn join_at(
        address: &RelayAddress,
        host: &HostName,
        key: &StaticKey,
        token: Option<&str>,
        alias: Option<&str>,
    ) -> Outcome {
        let dialer = dialer();
        let link = dialer.dial(address).await.unwrap();
        let (mut writer, mut reader) = link.open_pipe().await.unwrap();
        let exporter = link.login_exporter().unwrap();
        let (initiator, hello) = LoginInitiator::start(
            key,
            host,
            TlsBinding::Exporter(&exporter),
            &mut UnwrapErr(SysRng),
        )
        .unwrap();
        // The relay may refuse before it has read everything.
        let _ = writer.write_all(&hello).await;
        let Ok(byte) = reader.read_u8().await else { return Outcome::Ended };
        let reply = LinkReply::from_byte(byte).unwrap();
        if reply != LinkReply::GoOn {
            return Outcome::Refused(reply);
        }
        let mut l2 = [0; L2];
        reader.read_exact(&mut l2).await.unwrap();
        let channel = initiator.finish(&l2).unwrap();
        let machine = key.public().machine_id();
        let mut node = Self { link, machine, writer, reader, channel, _dialer: dialer };
        node.send(&LinkMessage::Login(Login {
            token: token.map(|token| token.parse().unwrap()),
            alias: alias.map(|alias| alias.parse().unwrap()),
            version: "0.0.1".to_owned(),
            capabilities: vec!["future".to_owned()],
        }))
        .await;
        match node.hear().await {
            Ok(LinkMessage::Welcome(welcome)) => Outcome::Welcome(Box::new(node), welcome),
            Ok(LinkMessage::Denied(denied)) => Outcome::Denied(denied),
            Ok(other) => panic!("{other:?} answers LOGIN"),
            Err(_) => Outcome::Ended,
        }
    }

    pub async fn send(&mut self, message: &LinkMessage) {
        let (mut plain, mut sealed) = (Vec::new(), Vec::new());
        message.encode(&mut plain).unwrap();
        self.channel.seal(&plain, &mut sealed).unwrap();
        self.writer.write_all(&sealed).await.unwrap();
    }

    pub async fn hear(&mut self) -> io::Result<LinkMessage> {
        let mut header = [0; HEADER];
        soon(self.reader.read_exact(&mut header)).await?;
        let mut sealed = vec![0; ciphertext_length(header).unwrap()];
        soon(self.reader.read_exact(&mut sealed)).await?;
        Ok(LinkMessage::decode(self.channel.open(&mut sealed).unwrap()).unwrap())
    }

    pub async fn accept(&self) -> (QuicWriter, QuicReader) {
        soon(self.link.accept_pipe()).await.unwrap()
    }
}

impl Outcome {
    pub fn welcome(self) -> (Node, Welcome) {
        match self {
            Self::Welcome(node, welcome) => (*node, welcome),
            other @ (Self::Denied(_) | Self::Refused(_) | Self::Ended) => {
                panic!("{other:?} is no welcome")
            }
        }
    }

    pub fn denied(self) -> Denied {
        match self {
            Self::Denied(denied) => denied,
            other @ (Self::Welcome(..) | Self::Refused(_) | Self::Ended) => {
                panic!("{other:?} is no denial")
            }
        }
    }
}

/// A native client's connection.
pub struct Client {
    pub link: QuicLink,
    _dialer: QuicDialer,
}

impl Client {
    pub async fn dial(relay: &Relay) -> Self {
        let (dialer, link) = dial(relay).await;
        Self { link, _dialer: dialer }
    }

    /// Asks for a pipe, with `first` behind the request.
    pub async fn pipe(
        &self,
        machine: MachineId,
        first: &[u8],
    ) -> Result<(QuicWriter, QuicReader), PipeReply> {
        let (mut writer, mut reader) = self.link.open_pipe().await.unwrap();
        let mut bytes = Vec::new();
        PipeRequest { machine }.encode(&mut bytes);
        bytes.extend_from_slice(first);
        // The relay may refuse before it has read everything.
        let _ = writer.write_all(&bytes).await;
        let reply = PipeReply::from_byte(soon(reader.read_u8()).await.unwrap()).unwrap();
        if reply == PipeReply::Spliced { Ok((writer, reader)) } else { Err(reply) }
    }
}

/// A node, a client, and a pipe between them, on which the client has written `first`.
pub async fn joined(
    relay: &Relay,
) -> (Node, Client, (QuicWriter, QuicReader), (QuicWriter, QuicReader)) {
    let node = Node::join(relay).await;
    let client = Client::dial(relay).await;
    let device = client.pipe(node.machine, b"first").await.unwrap();
    let (writer, mut reader) = node.accept().await;
    let mut first = [0; 5];
    soon(reader.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"first", "the first byte that the node reads is the device's");
    (node, client, device, (writer, reader))
}
