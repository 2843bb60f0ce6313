//! How the hostile relay meets nodes: it lets everybody in who proves a key, and may lie about it.

use gantline_login::{ControlChannel, LoginResponder, TlsBinding, login::L1};
use gantline_protocol::{
    HostName, MachineId, RelayAddress, Ticket,
    link::{LinkHello, LinkMessage, Purpose, Welcome},
};
use gantline_transport::{Inbox, Link, PipeReader, PipeWriter, QuicDialer, quic::Timing};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    sync::mpsc,
};

/// How the relay meets the nodes that log in from now on.
#[derive(Debug, Clone)]
pub enum Greeting {
    /// As a relay should.
    Honest,
    /// Takes the machine for another one.
    As(MachineId),
    /// Welcomes it, and then says what nobody sealed.
    Garbage,
    /// Carries the login on to another relay, as if the node had dialled that.
    Carry(RelayAddress),
}

/// A node that has proved its key and was welcomed, with its control stream.
pub(super) struct LoggedIn<R, W> {
    pub(super) machine: MachineId,
    channel: ControlChannel,
    inbox: Inbox<R>,
    writer: W,
}

/// Lets a node in, from the bytes behind the purpose on. `exporter` is that of the connection that
/// it came by. `None` when it does not stay.
pub(super) async fn admit<R: PipeReader, W: PipeWriter>(
    exporter: &[u8; 32],
    mut reader: R,
    mut writer: W,
    greeting: Greeting,
) -> anyhow::Result<Option<LoggedIn<R, W>>> {
    if let Greeting::Carry(relay) = &greeting {
        carry(reader, writer, relay).await?;
        return Ok(None);
    }
    let mut host = vec![0; usize::from(reader.read_u8().await?)];
    reader.read_exact(&mut host).await?;
    let host: HostName = String::from_utf8(host)?.parse()?;
    let mut inbox = Inbox::new(reader);
    let (responder, answer) = LoginResponder::answer(
        &LinkHello { host: host.clone() },
        std::slice::from_ref(&host),
        TlsBinding::Exporter(exporter),
        &inbox.exact::<L1>().await?,
        &mut UnwrapErr(SysRng),
    )?;
    writer.write_all(&answer).await?;
    let mut node = responder.confirm(&mut inbox.message().await?)?;
    let machine = match greeting {
        Greeting::As(machine) => machine,
        Greeting::Honest | Greeting::Garbage | Greeting::Carry(_) => node.machine,
    };
    let welcome = Welcome { machine, host, alias: None, version: "0.0.0".to_owned() };
    say(&mut writer, &mut node.channel, &LinkMessage::Welcome(welcome)).await?;
    if matches!(greeting, Greeting::Garbage) {
        writer.write_all(&[0, 17]).await?;
        writer.write_all(&[0x5a; 17]).await?;
    }
    Ok(Some(LoggedIn { machine: node.machine, channel: node.channel, inbox, writer }))
}

impl<R: PipeReader, W: PipeWriter> LoggedIn<R, W> {
    /// Keeps the control stream until the node ends it, or nobody can ask for pipes any more.
    pub(super) async fn keep(mut self, mut invites: mpsc::Receiver<Ticket>) -> anyhow::Result<()> {
        loop {
            let message = tokio::select! {
                ticket = invites.recv() => match ticket {
                    Some(ticket) => LinkMessage::Invite(ticket),
                    None => return Ok(()),
                },
                sealed = self.inbox.message() => {
                    let mut sealed = sealed?;
                    let heard = LinkMessage::decode(self.channel.open(&mut sealed)?)?;
                    let LinkMessage::Ping(number) = heard else { continue };
                    LinkMessage::Pong(number)
                }
            };
            say(&mut self.writer, &mut self.channel, &message).await?;
        }
    }
}

async fn say(
    writer: &mut impl PipeWriter,
    channel: &mut ControlChannel,
    message: &LinkMessage,
) -> anyhow::Result<()> {
    let (mut plain, mut sealed) = (Vec::new(), Vec::new());
    message.encode(&mut plain)?;
    channel.seal(&plain, &mut sealed)?;
    Ok(writer.write_all(&sealed).await?)
}

/// Puts the control stream through to `relay`, both ways, until one of them has enough.
async fn carry(
    mut reader: impl PipeReader,
    mut writer: impl PipeWriter,
    relay: &RelayAddress,
) -> anyhow::Result<()> {
    let dialer = QuicDialer::new(Timing::default())?;
    let link = dialer.dial(relay).await?;
    let (mut to_relay, mut from_relay) = link.open_pipe().await?;
    to_relay.write_all(&Purpose::Link.encode()).await?;
    tokio::select! {
        there = copy(&mut reader, &mut to_relay) => there?,
        back = copy(&mut from_relay, &mut writer) => back?,
    };
    Ok(())
}
