//! What a node or client is connected by: a QUIC connection, or one WebSocket for each stream.

use std::net::IpAddr;

use gantline_login::TlsBinding;
use gantline_protocol::{Ticket, link::PipeReply};
use gantline_transport::{Link, LinkEnd, QuicLink};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    limits::Limits,
    tickets::{NodePipe, Tickets},
};

/// A connection that a stream came by.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    Quic(QuicLink),
    WebSocket(WebSocketLine),
}

/// One WebSocket. If it is a node's control stream, pipes are asked for by invitations on it.
#[derive(Debug, Clone)]
pub(crate) struct WebSocketLine {
    address: IpAddr,
    /// Under the login's label; `None` where a proxy ended TLS.
    exporter: Option<[u8; 32]>,
    tickets: Tickets,
    /// Invitations that wait to be sent. When it is full, the machine is busy.
    invite: mpsc::Sender<Ticket>,
    closed: CancellationToken,
}

/// The invitations that a node's control stream has to send.
#[derive(Debug)]
pub(crate) struct Invites(Option<mpsc::Receiver<Ticket>>);

/// Ties a login to the connection that it came by.
pub(crate) enum Binding {
    Exporter([u8; 32]),
    EndedByProxy,
}

impl Line {
    /// The line of a WebSocket, and the invitations that are asked of it.
    pub(crate) fn websocket(
        address: IpAddr,
        exporter: Option<[u8; 32]>,
        tickets: Tickets,
        limits: &Limits,
    ) -> (Self, Invites) {
        let (invite, invites) = mpsc::channel(limits.invitations.max(1));
        let closed = CancellationToken::new();
        let line = WebSocketLine { address, exporter, tickets, invite, closed };
        (Self::WebSocket(line), Invites(Some(invites)))
    }

    pub(crate) fn address(&self) -> IpAddr {
        match self {
            Self::Quic(link) => link.remote().ip(),
            Self::WebSocket(line) => line.address,
        }
    }

    pub(crate) fn binding(&self) -> Result<Binding, LinkEnd> {
        match self {
            Self::Quic(link) => link.login_exporter().map(Binding::Exporter),
            Self::WebSocket(line) => {
                Ok(line.exporter.map_or(Binding::EndedByProxy, Binding::Exporter))
            }
        }
    }

    /// Asks the node for a pipe.
    ///
    /// # Errors
    /// The refusal to send to the client.
    pub(crate) async fn open_pipe(&self, limits: &Limits) -> Result<NodePipe, PipeReply> {
        match self {
            Self::Quic(link) => match timeout(limits.pipe_open, link.open_pipe()).await {
                Ok(Ok((writer, reader))) => {
                    Ok(NodePipe { writer: writer.into(), reader: reader.into(), places: None })
                }
                Ok(Err(
                    LinkEnd::ClosedByPeer { .. }
                    | LinkEnd::ClosedHere
                    | LinkEnd::Silent
                    | LinkEnd::Restarted
                    | LinkEnd::Broken(_),
                )) => Err(PipeReply::Offline),
                // The node takes no more streams on this link.
                Err(_) => Err(PipeReply::Busy),
            },
            Self::WebSocket(line) => line.open_pipe(limits).await,
        }
    }

    /// Ends it, and on QUIC every stream in it. `code` is for people who look at packets.
    pub(crate) fn close(&self, code: u32) {
        match self {
            Self::Quic(link) => link.close(code, ""),
            Self::WebSocket(line) => line.closed.cancel(),
        }
    }

    /// Waits until it has ended. A WebSocket's end is seen by who reads it; here it is just that it
    /// was closed.
    pub(crate) async fn ended(&self) -> LinkEnd {
        match self {
            Self::Quic(link) => link.ended().await,
            Self::WebSocket(line) => {
                line.closed.cancelled().await;
                LinkEnd::ClosedHere
            }
        }
    }
}

impl WebSocketLine {
    async fn open_pipe(&self, limits: &Limits) -> Result<NodePipe, PipeReply> {
        let invitation = self.tickets.issue();
        match self.invite.try_send(invitation.ticket()) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(PipeReply::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(PipeReply::Offline),
        }
        match timeout(limits.invitation, invitation.answered()).await {
            Ok(Some(pipe)) => Ok(pipe),
            // It has told us nothing of why it does not come.
            Ok(None) | Err(_) => Err(PipeReply::Offline),
        }
    }
}

impl Invites {
    /// A line on which the relay opens pipes by itself.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) async fn next(&mut self) -> Ticket {
        if let Some(invites) = &mut self.0
            && let Some(ticket) = invites.recv().await
        {
            return ticket;
        }
        std::future::pending().await
    }
}

impl Binding {
    pub(crate) const fn for_login(&self) -> TlsBinding<'_> {
        match self {
            Self::Exporter(exporter) => TlsBinding::Exporter(exporter),
            Self::EndedByProxy => TlsBinding::EndedByProxy,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use tokio::{task::yield_now, time::timeout};

    use super::*;

    #[tokio::test]
    async fn a_node_that_takes_no_more_invitations_is_busy_and_bears_no_queue() {
        let limits =
            Limits { invitations: 2, invitation: Duration::from_millis(300), ..Limits::default() };
        let tickets = Tickets::default();
        let address = Ipv4Addr::LOCALHOST.into();
        let (line, mut invites) = Line::websocket(address, None, tickets, &limits);
        let ask = || {
            let (line, limits) = (line.clone(), limits.clone());
            tokio::spawn(async move { line.open_pipe(&limits).await.map(drop) })
        };
        let waiting = [ask(), ask()];
        yield_now().await;
        let answer = timeout(Duration::from_secs(10), ask()).await.expect("it queues").unwrap();
        assert_eq!(answer, Err(PipeReply::Busy));
        invites.next().await;
        let late = ask();
        for asked in waiting.into_iter().chain([late]) {
            assert_eq!(asked.await.unwrap(), Err(PipeReply::Offline), "it never came");
        }
        drop(invites);
        assert_eq!(ask().await.unwrap(), Err(PipeReply::Offline), "it is gone");
    }
}
