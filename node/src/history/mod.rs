//! What has become of agents and what they used: kept in SQLite, and never waited for by whoever
//! has something to tell. It may be lost; nothing that matters hangs on it.

mod database;
mod error;
mod journal;
mod lives;
mod note;
mod search;
mod series;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use gantline_protocol::{
    AgentId, Epoch, Timestamp,
    api::{Agent, Amounts, Env, HistoryStatus, Life, LifeRecord, Metrics, Percents, Vitals},
};
use rusqlite::Connection;
use tokio::{sync::watch, task::spawn_blocking, time::timeout};

pub use database::FILE;
pub use error::HistoryError;
pub use journal::{Journal, MAX_NOTES, MAX_SAMPLES};
pub use lives::Retention;
pub(crate) use lives::outcome_of;
pub use note::{
    Began, Changed, Edited, Ended, LastLines, MAX_ARGV, MAX_LINES, MAX_REASON, Note, Removed,
};
pub use search::{LifeId, NoWords, Search, Words};
pub use series::Subject;

use crate::events::Events;
use database::Reader;
use series::{Point, Recent, Source, Store};
use writer::Writer;

/// How long a reader waits for the database to be opened, and for what was noted to be written.
const OPENED_WITHIN: Duration = Duration::from_secs(5);
const WRITTEN_WITHIN: Duration = Duration::from_millis(500);

/// The history of one machine. Clones are the same.
#[derive(Debug, Clone)]
pub struct History {
    journal: Journal,
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What the writer and the readers share.
struct Shared {
    path: PathBuf,
    /// Counts how often the database was opened; readers open theirs anew after it.
    opened: watch::Sender<u64>,
    /// The last note or doubt that is dealt with.
    written: watch::Sender<u64>,
    status: Mutex<HistoryStatus>,
    /// Tells what the agents do.
    agents: OnceLock<Box<TellAgents>>,
    recent: Recent,
    latest: Mutex<Option<Arc<Vitals>>>,
    /// One reader: a question takes milliseconds.
    reader: Mutex<Option<(u64, Reader)>>,
}

type TellAgents = dyn Fn() -> Vec<(Agent, Env)> + Send + Sync;

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("path", &self.path).finish_non_exhaustive()
    }
}

impl History {
    /// The history in the directory of the node's state. It is opened on a thread of its own;
    /// what is wrong with it is told by the status and the events.
    #[must_use]
    pub fn open(state_dir: &Path, retention: Retention, events: Events) -> Self {
        let journal = Journal::new();
        let store = Store::default();
        let path = state_dir.join(FILE);
        let shared = Arc::new(Shared {
            path: path.clone(),
            opened: watch::Sender::new(0),
            written: watch::Sender::new(0),
            status: Mutex::default(),
            agents: OnceLock::new(),
            recent: store.recent(),
            latest: Mutex::default(),
            reader: Mutex::default(),
        });
        let queue = journal.queue();
        let writer = Writer { path, retention, queue, shared: shared.clone(), events, store };
        let thread = thread::Builder::new().name("history".to_owned());
        let thread = match thread.spawn(move || writer.run()) {
            Ok(thread) => Some(thread),
            Err(error) => {
                tracing::error!(%error, "there is no thread to write the history");
                shared.problem(Some(format!("there is no thread to write the history: {error}")));
                None
            }
        };
        Self { journal, shared, thread: Arc::new(Mutex::new(thread)) }
    }

    /// Where notes of agents go.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Takes a look at what everything uses. Never waits.
    pub fn sample(&self, vitals: Arc<Vitals>) {
        self.journal.sample(vitals.clone());
        *self.shared.latest() = Some(vitals);
    }

    /// The last look.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<Vitals>> {
        self.shared.latest().clone()
    }

    /// Has the records compared with what `agents` tells: now, after notes were dropped, and after
    /// the database was begun anew. To be called once the node has found its agents again; what is
    /// open then and is no agent's was lost. Their environments are not noted.
    pub fn settle_with(&self, agents: impl Fn() -> Vec<(Agent, Env)> + Send + Sync + 'static) {
        // A second one would tell the same.
        let _ = self.shared.agents.set(Box::new(agents));
        self.journal.doubt();
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> HistoryStatus {
        self.shared.status().clone()
    }

    /// At most `limit` lives, the one noted last first.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn lives(
        &self,
        search: Search,
        limit: usize,
    ) -> Result<Vec<(LifeId, Life)>, HistoryError> {
        self.read(move |connection| search::page(connection, &search, limit)).await
    }

    /// One life, with what changed in it.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn life(
        &self,
        agent: AgentId,
        epoch: Epoch,
    ) -> Result<Option<LifeRecord>, HistoryError> {
        self.read(move |connection| search::record(connection, agent, epoch)).await
    }

    /// When notes were dropped (from, to, how many), the newest first.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn gaps(&self) -> Result<Vec<(Timestamp, Timestamp, u64)>, HistoryError> {
        self.read(search::gaps).await
    }

    /// What somebody used from `from` to `to`, one point for each `step` milliseconds.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn metrics(
        &self,
        subject: Subject,
        from: Timestamp,
        to: Timestamp,
        step: u64,
    ) -> Result<Metrics, HistoryError> {
        let recent = self.shared.recent.clone();
        let chart = move |connection: &Connection| {
            let recent = recent.of(subject);
            Source::open(connection, subject, recent)?.chart(from, to, step)
        };
        let points = self.read(chart).await?;
        Ok(charted(subject, from, to, step, &points))
    }

    /// Writes what waits, within `long`, and ends.
    pub async fn close(&self, long: Duration) {
        // The last to close the database brings its WAL into it.
        *self.shared.reader.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.journal.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        if timeout(long, spawn_blocking(move || thread.join())).await.is_err() {
            tracing::warn!("the end of the history was not written, since the time was over");
        }
    }

    /// Has it end, without waiting for that.
    pub fn end(&self) {
        self.journal.close();
    }

    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let mut opened = self.shared.opened.subscribe();
        let is_open = timeout(OPENED_WITHIN, opened.wait_for(|times| *times > 0))
            .await
            .is_ok_and(|opened| opened.is_ok());
        if !is_open {
            let problem = self.shared.status().problem.clone();
            let why = problem.unwrap_or_else(|| "it is being opened and checked".to_owned());
            return Err(HistoryError::Away(why));
        }
        // Who asks sees what was noted before, unless the disk refuses.
        let noted = self.journal.noted();
        let mut written = self.shared.written.subscribe();
        if self.shared.status().problem.is_none() {
            let _ = timeout(WRITTEN_WITHIN, written.wait_for(|last| *last >= noted)).await;
        }
        let (shared, journal) = (self.shared.clone(), self.journal.clone());
        let answer = spawn_blocking(move || shared.ask(&journal, question)).await;
        answer.unwrap_or_else(|error| Err(HistoryError::Away(error.to_string())))
    }
}

impl Shared {
    fn ask<T>(
        &self,
        journal: &Journal,
        question: impl FnOnce(&Connection) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        // A reader that panicked has left a connection that reads on.
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = *self.opened.borrow();
        let known = reader.take().filter(|(when, _)| *when == opened);
        let answer = known
            .map_or_else(|| database::open_reader(&self.path).map(|reader| (opened, reader)), Ok)
            .and_then(|known| {
                let (_, connection) = reader.insert(known);
                question(connection.begin()?)
            });
        match &answer {
            Ok(_) | Err(HistoryError::Slow) => {}
            Err(HistoryError::Corrupt(why)) => {
                *reader = None;
                // Unless another has taken its place already.
                if *self.opened.borrow() == opened {
                    tracing::error!(%why, "the history could not be read");
                    journal.suspect();
                }
            }
            Err(HistoryError::Full | HistoryError::Away(_)) => *reader = None,
        }
        answer
    }

    fn opened(&self) {
        self.opened.send_modify(|times| *times += 1);
    }

    fn written(&self, noted: u64) {
        self.written.send_if_modified(|last| {
            let is_news = *last < noted;
            *last = noted.max(*last);
            is_news
        });
    }

    fn agents(&self) -> Option<Vec<(Agent, Env)>> {
        self.agents.get().map(|agents| agents())
    }

    /// Notes what is wrong; says whether that is news.
    fn problem(&self, problem: Option<String>) -> bool {
        let mut status = self.status();
        let is_news = status.problem != problem;
        status.problem = problem;
        is_news
    }

    fn set_aside(&self, name: Option<String>) {
        self.status().set_aside = name;
    }

    fn count(&self, queue: &journal::Queue, path: &Path) {
        let (dropped, bytes) = (queue.dropped(), database::size(path));
        let mut status = self.status();
        (status.dropped, status.bytes) = (dropped, bytes);
    }

    fn latest(&self) -> MutexGuard<'_, Option<Arc<Vitals>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> MutexGuard<'_, HistoryStatus> {
        // Nothing in here can panic half-way.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn charted(
    subject: Subject,
    from: Timestamp,
    to: Timestamp,
    step_ms: u64,
    points: &[Point],
) -> Metrics {
    let amounts = |read: fn(&[u64; series::MEASURES]) -> u64, unit: u64| Amounts {
        mean: points.iter().map(|point| read(&point.mean).saturating_mul(unit)).collect(),
        max: points.iter().map(|point| read(&point.most).saturating_mul(unit)).collect(),
    };
    #[expect(clippy::cast_precision_loss, reason = "a chart has no 53 bits")]
    let percent = |[cpu, ..]: &[u64; series::MEASURES]| *cpu as f64 / 10.0;
    let agent_id = match subject {
        Subject::Machine => None,
        Subject::Agent(id) => Some(id),
    };
    Metrics {
        agent_id,
        from,
        to,
        step_ms,
        at: points.iter().map(|point| Timestamp::from_millis(point.at)).collect(),
        cpu_percent: Percents {
            mean: points.iter().map(|point| percent(&point.mean)).collect(),
            max: points.iter().map(|point| percent(&point.most)).collect(),
        },
        memory: amounts(|[_, memory, ..]| *memory, 1024),
        disk_read_rate: agent_id.map(|_| amounts(|[_, _, read, ..]| *read, 1)),
        disk_written_rate: agent_id.map(|_| amounts(|[_, _, _, written, _]| *written, 1)),
        processes: amounts(|[.., processes]| *processes, 1),
    }
}
