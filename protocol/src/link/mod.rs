//! What a relay says with nodes and native clients outside sessions: the hello in front of the
//! login handshake, the messages after it, and the requests that ask for a pipe.

pub mod hello;
pub mod join;
pub mod login;
pub mod message;
pub mod pipe;
pub mod purpose;
pub mod ticket;
pub mod token;

pub use hello::LinkHello;
pub use join::JoinLink;
pub use login::{DenialReason, Denied, Login, Welcome};
pub use message::LinkMessage;
pub use pipe::{PipeReply, PipeRequest};
pub use purpose::{LinkReply, Purpose};
pub use ticket::TicketRequest;
pub use token::EnrolmentToken;

use crate::WireError;

/// The length field in front of every Noise message on the control stream.
pub const HEADER: usize = 2;
/// The greatest plaintext of one [`LinkMessage`], type byte included.
pub const MAX_MESSAGE: usize = 4096;
/// The authentication tag at the end of every ciphertext (ChaCha20-Poly1305, RFC 8439).
pub const TAG: usize = 16;
/// The greatest ciphertext of one message; the smallest is [`TAG`] + 1.
pub const MAX_CIPHERTEXT: usize = MAX_MESSAGE + TAG;

/// Reads the length field in front of a message: how many bytes of ciphertext follow it.
///
/// # Errors
/// [`WireError::Invalid`] unless 17 ≤ length ≤ 4,112.
pub const fn ciphertext_length(header: [u8; HEADER]) -> Result<usize, WireError> {
    let length = u16::from_be_bytes(header) as usize;
    if length <= TAG || length > MAX_CIPHERTEXT {
        return Err(WireError::invalid("link message", "its length is not within 17 and 4,112"));
    }
    Ok(length)
}

/// What the bytes that have arrived so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<T> {
    /// Everything is there.
    Whole {
        /// What the bytes say.
        value: T,
        /// How many bytes it took; the rest belongs to whatever follows.
        length: usize,
    },
    /// At least this many more bytes are needed, never 0. Who reads exactly so many never takes a
    /// byte of what follows.
    Needs(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_could_exhaust_the_relay_or_hold_no_type_is_refused() {
        let accepted: Vec<_> = (0..=u16::MAX)
            .filter(|length| ciphertext_length(length.to_be_bytes()).is_ok())
            .collect();
        assert_eq!((accepted.first(), accepted.last()), (Some(&17), Some(&4112)));
    }
}
