//! How a node takes a pipe that it was invited to, on a link over WebSockets. In clear; who is at
//! the other end of the pipe, the session's handshake says.

use super::{Progress, Purpose};
use crate::{Ticket, WireError, wire::Reader};

const WHAT: &str = "ticket request";

/// The first bytes of a node on a new WebSocket to the relay: `version u8 = 1 | purpose u8 = 3 |
/// ticket 16`. What follows, in both directions, is the pipe. A ticket that is not good (any more)
/// is answered with the abort of the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketRequest {
    /// What the relay's INVITE named.
    pub ticket: Ticket,
}

impl TicketRequest {
    /// The length on the wire, in bytes.
    pub const SIZE: usize = Purpose::SIZE + 16;

    /// Appends the request to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&Purpose::Ticket.encode());
        out.extend_from_slice(self.ticket.as_bytes());
    }

    /// Reads the request that `bytes` begin with, or says how many bytes are missing.
    ///
    /// # Errors
    /// [`WireError::Version`] as soon as the first byte is there, [`WireError::Invalid`] for
    /// another purpose.
    pub fn decode(bytes: &[u8]) -> Result<Progress<Self>, WireError> {
        match Purpose::peek(bytes)? {
            Progress::Needs(more) => return Ok(Progress::Needs(more + 16)),
            Progress::Whole { value: Purpose::Ticket, .. } => {}
            Progress::Whole { value: Purpose::Link | Purpose::Pipe, .. } => {
                return Err(WireError::invalid(WHAT, "the stream is for something else"));
            }
        }
        let mut reader = Reader::new(bytes.get(Purpose::SIZE..).unwrap_or_default(), WHAT);
        let Ok(ticket) = reader.array() else {
            return Ok(Progress::Needs(Self::SIZE.saturating_sub(bytes.len())));
        };
        let value = Self { ticket: Ticket::from_bytes(ticket) };
        Ok(Progress::Whole { value, length: Self::SIZE })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn bytes(request: TicketRequest) -> Vec<u8> {
        let mut out = Vec::new();
        request.encode(&mut out);
        out
    }

    #[test]
    fn the_bytes_of_a_request_stay_what_they_are() {
        let ticket = Ticket::from_bytes(*b"0123456789abcdef");
        assert_eq!(bytes(TicketRequest { ticket }), b"\x01\x030123456789abcdef");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_an_error_or_too_few(input in vec(any::<u8>(), 0..40)) {
            match TicketRequest::decode(&input) {
                Ok(Progress::Whole { value, length }) => {
                    prop_assert_eq!(bytes(value), &input[..length]);
                }
                Ok(Progress::Needs(more)) => {
                    prop_assert_eq!(input.len() + more, TicketRequest::SIZE);
                }
                Err(_) => prop_assert!(!input.starts_with(&Purpose::Ticket.encode())),
            }
        }

        #[test]
        fn a_request_in_pieces_names_the_same_ticket(ticket: [u8; 16], tail: [u8; 3]) {
            let request = TicketRequest { ticket: Ticket::from_bytes(ticket) };
            let stream = [bytes(request), tail.to_vec()].concat();
            for length in 0..TicketRequest::SIZE {
                let needs = Progress::Needs(TicketRequest::SIZE - length);
                prop_assert_eq!(TicketRequest::decode(&stream[..length]).unwrap(), needs);
            }
            let whole = Progress::Whole { value: request, length: TicketRequest::SIZE };
            prop_assert_eq!(TicketRequest::decode(&stream).unwrap(), whole);
        }
    }
}
