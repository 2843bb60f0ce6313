//! One machine that the gateway reaches: a task of its own makes the session when it is needed,
//! keeps it while it is used, and tells how it goes. So no machine waits for another.

mod keep;
mod open;
mod told;
mod tries;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gantline_client::Connection;
use gantline_protocol::{
    MachineId, Timestamp,
    api::{MachineSoftware, MachineSummary},
};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::told::{Failed, State};
use super::{Common, book::Entry, failure::Failure};

/// A failure is told again for so long without another try.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// How long somebody waits for a session: for all paths, which are tried at once, and a first word.
const PATIENCE: Duration = Duration::from_secs(16);
/// The same for a machine that could not be reached the last time: a page has few connections, and
/// those that wait for a dead machine would be missing for the others.
const PATIENCE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A machine that the gateway reaches. Dropping it ends its session.
#[derive(Debug)]
pub(super) struct Machine {
    shared: Arc<Shared>,
    stop: CancellationToken,
}

/// A session that is kept as long as this is held.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) connection: Arc<Connection>,
    demand: Demand,
}

#[derive(Debug)]
struct Shared {
    id: MachineId,
    common: Arc<Common>,
    known: Mutex<Known>,
    state: watch::Sender<State>,
    /// Those who use the session or wait for it.
    uses: AtomicUsize,
    /// Somebody has begun or ended to use it.
    demand: Notify,
    /// The pairing has been renewed.
    renewed: Notify,
    /// Somebody had no answer who should have.
    doubt: Notify,
}

/// What is known of the machine, whether or not it is reached.
#[derive(Debug)]
struct Known {
    entry: Entry,
    software: Option<MachineSoftware>,
    last_seen: Option<Timestamp>,
    last_use: Instant,
    /// Why it could not be reached when that was last tried.
    failure: Option<Failure>,
    told: Option<MachineSummary>,
}

impl Machine {
    /// A machine that nobody has asked for yet.
    pub(super) fn new(entry: Entry, common: Arc<Common>) -> Self {
        let stop = common.closing.child_token();
        let known = Known {
            entry,
            software: None,
            last_seen: None,
            last_use: Instant::now(),
            failure: None,
            told: None,
        };
        let id = known.entry.machine.machine_id;
        let begins = match known.entry.revoked_at {
            Some(_) => Failed::now(Failure::revoked(known.entry.machine.name.as_str())).into(),
            None => State::Idle,
        };
        let shared = Arc::new(Shared {
            id,
            common,
            known: Mutex::new(known),
            state: watch::Sender::new(begins),
            uses: AtomicUsize::new(0),
            demand: Notify::new(),
            renewed: Notify::new(),
            doubt: Notify::new(),
        });
        let (running, stopping) = (shared.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = running.run() => {}
            }
            // Whoever waits is told, and the session ends with its last user.
            running.state.send_replace(Failed::now(Failure::stopping()).into());
        });
        Self { shared, stop }
    }

    /// The book has this entry for it now.
    pub(super) fn renew(&self, entry: Entry) {
        let mut known = self.shared.known();
        let is_paired_anew = known.entry.machine.pairing != entry.machine.pairing;
        let was_mended = known.entry.revoked_at.is_some() && entry.revoked_at.is_none();
        known.entry = entry;
        drop(known);
        if is_paired_anew || was_mended {
            self.shared.renewed.notify_one();
        }
        self.shared.tell();
    }

    /// What a gateway's user is told of it.
    pub(super) fn summary(&self) -> MachineSummary {
        self.shared.summary(&self.shared.known())
    }

    /// Tells that it is there.
    pub(super) fn tell(&self) {
        self.shared.tell();
    }

    /// A session with the machine; waits for one if there is a chance.
    pub(super) async fn reach(&self) -> Result<Use, Failure> {
        let began = Instant::now();
        let mut state = self.shared.state.subscribe();
        let demand = Demand::new(self.shared.clone());
        let session = async {
            loop {
                match &*state.borrow_and_update() {
                    State::Connected { connection, .. } if is_open(connection) => {
                        return Ok(connection.clone());
                    }
                    State::Failed(failed) if failed.at + FRESH >= began => {
                        return Err(failed.failure.clone());
                    }
                    State::Idle
                    | State::Connecting
                    | State::Connected { .. }
                    | State::Failed(_) => {}
                }
                if state.changed().await.is_err() {
                    return Err(Failure::stopping());
                }
            }
        };
        let earlier = self.shared.known().failure.clone();
        let patience = if earlier.is_some() { PATIENCE_AFTER_FAILURE } else { PATIENCE };
        let connection = match timeout(patience, session).await {
            Ok(connection) => connection?,
            Err(_) => return Err(earlier.unwrap_or_else(|| Failure::slow(&self.shared.name()))),
        };
        Ok(Use { connection, demand })
    }
}

impl Use {
    /// Has the machine asked at once whether it is still there.
    pub(super) fn doubt(&self) {
        self.demand.0.doubt.notify_one();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn name(&self) -> String {
        self.known().entry.machine.name.to_string()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing in here can panic half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody uses a machine's session, or waits for it.
#[derive(Debug)]
struct Demand(Arc<Shared>);

impl Demand {
    fn new(shared: Arc<Shared>) -> Self {
        shared.uses.fetch_add(1, Ordering::AcqRel);
        shared.demand.notify_one();
        Self(shared)
    }
}

impl Drop for Demand {
    fn drop(&mut self) {
        self.0.known().last_use = Instant::now();
        self.0.uses.fetch_sub(1, Ordering::AcqRel);
        self.0.demand.notify_one();
    }
}

fn is_open(connection: &Connection) -> bool {
    connection.session().is_some_and(|session| session.takes_streams())
}
