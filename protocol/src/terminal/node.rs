//! What the node tells a viewer.

use super::{
    MAX_MESSAGE, MAX_PAYLOAD, OPTIONAL, Position, TerminalSize, check_length, check_payload,
    check_seq, read_bool, read_payload, read_seq,
    stream::{self, LENGTH},
};
use crate::{Offset, WireError, api::ExitStatus, wire::Reader};

const WHAT: &str = "message from a node";

const ATTACHED: u8 = 0x11;
const SNAPSHOT: u8 = 0x12;
const OUTPUT: u8 = 0x13;
const SKIPPED: u8 = 0x14;
const SIZE: u8 = 0x15;
const INPUT_ACK: u8 = 0x16;
const EXITED: u8 = 0x17;

/// What stands before the bytes of an OUTPUT: type and offset.
const OUTPUT_HEADER: usize = 9;
/// The only flag of a SNAPSHOT.
const LAST: u8 = 0x01;

/// A message from the node to a viewer. Payloads are borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeMessage<'a> {
    /// Answers ATTACH, and comes again whenever the agent's process was started anew.
    Attached {
        /// Where OUTPUT goes on. Unless it is the position that the viewer named, a SNAPSHOT of
        /// this position comes first; and before it a SKIPPED, if it is a later one of the epoch
        /// that the viewer named.
        position: Position,
        /// Whether this viewer is the driver.
        driver: bool,
        /// The size of the PTY.
        size: TerminalSize,
        /// The number of this viewer's last INPUT that was applied in this epoch, 0 when none was.
        /// If the epoch is the one that the viewer knew, it sends again what came after; if not,
        /// it drops what was not acknowledged, which was meant for another process.
        applied: u64,
    },
    /// The screen, or a part of it.
    Snapshot(Snapshot<'a>),
    /// Bytes of the log, exactly as the PTY gave them.
    Output {
        /// Where the first of the bytes is.
        offset: Offset,
        /// 1 to [`MAX_PAYLOAD`] bytes.
        bytes: &'a [u8],
    },
    /// Output that this viewer does not get: it was too far behind, or the log keeps it no longer.
    /// A SNAPSHOT at `to` follows.
    Skipped {
        /// The first byte left out.
        from: Offset,
        /// The first byte after those left out, above `from`.
        to: Offset,
    },
    /// The size of the PTY or the driver changed.
    Size {
        /// The size of the PTY now.
        size: TerminalSize,
        /// Whether this viewer is the driver now.
        driver: bool,
    },
    /// All INPUT of this viewer up to this number was applied, once.
    InputAck {
        /// From 1.
        seq: u64,
    },
    /// The agent's process ended, after all its OUTPUT. `None`: it is lost, nobody saw how it
    /// ended.
    Exited(Option<ExitStatus>),
    /// A message of a type ≥ 0x80 that this version doesn't know; its body is dropped.
    Ignored(u8),
}

/// A part of a screen: bytes that, written to an empty terminal of the given size, draw it. The
/// parts of one snapshot agree in all but bytes and `last` and follow each other directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// The screen is the one after the output before this position; OUTPUT goes on from here.
    pub position: Position,
    /// The size that the screen has.
    pub size: TerminalSize,
    /// Whether this is the last part. The viewer shows nothing before it.
    pub last: bool,
    /// At most [`MAX_PAYLOAD`] bytes; an empty screen has none.
    pub bytes: &'a [u8],
}

/// The messages that carry `screen`: one at least, and the last one says so.
pub fn snapshot_parts(
    position: Position,
    size: TerminalSize,
    screen: &[u8],
) -> impl Iterator<Item = NodeMessage<'_>> {
    let mut rest = Some(screen);
    std::iter::from_fn(move || {
        let left = rest?;
        let (bytes, more) = left.split_at_checked(MAX_PAYLOAD).unwrap_or((left, &[]));
        rest = (!more.is_empty()).then_some(more);
        let last = rest.is_none();
        Some(NodeMessage::Snapshot(Snapshot { position, size, last, bytes }))
    })
}

/// What stands before the `length` bytes of an OUTPUT on a session stream; all but the first
/// [`LENGTH`] bytes of it on a WebSocket. It is the same for every viewer, so that all of them
/// can be sent one shared buffer. `length` is within 1 and [`MAX_PAYLOAD`].
#[must_use]
pub fn output_header(offset: Offset, length: usize) -> [u8; LENGTH + OUTPUT_HEADER] {
    debug_assert!((1..=MAX_PAYLOAD).contains(&length), "OUTPUT of {length} bytes");
    let framed = u32::try_from(OUTPUT_HEADER + length).unwrap_or(u32::MAX);
    let [l0, l1, l2, l3] = framed.to_be_bytes();
    let [o0, o1, o2, o3, o4, o5, o6, o7] = offset.0.to_be_bytes();
    [l0, l1, l2, l3, OUTPUT, o0, o1, o2, o3, o4, o5, o6, o7]
}

impl NodeMessage<'_> {
    /// Appends the message to `out`, as a WebSocket carries it.
    ///
    /// # Errors
    /// [`WireError`] for an OUTPUT without bytes, a payload above [`MAX_PAYLOAD`], a SKIPPED that
    /// skips nothing or an INPUT_ACK of 0; `out` is then as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            Self::Attached { position, driver, size, applied } => {
                out.push(ATTACHED);
                position.write(out);
                out.push(u8::from(*driver));
                size.write(out);
                out.extend_from_slice(&applied.to_be_bytes());
            }
            Self::Snapshot(snapshot) => {
                check_length(snapshot.bytes.len(), "SNAPSHOT", MAX_PAYLOAD)?;
                out.push(SNAPSHOT);
                snapshot.position.write(out);
                snapshot.size.write(out);
                out.push(if snapshot.last { LAST } else { 0 });
                out.extend_from_slice(snapshot.bytes);
            }
            Self::Output { offset, bytes } => {
                check_payload(bytes, "OUTPUT")?;
                out.push(OUTPUT);
                out.extend_from_slice(&offset.0.to_be_bytes());
                out.extend_from_slice(bytes);
            }
            Self::Skipped { from, to } => {
                check_gap(*from, *to)?;
                out.push(SKIPPED);
                out.extend_from_slice(&from.0.to_be_bytes());
                out.extend_from_slice(&to.0.to_be_bytes());
            }
            Self::Size { size, driver } => {
                out.push(SIZE);
                size.write(out);
                out.push(u8::from(*driver));
            }
            Self::InputAck { seq } => {
                check_seq(*seq, "INPUT_ACK")?;
                out.push(INPUT_ACK);
                out.extend_from_slice(&seq.to_be_bytes());
            }
            Self::Exited(status) => {
                let (kind, value) = match status {
                    Some(ExitStatus::Code(code)) => (0, *code),
                    Some(ExitStatus::Signal(signal)) => (1, *signal),
                    None => (2, 0),
                };
                out.extend_from_slice(&[EXITED, kind]);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Ignored(kind) => out.push(kind | OPTIONAL),
        }
        Ok(())
    }

    /// Appends the message to `out` with its length in front, as a session stream carries it.
    ///
    /// # Errors
    /// As [`NodeMessage::encode`].
    pub fn encode_framed(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        stream::frame(out, |out| self.encode(out))
    }

    /// Reads one message.
    ///
    /// # Errors
    /// [`WireError::TooLong`] above [`MAX_MESSAGE`] bytes, [`WireError::UnknownType`] for a type
    /// below 0x80 that isn't known or goes the other way, [`WireError`] for a body that is cut
    /// short, too long or out of bounds.
    pub fn decode(bytes: &[u8]) -> Result<NodeMessage<'_>, WireError> {
        check_length(bytes.len(), WHAT, MAX_MESSAGE)?;
        let mut reader = Reader::new(bytes, WHAT);
        let message = match reader.u8()? {
            ATTACHED => NodeMessage::Attached {
                position: Position::read(&mut reader)?,
                driver: read_bool(&mut reader, "ATTACHED")?,
                size: TerminalSize::read(&mut reader)?,
                applied: reader.u64()?,
            },
            SNAPSHOT => NodeMessage::Snapshot(read_snapshot(&mut reader)?),
            OUTPUT => NodeMessage::Output {
                offset: Offset(reader.u64()?),
                bytes: read_payload(&mut reader, "OUTPUT")?,
            },
            SKIPPED => {
                let (from, to) = (Offset(reader.u64()?), Offset(reader.u64()?));
                check_gap(from, to)?;
                NodeMessage::Skipped { from, to }
            }
            SIZE => NodeMessage::Size {
                size: TerminalSize::read(&mut reader)?,
                driver: read_bool(&mut reader, "SIZE")?,
            },
            INPUT_ACK => NodeMessage::InputAck { seq: read_seq(&mut reader, "INPUT_ACK")? },
            EXITED => NodeMessage::Exited(read_exit(&mut reader)?),
            kind @ OPTIONAL.. => {
                reader.take_rest();
                NodeMessage::Ignored(kind)
            }
            kind @ (0x00..=0x10 | 0x18..OPTIONAL) => {
                return Err(WireError::UnknownType { what: WHAT, kind });
            }
        };
        reader.finish()?;
        Ok(message)
    }
}

fn read_snapshot<'a>(reader: &mut Reader<'a>) -> Result<Snapshot<'a>, WireError> {
    let position = Position::read(reader)?;
    let size = TerminalSize::read(reader)?;
    let last = match reader.u8()? {
        0 => false,
        LAST => true,
        _ => return Err(WireError::invalid("SNAPSHOT", "it has unknown flags")),
    };
    let bytes = reader.take_rest();
    check_length(bytes.len(), "SNAPSHOT", MAX_PAYLOAD)?;
    Ok(Snapshot { position, size, last, bytes })
}

fn read_exit(reader: &mut Reader<'_>) -> Result<Option<ExitStatus>, WireError> {
    let kind = reader.u8()?;
    let value = i32::from_be_bytes(reader.array()?);
    match (kind, value) {
        (0, code) => Ok(Some(ExitStatus::Code(code))),
        (1, signal) => Ok(Some(ExitStatus::Signal(signal))),
        (2, 0) => Ok(None),
        _ => Err(WireError::invalid("EXITED", "it says neither code, nor signal, nor lost")),
    }
}

fn check_gap(from: Offset, to: Offset) -> Result<(), WireError> {
    if from >= to {
        return Err(WireError::invalid("SKIPPED", "it skips nothing"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
