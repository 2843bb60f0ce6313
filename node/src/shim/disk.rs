//! What a shim has to do with the disk while it serves, on a thread that does nothing else: a disk that
//! is slow holds up neither the process nor whoever watches it, and when one hangs, only this thread
//! does. Owned by the shim.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
};

use bytes::Bytes;
use gantline_protocol::{Offset, shim::Mark};

use super::{
    log::spill::{Spill, Written},
    record::{Exit, Record},
};

/// Jobs that may wait. A shim gives one of each kind at a time, so there is always room.
const WAITING: usize = 4;

/// Something to write or to take away.
#[derive(Debug)]
pub(super) enum Job {
    /// Blocks of the log that follow each other, the first of them from `at` on.
    Spill { at: u64, blocks: Vec<Bytes> },
    /// Files that are of no use any more.
    Remove(Vec<Arc<PathBuf>>),
    /// A state of the screen, in place of the one before.
    Checkpoint { offset: Offset, state: Arc<[u8]> },
    /// How the process ended, for good, and what was noted of its output.
    End { exit: Exit, marks: Vec<Mark> },
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Done {
    Spilled(io::Result<Written>),
    Removed,
    Checkpoint,
    End(io::Result<()>),
}

/// The thread, which begins with the first job: most agents need none until their end.
#[derive(Debug)]
pub(super) struct Disk {
    record: Record,
    /// Bytes of the log that are kept on it.
    limit: u64,
    works: Option<Works>,
}

#[derive(Debug)]
struct Works {
    jobs: SyncSender<Job>,
    done: Receiver<Done>,
    /// Has a byte when there is something in `done`.
    woken: UnixStream,
}

impl Disk {
    pub(super) const fn new(record: Record, limit: u64) -> Self {
        Self { record, limit, works: None }
    }

    /// Has a job done. If nobody can do it, that is the same as if the disk had refused.
    pub(super) fn give(&mut self, job: Job) -> Result<(), Done> {
        if self.works.is_none() {
            self.works = Works::begin(self.record.clone(), self.limit).ok();
        }
        let Some(works) = &self.works else { return Err(job.refused()) };
        works.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job.refused(),
        })
    }

    /// Becomes readable when something is done.
    pub(super) fn descriptor(&self) -> Option<&UnixStream> {
        self.works.as_ref().map(|works| &works.woken)
    }

    /// What was done since this was asked last.
    pub(super) fn take_done(&mut self) -> Vec<Done> {
        let Some(works) = &mut self.works else { return Vec::new() };
        // First, so that what is done after the look below is told again.
        while works.woken.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
        works.done.try_iter().collect()
    }
}

impl Works {
    fn begin(record: Record, limit: u64) -> io::Result<Self> {
        let (jobs, given) = sync_channel::<Job>(WAITING);
        let (tell, done) = sync_channel(WAITING);
        let (woken, mut wake) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        let work = move || {
            let mut spill = Spill::new(record.dir().to_owned(), limit);
            for job in given {
                if tell.send(job.run(&record, &mut spill)).is_err() {
                    return;
                }
                // When it is full, it says enough already.
                let _ = wake.write(&[0]);
            }
        };
        // Its end is the end of the process.
        std::thread::Builder::new().name("disk".to_owned()).spawn(work)?;
        Ok(Self { jobs, done, woken })
    }
}

impl Job {
    fn run(self, record: &Record, spill: &mut Spill) -> Done {
        match self {
            Self::Spill { at, blocks } => Done::Spilled(spill.write(at, &blocks)),
            Self::Remove(files) => {
                for file in files {
                    // What can't be removed is a few MiB more than was asked for.
                    let _ = std::fs::remove_file(&*file);
                }
                Done::Removed
            }
            Self::Checkpoint { offset, state } => {
                // Without it, a later node has to begin earlier.
                let _ = record.write_checkpoint(offset, &state);
                Done::Checkpoint
            }
            Self::End { exit, marks } => {
                let marks = record.write_marks(marks);
                Done::End(record.write_exit(&exit).and(marks))
            }
        }
    }

    fn refused(self) -> Done {
        let error = || io::Error::from(io::ErrorKind::OutOfMemory);
        match self {
            Self::Spill { .. } => Done::Spilled(Err(error())),
            Self::Remove(_) => Done::Removed,
            Self::Checkpoint { .. } => Done::Checkpoint,
            Self::End { .. } => Done::End(Err(error())),
        }
    }
}
