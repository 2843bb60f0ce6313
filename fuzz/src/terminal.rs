//! Terminal messages of both directions, and their cutting out of a session stream.

use std::fmt::Debug;

use gantline_protocol::{
    Epoch, Offset, WireError,
    terminal::{
        Deframer, MAX_MESSAGE, NodeMessage, Position, TerminalSize, ViewerMessage, output_header,
        snapshot_parts, stream::LENGTH,
    },
};

use crate::script::Script;

/// The first byte says what the rest is: a message of a viewer, one of a node, a stream to be cut
/// into messages, or a screen to be sent in parts.
pub fn terminal(data: &[u8]) {
    let mut script = Script::new(data);
    match script.byte() % 4 {
        0 => viewer_message(script.rest()),
        1 => node_message(script.rest()),
        2 => stream(&mut script),
        _ => screen(script.rest()),
    }
}

fn viewer_message(bytes: &[u8]) {
    let Ok(message) = ViewerMessage::decode(bytes) else { return };
    let (mut plain, mut framed) = (Vec::new(), Vec::new());
    message.encode(&mut plain).expect("what was read can be written");
    message.encode_framed(&mut framed).expect("what was read can be framed");
    assert_eq!(ViewerMessage::decode(&plain), Ok(message));
    match message {
        ViewerMessage::Ignored(kind) => assert_eq!(plain, [kind]),
        ViewerMessage::Attach(_)
        | ViewerMessage::Input { .. }
        | ViewerMessage::Resize(_)
        | ViewerMessage::Ack(_)
        | ViewerMessage::Take
        | ViewerMessage::Detach => assert_eq!(plain, bytes, "a message has two spellings"),
    }
    is_framed(&framed, &plain);
}

fn node_message(bytes: &[u8]) {
    let Ok(message) = NodeMessage::decode(bytes) else { return };
    let (mut plain, mut framed) = (Vec::new(), Vec::new());
    message.encode(&mut plain).expect("what was read can be written");
    message.encode_framed(&mut framed).expect("what was read can be framed");
    assert_eq!(NodeMessage::decode(&plain), Ok(message));
    match message {
        NodeMessage::Ignored(kind) => assert_eq!(plain, [kind]),
        NodeMessage::Output { offset, bytes: output } => {
            assert_eq!(plain, bytes);
            assert_eq!([output_header(offset, output.len()).as_slice(), output].concat(), framed);
        }
        NodeMessage::Attached { .. }
        | NodeMessage::Snapshot(_)
        | NodeMessage::Skipped { .. }
        | NodeMessage::Size { .. }
        | NodeMessage::InputAck { .. }
        | NodeMessage::Exited(_) => assert_eq!(plain, bytes, "a message has two spellings"),
    }
    is_framed(&framed, &plain);
}

fn is_framed(framed: &[u8], plain: &[u8]) {
    assert_eq!(framed.get(LENGTH..), Some(plain));
    assert_eq!(cut(&[framed]), (vec![plain.to_vec()], Ok(())));
}

/// However a stream arrives, it has the same messages and the same end.
fn stream(script: &mut Script<'_>) {
    let cuts: Vec<_> = (0..script.byte() % 32).map(|_| usize::from(script.byte())).collect();
    let whole = script.rest();
    let mut pieces = Vec::new();
    let mut rest = whole;
    for length in cuts {
        let (piece, more) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    let at_once = cut(&[whole]);
    assert_eq!(cut(&pieces), at_once);
    let (messages, end) = at_once;
    let read: usize = messages.iter().map(|message| LENGTH + message.len()).sum();
    assert!(read <= whole.len() && (end.is_err() || read == whole.len()));
}

fn cut(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), WireError>) {
    let mut deframer = Deframer::new();
    let mut messages = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let before = rest.len();
            match deframer.next(&mut rest) {
                Ok(Some(message)) => {
                    assert!((1..=MAX_MESSAGE).contains(&message.len()));
                    messages.push(message.to_vec());
                }
                Ok(None) => {
                    assert!(rest.is_empty(), "a piece was not used up");
                    break;
                }
                Err(error) => {
                    let mut good: &[u8] = b"\0\0\0\x01x";
                    assert_eq!(deframer.next(&mut good), Err(error.clone()), "it was read on");
                    is_the_same(deframer.finish(), &error);
                    return (messages, Err(error));
                }
            }
            assert!(rest.len() <= before);
        }
    }
    let end = deframer.finish();
    (messages, end)
}

fn is_the_same<T: Debug>(result: Result<T, WireError>, expected: &WireError) {
    assert_eq!(result.as_ref().err(), Some(expected));
}

/// The parts of a screen put together are the screen, and only the last says that it is.
fn screen(bytes: &[u8]) {
    let position = Position { epoch: Epoch(1), offset: Offset(2) };
    // Longer than any input can be, so that there are several parts.
    let screen = bytes.repeat(1 + usize::from(bytes.first().copied().unwrap_or(0)));
    let (mut together, mut is_last) = (Vec::new(), false);
    for part in snapshot_parts(position, TerminalSize::STANDARD, &screen) {
        assert!(!is_last, "something follows the last part");
        let mut encoded = Vec::new();
        part.encode(&mut encoded).expect("a part is within the bounds");
        assert!(encoded.len() <= MAX_MESSAGE);
        let Ok(NodeMessage::Snapshot(part)) = NodeMessage::decode(&encoded) else {
            unreachable!("{part:?} reads back as something else");
        };
        is_last = part.last;
        together.extend_from_slice(part.bytes);
    }
    assert!(is_last && together == screen);
}
