//! The plaintext of a record, as an authenticated peer may have made it.

use gantline_protocol::{
    WireError,
    session::{Frame, Frames, frame::FRAME_HEADER},
};

/// Any plaintext is frames, then at most one error and nothing behind it. What was read can be
/// written, and reads back the same.
pub fn frames(data: &[u8]) {
    let mut decoded = Vec::new();
    let mut has_failed = false;
    for frame in Frames::new(data) {
        assert!(!has_failed, "something follows an error: {frame:?}");
        match frame {
            Ok(frame) => decoded.push(frame),
            Err(_) => has_failed = true,
        }
    }
    if !has_failed {
        assert_eq!(frames_in(data), decoded.len(), "frames were skipped or invented");
    }
    decoded.iter().for_each(claims_nothing);
    assert!(!decoded.iter().rev().skip(1).any(ends_its_record), "something follows the last frame");

    let mut encoded = Vec::new();
    let mut kept = Vec::new();
    for frame in &decoded {
        let before = encoded.len();
        match frame.encode(&mut encoded) {
            Ok(()) => kept.push(frame.clone()),
            // An OPEN of 8,192 bytes that leaves its empty list of headers out is longer with it.
            Err(WireError::TooLong { .. }) if matches!(frame, Frame::Open { .. }) => {
                assert_eq!(encoded.len(), before, "a refused frame left bytes behind");
            }
            Err(error) => unreachable!("{frame:?} was read and can't be written: {error}"),
        }
    }
    let again: Result<Vec<_>, _> = Frames::new(&encoded).collect();
    assert_eq!(again.as_ref(), Ok(&kept));
    encoded.resize(encoded.len() + 100, 0);
    let padded: Result<Vec<_>, _> = Frames::new(&encoded).collect();
    assert_eq!(padded.as_ref(), Ok(&kept), "padding changes what is read");
}

/// Counts frames by their headers alone; the rest is padding.
fn frames_in(mut plaintext: &[u8]) -> usize {
    let mut count = 0;
    while let Some(header) = plaintext.first_chunk::<FRAME_HEADER>().filter(|h| h[0] != 0) {
        let length = usize::from(u16::from_be_bytes([header[5], header[6]]));
        plaintext = &plaintext[FRAME_HEADER + length..];
        count += 1;
    }
    assert!(plaintext.iter().all(|byte| *byte == 0), "bytes are hidden in the padding");
    count
}

/// Header fields by which a peer could pass for somebody else, or act upon what others share.
fn claims_nothing(frame: &Frame<'_>) {
    let (headers, forbidden) = match frame {
        Frame::Open { open, .. } => (&open.headers, ["authorization", "cookie", "host"]),
        Frame::Head { head, .. } => (&head.headers, ["set-cookie", "alt-svc", "clear-site-data"]),
        Frame::Hello(_)
        | Frame::Data { .. }
        | Frame::Fin { .. }
        | Frame::Reset { .. }
        | Frame::Credit { .. }
        | Frame::Ping(_)
        | Frame::Pong(_)
        | Frame::Rekey
        | Frame::GoAway { .. }
        | Frame::Close { .. }
        | Frame::Ignored(_) => return,
    };
    for (name, value) in headers {
        assert!(!forbidden.contains(&name.as_str()) && name != "connection", "{name} passed");
        assert!(!value.contains(['\r', '\n', '\0']), "{name} carries a line break");
    }
}

const fn ends_its_record(frame: &Frame<'_>) -> bool {
    matches!(frame, Frame::Rekey | Frame::Close { .. })
}
