//! Reads a stream's header and a link's messages, and never a byte more than asked for.

use gantline_protocol::{
    WireError,
    link::{HEADER, Progress, ciphertext_length},
};

use crate::PipeReader;

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It ended, or was given up.
    #[error("the stream ended")]
    Ended,
    /// It is not what was asked for.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// What arrived of the thing that is being read. Every read may be dropped and begun anew: what
/// has arrived is kept.
#[derive(Debug)]
pub struct Inbox<R> {
    reader: R,
    arrived: Vec<u8>,
}

impl<R: PipeReader> Inbox<R> {
    /// Nothing has arrived yet.
    pub const fn new(reader: R) -> Self {
        Self { reader, arrived: Vec::new() }
    }

    /// The rest of the stream. Nothing may be left that was read and not taken.
    #[must_use]
    pub fn into_reader(self) -> R {
        debug_assert!(self.arrived.is_empty(), "bytes of the pipe would be lost");
        self.reader
    }

    /// What has arrived and was not taken.
    #[must_use]
    pub fn arrived(&self) -> &[u8] {
        &self.arrived
    }

    /// Waits for more: at least one byte, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn more(&mut self, limit: usize) -> Result<(), ReadError> {
        match self.reader.read_chunk(limit).await {
            Ok(Some(bytes)) => {
                self.arrived.extend_from_slice(&bytes);
                Ok(())
            }
            Ok(None) | Err(_) => Err(ReadError::Ended),
        }
    }

    /// Takes what `decode` reads.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn take<T>(
        &mut self,
        decode: impl Fn(&[u8]) -> Result<Progress<T>, WireError>,
    ) -> Result<T, ReadError> {
        loop {
            match decode(&self.arrived)? {
                Progress::Whole { value, length } => {
                    self.arrived.drain(..length.min(self.arrived.len()));
                    return Ok(value);
                }
                Progress::Needs(more) => self.more(more).await?,
            }
        }
    }

    /// Takes `N` bytes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn exact<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        self.take(|arrived| {
            Ok(match arrived.first_chunk::<N>() {
                Some(bytes) => Progress::Whole { value: *bytes, length: N },
                None => Progress::Needs(N - arrived.len()),
            })
        })
        .await
    }

    /// Takes the next message's ciphertext.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn message(&mut self) -> Result<Vec<u8>, ReadError> {
        self.take(|arrived| {
            let Some(header) = arrived.first_chunk::<HEADER>() else {
                return Ok(Progress::Needs(HEADER - arrived.len()));
            };
            let length = HEADER + ciphertext_length(*header)?;
            Ok(match arrived.get(HEADER..length) {
                Some(ciphertext) => Progress::Whole { value: ciphertext.to_vec(), length },
                None => Progress::Needs(length - arrived.len()),
            })
        })
        .await
    }
}
