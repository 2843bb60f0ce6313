//! The node's links to its relays: one task each, which dials, logs in, hands the pipes of clients
//! to the door, and begins anew whenever the link ends, for as long as the node runs.

mod clash;
mod login;
mod tokens;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use gantline_crypto::StaticKey;
use gantline_protocol::{
    Alias, RelayAddress,
    api::{EventKind, LinkState, LinkStatus},
    link::{DenialReason, LinkMessage, LinkReply},
};
use gantline_transport::{Backoff, DialError, Link, LinkEnd, QuicDialer, QuicLink};
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use self::{
    clash::Clashes,
    login::{Control, LoginFailed, log_in},
};
use crate::{door::Door, events::Events};

pub use tokens::Tokens;

/// How long to wait before asking a relay again that does not want this machine.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// How long a link must have stood for its end to be a first failure again.
const UP_FOR: Duration = Duration::from_secs(10);
/// How long a link may go on after its relay said that it is being stopped, for the pipes in it.
const LONGEST_FAREWELL: Duration = Duration::from_secs(60);
/// What ends a link that this node ends: nothing is wrong.
const GOODBYE: u32 = 0;

/// What every link says of this node.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The machine's static key.
    pub key: StaticKey,
    /// The friendly name that it would like to have.
    pub alias: Option<Alias>,
}

/// The links of a node. Dropping it ends them.
#[derive(Debug)]
pub struct Uplinks {
    statuses: Vec<Arc<Mutex<LinkStatus>>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Uplinks {
    /// Dials all of `relays` and keeps dialling. Needs a Tokio runtime.
    #[must_use]
    pub fn start(
        relays: &[RelayAddress],
        identity: &Identity,
        dialer: &QuicDialer,
        tokens: &Tokens,
        door: &Door,
        events: &Events,
    ) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut statuses = Vec::new();
        for relay in relays {
            let status = Arc::new(Mutex::new(LinkStatus {
                host: relay.host.clone(),
                state: LinkState::Connecting,
                since: SystemTime::now().into(),
                last_error: None,
            }));
            statuses.push(status.clone());
            let uplink = Uplink {
                relay: relay.clone(),
                identity: identity.clone(),
                dialer: dialer.clone(),
                tokens: tokens.clone(),
                door: door.clone(),
                events: events.clone(),
                status,
            };
            let stop = stop.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = uplink.run(stop.child_token()) => {}
                }
            });
        }
        Self { statuses, stop, tasks }
    }

    /// How the links are doing, in the order in which the relays were named.
    #[must_use]
    pub fn statuses(&self) -> Vec<LinkStatus> {
        let read = |status: &Arc<Mutex<LinkStatus>>| {
            status.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        self.statuses.iter().map(read).collect()
    }

    /// Ends the links, and with them every pipe that came over them.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for Uplinks {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The link to one relay.
struct Uplink {
    relay: RelayAddress,
    identity: Identity,
    dialer: QuicDialer,
    tokens: Tokens,
    door: Door,
    events: Events,
    status: Arc<Mutex<LinkStatus>>,
}

/// Why a link ended, by what is to be done next.
enum Ended {
    /// It broke, or the relay could not be reached.
    Lost(String),
    /// The relay was restarted: it is there already. `was_up`: the link had stood for a while, so
    /// that coming back at once is no loop.
    Restarted { why: String, was_up: bool },
    /// The relay has too much to do; it may have said for how long at least.
    Busy { why: String, at_least: Duration },
    /// The relay does not want this machine; only a person can change that.
    Refused { why: String, at_least: Duration },
    /// Another machine has the alias: go on without it.
    AliasTaken(String),
    /// The relay is about to stop; another link is wanted within this time, and the pipes of the
    /// old one go on. `was_up` as above.
    GoAway { within: Duration, was_up: bool },
    /// A newer login with this machine's key took over.
    Replaced,
}

impl Uplink {
    async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut clashes = Clashes::default();
        loop {
            self.tell(LinkState::Connecting, None);
            let ended = self.once(&mut backoff, &stop).await;
            let (state, why, wait) = match ended {
                Ended::Lost(why) => (LinkState::Down, why, backoff.fail(random())),
                Ended::Restarted { why, was_up } => {
                    let wait = if was_up { Duration::ZERO } else { backoff.fail(random()) };
                    (LinkState::Down, why, wait)
                }
                Ended::Busy { why, at_least } => {
                    (LinkState::Down, why, backoff.refused(at_least, random()))
                }
                Ended::Refused { why, at_least } => {
                    (LinkState::Refused, why, backoff.refused(at_least.max(REFUSED_FOR), random()))
                }
                Ended::AliasTaken(why) => match self.identity.alias.take() {
                    Some(_) => (LinkState::Down, why, Duration::ZERO),
                    // It says so of a login that has none.
                    None => (LinkState::Down, why, backoff.fail(random())),
                },
                Ended::GoAway { within, was_up } => {
                    let spread = within.mul_f64(fraction(random()));
                    let wait = if was_up { spread } else { spread.max(backoff.fail(random())) };
                    (LinkState::Down, "the relay is being stopped".to_owned(), wait)
                }
                Ended::Replaced => match clashes.replaced(Instant::now()) {
                    None => {
                        let why = "another login with this machine's key took over".to_owned();
                        (LinkState::Down, why, backoff.fail(random()))
                    }
                    Some(wait) => (LinkState::Refused, clash::ADVICE.to_owned(), wait),
                },
            };
            tracing::warn!(relay = %self.relay.host, %why, ?wait, "the link to the relay is down");
            self.tell(state, Some(why));
            sleep(wait).await;
        }
    }

    /// One link, from dialling to its end.
    async fn once(&self, backoff: &mut Backoff, stop: &CancellationToken) -> Ended {
        let link = match self.dialer.dial(&self.relay).await {
            Ok(link) => link,
            Err(error) => return error.into(),
        };
        let hang_up = HangUp { link: Some(link.clone()), stop: stop.clone() };
        let token = self.tokens.find(&self.relay);
        let mut control = match log_in(&link, &self.relay.host, &self.identity, token).await {
            Ok(control) => control,
            Err(failed) => return Ended::from(failed),
        };
        let began = Instant::now();
        self.tokens.used(&self.relay).await;
        tracing::info!(relay = %self.relay.host, "the link to the relay is up");
        self.tell(LinkState::Up, None);
        let host = self.relay.host.clone();
        self.events.publish(EventKind::LinkUp { host: host.clone() });
        let ended = tokio::select! {
            ended = follow(&mut control, &link) => ended,
            never = self.take_pipes(&link) => match never {},
        };
        self.events.publish(EventKind::LinkDown { host });
        let was_up = began.elapsed() >= UP_FOR;
        if was_up {
            backoff.succeed();
        }
        match ended {
            Ended::GoAway { within, .. } => {
                hang_up.forget(control);
                Ended::GoAway { within, was_up }
            }
            Ended::Restarted { why, .. } => Ended::Restarted { why, was_up },
            ended @ (Ended::Lost(_)
            | Ended::Busy { .. }
            | Ended::Refused { .. }
            | Ended::AliasTaken(_)
            | Ended::Replaced) => ended,
        }
    }

    /// Why the link ended, the control stream tells: its last words may still lie there.
    async fn take_pipes(&self, link: &QuicLink) -> std::convert::Infallible {
        while let Ok((writer, reader)) = link.accept_pipe().await {
            self.door.admit(reader, writer);
            // Many may have come at once: each is to show what it has brought before the next ones
            // take its place for want of it.
            tokio::task::yield_now().await;
        }
        std::future::pending().await
    }

    fn tell(&self, state: LinkState, why: Option<String>) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if status.state != state {
            status.since = SystemTime::now().into();
        }
        status.state = state;
        if why.is_some() {
            status.last_error = why;
        }
    }
}

/// Does what the relay asks for on the control stream.
async fn follow(control: &mut Control, link: &QuicLink) -> Ended {
    loop {
        match control.next().await {
            Ok(LinkMessage::Ping(number)) => {
                if let Err(failed) = control.say(&LinkMessage::Pong(number)).await {
                    return failed.into();
                }
            }
            Ok(LinkMessage::GoAway { redial_within_ms }) => {
                let within = Duration::from_millis(redial_within_ms.into()).min(LONGEST_FAREWELL);
                return Ended::GoAway { within, was_up: false };
            }
            Ok(LinkMessage::Replaced) => return Ended::Replaced,
            Ok(LinkMessage::Pong(_) | LinkMessage::Ignored(_)) => {}
            Ok(
                LinkMessage::Login(_)
                | LinkMessage::Welcome(_)
                | LinkMessage::Denied(_)
                | LinkMessage::Invite(_),
            ) => return Ended::Lost("the relay broke the protocol".to_owned()),
            // The link's own end says more than that its control stream broke.
            Err(_) => {
                return match tokio::time::timeout(Duration::from_secs(1), link.ended()).await {
                    Ok(end) => end.into(),
                    Err(_) => Ended::Lost("the relay ended the control stream".to_owned()),
                };
            }
        }
    }
}

/// Ends a link in order, so that the relay need not wait for its silence.
struct HangUp {
    link: Option<QuicLink>,
    stop: CancellationToken,
}

impl HangUp {
    /// The link goes on, but not longer than the node. To a relay the end of the control stream is
    /// the end of the link, so that is kept as well.
    fn forget(mut self, control: Control) {
        let Some(link) = self.link.take() else { return };
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let _control = control;
            tokio::select! {
                () = stop.cancelled() => link.close(GOODBYE, "the node stops"),
                () = sleep(2 * LONGEST_FAREWELL) => link.close(GOODBYE, "it took too long"),
                _ = link.ended() => {}
            }
        });
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            link.close(GOODBYE, "");
        }
    }
}

impl From<DialError> for Ended {
    fn from(error: DialError) -> Self {
        match &error {
            DialError::Refused { .. } => {
                Self::Busy { why: error.to_string(), at_least: Duration::ZERO }
            }
            DialError::WrongRelay { .. } => {
                Self::Refused { why: error.to_string(), at_least: Duration::ZERO }
            }
            DialError::Name { .. } | DialError::Silent { .. } | DialError::Broken { .. } => {
                Self::Lost(error.to_string())
            }
        }
    }
}

impl From<LinkEnd> for Ended {
    fn from(end: LinkEnd) -> Self {
        match end {
            LinkEnd::Restarted => Self::Restarted { why: end.to_string(), was_up: false },
            LinkEnd::ClosedByPeer { .. }
            | LinkEnd::ClosedHere
            | LinkEnd::Silent
            | LinkEnd::Broken(_) => Self::Lost(end.to_string()),
        }
    }
}

impl From<LoginFailed> for Ended {
    fn from(failed: LoginFailed) -> Self {
        let why = failed.to_string();
        let at_once = Duration::ZERO;
        match failed {
            LoginFailed::Reply(LinkReply::Rate) => Self::Busy { why, at_least: at_once },
            LoginFailed::Reply(
                LinkReply::HostUnknown | LinkReply::Version | LinkReply::Other(_) | LinkReply::GoOn,
            )
            | LoginFailed::OtherMachine => Self::Refused { why, at_least: at_once },
            LoginFailed::Denied(denied) => {
                let at_least = Duration::from_millis(denied.retry_after_ms.unwrap_or(0).into())
                    .min(Duration::from_secs(3600));
                match denied.reason {
                    DenialReason::Rate | DenialReason::Unavailable => Self::Busy { why, at_least },
                    DenialReason::AliasTaken => Self::AliasTaken(why),
                    DenialReason::TokenRequired
                    | DenialReason::TokenUnknown
                    | DenialReason::TokenExpired
                    | DenialReason::TokenUsed
                    | DenialReason::Quota
                    | DenialReason::HostUnknown
                    | DenialReason::Version
                    | DenialReason::Other => Self::Refused { why, at_least },
                }
            }
            LoginFailed::Link(_)
            | LoginFailed::Pipe(_)
            | LoginFailed::Login(_)
            | LoginFailed::Wire(_)
            | LoginFailed::Channel(_)
            | LoginFailed::Unexpected
            | LoginFailed::Slow => Self::Lost(why),
        }
    }
}

fn random() -> u64 {
    UnwrapErr(SysRng).next_u64()
}

/// Evenly between 0 and 1.
fn fraction(random: u64) -> f64 {
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

impl fmt::Debug for Uplink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uplink").field("relay", &self.relay).finish_non_exhaustive()
    }
}
