//! The messages of the duplex endpoint `/v1/agents/{id}/terminal`, each `type u8 | body`. On a
//! WebSocket one binary message carries one of them; on a session stream [`stream`] says where
//! each ends. Both directions have types of their own, so that a message sent the wrong way is
//! an error.

pub mod node;
pub mod size;
pub mod stream;
pub mod viewer;

pub use node::{NodeMessage, Snapshot, output_header, snapshot_parts};
pub use size::TerminalSize;
pub use stream::Deframer;
pub use viewer::{Attach, ViewerMessage, ViewerMode};

use crate::{Epoch, Offset, WireError, wire::Reader};

/// The most terminal bytes that one INPUT, OUTPUT or SNAPSHOT carries.
pub const MAX_PAYLOAD: usize = 65_536;
/// The greatest message, type byte included, of known and unknown type alike: the greatest
/// payload and 64 bytes for whatever stands before it.
pub const MAX_MESSAGE: usize = MAX_PAYLOAD + 64;
/// Output that a viewer may have shown before it says so, in bytes: what it has not acknowledged may be
/// less than this and shown all the same.
pub const ACK_STEP: u64 = 32 * 1024;

/// Types from here on are skipped by whoever doesn't know them.
const OPTIONAL: u8 = 0x80;

/// Somewhere in the output of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The life of the agent's process that wrote the output.
    pub epoch: Epoch,
    /// Bytes of output since that life began.
    pub offset: Offset,
}

impl Position {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { epoch: Epoch(reader.u64()?), offset: Offset(reader.u64()?) })
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        out.extend_from_slice(&self.offset.0.to_be_bytes());
    }
}

fn read_bool(reader: &mut Reader<'_>, what: &'static str) -> Result<bool, WireError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::invalid(what, "a flag is neither 0 nor 1")),
    }
}

fn read_payload<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a [u8], WireError> {
    let bytes = reader.take_rest();
    check_payload(bytes, what)?;
    Ok(bytes)
}

/// Terminal bytes that have a place in the log or in a person's typing: none of them is a mistake.
const fn check_payload(bytes: &[u8], what: &'static str) -> Result<(), WireError> {
    if bytes.is_empty() {
        return Err(WireError::invalid(what, "it carries no bytes"));
    }
    check_length(bytes.len(), what, MAX_PAYLOAD)
}

const fn check_length(length: usize, what: &'static str, limit: usize) -> Result<(), WireError> {
    if length > limit {
        return Err(WireError::TooLong { what, length, limit });
    }
    Ok(())
}

fn read_seq(reader: &mut Reader<'_>, what: &'static str) -> Result<u64, WireError> {
    let seq = reader.u64()?;
    check_seq(seq, what)?;
    Ok(seq)
}

/// Input is counted from 1, so that 0 can say that none was applied yet.
const fn check_seq(seq: u64, what: &'static str) -> Result<(), WireError> {
    if seq == 0 {
        return Err(WireError::invalid(what, "its number is 0, the first is 1"));
    }
    Ok(())
}
