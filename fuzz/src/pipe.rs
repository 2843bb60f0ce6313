//! The cleartext at the beginning of a link or pipe: purpose, request, replies and preface.

use gantline_protocol::{
    link::{LinkHello, LinkReply, PipeReply, PipeRequest, Progress, Purpose},
    session::Preface,
};

/// A request is read the same however its bytes arrive, and never takes a byte of what follows;
/// replies and prefaces have one spelling each.
pub fn pipe(data: &[u8]) {
    for arrived in 0..=data.len().min(2 * PipeRequest::SIZE) {
        match PipeRequest::decode(&data[..arrived]) {
            Ok(Progress::Needs(more)) => {
                assert!(more > 0 && arrived + more <= PipeRequest::SIZE);
            }
            Ok(Progress::Whole { value, length }) => {
                assert!(arrived >= length && length == PipeRequest::SIZE);
                let mut encoded = Vec::new();
                value.encode(&mut encoded);
                assert_eq!(encoded, data[..length]);
            }
            Err(_) => assert!(arrived > 0 && PipeRequest::decode(data).is_err()),
        }
    }
    if let Some(byte) = data.first()
        && let Ok(reply) = PipeReply::from_byte(*byte)
    {
        assert_eq!(reply.to_byte(), *byte);
        let by_code = reply.close_code().and_then(PipeReply::from_close_code);
        assert_eq!(by_code.unwrap_or(PipeReply::Spliced), reply);
    }
    if let Some(byte) = data.first()
        && let Ok(reply) = LinkReply::from_byte(*byte)
    {
        assert_eq!(reply.to_byte(), *byte);
    }
    if let Ok(Progress::Whole { value, length }) = Purpose::peek(data) {
        assert_eq!(data[..length], value.encode());
        let is_request = matches!(PipeRequest::decode(data), Ok(Progress::Whole { .. }));
        let is_hello = matches!(LinkHello::decode(data), Ok(Progress::Whole { .. }));
        assert!(!is_request || value == Purpose::Pipe);
        assert!(!is_hello || value == Purpose::Link);
    }
    let Some(start) = data.first_chunk::<2>() else { return };
    if let Some(reply) = PipeReply::from_close_code(u16::from_be_bytes(*start)) {
        assert_eq!(reply.close_code(), Some(u16::from_be_bytes(*start)));
    }
    if let Ok(preface) = Preface::decode(*start) {
        assert_eq!(preface.encode(), *start);
    }
}
