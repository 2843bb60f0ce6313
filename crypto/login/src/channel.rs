//! The link's control stream after the handshake: messages of both ends, each sealed.

use gantline_protocol::link::{MAX_CIPHERTEXT, MAX_MESSAGE, TAG};

use crate::{CipherState, cipher::CipherError};

/// Why a control message could not be sent or read. The link can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// A length outside its bounds.
    #[error("a control message has no bytes or more than {MAX_MESSAGE}")]
    Length,
    /// The message doesn't open.
    #[error(transparent)]
    Cipher(#[from] CipherError),
}

/// Both directions of a control stream: `length u16 | ciphertext`, where the ciphertext is a Noise
/// transport message of 17 to 4,112 bytes.
#[derive(Debug)]
pub struct ControlChannel {
    send: CipherState,
    receive: CipherState,
}

impl ControlChannel {
    pub(crate) const fn new(send: CipherState, receive: CipherState) -> Self {
        Self { send, receive }
    }

    /// Seals `message` and appends it, with its length in front, to `out`.
    ///
    /// # Errors
    /// [`ChannelError::Length`] when it has no bytes or more than 4,096; `out` is unchanged.
    pub fn seal(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), ChannelError> {
        if message.is_empty() || message.len() > MAX_MESSAGE {
            return Err(ChannelError::Length);
        }
        let mut sealed = message.to_vec();
        let tag = self.send.seal(&mut sealed)?;
        let length = u16::try_from(message.len() + TAG).map_err(|_| ChannelError::Length)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&sealed);
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens a message in place; `ciphertext` is what follows its length, which
    /// [`gantline_protocol::link::ciphertext_length`] reads.
    ///
    /// # Errors
    /// [`ChannelError`] when it has a forbidden length or doesn't open.
    pub fn open<'a>(&mut self, ciphertext: &'a mut [u8]) -> Result<&'a [u8], ChannelError> {
        if ciphertext.len() <= TAG || ciphertext.len() > MAX_CIPHERTEXT {
            return Err(ChannelError::Length);
        }
        Ok(self.receive.open(ciphertext)?)
    }
}
