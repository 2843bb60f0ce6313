//! Writes the hand-made part of the corpus: genuine messages, stories of a session, and the
//! mistakes that a stranger would try first. `cargo run -p gantline-fuzz --example seeds`
//!
//! What fuzzing adds has a hash for its name; these files have words.

use std::{error::Error, fs, path::PathBuf};

use gantline_protocol::{
    DeviceId, Epoch, MachineId, Offset, StreamId, Ticket, Timestamp, ViewerId, WireError,
    api::{ExitStatus, Signal},
    link::{DenialReason, Denied, LinkHello, LinkMessage, Login, PipeRequest, Welcome},
    session::{CloseCode, Frame, GoAwayCode, Head, Hello, Open, ResetCode},
    shim::{
        Ack, Ended, FromShim, Greeting, Mark, MarkKind, Output, ReadMode, Scope, ToShim, Versions,
    },
    terminal::{Attach, NodeMessage, Position, Snapshot, TerminalSize, ViewerMessage, ViewerMode},
};

type Seeds = Vec<(String, Vec<u8>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let targets = [
        ("frames", frames()?),
        ("session_plaintext", session_plaintext()?),
        ("session_bytes", session_bytes()),
        ("handshake", handshake()),
        ("pairing_node", pairing_node()),
        ("pairing_device", pairing_device()?),
        ("login", login()?),
        ("link_messages", link_messages()?),
        ("pipe", pipe()),
        ("shim", shim()?),
        ("terminal", terminal()?),
        ("api_json", api_json()),
        ("texts", texts()?),
    ];
    for (target, seeds) in targets {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds {
            fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}

fn seed(name: &str, parts: &[&[u8]]) -> (String, Vec<u8>) {
    (name.to_owned(), parts.concat())
}

/// One genuine frame of each type.
fn one_of_each() -> Result<Seeds, WireError> {
    let stream = StreamId::new(1).ok_or(WireError::Truncated { what: "stream" })?;
    let headers = vec![("accept".to_owned(), "*/*".to_owned())];
    let open =
        Open { method: "GET".into(), path: "/v1/agents?all=1".into(), headers: headers.clone() };
    let features = vec!["a-1".to_owned()];
    let frames = [
        ("hello", Frame::Hello(Hello { min: 1, max: 1, features })),
        ("open", Frame::Open { stream, open }),
        ("head", Frame::Head { stream, head: Head { status: 200, headers } }),
        ("data", Frame::Data { stream, bytes: b"some output\r\n" }),
        ("fin", Frame::Fin { stream, total: 13 }),
        ("reset", Frame::Reset { stream, code: ResetCode::Cancelled }),
        ("credit", Frame::Credit { stream: Some(stream), limit: 1 << 20 }),
        ("credit-session", Frame::Credit { stream: None, limit: 1 << 23 }),
        ("ping", Frame::Ping(1)),
        ("pong", Frame::Pong(1)),
        ("rekey", Frame::Rekey),
        ("goaway", Frame::GoAway { code: GoAwayCode::Age, last: 1 }),
        ("close", Frame::Close { code: CloseCode::Shutdown, reason: "until later" }),
        ("from-the-future", Frame::Ignored(0x9a)),
    ];
    let mut seeds = Seeds::new();
    for (name, frame) in frames {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes)?;
        seeds.push((name.to_owned(), bytes));
    }
    Ok(seeds)
}

fn find(seeds: &Seeds, name: &str) -> Vec<u8> {
    seeds
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, bytes)| bytes.clone())
        .unwrap_or_default()
}

fn frames() -> Result<Seeds, WireError> {
    let genuine = one_of_each()?;
    let of = |name: &str| find(&genuine, name);
    let request = [of("hello"), of("open"), of("data"), of("fin"), vec![0; 60]].concat();
    let open = |json: &str| {
        let length = u16::try_from(json.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&[2, 0, 0, 0, 1], length.as_slice(), json.as_bytes()].concat()
    };
    let mut seeds = vec![
        seed("request", &[&request]),
        seed("request-cut", &[request.get(..50).unwrap_or_default()]),
        seed("bytes-hidden-in-padding", &[&of("ping"), &[0; 20], &[1]]),
        seed("frame-behind-rekey", &[&of("rekey"), &of("ping")]),
        seed("frame-behind-close", &[&of("close"), &of("ping")]),
        seed("unknown-type", &[&[0x0d, 0, 0, 0, 0, 0, 0]]),
        seed("data-without-bytes", &[&[4, 0, 0, 0, 1, 0, 0]]),
        seed("data-of-no-stream", &[&[4, 0, 0, 0, 0, 0, 1, 7]]),
        seed("ping-of-a-stream", &[&[8, 0, 0, 0, 1, 0, 8], &[0; 8]]),
        seed("credit-too-long", &[&[7, 0, 0, 0, 0, 0, 9], &[0; 9]]),
        seed("length-beyond-the-end", &[&[4, 0, 0, 0, 1, 0xff, 0xff, 7]]),
        seed("close-not-utf8", &[&[0x0c, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1, 0xff, 0xfe]]),
        seed("open-smuggles-a-line", &[&open(r#"{"m":"GET","p":"/","h":[["a","b\r\nc: d"]]}"#)]),
        seed(
            "open-claims-an-identity",
            &[&open(r#"{"m":"GET","p":"/","h":[["cookie","a"],["via","b"]]}"#)],
        ),
        seed("open-twice-the-method", &[&open(r#"{"m":"GET","m":"PUT","p":"/"}"#)]),
        seed("open-with-more-behind", &[&open(r#"{"m":"GET","p":"/"} {}"#)]),
        seed("open-as-an-array", &[&open(r#"["GET","/",[]]"#)]),
        seed(
            "head-acts-upon-the-origin",
            &[&[3, 0, 0, 0, 1, 0, 33], br#"{"s":200,"h":[["alt-svc","a=b"]]}"#],
        ),
        seed(
            "open-escaped",
            &[&open(r#"{"m":"\u0047ET","p":"\/","h":[["\u0061","\t"]],"z":[1.5e3]}"#)],
        ),
        seed("hello-upside-down", &[&[1, 0, 0, 0, 0, 0, 17], br#"{"min":2,"max":1}"#]),
    ];
    seeds.extend(genuine);
    Ok(seeds)
}

/// A stream is chosen by one byte, 0 for stream 1; the steps are those of the target.
fn session_plaintext() -> Result<Seeds, WireError> {
    const NODE: u8 = 2;
    const DEVICE: u8 = 3;
    const DELIVER: &[u8] = &[1, 0, 0];
    const TRANSMIT: &[u8] = &[17];
    // Some twenty thousand bytes on each of five streams.
    let write = |stream: u8| [21, stream, 0x4e, 0x1f];
    let round = [&[0, 2, 4, 6, 8].map(write).concat(), TRANSMIT].concat();
    let genuine = one_of_each()?;
    let of = |name: &str| find(&genuine, name);
    let record = |frames: &[Vec<u8>]| {
        let plaintext = frames.concat();
        let length = u16::try_from(plaintext.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&[0], length.as_slice(), &plaintext].concat()
    };
    let request = record(&[of("hello"), of("open"), of("data"), of("fin")]);
    let data = |many: usize| [6, 0, 0x3f, 0xf0].repeat(many);
    // On five streams.
    let wide =
        |many: usize| [0, 2, 4, 6, 8].map(|stream| [6, stream, 0x3f, 0xf0]).concat().repeat(many);
    Ok(vec![
        seed(
            "request-in-one-record",
            &[&[0], &request, &[20, 0, 2], &[21, 0, 1, 0, 23, 0], TRANSMIT],
        ),
        seed(
            "answer",
            &[&[DEVICE, 27, 1], TRANSMIT, &record(&[of("head"), of("data"), of("fin")])],
        ),
        seed("before-hello", &[&[0], &record(&[of("open")])]),
        seed("nothing-but-optional-frames", &[&[0], &record(&[of("from-the-future")]), TRANSMIT]),
        seed("two-hellos", &[&[NODE], &record(&[of("hello")])]),
        seed("no-common-version", &[&[0, 3, 2, 4, 0], DELIVER, TRANSMIT]),
        seed("too-many-streams", &[&[NODE, 4, 0, 139], DELIVER, TRANSMIT]),
        seed(
            "open-and-reset-flood",
            &[
                &[NODE, 4, 0, 19, 8, 0, 0, 8, 2, 0, 8, 4, 0],
                DELIVER,
                &[4, 250, 100, 8, 250, 0],
                DELIVER,
                TRANSMIT,
            ],
        ),
        seed("more-than-the-stream-window", &[&[NODE, 4, 0, 0], &data(18), DELIVER]),
        seed(
            "more-than-the-stream-window-consumed",
            &[
                &[NODE, 4, 0, 0],
                &data(14),
                DELIVER,
                &[25, 0, 255, 255],
                TRANSMIT,
                &data(6),
                DELIVER,
            ],
        ),
        seed(
            "more-than-the-session-window",
            &[
                &[NODE, 31, 2, 20, 22, 4, 0, 4],
                &wide(1),
                DELIVER,
                &[25, 0, 0, 0, 25, 2, 0, 0, 25, 4, 0, 0, 25, 6, 0, 0, 25, 8, 0, 0],
                TRANSMIT,
                &wide(55),
                DELIVER,
            ],
        ),
        seed(
            "data-after-our-reset",
            &[&[NODE, 4, 0, 0], DELIVER, &[24, 0], &data(2), &[7, 0, 0], DELIVER, TRANSMIT],
        ),
        seed(
            "fin-with-a-wrong-total",
            &[&[NODE, 4, 0, 0], &data(1), &[7, 0, 1], DELIVER, TRANSMIT],
        ),
        seed(
            "bulk-within-credit",
            &[
                &[NODE, 4, 0, 0],
                DELIVER,
                &[20, 0, 2],
                &[21, 0, 0x40, 0].repeat(20),
                TRANSMIT,
                &[9, 1, 1],
                DELIVER,
                TRANSMIT,
                &[9, 0, 5],
                DELIVER,
                &[21, 0, 0x40, 0],
                TRANSMIT,
            ],
        ),
        seed(
            "bulk-beyond-the-session-credit",
            &[
                &[NODE, 4, 0, 4, 9, 1, 6, 9, 3, 6, 9, 5, 6, 9, 7, 6, 9, 9, 6],
                DELIVER,
                &[20, 0, 2, 20, 2, 2, 20, 4, 2, 20, 6, 2, 20, 8, 2],
                &round.repeat(41),
                // What a reset stream doesn't send any more, another may.
                &[0, 2, 4, 6].map(write).concat(),
                &[24, 4],
                &[6, 8].map(write).concat(),
                TRANSMIT,
                &[9, 0, 5],
                DELIVER,
                &[21, 0, 0x4e, 0x1f, 23, 0, 23, 2],
                TRANSMIT,
            ],
        ),
        seed(
            "many-streams-share",
            &[
                &[NODE, 4, 0, 9],
                DELIVER,
                &[
                    20, 0, 2, 20, 2, 2, 20, 4, 2, 21, 0, 0x40, 0, 21, 2, 0x40, 0, 21, 4, 0x10, 0,
                    23, 0, 23, 4,
                ],
                &[19, 0x20, 0],
                &[24, 2],
                TRANSMIT,
            ],
        ),
        seed("too-many-of-ours", &[&[DEVICE, 27, 139], TRANSMIT, &[24, 0, 27, 139], TRANSMIT]),
        seed(
            "reset-crosses-reset",
            &[&[DEVICE, 27, 3], TRANSMIT, &[24, 0, 8, 0, 0, 8, 2, 1], DELIVER, TRANSMIT],
        ),
        seed(
            "both-open",
            &[
                &[DEVICE, 27, 2, 4, 1, 2],
                DELIVER,
                &[20, 1, 2, 21, 1, 0, 9, 23, 1, 5, 0, 0, 6, 0, 0, 9, 7, 0, 0],
                DELIVER,
                TRANSMIT,
            ],
        ),
        seed("credit-falls", &[&[NODE, 4, 0, 0, 9, 1, 5, 9, 1, 4], DELIVER, TRANSMIT]),
        seed("credit-without-end", &[&[NODE, 9, 0, 39], DELIVER, TRANSMIT]),
        seed("credit-for-an-unknown-stream", &[&[NODE, 9, 7, 5], DELIVER, TRANSMIT]),
        seed("head-for-its-own-stream", &[&[NODE, 4, 0, 0, 5, 0, 0], DELIVER, TRANSMIT]),
        seed(
            "pings",
            &[
                &[NODE, 28, 28],
                TRANSMIT,
                &[10, 0, 1, 10, 0, 2, 11, 1, 11, 2],
                DELIVER,
                TRANSMIT,
                &[11, 9],
                DELIVER,
            ],
        ),
        seed("rekey-both-ways", &[&[NODE], TRANSMIT, &[12, 30, 2, 12, 4, 0, 0], DELIVER, TRANSMIT]),
        seed(
            "a-day-passes",
            &[&[NODE], TRANSMIT, &[30, 4, 4, 0, 1], DELIVER, TRANSMIT, &[30, 3], TRANSMIT],
        ),
        seed(
            "open-after-goaway",
            &[
                &[NODE, 4, 0, 0],
                DELIVER,
                &[29],
                TRANSMIT,
                &[4, 2, 0, 9, 3, 2],
                DELIVER,
                TRANSMIT,
                &data(1),
                &[8, 2, 2],
                DELIVER,
            ],
        ),
        seed("goaway-taken-back", &[&[DEVICE, 13, 1, 13, 3], DELIVER, &[27, 1], TRANSMIT]),
        seed("close", &[&[NODE, 4, 0, 0, 14, 0, 10, 0, 1], DELIVER, TRANSMIT]),
        seed("closed-by-us", &[&[NODE], TRANSMIT, &[31, 0, 4, 0, 0], DELIVER, TRANSMIT]),
        seed("cut-off", &[&[NODE, 4, 0, 0], DELIVER, &[31, 1]]),
        seed(
            "widened",
            &[
                &[NODE, 31, 2, 22, 26, 4, 0, 0],
                &data(2),
                DELIVER,
                &[25, 0, 0, 0],
                TRANSMIT,
                &data(12),
                DELIVER,
            ],
        ),
        seed("node-waits", &[&[0], TRANSMIT, &[28, 29], TRANSMIT]),
        seed("node-closes-early", &[&[0, 31, 0], TRANSMIT, &request, TRANSMIT]),
        seed("node-closes-early-and-is-left", &[&[0, 31, 0], TRANSMIT]),
        seed("open-of-a-stream-that-is-ours", &[&[NODE, 4, 1, 0], DELIVER, TRANSMIT]),
        seed("open-that-does-not-rise", &[&[NODE, 4, 2, 0, 4, 0, 0], DELIVER, TRANSMIT]),
        seed("session-credit-falls", &[&[NODE, 9, 0, 5, 9, 0, 4], DELIVER, TRANSMIT]),
        seed("no-padding", &[&[NODE, 10, 0, 1, 2]]),
        seed("raw-frame", &[&[NODE, 16, 0x0d, 0, 0, 0, 0, 0], DELIVER]),
    ])
}

fn session_bytes() -> Seeds {
    let mut seeds = Seeds::new();
    for (side, end) in [(0, "node"), (1, "device")] {
        let name = |text: &str| format!("{end}-{text}");
        seeds.extend([
            (name("untouched"), vec![side, 4, 0, 0]),
            (name("made-up"), [&[side, 0, 0, 9], [0, 17].as_slice(), &[7; 40]].concat()),
            (name("bit-flipped"), vec![side, 1, 2, 0, 0, 40, 1, 0, 0]),
            (name("length-flipped"), vec![side, 1, 2, 0, 0, 1, 0x80, 0, 0]),
            (name("record-cut"), vec![side, 1, 3, 0, 90, 0, 0, 0, 3]),
            (name("record-left-out"), vec![side, 1, 3, 0, 0, 0, 0, 0]),
            (name("bytes-between"), vec![side, 2, 4, 3, 1, 2, 3, 0, 0, 0]),
            (name("record-rotated"), vec![side, 0, 7, 0, 2, 0, 0, 0]),
            (name("byte-by-byte"), vec![side, 3, 0, 0, 0]),
        ]);
    }
    seeds
}

fn handshake() -> Seeds {
    vec![
        seed("genuine", &[&[0]]),
        seed("wrong-secret", &[&[1]]),
        seed("s1-ephemeral-flipped", &[&[0, 0, 2, 0, 0, 31, 0x80]]),
        seed("s1-static-flipped", &[&[0, 0, 2, 0, 0, 40, 1]]),
        seed("s1-tag-flipped", &[&[0, 0, 2, 0, 0, 95, 1]]),
        seed("s1-of-zeros-then-a-replayed-s2", &[&[0, 0, 5], &[0; 96], &[0]]),
        seed("s2-ephemeral-flipped", &[&[0, 0, 0, 2, 0, 0, 31, 0x80]]),
        seed("s2-tag-flipped", &[&[0, 0, 0, 2, 0, 0, 47, 1]]),
        seed("s2-of-zeros", &[&[0, 0, 0, 5], &[0; 48]]),
        seed("preface-of-pairing", &[&[0, 2, 0, 0, 1, 3]]),
        seed("preface-from-the-future", &[&[0, 2, 0, 0, 0, 3]]),
    ]
}

fn pairing_node() -> Seeds {
    let flipped = |choice: u8, passed: usize| {
        [&[choice], vec![0; passed].as_slice(), &[2, 0, 0, 5, 1, 0, 0, 0]].concat()
    };
    let mut name = [0; 64];
    for (byte, letter) in name.iter_mut().zip(b"laptop") {
        *byte = *letter;
    }
    vec![
        seed("by-code", &[&[0x08]]),
        seed("by-link", &[&[0x09]]),
        seed("by-link-three-times", &[&[0x09, 0x09, 0x09]]),
        seed("by-code-twice", &[&[0x08, 0x08]]),
        seed("wrong-code", &[&[0x18, 0x18, 0x18, 0x08]]),
        seed("wrong-code-minted-again", &[&[0x18, 0x18, 0x18, 0x28]]),
        seed("too-late", &[&[0x48, 121]]),
        seed("just-in-time", &[&[0x48, 119]]),
        seed("ten-runs", &[&[0, 0, 3, 0, 5].repeat(12)]),
        seed("p1-flipped", &[&flipped(0, 0)]),
        seed("p3-flipped", &[&flipped(0, 1)]),
        seed("p3-neutral", &[&[2, 5], &[0; 32]]),
        seed("p5-flipped", &[&flipped(0, 2)]),
        seed("p7-flipped", &[&flipped(0, 3)]),
        seed("link-p5-flipped", &[&flipped(1, 1)]),
        seed("link-p7-flipped", &[&flipped(1, 2)]),
        seed("device-with-a-name", &[&[0x80], &[1; 16], &name]),
        seed("device-with-a-hostile-name", &[&[0x80], &[1; 16], b"a\x1b[2J"]),
        seed("device-without-a-name", &[&[0x80], &[1; 16]]),
        seed("device-with-a-gap-in-its-name", &[&[0x80], &[1; 16], b"a\0b"]),
    ]
}

fn pairing_device() -> Result<Seeds, WireError> {
    let flipped = |choice: u8, passed: usize| {
        [&[choice], vec![0; passed].as_slice(), &[2, 0, 0, 0, 1]].concat()
    };
    let padded = |parts: &[&[u8]], length: usize| {
        let mut bytes = parts.concat();
        bytes.resize(length, 0);
        bytes
    };
    let name = padded(&[b"closet"], 64);
    let knowing = [&[0x80, 0], [2; 16].as_slice(), &name].concat();
    let id = DeviceId::from_bytes([3; 16]);
    let relays = b"\0\x12relay.example:8443\0\x05[::1]";
    Ok(vec![
        seed("by-code", &[&[0x2e]]),
        seed("by-link", &[&[0x2f]]),
        seed("wrong-code", &[&[0x3e]]),
        seed("refused", &[&[0, 2, 0, 0, 0, 1]]),
        seed("p2-nonce-flipped", &[&flipped(0, 1)]),
        seed("p4-flipped", &[&flipped(0, 3)]),
        seed("p4-neutral", &[&[6, 5], &[0; 32]]),
        seed("p6-status-flipped", &[&flipped(0, 4)]),
        seed("p6-flipped", &[&flipped(0, 5)]),
        seed("p8-length-flipped", &[&flipped(0, 7)]),
        seed("p8-flipped", &[&flipped(0, 8)]),
        seed("link-p6-flipped", &[&flipped(1, 3)]),
        seed("link-p8-flipped", &[&flipped(1, 6)]),
        seed("foreign-machine", &[&[0x80, 1], &[2; 16], &name]),
        seed("machine-without-a-name", &[&[0x80, 0], &[2; 16]]),
        seed("grant", &[&knowing, &padded(&[id.as_bytes(), &[4; 32], &[1, 2], relays], 128)]),
        seed(
            "grant-without-relays",
            &[&knowing, &padded(&[id.as_bytes(), &[4; 32], &[3, 0]], 128)],
        ),
        seed("grant-of-no-role", &[&knowing, &padded(&[id.as_bytes(), &[4; 32], &[4, 0]], 128)]),
        seed(
            "grant-of-nine-relays",
            &[&knowing, &padded(&[id.as_bytes(), &[4; 32], &[1, 9], &b"\0\x01a".repeat(9)], 128)],
        ),
        seed(
            "grant-with-a-long-relay",
            &[&knowing, &padded(&[id.as_bytes(), &[4; 32], &[1, 1, 1, 255]], 128)],
        ),
        seed(
            "grant-with-hidden-bytes",
            &[&knowing, &padded(&[id.as_bytes(), &[4; 32], &[1, 0, 0, 7]], 128)],
        ),
        seed("grant-not-padded", &[&knowing, &padded(&[id.as_bytes(), &[4; 32], &[1, 0]], 100)]),
        seed("grant-too-long", &[&knowing, &padded(&[], 4096)]),
    ])
}

fn some_login() -> Result<Login, WireError> {
    Ok(Login {
        token: Some("token-1".parse()?),
        alias: Some("pi4".parse()?),
        version: "0.1.0".to_owned(),
        capabilities: vec!["udp".to_owned()],
    })
}

fn login() -> Result<Seeds, WireError> {
    let mut hello = Vec::new();
    LinkHello { host: "relay.example".parse()? }.encode(&mut hello);
    let mut message = Vec::new();
    LinkMessage::Login(some_login()?).encode(&mut message)?;
    Ok(vec![
        seed("genuine", &[&[0, 0]]),
        seed("other-tls", &[&[0, 1]]),
        seed("hello-version-flipped", &[&[0, 0, 2, 0, 0, 0, 1]]),
        seed("hello-host-flipped", &[&[0, 0, 2, 0, 0, 3, 1]]),
        seed("hello-to-another-name-of-the-relay", &[&[0, 0, 2, 0, 0, 3, b'r' ^ b'd']]),
        seed("l1-ephemeral-flipped", &[&[0, 0, 2, 0, 0, 47, 0x80]]),
        seed("l1-static-flipped", &[&[0, 0, 2, 0, 0, 51, 1]]),
        seed("l1-cut", &[&[0, 0, 3, 0, 60]]),
        seed("l2-flipped", &[&[0, 0, 0, 2, 0, 0, 40, 1]]),
        seed("l2-of-zeros", &[&[0, 0, 0, 5], &[0; 48]]),
        seed("l3-length-flipped", &[&[0, 0, 0, 0, 2, 0, 0, 1, 1]]),
        seed("l3-flipped", &[&[0, 0, 0, 0, 2, 0, 0, 9, 1]]),
        seed("l4-flipped", &[&[0, 0, 0, 0, 0, 2, 0, 0, 9, 1]]),
        seed("hello", &[&[1], &hello, &[7; 64]]),
        seed("hello-cut", &[&[1], hello.get(..7).unwrap_or_default()]),
        seed("hello-to-nobody", &[&[1, 1, 1, 0]]),
        seed("hello-too-long", &[&[1, 1, 1, 254]]),
        seed("hello-upper-case", &[&[1, 1, 1, 5], b"Relay"]),
        seed("hello-to-an-address", &[&[1, 1, 1, 3], b"::1"]),
        seed("hello-of-a-pipe", &[&[1, 1, 2, 3], b"::1"]),
        seed("node-logs-in", &[&[2], &message]),
        seed("node-says-something-else", &[&[2, 6]]),
        seed("node-says-nothing", &[&[2]]),
        seed("node-says-nonsense", &[&[2, 1], br#"{"version":"\u001b[2J"}"#]),
    ])
}

fn link_messages() -> Result<Seeds, WireError> {
    let host = "relay.example".parse()?;
    let machine = MachineId::from_bytes([1; 16]);
    let messages = [
        ("login", LinkMessage::Login(some_login()?)),
        (
            "welcome",
            LinkMessage::Welcome(Welcome { machine, host, alias: None, version: "1".into() }),
        ),
        (
            "denied",
            LinkMessage::Denied(Denied {
                reason: DenialReason::TokenUsed,
                message: "Später noch einmal.".to_owned(),
                retry_after_ms: Some(5000),
            }),
        ),
        ("invite", LinkMessage::Invite(Ticket::from_bytes([2; 16]))),
        ("goaway", LinkMessage::GoAway { redial_within_ms: 500 }),
        ("replaced", LinkMessage::Replaced),
        ("ping", LinkMessage::Ping(1)),
        ("pong", LinkMessage::Pong(1)),
        ("from-the-future", LinkMessage::Ignored(0x9a)),
    ];
    let mut seeds = vec![
        seed("from-the-future-with-a-body", &[&[0x9a], &[7; 40]]),
        seed("unknown-type", &[&[9]]),
        seed("ping-too-long", &[&[7], &[0; 9]]),
        seed(
            "denied-for-a-new-reason",
            &[&[3], br#"{"reason":"moon-phase","message":"","new":[1]}"#],
        ),
        seed("denied-draws", &[&[3], br#"{"reason":"rate","message":"\u001b[2J\u202e"}"#]),
        seed(
            "login-with-nulls",
            &[&[1], br#"{"token":null,"alias":null,"version":"1","capabilities":[]}"#],
        ),
        seed("welcome-to-a-wrong-id", &[&[2], br#"{"machine":"AAAA","host":"a","version":"1"}"#]),
    ];
    for (name, message) in messages {
        let mut bytes = Vec::new();
        message.encode(&mut bytes)?;
        seeds.push((name.to_owned(), bytes));
    }
    Ok(seeds)
}

fn pipe() -> Seeds {
    let mut request = Vec::new();
    PipeRequest { machine: MachineId::from_bytes([5; 16]) }.encode(&mut request);
    vec![
        seed("request", &[&request]),
        seed("request-and-more", &[&request, &[1, 1], &[7; 96]]),
        seed("request-cut", &[request.get(..9).unwrap_or_default()]),
        seed("request-from-the-future", &[&[2, 2], &[5; 16]]),
        seed("request-of-a-link", &[&[1, 1], &[5; 16]]),
        seed("preface-session", &[&[1, 1]]),
        seed("preface-code", &[&[1, 2]]),
        seed("preface-link", &[&[1, 3]]),
        seed("preface-unknown", &[&[1, 4]]),
        seed("reply-spliced", &[&[0]]),
        seed("reply-busy", &[&[4]]),
        seed("reply-unknown", &[&[6]]),
        seed("reply-from-the-future", &[&[0x80]]),
        seed("close-code", &[&4005u16.to_be_bytes()]),
        seed("close-code-from-the-future", &[&4255u16.to_be_bytes()]),
        seed("close-code-of-nothing", &[&4006u16.to_be_bytes()]),
    ]
}

fn shim() -> Result<Seeds, WireError> {
    let viewer = ViewerId::from_bytes([7; 16]);
    let (from, at) = (Offset(5), Timestamp::from_millis(1));
    let read = |mode| ToShim::Read { id: 1, from, mode };
    let to_shim = [
        ("hello", ToShim::Hello(Versions::OURS)),
        ("read-once", read(ReadMode::Once(9))),
        ("read-follow", read(ReadMode::Follow)),
        ("read-hold", read(ReadMode::Hold(9))),
        ("write", ToShim::Write { viewer, seq: 1, eof: false, bytes: b"ls\r" }),
        ("resize", ToShim::Resize(TerminalSize::STANDARD)),
        (
            "signal",
            ToShim::Signal { signal: Signal::Term, scope: Scope::Group, kill_after_ms: 10_000 },
        ),
        ("wait", ToShim::Wait),
        ("ack-output", ToShim::Ack(Ack::Output(from))),
        ("ack-exit", ToShim::Ack(Ack::Exit)),
        ("checkpoint", ToShim::Checkpoint(Some((from, b"screen")))),
        ("checkpoint-asked", ToShim::Checkpoint(None)),
        ("from-the-future", ToShim::Ignored(0x9a)),
    ];
    let marks = vec![
        Mark { offset: from, kind: MarkKind::Resize(TerminalSize::STANDARD) },
        Mark { offset: from, kind: MarkKind::Stderr },
    ];
    let gap = vec![Mark { offset: from, kind: MarkKind::Gap(Offset(9)) }];
    let output = |marks, bytes| FromShim::Output(Output { id: 1, from, kept: from, marks, bytes });
    let from_shim = [
        (
            "greeting",
            FromShim::Hello(Greeting {
                versions: Versions::OURS,
                epoch: Epoch(1),
                pid: 42,
                kept: Offset(0),
                end: from,
                size: Some(TerminalSize::STANDARD),
                applied: vec![(viewer, 3)],
            }),
        ),
        ("other-version", FromShim::OtherVersion(Versions { oldest: 2, newest: 3 })),
        ("output", output(marks, b"text")),
        ("gap", output(gap, b"")),
        ("written", FromShim::Written { viewer, seq: 3 }),
        ("exited", FromShim::Exited(Ended { at, end: from, how: Some(ExitStatus::Signal(9)) })),
        ("kept", FromShim::Checkpoint(Some((from, b"screen")))),
    ];
    let mut seeds = vec![
        seed("length-of-nothing", &[&[0; 4]]),
        seed("length-of-too-much", &[&[0xff; 4]]),
        seed("two-and-a-half", &[&[0, 0, 0, 1, 6, 0, 0, 0, 1, 6, 0, 0, 0, 9, 3]]),
        seed("write-of-number-0", &[&[0, 0, 0, 27, 3], &[7; 16], &[0; 10]]),
        seed("marks-that-are-not-there", &[&[0, 0, 0, 23, 0x12], &[0; 20], &[7, 0xff]]),
    ];
    for (name, message) in to_shim {
        let mut bytes = Vec::new();
        message.encode(&mut bytes)?;
        seeds.push((name.to_owned(), bytes));
    }
    for (name, message) in from_shim {
        let mut bytes = Vec::new();
        message.encode(&mut bytes)?;
        seeds.push((name.to_owned(), bytes));
    }
    Ok(seeds)
}

fn terminal() -> Result<Seeds, WireError> {
    let size = TerminalSize::STANDARD;
    let position = Position { epoch: Epoch(1), offset: Offset(258) };
    let attach = |mode, position| {
        let viewer = ViewerId::from_bytes([6; 16]);
        ViewerMessage::Attach(Attach { viewer, mode, size, position })
    };
    let by_viewer = [
        ("attach", attach(ViewerMode::Drive, None)),
        ("attach-again", attach(ViewerMode::ReadOnly, Some(position))),
        ("input", ViewerMessage::Input { seq: 1, bytes: b"ls\r" }),
        ("resize", ViewerMessage::Resize(size)),
        ("ack", ViewerMessage::Ack(Offset(258))),
        ("take", ViewerMessage::Take),
        ("detach", ViewerMessage::Detach),
        ("viewer-from-the-future", ViewerMessage::Ignored(0x9a)),
    ];
    let screen = Snapshot { position, size, last: true, bytes: b"\x1b[H$ " };
    let by_node = [
        ("attached", NodeMessage::Attached { position, driver: true, size, applied: 0 }),
        ("snapshot", NodeMessage::Snapshot(screen)),
        ("output", NodeMessage::Output { offset: Offset(1), bytes: b"total 0\r\n" }),
        ("skipped", NodeMessage::Skipped { from: Offset(1), to: Offset(2) }),
        ("size", NodeMessage::Size { size, driver: false }),
        ("input-ack", NodeMessage::InputAck { seq: 1 }),
        ("exited", NodeMessage::Exited(Some(ExitStatus::Code(0)))),
        ("killed", NodeMessage::Exited(Some(ExitStatus::Signal(9)))),
        ("lost", NodeMessage::Exited(None)),
        ("node-from-the-future", NodeMessage::Ignored(0x9a)),
    ];
    let mut seeds = vec![
        seed("input-zero", &[&[0, 2], &[0; 8], b"x"]),
        seed("resize-to-nothing", &[&[0, 3, 0, 0, 0, 24]]),
        seed("skipped-nothing", &[&[1, 0x14], &[1; 16]]),
        seed("exited-strangely", &[&[1, 0x17, 2, 0, 0, 0, 1]]),
        seed("stream-of-length-zero", &[&[2, 0, 0, 0, 0, 0]]),
        seed("stream-of-a-huge-length", &[&[2, 1, 2, 0xff, 0xff, 0xff, 0xff]]),
        seed("stream-cut", &[&[2, 2, 1, 3, 0, 0, 0, 9, 5]]),
        seed("screen", &[&[3], b"\xff\x1b[H a screen, many times"]),
        seed("screen-empty", &[&[3]]),
    ];
    let (mut stream, mut other) = (vec![2, 6, 1, 4, 2, 30, 0, 7], vec![2, 0]);
    for (name, message) in by_viewer {
        let mut bytes = vec![0];
        message.encode(&mut bytes)?;
        message.encode_framed(&mut stream)?;
        seeds.push((name.to_owned(), bytes));
    }
    for (name, message) in by_node {
        let mut bytes = vec![1];
        message.encode(&mut bytes)?;
        message.encode_framed(&mut other)?;
        seeds.push((name.to_owned(), bytes));
    }
    seeds.extend([("stream-in-pieces".to_owned(), stream), ("stream".to_owned(), other)]);
    Ok(seeds)
}

fn api_json() -> Seeds {
    let samples = [
        (
            "spawn",
            r#"{"argv":["a","b"],"shell":true,"cwd":"/","env":{"A":"@secret:B"},"name":"n","size":{"cols":80,"rows":24}}"#,
        ),
        ("spawn-without-a-program", r#"{"argv":[""]}"#),
        ("spawn-with-nul", r#"{"argv":["a\u0000"],"env":{"A=":""}}"#),
        ("exec", r#"{"argv":["uname","-r"],"timeoutMs":5000}"#),
        ("exec-start", r#"{"kind":"start","agentId":"ag-x7k2p","at":7}"#),
        ("exec-out", r#"{"kind":"out","text":"a\n"}"#),
        ("exec-err", r#"{"kind":"err","base64":"/wA=","text":null}"#),
        ("exec-exit", r#"{"kind":"exit","at":7,"status":{"code":0,"signal":null}}"#),
        ("exec-from-the-future", r#"{"kind":"moon","x":1}"#),
        (
            "agent",
            r#"{"agentId":"ag-x7k2p","argv":["sleep","9"],"shell":false,"state":"restart_limit","pid":42,"epoch":"fffffffffffffffe","size":{"cols":80,"rows":24},"exit":{"signal":9},"restarts":0,"createdAt":1,"startedAt":2,"endedAt":3}"#,
        ),
        ("minted-code", r#"{"code":"1234 5678","role":"owner","expiresAt":9}"#),
        (
            "minted-link",
            r#"{"invitationId":3,"role":"observer","createdAt":1,"expiresAt":9,"usesLeft":2,"link":"https://relay.example/#x"}"#,
        ),
        ("invitation", r#"{"role":"operator","validForMs":1000,"uses":1}"#),
        (
            "event-agent",
            r#"{"id":8,"at":7,"kind":"agent-changed","agentId":"ag-x7k2p","state":"lost","exit":null}"#,
        ),
        (
            "event-paired",
            r#"{"id":8,"at":7,"kind":"device-paired","deviceId":"abababababababababababababababab","name":"phone","role":"observer"}"#,
        ),
        (
            "event-machine",
            r#"{"id":8,"at":7,"kind":"machine-changed","machine":{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"ada","role":"owner","state":"connected","path":"lan","rttMs":3}}"#,
        ),
        (
            "event-link",
            r#"{"id":18446744073709551615,"at":7,"kind":"link-up","host":"relay.example"}"#,
        ),
        (
            "machine",
            r#"{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa","alias":"pi4","name":"Pi","version":"0.1.0","os":"linux","arch":"aarch64","startedAt":1000,"role":"owner"}"#,
        ),
        (
            "machine-offline",
            r#"{"machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"a","role":"owner","state":"offline","lastSeen":5}"#,
        ),
        (
            "device",
            r#"{"deviceId":"abababababababababababababababab","name":"phone","role":"observer","createdAt":1,"lastSeen":2,"pending":false}"#,
        ),
        (
            "problem",
            r#"{"type":"about:blank","title":"Forbidden","status":403,"code":"policy-forbids","detail":"no","instance":"/v1"}"#,
        ),
        ("problem-from-the-future", r#"{"title":"Gone","status":410,"code":"long-gone"}"#),
        ("numbers", r#"{"id":-0,"at":1e3,"kind":"other"}"#),
        ("deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{}]"),
    ];
    samples.map(|(name, json)| seed(name, &[json.as_bytes()])).to_vec()
}

fn texts() -> Result<Seeds, WireError> {
    let link =
        "1.aaaaaaaaaaaaaaaaaaaaaaaaaa.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.relay.example";
    let samples = [
        ("machine-id", "aaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("machine-id-not-canonical", "aaaaaaaaaaaaaaaaaaaaaaaaab"),
        ("device-id", "abababababababababababababababab"),
        ("agent-id", "ag-x7k2p"),
        ("agent-id-too-short", "ag-x7k2"),
        ("name", "Ada's Büro 机器"),
        ("name-with-escape", "a\u{1b}[31m"),
        ("name-reversed", "a\u{202e}b"),
        ("name-with-a-space", "ada "),
        ("alias", "pi4"),
        ("alias-punycode", "xn--mnchen-3ya"),
        ("host", "relay.example"),
        ("host-v4", "127.0.0.1"),
        ("host-v6", "::1"),
        ("host-v6-spelled-out", "0:0::1"),
        ("host-with-final-dot", "relay.example."),
        ("relay", "relay.example:8443"),
        ("relay-v6-pinned", "[::1]:8443~AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("relay-with-the-default-port", "relay.example:443"),
        ("host-that-is-a-number", "relay.0x7f"),
        ("code", "0123 4567"),
        ("code-typed", "01-23 45-67"),
        ("code-of-other-digits", "٠١٢٣٤٥٦٧"),
        ("link", link),
        ("link-in-a-url", &format!("https://relay.example/pair#{link}")),
        ("link-of-the-future", "2.aaaaaaaaaaaaaaaaaaaaaaaaaa.AAAA.a"),
        (
            "link-without-relay",
            "1.aaaaaaaaaaaaaaaaaaaaaaaaaa.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ),
    ];
    Ok(samples.map(|(name, text)| seed(name, &[text.as_bytes()])).to_vec())
}
