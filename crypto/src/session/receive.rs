//! What arrives: records are opened in place, their frames checked against every rule, and the
//! owner told.

use std::time::Instant;

use gantline_protocol::{
    StreamId,
    session::{
        Frame, Frames, Hello, MAX_STREAMS, Open, ResetCode,
        record::{HEADER, ciphertext_length},
    },
};

use super::{
    Event, Session, SessionError,
    state::{Peer, Phase},
    stream::{Direction, Stream},
};

impl Session {
    /// Reads all whole records at the beginning of `input`, decrypting them in place, and returns
    /// how many bytes they took; keep the rest and call again with more behind it. A record is at
    /// most 16,402 bytes. Events come in the order in which the peer caused them.
    ///
    /// # Errors
    /// [`SessionError`]: the session is over. Call [`Self::transmit`] once more, which tells the
    /// peer why where that is safe, and end the pipe.
    pub fn receive(
        &mut self,
        now: Instant,
        input: &mut [u8],
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<usize, SessionError> {
        let mut taken = 0;
        while let Some(rest) = input.get_mut(taken..) {
            let Some((header, rest)) = rest.split_first_chunk_mut::<HEADER>() else { break };
            match &self.phase {
                Phase::Open => {}
                // A node that closes early still waits for the device to prove itself.
                Phase::Closing { .. } if !self.may_speak() => {}
                Phase::Closing { error, .. } | Phase::Over(error) => return Err(error.clone()),
            }
            let result = match ciphertext_length(*header) {
                Err(error) => Err(error.into()),
                Ok(length) => match rest.get_mut(..length) {
                    None => break,
                    Some(ciphertext) => {
                        taken += HEADER + length;
                        self.receive_record(now, ciphertext, &mut on_event)
                    }
                },
            };
            if let Err(error) = result {
                self.fail(error.clone());
                return Err(error);
            }
        }
        Ok(taken)
    }

    fn receive_record(
        &mut self,
        now: Instant,
        ciphertext: &mut [u8],
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), SessionError> {
        let opened = self.opener.open(ciphertext);
        if !matches!(opened, Err(SessionError::Cipher(_))) {
            self.peer = self.peer.max(Peer::Proved);
        }
        let plaintext = opened?;
        if let Phase::Closing { error, .. } = &self.phase {
            return Err(error.clone());
        }
        for frame in Frames::new(plaintext) {
            self.receive_frame(now, frame?, on_event)?;
            if let Phase::Closing { error, .. } = &self.phase {
                return Err(error.clone());
            }
        }
        Ok(())
    }

    fn receive_frame(
        &mut self,
        now: Instant,
        frame: Frame<'_>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), SessionError> {
        if self.peer != Peer::Greeted && !matches!(frame, Frame::Hello(_) | Frame::Ignored(_)) {
            return Err(SessionError::Rule("the first frame is not HELLO"));
        }
        match frame {
            Frame::Hello(hello) => {
                self.receive_hello(&hello)?;
                on_event(Event::Hello(hello));
            }
            Frame::Open { stream, open } => {
                if let Some(open) = self.receive_open(stream, open)? {
                    on_event(Event::Opened { stream, open });
                }
            }
            Frame::Head { stream, head } => {
                let state = self.receiving(stream)?;
                match state.receiving {
                    Direction::Headless => {
                        state.receiving = Direction::Flowing;
                        on_event(Event::Answered { stream, head });
                    }
                    Direction::Discarding => {}
                    Direction::Flowing | Direction::Finishing | Direction::Ended => {
                        return Err(SessionError::Rule("a HEAD where none belongs"));
                    }
                }
            }
            Frame::Data { stream, bytes } => self.receive_data(stream, bytes, on_event)?,
            Frame::Fin { stream, total } => {
                if self.receive_fin(stream, total)? {
                    on_event(Event::Finished { stream });
                }
                self.sweep(stream);
            }
            Frame::Reset { stream, code } => self.receive_reset(stream, code, on_event)?,
            Frame::Credit { stream: None, limit } => {
                if self.send_window.raise(limit)? {
                    on_event(Event::Writable { stream: None });
                }
            }
            Frame::Credit { stream: Some(stream), limit } => {
                self.known(stream)?;
                if let Some(state) = self.streams.get_mut(&stream)
                    && state.send_window.raise(limit)?
                    && matches!(state.sending, Direction::Headless | Direction::Flowing)
                {
                    on_event(Event::Writable { stream: Some(stream) });
                }
            }
            Frame::Ping(number) => self.pong = Some(number),
            Frame::Pong(number) if number == 0 || number > self.ping.number => {
                return Err(SessionError::Rule("a PONG answers no PING"));
            }
            Frame::Pong(number) => {
                if number == self.ping.number
                    && let Some(sent) = self.ping.sent.take()
                {
                    let round_trip = now.saturating_duration_since(sent);
                    on_event(Event::Pong { round_trip });
                }
            }
            Frame::Rekey => self.opener.rekey(),
            Frame::GoAway { code, last } => {
                self.receive_go_away(last)?;
                on_event(Event::GoingAway { code, last });
            }
            Frame::Close { code, reason } => {
                self.phase = Phase::Over(SessionError::Closed(code));
                self.streams.clear();
                on_event(Event::Closed { code, reason });
            }
            Frame::Ignored(_) => {}
        }
        Ok(())
    }

    fn receive_hello(&mut self, hello: &Hello) -> Result<(), SessionError> {
        if self.peer == Peer::Greeted {
            return Err(SessionError::Rule("a second HELLO"));
        }
        let ours = Hello::current();
        if ours.common_version(hello).is_none() {
            let (min, max) = (hello.min, hello.max);
            return Err(SessionError::Version { min, max, ours: ours.max });
        }
        self.peer = Peer::Greeted;
        Ok(())
    }

    /// Takes a new stream in; `None` when it came after our GOAWAY and was refused.
    fn receive_open(&mut self, stream: StreamId, open: Open) -> Result<Option<Open>, SessionError> {
        if self.is_ours(stream) {
            return Err(SessionError::Rule("an OPEN of a stream that is ours to open"));
        }
        if stream.number() <= self.last.theirs {
            return Err(SessionError::Rule("an OPEN whose stream does not rise"));
        }
        if self.open.theirs >= MAX_STREAMS {
            return Err(SessionError::Rule("more streams than are allowed"));
        }
        self.last.theirs = stream.number();
        self.open.theirs += 1;
        self.insert(stream, Stream::opened_by_peer());
        if self.served.theirs.is_some() {
            self.reset(stream, ResetCode::Refused);
            return Ok(None);
        }
        Ok(Some(open))
    }

    fn receive_data(
        &mut self,
        stream: StreamId,
        bytes: &[u8],
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), SessionError> {
        let length = bytes.len() as u64;
        self.receive_window.receive(length)?;
        let state = self.receiving(stream)?;
        match state.receiving {
            Direction::Flowing => {
                state.receive_window.receive(length)?;
                // The peer may just have used up its limit.
                self.queue_credit(stream);
                on_event(Event::Data { stream, bytes });
                Ok(())
            }
            Direction::Discarding => {
                state.receive_window.receive(length)?;
                self.receive_window.consume(length);
                Ok(())
            }
            Direction::Headless | Direction::Finishing | Direction::Ended => {
                Err(SessionError::Rule("DATA where none belongs"))
            }
        }
    }

    /// Says whether the owner still wants to know.
    fn receive_fin(&mut self, stream: StreamId, total: u64) -> Result<bool, SessionError> {
        let state = self.receiving(stream)?;
        let was = std::mem::replace(&mut state.receiving, Direction::Ended);
        let received = state.receive_window.received();
        if matches!(was, Direction::Headless) {
            return Err(SessionError::Rule("a FIN before the HEAD"));
        }
        if total != received {
            return Err(SessionError::Total { stream, total, received });
        }
        self.stop_crediting(stream);
        Ok(was == Direction::Flowing)
    }

    fn receive_reset(
        &mut self,
        stream: StreamId,
        code: ResetCode,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), SessionError> {
        self.known(stream)?;
        // A RESET may cross our own end of the stream: then there is nothing left to do.
        let Some(state) = self.streams.get_mut(&stream) else { return Ok(()) };
        let was = std::mem::replace(&mut state.receiving, Direction::Ended);
        let answer = state.sending != Direction::Ended;
        self.stop_crediting(stream);
        if answer {
            self.stop_sending(stream);
            self.push_control(&Frame::Reset { stream, code: ResetCode::Answered });
        }
        self.sweep(stream);
        if was != Direction::Discarding {
            on_event(Event::Reset { stream, code });
        }
        Ok(())
    }

    fn receive_go_away(&mut self, last: u32) -> Result<(), SessionError> {
        if self.served.ours.is_some_and(|before| last > before) {
            return Err(SessionError::Rule("a GOAWAY takes back an earlier one"));
        }
        self.served.ours = Some(last);
        Ok(())
    }

    /// The stream that a frame speaks of and that has not ended in the peer's direction.
    fn receiving(&mut self, stream: StreamId) -> Result<&mut Stream, SessionError> {
        match self.streams.get_mut(&stream) {
            Some(state) if state.receiving != Direction::Ended => Ok(state),
            _ => Err(SessionError::Rule("a frame for a stream that is not open")),
        }
    }

    /// Checks that a stream was opened at some time.
    fn known(&self, stream: StreamId) -> Result<(), SessionError> {
        let last = if self.is_ours(stream) { self.last.ours } else { self.last.theirs };
        match stream.number() <= last {
            true => Ok(()),
            false => Err(SessionError::Rule("a frame for a stream that was never opened")),
        }
    }
}
