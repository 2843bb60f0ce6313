//! How the hostile relay meets nodes: it lets everybody in who proves a key, and may lie about it.

use gantline_login::{ControlChannel, LoginResponder, TlsBinding, login::L1};
use gantline_protocol::{
    HostName, MachineId, RelayAddress,
    link::{HEADER, LinkHello, LinkMessage, Purpose, Welcome, ciphertext_length},
};
use gantline_transport::{Link, PipeReader, PipeWriter, QuicDialer, quic::Timing};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};

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
    pub(super) reader: R,
    pub(super) writer: W,
}

/// Lets a node in, from the bytes behind the purpose on. `None` when it does not stay.
pub(super) async fn admit<R: PipeReader, W: PipeWriter>(
    link: &impl Link,
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
    let mut l1 = [0; L1];
    reader.read_exact(&mut l1).await?;
    let exporter = link.login_exporter()?;
    let (responder, answer) = LoginResponder::answer(
        &LinkHello { host: host.clone() },
        std::slice::from_ref(&host),
        TlsBinding::Exporter(&exporter),
        &l1,
        &mut UnwrapErr(SysRng),
    )?;
    writer.write_all(&answer).await?;
    let mut header = [0; HEADER];
    reader.read_exact(&mut header).await?;
    let mut sealed = vec![0; ciphertext_length(header)?];
    reader.read_exact(&mut sealed).await?;
    let mut node = responder.confirm(&mut sealed)?;
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
    Ok(Some(LoggedIn { machine: node.machine, reader, writer }))
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
