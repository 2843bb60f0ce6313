//! What a viewer is shown who was not there from the beginning. Today the end of what was written,
//! replayed into an empty terminal: exact for programs that print lines, and for programs that draw
//! from their next full drawing on. A terminal-state parser will take its place behind [`snapshot`].

use gantline_protocol::{Offset, terminal::Position};

use super::log::{Log, Read};

/// How much is replayed, in bytes.
const REPLAYED: u64 = 256 * 1024;
/// How far to look for the beginning of a line.
const LINE: usize = 4096;

/// A screen: bytes that draw it on an empty terminal, and the position after which it shows.
pub async fn snapshot(log: &Log) -> (Position, Vec<u8>) {
    let end = log.end();
    let mut at = Offset(end.0.saturating_sub(REPLAYED));
    let mut screen = Vec::new();
    let mut is_cut = at.0 > 0;
    while at < end {
        let limit = usize::try_from(end.0 - at.0).unwrap_or(usize::MAX);
        match log.read(at, limit).await {
            Read::Bytes(bytes) => {
                at = Offset(at.0 + bytes.len() as u64);
                screen.extend_from_slice(&bytes);
            }
            Read::Gap { to, .. } => {
                at = to;
                screen.clear();
                is_cut = true;
            }
            Read::End => break,
        }
    }
    if is_cut {
        let line = screen.iter().take(LINE).position(|byte| *byte == b'\n');
        screen.drain(..line.map_or(0, |line| line + 1));
    }
    (Position { epoch: log.epoch(), offset: at }, screen)
}
