//! A link that stands: what the relay says on the control stream, and the pipes that come over it.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gantline_protocol::{
    Ticket,
    link::{LinkMessage, TicketRequest},
};
use gantline_transport::{Link, PipeWriter, RelayLink};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Uplink, board::Board, ended::Ended, login::Control};
use crate::door::Door;

/// How often the relay is asked for a sign of life on a WebSocket link, which also tells the round
/// trip. QUIC does both by itself.
const PING: Duration = Duration::from_secs(10);
/// How long the relay has to answer once the network has changed. Then it is dialled anew.
const PROOF: Duration = Duration::from_millis(1_500);
/// How long a link may go on after its relay said that it is being stopped, for the pipes in it.
const LONGEST_FAREWELL: Duration = Duration::from_secs(60);
/// When QUIC is tried again after a link came to stand on WebSockets. Doubles with each failure.
const FIRST_RETURN: Duration = Duration::from_secs(30);
/// The longest time between two such tries.
const LAST_RETURN: Duration = Duration::from_secs(600);
/// Pipes that are being dialled because the relay asked for them. Beyond that it is not heeded.
const MAX_INVITED: usize = 64;
/// What ends a link that this node ends: nothing is wrong.
const GOODBYE: u32 = 0;

/// A link with its control stream. Dropping it ends the link in order, so that the relay need not
/// wait for its silence.
pub(super) struct Standing {
    /// There until the link is handed over to [`Standing::wind_up`].
    parts: Option<Parts>,
}

struct Parts {
    link: RelayLink,
    control: Control,
    door: Door,
    /// Pipes that the relay asked for and that are not there yet.
    invited: JoinSet<()>,
    asked: Asked,
}

/// A PING that waits for its answer.
#[derive(Debug, Default)]
struct Asked {
    number: u64,
    at: Option<Instant>,
}

impl Standing {
    pub(super) fn new(link: RelayLink, control: Control, door: Door) -> Self {
        let (invited, asked) = (JoinSet::new(), Asked::default());
        Self { parts: Some(Parts { link, control, door, invited, asked }) }
    }

    /// Serves the link until it ends, or until another one is better.
    pub(super) async fn keep(&mut self, uplink: &Uplink) -> Ended {
        let Some(parts) = &mut self.parts else { return Ended::Lost("it was given up".to_owned()) };
        let (link, door) = (parts.link.clone(), parts.door.clone());
        tokio::select! {
            ended = parts.follow(Some(uplink)) => ended,
            never = take_pipes(&link, &door) => match never {},
            better = better(&link, uplink) => Ended::Better(better),
        }
    }

    /// The link goes on by itself, for the pipes in it, but not longer than the node. To a relay
    /// the end of the control stream is the end of the link, so that is followed as well.
    pub(super) fn wind_up(mut self, stop: CancellationToken) {
        let Some(mut parts) = self.parts.take() else { return };
        tokio::spawn(async move {
            let (link, door) = (parts.link.clone(), parts.door.clone());
            tokio::select! {
                () = stop.cancelled() => hang_up(&link, "the node stops"),
                () = sleep(2 * LONGEST_FAREWELL) => hang_up(&link, "it took too long"),
                _ = link.ended() => {}
                () = async {
                    while matches!(parts.follow(None).await, Ended::GoAway { .. }) {}
                    // After the last word the pipes may go on.
                    link.ended().await;
                } => {}
                never = take_pipes(&link, &door) => match never {},
            }
        });
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        if let Some(parts) = &self.parts {
            hang_up(&parts.link, "");
        }
    }
}

/// Ends a link in order.
pub(super) fn hang_up(link: &RelayLink, why: &str) {
    link.close(GOODBYE, why);
}

/// Why the link ended, the control stream tells: its last words may still lie there.
async fn take_pipes(link: &RelayLink, door: &Door) -> Infallible {
    while let Ok((writer, reader)) = link.accept_pipe().await {
        door.admit(reader, writer);
        // Many may have come at once: each is to show what it has brought before the next ones take
        // its place for want of it.
        tokio::task::yield_now().await;
    }
    std::future::pending().await
}

/// A link over QUIC, once there can be one, for one on WebSockets.
async fn better(link: &RelayLink, uplink: &Uplink) -> RelayLink {
    if matches!(link, RelayLink::Quic(_)) || !uplink.dialer.may_race() {
        return std::future::pending().await;
    }
    let mut way = uplink.changes.way_to(link.remote());
    let mut wait = FIRST_RETURN;
    loop {
        tokio::select! {
            () = sleep(wait) => wait = (2 * wait).min(LAST_RETURN),
            _ = way.changed() => wait = FIRST_RETURN,
        }
        match uplink.dialer.dial_quic(&uplink.relay.address).await {
            Ok(better) => return better,
            Err(error) => tracing::debug!(%error, "still no QUIC"),
        }
    }
}

impl Parts {
    /// Does what the relay asks for on the control stream. With an uplink also watches whether the
    /// network changes, and tells how long answers take.
    async fn follow(&mut self, uplink: Option<&Uplink>) -> Ended {
        let is_quic = matches!(self.link, RelayLink::Quic(_));
        let mut way = uplink.map(|uplink| uplink.changes.way_to(self.link.remote()));
        let mut pings = interval(PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut proof_by: Option<Instant> = None;
        loop {
            let proof = async {
                match proof_by {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let change = async {
                match &mut way {
                    Some(way) => way.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = self.control.next() => {
                    proof_by = None;
                    let heard = match message {
                        Ok(message) => self.hear(message, uplink.map(|uplink| &*uplink.board)).await,
                        Err(error) => Err(self.broken(&error).await),
                    };
                    if let Err(ended) = heard {
                        return ended;
                    }
                }
                () = proof => {
                    let why = "the network has changed, and the relay does not answer there";
                    return Ended::Moved(why.to_owned());
                }
                change = change => {
                    if let Some(uplink) = uplink {
                        uplink.follow_the_way(change);
                    }
                    proof_by = Some(Instant::now() + PROOF);
                    if let Err(ended) = self.ping().await {
                        return ended;
                    }
                }
                _ = pings.tick(), if !is_quic => {
                    if let Err(ended) = self.ping().await {
                        return ended;
                    }
                }
                // Done: dialled, or not.
                Some(_) = self.invited.join_next() => {}
            }
        }
    }

    async fn hear(&mut self, message: LinkMessage, board: Option<&Board>) -> Result<(), Ended> {
        match message {
            LinkMessage::Ping(number) => {
                self.control.say(&LinkMessage::Pong(number)).await.map_err(Ended::from)
            }
            LinkMessage::Pong(number) => {
                if number == self.asked.number
                    && let (Some(asked), Some(board)) = (self.asked.at.take(), board)
                {
                    board.measured(asked.elapsed());
                }
                Ok(())
            }
            LinkMessage::GoAway { redial_within_ms } => {
                let within = Duration::from_millis(redial_within_ms.into()).min(LONGEST_FAREWELL);
                Err(Ended::GoAway { within, was_up: false })
            }
            LinkMessage::Replaced => Err(Ended::Replaced),
            LinkMessage::Invite(ticket) if matches!(self.link, RelayLink::WebSocket(_)) => {
                self.accept(ticket);
                Ok(())
            }
            LinkMessage::Ignored(_) => Ok(()),
            LinkMessage::Login(_)
            | LinkMessage::Welcome(_)
            | LinkMessage::Denied(_)
            | LinkMessage::Invite(_) => Err(Ended::Lost("the relay broke the protocol".to_owned())),
        }
    }

    /// The link's own end says more than that its control stream broke.
    async fn broken(&self, error: &super::login::LoginFailed) -> Ended {
        // On WebSockets the control stream is all that there is of a link.
        if matches!(self.link, RelayLink::WebSocket(_)) {
            return Ended::Lost(format!("the control stream has ended: {error}"));
        }
        match timeout(Duration::from_secs(1), self.link.ended()).await {
            Ok(end) => end.into(),
            Err(_) => Ended::Lost(format!("the control stream has ended: {error}")),
        }
    }

    async fn ping(&mut self) -> Result<(), Ended> {
        self.asked = Asked { number: self.asked.number + 1, at: Some(Instant::now()) };
        self.control.say(&LinkMessage::Ping(self.asked.number)).await.map_err(Ended::from)
    }

    /// Comes for a pipe that the relay has a client for.
    fn accept(&mut self, ticket: Ticket) {
        if self.invited.len() >= MAX_INVITED {
            tracing::debug!("the relay asks for too many pipes at once");
            return;
        }
        let (link, door) = (self.link.clone(), self.door.clone());
        self.invited.spawn(async move {
            let Ok((mut writer, reader)) = link.open_pipe().await else { return };
            let mut request = Vec::new();
            TicketRequest { ticket }.encode(&mut request);
            if writer.write_chunk(Bytes::from(request)).await.is_ok() {
                door.admit(reader, writer);
            }
        });
    }
}
