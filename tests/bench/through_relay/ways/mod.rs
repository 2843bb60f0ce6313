//! Ways from a client to something that counts, sends or echoes: what all rows have in common.

pub(crate) mod session;
pub(crate) mod splice;
pub(crate) mod tcp;

use std::time::Duration;

use anyhow::Result;

/// The time between two echoes.
pub(crate) const PACE: Duration = Duration::from_micros(500);
/// The longest piece that is written at once into a pipe or a session.
pub(crate) const CHUNK: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// A way that stands.
pub(crate) trait Way {
    /// Moves so many bytes over each of so many streams at once. The clock runs from the first byte
    /// to the last one's receipt; opening the streams is not counted.
    fn transfer(&mut self, streams: usize, each: u64, direction: Direction) -> Result<Duration>;

    /// Times of so many echoes of one byte, [`PACE`] apart, in microseconds.
    fn echo(&mut self, times: usize) -> Result<Vec<f64>>;

    /// From nothing to the first byte of an answer: a new connection, or a new session or pipe on
    /// the link that stands.
    fn connect(&mut self) -> Result<Duration>;

    /// A new session on the link that stands, until it is proved at both ends; `None` where there
    /// are no sessions.
    fn shake_hands(&mut self) -> Result<Option<Duration>> {
        Ok(None)
    }

    /// From a client that has no link yet to the first byte of an answer; `None` where
    /// [`Way::connect`] does just that.
    fn connect_cold(&mut self) -> Result<Option<Duration>> {
        Ok(None)
    }
}
