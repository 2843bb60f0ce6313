//! What can go wrong with state, by what its owner can do about it.

use std::{
    fmt,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// What can go wrong with a file or directory of the node's state. Every form names the path and,
/// for a person, what to do next.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no home directory to keep state in.
    #[error("there is no home directory to keep state in: set GANTLINE_HOME to a directory")]
    NoHome,
    /// Somebody else could read or change it, so it is not used.
    #[error("{path} is not used: {why}", path = path.display())]
    Unsafe {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        why: Unsafety,
    },
    /// The disk, or the user's share of it, is full. Nothing was changed.
    #[error("there is no space left to write {path}: free some and try again; what was there before is unchanged", path = path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Neither the file nor its previous version can be understood.
    #[error("{path} can't be read: {why}; its previous version is of no use either. Mend it, or move it away to start without it", path = path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What its reader complained about.
        why: String,
    },
    /// The file is larger than any that the node writes.
    #[error("{path} has more than {limit} bytes, which the node never writes: move it away", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The greatest size in bytes.
        limit: u64,
    },
    /// Another node runs on the same state.
    #[error("a node runs already with this state{holder} (lock {path}): stop it first, or set another GANTLINE_HOME", path = path.display(), holder = Holder(*pid))]
    Running {
        /// The lock file.
        path: PathBuf,
        /// The process id of that node, once it has written it.
        pid: Option<u32>,
    },
    /// The system refused something else.
    #[error("can't {doing} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a file or directory is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsafety {
    /// It is a symbolic link.
    SymbolicLink,
    /// It belongs to another user.
    Owner {
        /// The user's number.
        uid: u32,
    },
    /// Users other than its owner may use it.
    Mode {
        /// Its permission bits.
        mode: u32,
        /// Those that it should have.
        wanted: u32,
    },
    /// It is not a directory, where one is needed.
    NotADirectory,
    /// It is not a regular file, where one is needed.
    NotAFile,
}

impl fmt::Display for Unsafety {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SymbolicLink => {
                f.write_str("it is a symbolic link; put the real file or directory there")
            }
            Self::Owner { uid } => {
                write!(f, "it belongs to user {uid}; change its owner, or move it away")
            }
            Self::Mode { mode, wanted } => write!(
                f,
                "its mode {mode:04o} lets other users at it; run `chmod {wanted:04o}` on it"
            ),
            Self::NotADirectory => f.write_str("it is not a directory; move it away"),
            Self::NotAFile => f.write_str("it is not a regular file; move it away"),
        }
    }
}

struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |pid| write!(f, ", as process {pid}"))
    }
}

/// Makes a system error a [`StateError`].
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| {
        if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return StateError::Full { path };
        }
        StateError::Io { doing, path, source }
    }
}
