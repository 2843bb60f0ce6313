//! A relay in this process, and the two who dial it: a node and a native client. Everything is
//! real but the session in the pipe.

use std::{io, net::Ipv4Addr, path::Path, time::Duration};

use gantline_login::{ControlChannel, LoginInitiator, StaticKey, TlsBinding, login::L2};
use gantline_protocol::{
    HostName, MachineId, RelayAddress, Ticket,
    link::{
        Denied, HEADER, LinkMessage, LinkReply, Login, PipeReply, PipeRequest, TicketRequest,
        Welcome, ciphertext_length,
    },
};
use gantline_relay::{Config, Limits, Relay, registry::TokenOrder};
use gantline_transport::{
    Carriers, Dialer, Link, PipeWriter, QuicDialer, QuicLink, RelayLink, RelayReader, RelayWriter,
    quic::Timing,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::io::AsyncReadExt;

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

/// A link to `address` by one carrier alone.
pub async fn dial_by(address: &RelayAddress, carriers: Carriers) -> (Dialer, RelayLink) {
    let dialer = Dialer::new(Timing::default(), carriers).unwrap();
    let link = soon(dialer.dial(address)).await.unwrap();
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
    /// The relay's answer belongs to another connection.
    Unbound,
    Ended,
}

/// A node that is linked.
#[derive(Debug)]
pub struct Node {
    pub link: RelayLink,
    pub machine: MachineId,
    pub writer: RelayWriter,
    pub reader: RelayReader,
    pub channel: ControlChannel,
    pub _dialer: Dialer,
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
        let (dialer, link) = dial_by(address, Carriers::Quic).await;
        Self::log_in(dialer, link, host, key, token, alias).await
    }

    /// A node of a machine of its own, by this carrier.
    pub async fn join_by(relay: &Relay, carriers: Carriers) -> Self {
        let token = token(relay).await;
        Self::join_again_by(relay, carriers, &key(), Some(&token)).await
    }

    pub async fn join_again_by(
        relay: &Relay,
        carriers: Carriers,
        key: &StaticKey,
        token: Option<&str>,
    ) -> Self {
        let address = relay.address().unwrap();
        let (dialer, link) = dial_by(&address, carriers).await;
        Self::log_in(dialer, link, &address.host, key, token, None).await.welcome().0
    }

    async fn log_in(
        dialer: Dialer,
        link: RelayLink,
        host: &HostName,
        key: &StaticKey,
        token: Option<&str>,
        alias: Option<&str>,
    ) -> Outcome {
        let exporter = link.login_exporter().unwrap();
        let pipe = link.open_pipe().await.unwrap();
        let binding = TlsBinding::Exporter(&exporter);
        let (writer, reader, channel) = match shake_hands(pipe, host, key, binding).await {
            Ok(shaken) => shaken,
            Err(outcome) => return outcome,
        };
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

    /// The ticket of the pipe that the relay asks for.
    pub async fn invited(&mut self) -> Ticket {
        let message = self.hear().await.unwrap();
        let LinkMessage::Invite(ticket) = message else { panic!("{message:?} is no invitation") };
        ticket
    }

    pub async fn send(&mut self, message: &LinkMessage) {
        let (mut plain, mut sealed) = (Vec::new(), Vec::new());
        message.encode(&mut plain).unwrap();
        self.channel.seal(&plain, &mut sealed).unwrap();
        self.writer.write_chunk(sealed.into()).await.unwrap();
    }

    pub async fn hear(&mut self) -> io::Result<LinkMessage> {
        let mut header = [0; HEADER];
        soon(self.reader.read_exact(&mut header)).await?;
        let mut sealed = vec![0; ciphertext_length(header).unwrap()];
        soon(self.reader.read_exact(&mut sealed)).await?;
        Ok(LinkMessage::decode(self.channel.open(&mut sealed).unwrap()).unwrap())
    }

    pub async fn accept(&self) -> (RelayWriter, RelayReader) {
        soon(self.link.accept_pipe()).await.unwrap()
    }
}

/// The handshake of a login, up to where both ends have proved their keys.
pub async fn shake_hands(
    (mut writer, mut reader): (RelayWriter, RelayReader),
    host: &HostName,
    key: &StaticKey,
    binding: TlsBinding<'_>,
) -> Result<(RelayWriter, RelayReader, ControlChannel), Outcome> {
    let (initiator, hello) =
        LoginInitiator::start(key, host, binding, &mut UnwrapErr(SysRng)).unwrap();
    // The relay may refuse before it has read everything.
    let _ = writer.write_chunk(hello.into()).await;
    let Ok(byte) = soon(reader.read_u8()).await else { return Err(Outcome::Ended) };
    let reply = LinkReply::from_byte(byte).unwrap();
    if reply != LinkReply::GoOn {
        return Err(Outcome::Refused(reply));
    }
    let mut l2 = [0; L2];
    soon(reader.read_exact(&mut l2)).await.unwrap();
    let channel = initiator.finish(&l2).map_err(|_| Outcome::Unbound)?;
    Ok((writer, reader, channel))
}

/// Comes for a pipe with a ticket.
pub async fn come(link: &RelayLink, ticket: Ticket) -> (RelayWriter, RelayReader) {
    let (mut writer, reader) = soon(link.open_pipe()).await.unwrap();
    let mut request = Vec::new();
    TicketRequest { ticket }.encode(&mut request);
    // The relay may give it up at once.
    let _ = writer.write_chunk(request.into()).await;
    (writer, reader)
}

impl Outcome {
    pub fn welcome(self) -> (Node, Welcome) {
        match self {
            Self::Welcome(node, welcome) => (*node, welcome),
            other @ (Self::Denied(_) | Self::Refused(_) | Self::Unbound | Self::Ended) => {
                panic!("{other:?} is no welcome")
            }
        }
    }

    pub fn denied(self) -> Denied {
        match self {
            Self::Denied(denied) => denied,
            other @ (Self::Welcome(..) | Self::Refused(_) | Self::Unbound | Self::Ended) => {
                panic!("{other:?} is no denial")
            }
        }
    }
}

/// A native client's connection.
pub struct Client {
    pub link: RelayLink,
    _dialer: Dialer,
}

impl Client {
    pub async fn dial(relay: &Relay) -> Self {
        Self::dial_by(relay, Carriers::Quic).await
    }

    pub async fn dial_by(relay: &Relay, carriers: Carriers) -> Self {
        let (dialer, link) = dial_by(&relay.address().unwrap(), carriers).await;
        Self { link, _dialer: dialer }
    }

    /// Asks for a pipe, with `first` behind the request.
    pub async fn pipe(
        &self,
        machine: MachineId,
        first: &[u8],
    ) -> Result<(RelayWriter, RelayReader), PipeReply> {
        let (mut writer, mut reader) = self.link.open_pipe().await.unwrap();
        let mut bytes = Vec::new();
        PipeRequest { machine }.encode(&mut bytes);
        bytes.extend_from_slice(first);
        // The relay may refuse before it has read everything.
        let _ = writer.write_chunk(bytes.into()).await;
        let reply = PipeReply::from_byte(soon(reader.read_u8()).await.unwrap()).unwrap();
        if reply == PipeReply::Spliced { Ok((writer, reader)) } else { Err(reply) }
    }
}

/// A node, a client, and a pipe between them, on which the client has written `first`.
pub async fn joined(
    relay: &Relay,
) -> (Node, Client, (RelayWriter, RelayReader), (RelayWriter, RelayReader)) {
    let node = Node::join(relay).await;
    let client = Client::dial(relay).await;
    let device = client.pipe(node.machine, b"first").await.unwrap();
    let (writer, mut reader) = node.accept().await;
    let mut first = [0; 5];
    soon(reader.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"first", "the first byte that the node reads is the device's");
    (node, client, device, (writer, reader))
}
