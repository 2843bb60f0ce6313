//! How a node hands a command to the shim that it has just started, and hears whether it runs. Both
//! are the same program of the same version, so this is nobody else's business. It is said on the
//! shim's standard input, which then is the node's first connection to it. Nothing of it is in
//! arguments or in the environment, where others could read it.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use gantline_protocol::{
    Epoch, WireError, api::ResourceLimits, terminal::TerminalSize, wire::Reader,
};

use super::log::Limits;
use crate::pty::command::Prepared;

/// The greatest command, in bytes: arguments and environment are 2 MiB each at most, and a node's
/// own environment comes to that.
pub(crate) const MAX: usize = 16 << 20;
/// Bytes of the length in front.
pub(crate) const LENGTH: usize = 4;
const WHAT: &str = "start of a shim";

/// What a shim is to hold.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) epoch: Epoch,
    /// Where the agent's files are.
    pub(crate) dir: PathBuf,
    /// Where the shim is to be reached.
    pub(crate) socket: PathBuf,
    pub(crate) limits: Limits,
    /// The size of the terminal; pipes without one.
    pub(crate) terminal: Option<TerminalSize>,
    /// What the process may use, with all that it starts.
    pub(crate) resources: ResourceLimits,
    /// What the process leaves behind when it ends by itself is asked to end, and killed after so
    /// long; it stays if this is left out.
    pub(crate) rest: Option<Duration>,
    /// Where a cgroup may be made for it, if there is such a place.
    pub(crate) ground: Option<PathBuf>,
    /// Why there is no such place, or why some limits can't be set there.
    pub(crate) lack: Option<String>,
    pub(crate) command: Prepared,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The process runs.
    Started {
        pid: u32,
        /// Why its limits are not enforced, if they are not.
        not_enforced: Option<String>,
    },
    /// The system does not start the process, for the reason of this number.
    NotStarted { errno: i32 },
    /// The shim itself could not do what it is for.
    Failed(String),
}

impl Start {
    /// The message with its length.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; LENGTH];
        put_number(&mut out, self.epoch.0);
        put_number(&mut out, self.limits.memory as u64);
        put_number(&mut out, self.limits.file);
        let (cols, rows) = self.terminal.map_or((0, 0), |size| (size.cols(), size.rows()));
        put_number(&mut out, u64::from(cols) << 16 | u64::from(rows));
        let ResourceLimits { memory_mb, cpu_percent, pids } = self.resources;
        for limit in [memory_mb, cpu_percent, pids] {
            put_number(&mut out, limit.unwrap_or(0).into());
        }
        // One that is 0 would be none.
        let rest = self.rest.map_or(0, |rest| rest.as_millis().max(1));
        put_number(&mut out, u64::try_from(rest).unwrap_or(u64::MAX));
        put_text(&mut out, self.ground.as_deref().unwrap_or(Path::new("")).as_os_str());
        put_text(&mut out, self.lack.as_deref().unwrap_or_default().as_ref());
        put_text(&mut out, self.dir.as_os_str());
        put_text(&mut out, self.socket.as_os_str());
        put_text(&mut out, self.command.program.as_os_str());
        put_text(&mut out, self.command.cwd.as_os_str());
        put_number(&mut out, self.command.arguments.len() as u64);
        for argument in &self.command.arguments {
            put_text(&mut out, argument.as_ref());
        }
        for (name, value) in &self.command.environment {
            put_text(&mut out, name);
            put_text(&mut out, value);
        }
        with_length(out)
    }

    /// Reads the message without its length.
    pub(crate) fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message, WHAT);
        let epoch = Epoch(reader.u64()?);
        let memory = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
        let limits = Limits { memory, file: reader.u64()? };
        let terminal = match (reader.u32()?, reader.u16()?, reader.u16()?) {
            (_, 0, 0) => None,
            (_, cols, rows) => Some(TerminalSize::new(cols, rows)?),
        };
        let mut limit = || Ok(u32::try_from(reader.u64()?).ok().filter(|limit| *limit > 0));
        let (memory_mb, cpu_percent, pids) = (limit()?, limit()?, limit()?);
        let resources = ResourceLimits { memory_mb, cpu_percent, pids };
        let rest = Some(Duration::from_millis(reader.u64()?)).filter(|rest| !rest.is_zero());
        let ground = Some(PathBuf::from(text(&mut reader)?));
        let ground = ground.filter(|ground| !ground.as_os_str().is_empty());
        let lack = text(&mut reader)?.to_string_lossy().into_owned();
        let lack = Some(lack).filter(|lack| !lack.is_empty());
        let dir = text(&mut reader)?.into();
        let socket = text(&mut reader)?.into();
        let (program, cwd) = (text(&mut reader)?.into(), text(&mut reader)?.into());
        let count = reader.u64()?;
        let mut arguments = Vec::new();
        for _ in 0..count {
            let argument = text(&mut reader)?.into_string();
            arguments.push(argument.map_err(|_| invalid("an argument is no text"))?);
        }
        let mut environment = Vec::new();
        while reader.remaining() > 0 {
            environment.push((text(&mut reader)?, text(&mut reader)?));
        }
        let command = Prepared { program, arguments, cwd, environment };
        Ok(Self { epoch, dir, socket, limits, terminal, resources, rest, ground, lack, command })
    }
}

impl Answer {
    /// The message with its length.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; LENGTH];
        match self {
            Self::Started { pid, not_enforced } => {
                out.push(0);
                out.extend_from_slice(&pid.to_be_bytes());
                out.extend_from_slice(not_enforced.as_deref().unwrap_or_default().as_bytes());
            }
            Self::NotStarted { errno } => {
                out.push(1);
                out.extend_from_slice(&errno.to_be_bytes());
            }
            Self::Failed(why) => {
                out.push(2);
                out.extend_from_slice(why.as_bytes());
            }
        }
        with_length(out)
    }

    /// Reads the message without its length.
    pub(crate) fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message, WHAT);
        Ok(match reader.u8()? {
            0 => {
                let pid = reader.u32()?;
                let not_enforced = String::from_utf8_lossy(reader.take_rest()).into_owned();
                let not_enforced = Some(not_enforced).filter(|why| !why.is_empty());
                Self::Started { pid, not_enforced }
            }
            1 => Self::NotStarted { errno: i32::from_be_bytes(reader.array()?) },
            2 => Self::Failed(String::from_utf8_lossy(reader.take_rest()).into_owned()),
            _ => return Err(invalid("it has an unknown answer")),
        })
    }
}

/// The length of a message that follows.
pub(crate) fn length_of(header: [u8; LENGTH]) -> io::Result<usize> {
    match u32::from_be_bytes(header) as usize {
        length if length > MAX => Err(io::ErrorKind::InvalidData.into()),
        length => Ok(length),
    }
}

fn with_length(mut message: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(message.len() - LENGTH).unwrap_or(u32::MAX);
    if let Some(header) = message.first_chunk_mut() {
        *header = length.to_be_bytes();
    }
    message
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &OsStr) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn text(reader: &mut Reader<'_>) -> Result<OsString, WireError> {
    let length = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
    Ok(OsString::from_vec(reader.bytes(length)?.to_vec()))
}

const fn invalid(why: &'static str) -> WireError {
    WireError::Invalid { what: WHAT, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_arrives_as_it_was_handed_over() {
        let command = Prepared {
            program: "/bin/\u{e4}".into(),
            arguments: vec![String::new(), "a b".to_owned()],
            cwd: "/".into(),
            environment: vec![
                ("A".into(), OsString::from_vec(vec![0xff, b'='])),
                ("B".into(), "".into()),
            ],
        };
        for terminal in [None, Some(TerminalSize::STANDARD)] {
            let start = Start {
                epoch: Epoch(7),
                dir: "/log/ag-aaaaa".into(),
                socket: "/run/ag-aaaaa.sock".into(),
                limits: Limits::default(),
                terminal,
                resources: ResourceLimits { cpu_percent: Some(50), ..ResourceLimits::default() },
                rest: terminal.map(|_| Duration::from_millis(1500)),
                ground: terminal.map(|_| "/sys/fs/cgroup".into()),
                lack: terminal.map(|_| "no memory".to_owned()),
                command: command.clone(),
            };
            let bytes = start.encode();
            assert_eq!(length_of(*bytes.first_chunk().unwrap()).unwrap(), bytes.len() - LENGTH);
            let read = Start::decode(&bytes[LENGTH..]).unwrap();
            assert_eq!(read.command.environment, command.environment);
            assert_eq!(format!("{read:?}"), format!("{start:?}"));
            assert!(Start::decode(&bytes[LENGTH..bytes.len() - 1]).is_err());
        }
        for answer in [
            Answer::Started { pid: 3, not_enforced: None },
            Answer::Started { pid: 3, not_enforced: Some("why".to_owned()) },
            Answer::NotStarted { errno: 7 },
            Answer::Failed("no".to_owned()),
        ] {
            assert_eq!(Answer::decode(&answer.encode()[LENGTH..]), Ok(answer));
        }
    }
}
