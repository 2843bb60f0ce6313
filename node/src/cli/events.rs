//! What a machine tells as it happens, read from a stream of server-sent events.

use std::marker::PhantomData;

use gantline_client::connection::{Answer, Request};
use gantline_protocol::api::Event;
use serde::de::DeserializeOwned;

use super::{failure::Failure, reach::Reached};
use crate::lines::Lines;

/// The greatest event that is read, in bytes.
const MAX_EVENT: usize = 1024 * 1024;

/// Hears the events of a machine from some point on.
#[derive(Debug)]
pub(super) struct Listener<T = Event> {
    answer: Answer,
    lines: Lines,
    heard: PhantomData<T>,
}

impl Listener {
    /// Hears what happens from now on.
    pub(super) async fn open(reached: &Reached) -> Result<Self, Failure> {
        Self::of(reached, "/v1/events").await
    }
}

impl<T: DeserializeOwned> Listener<T> {
    /// Hears what is told at `path`.
    pub(super) async fn of(reached: &Reached, path: &str) -> Result<Self, Failure> {
        let answer = reached.request(Request::get(path)).await?;
        Ok(Self { answer, lines: Lines::up_to(MAX_EVENT), heard: PhantomData })
    }

    /// The next event; `None` when the machine ended the stream. Giving the wait up loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<T>, Failure> {
        loop {
            while let Some(line) = self.lines.next() {
                // An event is one line of data; what is not an event is not for us.
                if let Some(event) = line
                    .strip_prefix(b"data:")
                    .and_then(|data| serde_json::from_slice(data.trim_ascii()).ok())
                {
                    return Ok(Some(event));
                }
            }
            let Some(bytes) = self.answer.chunk().await? else { return Ok(None) };
            self.lines
                .push(&bytes)
                .map_err(|_| Failure::failed("the machine sent an event without end"))?;
        }
    }
}
