//! The first bytes on a link's control stream: which of its names the node believes the relay has.

use super::{Progress, Purpose};
use crate::{HostName, WireError, wire::Reader};

const WHAT: &str = "link hello";
const HEADER: usize = Purpose::SIZE + 1;

/// Sent in clear by a node before the first message of the login handshake, whose prologue
/// contains the same host: `version u8 = 1 | purpose u8 = 1 | length u8 | host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkHello {
    /// The relay's domain as the join link has it. A relay serves only its configured names.
    pub host: HostName,
}

impl LinkHello {
    /// The greatest length on the wire, in bytes.
    pub const MAX_ENCODED: usize = HEADER + HostName::MAX;

    /// Appends the hello to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let host = self.host.as_str().as_bytes();
        let length = u8::try_from(host.len()).unwrap_or(u8::MAX);
        out.extend_from_slice(&Purpose::Link.encode());
        out.push(length);
        out.extend_from_slice(host);
    }

    /// Reads the hello that `bytes` begin with, or says how many bytes are missing.
    ///
    /// # Errors
    /// [`WireError::Version`] as soon as the first byte is there, [`WireError::TooLong`] and
    /// [`WireError::Invalid`] as soon as the length is, [`WireError::Invalid`] for a host that is
    /// no [`HostName`].
    pub fn decode(bytes: &[u8]) -> Result<Progress<Self>, WireError> {
        match Purpose::peek(bytes)? {
            Progress::Needs(more) => return Ok(Progress::Needs(more + 1)),
            Progress::Whole { value: Purpose::Link, .. } => {}
            Progress::Whole { value: Purpose::Pipe | Purpose::Ticket, .. } => {
                return Err(WireError::invalid(WHAT, "the stream is for a pipe"));
            }
        }
        let mut reader = Reader::new(bytes.get(Purpose::SIZE..).unwrap_or_default(), WHAT);
        let Ok(length) = reader.u8().map(usize::from) else {
            return Ok(Progress::Needs(1));
        };
        if length == 0 {
            return Err(WireError::invalid(WHAT, "it names no host"));
        }
        if length > HostName::MAX {
            return Err(WireError::TooLong { what: WHAT, length, limit: HostName::MAX });
        }
        let arrived = reader.remaining();
        let Ok(host) = reader.bytes(length) else {
            return Ok(Progress::Needs(length - arrived));
        };
        let host = std::str::from_utf8(host)
            .map_err(|_| WireError::invalid(WHAT, "its host is not text"))?
            .parse()?;
        Ok(Progress::Whole { value: Self { host }, length: HEADER + length })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn hello(host: &str) -> LinkHello {
        LinkHello { host: host.parse().unwrap() }
    }

    fn bytes(hello: &LinkHello) -> Vec<u8> {
        let mut out = Vec::new();
        hello.encode(&mut out);
        out
    }

    #[test]
    fn the_bytes_of_a_hello_stay_what_they_are() {
        assert_eq!(bytes(&hello("relay.example")), b"\x01\x01\x0drelay.example");
    }

    #[test]
    fn the_longest_host_fits_the_documented_size() {
        let label = "a".repeat(63);
        let host = [&*label, &*label, &*label, &label[..61]].join(".");
        assert_eq!(bytes(&hello(&host)).len(), LinkHello::MAX_ENCODED);
    }

    #[test]
    fn a_relay_learns_at_the_first_byte_that_a_node_is_too_new() {
        assert!(matches!(LinkHello::decode(&[2]), Err(WireError::Version { version: 2, .. })));
        assert!(LinkHello::decode(&[1, 1, 0]).is_err());
        assert!(matches!(LinkHello::decode(&[1, 1, 254]), Err(WireError::TooLong { .. })));
        assert!(LinkHello::decode(b"\x01\x01\x05Relay").is_err());
        assert!(LinkHello::decode(b"\x01\x01\x02\xff\xff").is_err());
    }

    proptest! {
        #[test]
        fn reading_exactly_what_is_needed_never_takes_a_byte_of_the_handshake(
            host in "([a-z0-9]{1,20}\\.){0,5}[a-z]{1,20}",
            handshake in vec(any::<u8>(), 0..64),
        ) {
            let sent = hello(&host);
            let mut stream = bytes(&sent);
            let length = stream.len();
            stream.extend(handshake);
            let mut arrived = 0;
            while let Progress::Needs(more) = LinkHello::decode(&stream[..arrived]).unwrap() {
                prop_assert!(more > 0);
                arrived += more;
            }
            prop_assert_eq!(arrived, length);
            let expected = Progress::Whole { value: sent, length };
            prop_assert_eq!(LinkHello::decode(&stream).unwrap(), expected);
        }

        #[test]
        fn any_bytes_are_a_hello_an_error_or_too_few(input in vec(any::<u8>(), 0..300)) {
            match LinkHello::decode(&input) {
                Ok(Progress::Whole { value, length }) => {
                    prop_assert_eq!(bytes(&value), &input[..length]);
                }
                Ok(Progress::Needs(more)) => {
                    prop_assert!(more > 0 && input.len() + more <= LinkHello::MAX_ENCODED);
                }
                Err(_) => {}
            }
        }
    }
}
