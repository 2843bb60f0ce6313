//! The files of one agent, in a directory of its own beside its output: what it is, who holds it,
//! how it ended. The node writes the first, the shim the others; each is whole or not there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use gantline_protocol::{
    AgentId, Epoch, Name, Offset, Timestamp, WireError,
    api::{Argv, Cwd, ExitStatus},
    shim::{FromShim, Mark, Output},
    terminal::TerminalSize,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::sys;
use crate::state::{StateError, read_private};

const DEFINITION: &str = "agent.json";
const LIFE: &str = "process.json";
const EXIT: &str = "exit.json";
const MARKS: &str = "marks";
const CHECKPOINT: &str = "checkpoint";

/// What an agent is. Without its environment, which people put secrets into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    pub(crate) agent_id: AgentId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Name>,
    pub(crate) argv: Argv,
    pub(crate) shell: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cwd: Option<Cwd>,
    pub(crate) size: TerminalSize,
    pub(crate) kind: Kind,
    /// The life of its process that the files beside this are of.
    pub(crate) epoch: Epoch,
    /// Which of its lives that is, from 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub(crate) number: u32,
    /// When that life began.
    pub(crate) created_at: Timestamp,
    /// When the agent was made; with that life, if nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent_created_at: Option<Timestamp>,
}

const fn first() -> u32 {
    1
}

const fn is_first(number: &u32) -> bool {
    *number == 1
}

/// What the process talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A terminal.
    Terminal,
    /// Pipes.
    Pipes,
}

/// Who holds an agent, and its process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Life {
    pub(crate) shim: Identity,
    pub(crate) process: Identity,
    /// The cgroup that the shim has made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<PathBuf>,
    /// Why its limits are not enforced, if it has some and they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_enforced: Option<String>,
}

/// A process for ever: its number, which others have had and will have, with its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    started: String,
}

impl Identity {
    /// The process that has this number now.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, started: sys::beginning(pid)? })
    }

    /// Whether this very process is there, and has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        sys::beginning(self.pid).is_ok_and(|started| started == self.started)
    }
}

/// How an agent's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exit {
    pub(crate) at: Timestamp,
    /// Where its output ended then.
    pub(crate) end: Offset,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<ExitStatus>,
    pub(crate) size: TerminalSize,
}

/// The files of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    dir: PathBuf,
}

impl Record {
    pub(crate) const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the directory, and says what is to be in it.
    pub(crate) fn create(&self, definition: &Definition) -> io::Result<()> {
        if let Some(above) = self.dir.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(above)?;
        }
        DirBuilder::new().mode(0o700).create(&self.dir)?;
        let written = self.put(DEFINITION, &json(definition)?, Durable::No);
        if written.is_err() {
            self.remove();
        }
        written
    }

    /// Takes the files away, and the directory unless later lives have theirs in it.
    pub(crate) fn clear(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| !kind.is_dir())
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(%error, path = %entry.path().display(), "a file can't be removed");
            }
        }
        // It stays if there is something else in it.
        let _ = fs::remove_dir(&self.dir);
    }

    /// The bytes that its files take on the disk.
    pub(crate) fn size(&self) -> u64 {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let lengths = files.filter_map(|file| file.metadata().ok().filter(|file| file.is_file()));
        lengths.map(|file| file.len()).sum()
    }

    /// Takes the directory away with all that is in it.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_dir_all(&self.dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.dir.display(), "an agent's files can't be removed");
        }
    }

    pub(crate) fn definition(&self) -> Result<Option<Definition>, StateError> {
        self.read(DEFINITION)
    }

    pub(crate) fn life(&self) -> Result<Option<Life>, StateError> {
        self.read(LIFE)
    }

    pub(crate) fn exit(&self) -> Result<Option<Exit>, StateError> {
        self.read(EXIT)
    }

    pub(super) fn write_life(&self, life: &Life) -> io::Result<()> {
        self.put(LIFE, &json(life)?, Durable::No)
    }

    /// Says how it ended, for good: this is on the disk when it returns.
    pub(super) fn write_exit(&self, exit: &Exit) -> io::Result<()> {
        self.put(EXIT, &json(exit)?, Durable::Yes)
    }

    /// What was noted of the output.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        let bytes = read_private(&self.dir.join(MARKS)).ok().flatten().unwrap_or_default();
        match FromShim::decode(bytes.get(4..).unwrap_or_default()) {
            Ok(FromShim::Output(Output { marks, .. })) => marks,
            // Without them the output is still what it is.
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    /// Keeps the newest marks, as one OUTPUT without bytes.
    pub(crate) fn write_marks(&self, marks: Vec<Mark>) -> io::Result<()> {
        let mut bytes = Vec::new();
        let older = marks.len().saturating_sub(gantline_protocol::shim::MAX_MARKS);
        let marks = marks.into_iter().skip(older).collect();
        let (id, from, kept) = (0, Offset(0), Offset(0));
        let output = Output { id, from, kept, marks, bytes: &[] };
        FromShim::Output(output).encode(&mut bytes).map_err(malformed)?;
        self.put(MARKS, &bytes, Durable::No)
    }

    /// The state of the terminal that was kept last, as a CHECKPOINT.
    pub(crate) fn checkpoint(&self) -> Option<Vec<u8>> {
        read_private(&self.dir.join(CHECKPOINT)).ok().flatten()
    }

    pub(super) fn write_checkpoint(&self, offset: Offset, state: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        FromShim::Checkpoint(Some((offset, state))).encode(&mut bytes).map_err(malformed)?;
        self.put(CHECKPOINT, &bytes, Durable::No)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let path = self.dir.join(name);
        let Some(bytes) = read_private(&path)? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| StateError::Corrupt { path, why: error.to_string() })
    }

    fn put(&self, name: &str, bytes: &[u8], durable: Durable) -> io::Result<()> {
        let new = self.dir.join(format!(".{name}"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        file.write_all(bytes)?;
        if durable == Durable::Yes {
            file.sync_all()?;
        }
        fs::rename(&new, self.dir.join(name))?;
        match durable {
            Durable::Yes => File::open(&self.dir)?.sync_all(),
            Durable::No => Ok(()),
        }
    }
}

/// Whether something has to outlive a loss of power. A process does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

fn json<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut json = serde_json::to_vec(value)?;
    json.push(b'\n');
    Ok(json)
}

fn malformed(error: WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
