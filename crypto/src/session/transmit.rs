//! What a session has to say, as sealed records: control first, then one stream after the other.

use std::time::Instant;

use gantline_protocol::session::{
    Frame, Hello, SESSION_WINDOW,
    frame::{FRAME_HEADER, encode_data_header},
};

use super::{
    KEY_AGE, MAX_GROWN, Session, SessionError,
    state::{Peer, Phase, Side},
    stream::{Direction, Stream},
};

/// The most DATA of one stream in a row while others wait.
const FAIR_DATA: usize = 4096;
/// The step of the padding of records above 1,024 bytes.
const PADDING_STEP: usize = 1024;
/// What is kept of the queue of frames other than DATA once it is empty, in bytes.
const IDLE_CONTROL: usize = 16 * 1024;
/// The size of a frame whose payload is one u64.
const NUMBER_FRAME: usize = FRAME_HEADER + 8;

impl Session {
    /// Appends sealed records to `out` until it holds `limit` bytes or more, or nothing is left
    /// to say; returns whether something is left. A record is at most 16,402 bytes, so `out`
    /// holds at most `limit` and one record. Once `out` has grown, nothing is allocated.
    ///
    /// # Errors
    /// [`SessionError`] when nothing can be sealed any more; the session is over.
    pub fn transmit(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<bool, SessionError> {
        while self.has_something_to_say(now) {
            if out.len() >= limit {
                return Ok(true);
            }
            if let Err(error) = self.seal_record(now, out) {
                self.phase = Phase::Over(error.clone());
                return Err(error);
            }
        }
        Ok(false)
    }

    /// Whether [`Self::transmit`] would write anything now.
    #[must_use]
    pub fn has_something_to_say(&self, now: Instant) -> bool {
        match &self.phase {
            Phase::Open => {
                self.may_speak()
                    && (!self.has_greeted
                        || self.control_sent < self.control.len()
                        || self.pong.is_some()
                        || !self.credit_due.is_empty()
                        || self.receive_window.is_due()
                        || !self.ready.is_empty()
                        || self.is_key_old(now))
            }
            Phase::Closing { frame, .. } => frame.is_some() && self.may_speak(),
            Phase::Over(_) => false,
        }
    }

    /// A node says nothing before the device has proved itself with its first record.
    pub(super) fn may_speak(&self) -> bool {
        self.side == Side::Device || self.peer >= Peer::Proved
    }

    pub(super) fn is_key_old(&self, now: Instant) -> bool {
        self.key_began.is_some_and(|began| now.saturating_duration_since(began) >= KEY_AGE)
    }

    fn seal_record(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<(), SessionError> {
        let rekey = self.is_rekey_due || self.is_key_old(now) || self.sealer.is_last_of_key();
        let begun = self.sealer.begin(out);
        let start = out.len();
        let end = start + self.sealer.room(rekey);
        if !self.has_greeted {
            Frame::Hello(Hello::current()).encode(out)?;
            self.has_greeted = true;
        }
        if let Phase::Closing { frame, .. } = &mut self.phase {
            out.extend(frame.take().unwrap_or_default());
            return self.sealer.seal(out, begun, false);
        }
        self.put_control(out, end);
        self.put_credits(now, out, end)?;
        self.put_data(out, start, end)?;
        self.sealer.seal(out, begun, rekey)?;
        self.is_rekey_due = false;
        self.key_began = match rekey {
            true => None,
            false => self.key_began.or(Some(now)),
        };
        Ok(())
    }

    fn put_control(&mut self, out: &mut Vec<u8>, end: usize) {
        while let Some(frame) = self.control.get(self.control_sent..).and_then(first_frame) {
            if out.len() + frame.len() > end {
                // Moved only when half of it is gone, so that a long queue is moved few times.
                if self.control_sent > self.control.len() / 2 {
                    self.control.drain(..self.control_sent);
                    self.control_sent = 0;
                }
                return;
            }
            out.extend_from_slice(frame);
            self.control_sent += frame.len();
        }
        self.control.clear();
        self.control.shrink_to(IDLE_CONTROL);
        self.control_sent = 0;
    }

    fn put_credits(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        end: usize,
    ) -> Result<(), SessionError> {
        // A frame waits its turn behind the control frames that were queued before it.
        if self.control_sent < self.control.len() {
            return Ok(());
        }
        let fits = |out: &Vec<u8>| out.len() + NUMBER_FRAME <= end;
        if fits(out)
            && let Some(number) = self.pong.take()
        {
            Frame::Pong(number).encode(out)?;
        }
        if fits(out) && self.receive_window.is_due() {
            let limit = self.receive_window.grant();
            Frame::Credit { stream: None, limit }.encode(out)?;
        }
        while fits(out)
            && let Some(stream) = self.credit_due.pop_front()
        {
            if let Some(state) = self.streams.get_mut(&stream) {
                state.is_credit_due = false;
                if matches!(state.receiving, Direction::Headless | Direction::Flowing) {
                    if state.receive_window.is_fast(now) {
                        let more = state.grow(MAX_GROWN - self.grown);
                        self.grown += more;
                        self.receive_window.widen(SESSION_WINDOW + self.grown);
                    }
                    let limit = state.receive_window.grant();
                    Frame::Credit { stream: Some(stream), limit }.encode(out)?;
                }
            }
        }
        Ok(())
    }

    /// DATA and FIN of the stream whose turn it is.
    fn put_data(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        end: usize,
    ) -> Result<(), SessionError> {
        if self.control_sent < self.control.len() {
            return Ok(());
        }
        let Some(stream) = self.ready.pop_front() else { return Ok(()) };
        let others_wait = !self.ready.is_empty();
        let Some(state) = self.streams.get_mut(&stream) else { return Ok(()) };

        let length = data_length(state, out.len() - start, end - out.len(), others_wait);
        if length > 0 {
            encode_data_header(out, stream, length);
            state.dequeue(length, out);
            self.unsent -= length as u64;
        }
        let is_empty = state.unsent() == 0;
        if is_empty && state.sending == Direction::Finishing && out.len() + NUMBER_FRAME <= end {
            Frame::Fin { stream, total: state.sent }.encode(out)?;
            state.sending = Direction::Ended;
        }
        if is_empty && state.sending != Direction::Finishing {
            state.is_ready = false;
            self.sweep(stream);
        } else {
            self.ready.push_back(stream);
        }
        Ok(())
    }
}

/// How much DATA a stream puts into a record that holds `used` bytes and has room for `room`.
fn data_length(state: &Stream, used: usize, room: usize, others_wait: bool) -> usize {
    let room = room.saturating_sub(FRAME_HEADER);
    let unsent = usize::try_from(state.unsent()).unwrap_or(usize::MAX);
    let most = if others_wait { room.min(FAIR_DATA) } else { room };
    if unsent <= most || !others_wait {
        return unsent.min(most);
    }
    // The stream has more than its turn: end on a step of the padding instead of wasting one.
    let beyond = (used + FRAME_HEADER + most) % PADDING_STEP;
    if beyond < most { most - beyond } else { most }
}

/// The first of some encoded frames.
fn first_frame(frames: &[u8]) -> Option<&[u8]> {
    let (header, _) = frames.split_first_chunk::<FRAME_HEADER>()?;
    let [.., high, low] = *header;
    frames.get(..FRAME_HEADER + usize::from(u16::from_be_bytes([high, low])))
}
