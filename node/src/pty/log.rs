//! The output of one life of a process, as the node sees it. The shim owns it; what came lately is
//! here as well, and what is older is asked for when somebody wants it. Once the process has ended
//! and the shim is gone, the files that it left are read.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gantline_protocol::{Epoch, Offset, shim::Output};
use tokio::{sync::watch, task::spawn_blocking, time::timeout};
use tokio_util::sync::CancellationToken;

use super::link::Link;
use crate::shim::log::ring::{Place, Ring};
pub use crate::shim::log::{Limits, Read};
pub use gantline_protocol::shim::{Mark, MarkKind};

/// What is kept here of the newest output of each agent, in bytes.
const CACHE: usize = 1 << 20;
/// How long a shim may take to answer before it is looked whether it is still the one to ask.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The log of one life of a process. Clones are the same.
#[derive(Debug, Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: Epoch,
    limits: Limits,
    cache: Mutex<Cache>,
    /// For those who wait for more.
    progress: watch::Sender<Progress>,
    /// For whoever can wait until those were told: how far it had come then.
    rested: watch::Sender<Progress>,
    closed: CancellationToken,
    source: watch::Sender<Source>,
}

#[derive(Debug)]
struct Cache {
    ring: Ring,
    /// The first byte that the source keeps, as far as is known.
    kept: Offset,
}

/// Whom to ask for what is not here.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Nobody, for the time being.
    Nobody,
    Shim(Link),
    /// What a shim has left on the disk.
    Files(Arc<Mutex<Ring>>),
}

/// How far a log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Where it ends.
    pub end: Offset,
    /// Nothing is waited for any more.
    pub is_closed: bool,
}

/// Follows the end of a log.
#[derive(Debug)]
pub struct Follower {
    progress: watch::Receiver<Progress>,
    _log: Log,
}

impl Log {
    /// A log of which nothing is here yet, that keeps no more here than in `limits`.
    pub(super) fn new(epoch: Epoch, limits: Limits) -> Self {
        let limits = Limits { memory: limits.memory.min(CACHE), file: 0 };
        let shared = Arc::new(Shared {
            epoch,
            limits,
            cache: Mutex::new(Cache { ring: Ring::new(limits), kept: Offset(0) }),
            progress: watch::Sender::new(Progress { end: Offset(0), is_closed: false }),
            rested: watch::Sender::new(Progress { end: Offset(0), is_closed: false }),
            closed: CancellationToken::new(),
            source: watch::Sender::new(Source::Nobody),
        });
        Self { shared }
    }

    /// The life of the process that this is the output of.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    /// Waits until it is closed, and is not woken for anything else.
    pub async fn closed(&self) {
        self.shared.closed.cancelled().await;
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        *self.shared.progress.borrow()
    }

    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.progress().end
    }

    /// Follows its end.
    #[must_use]
    pub fn follow(&self) -> Follower {
        Follower { progress: self.shared.progress.subscribe(), _log: self.clone() }
    }

    /// Follows its end, and lets others go first.
    pub(super) fn follow_behind(&self) -> Follower {
        Follower { progress: self.shared.rested.subscribe(), _log: self.clone() }
    }

    /// Those who follow had their turn.
    pub(super) fn rested(&self) {
        let progress = self.progress();
        self.shared.rested.send_if_modified(|rested| {
            let is_new = *rested != progress;
            *rested = progress;
            is_new
        });
    }

    /// The first byte that is kept.
    #[must_use]
    pub fn start(&self) -> Offset {
        self.cache().kept
    }

    /// What was noted from `from` on, as far as it is kept here.
    #[must_use]
    pub fn marks(&self, from: Offset) -> Vec<Mark> {
        self.cache().ring.marks(from)
    }

    /// Which kind of output the byte at `at` is, and up to where.
    pub(crate) fn stream_at(&self, at: Offset) -> (Option<MarkKind>, Option<Offset>) {
        self.cache().ring.stream_at(at)
    }

    /// Its last bytes, `most` at most, as far as they are here.
    pub(crate) fn tail(&self, most: usize) -> Vec<u8> {
        let cache = self.cache();
        let mut at = Offset(cache.ring.end().0.saturating_sub(most as u64));
        let mut tail = Vec::with_capacity(most);
        loop {
            match cache.ring.find(at, most) {
                Place::Memory(bytes) if !bytes.is_empty() => {
                    at = Offset(at.0 + bytes.len() as u64);
                    tail.extend_from_slice(&bytes);
                }
                Place::Gap { to } if to > at => at = to,
                Place::Memory(_) | Place::Gap { .. } | Place::File(_) | Place::End => return tail,
            }
        }
    }

    /// At most `limit` bytes from `from` on. Waits for the shim or for the disk at most, never for
    /// output.
    pub async fn read(&self, from: Offset, limit: usize) -> Read {
        let mut source = self.shared.source.subscribe();
        loop {
            if from >= self.end() || limit == 0 {
                return Read::End;
            }
            if let Place::Memory(bytes) = self.cache().ring.find(from, limit) {
                return Read::Bytes(bytes);
            }
            let asked = source.borrow_and_update().clone();
            let answer = match asked {
                Source::Nobody => None,
                Source::Shim(link) => {
                    timeout(ANSWER_WITHIN, link.read(from, limit)).await.ok().flatten()
                }
                Source::Files(files) => Some(read_files(files, from, limit).await),
            };
            match answer {
                // What was told and is nowhere any more went with the shim that had it.
                Some(Read::End) => {
                    let to = match self.cache().ring.find(from, limit) {
                        Place::Gap { to } => to,
                        Place::Memory(bytes) => return Read::Bytes(bytes),
                        Place::File(_) | Place::End => self.end(),
                    };
                    return Read::Gap { from, to };
                }
                Some(Read::Gap { from, to }) => {
                    let mut cache = self.cache();
                    cache.kept = cache.kept.max(to.min(cache.ring.end()));
                    return Read::Gap { from, to };
                }
                Some(bytes) => return bytes,
                None => {
                    // Another shim's connection, or what it left, or a second try.
                    let _ = timeout(ANSWER_WITHIN, source.changed()).await;
                }
            }
        }
    }

    /// Whom to ask from now on.
    pub(super) fn ask(&self, source: Source) {
        if let Source::Files(files) = &source {
            let files = files.lock().unwrap_or_else(PoisonError::into_inner);
            let mut cache = self.cache();
            cache.kept = files.start();
            // What is in memory is on the disk as well, unless its shim was killed.
            if files.end() >= cache.ring.end() {
                let marks = match cache.ring.marks_noted() {
                    0 => files.marks(Offset(0)),
                    _ => cache.ring.marks(Offset(0)),
                };
                cache.ring = Ring::beginning_at(files.end(), self.shared.limits);
                marks.into_iter().for_each(|mark| cache.ring.mark_at(mark));
            }
        }
        self.shared.source.send_replace(source);
    }

    /// A shim says that its log is from `kept` to `end`. Returns from where on it is to be followed.
    pub(super) fn found(&self, kept: Offset, end: Offset) -> Offset {
        let mut cache = self.cache();
        cache.kept = kept;
        let newest = end.0.saturating_sub(self.shared.limits.memory as u64 / 4);
        if cache.ring.end().0 < newest.max(kept.0) {
            cache.ring = Ring::beginning_at(Offset(newest.max(kept.0)), self.shared.limits);
        }
        let from = cache.ring.end();
        drop(cache);
        self.shared.progress.send_modify(|progress| progress.end = progress.end.max(end));
        self.rested();
        from
    }

    /// Takes what a shim tells.
    pub(super) fn took(&self, output: &Output<'_>) {
        let mut cache = self.cache();
        cache.kept = output.kept;
        let mut gap = None;
        for mark in &output.marks {
            match mark.kind {
                MarkKind::Gap(to) => gap = Some(to),
                MarkKind::Resize(_) | MarkKind::Stdout | MarkKind::Stderr => {
                    // After a new connection the last ones come again.
                    if cache
                        .ring
                        .last_mark()
                        .is_none_or(|last| last.offset <= mark.offset && last != *mark)
                    {
                        cache.ring.mark_at(*mark);
                    }
                }
            }
        }
        let end = cache.ring.end();
        let begins = gap.unwrap_or(output.from);
        if begins > end {
            cache.ring.skip_to(begins);
        }
        let known = usize::try_from(end.0.saturating_sub(output.from.0)).unwrap_or(usize::MAX);
        cache.ring.append(output.bytes.get(known..).unwrap_or_default());
        let end = cache.ring.end();
        drop(cache);
        self.shared.progress.send_modify(|progress| progress.end = progress.end.max(end));
    }

    /// Nothing is waited for any more; it ended at `end`.
    pub(super) fn close(&self, end: Offset) {
        self.shared.progress.send_modify(|progress| {
            progress.end = progress.end.max(end);
            progress.is_closed = true;
        });
        self.rested();
        self.shared.closed.cancel();
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // The ring returns and does not panic, so a poisoned one is whole.
        self.shared.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read_files(files: Arc<Mutex<Ring>>, from: Offset, limit: usize) -> Read {
    let read = move || {
        let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match files.find(from, limit) {
                Place::Memory(bytes) => return Read::Bytes(bytes),
                Place::Gap { to } => return Read::Gap { from, to },
                Place::End => return Read::End,
                Place::File(piece) => match piece.read() {
                    Ok(bytes) if !bytes.is_empty() => return Read::Bytes(bytes),
                    // The disk lost it.
                    Ok(_) | Err(_) => files.forget_segment(&piece.path),
                },
            }
        }
    };
    // When the runtime ends there is nobody to tell.
    spawn_blocking(read).await.unwrap_or(Read::End)
}

impl Follower {
    /// Waits until the log is longer than `than`, or closed. Giving the wait up loses nothing.
    pub async fn beyond(&mut self, than: Offset) -> Progress {
        let is_beyond = |now: &Progress| now.end > than || now.is_closed;
        match self.progress.wait_for(is_beyond).await {
            Ok(progress) => *progress,
            // The sender lives in the log, which this holds.
            Err(_) => Progress { end: than, is_closed: true },
        }
    }
}
