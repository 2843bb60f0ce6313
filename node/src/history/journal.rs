//! The way into the history: takes notes and samples from whoever has them, never waits, and gives
//! them to the one thread that writes.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use gantline_protocol::{Timestamp, api::Vitals};

use super::note::Note;

/// Notes that wait for the disk. While they are full the newest are dropped and counted; the count
/// becomes a record of its own once there is room, and the writer then asks what the agents do.
pub const MAX_NOTES: usize = 2048;
/// Looks at what agents use that wait for the disk. While they are full the oldest is dropped: a
/// chart has a hole then.
pub const MAX_SAMPLES: usize = 64;

/// Takes notes of what happens to agents. Clones write to the same history.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    notes: VecDeque<Note>,
    samples: VecDeque<Arc<Vitals>>,
    dropped: Option<Dropped>,
    /// How many notes were ever taken in, and doubts.
    noted: u64,
    /// How many were ever dropped.
    lost: u64,
    /// What the records say of agents is to be compared with what is so.
    is_doubted: bool,
    /// A reader found the database damaged.
    is_suspect: bool,
    is_closed: bool,
}

/// Notes that were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) count: u64,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// What the writer is to write.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) notes: Vec<Note>,
    pub(super) samples: Vec<Arc<Vitals>>,
    pub(super) dropped: Option<Dropped>,
    /// The last of the notes and doubts, counted from the first.
    pub(super) noted: u64,
    pub(super) is_doubted: bool,
    pub(super) is_suspect: bool,
    /// Nothing more comes.
    pub(super) is_closed: bool,
}

impl Journal {
    /// A journal that nobody reads yet: what it is told waits, up to [`MAX_NOTES`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a note. Never waits: it is written a moment later, or dropped and counted if the disk
    /// has taken nothing for too long.
    pub fn note(&self, note: impl Into<Note>) {
        let mut waiting = self.queue.lock();
        if waiting.notes.len() >= MAX_NOTES {
            let now = Timestamp::from(SystemTime::now());
            let dropped = waiting.dropped.get_or_insert(Dropped { count: 0, from: now, to: now });
            dropped.count += 1;
            dropped.to = now;
            waiting.lost += 1;
            return;
        }
        waiting.notes.push_back(note.into());
        waiting.noted += 1;
        drop(waiting);
        self.queue.arrived.notify_one();
    }

    /// Takes a look at what everything uses. Never waits.
    pub fn sample(&self, vitals: Arc<Vitals>) {
        let mut waiting = self.queue.lock();
        if waiting.samples.len() >= MAX_SAMPLES {
            waiting.samples.pop_front();
        }
        waiting.samples.push_back(vitals);
        drop(waiting);
        self.queue.arrived.notify_one();
    }

    /// How many notes and doubts were ever taken in: what is written then holds all of them.
    pub(super) fn noted(&self) -> u64 {
        self.queue.lock().noted
    }

    pub(super) fn doubt(&self) {
        let mut waiting = self.queue.lock();
        waiting.is_doubted = true;
        waiting.noted += 1;
        drop(waiting);
        self.queue.arrived.notify_one();
    }

    pub(super) fn suspect(&self) {
        self.queue.lock().is_suspect = true;
        self.queue.arrived.notify_one();
    }

    pub(super) fn close(&self) {
        self.queue.lock().is_closed = true;
        self.queue.arrived.notify_one();
    }

    pub(super) fn queue(&self) -> Arc<Queue> {
        self.queue.clone()
    }
}

impl Queue {
    /// What there is to write, `most` notes of it; waits for something, for `patience` at most, and
    /// then a moment for more.
    pub(super) fn take(&self, most: usize, patience: Duration, gathered: Duration) -> Work {
        let idle = |waiting: &mut Waiting| waiting.is_idle();
        let (waiting, _) = self
            .arrived
            .wait_timeout_while(self.lock(), patience, idle)
            .unwrap_or_else(PoisonError::into_inner);
        let few = |waiting: &mut Waiting| {
            !waiting.is_idle() && !waiting.is_closed && waiting.notes.len() < most
        };
        let (mut waiting, _) = self
            .arrived
            .wait_timeout_while(waiting, gathered, few)
            .unwrap_or_else(PoisonError::into_inner);
        let most = most.min(waiting.notes.len());
        Work {
            notes: waiting.notes.drain(..most).collect(),
            samples: waiting.samples.drain(..).collect(),
            // Told after all that came before it.
            dropped: if waiting.notes.is_empty() { waiting.dropped.take() } else { None },
            noted: waiting.noted - u64::try_from(waiting.notes.len()).unwrap_or(0),
            is_doubted: std::mem::take(&mut waiting.is_doubted),
            is_suspect: std::mem::take(&mut waiting.is_suspect),
            is_closed: waiting.is_closed && waiting.notes.is_empty(),
        }
    }

    /// How many notes were ever dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().lost
    }

    /// Waits, for `long` at most; says whether nothing more comes.
    pub(super) fn rest(&self, long: Duration) -> bool {
        let open = |waiting: &mut Waiting| !waiting.is_closed;
        let (waiting, _) = self
            .arrived
            .wait_timeout_while(self.lock(), long, open)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.is_closed
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here can panic half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.dropped.is_none() && !self.is_closed
    }
}

impl Waiting {
    fn is_idle(&self) -> bool {
        self.notes.is_empty()
            && self.samples.is_empty()
            && self.dropped.is_none()
            && !self.is_doubted
            && !self.is_suspect
            && !self.is_closed
    }
}
