//! What a shim tells a node.

use super::{
    LENGTH, MAX_BYTES, MAX_CHECKPOINT, MAX_MARKS, MAX_MESSAGE, MAX_VIEWERS, OPTIONAL, Versions,
    check_length, frame,
};
use crate::{
    Epoch, Offset, Timestamp, ViewerId, WireError, api::ExitStatus, terminal::TerminalSize,
    wire::Reader,
};

const WHAT: &str = "message from a shim";

const HELLO: u8 = 0x11;
const OUTPUT: u8 = 0x12;
const WRITTEN: u8 = 0x13;
const EXITED: u8 = 0x16;
const CHECKPOINT: u8 = 0x18;

/// What stands before the marks of an OUTPUT: type, id, place, what is kept, how many marks.
const OUTPUT_HEADER: usize = 1 + 4 + 8 + 8 + 2;
/// A mark: offset, kind, value.
const MARK: usize = 8 + 1 + 8;

/// A message from a shim. Payloads are borrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromShim<'a> {
    /// Answers HELLO.
    Hello(Greeting),
    /// The shim speaks none of the versions of the node, but these; what else it says is not for
    /// this version to read.
    OtherVersion(Versions),
    /// Answers READ.
    Output(Output<'a>),
    /// All input of this viewer up to this number was typed, once.
    Written {
        /// Who typed.
        viewer: ViewerId,
        /// The number of its last input that was applied.
        seq: u64,
    },
    /// Answers WAIT, when the process has ended and its last output is in the log.
    Exited(Ended),
    /// Answers a CHECKPOINT that asks: what is kept, if anything is.
    Checkpoint(Option<(Offset, &'a [u8])>),
    /// A message of a type ≥ 0x80 that this version doesn't know; its body is dropped.
    Ignored(u8),
}

/// What a shim has to say of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// What it speaks.
    pub versions: Versions,
    /// The life of the process that it holds.
    pub epoch: Epoch,
    /// The process id of the process.
    pub pid: u32,
    /// The first byte of output that is kept.
    pub kept: Offset,
    /// Where the output ends.
    pub end: Offset,
    /// The size of the terminal; none if the process has pipes.
    pub size: Option<TerminalSize>,
    /// The number of the last input that was applied, for at most [`MAX_VIEWERS`] viewers; who
    /// typed last is last.
    pub applied: Vec<(ViewerId, u64)>,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output<'a> {
    /// The number of the READ that it answers.
    pub id: u32,
    /// Where it is.
    pub from: Offset,
    /// The first byte of output that is kept now.
    pub kept: Offset,
    /// What was noted, in order, up to and including its end; with the first OUTPUT that follows a
    /// log also what was noted before its place. When there is a [`MarkKind::Gap`], there are no
    /// bytes.
    pub marks: Vec<Mark>,
    /// At most [`MAX_BYTES`] bytes.
    pub bytes: &'a [u8],
}

/// Something that was noted at a place in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The first byte that it is about.
    pub offset: Offset,
    /// What it is.
    pub kind: MarkKind,
}

/// What was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// From here on the terminal has this size.
    Resize(TerminalSize),
    /// From here on it is standard output.
    Stdout,
    /// From here on it is standard error.
    Stderr,
    /// From here up to there nothing is kept.
    Gap(Offset),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Where its output ended.
    pub end: Offset,
    /// How; `None` when the system did not say.
    pub how: Option<ExitStatus>,
}

impl<'a> FromShim<'a> {
    /// Appends the message with its length to `out`.
    ///
    /// # Errors
    /// [`WireError`] when a body breaks the bounds that its decoder enforces; `out` is then as it
    /// was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            Self::Hello(greeting) => frame(out, HELLO, WHAT, |out| greeting.write(out)),
            Self::OtherVersion(versions) => frame(out, HELLO, WHAT, |out| {
                versions.write(out);
                Ok(())
            }),
            Self::Output(output) => {
                check_length(output.marks.len(), WHAT, MAX_MARKS)?;
                check_length(output.bytes.len(), WHAT, MAX_BYTES)?;
                let Output { id, from, kept, marks, bytes } = output;
                output_header(out, *id, *from, *kept, marks, bytes.len());
                out.extend_from_slice(bytes);
                Ok(())
            }
            Self::Written { viewer, seq } => frame(out, WRITTEN, WHAT, |out| {
                out.extend_from_slice(viewer.as_bytes());
                out.extend_from_slice(&seq.to_be_bytes());
                Ok(())
            }),
            Self::Exited(ended) => frame(out, EXITED, WHAT, |out| {
                let (kind, value) = match ended.how {
                    None => (0, 0),
                    Some(ExitStatus::Code(code)) => (1, code),
                    Some(ExitStatus::Signal(signal)) => (2, signal),
                };
                out.extend_from_slice(&ended.at.as_millis().to_be_bytes());
                out.extend_from_slice(&ended.end.0.to_be_bytes());
                out.push(kind);
                out.extend_from_slice(&value.to_be_bytes());
                Ok(())
            }),
            Self::Checkpoint(state) => frame(out, CHECKPOINT, WHAT, |out| {
                if let Some((offset, bytes)) = state {
                    check_length(bytes.len(), WHAT, MAX_CHECKPOINT)?;
                    out.extend_from_slice(&offset.0.to_be_bytes());
                    out.extend_from_slice(bytes);
                }
                Ok(())
            }),
            Self::Ignored(kind) => frame(out, kind | OPTIONAL, WHAT, |_| Ok(())),
        }
    }

    /// Reads one message without its length.
    ///
    /// # Errors
    /// [`WireError::UnknownType`] for a type below 0x80 that isn't known, [`WireError`] for a body
    /// that is cut short, too long or out of bounds.
    pub fn decode(message: &'a [u8]) -> Result<Self, WireError> {
        check_length(message.len(), WHAT, MAX_MESSAGE)?;
        let mut reader = Reader::new(message, WHAT);
        let message = match reader.u8()? {
            HELLO => {
                let versions = Versions::read(&mut reader)?;
                match versions.common(Versions::OURS) {
                    Some(_) => Self::Hello(Greeting::read(versions, &mut reader)?),
                    None => {
                        reader.take_rest();
                        Self::OtherVersion(versions)
                    }
                }
            }
            OUTPUT => Self::Output(Output::read(&mut reader)?),
            WRITTEN => {
                Self::Written { viewer: ViewerId::from_bytes(reader.array()?), seq: reader.u64()? }
            }
            EXITED => {
                let (at, end) = (Timestamp::from_millis(reader.u64()?), Offset(reader.u64()?));
                let how = match (reader.u8()?, i32::from_be_bytes(reader.array()?)) {
                    (0, 0) => None,
                    (1, code) => Some(ExitStatus::Code(code)),
                    (2, signal) => Some(ExitStatus::Signal(signal)),
                    _ => return Err(WireError::invalid(WHAT, "it ended in an unknown way")),
                };
                Self::Exited(Ended { at, end, how })
            }
            CHECKPOINT if reader.remaining() == 0 => Self::Checkpoint(None),
            CHECKPOINT => {
                let offset = Offset(reader.u64()?);
                let bytes = reader.take_rest();
                check_length(bytes.len(), WHAT, MAX_CHECKPOINT)?;
                Self::Checkpoint(Some((offset, bytes)))
            }
            kind @ OPTIONAL.. => {
                reader.take_rest();
                Self::Ignored(kind)
            }
            kind @ (0x00..HELLO | 0x14..EXITED | 0x17 | 0x19..OPTIONAL) => {
                return Err(WireError::UnknownType { what: WHAT, kind });
            }
        };
        reader.finish()?;
        Ok(message)
    }
}

impl Greeting {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        check_length(self.applied.len(), WHAT, MAX_VIEWERS)?;
        if self.versions.common(Versions::OURS).is_none() {
            return Err(WireError::invalid(WHAT, "it is of another version"));
        }
        self.versions.write(out);
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        out.extend_from_slice(&self.pid.to_be_bytes());
        out.extend_from_slice(&self.kept.0.to_be_bytes());
        out.extend_from_slice(&self.end.0.to_be_bytes());
        match self.size {
            Some(size) => size.write(out),
            None => out.extend_from_slice(&[0; 4]),
        }
        for (viewer, seq) in &self.applied {
            out.extend_from_slice(viewer.as_bytes());
            out.extend_from_slice(&seq.to_be_bytes());
        }
        Ok(())
    }

    fn read(versions: Versions, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        const APPLIED: usize = 24;
        let epoch = Epoch(reader.u64()?);
        let pid = reader.u32()?;
        let (kept, end) = (Offset(reader.u64()?), Offset(reader.u64()?));
        let size = match reader.array::<4>()? {
            [0, 0, 0, 0] => None,
            bytes => Some(TerminalSize::read(&mut Reader::new(&bytes, WHAT))?),
        };
        check_length(reader.remaining(), WHAT, MAX_VIEWERS * APPLIED)?;
        let mut applied = Vec::with_capacity(reader.remaining() / APPLIED);
        while reader.remaining() > 0 {
            applied.push((ViewerId::from_bytes(reader.array()?), reader.u64()?));
        }
        Ok(Self { versions, epoch, pid, kept, end, size, applied })
    }
}

impl<'a> Output<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let id = reader.u32()?;
        let (from, kept) = (Offset(reader.u64()?), Offset(reader.u64()?));
        let count = usize::from(reader.u16()?);
        check_length(count, WHAT, MAX_MARKS)?;
        check_length(count * MARK, WHAT, reader.remaining())?;
        let mut marks = Vec::with_capacity(count);
        for _ in 0..count {
            marks.push(Mark::read(reader)?);
        }
        let bytes = reader.take_rest();
        check_length(bytes.len(), WHAT, MAX_BYTES)?;
        if from.0.checked_add(bytes.len() as u64).is_none() {
            return Err(WireError::invalid(WHAT, "its output ends nowhere"));
        }
        Ok(Self { id, from, kept, marks, bytes })
    }
}

impl Mark {
    fn write(self, out: &mut Vec<u8>) {
        let (kind, value) = match self.kind {
            MarkKind::Resize(size) => (1, u64::from(size.cols()) << 16 | u64::from(size.rows())),
            MarkKind::Stdout => (2, 0),
            MarkKind::Stderr => (3, 0),
            MarkKind::Gap(to) => (4, to.0),
        };
        out.extend_from_slice(&self.offset.0.to_be_bytes());
        out.push(kind);
        out.extend_from_slice(&value.to_be_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let offset = Offset(reader.u64()?);
        let kind = match (reader.u8()?, reader.array::<8>()?) {
            (1, [0, 0, 0, 0, a, b, c, d]) => {
                MarkKind::Resize(TerminalSize::read(&mut Reader::new(&[a, b, c, d], WHAT))?)
            }
            (2, [0, 0, 0, 0, 0, 0, 0, 0]) => MarkKind::Stdout,
            (3, [0, 0, 0, 0, 0, 0, 0, 0]) => MarkKind::Stderr,
            (4, to) if u64::from_be_bytes(to) > offset.0 => {
                MarkKind::Gap(Offset(u64::from_be_bytes(to)))
            }
            _ => return Err(WireError::invalid(WHAT, "it has an unknown mark")),
        };
        Ok(Self { offset, kind })
    }
}

/// Appends the beginning of an OUTPUT, after which `length` bytes of output are to follow. The
/// bounds of marks and bytes are the caller's to keep.
pub fn output_header(
    out: &mut Vec<u8>,
    id: u32,
    from: Offset,
    kept: Offset,
    marks: &[Mark],
    length: usize,
) {
    let whole = OUTPUT_HEADER + marks.len() * MARK + length;
    out.reserve(LENGTH + whole - length);
    out.extend_from_slice(&u32::try_from(whole).unwrap_or(u32::MAX).to_be_bytes());
    out.push(OUTPUT);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&from.0.to_be_bytes());
    out.extend_from_slice(&kept.0.to_be_bytes());
    out.extend_from_slice(&u16::try_from(marks.len()).unwrap_or(u16::MAX).to_be_bytes());
    for mark in marks {
        mark.write(out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::shim::Frames;

    fn bytes(message: &FromShim<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(&mut out).unwrap();
        out
    }

    fn viewer() -> ViewerId {
        ViewerId::from_bytes([0xbb; 16])
    }

    fn greeting() -> Greeting {
        Greeting {
            versions: Versions { oldest: 1, newest: 1 },
            epoch: Epoch(0x0a0b),
            pid: 42,
            kept: Offset(1),
            end: Offset(2),
            size: Some(TerminalSize::STANDARD),
            applied: vec![(viewer(), 7)],
        }
    }

    #[test]
    fn a_shim_of_today_is_understood_for_ever() {
        let mark = |offset, kind| Mark { offset: Offset(offset), kind };
        let output = Output {
            id: 5,
            from: Offset(0x10),
            kept: Offset(2),
            marks: vec![
                mark(0x10, MarkKind::Stdout),
                mark(0x11, MarkKind::Resize(TerminalSize::STANDARD)),
            ],
            bytes: b"hi",
        };
        let gap = Output {
            id: 6,
            from: Offset(1),
            kept: Offset(9),
            marks: vec![mark(1, MarkKind::Gap(Offset(9)))],
            bytes: &[],
        };
        let exited = |how| {
            let (at, end) = (Timestamp::from_millis(0x0100), Offset(9));
            FromShim::Exited(Ended { at, end, how })
        };
        let golden: [(FromShim<'_>, &str); 12] = [
            (
                FromShim::Hello(greeting()),
                "0000003b 11 01 01 0000000000000a0b 0000002a 0000000000000001 0000000000000002 \
                 0050 0018 bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 0000000000000007",
            ),
            (
                FromShim::Hello(Greeting { size: None, applied: vec![], ..greeting() }),
                "00000023 11 01 01 0000000000000a0b 0000002a 0000000000000001 0000000000000002 \
                 0000 0000",
            ),
            (FromShim::OtherVersion(Versions { oldest: 2, newest: 3 }), "00000003 11 02 03"),
            (
                FromShim::Output(output),
                "0000003b 12 00000005 0000000000000010 0000000000000002 0002 \
                 0000000000000010 02 0000000000000000 \
                 0000000000000011 01 0000000000500018 6869",
            ),
            (
                FromShim::Output(gap),
                "00000028 12 00000006 0000000000000001 0000000000000009 0001 \
                 0000000000000001 04 0000000000000009",
            ),
            (
                FromShim::Written { viewer: viewer(), seq: 7 },
                "00000019 13 bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 0000000000000007",
            ),
            (exited(None), "00000016 16 0000000000000100 0000000000000009 00 00000000"),
            (
                exited(Some(ExitStatus::Code(-2))),
                "00000016 16 0000000000000100 0000000000000009 01 fffffffe",
            ),
            (
                exited(Some(ExitStatus::Signal(9))),
                "00000016 16 0000000000000100 0000000000000009 02 00000009",
            ),
            (FromShim::Checkpoint(None), "00000001 18"),
            (FromShim::Checkpoint(Some((Offset(4), b"s"))), "0000000a 18 0000000000000004 73"),
            (FromShim::Ignored(0x91), "00000001 91"),
        ];
        for (message, hex) in golden {
            let hex = hex.replace(' ', "");
            let expected = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            let written = data_encoding::HEXLOWER.encode(&bytes(&message));
            assert_eq!(written, hex, "{message:?}");
            assert_eq!(FromShim::decode(&expected[4..]), Ok(message));
        }
    }

    #[test]
    fn a_shim_of_the_future_is_told_apart_whatever_its_hello_says() {
        let hello = FromShim::decode(&[HELLO, 2, 3, 0xff, 0xff]);
        assert_eq!(hello, Ok(FromShim::OtherVersion(Versions { oldest: 2, newest: 3 })));
    }

    #[test]
    fn a_count_of_marks_that_are_not_there_costs_no_memory() {
        let mut lying = bytes(&FromShim::Output(Output {
            id: 0,
            from: Offset(0),
            kept: Offset(0),
            marks: vec![],
            bytes: b"x",
        }));
        lying[4 + OUTPUT_HEADER - 2..4 + OUTPUT_HEADER].copy_from_slice(&2000u16.to_be_bytes());
        assert!(matches!(FromShim::decode(&lying[4..]), Err(WireError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn output_arrives_as_it_was_sent(
            numbers: (u32, u32, u64),
            marks in vec((any::<u32>(), 0..4u8, 1..=1000u16, 1..=1000u16), 0..20),
            text in vec(any::<u8>(), 0..60),
        ) {
            let marks = marks.into_iter().map(|(offset, kind, cols, rows)| {
                let kind = match kind {
                    0 => MarkKind::Stdout,
                    1 => MarkKind::Stderr,
                    2 => MarkKind::Gap(Offset(u64::from(offset) + u64::from(cols))),
                    _ => MarkKind::Resize(TerminalSize::new(cols, rows).unwrap()),
                };
                Mark { offset: Offset(offset.into()), kind }
            });
            let (id, from, kept) = numbers;
            let (from, kept) = (Offset(from.into()), Offset(kept));
            let output = Output { id, from, kept, marks: marks.collect(), bytes: &text };
            let sent = FromShim::Output(output);
            let bytes = bytes(&sent);
            let message = Frames::new(&bytes).next_message().unwrap().unwrap();
            prop_assert_eq!(FromShim::decode(message), Ok(sent));
        }

        #[test]
        fn any_bytes_are_one_message_or_an_error(message in vec(any::<u8>(), 0..128)) {
            if let Ok(read) = FromShim::decode(&message) {
                let again = bytes(&read);
                prop_assert_eq!(FromShim::decode(&again[4..]), Ok(read));
            }
        }

        #[test]
        fn any_body_of_a_known_type_is_one_message_or_an_error(
            kind in proptest::sample::select(vec![HELLO, OUTPUT, WRITTEN, EXITED, CHECKPOINT]),
            body in vec(any::<u8>(), 0..128),
        ) {
            let message = [&[kind], &*body].concat();
            if let Ok(read) = FromShim::decode(&message)
                && !matches!(read, FromShim::OtherVersion(_))
            {
                prop_assert_eq!(&bytes(&read)[4..], &message);
            }
        }
    }
}
