//! One machine that the gateway reaches: a task of its own makes the session when it is needed,
//! keeps it while it is used, and tells how it goes. So no machine waits for another.

use std::{
    future::pending,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use gantline_client::{
    ConnectError, Connection, Path, PathError, RequestError, connection::Request,
    session::SessionEnd,
};
use gantline_protocol::{
    MachineId, Timestamp,
    api::{EventKind, Machine as Described, MachineSoftware, MachineSummary, Reach},
    session::CloseCode,
};
use gantline_transport::{Backoff, Way};
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, watch},
    time::{sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Common,
    book::{Book, BookError, Entry},
    events::{Cursor, follow},
    failure::{Failure, Why},
};

/// How long a session is kept after its last use.
const IDLE: Duration = Duration::from_secs(60);
/// A failure is told again for so long without another try.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// How long somebody waits for a session: for all paths, which are tried at once, and a first word.
const PATIENCE: Duration = Duration::from_secs(16);
/// The same for a machine that could not be reached the last time: a page has few connections, and
/// those that wait for a dead machine would be missing for the others.
const PATIENCE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long a machine may take for its first word, once its session stands.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// How often a machine is asked for a sign of life.
const PING: Duration = Duration::from_secs(5);
/// A machine that gives none for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// The same, or four round trips if that is longer, when there is a reason for doubt.
const PROOF: Duration = Duration::from_millis(1_500);
/// A session that ends sooner did not stand: the next one waits as after a failure.
const STOOD: Duration = Duration::from_secs(5);
/// What a machine says of itself is at most so long, in bytes.
const MAX_DESCRIPTION: usize = 64 * 1024;
/// What is kept of a word that a machine says of its software, in characters.
const MAX_WORD: usize = 64;

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

#[derive(Debug, Clone)]
enum State {
    Idle,
    Connecting,
    Connected { connection: Arc<Connection>, since: Timestamp, round_trip: Option<Duration> },
    Failed(Arc<Failed>),
}

#[derive(Debug)]
struct Failed {
    failure: Failure,
    at: Instant,
    /// When it is tried again, if somebody watches.
    due: Instant,
    next_try: Option<Timestamp>,
}

/// How a session that stood came to its end.
enum End {
    Unused,
    Broken(String),
    Revoked,
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
        Ok(Use { connection, demand: demand })
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
    async fn run(&self) {
        let mut backoff = Backoff::default();
        let mut watchers = self.common.watchers.subscribe();
        let cursor = Cursor::default();
        if matches!(&*self.state.borrow(), State::Failed(_)) {
            self.after_failure(&mut backoff, &mut watchers).await;
        }
        loop {
            self.wanted(&mut watchers).await;
            self.show(State::Connecting);
            let Some(place) = self.common.place() else {
                self.fail(Failure::full(), &mut backoff, &mut watchers).await;
                continue;
            };
            let connection = match self.connect().await {
                Ok(connection) => connection,
                Err(failure) => {
                    drop(place);
                    self.fail(failure, &mut backoff, &mut watchers).await;
                    continue;
                }
            };
            let stood = Instant::now();
            let end = self.keep(connection, place, &mut watchers, &cursor).await;
            self.known().last_seen = Some(now());
            match end {
                End::Unused => self.show(State::Idle),
                End::Revoked => {
                    self.note_revoked().await;
                    let failure = Failure::revoked(&self.name());
                    self.fail(failure, &mut backoff, &mut watchers).await;
                }
                End::Broken(_) if stood.elapsed() >= STOOD => {
                    backoff.succeed();
                    let goes_on = self.is_wanted(&watchers);
                    self.show(if goes_on { State::Connecting } else { State::Idle });
                }
                End::Broken(why) => {
                    let failure = Failure::away(&self.name(), &why);
                    self.fail(failure, &mut backoff, &mut watchers).await;
                }
            }
        }
    }

    /// Tells of a failure, and waits until another try is due.
    async fn fail(
        &self,
        failure: Failure,
        backoff: &mut Backoff,
        watchers: &mut watch::Receiver<usize>,
    ) {
        let at = Instant::now();
        let due = at + FRESH + backoff.fail(UnwrapErr(SysRng).next_u64());
        let retries = *watchers.borrow() > 0 && failure.why != Why::Revoked;
        let next_try = retries.then(|| in_future(due));
        self.show(Failed { failure, at, due, next_try }.into());
        self.after_failure(backoff, watchers).await;
    }

    /// Waits until somebody wants the machine.
    async fn wanted(&self, watchers: &mut watch::Receiver<usize>) {
        while !self.is_wanted(watchers) {
            tokio::select! {
                () = self.demand.notified() => {}
                _ = watchers.changed() => {}
            }
        }
    }

    fn is_wanted(&self, watchers: &watch::Receiver<usize>) -> bool {
        *watchers.borrow() > 0 || self.uses.load(Ordering::Acquire) > 0
    }

    /// Waits until another try is due: as the backoff says while somebody watches, at once when the
    /// network has changed, and when somebody asks.
    async fn after_failure(&self, backoff: &mut Backoff, watchers: &mut watch::Receiver<usize>) {
        let (fresh_until, due, is_revoked) = match &*self.state.borrow() {
            State::Failed(failed) => {
                (failed.at + FRESH, failed.due, failed.failure.why == Why::Revoked)
            }
            State::Idle | State::Connecting | State::Connected { .. } => return,
        };
        let mut way = None;
        loop {
            let retries = *watchers.borrow_and_update() > 0 && !is_revoked;
            self.show_next_try(retries, due);
            if retries && way.is_none() {
                way = Some(self.common.changes().way_out());
            }
            tokio::select! {
                () = sleep_until(due.into()), if retries => return,
                () = moved(way.as_mut()), if retries => {
                    backoff.succeed();
                    return;
                }
                () = self.renewed.notified() => return self.show(State::Idle),
                () = self.demand.notified() => {
                    if self.uses.load(Ordering::Acquire) > 0 && Instant::now() > fresh_until {
                        return;
                    }
                }
                _ = watchers.changed() => {}
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let name = self.name();
        let machine = self.known().entry.machine.clone();
        let client = self.common.client().await.map_err(|why| Failure::away(&name, &why))?;
        let paths: Vec<_> = machine.relays.iter().cloned().map(Path::Relay).collect();
        if paths.is_empty() {
            return Err(Failure::no_path(&name));
        }
        let mut way = self.common.changes().way_out();
        let connection = {
            let mut connecting = std::pin::pin!(client.connect(&machine, &paths));
            loop {
                tokio::select! {
                    connected = &mut connecting => {
                        break connected.map_err(|error| unreached(&name, &error))?;
                    }
                    _ = way.changed() => client.follow_the_way(),
                }
            }
        };
        let described = timeout(FIRST_WORD, describe(&connection)).await;
        match described.unwrap_or_else(|_| Err(RequestError::Path(PathError::Slow(FIRST_WORD)))) {
            Ok(described) => {
                self.note(described).await;
                Ok(connection)
            }
            Err(error) if error.is_revoked() => {
                self.note_revoked().await;
                Err(Failure::revoked(&name))
            }
            Err(error) => Err(Failure::away(&name, &error)),
        }
    }

    /// Keeps a session until it ends or nobody wants it any more.
    async fn keep(
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
                let heard = follow(self.common.clone(), connection.clone(), cursor.clone());
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

    /// What the machine said of itself, and that it knows this device.
    async fn note(&self, described: Described) {
        let software = MachineSoftware {
            version: word(&described.version),
            os: word(&described.os),
            arch: word(&described.arch),
        };
        let is_news = {
            let mut known = self.known();
            known.software = Some(software);
            known.last_seen = Some(now());
            let entry = &known.entry;
            entry.alias != described.alias
                || entry.machine.role != described.role
                || entry.revoked_at.is_some()
        };
        if is_news {
            self.change_entry(move |entry| {
                entry.alias.clone_from(&described.alias);
                entry.machine.role = described.role;
                entry.revoked_at = None;
            })
            .await;
        }
    }

    async fn note_revoked(&self) {
        let at = now();
        self.change_entry(move |entry| {
            entry.revoked_at.get_or_insert(at);
        })
        .await;
    }

    /// Changes what is known of the machine, here and in the book.
    async fn change_entry(&self, change: impl Fn(&mut Entry) + Send + 'static) {
        change(&mut self.known().entry);
        let (home, id) = (self.common.home.clone(), self.id);
        let changed = self.common.blocking(move || {
            Book::change(&home, |book| {
                if let Some(entry) = book.by_id_mut(id) {
                    change(entry);
                }
                Ok::<_, BookError>(())
            })
        });
        if let Err(error) = changed.await {
            tracing::warn!(machine = %self.id, %error, "what the machine said could not be noted");
        }
    }

    fn show(&self, state: State) {
        match &state {
            State::Connected { .. } => self.known().failure = None,
            State::Failed(failed) => self.known().failure = Some(failed.failure.clone()),
            State::Idle | State::Connecting => {}
        }
        self.state.send_replace(state);
        self.tell();
    }

    fn show_next_try(&self, retries: bool, due: Instant) {
        let changed = self.state.send_if_modified(|state| match state {
            State::Failed(failed) if failed.next_try.is_some() != retries => {
                let next_try = retries.then(|| in_future(due));
                let (failure, at) = (failed.failure.clone(), failed.at);
                *state = Failed { failure, at, due, next_try }.into();
                true
            }
            State::Failed(_) | State::Idle | State::Connecting | State::Connected { .. } => false,
        });
        if changed {
            self.tell();
        }
    }

    /// Tells what there is to tell, unless it was told.
    fn tell(&self) {
        let mut known = self.known();
        let summary = self.summary(&known);
        if known.told.as_ref() != Some(&summary) {
            known.told = Some(summary.clone());
            // Under the lock, so that what is newer is told later.
            self.common.events.publish(EventKind::MachineChanged { machine: Box::new(summary) });
        }
    }

    fn summary(&self, known: &Known) -> MachineSummary {
        let state = self.state.borrow().clone();
        let last_seen = known.last_seen;
        let reach = match state {
            State::Idle => Reach::Idle { last_seen },
            State::Connecting => Reach::Connecting,
            State::Connected { connection, since, round_trip } => Reach::Connected {
                path: connection.path().kind(),
                relay: match connection.path() {
                    Path::Relay(relay) => Some(relay.host.clone()),
                    Path::Unix(_) | Path::Loopback(_) => None,
                },
                carrier: connection.carrier(),
                rtt_us: round_trip.map(|trip| u64::try_from(trip.as_micros()).unwrap_or(u64::MAX)),
                since: Some(since),
            },
            State::Failed(failed) if failed.failure.why == Why::Revoked => Reach::Revoked,
            State::Failed(failed) => Reach::Offline {
                last_seen,
                why: Some(failed.failure.detail.clone()),
                next_try_at: failed.next_try,
            },
        };
        let Entry { machine, alias, .. } = &known.entry;
        MachineSummary {
            machine_id: machine.machine_id,
            alias: alias.clone(),
            name: machine.name.clone(),
            role: machine.role,
            is_local: false,
            relays: machine.relays.clone(),
            paired_at: Some(machine.paired_at),
            software: known.software.clone(),
            reach,
        }
    }

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

impl Failed {
    /// One that is not tried again by itself.
    fn now(failure: Failure) -> Self {
        let at = Instant::now();
        Self { failure, at, due: at, next_try: None }
    }
}

impl From<Failed> for State {
    fn from(failed: Failed) -> Self {
        Self::Failed(Arc::new(failed))
    }
}

fn is_open(connection: &Connection) -> bool {
    connection.session().is_some_and(|session| session.takes_streams())
}

async fn describe(connection: &Connection) -> Result<Described, RequestError> {
    connection.request(Request::get("/v1/machine")).await?.json(MAX_DESCRIPTION).await
}

fn unreached(name: &str, error: &ConnectError) -> Failure {
    let is_slow = |(_, error): &(Path, PathError)| matches!(error, PathError::Slow(_));
    match !error.paths.is_empty() && error.paths.iter().all(is_slow) {
        true => Failure { why: Why::Slow, ..Failure::away(name, error) },
        false => Failure::away(name, error),
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

/// Whether a round trip differs so much from the one that was told that people would care.
fn is_news(told: Option<Duration>, measured: Option<Duration>) -> bool {
    match (told, measured) {
        (None, None) => false,
        (None, Some(_)) | (Some(_), None) => true,
        (Some(told), Some(measured)) => {
            told.abs_diff(measured) > (told / 4).max(Duration::from_millis(2))
        }
    }
}

fn word(text: &str) -> String {
    text.chars().take(MAX_WORD).collect()
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn in_future(at: Instant) -> Timestamp {
    (SystemTime::now() + at.saturating_duration_since(Instant::now())).into()
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => pending().await,
    }
}

async fn moved(way: Option<&mut Way>) {
    match way {
        Some(way) => {
            way.changed().await;
        }
        None => pending().await,
    }
}

async fn run<F: Future<Output = ()> + Unpin>(future: Option<&mut F>) {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
