//! Bytes at a shim's socket, as any program of the same user could write them to either end.

use gantline_protocol::shim::{Frames, FromShim, LENGTH, MAX_MESSAGE, ToShim};

/// The bytes are cut into messages, whole or not there yet; each is one of its direction or an
/// error, and what was read is written again as it was.
pub fn shim(data: &[u8]) {
    let mut frames = Frames::new(data);
    let mut taken = 0;
    while let Ok(Some(message)) = frames.next_message() {
        assert!(!message.is_empty() && message.len() <= MAX_MESSAGE);
        taken += LENGTH + message.len();
        assert_eq!(frames.taken(), taken);
        one(message);
    }
    assert!(frames.missing() <= LENGTH + MAX_MESSAGE);
    one(data);
}

fn one(message: &[u8]) {
    let mut again = Vec::new();
    if let Ok(read) = ToShim::decode(message) {
        read.encode(&mut again).expect("what was read can be written");
        assert_eq!(ToShim::decode(&again[LENGTH..]), Ok(read));
        match read {
            // What a later version says after its versions is skipped.
            ToShim::Hello(_) => assert!(message.starts_with(&again[LENGTH..])),
            ToShim::Ignored(kind) => assert_eq!(message.first(), Some(&kind)),
            ToShim::Read { .. }
            | ToShim::Write { .. }
            | ToShim::Resize(_)
            | ToShim::Signal { .. }
            | ToShim::Wait
            | ToShim::Ack(_)
            | ToShim::Checkpoint(_) => assert_eq!(&again[LENGTH..], message),
        }
    }
    again.clear();
    if let Ok(read) = FromShim::decode(message) {
        read.encode(&mut again).expect("what was read can be written");
        assert_eq!(FromShim::decode(&again[LENGTH..]).as_ref(), Ok(&read));
        match read {
            FromShim::OtherVersion(_) => assert!(message.starts_with(&again[LENGTH..])),
            FromShim::Ignored(kind) => assert_eq!(message.first(), Some(&kind)),
            FromShim::Hello(_)
            | FromShim::Output(_)
            | FromShim::Written { .. }
            | FromShim::Exited(_)
            | FromShim::Checkpoint(_) => assert_eq!(&again[LENGTH..], message),
        }
    }
}
