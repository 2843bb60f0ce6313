//! The output of one life of a process: an append-only log of bytes, the newest in memory, older
//! ones in a bounded file, and what is gone is said to be gone.
//!
//! `ring` decides what is where and does no I/O; `spill` writes what it evicts. [`Log`] puts
//! both together: appending never waits for the disk, and a disk that is full costs history, never
//! the process.

mod ring;
mod spill;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use gantline_protocol::{Epoch, Offset};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

pub use ring::{Limits, Mark, MarkKind};
use ring::{Place, Ring};
use spill::{Spill, Written};

/// The log of one life of a process. Clones are the same.
#[derive(Debug, Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: Epoch,
    ring: Mutex<Ring>,
    /// For those who wait for more.
    progress: watch::Sender<Progress>,
    closed: CancellationToken,
    /// The spill writer has something to do, or nothing any more.
    evicted: Arc<Notify>,
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

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// Bytes from where it asked.
    Bytes(Bytes),
    /// These are not kept any more.
    Gap {
        /// The first byte that is gone: what was asked for.
        from: Offset,
        /// The first that is still there.
        to: Offset,
    },
    /// There is nothing there yet.
    End,
}

impl Log {
    /// An empty log that spills into the directory `dir`, which is made when it is first needed and
    /// removed with the log. Needs a Tokio runtime.
    #[must_use]
    pub fn new(epoch: Epoch, dir: PathBuf, limits: Limits) -> Self {
        let evicted = Arc::<Notify>::default();
        let shared = Arc::new(Shared {
            epoch,
            ring: Mutex::new(Ring::new(limits)),
            progress: watch::Sender::new(Progress { end: Offset(0), is_closed: false }),
            closed: CancellationToken::new(),
            evicted: evicted.clone(),
        });
        tokio::spawn(keep_spilling(Arc::downgrade(&shared), evicted, Spill::new(dir)));
        Self { shared }
    }

    /// The life of the process that this is the output of.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    /// Appends what the process wrote. Never waits.
    pub fn append(&self, bytes: &[u8]) {
        self.append_marked(bytes, None);
    }

    /// Appends what the process wrote, and notes what kind of output begins there.
    pub fn append_marked(&self, bytes: &[u8], kind: Option<MarkKind>) {
        let mut ring = self.ring();
        if let Some(kind) = kind {
            ring.mark(kind);
        }
        ring.append(bytes);
        let (end, has_evicted) = (ring.end(), ring.has_evicted());
        drop(ring);
        self.shared.progress.send_modify(|progress| progress.end = progress.end.max(end));
        if has_evicted {
            self.shared.evicted.notify_one();
        }
    }

    /// Notes something at the end of the log.
    pub fn mark(&self, kind: MarkKind) {
        self.ring().mark(kind);
    }

    /// Nothing comes any more. What is in memory goes to the disk.
    pub fn close(&self) {
        self.ring().retire();
        self.shared.progress.send_modify(|progress| progress.is_closed = true);
        self.shared.closed.cancel();
        self.shared.evicted.notify_one();
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

    /// The first byte that is kept.
    #[must_use]
    pub fn start(&self) -> Offset {
        self.ring().start()
    }

    /// What was noted from `from` on, as far as it is kept.
    #[must_use]
    pub fn marks(&self, from: Offset) -> Vec<Mark> {
        self.ring().marks(from)
    }

    /// At most `limit` bytes from `from` on. Waits for the disk at most, never for output.
    pub async fn read(&self, from: Offset, limit: usize) -> Read {
        loop {
            let place = self.ring().find(from, limit);
            match place {
                Place::Memory(bytes) => return Read::Bytes(bytes),
                Place::Gap { to } => return Read::Gap { from, to },
                Place::End => return Read::End,
                Place::File(piece) => match piece.read().await {
                    Ok(bytes) if !bytes.is_empty() => return Read::Bytes(bytes),
                    // The segment went while it was being read, or the disk lost it.
                    Ok(_) | Err(_) => self.ring().forget_segment(&piece.path),
                },
            }
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.shared.ring()
    }
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

impl Shared {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        // The ring returns and does not panic, so a poisoned one is whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.evicted.notify_one();
    }
}

/// Writes evicted blocks until the log is dropped.
async fn keep_spilling(log: Weak<Shared>, evicted: Arc<Notify>, mut spill: Spill) {
    let mut has_failed = false;
    while let Some(shared) = log.upgrade() {
        let next = shared.ring().next_to_spill();
        let Some((at, blocks)) = next else {
            if shared.progress.borrow().is_closed {
                spill.rest();
            }
            // The log does not live on for its spill's sake.
            drop(shared);
            evicted.notified().await;
            continue;
        };
        match spill.write(at, blocks).await {
            Ok(written) => {
                let Written { path, begins, length } = written;
                let stale = shared.ring().spilled(at, length, &path, begins);
                spill.remove(stale).await;
                has_failed = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut has_failed, true) {
                    tracing::warn!(%error, "the log can't be written: older output will be lost");
                }
                drop(shared);
                sleep(spill::LOOK_AGAIN).await;
            }
        }
    }
    spill.remove_all().await;
}
