//! The output of one life of a process: an append-only log of bytes, the newest in memory, older
//! ones in a bounded file, and what is gone is said to be gone.
//!
//! `ring` decides what is where and does no I/O; `spill` writes what it evicts. `Log` is the shim's, who
//! alone appends: it says what is to be written, and is told what became of that. A disk that is full or
//! hangs costs history, never the process.

pub(crate) mod ring;
pub(crate) mod spill;

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gantline_protocol::{
    Offset,
    shim::{Mark, MarkKind},
};

pub use ring::Limits;
use ring::{Place, Ring};
use spill::Written;

use super::disk::Job;

/// How long to leave a disk alone that refused.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a disk may take with one job before it is not waited for: it hangs.
const AWAITED: Duration = Duration::from_millis(250);
/// Blocks that are worth writing, as long as more will come: to hand them over takes as long as to write
/// one.
const WORTH: usize = 4;

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

/// The log of one life of a process.
#[derive(Debug)]
pub(crate) struct Log {
    ring: Ring,
    /// Files that are to be removed.
    stale: Vec<Arc<PathBuf>>,
    /// Since when the disk has a job.
    at_work: Option<Instant>,
    /// Everything is to go to the disk.
    is_retired: bool,
    /// The disk refused, and is asked again then.
    retry: Option<Instant>,
    /// The output that was written last.
    stream: Option<MarkKind>,
}

impl Log {
    /// An empty log.
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            ring: Ring::new(limits),
            stale: Vec::new(),
            at_work: None,
            is_retired: false,
            retry: None,
            stream: None,
        }
    }

    /// Appends what the process wrote, and notes which output it is if that is another than before.
    pub(crate) fn append(&mut self, bytes: &[u8], stream: Option<MarkKind>) {
        if let Some(kind) = stream.filter(|kind| self.stream != Some(*kind)) {
            self.stream = stream;
            self.ring.mark(kind);
        }
        self.ring.append(bytes);
    }

    /// Notes something at the end of the log.
    pub(crate) fn mark(&mut self, kind: MarkKind) {
        self.ring.mark(kind);
    }

    /// Where it ends.
    pub(crate) fn end(&self) -> Offset {
        self.ring.end()
    }

    /// The first byte that is kept.
    pub(crate) fn start(&self) -> Offset {
        self.ring.start()
    }

    /// What was noted.
    pub(crate) const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Everything that is in memory is to go to the disk.
    pub(crate) fn retire(&mut self) {
        self.is_retired = true;
        self.ring.retire();
    }

    /// Nothing would be lost if there were no memory any more.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.ring.is_on_disk() && self.at_work.is_none()
    }

    /// When the disk is to be asked again.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.retry
    }

    /// Until when to append nothing, unless the disk is done before: it is at work, and what a
    /// process writes faster would be lost.
    pub(crate) fn awaits_disk(&self) -> Option<Instant> {
        self.at_work.filter(|_| self.ring.is_crowded()).map(|since| since + AWAITED)
    }

    /// What the disk is to do next, if it has nothing to do for the log and there is something.
    pub(super) fn next_job(&mut self, now: Instant) -> Option<Job> {
        if self.at_work.is_some() || self.retry.is_some_and(|retry| now < retry) {
            return None;
        }
        let job = match std::mem::take(&mut self.stale) {
            stale if !stale.is_empty() => Job::Remove(stale),
            _ => {
                let (at, blocks) = self.ring.next_to_spill()?;
                if blocks.len() < WORTH && !self.is_retired {
                    return None;
                }
                Job::Spill { at, blocks }
            }
        };
        (self.at_work, self.retry) = (Some(now), None);
        Some(job)
    }

    /// What became of [`Job::Spill`].
    pub(crate) fn spilled(&mut self, outcome: io::Result<Written>, now: Instant) {
        self.at_work = None;
        match outcome {
            Ok(Written { path, at, begins, length }) => {
                self.stale = self.ring.spilled(at, length, &path, begins);
            }
            Err(_) => self.retry = Some(now + LOOK_AGAIN),
        }
    }

    /// [`Job::Remove`] is done.
    pub(crate) const fn removed(&mut self) {
        self.at_work = None;
    }

    /// At most `limit` bytes from `from` on.
    pub(crate) fn read(&mut self, from: Offset, limit: usize) -> Read {
        loop {
            match self.ring.find(from, limit) {
                Place::Memory(bytes) => return Read::Bytes(bytes),
                Place::Gap { to } => return Read::Gap { from, to },
                Place::End => return Read::End,
                Place::File(piece) => match piece.read() {
                    Ok(bytes) if !bytes.is_empty() => return Read::Bytes(bytes),
                    // The disk lost it.
                    Ok(_) | Err(_) => self.ring.forget_segment(&piece.path),
                },
            }
        }
    }
}

/// What is left of a log on the disk, once nobody holds it any more.
pub(crate) fn kept(dir: &std::path::Path, end: Offset, marks: Vec<Mark>) -> Ring {
    let mut ring = Ring::of_segments(spill::segments(dir), end);
    marks.into_iter().for_each(|mark| ring.mark_at(mark));
    ring
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends until the log asks to wait, and returns how often.
    fn append(log: &mut Log, at_most: usize, now: Instant) -> usize {
        let is_free = |log: &Log| log.awaits_disk().is_none_or(|until| now >= until);
        (0..at_most)
            .take_while(|_| is_free(log).then(|| log.append(&[7; 65_536], None)).is_some())
            .count()
    }

    #[test]
    fn what_is_written_faster_than_a_disk_at_work_takes_it_waits_and_is_not_lost() {
        let mut log = Log::new(Limits { memory: 64 << 10, file: 1 << 40 });
        let (now, path) = (Instant::now(), Arc::new(PathBuf::from("log")));
        let mut job = None;
        for _ in 0..2000 {
            if append(&mut log, 1, now) == 0 {
                // The disk takes one job for a whole crowd.
                let Some(Job::Spill { at, blocks }) = job.take() else { panic!("no job") };
                let length = blocks.iter().map(|block| block.len() as u64).sum();
                log.spilled(Ok(Written { path: path.clone(), begins: 0, at, length }), now);
            }
            job = log.next_job(now).or(job);
            assert_eq!(log.start(), Offset(0));
        }
        assert!(log.end() > Offset(1000 * 65_536), "{:?}", log.end());
    }

    #[test]
    fn a_disk_that_hangs_or_refuses_holds_no_process_up() {
        let mut log = Log::new(Limits { memory: 64 << 10, file: 1 << 40 });
        let now = Instant::now();
        append(&mut log, 100, now);
        assert!(log.next_job(now).is_some());
        append(&mut log, 1000, now);
        assert_eq!(log.awaits_disk(), Some(now + AWAITED));
        assert_eq!(append(&mut log, 1000, now + AWAITED), 1000);
        log.spilled(Err(io::ErrorKind::StorageFull.into()), now + AWAITED);
        assert_eq!(append(&mut log, 1000, now + AWAITED), 1000);
    }
}
