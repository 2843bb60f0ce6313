//! The one thread that writes: it batches notes, keeps what the disk does not take, and begins
//! anew when the database is damaged.

use std::{
    mem,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gantline_protocol::{Timestamp, api::EventKind};
use rusqlite::Connection;

use super::{
    HistoryError, Shared, database,
    journal::{Queue, Work},
    lives::{self, Retention},
    series::Store,
};
use crate::events::Events;

/// Notes that are written at once.
const BATCH: usize = 256;
/// How long more notes are waited for, so that a burst of them is one write.
const GATHERED: Duration = Duration::from_millis(20);
/// How long a disk that refused is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// Steps of forgetting in a minute.
const PRUNES: usize = 8;

pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) retention: Retention,
    pub(super) queue: Arc<Queue>,
    pub(super) shared: Arc<Shared>,
    pub(super) events: Events,
    pub(super) store: Store,
}

/// What is to be done and was not yet.
#[derive(Default)]
struct Due {
    work: Work,
    /// The records are to be compared with what the agents do.
    settle: bool,
}

impl Writer {
    /// Writes until nothing more comes.
    pub(super) fn run(mut self) {
        let mut due = Due { settle: true, ..Due::default() };
        let mut open: Option<Connection> = None;
        loop {
            let connection = match open.as_mut() {
                Some(connection) => connection,
                None => match database::open(&self.path) {
                    Ok(connection) => {
                        self.store.begin_anew();
                        self.shared.opened();
                        open.insert(connection)
                    }
                    Err(error) => {
                        if self.failed(&error, &mut due) {
                            return;
                        }
                        continue;
                    }
                },
            };
            match self.go_on(connection, &mut due) {
                Ok(Next::More) => {}
                Ok(Next::End) => {
                    let _ = self.store.flush(connection, now());
                    return;
                }
                Err(error) => {
                    // A connection that met damage, or a file that is gone, is of no use any more.
                    if !matches!(error, HistoryError::Full) {
                        open = None;
                    }
                    if self.failed(&error, &mut due) {
                        return;
                    }
                }
            }
        }
    }

    fn go_on(&mut self, connection: &mut Connection, due: &mut Due) -> Result<Next, HistoryError> {
        if due.work.is_empty() {
            let patience = Duration::from_millis(60_500 - now().as_millis() % 60_000);
            due.work = self.queue.take(BATCH, patience, GATHERED);
        }
        for vitals in mem::take(&mut due.work.samples) {
            self.store.take(&vitals);
        }
        if mem::take(&mut due.work.is_suspect) {
            return Err(HistoryError::Corrupt("it could not be read".to_owned()));
        }
        due.settle |= due.work.is_doubted || due.work.dropped.is_some();
        self.write(connection, due)?;
        self.shared.written(due.work.noted);
        let is_closed = due.work.is_closed;
        due.work = Work::default();
        if self.store.is_due(now()) {
            self.store.flush(connection, now())?;
            for _ in 0..PRUNES {
                let is_enough = !self.store.believes_clock()
                    || !lives::prune(connection, self.retention, now())?;
                if is_enough {
                    break;
                }
            }
        }
        self.well();
        Ok(if is_closed { Next::End } else { Next::More })
    }

    fn write(&self, connection: &mut Connection, due: &mut Due) -> Result<(), HistoryError> {
        let work = &due.work;
        if !work.notes.is_empty() || work.dropped.is_some() {
            let transaction = connection.transaction()?;
            for note in &work.notes {
                lives::write(&transaction, note)?;
            }
            if let Some(dropped) = work.dropped {
                lives::write_gap(&transaction, dropped)?;
            }
            transaction.commit()?;
            // What follows may fail, and must not have this written twice.
            due.work.notes.clear();
            due.work.dropped = None;
        }
        if let Some(agents) = self.shared.agents().filter(|_| due.settle) {
            let transaction = connection.transaction()?;
            lives::settle(&transaction, &agents, now())?;
            transaction.commit()?;
            due.settle = false;
        }
        Ok(())
    }

    /// Deals with a disk that refuses or a database that is damaged; says whether to give up, since
    /// nothing more comes.
    fn failed(&self, error: &HistoryError, due: &mut Due) -> bool {
        let mut problem = error.to_string();
        if matches!(error, HistoryError::Corrupt(_)) {
            let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            due.settle = true;
            match database::set_aside(&self.path, at) {
                Ok(aside) => {
                    let name = aside.file_name().map(|name| name.to_string_lossy().into_owned());
                    tracing::error!(
                        why = %problem,
                        set_aside = %aside.display(),
                        "the history is begun anew; agents and devices are not touched by it"
                    );
                    self.shared.set_aside(name.clone());
                    self.events
                        .publish(EventKind::HistoryChanged { problem: None, set_aside: name });
                    return false;
                }
                Err(error) => problem = format!("{problem}, and can't be set aside: {error}"),
            }
        }
        if self.shared.problem(Some(problem.clone())) {
            tracing::error!(%problem, "the history is not written for now");
            let problem = Some(problem);
            self.events.publish(EventKind::HistoryChanged { problem, set_aside: None });
        }
        self.shared.count(&self.queue, &self.path);
        self.queue.rest(RETRY)
    }

    fn well(&self) {
        self.shared.count(&self.queue, &self.path);
        if self.shared.problem(None) {
            tracing::info!("the history is written again");
            self.events.publish(EventKind::HistoryChanged { problem: None, set_aside: None });
        }
    }
}

enum Next {
    More,
    End,
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
