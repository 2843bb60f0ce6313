//! What a node asks of a shim.

use super::{MAX_BYTES, MAX_CHECKPOINT, MAX_MESSAGE, OPTIONAL, Versions, check_length, frame};
use crate::{Offset, ViewerId, WireError, api::Signal, terminal::TerminalSize, wire::Reader};

const WHAT: &str = "message to a shim";

const HELLO: u8 = 0x01;
const READ: u8 = 0x02;
const WRITE: u8 = 0x03;
const RESIZE: u8 = 0x04;
const SIGNAL: u8 = 0x05;
const WAIT: u8 = 0x06;
const ACK: u8 = 0x07;
const CHECKPOINT: u8 = 0x08;

/// A message to a shim. Payloads are borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToShim<'a> {
    /// The first message: the versions that the node speaks. What a later version says after them
    /// is skipped.
    Hello(Versions),
    /// Asks for output.
    Read {
        /// Stands in the answer.
        id: u32,
        /// Where to begin.
        from: Offset,
        /// How much.
        mode: ReadMode,
    },
    /// Types. Answered by WRITTEN once all of it has been handed to the process; input of this
    /// viewer that was applied before is answered and not typed again.
    Write {
        /// Who types.
        viewer: ViewerId,
        /// The number of the input, from 1.
        seq: u64,
        /// Nothing follows: the process reads the end. A terminal has none.
        eof: bool,
        /// At most [`MAX_BYTES`] bytes.
        bytes: &'a [u8],
    },
    /// The terminal has this size now.
    Resize(TerminalSize),
    /// Sends a signal.
    Signal {
        /// Which.
        signal: Signal,
        /// To whom.
        scope: Scope,
        /// When that has not ended the process and all that it has started, they are killed after
        /// so many milliseconds; never if 0.
        kill_after_ms: u32,
    },
    /// Asks to be told EXITED, at once if the process has ended.
    Wait,
    /// Something was taken note of.
    Ack(Ack),
    /// Keeps a state of the terminal, in place of the one kept before; without one, asks for it.
    Checkpoint(Option<(Offset, &'a [u8])>),
    /// A message of a type ≥ 0x80 that this version doesn't know; its body is dropped.
    Ignored(u8),
}

/// How much output is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadMode {
    /// One OUTPUT with at most so many bytes, which has none at the end of the log.
    Once(u32),
    /// OUTPUT from there on for as long as this connection lasts; one such READ takes the place of
    /// the one before.
    Follow,
    /// The same; and pipes are not read further than so many bytes beyond what was acknowledged.
    /// The process waits meanwhile. Terminals never wait.
    Hold(u32),
}

/// To whom a signal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The group of the process, and the group in the foreground of its terminal.
    Group,
    /// The process and everything that it has started.
    All,
}

/// What was taken note of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ack {
    /// Output up to here is dealt with.
    Output(Offset),
    /// How the process ended is known, and nobody will ask for its output: the shim ends, and
    /// leaves nothing behind.
    Exit,
}

impl<'a> ToShim<'a> {
    /// Appends the message with its length to `out`.
    ///
    /// # Errors
    /// [`WireError`] when a body breaks the bounds that its decoder enforces; `out` is then as it
    /// was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match *self {
            Self::Hello(versions) => frame(out, HELLO, WHAT, |out| {
                versions.write(out);
                Ok(())
            }),
            Self::Read { id, from, mode } => frame(out, READ, WHAT, |out| {
                let (kind, amount) = match mode {
                    ReadMode::Once(limit) => (0, limit),
                    ReadMode::Follow => (1, 0),
                    ReadMode::Hold(ahead) => (2, ahead),
                };
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(&from.0.to_be_bytes());
                out.push(kind);
                out.extend_from_slice(&amount.to_be_bytes());
                Ok(())
            }),
            Self::Write { viewer, seq, eof, bytes } => frame(out, WRITE, WHAT, |out| {
                check_seq(seq)?;
                check_length(bytes.len(), WHAT, MAX_BYTES)?;
                out.extend_from_slice(viewer.as_bytes());
                out.extend_from_slice(&seq.to_be_bytes());
                out.push(u8::from(eof));
                out.extend_from_slice(bytes);
                Ok(())
            }),
            Self::Resize(size) => frame(out, RESIZE, WHAT, |out| {
                size.write(out);
                Ok(())
            }),
            Self::Signal { signal, scope, kill_after_ms } => frame(out, SIGNAL, WHAT, |out| {
                let scope = match scope {
                    Scope::Group => 0,
                    Scope::All => 1,
                };
                out.extend_from_slice(&[code_of(signal), scope]);
                out.extend_from_slice(&kill_after_ms.to_be_bytes());
                Ok(())
            }),
            Self::Wait => frame(out, WAIT, WHAT, |_| Ok(())),
            Self::Ack(ack) => frame(out, ACK, WHAT, |out| {
                match ack {
                    Ack::Output(offset) => {
                        out.push(0);
                        out.extend_from_slice(&offset.0.to_be_bytes());
                    }
                    Ack::Exit => out.push(1),
                }
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
                reader.take_rest();
                Self::Hello(versions)
            }
            READ => {
                let (id, from) = (reader.u32()?, Offset(reader.u64()?));
                let mode = match (reader.u8()?, reader.u32()?) {
                    (0, limit) => ReadMode::Once(limit),
                    (1, 0) => ReadMode::Follow,
                    (2, ahead) => ReadMode::Hold(ahead),
                    _ => return Err(WireError::invalid(WHAT, "it has an unknown way to read")),
                };
                Self::Read { id, from, mode }
            }
            WRITE => {
                let viewer = ViewerId::from_bytes(reader.array()?);
                let seq = reader.u64()?;
                check_seq(seq)?;
                let eof = read_bool(&mut reader)?;
                let bytes = reader.take_rest();
                check_length(bytes.len(), WHAT, MAX_BYTES)?;
                Self::Write { viewer, seq, eof, bytes }
            }
            RESIZE => Self::Resize(TerminalSize::read(&mut reader)?),
            SIGNAL => {
                let signal = signal_of(reader.u8()?)?;
                let scope = match reader.u8()? {
                    0 => Scope::Group,
                    1 => Scope::All,
                    _ => return Err(WireError::invalid(WHAT, "it has an unknown scope")),
                };
                Self::Signal { signal, scope, kill_after_ms: reader.u32()? }
            }
            WAIT => Self::Wait,
            ACK => Self::Ack(match reader.u8()? {
                0 => Ack::Output(Offset(reader.u64()?)),
                1 => Ack::Exit,
                _ => return Err(WireError::invalid(WHAT, "it acknowledges something unknown")),
            }),
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
            kind @ (0x00 | 0x09..OPTIONAL) => {
                return Err(WireError::UnknownType { what: WHAT, kind });
            }
        };
        reader.finish()?;
        Ok(message)
    }
}

/// Input is counted from 1, so that 0 can say that none was applied yet.
const fn check_seq(seq: u64) -> Result<(), WireError> {
    if seq == 0 {
        return Err(WireError::invalid(WHAT, "its number is 0, the first is 1"));
    }
    Ok(())
}

fn read_bool(reader: &mut Reader<'_>) -> Result<bool, WireError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::invalid(WHAT, "a flag is neither 0 nor 1")),
    }
}

/// Not the system's numbers, which differ.
const fn code_of(signal: Signal) -> u8 {
    match signal {
        Signal::Hup => 1,
        Signal::Int => 2,
        Signal::Quit => 3,
        Signal::Kill => 4,
        Signal::Usr1 => 5,
        Signal::Usr2 => 6,
        Signal::Term => 7,
        Signal::Cont => 8,
        Signal::Stop => 9,
        Signal::Tstp => 10,
        Signal::Winch => 11,
    }
}

const fn signal_of(code: u8) -> Result<Signal, WireError> {
    Ok(match code {
        1 => Signal::Hup,
        2 => Signal::Int,
        3 => Signal::Quit,
        4 => Signal::Kill,
        5 => Signal::Usr1,
        6 => Signal::Usr2,
        7 => Signal::Term,
        8 => Signal::Cont,
        9 => Signal::Stop,
        10 => Signal::Tstp,
        11 => Signal::Winch,
        _ => return Err(WireError::invalid(WHAT, "it has an unknown signal")),
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*, sample::select};

    use super::*;
    use crate::shim::Frames;

    fn bytes(message: &ToShim<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(&mut out).unwrap();
        out
    }

    fn viewer() -> ViewerId {
        ViewerId::from_bytes([0xaa; 16])
    }

    #[test]
    fn a_shim_of_today_is_understood_for_ever() {
        let size = TerminalSize::new(80, 24).unwrap();
        let signal = |signal, scope, kill_after_ms| ToShim::Signal { signal, scope, kill_after_ms };
        let read = |mode| ToShim::Read { id: 5, from: Offset(0x0102), mode };
        let write = ToShim::Write { viewer: viewer(), seq: 3, eof: true, bytes: b"hi" };
        let golden: [(ToShim<'_>, &str); 14] = [
            (ToShim::Hello(Versions { oldest: 1, newest: 2 }), "00000003 01 01 02"),
            (read(ReadMode::Once(9)), "00000012 02 00000005 0000000000000102 00 00000009"),
            (read(ReadMode::Follow), "00000012 02 00000005 0000000000000102 01 00000000"),
            (read(ReadMode::Hold(7)), "00000012 02 00000005 0000000000000102 02 00000007"),
            (write, "0000001c 03 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0000000000000003 01 6869"),
            (ToShim::Resize(size), "00000005 04 0050 0018"),
            (signal(Signal::Term, Scope::Group, 10_000), "00000007 05 07 00 00002710"),
            (signal(Signal::Kill, Scope::All, 0), "00000007 05 04 01 00000000"),
            (ToShim::Wait, "00000001 06"),
            (ToShim::Ack(Ack::Output(Offset(1))), "0000000a 07 00 0000000000000001"),
            (ToShim::Ack(Ack::Exit), "00000002 07 01"),
            (ToShim::Checkpoint(None), "00000001 08"),
            (ToShim::Checkpoint(Some((Offset(4), b"s"))), "0000000a 08 0000000000000004 73"),
            (ToShim::Ignored(0x91), "00000001 91"),
        ];
        for (message, hex) in golden {
            let hex = hex.replace(' ', "");
            let expected = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            assert_eq!(bytes(&message), expected, "{message:?}");
            assert_eq!(ToShim::decode(&expected[4..]), Ok(message));
        }
    }

    #[test]
    fn a_hello_of_a_later_version_is_still_a_hello() {
        let hello = ToShim::decode(&[HELLO, 2, 9, 1, 2, 3]);
        assert_eq!(hello, Ok(ToShim::Hello(Versions { oldest: 2, newest: 9 })));
        let versions = |oldest, newest| Versions { oldest, newest };
        assert_eq!(versions(1, 1).common(versions(1, 4)), Some(1));
        assert_eq!(versions(1, 3).common(versions(2, 9)), Some(3));
        assert_eq!(versions(1, 1).common(versions(2, 9)), None);
        assert_eq!(versions(2, 9).common(versions(1, 1)), None);
    }

    #[test]
    fn every_signal_arrives_as_itself() {
        let mut seen = 0;
        for code in 0..=u8::MAX {
            if let Ok(signal) = signal_of(code) {
                assert_eq!(code_of(signal), code);
                seen += 1;
            }
        }
        assert_eq!(seen, 11);
    }

    #[test]
    fn what_is_too_long_is_neither_sent_nor_taken() {
        let long = vec![0; MAX_CHECKPOINT + 1];
        let too_long = [
            ToShim::Write { viewer: viewer(), seq: 1, eof: false, bytes: &long[..MAX_BYTES + 1] },
            ToShim::Checkpoint(Some((Offset(0), &long))),
        ];
        for message in too_long {
            let mut out = vec![7];
            assert!(message.encode(&mut out).is_err());
            assert_eq!(out, [7], "something was left behind");
        }
        let longest = ToShim::Checkpoint(Some((Offset(0), &long[1..])));
        assert_eq!(ToShim::decode(&bytes(&longest)[4..]), Ok(longest));
    }

    fn signals() -> impl Strategy<Value = Signal> {
        (1..=11u8).prop_map(|code| signal_of(code).unwrap())
    }

    proptest! {
        #[test]
        fn messages_arrive_as_they_were_sent(
            numbers: (u32, u64, u32, u8),
            text in vec(any::<u8>(), 0..40),
            flag: bool,
            size in option::of((1..=1000u16, 1..=1000u16)),
            signal in signals(),
            which in select((0..9).collect::<Vec<_>>()),
        ) {
            let (id, number, amount, kind) = numbers;
            let scope = if flag { Scope::All } else { Scope::Group };
            let sent = match which {
                0 => ToShim::Hello(Versions { oldest: kind, newest: 1 }),
                1 => ToShim::Read { id, from: Offset(number), mode: ReadMode::Once(amount) },
                2 => ToShim::Read { id, from: Offset(number), mode: ReadMode::Hold(amount) },
                3 => ToShim::Write { viewer: viewer(), seq: number.max(1), eof: flag, bytes: &text },
                4 => match size {
                    Some((cols, rows)) => ToShim::Resize(TerminalSize::new(cols, rows).unwrap()),
                    None => ToShim::Wait,
                },
                5 => ToShim::Signal { signal, scope, kill_after_ms: amount },
                6 => ToShim::Ack(if flag { Ack::Exit } else { Ack::Output(Offset(number)) }),
                7 => ToShim::Checkpoint(flag.then_some((Offset(number), &text))),
                _ => ToShim::Ignored(kind | 0x80),
            };
            let bytes = bytes(&sent);
            let mut frames = Frames::new(&bytes);
            let message = frames.next_message().unwrap().unwrap();
            prop_assert_eq!(frames.taken(), bytes.len());
            prop_assert_eq!(ToShim::decode(message), Ok(sent));
        }

        #[test]
        fn any_bytes_are_one_message_or_an_error(message in vec(any::<u8>(), 0..64)) {
            if let Ok(read) = ToShim::decode(&message) {
                let again = bytes(&read);
                prop_assert_eq!(ToShim::decode(&again[4..]), Ok(read));
            }
        }
    }
}
