//! The node's side of a login at a relay, and the control stream after it.

use std::{io, time::Duration};

use gantline_login::{
    channel::{ChannelError, ControlChannel},
    login::{EXPORTER_LABEL, L2, LoginError, LoginInitiator, TlsBinding},
};
use gantline_protocol::{
    HostName, WireError,
    link::{
        self, Denied, EnrolmentToken, HEADER, LinkMessage, LinkReply, Login, ciphertext_length,
    },
};
use gantline_transport::{
    Link, LinkEnd, QuicLink,
    quic::{QuicReader, QuicWriter},
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::Identity;

/// How long a relay may take for a login.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a relay did not let this node in.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginFailed {
    /// It said so before the handshake.
    #[error("{}", reply_in_words(.0))]
    Reply(LinkReply),
    /// It said so after it.
    #[error("the relay does not admit this machine: {}", denial_in_words(.0))]
    Denied(Denied),
    #[error(transparent)]
    Link(#[from] LinkEnd),
    #[error("the relay broke the login off: {0}")]
    Pipe(#[from] io::Error),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error("the relay broke the protocol")]
    Unexpected,
    #[error("the relay takes this machine for another one")]
    OtherMachine,
    #[error("the relay did not answer the login within 10 s")]
    Slow,
}

/// The control stream of a link.
pub(super) struct Control {
    channel: ControlChannel,
    writer: QuicWriter,
    reader: QuicReader,
}

/// Proves this node's key to the relay.
pub(super) async fn log_in(
    link: &QuicLink,
    host: &HostName,
    identity: &Identity,
    token: Option<EnrolmentToken>,
) -> Result<Control, LoginFailed> {
    timeout(PATIENCE, try_log_in(link, host, identity, token))
        .await
        .unwrap_or(Err(LoginFailed::Slow))
}

async fn try_log_in(
    link: &QuicLink,
    host: &HostName,
    identity: &Identity,
    token: Option<EnrolmentToken>,
) -> Result<Control, LoginFailed> {
    let (mut writer, mut reader) = link.open_pipe().await?;
    let exporter = link.tls_exporter(EXPORTER_LABEL)?;
    let binding = TlsBinding::Exporter(&exporter);
    let (initiator, hello) =
        LoginInitiator::start(&identity.key, host, binding, &mut UnwrapErr(SysRng))?;
    writer.write_all(&hello).await?;
    match LinkReply::from_byte(reader.read_u8().await?)? {
        LinkReply::GoOn => {}
        refusal @ (LinkReply::HostUnknown
        | LinkReply::Rate
        | LinkReply::Version
        | LinkReply::Other(_)) => return Err(LoginFailed::Reply(refusal)),
    }
    let mut l2 = [0; L2];
    reader.read_exact(&mut l2).await?;
    let mut control = Control { channel: initiator.finish(&l2)?, writer, reader };
    let login = Login {
        token,
        alias: identity.alias.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: Vec::new(),
    };
    control.say(&LinkMessage::Login(login)).await?;
    match control.next().await? {
        LinkMessage::Welcome(welcome) => {
            match welcome.machine == identity.key.public().machine_id() {
                true => Ok(control),
                false => Err(LoginFailed::OtherMachine),
            }
        }
        LinkMessage::Denied(denied) => Err(LoginFailed::Denied(denied)),
        LinkMessage::Login(_)
        | LinkMessage::Invite(_)
        | LinkMessage::GoAway { .. }
        | LinkMessage::Replaced
        | LinkMessage::Ping(_)
        | LinkMessage::Pong(_)
        | LinkMessage::Ignored(_) => Err(LoginFailed::Unexpected),
    }
}

impl Control {
    /// The relay's next message. Not to be given up half-way.
    pub(super) async fn next(&mut self) -> Result<LinkMessage, LoginFailed> {
        let mut header = [0; HEADER];
        self.reader.read_exact(&mut header).await?;
        let mut ciphertext = [0; link::MAX_CIPHERTEXT];
        let ciphertext =
            ciphertext.get_mut(..ciphertext_length(header)?).ok_or(LoginFailed::Unexpected)?;
        self.reader.read_exact(ciphertext).await?;
        Ok(LinkMessage::decode(self.channel.open(ciphertext)?)?)
    }

    /// Says something to the relay.
    pub(super) async fn say(&mut self, message: &LinkMessage) -> Result<(), LoginFailed> {
        let (mut plain, mut sealed) = (Vec::new(), Vec::new());
        message.encode(&mut plain)?;
        self.channel.seal(&plain, &mut sealed)?;
        Ok(self.writer.write_all(&sealed).await?)
    }
}

fn reply_in_words(reply: &LinkReply) -> &'static str {
    match reply {
        LinkReply::HostUnknown => {
            "the relay does not serve the name in the join link; ask its operator for a new link"
        }
        LinkReply::Rate => "the relay has too many logins at the moment",
        LinkReply::Version => "the relay does not speak this node's version; upgrade the older one",
        LinkReply::GoOn | LinkReply::Other(_) => "the relay refused the login",
    }
}

fn denial_in_words(denied: &Denied) -> String {
    use gantline_protocol::link::DenialReason;
    let what = match denied.reason {
        DenialReason::TokenRequired => {
            "it does not know this machine; join it with a link that its operator makes: \
             gantline-relay token create"
        }
        DenialReason::TokenUnknown => "it does not know the token of the join link (any more)",
        DenialReason::TokenExpired => "the join link has expired; ask for a new one",
        DenialReason::TokenUsed => "the join link was used up; ask for a new one",
        DenialReason::Quota => "its account has as many machines as it may",
        DenialReason::Rate => "too many logins at the moment",
        DenialReason::HostUnknown => "it does not serve the name in the join link",
        DenialReason::AliasTaken => "another machine has this alias; going on without one",
        DenialReason::Version => "it does not serve nodes of this version",
        DenialReason::Unavailable => "it can't decide at the moment; its database may be away",
        DenialReason::Other => "it gave a reason that this version does not know",
    };
    match denied.message.as_str() {
        "" => what.to_owned(),
        message => format!("{what} ({message})"),
    }
}
