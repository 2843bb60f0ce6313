//! Answers that wait for their process to read them.

use std::collections::VecDeque;

use bytes::Bytes;
use gantline_protocol::ViewerId;
use getrandom::{
    SysRng,
    rand_core::{Rng as _, UnwrapErr},
};

use crate::pty::host::Host;

/// Answers that wait. When there are so many, the process reads nothing, and further questions stay
/// unanswered.
const MAX_WAITING: usize = 256;

/// Types the answers, in order, each once. To the host, the node is one more viewer that types.
#[derive(Debug)]
pub(super) struct Answers {
    viewer: ViewerId,
    last: u64,
    waiting: VecDeque<(u64, Bytes)>,
}

impl Answers {
    pub(super) fn new() -> Self {
        // Nobody may have the same, or could make our answers count as given.
        let mut id = [0; 16];
        UnwrapErr(SysRng).fill_bytes(&mut id);
        Self { viewer: ViewerId::from_bytes(id), last: 0, waiting: VecDeque::new() }
    }

    pub(super) fn push(&mut self, answer: impl Into<Bytes>) {
        if self.waiting.len() < MAX_WAITING {
            self.last += 1;
            self.waiting.push_back((self.last, answer.into()));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Types the first. Giving the wait up leaves it where it is.
    pub(super) async fn type_next(&mut self, host: &Host) {
        let Some((seq, answer)) = self.waiting.front().cloned() else { return };
        host.write(self.viewer, seq, answer).await;
        self.waiting.pop_front();
    }
}
