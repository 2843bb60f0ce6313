//! The messages on a link's control stream after the login handshake, each the plaintext of one
//! Noise transport message.

use super::{Denied, Login, MAX_MESSAGE, Welcome};
use crate::{Ticket, WireError, wire::Reader};

const WHAT: &str = "link message";

const LOGIN: u8 = 0x01;
const WELCOME: u8 = 0x02;
const DENIED: u8 = 0x03;
const INVITE: u8 = 0x04;
const GOAWAY: u8 = 0x05;
const REPLACED: u8 = 0x06;
const PING: u8 = 0x07;
const PONG: u8 = 0x08;
/// Types from here on are skipped by whoever doesn't know them.
const OPTIONAL: u8 = 0x80;

/// One message: `type u8 | body`, at most [`MAX_MESSAGE`] bytes. On the stream it travels as
/// `length u16 | ciphertext`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkMessage {
    /// Node to relay, its first message: asks to be admitted.
    Login(Login),
    /// Relay to node: admitted.
    Welcome(Welcome),
    /// Relay to node: not admitted; the link ends.
    Denied(Denied),
    /// Relay to node, on a WebSocket link only: a client waits, dial one pipe with this ticket
    /// within 10 s.
    Invite(Ticket),
    /// Relay to node: the relay is about to end. No more pipes are opened on this link, those
    /// that are open go on meanwhile.
    GoAway {
        /// Milliseconds within which the node should have dialled anew.
        redial_within_ms: u32,
    },
    /// Relay to node: a newer login with the same key took over; the link ends.
    Replaced,
    /// Either way: asks for a PONG with the same number.
    Ping(u64),
    /// Either way: answers a PING.
    Pong(u64),
    /// A message of a type ≥ 0x80 that this version doesn't know; its body is dropped.
    Ignored(u8),
}

impl LinkMessage {
    /// Appends the message to `out`.
    ///
    /// # Errors
    /// [`WireError`] when a body breaks the bounds that its decoder enforces; `out` is then as
    /// it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            Self::Login(login) => put(out, LOGIN, &login.encode()?),
            Self::Welcome(welcome) => put(out, WELCOME, &welcome.encode()?),
            Self::Denied(denied) => put(out, DENIED, &denied.encode()?),
            Self::Invite(ticket) => put(out, INVITE, ticket.as_bytes()),
            Self::GoAway { redial_within_ms } => put(out, GOAWAY, &redial_within_ms.to_be_bytes()),
            Self::Replaced => put(out, REPLACED, &[]),
            Self::Ping(number) => put(out, PING, &number.to_be_bytes()),
            Self::Pong(number) => put(out, PONG, &number.to_be_bytes()),
            Self::Ignored(kind) => put(out, kind | OPTIONAL, &[]),
        }
        Ok(())
    }

    /// Reads one message.
    ///
    /// # Errors
    /// [`WireError::TooLong`] above [`MAX_MESSAGE`] bytes, [`WireError::UnknownType`] for a type
    /// below 0x80 that isn't known, [`WireError`] for a body that is cut short, too long or out
    /// of bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > MAX_MESSAGE {
            let length = bytes.len();
            return Err(WireError::TooLong { what: WHAT, length, limit: MAX_MESSAGE });
        }
        let mut reader = Reader::new(bytes, WHAT);
        let message = match reader.u8()? {
            LOGIN => Self::Login(Login::decode(reader.take_rest())?),
            WELCOME => Self::Welcome(Welcome::decode(reader.take_rest())?),
            DENIED => Self::Denied(Denied::decode(reader.take_rest())?),
            INVITE => Self::Invite(Ticket::from_bytes(reader.array()?)),
            GOAWAY => Self::GoAway { redial_within_ms: reader.u32()? },
            REPLACED => Self::Replaced,
            PING => Self::Ping(reader.u64()?),
            PONG => Self::Pong(reader.u64()?),
            kind @ OPTIONAL.. => {
                reader.take_rest();
                Self::Ignored(kind)
            }
            kind @ (0x00 | 0x09..OPTIONAL) => {
                return Err(WireError::UnknownType { what: WHAT, kind });
            }
        };
        reader.finish()?;
        Ok(message)
    }
}

fn put(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;
    use crate::{MachineId, link::DenialReason};

    impl LinkMessage {
        fn bytes(&self) -> Vec<u8> {
            let mut out = Vec::new();
            self.encode(&mut out).unwrap();
            out
        }

        fn is_json(&self) -> bool {
            matches!(self, Self::Login(_) | Self::Welcome(_) | Self::Denied(_))
        }
    }

    fn message() -> impl Strategy<Value = LinkMessage> {
        let alias = || option::of("[a-z][a-z0-9]{0,20}".prop_map(|text| text.parse().unwrap()));
        let token = option::of("[!-~]{1,128}".prop_map(|text| text.parse().unwrap()));
        let reasons = vec![DenialReason::Quota, DenialReason::TokenUsed, DenialReason::Other];
        prop_oneof![
            (token, alias(), "[!-~]{1,64}", vec("[a-z0-9-]{1,32}", 0..=32)).prop_map(
                |(token, alias, version, capabilities)| {
                    LinkMessage::Login(Login { token, alias, version, capabilities })
                }
            ),
            (any::<[u8; 16]>(), "[a-z]{1,60}\\.[a-z]{1,60}", alias(), "[!-~]{1,64}").prop_map(
                |(machine, host, alias, version)| {
                    let machine = MachineId::from_bytes(machine);
                    let host = host.parse().unwrap();
                    LinkMessage::Welcome(Welcome { machine, host, alias, version })
                }
            ),
            (prop::sample::select(reasons), "[ -~ä机]{0,256}", any::<Option<u32>>()).prop_map(
                |(reason, message, retry_after_ms)| {
                    LinkMessage::Denied(Denied { reason, message, retry_after_ms })
                }
            ),
            any::<[u8; 16]>().prop_map(|ticket| LinkMessage::Invite(Ticket::from_bytes(ticket))),
            any::<u32>().prop_map(|redial_within_ms| LinkMessage::GoAway { redial_within_ms }),
            Just(LinkMessage::Replaced),
            any::<u64>().prop_map(LinkMessage::Ping),
            any::<u64>().prop_map(LinkMessage::Pong),
            (0x80..=0xffu8).prop_map(LinkMessage::Ignored),
        ]
    }

    proptest! {
        #[test]
        fn messages_arrive_as_they_were_sent(sent in message()) {
            let bytes = sent.bytes();
            prop_assert!(bytes.len() <= MAX_MESSAGE);
            prop_assert_eq!(LinkMessage::decode(&bytes), Ok(sent));
        }

        #[test]
        fn a_message_cut_short_anywhere_is_an_error(sent in message()) {
            let bytes = sent.bytes();
            for length in 0..bytes.len() {
                prop_assert!(LinkMessage::decode(&bytes[..length]).is_err(), "at {}", length);
            }
        }

        #[test]
        fn a_byte_too_many_is_an_error(sent in message()) {
            let mut bytes = sent.bytes();
            bytes.push(0);
            let is_optional = matches!(sent, LinkMessage::Ignored(_));
            prop_assert_eq!(LinkMessage::decode(&bytes).is_ok(), is_optional);
        }

        #[test]
        fn any_bytes_are_one_message_or_an_error(kind: u8, body in vec(any::<u8>(), 0..64)) {
            let bytes = [&[kind], &*body].concat();
            if let Ok(message) = LinkMessage::decode(&bytes) {
                let again = message.bytes();
                prop_assert!(message.is_json() || bytes.starts_with(&again));
                prop_assert_eq!(LinkMessage::decode(&again), Ok(message));
            }
        }
    }

    #[test]
    fn the_bytes_of_every_message_stay_what_they_are() {
        let machine = MachineId::from_bytes([0; 16]);
        let golden: [(LinkMessage, &[u8]); 11] = [
            (
                LinkMessage::Login(Login {
                    token: Some("t".parse().unwrap()),
                    alias: Some("pi4".parse().unwrap()),
                    version: "0.1.0".to_owned(),
                    capabilities: vec!["udp".to_owned()],
                }),
                b"\x01{\"token\":\"t\",\"alias\":\"pi4\",\"version\":\"0.1.0\",\
                  \"capabilities\":[\"udp\"]}",
            ),
            (
                LinkMessage::Login(Login {
                    token: None,
                    alias: None,
                    version: "0.1.0".to_owned(),
                    capabilities: vec![],
                }),
                b"\x01{\"version\":\"0.1.0\",\"capabilities\":[]}",
            ),
            (
                LinkMessage::Welcome(Welcome {
                    machine,
                    host: "localhost".parse().unwrap(),
                    alias: None,
                    version: "0.1.0".to_owned(),
                }),
                b"\x02{\"machine\":\"aaaaaaaaaaaaaaaaaaaaaaaaaa\",\"host\":\"localhost\",\
                  \"version\":\"0.1.0\"}",
            ),
            (
                LinkMessage::Denied(Denied {
                    reason: DenialReason::AliasTaken,
                    message: "taken".to_owned(),
                    retry_after_ms: Some(1500),
                }),
                b"\x03{\"reason\":\"alias-taken\",\"message\":\"taken\",\"retryAfterMs\":1500}",
            ),
            (
                LinkMessage::Invite(Ticket::from_bytes(*b"0123456789abcdef")),
                b"\x040123456789abcdef",
            ),
            (LinkMessage::GoAway { redial_within_ms: 0x0102_0304 }, b"\x05\x01\x02\x03\x04"),
            (LinkMessage::Replaced, b"\x06"),
            (LinkMessage::Ping(0x0102_0304_0506_0708), b"\x07\x01\x02\x03\x04\x05\x06\x07\x08"),
            (LinkMessage::Pong(1), b"\x08\0\0\0\0\0\0\0\x01"),
            (LinkMessage::Ignored(0x80), b"\x80"),
            (LinkMessage::Ignored(0xff), b"\xff"),
        ];
        for (message, bytes) in golden {
            assert_eq!(message.bytes(), bytes, "{message:?}");
            assert_eq!(LinkMessage::decode(bytes), Ok(message));
        }
    }

    #[test]
    fn an_optional_message_from_the_future_does_not_cost_a_node_its_link() {
        assert_eq!(LinkMessage::decode(b"\x9aanything"), Ok(LinkMessage::Ignored(0x9a)));
        let known = (0x01..=0x08).chain(0x80..=0xff);
        for kind in (0x00..=0xffu8).filter(|kind| !known.clone().any(|known| known == *kind)) {
            let error = WireError::UnknownType { what: WHAT, kind };
            assert_eq!(LinkMessage::decode(&[kind, 1, 2]), Err(error));
        }
    }

    #[test]
    fn an_oversized_message_is_refused_before_it_is_parsed() {
        let bytes = [&[LOGIN], &*vec![b' '; MAX_MESSAGE]].concat();
        assert!(matches!(LinkMessage::decode(&bytes), Err(WireError::TooLong { .. })));
        assert!(matches!(LinkMessage::decode(&[0x80; 4097]), Err(WireError::TooLong { .. })));
    }
}
