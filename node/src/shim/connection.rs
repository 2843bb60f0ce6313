//! One program that is connected to a shim: what it has sent and what it has yet to take. It may be
//! slow or gone; nothing here waits for it.

use std::{
    io::{self, IoSlice, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use gantline_protocol::{
    Offset, ViewerId,
    shim::{FromShim, MAX_MARKS, MAX_VIEWERS, Mark, MarkKind, output_header},
};
use rustix::{buffer::spare_capacity, io::Errno};

use super::log::{Log, Read};

/// What is read from it at once.
const READ: usize = 64 * 1024;
/// What one OUTPUT carries at most.
pub(super) const OUTPUT: usize = 64 * 1024;
/// The least time between two pieces of output that are no full OUTPUT: in a flood the node would
/// be woken for every 4 KiB. A piece after silence goes at once. Also how long the echo of what was
/// typed may take to be told together with its being typed. Viewers are not told more often than
/// this anyway.
const BETWEEN: Duration = Duration::from_millis(1);
/// What it may have yet to take. When there is more, it is listened to no more until it has.
const UNTAKEN: usize = 1 << 20;

/// A connected program.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    pub(super) number: u64,
    /// What has arrived and is no whole message yet.
    input: Vec<u8>,
    /// What it has yet to take, from `sent` on.
    output: Vec<u8>,
    sent: usize,
    pub(super) state: State,
    pub(super) follow: Option<Follow>,
    /// When it was last told of output that it follows.
    told: Option<Instant>,
    /// What it has typed and was not told of yet, and since when.
    written: Vec<(ViewerId, u64)>,
    written_at: Option<Instant>,
    /// Something has happened at its stream.
    pub(super) is_ready: bool,
    /// It wants to know how the process ends.
    pub(super) waits: bool,
    /// It has ended its side, or broken the rules: it gets what it has yet to take, and no more.
    pub(super) is_over: bool,
}

/// How well it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It has said nothing yet.
    Stranger,
    /// A common version was found.
    Known,
}

/// A READ that goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Follow {
    pub(super) id: u32,
    /// What comes next.
    pub(super) at: Offset,
    /// How many marks of the log it has seen, or does not want.
    pub(super) marks: u64,
    /// How far pipes may be read beyond what it has acknowledged.
    pub(super) hold: Option<u64>,
    pub(super) acked: Offset,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, number: u64) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            number,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            state: State::Stranger,
            follow: None,
            told: None,
            written: Vec::new(),
            written_at: None,
            is_ready: false,
            waits: false,
            is_over: false,
        })
    }

    pub(super) const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Whether it has taken everything.
    pub(super) const fn has_taken_all(&self) -> bool {
        self.sent == self.output.len()
    }

    /// Whether it is listened to.
    pub(super) const fn is_heard(&self) -> bool {
        !self.is_over && self.output.len() - self.sent < UNTAKEN
    }

    /// Reads what it has sent; whole messages are taken out of what this returns by
    /// [`Connection::keep`].
    pub(super) fn receive(&mut self) -> Vec<u8> {
        let mut input = std::mem::take(&mut self.input);
        input.reserve(READ);
        match rustix::io::read(&self.stream, spare_capacity(&mut input)) {
            Ok(0) => self.is_over = true,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.is_over = true,
        }
        input
    }

    /// Keeps what is no whole message yet.
    pub(super) fn keep(&mut self, mut input: Vec<u8>, taken: usize) {
        input.drain(..taken);
        // Most of the time there is nothing, and it costs nothing.
        self.input = if input.is_empty() { Vec::new() } else { input };
    }

    pub(super) fn say(&mut self, message: &FromShim<'_>) {
        let mut bytes = Vec::new();
        if message.encode(&mut bytes).is_ok() {
            self.send(&bytes, &[]);
        }
    }

    /// Sends `head` and `rest` at once as far as it takes them now.
    pub(super) fn send(&mut self, head: &[u8], rest: &[u8]) {
        let mut written = 0;
        if self.has_taken_all() {
            match self.stream.write_vectored(&[IoSlice::new(head), IoSlice::new(rest)]) {
                Ok(length) => written = length,
                Err(error) if is_early(&error) => {}
                Err(_) => self.is_over = true,
            }
        }
        for part in [head, rest] {
            let (_, left) = part.split_at_checked(written).unwrap_or((part, &[]));
            written = written.saturating_sub(part.len());
            self.output.extend_from_slice(left);
        }
    }

    /// Sends what it has yet to take, as far as it takes it now.
    pub(super) fn flush(&mut self) {
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.is_over = true;
                    break;
                }
            }
        }
        (self.output, self.sent) = (Vec::new(), 0);
    }

    /// All input of this viewer up to this number is typed: said soon.
    pub(super) fn wrote(&mut self, viewer: ViewerId, seq: u64, now: Instant) {
        self.written.retain(|(other, _)| *other != viewer);
        self.written.push((viewer, seq));
        self.written_at.get_or_insert(now);
    }

    fn has_news(&self, log: &Log) -> bool {
        self.follow
            .is_some_and(|follow| follow.at < log.end() || follow.marks < log.ring().marks_noted())
    }

    /// When [`Connection::pump`] has something to send that it does not send before.
    pub(super) fn due(&self, log: &Log) -> Option<Instant> {
        let written = self.written_at.map(|at| at + BETWEEN);
        let output = self.told.filter(|_| self.has_news(log)).map(|told| told + BETWEEN);
        // Until it has taken what there is, that is what is waited for.
        written.into_iter().chain(output).min().filter(|_| self.has_taken_all() && !self.is_over)
    }

    /// Sends what it follows, as far as it takes it now: much at once, or if the last is some time
    /// ago, or if there will be no more.
    pub(super) fn pump(&mut self, log: &mut Log, now: Instant, is_over: bool) {
        let is_due = |at: Option<Instant>| is_over || at.is_none_or(|at| now >= at + BETWEEN);
        let is_output_due = is_due(self.told);
        while let Some(follow) = self.follow.filter(|_| self.has_taken_all() && !self.is_over)
            && self.has_news(log)
            && (is_output_due || follow.at.0 + OUTPUT as u64 <= log.end().0)
        {
            self.told = Some(now);
            self.send_piece(log, follow);
        }
        let is_crowded = self.written.len() >= MAX_VIEWERS;
        if !self.written.is_empty() && (is_crowded || is_due(self.written_at)) {
            let written = self.take_written();
            self.send(&written, &[]);
        }
    }

    fn take_written(&mut self) -> Vec<u8> {
        let mut messages = Vec::new();
        for (viewer, seq) in std::mem::take(&mut self.written) {
            // It has no bounds to break.
            let _ = FromShim::Written { viewer, seq }.encode(&mut messages);
        }
        self.written_at = None;
        messages
    }

    fn send_piece(&mut self, log: &mut Log, mut follow: Follow) {
        let read = log.read(follow.at, OUTPUT);
        let (id, from) = (follow.id, follow.at);
        // What was typed is told with its echo, so that the node wakes up once.
        let mut header = self.take_written();
        match &read {
            Read::Gap { from, to } => {
                let (from, to) = (*from, *to);
                let gap = [Mark { offset: from, kind: MarkKind::Gap(to) }];
                output_header(&mut header, id, from, log.start(), &gap, 0);
                follow.at = to;
                self.follow = Some(follow);
                self.send(&header, &[]);
            }
            Read::Bytes(_) | Read::End => {
                let mut bytes = match &read {
                    Read::Bytes(bytes) => &**bytes,
                    Read::Gap { .. } | Read::End => &[],
                };
                let upto = Offset(from.0 + bytes.len() as u64);
                let (marks, more) = log.ring().marks_after(follow.marks, upto, MAX_MARKS);
                if let Some(last) = marks.last().filter(|_| more) {
                    // Whoever reads must not take the bytes after a mark for those before it.
                    let length = usize::try_from(last.offset.0.saturating_sub(from.0));
                    bytes = bytes.get(..length.unwrap_or(0)).unwrap_or(bytes);
                }
                output_header(&mut header, id, from, log.start(), &marks, bytes.len());
                follow.at = Offset(from.0 + bytes.len() as u64);
                let gone = log.ring().marks_gone();
                follow.marks = follow.marks.max(gone) + marks.len() as u64;
                self.follow = Some(follow);
                self.send(&header, bytes);
            }
        }
    }
}

fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
