//! How a native client asks a relay for a pipe to a machine, and what the relay answers. Both are
//! in clear and prove nothing: who is at the other end of the pipe, the session's handshake says.

use super::{Progress, Purpose};
use crate::{MachineId, WireError, wire::Reader};

const WHAT: &str = "pipe request";

/// The first bytes of a client on a new QUIC stream to the relay: `version u8 = 1 | purpose u8 = 2 | mid16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PipeRequest {
    /// The machine that the client wants to reach.
    pub machine: MachineId,
}

impl PipeRequest {
    /// The length on the wire, in bytes.
    pub const SIZE: usize = Purpose::SIZE + 16;

    /// Appends the request to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&Purpose::Pipe.encode());
        out.extend_from_slice(self.machine.as_bytes());
    }

    /// Reads the request that `bytes` begin with, or says how many bytes are missing.
    ///
    /// # Errors
    /// [`WireError::Version`] as soon as the first byte is there; it is answered with
    /// [`PipeReply::Version`].
    pub fn decode(bytes: &[u8]) -> Result<Progress<Self>, WireError> {
        match Purpose::peek(bytes)? {
            Progress::Needs(more) => return Ok(Progress::Needs(more + 16)),
            Progress::Whole { value: Purpose::Pipe, .. } => {}
            Progress::Whole { value: Purpose::Link | Purpose::Ticket, .. } => {
                return Err(WireError::invalid(WHAT, "the stream is for something else"));
            }
        }
        let mut reader = Reader::new(bytes.get(Purpose::SIZE..).unwrap_or_default(), WHAT);
        let Ok(machine) = reader.array() else {
            return Ok(Progress::Needs(Self::SIZE.saturating_sub(bytes.len())));
        };
        let value = Self { machine: MachineId::from_bytes(machine) };
        Ok(Progress::Whole { value, length: Self::SIZE })
    }
}

/// The relay's answer, one byte. Everything but [`PipeReply::Spliced`] is a refusal: a hint for
/// people and for the next attempt, never a reason to forget a machine or to delete a key, since
/// anyone on the path can write it. Browsers get the same hints as WebSocket close codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PipeReply {
    /// All that follows is what the machine and the client write.
    Spliced,
    /// The relay knows the machine; it has no link at the moment.
    Offline,
    /// The relay doesn't know the machine.
    Unknown,
    /// Too many attempts; wait before the next.
    Rate,
    /// The machine or the relay has as many pipes as it bears.
    Busy,
    /// The relay doesn't speak the version of the request.
    Version,
    /// A refusal that a later version gave a number, from 0x80.
    Other(u8),
}

impl PipeReply {
    /// The byte on the wire.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Spliced => 0x00,
            Self::Offline => 0x01,
            Self::Unknown => 0x02,
            Self::Rate => 0x03,
            Self::Busy => 0x04,
            Self::Version => 0x05,
            Self::Other(byte) => byte | 0x80,
        }
    }

    /// The reply that `byte` stands for.
    ///
    /// # Errors
    /// [`WireError::UnknownType`] for 0x06 to 0x7f.
    pub const fn from_byte(byte: u8) -> Result<Self, WireError> {
        match byte {
            0x00 => Ok(Self::Spliced),
            0x01 => Ok(Self::Offline),
            0x02 => Ok(Self::Unknown),
            0x03 => Ok(Self::Rate),
            0x04 => Ok(Self::Busy),
            0x05 => Ok(Self::Version),
            0x06..=0x7f => Err(WireError::UnknownType { what: "pipe reply", kind: byte }),
            0x80.. => Ok(Self::Other(byte)),
        }
    }

    /// The code with which the relay closes a browser's WebSocket (RFC 6455 section 7.4.2):
    /// 4,000 and the byte. `None` for [`PipeReply::Spliced`], which closes nothing.
    #[must_use]
    pub const fn close_code(self) -> Option<u16> {
        match self {
            Self::Spliced => None,
            Self::Offline
            | Self::Unknown
            | Self::Rate
            | Self::Busy
            | Self::Version
            | Self::Other(_) => Some(4000 + self.to_byte() as u16),
        }
    }

    /// The refusal that a WebSocket's close code stands for; `None` for every code that is not
    /// one of these hints.
    #[must_use]
    pub const fn from_close_code(code: u16) -> Option<Self> {
        match code {
            4001..=4005 | 4128..=4255 => match Self::from_byte((code - 4000) as u8) {
                Ok(reply) => Some(reply),
                Err(_) => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn bytes(request: PipeRequest) -> Vec<u8> {
        let mut out = Vec::new();
        request.encode(&mut out);
        out
    }

    #[test]
    fn the_bytes_of_a_request_stay_what_they_are() {
        let machine = MachineId::from_bytes(*b"0123456789abcdef");
        assert_eq!(bytes(PipeRequest { machine }), b"\x01\x020123456789abcdef");
        assert_eq!(bytes(PipeRequest { machine }).len(), PipeRequest::SIZE);
    }

    #[test]
    fn every_hint_has_one_byte_and_one_close_code() {
        use PipeReply::{Busy, Offline, Other, Rate, Spliced, Unknown, Version};
        let golden = [
            (Spliced, 0x00, None),
            (Offline, 0x01, Some(4001)),
            (Unknown, 0x02, Some(4002)),
            (Rate, 0x03, Some(4003)),
            (Busy, 0x04, Some(4004)),
            (Version, 0x05, Some(4005)),
            (Other(0x80), 0x80, Some(4128)),
            (Other(0xff), 0xff, Some(4255)),
        ];
        for (reply, byte, code) in golden {
            assert_eq!((reply.to_byte(), reply.close_code()), (byte, code));
            assert_eq!(PipeReply::from_byte(byte), Ok(reply));
            assert_eq!(code.and_then(PipeReply::from_close_code), code.map(|_| reply));
        }
    }

    #[test]
    fn nothing_but_a_zero_byte_is_taken_for_a_pipe() {
        let spliced = (0..=255).filter(|b| PipeReply::from_byte(*b) == Ok(PipeReply::Spliced));
        assert_eq!(spliced.collect::<Vec<u8>>(), [0]);
        assert_eq!((0..=255).filter(|byte| PipeReply::from_byte(*byte).is_err()).count(), 122);
        // A reply that was put together wrongly must not become another known one.
        assert_eq!(PipeReply::Other(0x00).to_byte(), 0x80);
    }

    #[test]
    fn an_ordinary_close_is_no_hint() {
        let hints: Vec<_> =
            (0..=u16::MAX).filter(|code| PipeReply::from_close_code(*code).is_some()).collect();
        assert_eq!(hints, (4001..=4005).chain(4128..=4255).collect::<Vec<_>>());
        for code in hints {
            let reply = PipeReply::from_close_code(code).unwrap();
            assert_eq!(reply.close_code(), Some(code));
            assert_ne!(reply, PipeReply::Spliced);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_an_error_or_too_few(input in vec(any::<u8>(), 0..40)) {
            match PipeRequest::decode(&input) {
                Ok(Progress::Whole { value, length }) => {
                    prop_assert_eq!(bytes(value), &input[..length]);
                }
                Ok(Progress::Needs(more)) => {
                    prop_assert_eq!(input.len() + more, PipeRequest::SIZE);
                }
                Err(_) => prop_assert!(!input.starts_with(&Purpose::Pipe.encode())),
            }
        }

        #[test]
        fn a_request_in_pieces_names_the_same_machine(id: [u8; 16], tail: [u8; 3]) {
            let request = PipeRequest { machine: MachineId::from_bytes(id) };
            let stream = [bytes(request), tail.to_vec()].concat();
            for length in 0..PipeRequest::SIZE {
                let needs = Progress::Needs(PipeRequest::SIZE - length);
                prop_assert_eq!(PipeRequest::decode(&stream[..length]).unwrap(), needs);
            }
            let whole = Progress::Whole { value: request, length: PipeRequest::SIZE };
            prop_assert_eq!(PipeRequest::decode(&stream).unwrap(), whole);
        }
    }
}
