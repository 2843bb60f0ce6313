//! A shim's socket: made, made anew when somebody could not find it, and taken away at the end.

use std::{
    fs::{self, Permissions},
    io::{self, ErrorKind},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
};

/// The shim's socket.
#[derive(Debug)]
pub(super) struct Door {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Door {
    /// A socket at `path`, in place of one that is left over there.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        // Nobody else can have an agent of this name: what is there is left over.
        if path.symlink_metadata().is_ok_and(|there| there.file_type().is_socket()) {
            fs::remove_file(&path)?;
        }
        Self::bind(path)
    }

    fn bind(path: PathBuf) -> io::Result<Self> {
        // Until its mode is set the directory, which is ours alone, keeps others away.
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let inode = path.symlink_metadata()?.ino();
        Ok(Self { listener, path, inode })
    }

    /// Becomes readable when somebody is at the door.
    pub(super) const fn descriptor(&self) -> &UnixListener {
        &self.listener
    }

    /// The next who is there, if anybody is.
    pub(super) fn next(&self) -> Option<UnixStream> {
        self.listener.accept().ok().map(|(stream, _)| stream)
    }

    fn is_there(&self) -> bool {
        self.path.symlink_metadata().is_ok_and(|there| there.ino() == self.inode)
    }

    /// Somebody could not find the socket: it is made anew if nothing is in its place.
    pub(super) fn look_after(&mut self) {
        let is_free =
            self.path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if is_free && let Ok(door) = Self::bind(self.path.clone()) {
            *self = door;
        }
    }

    /// Takes the socket away, unless something else is in its place.
    pub(super) fn close(&self) {
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
