//! Cuts one direction of a pipe into the messages that the protocol gives it, as a relay can: all
//! lengths are fixed or in clear.

use std::{collections::VecDeque, io};

use bytes::{Bytes, BytesMut};
use gantline_protocol::session::{PipeKind, Preface, record::HEADER};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Direction;

/// Bytes that are asked for at a time.
const CHUNK: usize = 64 * 1024;

/// One direction of a pipe, read message by message. A message that is cut short by the end comes
/// out as it is.
#[derive(Debug)]
pub(super) struct Messages<R> {
    reader: R,
    /// The lengths of the messages to come; records, or whatever there is, after them.
    fixed: VecDeque<usize>,
    then: Then,
    arrived: BytesMut,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Records,
    Anything,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    /// `arrived` was read from it already.
    pub(super) fn of(kind: PipeKind, direction: Direction, arrived: &[u8], reader: R) -> Self {
        use gantline_crypto::{
            pairing::wire::{NONCE, P5, P6, P7, SHARE},
            session::handshake::{S1, S2},
        };
        const STATUS: usize = 1;
        let (fixed, then): (&[usize], _) = match (kind, direction) {
            (PipeKind::Session, Direction::ToNode) => (&[Preface::SIZE + S1], Then::Records),
            (PipeKind::Session, Direction::ToDevice) => (&[S2], Then::Records),
            (PipeKind::PairByCode, Direction::ToNode) => {
                (&[Preface::SIZE + NONCE, SHARE, P5, P7], Then::Anything)
            }
            (PipeKind::PairByCode, Direction::ToDevice) => {
                (&[STATUS + NONCE, STATUS + SHARE, STATUS + P6], Then::Anything)
            }
            (PipeKind::PairByLink, Direction::ToNode) => {
                (&[Preface::SIZE + NONCE, P5, P7], Then::Anything)
            }
            (PipeKind::PairByLink, Direction::ToDevice) => {
                (&[STATUS + NONCE, STATUS + P6], Then::Anything)
            }
        };
        Self { reader, fixed: fixed.iter().copied().collect(), then, arrived: arrived.into() }
    }

    /// The next message, `None` at the orderly end. Giving the wait up loses nothing.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(length) = self.length().filter(|length| *length <= self.arrived.len()) {
                self.fixed.pop_front();
                return Ok(Some(self.arrived.split_to(length).freeze()));
            }
            self.arrived.reserve(CHUNK);
            if self.reader.read_buf(&mut self.arrived).await? == 0 {
                let rest = self.arrived.split().freeze();
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
        }
    }

    /// The length of the next message, if it can be told by now.
    fn length(&self) -> Option<usize> {
        match (self.fixed.front(), self.then) {
            (Some(length), _) => Some(*length),
            (None, Then::Records) => {
                let header = self.arrived.first_chunk::<HEADER>()?;
                Some(HEADER + usize::from(u16::from_be_bytes(*header)))
            }
            (None, Then::Anything) => Some(self.arrived.len()).filter(|length| *length > 0),
        }
    }
}
