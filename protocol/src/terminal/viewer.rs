//! What a viewer tells the node.

use super::{
    MAX_MESSAGE, OPTIONAL, Position, TerminalSize, check_length, check_payload, check_seq,
    read_bool, read_payload, read_seq, stream,
};
use crate::{Offset, ViewerId, WireError, wire::Reader};

const WHAT: &str = "message from a viewer";

const ATTACH: u8 = 0x01;
const INPUT: u8 = 0x02;
const RESIZE: u8 = 0x03;
const ACK: u8 = 0x04;
const TAKE: u8 = 0x05;
const DETACH: u8 = 0x06;

/// A message from a viewer to the node. Payloads are borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewerMessage<'a> {
    /// The first message, once.
    Attach(Attach),
    /// What a person typed. What the viewer's own terminal answers to queries (DA, DSR, OSC 10
    /// and 11) is left out: the node has answered.
    Input {
        /// Counts this viewer's inputs from 1, strictly rising as long as the viewer lives. None
        /// is applied twice: one that is not above the last applied is acknowledged and dropped.
        seq: u64,
        /// 1 to [`super::MAX_PAYLOAD`] bytes for the PTY.
        bytes: &'a [u8],
    },
    /// The viewer's window has this size now. It becomes the PTY's size while this viewer drives.
    Resize(TerminalSize),
    /// All output before this offset of the present epoch is shown, which opens the window for
    /// more. An offset above what was sent counts as all that was sent.
    Ack(Offset),
    /// Make this viewer the driver.
    Take,
    /// The viewer leaves; the agent goes on.
    Detach,
    /// A message of a type ≥ 0x80 that this version doesn't know; its body is dropped.
    Ignored(u8),
}

/// A viewer introduces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attach {
    /// Drawn once by the viewer's program and kept across reconnects.
    pub viewer: ViewerId,
    /// Whether the viewer may ever drive.
    pub mode: ViewerMode,
    /// The size of the viewer's window. Without effect as long as the viewer doesn't drive.
    pub size: TerminalSize,
    /// How far the viewer has the output; the node goes on from there if it can. `None` asks for
    /// a snapshot.
    pub position: Option<Position>,
}

/// Whether a viewer may drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViewerMode {
    /// May type, and decides the size while it is the driver.
    Drive,
    /// Watches. Its INPUT, RESIZE and TAKE change nothing.
    ReadOnly,
}

impl ViewerMessage<'_> {
    /// Appends the message to `out`, as a WebSocket carries it.
    ///
    /// # Errors
    /// [`WireError`] for an INPUT that is empty, longer than [`super::MAX_PAYLOAD`] or numbered 0;
    /// `out` is then as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            Self::Attach(attach) => {
                out.push(ATTACH);
                attach.write(out);
            }
            Self::Input { seq, bytes } => {
                check_seq(*seq, "INPUT")?;
                check_payload(bytes, "INPUT")?;
                out.push(INPUT);
                out.extend_from_slice(&seq.to_be_bytes());
                out.extend_from_slice(bytes);
            }
            Self::Resize(size) => {
                out.push(RESIZE);
                size.write(out);
            }
            Self::Ack(offset) => {
                out.push(ACK);
                out.extend_from_slice(&offset.0.to_be_bytes());
            }
            Self::Take => out.push(TAKE),
            Self::Detach => out.push(DETACH),
            Self::Ignored(kind) => out.push(kind | OPTIONAL),
        }
        Ok(())
    }

    /// Appends the message to `out` with its length in front, as a session stream carries it.
    ///
    /// # Errors
    /// As [`ViewerMessage::encode`].
    pub fn encode_framed(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        stream::frame(out, |out| self.encode(out))
    }

    /// Reads one message.
    ///
    /// # Errors
    /// [`WireError::TooLong`] above [`MAX_MESSAGE`] bytes, [`WireError::UnknownType`] for a type
    /// below 0x80 that isn't known or goes the other way, [`WireError`] for a body that is cut
    /// short, too long or out of bounds.
    pub fn decode(bytes: &[u8]) -> Result<ViewerMessage<'_>, WireError> {
        check_length(bytes.len(), WHAT, MAX_MESSAGE)?;
        let mut reader = Reader::new(bytes, WHAT);
        let message = match reader.u8()? {
            ATTACH => ViewerMessage::Attach(Attach::read(&mut reader)?),
            INPUT => ViewerMessage::Input {
                seq: read_seq(&mut reader, "INPUT")?,
                bytes: read_payload(&mut reader, "INPUT")?,
            },
            RESIZE => ViewerMessage::Resize(TerminalSize::read(&mut reader)?),
            ACK => ViewerMessage::Ack(Offset(reader.u64()?)),
            TAKE => ViewerMessage::Take,
            DETACH => ViewerMessage::Detach,
            kind @ OPTIONAL.. => {
                reader.take_rest();
                ViewerMessage::Ignored(kind)
            }
            kind @ (0x00 | 0x07..OPTIONAL) => {
                return Err(WireError::UnknownType { what: WHAT, kind });
            }
        };
        reader.finish()?;
        Ok(message)
    }
}

impl Attach {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let viewer = ViewerId::from_bytes(reader.array()?);
        let mode = ViewerMode::from_byte(reader.u8()?)?;
        let size = TerminalSize::read(reader)?;
        let position = match read_bool(reader, "ATTACH")? {
            true => Some(Position::read(reader)?),
            false => None,
        };
        Ok(Self { viewer, mode, size, position })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.viewer.as_bytes());
        out.push(self.mode.to_byte());
        self.size.write(out);
        out.push(u8::from(self.position.is_some()));
        if let Some(position) = self.position {
            position.write(out);
        }
    }
}

impl ViewerMode {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Drive => 0,
            Self::ReadOnly => 1,
        }
    }

    const fn from_byte(byte: u8) -> Result<Self, WireError> {
        match byte {
            0 => Ok(Self::Drive),
            1 => Ok(Self::ReadOnly),
            _ => Err(WireError::invalid("ATTACH", "its mode is neither 0 nor 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        Epoch,
        terminal::{MAX_PAYLOAD, stream::tests::payload},
    };

    impl ViewerMessage<'_> {
        fn bytes(&self) -> Vec<u8> {
            let mut out = Vec::new();
            self.encode(&mut out).unwrap();
            out
        }
    }

    fn size() -> impl Strategy<Value = TerminalSize> {
        (1..=1000u16, 1..=1000u16).prop_map(|(cols, rows)| TerminalSize::new(cols, rows).unwrap())
    }

    fn message() -> impl Strategy<Value = ViewerMessage<'static>> {
        let modes = prop_oneof![Just(ViewerMode::Drive), Just(ViewerMode::ReadOnly)];
        let attach = (any::<[u8; 16]>(), modes, size(), any::<Option<(u64, u64)>>()).prop_map(
            |(viewer, mode, size, position)| {
                let position = position.map(|(epoch, offset)| Position {
                    epoch: Epoch(epoch),
                    offset: Offset(offset),
                });
                let viewer = ViewerId::from_bytes(viewer);
                ViewerMessage::Attach(Attach { viewer, mode, size, position })
            },
        );
        prop_oneof![
            attach,
            (1..=u64::MAX, payload(1)).prop_map(|(seq, bytes)| ViewerMessage::Input { seq, bytes }),
            size().prop_map(ViewerMessage::Resize),
            any::<u64>().prop_map(|offset| ViewerMessage::Ack(Offset(offset))),
            Just(ViewerMessage::Take),
            Just(ViewerMessage::Detach),
            (0x80..=0xffu8).prop_map(ViewerMessage::Ignored),
        ]
    }

    proptest! {
        #[test]
        fn what_a_person_does_reaches_the_node_unchanged(sent in message()) {
            let bytes = sent.bytes();
            prop_assert!(bytes.len() <= MAX_MESSAGE);
            prop_assert_eq!(ViewerMessage::decode(&bytes), Ok(sent));
        }

        #[test]
        fn a_message_cut_short_is_an_error(sent in message()) {
            let bytes = sent.bytes();
            // The end of an INPUT's bytes is the end of the message, which its carrier vouches for.
            let fixed = if let ViewerMessage::Input { .. } = sent { 10 } else { bytes.len() };
            for length in 0..fixed {
                prop_assert!(ViewerMessage::decode(&bytes[..length]).is_err(), "at {}", length);
            }
        }

        #[test]
        fn any_bytes_are_one_message_or_an_error(kind in 0..10u8, body in vec(0..3u8, 0..50)) {
            let bytes = [&[if kind == 9 { 0x80 } else { kind }], &*body].concat();
            match ViewerMessage::decode(&bytes) {
                Ok(ViewerMessage::Ignored(kind)) => prop_assert_eq!(kind, 0x80),
                Ok(message) => prop_assert_eq!(message.bytes(), bytes),
                Err(_) => {}
            }
        }

        #[test]
        fn noise_never_panics(bytes in vec(any::<u8>(), 0..100)) {
            let _ = ViewerMessage::decode(&bytes);
        }
    }

    #[test]
    fn the_bytes_of_every_message_stay_what_they_are() {
        let size = TerminalSize::new(80, 24).unwrap();
        let viewer = ViewerId::from_bytes(*b"0123456789abcdef");
        let attach =
            |mode, position| ViewerMessage::Attach(Attach { viewer, mode, size, position });
        let position = Position { epoch: Epoch(0x0102_0304_0506_0708), offset: Offset(258) };
        let golden: [(ViewerMessage<'_>, &[u8]); 8] = [
            (attach(ViewerMode::Drive, None), b"\x010123456789abcdef\x00\x00\x50\x00\x18\x00"),
            (
                attach(ViewerMode::ReadOnly, Some(position)),
                b"\x010123456789abcdef\x01\x00\x50\x00\x18\x01\
                  \x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\x01\x02",
            ),
            (ViewerMessage::Input { seq: 1, bytes: b"ls\r" }, b"\x02\0\0\0\0\0\0\0\x01ls\r"),
            (ViewerMessage::Resize(size), b"\x03\x00\x50\x00\x18"),
            (ViewerMessage::Ack(Offset(258)), b"\x04\0\0\0\0\0\0\x01\x02"),
            (ViewerMessage::Take, b"\x05"),
            (ViewerMessage::Detach, b"\x06"),
            (ViewerMessage::Ignored(0x9a), b"\x9a"),
        ];
        for (message, bytes) in golden {
            assert_eq!(message.bytes(), bytes, "{message:?}");
            assert_eq!(ViewerMessage::decode(bytes), Ok(message));
        }
    }

    #[test]
    fn a_flag_or_size_that_means_nothing_is_refused() {
        let good = b"\x010123456789abcdef\x00\x00\x50\x00\x18\x00";
        for (at, byte) in [(17, 2), (18, 4), (19, 0), (21, 0), (22, 2)] {
            let mut bad = good.to_vec();
            bad[at] = byte;
            assert!(ViewerMessage::decode(&bad).is_err(), "byte {at} = {byte} was accepted");
        }
        for bad in [&b"\x05\x00"[..], b"\x06\x00", b"\x04\0\0\0\0\0\0\0\0\0", b"\x03\0\x50\0\x18\0"]
        {
            assert!(matches!(ViewerMessage::decode(bad), Err(WireError::Trailing { .. })));
        }
    }

    #[test]
    fn input_that_could_not_be_told_from_none_is_refused_by_both_ends() {
        let long = vec![b'x'; MAX_PAYLOAD + 1];
        for (seq, bytes) in [(0, &b"x"[..]), (1, b""), (1, &long)] {
            let mut out = vec![7];
            assert!(ViewerMessage::Input { seq, bytes }.encode(&mut out).is_err());
            assert_eq!(out, [7], "a refused message left bytes behind");
            let sent = [&[INPUT], &seq.to_be_bytes()[..], bytes].concat();
            assert!(ViewerMessage::decode(&sent).is_err());
        }
    }

    #[test]
    fn a_message_of_the_node_sent_back_to_it_is_an_error() {
        for kind in (0x00..=0x00).chain(0x07..=0x7f) {
            let error = WireError::UnknownType { what: WHAT, kind };
            assert_eq!(ViewerMessage::decode(&[kind, 1]), Err(error));
        }
        assert_eq!(ViewerMessage::decode(&[0xff; 9]), Ok(ViewerMessage::Ignored(0xff)));
        assert!(ViewerMessage::decode(&vec![0xff; MAX_MESSAGE + 1]).is_err());
    }
}
