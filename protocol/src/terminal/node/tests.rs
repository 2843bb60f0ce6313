use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Epoch, terminal::stream::tests::payload};

impl NodeMessage<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out).unwrap();
        out
    }
}

const POSITION: Position = Position { epoch: Epoch(0x0102_0304_0506_0708), offset: Offset(258) };

fn size() -> impl Strategy<Value = TerminalSize> {
    (1..=1000u16, 1..=1000u16).prop_map(|(cols, rows)| TerminalSize::new(cols, rows).unwrap())
}

fn position() -> impl Strategy<Value = Position> {
    (any::<u64>(), any::<u64>())
        .prop_map(|(epoch, offset)| Position { epoch: Epoch(epoch), offset: Offset(offset) })
}

fn exit() -> impl Strategy<Value = Option<ExitStatus>> {
    prop_oneof![
        any::<i32>().prop_map(|code| Some(ExitStatus::Code(code))),
        any::<i32>().prop_map(|signal| Some(ExitStatus::Signal(signal))),
        Just(None),
    ]
}

fn message() -> impl Strategy<Value = NodeMessage<'static>> {
    prop_oneof![
        (position(), any::<bool>(), size(), any::<u64>()).prop_map(
            |(position, driver, size, applied)| {
                NodeMessage::Attached { position, driver, size, applied }
            }
        ),
        (position(), size(), any::<bool>(), payload(0)).prop_map(
            |(position, size, last, bytes)| {
                NodeMessage::Snapshot(Snapshot { position, size, last, bytes })
            }
        ),
        (any::<u64>(), payload(1))
            .prop_map(|(offset, bytes)| NodeMessage::Output { offset: Offset(offset), bytes }),
        (0..u64::MAX - 9, 1..9u64).prop_map(|(from, skipped)| {
            NodeMessage::Skipped { from: Offset(from), to: Offset(from + skipped) }
        }),
        (size(), any::<bool>()).prop_map(|(size, driver)| NodeMessage::Size { size, driver }),
        (1..=u64::MAX).prop_map(|seq| NodeMessage::InputAck { seq }),
        exit().prop_map(NodeMessage::Exited),
        (0x80..=0xffu8).prop_map(NodeMessage::Ignored),
    ]
}

/// How many bytes stand before the payload, whose end only the carrier knows.
fn fixed_length(message: &NodeMessage<'_>) -> usize {
    match message {
        NodeMessage::Snapshot(_) => 22,
        NodeMessage::Output { .. } => 10,
        NodeMessage::Attached { .. }
        | NodeMessage::Skipped { .. }
        | NodeMessage::Size { .. }
        | NodeMessage::InputAck { .. }
        | NodeMessage::Exited(_)
        | NodeMessage::Ignored(_) => message.bytes().len(),
    }
}

proptest! {
    #[test]
    fn what_the_agent_shows_reaches_the_viewer_unchanged(sent in message()) {
        let bytes = sent.bytes();
        prop_assert!(bytes.len() <= MAX_MESSAGE);
        prop_assert_eq!(NodeMessage::decode(&bytes), Ok(sent));
    }

    #[test]
    fn a_message_cut_short_is_an_error(sent in message()) {
        let bytes = sent.bytes();
        for length in 0..fixed_length(&sent) {
            prop_assert!(NodeMessage::decode(&bytes[..length]).is_err(), "at {}", length);
        }
    }

    #[test]
    fn any_bytes_are_one_message_or_an_error(kind in 0x10..0x1au8, body in vec(0..3u8, 0..50)) {
        let bytes = [&[kind], &*body].concat();
        if let Ok(message) = NodeMessage::decode(&bytes) {
            prop_assert_eq!(message.bytes(), bytes);
        }
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..100)) {
        let _ = NodeMessage::decode(&bytes);
    }

    #[test]
    fn a_shared_output_buffer_says_the_same_to_every_viewer(offset: u64, bytes in payload(1)) {
        let offset = Offset(offset);
        let shared = [&output_header(offset, bytes.len())[..], bytes].concat();
        let mut on_a_stream = Vec::new();
        NodeMessage::Output { offset, bytes }.encode_framed(&mut on_a_stream).unwrap();
        prop_assert_eq!(&shared, &on_a_stream);
        prop_assert_eq!(
            NodeMessage::decode(&shared[LENGTH..]),
            Ok(NodeMessage::Output { offset, bytes })
        );
    }
}

#[test]
fn the_bytes_of_every_message_stay_what_they_are() {
    let size = TerminalSize::new(80, 24).unwrap();
    let snapshot = |last, bytes| Snapshot { position: POSITION, size, last, bytes };
    let golden: [(NodeMessage<'_>, &[u8]); 11] = [
        (
            NodeMessage::Attached { position: POSITION, driver: true, size, applied: 3 },
            b"\x11\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\x01\x02\
              \x01\x00\x50\x00\x18\0\0\0\0\0\0\0\x03",
        ),
        (
            NodeMessage::Snapshot(snapshot(false, b"top")),
            b"\x12\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\x01\x02\x00\x50\x00\x18\x00top",
        ),
        (
            NodeMessage::Snapshot(snapshot(true, b"")),
            b"\x12\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\x01\x02\x00\x50\x00\x18\x01",
        ),
        (
            NodeMessage::Output { offset: Offset(258), bytes: b"hi\r\n" },
            b"\x13\0\0\0\0\0\0\x01\x02hi\r\n",
        ),
        (
            NodeMessage::Skipped { from: Offset(1), to: Offset(258) },
            b"\x14\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x01\x02",
        ),
        (NodeMessage::Size { size, driver: false }, b"\x15\x00\x50\x00\x18\x00"),
        (NodeMessage::InputAck { seq: 3 }, b"\x16\0\0\0\0\0\0\0\x03"),
        (NodeMessage::Exited(Some(ExitStatus::Code(-1))), b"\x17\x00\xff\xff\xff\xff"),
        (NodeMessage::Exited(Some(ExitStatus::Signal(9))), b"\x17\x01\x00\x00\x00\x09"),
        (NodeMessage::Exited(None), b"\x17\x02\x00\x00\x00\x00"),
        (NodeMessage::Ignored(0x9a), b"\x9a"),
    ];
    for (message, bytes) in golden {
        assert_eq!(message.bytes(), bytes, "{message:?}");
        assert_eq!(NodeMessage::decode(bytes), Ok(message));
    }
}

#[test]
fn a_lost_agent_is_never_read_as_one_that_ended_well() {
    for bad in [&b"\x17\x02\x00\x00\x00\x01"[..], b"\x17\x03\x00\x00\x00\x00", b"\x17\x02"] {
        assert!(NodeMessage::decode(bad).is_err());
    }
}

#[test]
fn a_gap_that_skips_nothing_or_runs_backwards_is_refused_by_both_ends() {
    for (from, to) in [(5u64, 5u64), (6, 5)] {
        assert!(
            NodeMessage::Skipped { from: Offset(from), to: Offset(to) }
                .encode(&mut vec![])
                .is_err()
        );
        let sent = [&[SKIPPED], &from.to_be_bytes()[..], &to.to_be_bytes()].concat();
        assert!(NodeMessage::decode(&sent).is_err());
    }
}

#[test]
fn bytes_out_of_bounds_are_refused_by_both_ends() {
    let long = vec![0; MAX_PAYLOAD + 1];
    let size = TerminalSize::STANDARD;
    let bad = [
        NodeMessage::Output { offset: Offset(0), bytes: b"" },
        NodeMessage::Output { offset: Offset(0), bytes: &long },
        NodeMessage::Snapshot(Snapshot { position: POSITION, size, last: true, bytes: &long }),
        NodeMessage::InputAck { seq: 0 },
    ];
    for message in bad {
        let mut out = vec![7];
        assert!(message.encode(&mut out).is_err());
        assert_eq!(out, [7], "a refused message left bytes behind");
    }
    assert!(NodeMessage::decode(&[&[OUTPUT; 9], &*long].concat()).is_err());
    assert!(NodeMessage::decode(&[OUTPUT; 9]).is_err());
    assert!(NodeMessage::decode(&[INPUT_ACK, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
}

#[test]
fn a_screen_of_any_length_arrives_whole_and_its_end_is_known() {
    let lengths = [0, 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD, 3 * MAX_PAYLOAD - 1];
    for (length, parts) in lengths.into_iter().zip([1, 1, 1, 2, 2, 3]) {
        let screen: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let (mut drawn, mut lasts) = (Vec::new(), Vec::new());
        for part in snapshot_parts(POSITION, TerminalSize::STANDARD, &screen) {
            let encoded = part.bytes();
            let Ok(NodeMessage::Snapshot(part)) = NodeMessage::decode(&encoded) else {
                panic!("{length} bytes became something else");
            };
            drawn.extend_from_slice(part.bytes);
            lasts.push(part.last);
        }
        assert_eq!(drawn, screen);
        assert_eq!(lasts.len(), parts);
        assert_eq!(lasts.iter().position(|last| *last), Some(parts - 1));
    }
}

#[test]
fn a_message_of_a_viewer_sent_back_to_it_is_an_error() {
    for kind in (0x00..=0x10).chain(0x18..=0x7f) {
        let error = WireError::UnknownType { what: WHAT, kind };
        assert_eq!(NodeMessage::decode(&[kind, 1]), Err(error));
    }
    assert_eq!(NodeMessage::decode(&[0xff; 9]), Ok(NodeMessage::Ignored(0xff)));
    assert!(NodeMessage::decode(&vec![0xff; MAX_MESSAGE + 1]).is_err());
}
