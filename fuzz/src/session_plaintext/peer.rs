//! The hostile peer's mouth: frames of any kind, sealed with the right key.

use std::collections::BTreeMap;

use gantline_login::CipherState;
use gantline_protocol::{
    StreamId,
    session::{
        Frame, Frames,
        record::{MAX_PLAINTEXT, padded},
    },
};

pub(super) struct Peer {
    cipher: CipherState,
    /// The record in the making.
    plaintext: Vec<u8>,
    /// Bytes of DATA put into records, by stream.
    sent: BTreeMap<StreamId, u64>,
}

pub(super) struct Sealed {
    pub(super) plaintext: Vec<u8>,
    pub(super) record: Vec<u8>,
}

impl Peer {
    pub(super) const fn new(cipher: CipherState) -> Self {
        Self { cipher, plaintext: Vec::new(), sent: BTreeMap::new() }
    }

    pub(super) fn sent(&self, stream: StreamId) -> u64 {
        self.sent.get(&stream).copied().unwrap_or(0)
    }

    pub(super) fn has_no_room_for(&self, frame: &Frame<'_>) -> bool {
        let mut encoded = Vec::new();
        frame.encode(&mut encoded).expect("only its order breaks the rules");
        self.has_no_room_for_bytes(encoded.len())
    }

    pub(super) const fn has_no_room_for_bytes(&self, length: usize) -> bool {
        !self.plaintext.is_empty() && self.plaintext.len() + length > MAX_PLAINTEXT
    }

    pub(super) fn put(&mut self, frame: &Frame<'_>) {
        frame.encode(&mut self.plaintext).expect("only its order breaks the rules");
        if let Frame::Data { stream, bytes } = frame {
            *self.sent.entry(*stream).or_default() += bytes.len() as u64;
        }
    }

    pub(super) fn put_bytes(&mut self, bytes: &[u8]) {
        self.plaintext.extend_from_slice(bytes);
        self.plaintext.truncate(MAX_PLAINTEXT);
    }

    /// The record with all that was put. After a well-formed REKEY the next one has the next key.
    pub(super) fn seal(&mut self, is_honestly_padded: bool) -> Sealed {
        let mut plaintext = std::mem::take(&mut self.plaintext);
        let length =
            if is_honestly_padded { padded(plaintext.len()) } else { plaintext.len().max(1) };
        plaintext.resize(length, 0);
        let mut text = plaintext.clone();
        let tag = self.cipher.seal(&mut text).expect("there are counters left");
        let length = u16::try_from(text.len() + tag.len()).expect("a record is that short");
        let record = [&length.to_be_bytes(), text.as_slice(), &tag].concat();
        if Frames::new(&plaintext).any(|frame| frame == Ok(Frame::Rekey)) {
            self.cipher.rekey();
        }
        Sealed { plaintext, record }
    }
}
