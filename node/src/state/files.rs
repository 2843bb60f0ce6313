//! The files of one directory of state: whole or not at all, private, and with one version back.
//! Each has one owner, who alone writes it. All of this blocks; call it off the async threads.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{
    Home,
    access_check::{self, Private},
    error::{StateError, failed},
};

/// The greatest size of a file, in bytes.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;

/// The files of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFiles {
    dir: PathBuf,
}

impl StateFiles {
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where the file `name` is. A name is a plain file name.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// What the file holds; `None` if there is none.
    ///
    /// # Errors
    /// [`StateError`] if others could have changed or read it, it is larger than [`MAX_FILE`], or
    /// the system refuses.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.read_private(name, Private::Wholly)
    }

    fn read_private(&self, name: &str, private: Private) -> Result<Option<Vec<u8>>, StateError> {
        read_bounded(&self.path(name), private)
    }

    /// Puts `bytes` in place of what the file holds, which is kept as `<name>.bak`. When this
    /// returns they are on the disk; if it fails, or the machine loses power, the file is as it
    /// was.
    ///
    /// # Errors
    /// [`StateError::Full`] without space, [`StateError::TooLarge`] above [`MAX_FILE`], others if
    /// the system refuses.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        self.keep_previous(name)?;
        self.put(name, bytes)
    }

    /// Takes the file and its previous version away, if they are there.
    ///
    /// # Errors
    /// [`StateError`] if the system refuses.
    pub fn remove(&self, name: &str) -> Result<(), StateError> {
        for name in [backup_of(name), name.to_owned()] {
            let path = self.path(&name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(failed("remove", &path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        self.sync_directory()
    }

    /// What the file holds, as JSON; `None` if there is no file. If it can't be understood, its
    /// previous version takes its place, an error is logged, and the file is kept as
    /// `<name>.broken`.
    ///
    /// # Errors
    /// As [`StateFiles::read`]; [`StateError::Corrupt`] if the previous version can't be
    /// understood either.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let Some(bytes) = self.read(name)?.map(Zeroizing::new) else {
            return Ok(None);
        };
        let why = match serde_json::from_slice(&bytes) {
            Ok(value) => return Ok(Some(value)),
            Err(error) => without_content(&error),
        };
        let path = self.path(name);
        let backup = self.read(&backup_of(name))?.map(Zeroizing::new);
        let previous = backup.as_ref().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let (Some(backup), Some(value)) = (backup, previous) else {
            return Err(StateError::Corrupt { path, why });
        };
        tracing::error!(
            path = %path.display(),
            %why,
            "the file is damaged; its previous version is used, and what changed since is lost"
        );
        self.put(&format!("{name}.broken"), &bytes)?;
        self.put(name, &backup)?;
        Ok(Some(value))
    }

    /// Writes `value` as JSON, as [`StateFiles::write`] does.
    ///
    /// # Errors
    /// As [`StateFiles::write`].
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StateError> {
        let mut json = Zeroizing::new(Vec::new());
        serde_json::to_writer_pretty(&mut *json, value)
            .map_err(|error| failed("write", &self.path(name))(error.into()))?;
        json.push(b'\n');
        self.write(name, &json)
    }

    /// Makes `<name>.bak` what `<name>` is now. There is never a moment without `<name>`.
    fn keep_previous(&self, name: &str) -> Result<(), StateError> {
        let path = self.path(name);
        let temporary = self.temporary(name);
        match fs::hard_link(&path, &temporary) {
            Ok(()) => self.rename(&temporary, &self.path(&backup_of(name))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            // Some file systems have no hard links.
            Err(_) => match self.read_private(name, Private::FromWriters)? {
                Some(previous) => self.put(&backup_of(name), &previous),
                None => Ok(()),
            },
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.path(name);
        if bytes.len() as u64 > MAX_FILE {
            return Err(StateError::TooLarge { path, limit: MAX_FILE });
        }
        let temporary = self.temporary(name);
        if let Err(error) = write_new(&temporary, bytes) {
            let _ = fs::remove_file(&temporary);
            return Err(failed("write", &path)(error));
        }
        self.rename(&temporary, &path)?;
        self.sync_directory()
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StateError> {
        let renamed = fs::rename(from, to);
        // After a rename between two links of one file, or a failure, the first is still there.
        let _ = fs::remove_file(from);
        renamed.map_err(failed("write", to))
    }

    fn sync_directory(&self) -> Result<(), StateError> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(failed("write", &self.dir))
    }

    /// A name that nobody else uses, of this process or another.
    fn temporary(&self, name: &str) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        self.path(&format!(".{name}.{}.{count}", process::id()))
    }
}

/// Reads a file that is ours and private, wherever it is.
pub(crate) fn read_private(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    read_bounded(path, Private::Wholly)
}

/// Reads a file that a person wrote, wherever it is.
pub(crate) fn read_config(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    read_bounded(path, Private::FromWriters)
}

/// Replaces a file that a person wrote in [`Home::config_dir`].
pub(crate) fn write_config(home: &Home, name: &str, bytes: &[u8]) -> Result<(), StateError> {
    StateFiles::new(home.config_dir().to_owned()).write(name, bytes)
}

fn read_bounded(path: &Path, private: Private) -> Result<Option<Vec<u8>>, StateError> {
    let Some(file) = access_check::open(path, private)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(StateError::TooLarge { path: path.to_owned(), limit: MAX_FILE });
    }
    Ok(Some(bytes))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Left over from a process of the same number that was killed.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn backup_of(name: &str) -> String {
    format!("{name}.bak")
}

/// What serde_json complains about, without what it quotes from the file, which may be a secret.
fn without_content(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "it could not be read",
        serde_json::error::Category::Syntax => "it is not JSON",
        serde_json::error::Category::Data => "a member is missing, or is not what it should be",
        serde_json::error::Category::Eof => "it ends too early",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;
    use crate::state::Unsafety;

    fn files() -> (tempfile::TempDir, StateFiles) {
        let dir = tempfile::tempdir().unwrap();
        let files = StateFiles::new(dir.path().to_owned());
        (dir, files)
    }

    fn names(files: &StateFiles) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&files.dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_written_is_private_and_one_version_back_is_kept() {
        let (_dir, files) = files();
        assert_eq!(files.read("a.json").unwrap(), None);
        for bytes in [b"1", b"2", b"3"] {
            files.write("a.json", bytes).unwrap();
        }
        assert_eq!(files.read("a.json").unwrap().unwrap(), b"3");
        assert_eq!(files.read("a.json.bak").unwrap().unwrap(), b"2");
        assert_eq!(names(&files), ["a.json", "a.json.bak"]);
        let mode = files.path("a.json").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        files.write("a.json", b"2").unwrap();
        files.write("a.json", b"2").unwrap();
        assert_eq!(names(&files), ["a.json", "a.json.bak"]);
    }

    #[test]
    fn a_damaged_file_un_pairs_nobody() {
        let (_dir, files) = files();
        files.write_json("devices.json", &vec!["phone"]).unwrap();
        files.write_json("devices.json", &vec!["phone", "laptop"]).unwrap();
        for damage in ["", "[\"phone\",", "{\"secret\":1}"] {
            fs::write(files.path("devices.json"), damage).unwrap();
            for _ in 0..2 {
                let devices: Vec<String> = files.read_json("devices.json").unwrap().unwrap();
                assert_eq!(devices, ["phone"]);
            }
            assert_eq!(files.read("devices.json.broken").unwrap().unwrap(), damage.as_bytes());
        }
        // The good version survives the next write as well.
        files.write_json("devices.json", &vec!["phone", "tablet"]).unwrap();
        let previous: Vec<String> = files.read_json("devices.json.bak").unwrap().unwrap();
        assert_eq!(previous, ["phone"]);
    }

    #[test]
    fn a_file_without_a_usable_version_is_an_error_that_tells_no_secret() {
        let (_dir, files) = files();
        files.write("keys.json", b"\"hunter2\"").unwrap();
        let error = files.read_json::<Vec<String>>("keys.json").unwrap_err();
        assert!(matches!(error, StateError::Corrupt { .. }));
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        assert_eq!(files.read("keys.json").unwrap().unwrap(), b"\"hunter2\"", "it was changed");
    }

    #[test]
    fn a_file_that_others_could_read_or_swap_is_refused_by_name() {
        let (dir, files) = files();
        let refusal = |why: Unsafety| {
            let error = files.read("k").unwrap_err();
            assert!(error.to_string().contains("/k is not used"), "{error}");
            assert!(matches!(error, StateError::Unsafe { why: found, .. } if found == why));
        };
        files.write("k", b"x").unwrap();
        fs::set_permissions(files.path("k"), Permissions::from_mode(0o640)).unwrap();
        refusal(Unsafety::Mode { mode: 0o640, wanted: 0o600 });
        fs::rename(files.path("k"), dir.path().join("elsewhere")).unwrap();
        symlink(dir.path().join("elsewhere"), files.path("k")).unwrap();
        refusal(Unsafety::SymbolicLink);
        fs::remove_file(files.path("k")).unwrap();
        fs::create_dir(files.path("k")).unwrap();
        refusal(Unsafety::NotAFile);
    }

    #[test]
    fn a_file_of_no_end_fills_no_memory() {
        let (_dir, files) = files();
        files.write("k", b"x").unwrap();
        File::options().write(true).open(files.path("k")).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(files.read("k").unwrap_err(), StateError::TooLarge { .. }));
    }

    /// The nearest thing to a full disk that needs no mount: a process whose files may not grow
    /// past 1 KiB runs this same test.
    #[test]
    fn what_can_not_be_written_whole_leaves_what_was_there() {
        const LIMITED: &str = "GANTLINE_TEST_LIMITED_DIR";
        if let Some(dir) = std::env::var_os(LIMITED) {
            let files = StateFiles::new(dir.into());
            for _ in 0..2 {
                assert!(files.write("k", &[b'x'; 100_000]).is_err());
            }
            return;
        }
        let (dir, files) = files();
        files.write("k", b"old").unwrap();
        let test = "state::files::tests::what_can_not_be_written_whole_leaves_what_was_there";
        let limited = process::Command::new("sh")
            .args(["-c", r#"trap "" XFSZ; ulimit -f 2; exec "$0" --exact "$1""#])
            .arg(std::env::current_exe().unwrap())
            .arg(test)
            .env(LIMITED, dir.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&limited.stdout);
        assert!(limited.status.success() && told.contains("1 passed"), "{told}");
        assert_eq!(files.read("k").unwrap().unwrap(), b"old");
        assert_eq!(names(&files), ["k", "k.bak"]);
    }
}
