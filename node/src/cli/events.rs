//! The events of a machine, read from its stream of server-sent events.

use gantline_client::connection::{Answer, Request};
use gantline_protocol::api::Event;

use super::{failure::Failure, reach::Reached};

/// The greatest event that is read, in bytes.
const MAX_EVENT: usize = 256 * 1024;

/// Hears the events of a machine from some point on.
#[derive(Debug)]
pub(super) struct Listener {
    answer: Answer,
    buffer: Vec<u8>,
}

impl Listener {
    /// Hears what happens from now on.
    pub(super) async fn open(reached: &Reached) -> Result<Self, Failure> {
        let answer = reached.request(Request::get("/v1/events")).await?;
        Ok(Self { answer, buffer: Vec::new() })
    }

    /// The next event; `None` when the machine ended the stream. Giving the wait up loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                // An event is one line of data; what is not an event is not for us.
                if let Some(event) = line
                    .strip_prefix(b"data:")
                    .and_then(|data| serde_json::from_slice(data.trim_ascii()).ok())
                {
                    return Ok(Some(event));
                }
            }
            if self.buffer.len() > MAX_EVENT {
                return Err(Failure::failed("the machine sent an event without end"));
            }
            match self.answer.chunk().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}
