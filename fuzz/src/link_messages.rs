//! A message on a link's control stream, as the authenticated other end may have made it.

use gantline_protocol::link::{
    HEADER, LinkMessage, MAX_CIPHERTEXT, MAX_MESSAGE, TAG, ciphertext_length,
};

/// What was read can be written and reads back the same; a message has one spelling unless it is
/// JSON. A length field admits no more than a message can have.
pub fn link_messages(data: &[u8]) {
    if let Some(header) = data.first_chunk::<HEADER>()
        && let Ok(length) = ciphertext_length(*header)
    {
        assert!((TAG + 1..=MAX_CIPHERTEXT).contains(&length));
    }
    let Ok(message) = LinkMessage::decode(data) else { return };
    assert!(data.len() <= MAX_MESSAGE);
    let mut encoded = Vec::new();
    message.encode(&mut encoded).expect("what was read can be written");
    assert!(encoded.len() <= MAX_MESSAGE);
    assert_eq!(LinkMessage::decode(&encoded).as_ref(), Ok(&message));
    match message {
        LinkMessage::Login(_) | LinkMessage::Welcome(_) | LinkMessage::Denied(_) => {}
        LinkMessage::Ignored(kind) => assert_eq!(encoded, [kind]),
        LinkMessage::Invite(_)
        | LinkMessage::GoAway { .. }
        | LinkMessage::Replaced
        | LinkMessage::Ping(_)
        | LinkMessage::Pong(_) => assert_eq!(encoded, data),
    }
}
