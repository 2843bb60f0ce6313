//! The files into which a log's older blocks go: segments of a few MiB, each a contiguous piece of
//! the log, named by its first offset.

use std::{
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::task::spawn_blocking;

/// The greatest segment, in bytes.
const SEGMENT: u64 = 4 << 20;
/// How long to leave a disk alone that refused.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Bytes in a file.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) path: Arc<PathBuf>,
    pub(super) skip: u64,
    pub(super) length: usize,
}

impl Piece {
    /// The bytes; fewer if the file has fewer.
    pub(super) async fn read(&self) -> io::Result<Bytes> {
        let Self { path, skip, length } = self.clone();
        let read = move || {
            let mut file = std::fs::File::open(&*path)?;
            file.seek(SeekFrom::Start(skip))?;
            let mut bytes = Vec::with_capacity(length);
            file.take(length as u64).read_to_end(&mut bytes)?;
            Ok(Bytes::from(bytes))
        };
        spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Writes the segments of one log.
#[derive(Debug)]
pub(super) struct Spill {
    dir: PathBuf,
    open: Option<OpenSegment>,
}

#[derive(Debug)]
struct OpenSegment {
    file: std::fs::File,
    path: Arc<PathBuf>,
    at: u64,
    length: u64,
}

/// Where blocks went.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) path: Arc<PathBuf>,
    /// The offset of the segment's first byte.
    pub(super) begins: u64,
    /// Bytes that were written.
    pub(super) length: u64,
}

impl Spill {
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self { dir, open: None }
    }

    /// Appends the blocks from `at` on to a segment. What a failed write left behind is never read.
    pub(super) async fn write(&mut self, at: u64, blocks: Vec<Bytes>) -> io::Result<Written> {
        let open =
            self.open.take().filter(|open| open.at + open.length == at && open.length < SEGMENT);
        let dir = self.dir.clone();
        let write = move || {
            let mut open = match open {
                Some(open) => open,
                None => OpenSegment::create(&dir, at)?,
            };
            for block in &blocks {
                open.file.write_all(block)?;
                open.length += block.len() as u64;
            }
            Ok(open)
        };
        let written = spawn_blocking(write).await;
        let open = written.unwrap_or_else(|error| Err(io::Error::other(error)))?;
        let length = open.at + open.length - at;
        let written = Written { path: open.path.clone(), begins: open.at, length };
        self.open = Some(open);
        Ok(written)
    }

    /// Keeps nothing open while nothing is written.
    pub(super) fn rest(&mut self) {
        self.open = None;
    }

    /// Removes segments that the log keeps no longer. Who is reading one reads it to its end.
    pub(super) async fn remove(&self, stale: Vec<Arc<PathBuf>>) {
        if stale.is_empty() {
            return;
        }
        let remove = move || stale.iter().for_each(|path| drop(std::fs::remove_file(&**path)));
        let _ = spawn_blocking(remove).await;
    }

    /// Removes the directory with all that is in it.
    pub(super) async fn remove_all(self) {
        let dir = self.dir;
        let _ = spawn_blocking(move || std::fs::remove_dir_all(dir)).await;
    }
}

impl OpenSegment {
    fn create(dir: &PathBuf, at: u64) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join(format!("{at:020}.log"));
        let mut options = std::fs::OpenOptions::new();
        // Beside the remains of a write that failed, not on top of them.
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&path)?;
        Ok(Self { file, path: Arc::new(path), at, length: 0 })
    }
}
