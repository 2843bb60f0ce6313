//! The files into which a log's older blocks go: segments of a few MiB, each a contiguous piece of
//! the log, named by its first offset.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::ring::Segment;

/// The greatest segment, in bytes, and into how many parts a log that is small is cut at least: the
/// oldest goes as a whole.
const SEGMENT: u64 = 4 << 20;
const PARTS: u64 = 16;
/// What the name of a segment ends with.
const ENDING: &str = ".log";

/// Bytes in a file.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) path: Arc<PathBuf>,
    pub(crate) skip: u64,
    pub(crate) length: usize,
}

impl Piece {
    /// The bytes; fewer if the file has fewer.
    pub(crate) fn read(&self) -> io::Result<Bytes> {
        let mut file = std::fs::File::open(&*self.path)?;
        file.seek(SeekFrom::Start(self.skip))?;
        let mut bytes = Vec::with_capacity(self.length);
        file.take(self.length as u64).read_to_end(&mut bytes)?;
        Ok(Bytes::from(bytes))
    }
}

/// Writes the segments of one log.
#[derive(Debug)]
pub(crate) struct Spill {
    dir: PathBuf,
    segment: u64,
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
pub(crate) struct Written {
    pub(crate) path: Arc<PathBuf>,
    /// The offset of the segment's first byte.
    pub(crate) begins: u64,
    /// The offset of the first byte that was written.
    pub(crate) at: u64,
    /// Bytes that were written.
    pub(crate) length: u64,
}

impl Spill {
    /// Writes into `dir`, of which `limit` bytes are kept.
    pub(crate) fn new(dir: PathBuf, limit: u64) -> Self {
        Self { dir, segment: SEGMENT.min(limit / PARTS), open: None }
    }

    /// Appends the blocks from `at` on to a segment.
    pub(crate) fn write(&mut self, at: u64, blocks: &[Bytes]) -> io::Result<Written> {
        let open = self
            .open
            .take()
            .filter(|open| open.at + open.length == at && open.length < self.segment);
        let mut open = match open {
            Some(open) => open,
            None => OpenSegment::create(&self.dir, at)?,
        };
        let before = open.length;
        for block in blocks {
            if let Err(error) = open.file.write_all(block) {
                open.take_back(before);
                return Err(error);
            }
            open.length += block.len() as u64;
        }
        let length = open.length - before;
        let written = Written { path: open.path.clone(), begins: open.at, at, length };
        self.open = Some(open);
        Ok(written)
    }
}

impl OpenSegment {
    fn create(dir: &Path, at: u64) -> io::Result<Self> {
        let path = dir.join(format!("{at:020}{ENDING}"));
        let mut options = std::fs::OpenOptions::new();
        // What a failed write left behind is begun anew, if it could not be taken back.
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&path)?;
        Ok(Self { file, path: Arc::new(path), at, length: 0 })
    }

    /// Gives back what a disk that is full has taken of more than it could: it is written once more,
    /// or lost, and others need the room.
    fn take_back(&self, length: u64) {
        let _ = match length {
            0 => std::fs::remove_file(&*self.path),
            _ => self.file.set_len(length),
        };
    }
}

/// The segments in a directory, oldest first. A write that failed may have left bytes that were
/// written once more, to the segment after it.
pub(crate) fn segments(dir: &Path) -> VecDeque<Segment> {
    let mut segments: Vec<_> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let at = name.to_str()?.strip_suffix(ENDING)?.parse().ok()?;
            let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some(Segment { path: Arc::new(entry.path()), at, length: metadata.len() })
        })
        .collect();
    segments.sort_by_key(|segment| segment.at);
    let mut whole: VecDeque<Segment> = VecDeque::new();
    for segment in segments {
        if let Some(before) = whole.back_mut() {
            before.length = before.length.min(segment.at - before.at);
        }
        whole.push_back(segment);
    }
    whole.retain(|segment| segment.length > 0);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_full_disk_did_not_take_leaves_nothing_there_and_is_written_when_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(dir.path().to_owned(), 1 << 30);
        let block = |byte| Bytes::from(vec![byte; 100_000]);
        spill.write(0, &[block(1)]).unwrap();
        // The next segment's place, on a disk that is full.
        std::os::unix::fs::symlink("/dev/full", dir.path().join(format!("{:020}.log", 300_000)))
            .unwrap();
        let lost = spill.write(300_000, &[block(2), block(3)]);
        assert_eq!(lost.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(segments(dir.path()).len(), 1, "what was refused is still there");
        let written = spill.write(300_000, &[block(2), block(3)]).unwrap();
        assert_eq!((written.at, written.begins, written.length), (300_000, 300_000, 200_000));
        let there: Vec<_> =
            segments(dir.path()).into_iter().map(|one| (one.at, one.length)).collect();
        assert_eq!(there, [(0, 100_000), (300_000, 200_000)]);
    }
}
