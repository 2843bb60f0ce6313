//! The node's links to its relays: one task each, which dials, logs in, hands the pipes of clients
//! to the door, and begins anew whenever the link ends, for as long as the node runs.

mod board;
mod clash;
mod ended;
mod login;
mod standing;
mod tokens;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use gantline_crypto::StaticKey;
use gantline_protocol::{Alias, api::LinkStatus};
use gantline_transport::{Backoff, Change, Dialer, NetworkChanges, RelayLink};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use self::{
    board::Board,
    clash::Clashes,
    ended::{Ended, Verdict},
    login::log_in,
    standing::Standing,
};
use crate::{config::RelayConfig, door::Door, events::Events};

pub use tokens::Tokens;

/// How long a link must have stood for its end to be a first failure again.
const UP_FOR: Duration = Duration::from_secs(10);

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
    boards: Vec<Arc<Board>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Uplinks {
    /// Dials all of `relays` and keeps dialling. Needs a Tokio runtime.
    #[must_use]
    pub fn start(
        relays: &[RelayConfig],
        identity: &Identity,
        dialer: &Dialer,
        tokens: &Tokens,
        door: &Door,
        events: &Events,
    ) -> Self {
        let stop = CancellationToken::new();
        let changes = NetworkChanges::start();
        let mut tasks = JoinSet::new();
        let mut boards = Vec::new();
        for relay in relays {
            let board = Arc::new(Board::new(relay.address.host.clone(), events.clone()));
            boards.push(board.clone());
            let uplink = Uplink {
                relay: relay.clone(),
                identity: identity.clone(),
                dialer: match relay.behind_proxy {
                    true => dialer.by_websocket(),
                    false => dialer.clone(),
                },
                tokens: tokens.clone(),
                door: door.clone(),
                changes: changes.clone(),
                board,
            };
            let stop = stop.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = uplink.run(stop.child_token()) => {}
                }
            });
        }
        Self { boards, stop, tasks }
    }

    /// How the links are doing, in the order in which the relays were named.
    #[must_use]
    pub fn statuses(&self) -> Vec<LinkStatus> {
        self.boards.iter().map(|board| board.status()).collect()
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
    relay: RelayConfig,
    identity: Identity,
    dialer: Dialer,
    tokens: Tokens,
    door: Door,
    changes: NetworkChanges,
    board: Arc<Board>,
}

impl Uplink {
    async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut clashes = Clashes::default();
        let mut better = None;
        loop {
            let ended = self.once(better.take(), &mut backoff, &stop).await;
            let gives_up_alias = || self.identity.alias.take().is_some();
            let Verdict { state, why, wait, is_ours } =
                match ended.judge(&mut backoff, &mut clashes, gives_up_alias) {
                    Ok(verdict) => verdict,
                    Err(link) => {
                        better = Some(link);
                        continue;
                    }
                };
            tracing::warn!(relay = %self.relay.address.host, %why, ?wait, "the link to the relay is down");
            self.board.down(state, why, wait);
            let mut way = self.changes.way_out();
            tokio::select! {
                () = sleep(wait) => {}
                change = way.changed(), if is_ours => {
                    tracing::info!(?change, "the network has changed: dialling at once");
                    backoff.succeed();
                }
            }
        }
    }

    /// One link, from dialling to its end. `dialled` is one that is there already, while the one
    /// before still stands.
    async fn once(
        &self,
        dialled: Option<RelayLink>,
        backoff: &mut Backoff,
        stop: &CancellationToken,
    ) -> Ended {
        let link = match dialled {
            Some(link) => link,
            None => {
                self.board.connecting();
                match self.dial().await {
                    Ok(link) => link,
                    Err(ended) => return ended,
                }
            }
        };
        let token = self.tokens.find(&self.relay.address);
        let control = match log_in(&link, &self.relay, &self.identity, token).await {
            Ok(control) => control,
            Err(failed) => {
                standing::hang_up(&link, "");
                return Ended::from(failed);
            }
        };
        let began = Instant::now();
        self.tokens.used(&self.relay.address).await;
        tracing::info!(relay = %self.relay.address.host, "the link to the relay is up");
        self.board.up(&link);
        let mut standing = Standing::new(link, control, self.door.clone());
        let ended = standing.keep(self).await;
        let was_up = began.elapsed() >= UP_FOR;
        if was_up {
            backoff.succeed();
        }
        if matches!(ended, Ended::GoAway { .. } | Ended::Better(_)) {
            standing.wind_up(stop.clone());
        }
        ended.having_been_up(was_up)
    }

    /// Dials, and begins anew if the network changes meanwhile.
    async fn dial(&self) -> Result<RelayLink, Ended> {
        let mut way = self.changes.way_out();
        loop {
            tokio::select! {
                dialled = self.dialer.dial(&self.relay.address) => {
                    return dialled.map_err(Ended::from);
                }
                change = way.changed() => self.follow_the_way(change),
            }
        }
    }

    /// Lets QUIC leave by the way that packets take now.
    fn follow_the_way(&self, change: Change) {
        tracing::info!(?change, "the network has changed");
        if let Err(error) = self.dialer.rebind() {
            tracing::warn!(%error, "no new UDP socket for the new network");
        }
    }
}

impl fmt::Debug for Uplink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uplink").field("relay", &self.relay).finish_non_exhaustive()
    }
}
