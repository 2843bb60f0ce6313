//! Terminal messages on a session stream: `length u32 | message`, cut out of whatever pieces the
//! stream delivers.

use super::MAX_MESSAGE;
use crate::WireError;

/// The length field in front of every message.
pub const LENGTH: usize = 4;

const WHAT: &str = "terminal message";

/// Appends what `encode` appends, with its length in front; nothing if it fails.
pub(super) fn frame(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    if let Err(error) = encode(out) {
        out.truncate(start);
        return Err(error);
    }
    let length = u32::try_from(out.len() - start - LENGTH).unwrap_or(u32::MAX);
    if let Some(slot) = out.get_mut(start..start + LENGTH) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// Cuts a stream into messages. It keeps at most one unfinished message, and for that only the
/// bytes that have arrived: a length that a peer names reserves nothing.
#[derive(Debug, Default)]
pub struct Deframer {
    /// The message that is arriving, with its length in front; or the one handed out last, which
    /// goes with the next call.
    pending: Vec<u8>,
}

impl Deframer {
    /// A deframer at the beginning of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { pending: Vec::new() }
    }

    /// The next whole message, of 1 to [`MAX_MESSAGE`] bytes. Takes what it used from the front of
    /// `input`; `None` means that all of `input` was taken and more is needed. A message that is
    /// whole within `input` is not copied.
    ///
    /// # Errors
    /// [`WireError`] for a length of 0 or above [`MAX_MESSAGE`]: the stream can't be read any
    /// further, and every later call says so again.
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<&'s [u8]>, WireError> {
        if message_length(&self.pending)?
            .is_some_and(|length| self.pending.len() == LENGTH + length)
        {
            self.pending.clear();
        }
        if self.pending.is_empty()
            && let Ok(Some(length)) = message_length(input)
            && let Some((framed, rest)) = input.split_at_checked(LENGTH + length)
        {
            *input = rest;
            return Ok(framed.get(LENGTH..));
        }
        self.take(LENGTH, input);
        let Some(length) = message_length(&self.pending)? else {
            return Ok(None);
        };
        self.take(LENGTH + length, input);
        match self.pending.len() == LENGTH + length {
            true => Ok(self.pending.get(LENGTH..)),
            false => Ok(None),
        }
    }

    /// Asserts that the stream may end here.
    ///
    /// # Errors
    /// [`WireError::Truncated`] inside a message.
    pub fn finish(&self) -> Result<(), WireError> {
        match message_length(&self.pending)? {
            Some(length) if self.pending.len() == LENGTH + length => Ok(()),
            None if self.pending.is_empty() => Ok(()),
            Some(_) | None => Err(WireError::Truncated { what: WHAT }),
        }
    }

    /// Moves bytes from `input` until `length` are pending.
    fn take(&mut self, length: usize, input: &mut &[u8]) {
        let missing = length.saturating_sub(self.pending.len());
        let (taken, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
        self.pending.extend_from_slice(taken);
        *input = rest;
    }
}

/// The length of the message that `framed` begins with; `None` while it hasn't arrived.
fn message_length(framed: &[u8]) -> Result<Option<usize>, WireError> {
    let Some(length) = framed.first_chunk() else {
        return Ok(None);
    };
    match usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX) {
        0 => Err(WireError::invalid(WHAT, "its length is 0")),
        length if length > MAX_MESSAGE => {
            Err(WireError::TooLong { what: WHAT, length, limit: MAX_MESSAGE })
        }
        length => Ok(Some(length)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::terminal::{MAX_PAYLOAD, ViewerMessage};

    static SAMPLE: [u8; MAX_PAYLOAD] = {
        let mut bytes = [0; MAX_PAYLOAD];
        let mut at = 0;
        while at < MAX_PAYLOAD {
            bytes[at] = (at % 251) as u8;
            at += 1;
        }
        bytes
    };

    /// Terminal bytes: often few, sometimes as many as there may be.
    pub(in crate::terminal) fn payload(least: usize) -> impl Strategy<Value = &'static [u8]> {
        prop_oneof![8 => least..300, 1 => Just(MAX_PAYLOAD), 1 => least..=MAX_PAYLOAD]
            .prop_map(|length| &SAMPLE[MAX_PAYLOAD - length..])
    }

    fn messages_in(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, WireError> {
        let mut deframer = Deframer::new();
        let mut messages = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(message) = deframer.next(&mut piece)? {
                messages.push(message.to_vec());
            }
            assert!(piece.is_empty(), "a piece was not used up");
            assert!(deframer.pending.capacity() <= 2 * (LENGTH + MAX_MESSAGE));
        }
        deframer.finish()?;
        Ok(messages)
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
    }

    proptest! {
        #[test]
        fn no_message_is_lost_or_doubled_however_the_stream_is_cut(
            sent in vec(payload(1), 0..6),
            cuts in vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let stream = sent.iter().flat_map(|message| framed(message)).collect::<Vec<_>>();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut start = 0;
            for end in cuts.into_iter().chain([stream.len()]) {
                pieces.push(&stream[start..end]);
                start = end;
            }
            prop_assert_eq!(messages_in(&pieces).unwrap(), sent);
        }

        #[test]
        fn a_stream_of_single_bytes_says_the_same(sent in vec(vec(any::<u8>(), 1..40), 0..6)) {
            let stream = sent.iter().flat_map(|message| framed(message)).collect::<Vec<_>>();
            prop_assert_eq!(messages_in(&stream.chunks(1).collect::<Vec<_>>()).unwrap(), sent);
        }

        #[test]
        fn a_stream_that_breaks_off_inside_a_message_is_noticed(
            message in vec(any::<u8>(), 1..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let stream = framed(&message);
            let kept = 1 + cut.index(stream.len() - 1);
            let error = WireError::Truncated { what: WHAT };
            prop_assert_eq!(messages_in(&[&stream[..kept]]), Err(error));
        }

        #[test]
        fn any_bytes_are_messages_or_an_error(pieces in vec(vec(0..4u8, 0..50), 0..8)) {
            let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
            let _ = messages_in(&pieces);
        }
    }

    #[test]
    fn a_peer_that_names_a_huge_length_gets_no_memory_for_it() {
        for length in [0, MAX_MESSAGE as u32 + 1, u32::MAX] {
            let bytes = length.to_be_bytes();
            for pieces in [&[&bytes[..2], &bytes[2..]][..], &[&bytes[..]]] {
                let mut deframer = Deframer::new();
                let results: Vec<_> =
                    pieces.iter().map(|piece| deframer.next(&mut &**piece).is_err()).collect();
                assert_eq!(results.last(), Some(&true));
                assert!(deframer.next(&mut &b"\0\0\0\x01x"[..]).is_err(), "was read on");
                assert!(deframer.finish().is_err());
            }
        }
        let mut deframer = Deframer::new();
        assert_eq!(deframer.next(&mut &(MAX_MESSAGE as u32).to_be_bytes()[..]), Ok(None));
        assert!(
            deframer.pending.capacity() < 64,
            "memory was reserved for bytes that are not there"
        );
    }

    #[test]
    fn a_message_that_is_all_there_is_not_copied() {
        let stream = framed(b"abc");
        let mut deframer = Deframer::new();
        let mut input = &stream[..];
        let message = deframer.next(&mut input).unwrap().unwrap();
        assert!(std::ptr::eq(message, &stream[LENGTH..]));
        assert!(deframer.pending.is_empty() && input.is_empty());
    }

    #[test]
    fn the_bytes_of_a_framed_message_stay_what_they_are() {
        let mut out = b"before".to_vec();
        ViewerMessage::Input { seq: 1, bytes: b"y" }.encode_framed(&mut out).unwrap();
        assert_eq!(out, b"before\0\0\0\x0a\x02\0\0\0\0\0\0\0\x01y");
        assert!(ViewerMessage::Input { seq: 0, bytes: b"y" }.encode_framed(&mut out).is_err());
        assert_eq!(out.len(), 6 + LENGTH + 10, "a refused message left bytes behind");
    }
}
