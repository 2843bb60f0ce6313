//! The node's side of a login at a relay, and the control stream after it.

use std::{io, time::Duration};

use bytes::Bytes;
use gantline_login::{
    channel::{ChannelError, ControlChannel},
    login::{L2, LoginError, LoginInitiator, TlsBinding},
};
use gantline_protocol::{
    WireError,
    link::{Denied, EnrolmentToken, LinkMessage, LinkReply, Login},
};
use gantline_transport::{
    Inbox, Link, LinkEnd, PipeWriter, ReadError, RelayLink, RelayReader, RelayWriter,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::time::timeout;

use super::Identity;
use crate::config::RelayConfig;

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
    #[error("the relay broke off: {0}")]
    Read(#[from] ReadError),
    #[error("the relay broke off: {0}")]
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
    writer: RelayWriter,
    inbox: Inbox<RelayReader>,
}

/// Proves this node's key to the relay.
pub(super) async fn log_in(
    link: &RelayLink,
    relay: &RelayConfig,
    identity: &Identity,
    token: Option<EnrolmentToken>,
) -> Result<Control, LoginFailed> {
    timeout(PATIENCE, try_log_in(link, relay, identity, token))
        .await
        .unwrap_or(Err(LoginFailed::Slow))
}

async fn try_log_in(
    link: &RelayLink,
    relay: &RelayConfig,
    identity: &Identity,
    token: Option<EnrolmentToken>,
) -> Result<Control, LoginFailed> {
    let (mut writer, reader) = link.open_pipe().await?;
    let mut inbox = Inbox::new(reader);
    let exporter = link.login_exporter()?;
    let binding = match relay.behind_proxy {
        true => TlsBinding::EndedByProxy,
        false => TlsBinding::Exporter(&exporter),
    };
    let (initiator, hello) =
        LoginInitiator::start(&identity.key, &relay.address.host, binding, &mut UnwrapErr(SysRng))?;
    writer.write_chunk(Bytes::from(hello)).await?;
    let [reply] = inbox.exact().await?;
    match LinkReply::from_byte(reply)? {
        LinkReply::GoOn => {}
        refusal @ (LinkReply::HostUnknown
        | LinkReply::Rate
        | LinkReply::Version
        | LinkReply::Other(_)) => return Err(LoginFailed::Reply(refusal)),
    }
    let l2 = inbox.exact::<L2>().await?;
    let mut control = Control { channel: initiator.finish(&l2)?, writer, inbox };
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
    /// The relay's next message. Giving up the wait loses nothing.
    pub(super) async fn next(&mut self) -> Result<LinkMessage, LoginFailed> {
        let mut ciphertext = self.inbox.message().await?;
        Ok(LinkMessage::decode(self.channel.open(&mut ciphertext)?)?)
    }

    /// Says something to the relay.
    pub(super) async fn say(&mut self, message: &LinkMessage) -> Result<(), LoginFailed> {
        let (mut plain, mut sealed) = (Vec::new(), Vec::new());
        message.encode(&mut plain)?;
        self.channel.seal(&plain, &mut sealed)?;
        Ok(self.writer.write_chunk(Bytes::from(sealed)).await?)
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
