//! What a session reports while it reads.

use std::time::Duration;

use gantline_protocol::{
    StreamId,
    session::{CloseCode, GoAwayCode, Head, Hello, Open, ResetCode},
};

/// What the peer did. Borrowed bytes lie in the caller's own buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The peer said what it speaks; always the first event.
    Hello(Hello),
    /// The peer opened a stream and waits for an answer.
    Opened {
        /// The stream.
        stream: StreamId,
        /// What is asked for.
        open: Open,
    },
    /// The peer answered a stream.
    Answered {
        /// The stream.
        stream: StreamId,
        /// The answer.
        head: Head,
    },
    /// Bytes of a stream. Give each one back with [`super::Session::consumed`] once it is dealt
    /// with, even if the stream has ended by then.
    Data {
        /// The stream.
        stream: StreamId,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The peer's direction of a stream is complete.
    Finished {
        /// The stream.
        stream: StreamId,
    },
    /// The stream ended early, in both directions. Unless [`Event::Finished`] came before, what
    /// arrived may be incomplete. It needs no answer.
    Reset {
        /// The stream.
        stream: StreamId,
        /// Why.
        code: ResetCode,
    },
    /// More can be written: on this stream, or, without one, on all.
    Writable {
        /// The stream.
        stream: Option<StreamId>,
    },
    /// The peer answered our latest ping.
    Pong {
        /// The time between.
        round_trip: Duration,
    },
    /// The peer takes no new streams. Those of ours above `last` are not acted upon; a RESET
    /// follows for each.
    GoingAway {
        /// Why.
        code: GoAwayCode,
        /// The last of our streams that is still served; 0 when none is.
        last: u32,
    },
    /// The peer closed the session. Streams that had not ended are incomplete.
    Closed {
        /// Why.
        code: CloseCode,
        /// An explanation for people; hostile text.
        reason: &'a str,
    },
}
