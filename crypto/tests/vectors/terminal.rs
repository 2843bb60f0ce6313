//! Terminal messages: what each is in bytes, and bytes that are none.

use gantline_protocol::{
    Epoch, Offset, ViewerId,
    api::ExitStatus,
    terminal::{
        Attach, MAX_MESSAGE, MAX_PAYLOAD, NodeMessage, Position, Snapshot, TerminalSize,
        ViewerMessage, ViewerMode,
    },
};
use serde_json::{Value, json};

use super::{fixed, hex, publish};

const EPOCH: Epoch = Epoch(0x0102_0304_0506_0708);

#[test]
fn terminal() {
    let lengths = [0, MAX_MESSAGE as u32 + 1, u32::MAX].map(|length| hex(length.to_be_bytes()));
    publish(
        "terminal.json",
        &json!({
            "about": "Terminal messages. Numbers of 64 bits are 16 hexadecimal digits. \"framed\" is what a session stream carries. What is refused is refused by its reader, with so many \"zeros\" behind its bytes; a length by whoever cuts a stream into messages.",
            "viewer": viewer(),
            "node": node(),
            "viewer_refused": viewer_refused(),
            "node_refused": node_refused(),
            "lengths_refused": lengths,
        }),
    );
}

fn viewer() -> Vec<Value> {
    let id = ViewerId::from_bytes(*b"0123456789abcdef");
    let size = |cols, rows| TerminalSize::new(cols, rows).unwrap();
    let attach =
        |mode, size, position| ViewerMessage::Attach(Attach { viewer: id, mode, size, position });
    let position = Position { epoch: EPOCH, offset: Offset(258) };
    let far = Position { epoch: Epoch(u64::MAX), offset: Offset(u64::MAX) };
    let long = fixed("typed", 300);
    [
        attach(ViewerMode::Drive, size(80, 24), None),
        attach(ViewerMode::ReadOnly, size(80, 24), Some(position)),
        attach(ViewerMode::Drive, size(1000, 1), Some(far)),
        ViewerMessage::Input { seq: 1, bytes: b"ls\r" },
        ViewerMessage::Input { seq: u64::MAX, bytes: &long },
        ViewerMessage::Resize(size(1, 1000)),
        ViewerMessage::Ack(Offset(258)),
        ViewerMessage::Take,
        ViewerMessage::Detach,
    ]
    .into_iter()
    .map(|message| {
        let (mut bytes, mut framed) = (Vec::new(), Vec::new());
        message.encode(&mut bytes).unwrap();
        message.encode_framed(&mut framed).unwrap();
        assert_eq!(ViewerMessage::decode(&bytes), Ok(message));
        let said = match message {
            ViewerMessage::Attach(attach) => json!({
                "type": "ATTACH",
                "viewer": hex(attach.viewer.as_bytes()),
                "mode": match attach.mode {
                    ViewerMode::Drive => "drive",
                    ViewerMode::ReadOnly => "read-only",
                },
                "size": attach.size,
                "position": attach.position.map(place),
            }),
            ViewerMessage::Input { seq, bytes } => {
                json!({ "type": "INPUT", "seq": number(seq), "bytes": hex(bytes) })
            }
            ViewerMessage::Resize(size) => json!({ "type": "RESIZE", "size": size }),
            ViewerMessage::Ack(offset) => json!({ "type": "ACK", "offset": number(offset.0) }),
            ViewerMessage::Take => json!({ "type": "TAKE" }),
            ViewerMessage::Detach => json!({ "type": "DETACH" }),
            ViewerMessage::Ignored(_) => unreachable!("it is not written"),
        };
        json!({ "message": said, "bytes": hex(bytes), "framed": hex(framed) })
    })
    .collect()
}

fn node() -> Vec<Value> {
    let size = TerminalSize::new(80, 24).unwrap();
    let position = Position { epoch: EPOCH, offset: Offset(258) };
    let far = Position { epoch: Epoch(u64::MAX), offset: Offset(u64::MAX) };
    let long = fixed("shown", 300);
    let snapshot = |last, bytes| NodeMessage::Snapshot(Snapshot { position, size, last, bytes });
    [
        NodeMessage::Attached { position, driver: true, size, applied: 3 },
        NodeMessage::Attached { position: far, driver: false, size, applied: u64::MAX },
        snapshot(false, b"top"),
        snapshot(true, b""),
        snapshot(true, &long),
        NodeMessage::Output { offset: Offset(258), bytes: b"hi\r\n" },
        NodeMessage::Output { offset: Offset(u64::MAX), bytes: &long },
        NodeMessage::Skipped { from: Offset(1), to: Offset(258) },
        NodeMessage::Size { size, driver: false },
        NodeMessage::InputAck { seq: 3 },
        NodeMessage::Exited(Some(ExitStatus::Code(-1))),
        NodeMessage::Exited(Some(ExitStatus::Signal(9))),
        NodeMessage::Exited(None),
        NodeMessage::Ignored(0x9a),
    ]
    .into_iter()
    .map(|message| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes).unwrap();
        assert_eq!(NodeMessage::decode(&bytes), Ok(message));
        let said = match message {
            NodeMessage::Attached { position, driver, size, applied } => json!({
                "type": "ATTACHED",
                "position": place(position),
                "driver": driver,
                "size": size,
                "applied": number(applied),
            }),
            NodeMessage::Snapshot(snapshot) => json!({
                "type": "SNAPSHOT",
                "position": place(snapshot.position),
                "size": snapshot.size,
                "last": snapshot.last,
                "bytes": hex(snapshot.bytes),
            }),
            NodeMessage::Output { offset, bytes } => {
                json!({ "type": "OUTPUT", "offset": number(offset.0), "bytes": hex(bytes) })
            }
            NodeMessage::Skipped { from, to } => {
                json!({ "type": "SKIPPED", "from": number(from.0), "to": number(to.0) })
            }
            NodeMessage::Size { size, driver } => {
                json!({ "type": "SIZE", "size": size, "driver": driver })
            }
            NodeMessage::InputAck { seq } => json!({ "type": "INPUT_ACK", "seq": number(seq) }),
            NodeMessage::Exited(status) => json!({ "type": "EXITED", "exit": status }),
            NodeMessage::Ignored(kind) => json!({ "type": "ignored", "kind": kind }),
        };
        json!({ "message": said, "bytes": hex(bytes) })
    })
    .collect()
}

fn viewer_refused() -> Vec<Value> {
    let attach = b"\x010123456789abcdef\x00\x00\x50\x00\x18\x00".to_vec();
    let altered = |at: usize, byte| {
        let mut bad = attach.clone();
        bad[at] = byte;
        bad
    };
    let input = |seq: u64| [&[0x02], seq.to_be_bytes().as_slice()].concat();
    let cases = [
        ("no type", vec![], 0),
        ("an unknown type", vec![0x07], 0),
        ("a message of the node", vec![0x11], 0),
        ("a mode that is none", altered(17, 2), 0),
        ("no columns", altered(19, 0), 0),
        ("more than 1,000 columns", altered(18, 4), 0),
        ("no rows", altered(21, 0), 0),
        ("a flag that is none", altered(22, 2), 0),
        ("a position that is cut short", altered(22, 1), 15),
        ("ATTACH with a byte behind it", attach.clone(), 1),
        ("input without a number", input(0), 1),
        ("input without bytes", input(1), 0),
        ("more input than a message may have", input(1), MAX_PAYLOAD + 1),
        ("TAKE with a byte behind it", vec![0x05], 1),
        ("a later type that is too long", vec![0xff], MAX_MESSAGE),
    ];
    refused(&cases, |bytes| ViewerMessage::decode(bytes).is_err())
}

fn node_refused() -> Vec<Value> {
    let ack = |seq: u64| [&[0x16], seq.to_be_bytes().as_slice()].concat();
    let skipped =
        |from: u64, to: u64| [&[0x14], from.to_be_bytes().as_slice(), &to.to_be_bytes()].concat();
    let snapshot = |flags: u8| [&[0x12], [0; 16].as_slice(), &[0, 80, 0, 24, flags]].concat();
    let cases = [
        ("no type", vec![], 0),
        ("an unknown type", vec![0x18], 0),
        ("a message of a viewer", vec![0x06], 0),
        ("ATTACHED cut short", vec![0x11], 28),
        ("unknown flags of a SNAPSHOT", snapshot(2), 0),
        ("more of a screen than a message may have", snapshot(1), MAX_PAYLOAD + 1),
        ("output without bytes", vec![0x13], 8),
        ("more output than a message may have", vec![0x13], 8 + MAX_PAYLOAD + 1),
        ("a gap that skips nothing", skipped(5, 5), 0),
        ("a gap that runs backwards", skipped(6, 5), 0),
        ("a size that is none", vec![0x15, 0, 0, 0, 24, 0], 0),
        ("a flag that is none", vec![0x15, 0, 80, 0, 24, 2], 0),
        ("an acknowledgement of nothing", ack(0), 0),
        ("an acknowledgement with a byte behind it", ack(1), 1),
        ("lost, with a value", vec![0x17, 2, 0, 0, 0, 1], 0),
        ("an end of an unknown kind", vec![0x17, 3], 4),
        ("an end that is cut short", vec![0x17], 2),
        ("a later type that is too long", vec![0xff], MAX_MESSAGE),
    ];
    refused(&cases, |bytes| NodeMessage::decode(bytes).is_err())
}

/// What each case is about, its bytes, and how many zeros stand behind them.
fn refused(cases: &[(&str, Vec<u8>, usize)], is_refused: impl Fn(&[u8]) -> bool) -> Vec<Value> {
    cases
        .iter()
        .map(|(about, bytes, zeros)| {
            let whole = [bytes.as_slice(), &vec![0; *zeros]].concat();
            assert!(is_refused(&whole), "{about} was read");
            json!({ "about": about, "bytes": hex(bytes), "zeros": zeros })
        })
        .collect()
}

fn place(position: Position) -> Value {
    json!({ "epoch": number(position.epoch.0), "offset": number(position.offset.0) })
}

fn number(number: u64) -> String {
    format!("{number:016x}")
}
