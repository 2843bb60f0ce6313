//! A node's control stream: lets it log in, and keeps its link for as long as it lives.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use gantline_login::{
    ControlChannel, LoginError, LoginResponder,
    login::{L1, LoggedIn},
};
use gantline_protocol::{
    Alias, HostName, Ticket, WireError,
    link::{DenialReason, Denied, LinkHello, LinkMessage, LinkReply, Welcome},
};
use gantline_transport::{Inbox, LinkEnd, PipeWriter, ReadError, RelayReader, RelayWriter};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::{io::AsyncWriteExt, select, sync::watch, time::timeout};

use crate::{
    exchange::{Exchange, LinkPlace, NodeLink, Order, now},
    line::{Invites, Line},
    registry::{EnrolError, Enrolment, TokenHash},
};

/// With these numbers a link is closed; they are for people who look at packets.
pub(crate) const CLOSE_STOPPING: u32 = 0;
pub(crate) const CLOSE_ILLEGAL: u32 = 1;
pub(crate) const CLOSE_REFUSED: u32 = 2;
pub(crate) const CLOSE_REPLACED: u32 = 3;
pub(crate) const CLOSE_IDLE: u32 = 4;

/// When a node that can't be helped now should come back, in milliseconds.
const COME_BACK: u32 = 10_000;

/// Why a link ends.
#[derive(Debug, thiserror::Error)]
enum Farewell {
    #[error("the hello was answered with {0:?}")]
    Refused(LinkReply),
    #[error("the machine was not admitted: {0:?}")]
    Denied(DenialReason),
    #[error("a newer login of the same machine took over")]
    Replaced,
    #[error("the relay stops")]
    Stopping,
    #[error("the node ended the link")]
    Ended,
    #[error("the node did something that the protocol forbids: {0}")]
    Illegal(String),
}

/// Serves a stream that said that it is a link's control stream; ends the link when it is over.
pub(crate) async fn serve(
    exchange: &Arc<Exchange>,
    line: &Line,
    writer: RelayWriter,
    inbox: Inbox<RelayReader>,
    invites: Invites,
) {
    let address = line.address();
    let farewell = session(exchange, line, address, Control { writer, inbox, invites }).await;
    tracing::debug!(%address, "a link is over: {farewell}");
    let (code, may_read) = match &farewell {
        Farewell::Refused(_) | Farewell::Denied(_) => (CLOSE_REFUSED, true),
        Farewell::Replaced => (CLOSE_REPLACED, true),
        Farewell::Stopping => (CLOSE_STOPPING, false),
        Farewell::Ended => (CLOSE_STOPPING, false),
        Farewell::Illegal(_) => (CLOSE_ILLEGAL, false),
    };
    if may_read {
        // Closing at once could overtake the message that says why.
        select! {
            _ = timeout(exchange.config.limits.farewell, line.ended()) => {}
            () = exchange.ending.cancelled() => {}
        }
    }
    line.close(code);
}

struct Control {
    writer: RelayWriter,
    inbox: Inbox<RelayReader>,
    invites: Invites,
}

async fn session(
    exchange: &Arc<Exchange>,
    line: &Line,
    address: IpAddr,
    mut control: Control,
) -> Farewell {
    let login = log_in(exchange, line, address, &mut control);
    let (host, mut node) = match timeout(exchange.config.limits.login, login).await {
        Ok(Ok(node)) => node,
        Ok(Err(farewell)) => return farewell,
        Err(_) => return Farewell::Illegal("it took too long to log in".into()),
    };
    let alias = match admit(exchange, &node).await {
        Ok(alias) => alias,
        Err(denied) => {
            let reason = denied.reason;
            let message = LinkMessage::Denied(denied);
            return match control.send(exchange, &mut node.channel, &message).await {
                Ok(()) => {
                    // An error means that the node is gone.
                    let _ = control.writer.shutdown().await;
                    Farewell::Denied(reason)
                }
                Err(farewell) => farewell,
            };
        }
    };
    let (orders, told) = watch::channel(Order::Serve);
    let machine = node.machine;
    // In the table before WELCOME, so that whoever has seen a node welcomed can reach it.
    let place = exchange.linked(
        machine,
        node.login.version.clone(),
        NodeLink { line: line.clone(), orders },
    );
    tracing::info!(%machine, %address, version = %node.login.version, "a node is linked");
    let welcome = LinkMessage::Welcome(Welcome {
        machine,
        host,
        alias,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    let farewell = match control.send(exchange, &mut node.channel, &welcome).await {
        Ok(()) => keep(exchange, line, &mut control, &mut node.channel, told, &place).await,
        Err(farewell) => farewell,
    };
    drop(place);
    tracing::info!(%machine, %address, "a node is gone: {farewell}");
    farewell
}

/// From the hello to LOGIN. The names of a relay are no secret, so a wrong one is answered first;
/// the rate is looked at before anything that costs.
async fn log_in(
    exchange: &Exchange,
    line: &Line,
    address: IpAddr,
    control: &mut Control,
) -> Result<(HostName, LoggedIn), Farewell> {
    let hello = match control.inbox.take(LinkHello::decode).await {
        Ok(hello) => hello,
        Err(ReadError::Wire(WireError::Version { .. })) => {
            return Err(control.refuse(exchange, LinkReply::Version).await);
        }
        Err(error) => return Err(error.into()),
    };
    if !exchange.config.domains.contains(&hello.host) {
        return Err(control.refuse(exchange, LinkReply::HostUnknown).await);
    }
    if !exchange.admits_login(address) {
        return Err(control.refuse(exchange, LinkReply::Rate).await);
    }
    let l1 = control.inbox.exact::<L1>().await?;
    let binding = line.binding()?;
    let answered = LoginResponder::answer(
        &hello,
        &exchange.config.domains,
        binding.for_login(),
        &l1,
        &mut UnwrapErr(SysRng),
    );
    let (responder, answer) = match answered {
        Ok(answered) => answered,
        Err(error) => {
            return Err(match error.reply() {
                Some(reply) => control.refuse(exchange, reply).await,
                None => error.into(),
            });
        }
    };
    control.write(exchange, answer.to_vec()).await?;
    let mut sealed = control.inbox.message().await?;
    Ok((hello.host, responder.confirm(&mut sealed)?))
}

/// Whether the machine is let in, and with which alias.
async fn admit(exchange: &Exchange, node: &LoggedIn) -> Result<Option<Alias>, Denied> {
    let (machine, login) = (node.machine, &node.login);
    if let Some(known) = exchange.known(&machine) {
        if known.key != node.key {
            return Err(denied(DenialReason::Other, "Another key has this machine id."));
        }
        return Ok(match &login.alias {
            Some(wanted) if known.alias.as_ref() != Some(wanted) => {
                rename(exchange, node, wanted).await.or(known.alias)
            }
            Some(_) | None => known.alias,
        });
    }
    let Some(token) = &login.token else {
        let message = "The relay doesn't know this machine. Join with a link from its operator.";
        return Err(denied(DenialReason::TokenRequired, message));
    };
    let enrolment = Enrolment {
        machine,
        key: node.key,
        token: TokenHash::of(token),
        alias: login.alias.clone(),
        version: login.version.clone(),
        at: now(),
    };
    let away = || Denied {
        retry_after_ms: Some(COME_BACK),
        ..denied(
            DenialReason::Unavailable,
            "The relay can't take in new machines at the moment. Try again later.",
        )
    };
    let enrolled = exchange.registry.enrol(&enrolment);
    match timeout(exchange.config.limits.registry, enrolled).await {
        Ok(Ok(machine)) => {
            exchange.taken_in(&machine);
            Ok(machine.alias)
        }
        Ok(Err(EnrolError::Denied { reason, message })) => Err(denied(reason, message)),
        Ok(Err(EnrolError::Unavailable(error))) => {
            tracing::error!(%machine, "a machine can't be taken in: {error}");
            Err(away())
        }
        Err(_) => {
            tracing::error!(%machine, "a machine can't be taken in: the registry is too slow");
            Err(away())
        }
    }
}

/// A known machine would like another alias. It keeps the one that it has if that can't be.
async fn rename(exchange: &Exchange, node: &LoggedIn, wanted: &Alias) -> Option<Alias> {
    let renamed = exchange.registry.rename(node.machine, wanted);
    match timeout(exchange.config.limits.registry, renamed).await {
        Ok(Ok(())) => {
            exchange.renamed(&node.machine, wanted);
            Some(wanted.clone())
        }
        Ok(Err(error)) => {
            tracing::warn!(machine = %node.machine, alias = %wanted, "no new alias: {error}");
            None
        }
        Err(_) => None,
    }
}

fn denied(reason: DenialReason, message: &str) -> Denied {
    Denied { reason, message: message.to_owned(), retry_after_ms: None }
}

/// The life of a link after WELCOME.
async fn keep(
    exchange: &Exchange,
    line: &Line,
    control: &mut Control,
    channel: &mut ControlChannel,
    mut told: watch::Receiver<Order>,
    _place: &LinkPlace,
) -> Farewell {
    loop {
        let step = select! {
            biased;
            () = exchange.ending.cancelled() => return Farewell::Stopping,
            end = line.ended() => {
                tracing::debug!("the link ended: {end}");
                return Farewell::Ended;
            }
            Ok(()) = told.changed() => Step::Told(*told.borrow_and_update()),
            ticket = control.invites.next() => Step::Invite(ticket),
            message = control.inbox.message() => Step::Heard(message),
        };
        let answer = match step {
            Step::Told(Order::Serve) => continue,
            Step::Told(Order::GoAway { redial_within_ms }) => {
                LinkMessage::GoAway { redial_within_ms }
            }
            Step::Told(Order::Replaced) => {
                return match control.send(exchange, channel, &LinkMessage::Replaced).await {
                    Ok(()) => {
                        // An error means that the node is gone.
                        let _ = control.writer.shutdown().await;
                        Farewell::Replaced
                    }
                    Err(farewell) => farewell,
                };
            }
            Step::Invite(ticket) => LinkMessage::Invite(ticket),
            Step::Heard(message) => match heard(channel, message) {
                Ok(Some(answer)) => answer,
                Ok(None) => continue,
                Err(farewell) => return farewell,
            },
        };
        if let Err(farewell) = control.send(exchange, channel, &answer).await {
            return farewell;
        }
    }
}

enum Step {
    Told(Order),
    Invite(Ticket),
    Heard(Result<Vec<u8>, ReadError>),
}

/// What there is to answer to a message. The relay asks for no PONG, so none is in turn.
fn heard(
    channel: &mut ControlChannel,
    message: Result<Vec<u8>, ReadError>,
) -> Result<Option<LinkMessage>, Farewell> {
    let mut sealed = message?;
    let opened = channel.open(&mut sealed).map_err(|error| Farewell::Illegal(error.to_string()))?;
    match LinkMessage::decode(opened).map_err(ReadError::Wire)? {
        LinkMessage::Ping(number) => Ok(Some(LinkMessage::Pong(number))),
        LinkMessage::Ignored(_) => Ok(None),
        LinkMessage::Login(_)
        | LinkMessage::Welcome(_)
        | LinkMessage::Denied(_)
        | LinkMessage::Invite(_)
        | LinkMessage::GoAway { .. }
        | LinkMessage::Replaced
        | LinkMessage::Pong(_) => Err(Farewell::Illegal("a message out of turn".into())),
    }
}

impl Control {
    async fn send(
        &mut self,
        exchange: &Exchange,
        channel: &mut ControlChannel,
        message: &LinkMessage,
    ) -> Result<(), Farewell> {
        let mut plain = Vec::new();
        message.encode(&mut plain).map_err(|error| Farewell::Illegal(error.to_string()))?;
        let mut sealed = Vec::new();
        channel.seal(&plain, &mut sealed).map_err(|error| Farewell::Illegal(error.to_string()))?;
        self.write(exchange, sealed).await
    }

    async fn refuse(&mut self, exchange: &Exchange, reply: LinkReply) -> Farewell {
        match self.write(exchange, vec![reply.to_byte()]).await {
            Ok(()) => {
                // An error means that the node is gone.
                let _ = self.writer.shutdown().await;
                Farewell::Refused(reply)
            }
            Err(farewell) => farewell,
        }
    }

    async fn write(&mut self, exchange: &Exchange, bytes: Vec<u8>) -> Result<(), Farewell> {
        let written = self.writer.write_chunk(Bytes::from(bytes));
        match timeout(exchange.config.limits.control_write, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Farewell::Ended),
            Err(_) => Err(Farewell::Illegal("it does not read what it is told".into())),
        }
    }
}

impl From<ReadError> for Farewell {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Ended => Self::Ended,
            ReadError::Wire(error) => Self::Illegal(error.to_string()),
        }
    }
}

impl From<LoginError> for Farewell {
    fn from(error: LoginError) -> Self {
        Self::Illegal(error.to_string())
    }
}

impl From<LinkEnd> for Farewell {
    fn from(_: LinkEnd) -> Self {
        Self::Ended
    }
}
