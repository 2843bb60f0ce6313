//! How a session is kept while it is used: a sign of life now and then, and at once when there is a
//! reason for doubt.

use std::{
    future::pending,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use gantline_client::{Connection, session::SessionEnd};
use gantline_protocol::session::CloseCode;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::sleep_until,
};

use super::{
    Shared,
    told::{State, is_news, now},
};
use crate::gateway::events::{Cursor, follow};

/// How long a session is kept after its last use.
const IDLE: Duration = Duration::from_secs(60);
/// How often a machine is asked for a sign of life.
const PING: Duration = Duration::from_secs(5);
/// A machine that gives none for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// The same, or four round trips if that is longer, when there is a reason for doubt.
const PROOF: Duration = Duration::from_millis(1_500);

/// How a session that stood came to its end.
pub(super) enum End {
    Unused,
    Broken(String),
    Revoked,
}

impl Shared {
    /// Keeps a session until it ends or nobody wants it any more.
    pub(super) async fn keep(
        &self,
        connection: Connection,
        place: OwnedSemaphorePermit,
        watchers: &mut watch::Receiver<usize>,
        cursor: &Cursor,
    ) -> End {
        let connection = Arc::new(connection);
        let Some(session) = connection.session().cloned() else {
            return End::Broken("it is no session".to_owned());
        };
        let since = now();
        let connected =
            |round_trip| State::Connected { connection: connection.clone(), since, round_trip };
        let mut round_trips = session.round_trip();
        let mut shown = None;
        let mut way = self.common.changes().way_out();
        let mut next_ping = Instant::now();
        let mut dead_at = None;
        let mut following: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        let mut follow_from = Instant::now();
        self.show(connected(None));
        let end = loop {
            let is_watched = *watchers.borrow_and_update() > 0;
            if !is_watched {
                following = None;
            }
            let is_used = is_watched || self.uses.load(Ordering::Acquire) > 0;
            let idle_at = (!is_used).then(|| self.known().last_use + IDLE);
            if following.is_none() && is_watched && Instant::now() >= follow_from {
                let (common, cursor) = (self.common.clone(), cursor.clone());
                let heard = follow(common, self.id, connection.clone(), cursor);
                following = Some(Box::pin(heard));
            }
            tokio::select! {
                end = session.ended() => break ended(&end),
                () = at(dead_at) => {
                    session.abort();
                    if let Ok(client) = self.common.client().await {
                        // Whatever carried it leads nowhere: the next try begins from nothing.
                        client.forget_links();
                    }
                    break End::Broken("it gave no sign of life".to_owned());
                }
                () = sleep_until(next_ping.into()) => {
                    next_ping = Instant::now() + PING;
                    if dead_at.is_none() {
                        session.ping();
                        dead_at = Some(Instant::now() + SILENCE);
                    }
                }
                Ok(()) = round_trips.changed() => {
                    dead_at = None;
                    let round_trip = *round_trips.borrow_and_update();
                    if is_news(shown, round_trip) {
                        shown = round_trip;
                        self.show(connected(round_trip));
                    }
                }
                () = at(idle_at) => break End::Unused,
                () = self.demand.notified() => {
                    if !session.takes_streams() {
                        break End::Broken("it takes no more requests in this session".to_owned());
                    }
                }
                _ = watchers.changed() => {}
                () = self.renewed.notified() => break End::Broken("it was paired anew".to_owned()),
                // Also after a sleep: whether the other end has given up, it alone can tell.
                _ = way.changed() => {
                    if let Ok(client) = self.common.client().await {
                        client.follow_the_way();
                    }
                    session.ping();
                    dead_at = Some(proof_due(&round_trips));
                }
                () = self.doubt.notified() => {
                    session.ping();
                    let due = proof_due(&round_trips);
                    dead_at = Some(dead_at.map_or(due, |at: Instant| at.min(due)));
                }
                () = run(following.as_mut()) => {
                    following = None;
                    follow_from = Instant::now() + PING;
                }
            }
        };
        drop(place);
        end
    }
}

fn ended(end: &SessionEnd) -> End {
    match end {
        SessionEnd::ByPeer { code: CloseCode::Revoked, .. } => End::Revoked,
        SessionEnd::ByPeer { .. } | SessionEnd::Here(_) | SessionEnd::Failed(_) => {
            End::Broken(end.to_string())
        }
    }
}

/// When a machine that is asked now has to have answered.
fn proof_due(round_trips: &watch::Receiver<Option<Duration>>) -> Instant {
    let usual = round_trips.borrow().unwrap_or_default();
    Instant::now() + PROOF.max(4 * usual)
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => pending().await,
    }
}

async fn run<F: Future<Output = ()> + Unpin>(future: Option<&mut F>) {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
