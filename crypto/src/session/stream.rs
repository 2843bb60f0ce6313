//! One stream: two directions, each with its own end.

use std::{collections::VecDeque, fmt};

use bytes::{Buf, Bytes, BytesMut};
use gantline_protocol::session::STREAM_WINDOW;

use super::{
    MAX_STREAM_WINDOW,
    credit::{ReceiveWindow, SendWindow},
};

/// How far one direction has come, seen from our end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The answer's head has not passed yet; only the direction of an answer begins here.
    Headless,
    /// DATA may pass.
    Flowing,
    /// Sending only: all is written, FIN follows the last byte.
    Finishing,
    /// Receiving only: we reset the stream; DATA is thrown away until the peer ends it as well.
    Discarding,
    /// FIN or RESET passed.
    Ended,
}

/// Pieces below this length are copied together.
const SMALL: usize = 1024;

/// A stream's state at our end.
pub(super) struct Stream {
    pub(super) sending: Direction,
    pub(super) receiving: Direction,
    pub(super) send_window: SendWindow,
    pub(super) receive_window: ReceiveWindow,
    /// How much the receiving window has grown by itself.
    grown: u64,
    /// Bytes of DATA sent so far.
    pub(super) sent: u64,
    /// Whether the stream waits in the queue of those with something to send.
    pub(super) is_ready: bool,
    /// Whether the stream waits in the queue of those with a CREDIT to send.
    pub(super) is_credit_due: bool,
    unsent: VecDeque<Bytes>,
    /// Small pieces behind those of `unsent`, joined: so that many of them can't take many times
    /// their length in memory, nor keep the large buffers alive that they were cut from.
    unsent_small: BytesMut,
    unsent_bytes: u64,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({:?}, {:?})", self.sending, self.receiving)
    }
}

impl Stream {
    /// A stream that we opened: we may send, the peer owes its head.
    pub(super) fn opened_by_us() -> Self {
        Self::new(Direction::Flowing, Direction::Headless)
    }

    /// A stream that the peer opened: it may send, we owe our head.
    pub(super) fn opened_by_peer() -> Self {
        Self::new(Direction::Headless, Direction::Flowing)
    }

    fn new(sending: Direction, receiving: Direction) -> Self {
        Self {
            sending,
            receiving,
            send_window: SendWindow::new(STREAM_WINDOW),
            receive_window: ReceiveWindow::new(STREAM_WINDOW),
            grown: 0,
            sent: 0,
            is_ready: false,
            is_credit_due: false,
            unsent: VecDeque::new(),
            unsent_small: BytesMut::new(),
            unsent_bytes: 0,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.sending == Direction::Ended && self.receiving == Direction::Ended
    }

    /// Doubles the receiving window, by `most` bytes at most; returns by how many.
    pub(super) fn grow(&mut self, most: u64) -> u64 {
        let window = self.receive_window.window();
        let more = window.min(MAX_STREAM_WINDOW.saturating_sub(window)).min(most);
        self.receive_window.widen(window + more);
        self.grown += more;
        more
    }

    pub(super) const fn grown(&self) -> u64 {
        self.grown
    }

    pub(super) const fn unsent(&self) -> u64 {
        self.unsent_bytes
    }

    pub(super) fn queue(&mut self, bytes: Bytes) {
        self.unsent_bytes += bytes.len() as u64;
        self.send_window.reserve(bytes.len() as u64);
        if bytes.len() < SMALL {
            self.unsent_small.extend_from_slice(&bytes);
        } else {
            if !self.unsent_small.is_empty() {
                self.unsent.push_back(self.unsent_small.split().freeze());
            }
            self.unsent.push_back(bytes);
        }
    }

    /// Moves `length` bytes to the end of `out`; there are at least as many.
    pub(super) fn dequeue(&mut self, mut length: usize, out: &mut Vec<u8>) {
        self.unsent_bytes = self.unsent_bytes.saturating_sub(length as u64);
        self.sent += length as u64;
        while let Some(front) = self.unsent.front_mut().filter(|_| length > 0) {
            let taken = front.len().min(length);
            out.extend_from_slice(front.get(..taken).unwrap_or_default());
            length -= taken;
            if taken == front.len() {
                self.unsent.pop_front();
            } else {
                front.advance(taken);
            }
        }
        let taken = self.unsent_small.len().min(length);
        out.extend_from_slice(self.unsent_small.get(..taken).unwrap_or_default());
        self.unsent_small.advance(taken);
    }

    /// Throws away what was not sent; returns how many bytes that were.
    pub(super) fn drop_unsent(&mut self) -> u64 {
        self.unsent.clear();
        self.unsent_small.clear();
        std::mem::take(&mut self.unsent_bytes)
    }
}
