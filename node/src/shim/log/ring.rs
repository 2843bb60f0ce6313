//! Where each byte of a log is: in memory, in a file, or gone. A pure core: it is told what was
//! appended and what was written, and says what to write and what to remove.

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use bytes::Bytes;
use gantline_protocol::{
    Offset,
    shim::{Mark, MarkKind},
};

use super::spill::Piece;

/// Bytes of a block: what is evicted and written at once.
pub(crate) const BLOCK: usize = 64 * 1024;
/// Blocks that may wait for the disk. When it is slower than the process, the oldest are lost.
const MAX_EVICTED: usize = 128;
/// So many are too many while the disk is at work: what one read adds has room above it.
const CROWDED: usize = MAX_EVICTED - 4;
/// Blocks that are written at once.
const RUN: usize = 16;
/// Marks that are kept. The oldest go first.
const MAX_MARKS: usize = 4096;

/// How much of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in memory.
    pub memory: usize,
    /// Bytes in files beyond that.
    pub file: u64,
}

impl Default for Limits {
    /// 4 MiB in memory, 128 MiB in files.
    fn default() -> Self {
        Self { memory: 4 << 20, file: 128 << 20 }
    }
}

/// Where bytes are.
#[derive(Debug)]
pub(crate) enum Place {
    Memory(Bytes),
    File(Piece),
    Gap { to: Offset },
    End,
}

/// A file that holds a contiguous piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: Arc<PathBuf>,
    pub(crate) at: u64,
    pub(crate) length: u64,
}

/// A log.
#[derive(Debug)]
pub(crate) struct Ring {
    limits: Limits,
    /// Full blocks, each right after the one before.
    blocks: VecDeque<(u64, Bytes)>,
    in_memory: usize,
    /// Right after the last block.
    tail: Vec<u8>,
    tail_at: u64,
    /// Blocks that wait for the disk; some between them may be lost.
    evicted: VecDeque<(u64, Bytes)>,
    /// What was written, oldest first; some between them may be lost.
    segments: VecDeque<Segment>,
    marks: VecDeque<Mark>,
    /// Marks that are not kept any more.
    marks_gone: u64,
}

impl Ring {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            blocks: VecDeque::new(),
            in_memory: 0,
            tail: Vec::new(),
            tail_at: 0,
            evicted: VecDeque::new(),
            segments: VecDeque::new(),
            marks: VecDeque::new(),
            marks_gone: 0,
        }
    }

    /// A log whose older part is elsewhere: it begins at `at`.
    pub(crate) const fn beginning_at(at: Offset, limits: Limits) -> Self {
        let mut ring = Self::new(limits);
        ring.tail_at = at.0;
        ring
    }

    /// A log that nothing is added to, of which these files are left, and which ended at `end`.
    pub(crate) fn of_segments(segments: VecDeque<Segment>, end: Offset) -> Self {
        let last = segments.back().map_or(0, |segment| segment.at + segment.length);
        let limits = Limits { memory: 0, file: u64::MAX };
        Self { segments, ..Self::beginning_at(Offset(end.0.max(last)), limits) }
    }

    pub(crate) fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK - self.tail.len();
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.tail.extend_from_slice(now);
            self.in_memory += now.len();
            bytes = later;
            if self.tail.len() == BLOCK {
                self.seal_tail();
            }
        }
        // So much is kept, and at most a block more.
        while let Some((_, oldest)) = self.blocks.front()
            && self.in_memory - oldest.len() >= self.limits.memory
        {
            self.evict(MAX_EVICTED);
        }
    }

    /// Nothing comes any more: what is in memory is to go to the disk, beside what is there.
    pub(crate) fn retire(&mut self) {
        let beside = self.limits.file.saturating_add(self.limits.memory as u64);
        self.limits = Limits { memory: 0, file: beside };
        self.seal_tail();
        while self.evict(usize::MAX) {}
    }

    /// Gives up what is in memory, of which there is a copy elsewhere.
    pub(crate) fn forget_memory(&mut self) {
        self.seal_tail();
        self.blocks.clear();
        self.in_memory = 0;
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            let block = Bytes::from(std::mem::take(&mut self.tail));
            let at = self.tail_at;
            self.tail_at += block.len() as u64;
            self.blocks.push_back((at, block));
        }
    }

    fn evict(&mut self, may_wait: usize) -> bool {
        let Some((at, block)) = self.blocks.pop_front() else { return false };
        self.in_memory -= block.len();
        if self.limits.file > 0 {
            if self.evicted.len() >= may_wait {
                self.evicted.pop_front();
            }
            self.evicted.push_back((at, block));
        }
        true
    }

    /// Notes something at the end.
    pub(crate) fn mark(&mut self, kind: MarkKind) {
        self.mark_at(Mark { offset: self.end(), kind });
    }

    /// Notes something that is not before what was noted last.
    pub(crate) fn mark_at(&mut self, mark: Mark) {
        if self.marks.len() >= MAX_MARKS {
            self.marks.pop_front();
            self.marks_gone += 1;
        }
        self.marks.push_back(mark);
    }

    /// What was noted last.
    pub(crate) fn last_mark(&self) -> Option<Mark> {
        self.marks.back().copied()
    }

    /// What comes next begins at `at`; there is nothing before it.
    pub(crate) fn skip_to(&mut self, at: Offset) {
        self.forget_memory();
        self.tail_at = at.0;
    }

    /// What was noted from `from` on.
    pub(crate) fn marks(&self, from: Offset) -> Vec<Mark> {
        self.marks.iter().filter(|mark| mark.offset >= from).copied().collect()
    }

    /// How many marks there were before those that are about `from` or later.
    pub(crate) fn marks_before(&self, from: Offset) -> u64 {
        self.marks_gone + self.marks.partition_point(|mark| mark.offset < from) as u64
    }

    /// The marks after the first `seen` ones up to `upto`, at most `limit`, and whether there are
    /// more.
    pub(crate) fn marks_after(&self, seen: u64, upto: Offset, limit: usize) -> (Vec<Mark>, bool) {
        let skip = usize::try_from(seen.saturating_sub(self.marks_gone)).unwrap_or(usize::MAX);
        let mut due = self.marks.iter().skip(skip).take_while(|mark| mark.offset <= upto);
        (due.by_ref().take(limit).copied().collect(), due.next().is_some())
    }

    /// How many marks are not kept any more.
    pub(crate) const fn marks_gone(&self) -> u64 {
        self.marks_gone
    }

    /// How many marks there ever were.
    pub(crate) fn marks_noted(&self) -> u64 {
        self.marks_gone + self.marks.len() as u64
    }

    /// Which kind of output the byte at `at` is, and up to where; `None` when it was not noted.
    pub(crate) fn stream_at(&self, at: Offset) -> (Option<MarkKind>, Option<Offset>) {
        let is_stream = |mark: &&Mark| matches!(mark.kind, MarkKind::Stdout | MarkKind::Stderr);
        let after = self.marks.partition_point(|mark| mark.offset <= at);
        let kind = self.marks.range(..after).rev().find(is_stream).map(|mark| mark.kind);
        let next = self.marks.range(after..).filter(is_stream).find(|mark| Some(mark.kind) != kind);
        (kind, next.map(|mark| mark.offset))
    }

    pub(crate) const fn end(&self) -> Offset {
        Offset(self.tail_at + self.tail.len() as u64)
    }

    /// The first byte that is kept.
    pub(crate) fn start(&self) -> Offset {
        self.next_kept(0)
    }

    pub(crate) fn find(&self, from: Offset, limit: usize) -> Place {
        let Offset(from) = from;
        if from >= self.end().0 {
            return Place::End;
        }
        if let Some(rest) = from.checked_sub(self.tail_at) {
            let rest = usize::try_from(rest).unwrap_or(usize::MAX);
            let bytes = self.tail.get(rest..).unwrap_or_default();
            return Place::Memory(Bytes::copy_from_slice(bytes.get(..limit).unwrap_or(bytes)));
        }
        for blocks in [&self.blocks, &self.evicted] {
            let after = blocks.partition_point(|(at, _)| *at <= from);
            if let Some((at, block)) = after.checked_sub(1).and_then(|index| blocks.get(index))
                && from < at + block.len() as u64
            {
                let skip = usize::try_from(from - at).unwrap_or(usize::MAX);
                let length = (block.len() - skip).min(limit);
                return Place::Memory(block.slice(skip..skip + length));
            }
        }
        let after = self.segments.partition_point(|segment| segment.at <= from);
        if let Some(segment) = after.checked_sub(1).and_then(|index| self.segments.get(index))
            && from < segment.at + segment.length
        {
            let left = segment.at + segment.length - from;
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(limit);
            let skip = from - segment.at;
            return Place::File(Piece { path: segment.path.clone(), skip, length });
        }
        Place::Gap { to: self.next_kept(from) }
    }

    /// The first byte from `from` on that is kept.
    fn next_kept(&self, from: u64) -> Offset {
        let ends = |at: u64, length: u64| at + length > from;
        let segment = self.segments.iter().find(|segment| ends(segment.at, segment.length));
        let block = |blocks: &VecDeque<(u64, Bytes)>| {
            blocks.iter().find(|(at, block)| ends(*at, block.len() as u64)).map(|(at, _)| *at)
        };
        let starts = [
            segment.map(|segment| segment.at),
            block(&self.evicted),
            block(&self.blocks),
            Some(self.tail_at),
        ];
        Offset(starts.into_iter().flatten().min().unwrap_or(self.tail_at).max(from))
    }

    /// Whether everything is on the disk, or lost.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.evicted.is_empty() && self.in_memory == 0
    }

    /// Whether a little more output would cost some that is older.
    pub(crate) fn is_crowded(&self) -> bool {
        self.evicted.len() >= CROWDED
    }

    /// What is to be written next: where it begins, and blocks that follow each other.
    pub(crate) fn next_to_spill(&self) -> Option<(u64, Vec<Bytes>)> {
        let (first, _) = self.evicted.front()?;
        let mut end = *first;
        let run = self.evicted.iter().take(RUN).take_while(|(at, block)| {
            let follows = *at == end;
            end += block.len() as u64;
            follows
        });
        Some((*first, run.map(|(_, block)| block.clone()).collect()))
    }

    /// The `length` bytes at `at` were appended to the file `path`, which began at `begins`. Returns
    /// files that are to be removed.
    pub(crate) fn spilled(
        &mut self,
        at: u64,
        length: u64,
        path: &Arc<PathBuf>,
        begins: u64,
    ) -> Vec<Arc<PathBuf>> {
        self.evicted.retain(|(other, _)| !(at..at + length).contains(other));
        match self.segments.back_mut() {
            Some(segment) if segment.at == begins => segment.length += length,
            Some(_) | None => {
                self.segments.push_back(Segment { path: path.clone(), at: begins, length });
            }
        }
        let mut stale = Vec::new();
        let mut kept: u64 = self.segments.iter().map(|segment| segment.length).sum();
        while kept > self.limits.file
            && self.segments.len() > 1
            && let Some(segment) = self.segments.pop_front()
        {
            kept -= segment.length;
            stale.push(segment.path);
        }
        stale
    }

    /// A file can't be read (any more): what it held is gone.
    pub(crate) fn forget_segment(&mut self, path: &Arc<PathBuf>) {
        self.segments.retain(|segment| segment.path != *path);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// What the disk does with a block that waits for it.
    #[derive(Debug, Clone)]
    enum Step {
        Append(usize),
        /// It begins to write.
        Take,
        /// It has written what it took.
        Written,
        LoseOldestSegment,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1..200_000usize).prop_map(Step::Append),
            4 => Just(Step::Take),
            4 => Just(Step::Written),
            1 => Just(Step::LoseOldestSegment),
        ]
    }

    /// The whole log as it was appended, and the files as they were written.
    #[derive(Default)]
    struct Model {
        all: Vec<u8>,
        files: Vec<(Arc<PathBuf>, u64, Vec<u8>)>,
        /// What the disk is at.
        taken: Option<(u64, Vec<Bytes>)>,
    }

    impl Model {
        fn spill(&mut self, ring: &mut Ring) {
            self.taken = ring.next_to_spill();
            self.written(ring);
        }

        fn written(&mut self, ring: &mut Ring) {
            let Some((at, blocks)) = self.taken.take() else { return };
            let block = blocks.concat();
            let goes_on = self.files.last().is_some_and(|(_, begins, held)| {
                begins + held.len() as u64 == at && held.len() < 3 * BLOCK
            });
            if !goes_on {
                self.files.push((Arc::new(PathBuf::from(at.to_string())), at, Vec::new()));
            }
            let (path, begins, held) = self.files.last_mut().unwrap();
            held.extend_from_slice(&block);
            let (path, begins) = (path.clone(), *begins);
            for stale in ring.spilled(at, block.len() as u64, &path, begins) {
                self.files.retain(|(path, ..)| *path != stale);
            }
        }

        /// Everything that can be read from the beginning: never a byte that is not the log's own.
        fn check(&self, ring: &Ring, limit: usize) -> Result<(), TestCaseError> {
            let mut at = 0;
            loop {
                let bytes = match ring.find(Offset(at), limit) {
                    Place::End => break,
                    Place::Gap { to } => {
                        prop_assert!(to.0 > at, "a gap of nothing at {}", at);
                        at = to.0;
                        continue;
                    }
                    Place::Memory(bytes) => bytes.to_vec(),
                    Place::File(piece) => {
                        let file = self.files.iter().find(|(path, ..)| *path == piece.path);
                        let (_, _, held) = file.expect("a file that was removed is named");
                        let skip = piece.skip as usize;
                        held[skip..skip + piece.length].to_vec()
                    }
                };
                prop_assert!(!bytes.is_empty() && bytes.len() <= limit);
                let from = at as usize;
                prop_assert!(self.all[from..].starts_with(&bytes), "other bytes at {}", at);
                at += bytes.len() as u64;
            }
            prop_assert_eq!(at, self.all.len() as u64);
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_read_is_what_was_written_or_said_to_be_gone(
            steps in vec(step(), 1..60),
            memory in 0..4 * BLOCK,
            file in prop_oneof![Just(0u64), 1..20 * BLOCK as u64],
            limit in 1..200_000usize,
        ) {
            let mut ring = Ring::new(Limits { memory, file });
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Append(length) => {
                        let from = model.all.len();
                        model.all.extend((from..from + length).map(|at| (at * 31 + at / 257) as u8));
                        ring.append(&model.all[from..]);
                    }
                    Step::Take if model.taken.is_none() => model.taken = ring.next_to_spill(),
                    Step::Take => {}
                    Step::Written => model.written(&mut ring),
                    Step::LoseOldestSegment => if let Some((path, ..)) = model.files.first().cloned() {
                        ring.forget_segment(&path);
                    },
                }
                prop_assert!(ring.in_memory <= memory.max(BLOCK) + BLOCK);
                prop_assert!(ring.evicted.len() <= MAX_EVICTED);
            }
            model.check(&ring, limit)?;
        }
    }

    #[test]
    fn a_log_within_its_limits_keeps_every_byte() {
        let mut ring = Ring::new(Limits { memory: 2 * BLOCK, file: 100 * BLOCK as u64 });
        let mut model = Model::default();
        for _ in 0..50 {
            let from = model.all.len();
            model.all.extend((from..from + BLOCK + 17).map(|at| (at % 253) as u8));
            ring.append(&model.all[from..]);
            while ring.next_to_spill().is_some() {
                model.spill(&mut ring);
            }
        }
        assert_eq!(ring.start(), Offset(0));
        model.check(&ring, BLOCK).unwrap();
        ring.retire();
        while ring.next_to_spill().is_some() {
            model.spill(&mut ring);
        }
        assert_eq!((ring.in_memory, ring.start()), (0, Offset(0)));
        model.check(&ring, 1000).unwrap();
    }

    #[test]
    fn a_disk_that_takes_nothing_costs_the_oldest_and_says_so() {
        let mut ring = Ring::new(Limits { memory: BLOCK, file: 1 << 30 });
        ring.append(&vec![7; 200 * BLOCK]);
        let kept = (MAX_EVICTED + 1) * BLOCK;
        assert!(ring.start().0 >= (200 * BLOCK - kept - BLOCK) as u64);
        let Place::Gap { to } = ring.find(Offset(5), 10) else { panic!("bytes that were lost") };
        assert_eq!(to, ring.start());
    }
}
