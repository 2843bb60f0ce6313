//! Whether a file or directory is the node's user's alone. Whoever opens state asks here.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::{fs::OFlags, process::geteuid};

use super::error::{StateError, Unsafety, failed};

/// What others may not do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Private {
    /// Anything at all: secrets and state.
    Wholly,
    /// Change it: what a person writes with an editor, whose files others may often read. The
    /// directory keeps them out.
    FromWriters,
}

/// Opens a regular file for reading that is ours and private; `None` if there is none.
pub(crate) fn open(path: &Path, private: Private) -> Result<Option<File>, StateError> {
    // Without O_NONBLOCK a pipe in the file's place would make this wait for ever.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(i32::from_ne_bytes(flags.to_ne_bytes()))
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(explained(error, path)),
    };
    let metadata = file.metadata().map_err(failed("look at", path))?;
    if !metadata.is_file() {
        return Err(StateError::Unsafe { path: path.to_owned(), why: Unsafety::NotAFile });
    }
    let (forbidden, wanted) = match private {
        Private::Wholly => (0o077, 0o600),
        Private::FromWriters => (0o022, 0o644),
    };
    check(&metadata, path, forbidden, wanted)?;
    Ok(Some(file))
}

/// Asserts that `path` is a directory that is ours and private.
pub(super) fn check_directory(path: &Path) -> Result<(), StateError> {
    let metadata = path.symlink_metadata().map_err(failed("look at", path))?;
    let refused = |why| Err(StateError::Unsafe { path: path.to_owned(), why });
    if metadata.is_symlink() {
        return refused(Unsafety::SymbolicLink);
    }
    if !metadata.is_dir() {
        return refused(Unsafety::NotADirectory);
    }
    check(&metadata, path, 0o077, 0o700)
}

fn check(metadata: &Metadata, path: &Path, forbidden: u32, wanted: u32) -> Result<(), StateError> {
    let refused = |why| Err(StateError::Unsafe { path: path.to_owned(), why });
    let mode = metadata.mode() & 0o7777;
    if metadata.uid() != geteuid().as_raw() {
        return refused(Unsafety::Owner { uid: metadata.uid() });
    }
    if mode & forbidden != 0 {
        return refused(Unsafety::Mode { mode, wanted });
    }
    Ok(())
}

/// What a refusal to open means: without following links, a link is a loop.
fn explained(error: io::Error, path: &Path) -> StateError {
    if path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
        return StateError::Unsafe { path: path.to_owned(), why: Unsafety::SymbolicLink };
    }
    failed("open", path)(error)
}
