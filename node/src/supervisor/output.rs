//! A range of an agent's output, as a stream: every byte of it in order, and every gap named.

use bytes::Bytes;
use gantline_protocol::{Epoch, Offset};

use crate::pty::log::{Follower, Log, Read};

/// What is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// Which part of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputRange {
    /// From here on; what is gone before that is a gap.
    pub from: Offset,
    /// Up to here, or to the end.
    pub to: Option<Offset>,
    /// Wait for what the process still writes, until it has ended.
    pub follow: bool,
}

/// Reads a range of an output.
#[derive(Debug)]
pub struct Output {
    log: Log,
    follower: Follower,
    at: Offset,
    to: Option<Offset>,
    follow: bool,
}

/// A piece of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputItem {
    /// The next bytes.
    Bytes(Bytes),
    /// These bytes are not kept any more.
    Gap {
        /// The first that is gone.
        from: Offset,
        /// The first that is still there.
        to: Offset,
    },
}

impl Output {
    pub(super) fn new(log: Log, range: OutputRange) -> Self {
        let OutputRange { from, to, follow } = range;
        // Without following, what is written from now on is not part of it.
        let to = if follow { to } else { Some(to.map_or(log.end(), |to| to.min(log.end()))) };
        Self { follower: log.follow(), log, at: from, to, follow }
    }

    /// The life of the process that this is the output of.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.log.epoch()
    }

    /// The first byte of the whole output that is kept.
    #[must_use]
    pub fn kept_from(&self) -> Offset {
        self.log.start()
    }

    /// The next piece, `None` at the end. Giving the wait up loses nothing.
    pub async fn next(&mut self) -> Option<OutputItem> {
        loop {
            let left = self.to.map_or(u64::MAX, |to| to.0.saturating_sub(self.at.0));
            let limit = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK);
            if limit == 0 {
                return None;
            }
            match self.log.read(self.at, limit).await {
                Read::Bytes(bytes) => {
                    self.at = Offset(self.at.0 + bytes.len() as u64);
                    return Some(OutputItem::Bytes(bytes));
                }
                Read::Gap { from, to } => {
                    let to = self.to.map_or(to, |end| end.min(to));
                    self.at = to;
                    return Some(OutputItem::Gap { from, to });
                }
                Read::End => {
                    let progress = self.log.progress();
                    if !self.follow || (progress.is_closed && progress.end <= self.at) {
                        return None;
                    }
                    self.follower.beyond(self.at).await;
                }
            }
        }
    }
}
