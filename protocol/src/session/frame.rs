//! Frames, the contents of a record: `type u8 | stream u32 | length u16 | payload`.

use super::{CloseCode, GoAwayCode, Head, Hello, Open, ResetCode, record::MAX_PLAINTEXT};
use crate::{StreamId, WireError, wire::Reader};

/// The header of every frame but PAD.
pub const FRAME_HEADER: usize = 7;
/// The most DATA that one record can carry.
pub const MAX_DATA: usize = MAX_PLAINTEXT - FRAME_HEADER;
/// The longest explanation in a CLOSE, in bytes.
pub const MAX_REASON: usize = 256;

const PAD: u8 = 0x00;
const HELLO: u8 = 0x01;
const OPEN: u8 = 0x02;
const HEAD: u8 = 0x03;
const DATA: u8 = 0x04;
const FIN: u8 = 0x05;
const RESET: u8 = 0x06;
const CREDIT: u8 = 0x07;
const PING: u8 = 0x08;
const PONG: u8 = 0x09;
const REKEY: u8 = 0x0a;
const GOAWAY: u8 = 0x0b;
const CLOSE: u8 = 0x0c;
/// Types from here on are skipped by whoever doesn't know them.
const OPTIONAL: u8 = 0x80;

/// One frame of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// What the sender can speak; the first frame in each direction, once.
    Hello(Hello),
    /// Opens a stream.
    Open {
        /// The new stream.
        stream: StreamId,
        /// What is asked for.
        open: Open,
    },
    /// Answers a stream, once, before its first DATA.
    Head {
        /// The stream answered.
        stream: StreamId,
        /// The answer.
        head: Head,
    },
    /// Bytes of a stream, at least one.
    Data {
        /// The stream.
        stream: StreamId,
        /// 1 to [`MAX_DATA`] bytes.
        bytes: &'a [u8],
    },
    /// The sender's direction of a stream ended well.
    Fin {
        /// The stream.
        stream: StreamId,
        /// How many bytes of DATA the stream carried in this direction.
        total: u64,
    },
    /// The stream ends here, in both directions.
    Reset {
        /// The stream.
        stream: StreamId,
        /// Why.
        code: ResetCode,
    },
    /// How many bytes of DATA may be sent in all, counted from the beginning.
    Credit {
        /// The stream; `None` for the whole session.
        stream: Option<StreamId>,
        /// The limit, below 2^53; it never falls.
        limit: u64,
    },
    /// Asks for a PONG with the same number.
    Ping(u64),
    /// Answers a PING.
    Pong(u64),
    /// The sender's next record is sealed with the next key.
    Rekey,
    /// The sender takes no streams above `last`.
    GoAway {
        /// Why.
        code: GoAwayCode,
        /// The last stream of the peer that is still served; 0 when none is.
        last: u32,
    },
    /// The session ends; nothing follows.
    Close {
        /// Why.
        code: CloseCode,
        /// An explanation for people, at most 256 bytes.
        reason: &'a str,
    },
    /// A frame of a type ≥ 0x80 that this version doesn't know.
    Ignored(u8),
}

impl Frame<'_> {
    /// Appends the frame to `out`.
    ///
    /// # Errors
    /// [`WireError`] when a body breaks the bounds that its decoder enforces; `out` is then as
    /// it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            Self::Hello(hello) => put(out, HELLO, 0, &hello.encode()?),
            Self::Open { stream, open } => put(out, OPEN, stream.number(), &open.encode()?),
            Self::Head { stream, head } => put(out, HEAD, stream.number(), &head.encode()?),
            Self::Data { stream, bytes } => {
                if bytes.is_empty() {
                    return Err(WireError::invalid("DATA", "it is empty"));
                }
                if bytes.len() > MAX_DATA {
                    return Err(too_long("DATA", bytes.len(), MAX_DATA));
                }
                put(out, DATA, stream.number(), bytes);
            }
            Self::Fin { stream, total } => put(out, FIN, stream.number(), &total.to_be_bytes()),
            Self::Reset { stream, code } => {
                put(out, RESET, stream.number(), &code.number().to_be_bytes());
            }
            Self::Credit { stream, limit } => {
                put(out, CREDIT, stream.map_or(0, StreamId::number), &limit.to_be_bytes());
            }
            Self::Ping(number) => put(out, PING, 0, &number.to_be_bytes()),
            Self::Pong(number) => put(out, PONG, 0, &number.to_be_bytes()),
            Self::Rekey => put(out, REKEY, 0, &[]),
            Self::GoAway { code, last } => {
                let mut body = [0; 8];
                body[..4].copy_from_slice(&code.number().to_be_bytes());
                body[4..].copy_from_slice(&last.to_be_bytes());
                put(out, GOAWAY, 0, &body);
            }
            Self::Close { code, reason } => {
                if reason.len() > MAX_REASON {
                    return Err(too_long("CLOSE", reason.len(), MAX_REASON));
                }
                put_header(out, CLOSE, 0, 4 + reason.len());
                out.extend_from_slice(&code.number().to_be_bytes());
                out.extend_from_slice(reason.as_bytes());
            }
            Self::Ignored(kind) => put(out, kind | OPTIONAL, 0, &[]),
        }
        Ok(())
    }
}

/// Appends the header of a DATA frame whose `length` bytes the caller appends.
pub fn encode_data_header(out: &mut Vec<u8>, stream: StreamId, length: usize) {
    debug_assert!((1..=MAX_DATA).contains(&length), "DATA of {length} bytes");
    put_header(out, DATA, stream.number(), length);
}

fn put(out: &mut Vec<u8>, kind: u8, stream: u32, payload: &[u8]) {
    put_header(out, kind, stream, payload.len());
    out.extend_from_slice(payload);
}

fn put_header(out: &mut Vec<u8>, kind: u8, stream: u32, length: usize) {
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    let [l0, l1] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    out.extend_from_slice(&[kind, s0, s1, s2, s3, l0, l1]);
}

/// The frames of one record's plaintext, in order. Ends at the padding, which must be all zero,
/// or after the first error.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    rest: Reader<'a>,
    ended_by: Option<&'static str>,
}

impl<'a> Frames<'a> {
    /// Reads the frames of `plaintext`.
    #[must_use]
    pub const fn new(plaintext: &'a [u8]) -> Self {
        Self { rest: Reader::new(plaintext, "frame"), ended_by: None }
    }

    fn read(&mut self) -> Result<Option<Frame<'a>>, WireError> {
        if self.rest.remaining() == 0 {
            return Ok(None);
        }
        let kind = self.rest.u8()?;
        if kind == PAD {
            return match self.rest.take_rest().iter().all(|byte| *byte == 0) {
                true => Ok(None),
                false => Err(WireError::invalid("padding", "it is not all zero")),
            };
        }
        if let Some(what) = self.ended_by {
            return Err(WireError::invalid(what, "it is not the last frame of its record"));
        }
        let stream = self.rest.u32()?;
        let length = usize::from(self.rest.u16()?);
        let payload = self.rest.bytes(length)?;
        let frame = decode(kind, stream, payload)?;
        self.ended_by = match frame {
            Frame::Rekey => Some("REKEY"),
            Frame::Close { .. } => Some("CLOSE"),
            Frame::Hello(_)
            | Frame::Open { .. }
            | Frame::Head { .. }
            | Frame::Data { .. }
            | Frame::Fin { .. }
            | Frame::Reset { .. }
            | Frame::Credit { .. }
            | Frame::Ping(_)
            | Frame::Pong(_)
            | Frame::GoAway { .. }
            | Frame::Ignored(_) => None,
        };
        Ok(Some(frame))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        let frame = self.read().transpose();
        if !matches!(frame, Some(Ok(_))) {
            self.rest.take_rest();
        }
        frame
    }
}

fn decode(kind: u8, stream: u32, payload: &[u8]) -> Result<Frame<'_>, WireError> {
    Ok(match kind {
        HELLO => {
            whole_session("HELLO", stream)?;
            Frame::Hello(Hello::decode(payload)?)
        }
        OPEN => Frame::Open { stream: one_stream("OPEN", stream)?, open: Open::decode(payload)? },
        HEAD => Frame::Head { stream: one_stream("HEAD", stream)?, head: Head::decode(payload)? },
        DATA if payload.is_empty() => return Err(WireError::invalid("DATA", "it is empty")),
        DATA => Frame::Data { stream: one_stream("DATA", stream)?, bytes: payload },
        FIN => Frame::Fin { stream: one_stream("FIN", stream)?, total: number("FIN", payload)? },
        RESET => {
            let mut body = Reader::new(payload, "RESET");
            let code = ResetCode::from_number(body.u32()?);
            body.finish()?;
            Frame::Reset { stream: one_stream("RESET", stream)?, code }
        }
        CREDIT => {
            Frame::Credit { stream: StreamId::new(stream), limit: number("CREDIT", payload)? }
        }
        PING => {
            whole_session("PING", stream)?;
            Frame::Ping(number("PING", payload)?)
        }
        PONG => {
            whole_session("PONG", stream)?;
            Frame::Pong(number("PONG", payload)?)
        }
        REKEY => {
            whole_session("REKEY", stream)?;
            Reader::new(payload, "REKEY").finish()?;
            Frame::Rekey
        }
        GOAWAY => {
            whole_session("GOAWAY", stream)?;
            let mut body = Reader::new(payload, "GOAWAY");
            let code = GoAwayCode::from_number(body.u32()?);
            let last = body.u32()?;
            body.finish()?;
            Frame::GoAway { code, last }
        }
        CLOSE => {
            whole_session("CLOSE", stream)?;
            let mut body = Reader::new(payload, "CLOSE");
            let code = CloseCode::from_number(body.u32()?);
            Frame::Close { code, reason: body.rest_str(MAX_REASON)? }
        }
        OPTIONAL.. => Frame::Ignored(kind),
        PAD | 0x0d..OPTIONAL => return Err(WireError::UnknownType { what: "frame", kind }),
    })
}

fn one_stream(what: &'static str, stream: u32) -> Result<StreamId, WireError> {
    StreamId::new(stream).ok_or(WireError::invalid(what, "it names no stream"))
}

const fn whole_session(what: &'static str, stream: u32) -> Result<(), WireError> {
    if stream == 0 { Ok(()) } else { Err(WireError::invalid(what, "it names a stream")) }
}

fn number(what: &'static str, payload: &[u8]) -> Result<u64, WireError> {
    let mut body = Reader::new(payload, what);
    let number = body.u64()?;
    body.finish()?;
    Ok(number)
}

const fn too_long(what: &'static str, length: usize, limit: usize) -> WireError {
    WireError::TooLong { what, length, limit }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn stream() -> impl Strategy<Value = StreamId> {
        (1..=u32::MAX).prop_map(|number| StreamId::new(number).unwrap())
    }

    /// A frame that owns its bytes, and how it is written.
    fn encoded() -> impl Strategy<Value = Vec<u8>> {
        let headers = vec(("[a-z][a-z-]{0,8}", "[ -~]{0,16}"), 0..4);
        prop_oneof![
            (0..3u32, 0..3u32).prop_map(|(min, more)| {
                Frame::Hello(Hello { min, max: min + more, features: vec!["a-1".into()] }).bytes()
            }),
            (stream(), "[A-Z]{1,16}", "/[a-z/?=]{0,30}", headers.clone()).prop_map(
                |(stream, method, path, headers)| {
                    Frame::Open { stream, open: Open { method, path, headers } }.bytes()
                }
            ),
            (stream(), 200..600u16, headers).prop_map(|(stream, status, headers)| {
                Frame::Head { stream, head: Head { status, headers } }.bytes()
            }),
            (stream(), vec(any::<u8>(), 1..600)).prop_map(|(stream, bytes)| Frame::Data {
                stream,
                bytes: &bytes
            }
            .bytes()),
            (stream(), any::<u64>())
                .prop_map(|(stream, total)| Frame::Fin { stream, total }.bytes()),
            (stream(), any::<u32>()).prop_map(|(stream, code)| {
                Frame::Reset { stream, code: ResetCode::from_number(code) }.bytes()
            }),
            (option::of(stream()), any::<u64>()).prop_map(|(stream, limit)| Frame::Credit {
                stream,
                limit
            }
            .bytes()),
            any::<u64>().prop_map(|number| Frame::Ping(number).bytes()),
            any::<u64>().prop_map(|number| Frame::Pong(number).bytes()),
            (any::<u32>(), any::<u32>()).prop_map(|(code, last)| {
                Frame::GoAway { code: GoAwayCode::from_number(code), last }.bytes()
            }),
            (0x80..=0xffu8).prop_map(|kind| Frame::Ignored(kind).bytes()),
        ]
    }

    impl Frame<'_> {
        fn bytes(&self) -> Vec<u8> {
            let mut out = Vec::new();
            self.encode(&mut out).unwrap();
            out
        }
    }

    proptest! {
        #[test]
        fn frames_arrive_as_they_were_sent(sent in vec(encoded(), 0..8), padding in 0..200usize) {
            let mut plaintext = sent.concat();
            plaintext.resize(plaintext.len() + padding, 0);
            let mut again = Vec::new();
            for frame in Frames::new(&plaintext) {
                frame.unwrap().encode(&mut again).unwrap();
            }
            // Header fields that are dropped on arrival are not drawn above but by rare chance.
            prop_assume!(!plaintext.windows(4).any(|w| w == b"\"te\"" || w == b"\"via"));
            prop_assert_eq!(again, sent.concat());
        }

        #[test]
        fn any_plaintext_ends_in_frames_or_one_error(plaintext in vec(any::<u8>(), 0..2000)) {
            let results: Vec<_> = Frames::new(&plaintext).collect();
            let errors = results.iter().filter(|result| result.is_err()).count();
            prop_assert!(errors <= 1);
            prop_assert!(errors == 0 || results.last().is_some_and(Result::is_err));
        }

        #[test]
        fn a_frame_cut_short_is_an_error(frame in encoded(), keep in 0.0..1.0f64) {
            let length = (frame.len() as f64 * keep) as usize;
            let results: Vec<_> = Frames::new(&frame[..length]).collect();
            let cut = [Err(WireError::Truncated { what: "frame" })];
            prop_assert!(length == 0 || results == cut);
        }
    }

    #[test]
    fn the_bytes_of_every_frame_stay_what_they_are() {
        let stream = StreamId::new(0x0102_0304).unwrap();
        let golden: [(Frame<'_>, &str); 13] = [
            (Frame::Hello(Hello::current()), "0100000000001f{\"min\":1,\"max\":1,\"features\":[]}"),
            (
                Frame::Open {
                    stream,
                    open: Open { method: "GET".into(), path: "/".into(), headers: vec![] },
                },
                "0201020304001a{\"m\":\"GET\",\"p\":\"/\",\"h\":[]}",
            ),
            (
                Frame::Head {
                    stream,
                    head: Head { status: 200, headers: vec![("a".into(), "b".into())] },
                },
                "03010203040019{\"s\":200,\"h\":[[\"a\",\"b\"]]}",
            ),
            (Frame::Data { stream, bytes: b"hi" }, "04010203040002hi"),
            (Frame::Fin { stream, total: 258 }, "050102030400080000000000000102"),
            (Frame::Reset { stream, code: ResetCode::Refused }, "0601020304000400000001"),
            (Frame::Credit { stream: None, limit: 1 }, "070000000000080000000000000001"),
            (Frame::Ping(2), "080000000000080000000000000002"),
            (Frame::Pong(3), "090000000000080000000000000003"),
            (Frame::Rekey, "0a000000000000"),
            (
                Frame::GoAway { code: GoAwayCode::Restart, last: 7 },
                "0b0000000000080000000100000007",
            ),
            (Frame::Close { code: CloseCode::Revoked, reason: "bye" }, "0c00000000000700000003bye"),
            (Frame::Ignored(0x9a), "9a000000000000"),
        ];
        for (frame, expected) in golden {
            let text: String =
                frame.bytes().iter().enumerate().fold(String::new(), |text, (i, b)| {
                    let is_text = i >= FRAME_HEADER && (b' '..=b'~').contains(b);
                    if is_text {
                        text + &char::from(*b).to_string()
                    } else {
                        text + &format!("{b:02x}")
                    }
                });
            assert_eq!(text, expected, "{frame:?}");
        }
    }

    #[test]
    fn nothing_may_follow_a_rekey_or_a_close() {
        for last in [Frame::Rekey, Frame::Close { code: CloseCode::Done, reason: "" }] {
            let mut plaintext = last.bytes();
            assert!(Frames::new(&plaintext).all(|frame| frame.is_ok()));
            plaintext.extend(Frame::Ping(1).bytes());
            assert!(Frames::new(&plaintext).last().unwrap().is_err());
        }
    }

    #[test]
    fn hidden_bytes_in_the_padding_are_refused() {
        let mut plaintext = Frame::Ping(1).bytes();
        plaintext.resize(128, 0);
        assert_eq!(Frames::new(&plaintext).count(), 1);
        plaintext[127] = 1;
        assert!(Frames::new(&plaintext).last().unwrap().is_err());
    }
}
