//! The two bytes with which every stream to a relay begins: a version, and what it is for.

use super::Progress;
use crate::{PROTOCOL_VERSION, WireError, wire::Reader};

/// What a stream to a relay is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A node's control stream: a [`super::LinkHello`].
    Link,
    /// A client's pipe to a machine: a [`super::PipeRequest`].
    Pipe,
    /// A pipe that a node was invited to: a [`super::TicketRequest`].
    Ticket,
}

impl Purpose {
    /// The length on the wire, in bytes.
    pub const SIZE: usize = 2;

    /// `version u8 = 1 | purpose u8`.
    #[must_use]
    pub const fn encode(self) -> [u8; Self::SIZE] {
        match self {
            Self::Link => [PROTOCOL_VERSION, 1],
            Self::Pipe => [PROTOCOL_VERSION, 2],
            Self::Ticket => [PROTOCOL_VERSION, 3],
        }
    }

    /// Reads the purpose that `bytes` begin with, or says how many bytes are missing. What
    /// follows, [`super::LinkHello::decode`], [`super::PipeRequest::decode`] and
    /// [`super::TicketRequest::decode`] read, from the first byte on.
    ///
    /// # Errors
    /// [`WireError::Version`] as soon as the first byte is there, [`WireError::Invalid`] for an
    /// unknown purpose.
    pub fn peek(bytes: &[u8]) -> Result<Progress<Self>, WireError> {
        const WHAT: &str = "stream to a relay";
        let mut reader = Reader::new(bytes, WHAT);
        let Ok(version) = reader.u8() else {
            return Ok(Progress::Needs(Self::SIZE));
        };
        if version != PROTOCOL_VERSION {
            return Err(WireError::Version { what: WHAT, version, ours: PROTOCOL_VERSION });
        }
        let value = match reader.u8() {
            Err(_) => return Ok(Progress::Needs(1)),
            Ok(1) => Self::Link,
            Ok(2) => Self::Pipe,
            Ok(3) => Self::Ticket,
            Ok(_) => return Err(WireError::invalid(WHAT, "it is for nothing that is known")),
        };
        Ok(Progress::Whole { value, length: Self::SIZE })
    }
}

/// What a relay answers to a [`super::LinkHello`], one byte, before L2. In clear: a hint, like
/// [`super::PipeReply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkReply {
    /// L2 follows.
    GoOn,
    /// The relay doesn't serve that host name.
    HostUnknown,
    /// More logins than the relay admits at the moment: come back after a random delay of up to
    /// 15 s.
    Rate,
    /// The relay doesn't speak the version of the hello.
    Version,
    /// A refusal that a later version gave a number, from 0x80.
    Other(u8),
}

impl LinkReply {
    /// The byte on the wire.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::GoOn => 0x00,
            Self::HostUnknown => 0x01,
            Self::Rate => 0x02,
            Self::Version => 0x03,
            Self::Other(byte) => byte | 0x80,
        }
    }

    /// The reply that `byte` stands for.
    ///
    /// # Errors
    /// [`WireError::UnknownType`] for an unknown byte below 0x80.
    pub const fn from_byte(byte: u8) -> Result<Self, WireError> {
        match byte {
            0x00 => Ok(Self::GoOn),
            0x01 => Ok(Self::HostUnknown),
            0x02 => Ok(Self::Rate),
            0x03 => Ok(Self::Version),
            0x04..0x80 => Err(WireError::UnknownType { what: "link reply", kind: byte }),
            0x80.. => Ok(Self::Other(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_not_taken_for_a_client() {
        let read: Vec<_> = (0..=u16::MAX)
            .filter_map(|bytes| match Purpose::peek(&bytes.to_be_bytes()) {
                Ok(Progress::Whole { value, .. }) => Some((value, bytes.to_be_bytes())),
                Ok(Progress::Needs(_)) | Err(_) => None,
            })
            .collect();
        let all = [(Purpose::Link, [1, 1]), (Purpose::Pipe, [1, 2]), (Purpose::Ticket, [1, 3])];
        assert_eq!(read, all);
        assert!(read.iter().all(|(purpose, bytes)| purpose.encode() == *bytes));
        assert_eq!(Purpose::peek(&[]), Ok(Progress::Needs(2)));
        assert_eq!(Purpose::peek(&[1]), Ok(Progress::Needs(1)));
        assert!(Purpose::peek(&[2]).is_err());
    }

    #[test]
    fn nothing_but_a_zero_byte_lets_a_login_go_on() {
        let known: Vec<_> =
            (0..=255u8).filter_map(|byte| Some((byte, LinkReply::from_byte(byte).ok()?))).collect();
        assert_eq!(known.iter().filter(|(_, reply)| *reply == LinkReply::GoOn).count(), 1);
        assert!(known.iter().all(|(byte, reply)| reply.to_byte() == *byte));
        assert_eq!(known.len(), 4 + 128);
    }
}
