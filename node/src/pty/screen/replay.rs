//! The screen without a parser: the end of what was written, replayed into an empty terminal. It is
//! exact for programs that print lines, and for others from their next full drawing on.

use gantline_protocol::Offset;

use crate::pty::log::{Log, Read};

/// How much is replayed, in bytes.
const REPLAYED: u64 = 256 * 1024;
/// How far to look for the beginning of a line.
pub(super) const LINE: usize = 4096;

/// Bytes that draw something like the screen, and the place after which it shows.
pub(super) async fn end_of(log: &Log) -> (Offset, Vec<u8>) {
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
        screen.drain(..after_line(&screen));
    }
    (at, screen)
}

/// Where a line begins, if one does soon.
pub(super) fn after_line(bytes: &[u8]) -> usize {
    bytes.iter().take(LINE).position(|byte| *byte == b'\n').map_or(0, |line| line + 1)
}
