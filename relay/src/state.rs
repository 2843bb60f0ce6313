//! The relay's state directory: who the relay is, and small files that are whole or not there.
//! Owned by the relay's start and by the commands of its operator.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    net::IpAddr,
    num::NonZeroU16,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use gantline_protocol::HostName;
use gantline_transport::{Identity, IdentityError, quic::ResetKey};
use rustix::{
    fs::{FlockOperation, OFlags, flock},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
const RESET_KEY: &str = "reset.key";
const SERVED: &str = "relay.json";
const DATABASE: &str = "relay.db";
const IN_USE: &str = "serve.lock";
const SETTING_UP: &str = "setup.lock";
/// No state file is larger, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Why the state can't be used: what, why, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no home directory to put it in.
    #[error(
        "there is no place for the relay's state: the system names no home directory. \
         Say where with --state-dir"
    )]
    NoPlace,
    /// It can't be read or written.
    #[error("can't {what} {path}: {error}. {}", advice(error))]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Others may read or replace it.
    #[error("{path} is not safe to use: {why}. {mend}")]
    Unsafe {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// What to do.
        mend: String,
    },
    /// Its contents are not what they should be.
    #[error(
        "{path} can't be understood: {why}. Restore it from a backup; or move it away and the \
         relay makes a new one, but then join links with the old pin no longer work"
    )]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No relay has run on it.
    #[error(
        "there is no relay's state in {path}. Start one with `gantline-relay serve`, or say where \
         its state is with --state-dir"
    )]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// Another relay runs on it.
    #[error(
        "another relay already runs with the state in {path}. Stop it first, or give this one \
         another directory with --state-dir"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {
            "There is no room left: free some and start again, nothing was changed"
        }
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {
            "Make it writable for this user, or give another directory with --state-dir"
        }
        _ => "Mend that, or give another directory with --state-dir",
    }
}

/// A directory of mode 0700 that belongs to this user.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
}

/// Under which name and port a relay was last served; what join links are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Served {
    /// Its names; the first is the one in join links.
    pub domains: Vec<HostName>,
    /// UDP and TCP port.
    pub port: NonZeroU16,
}

/// Holds a lock file until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl StateDir {
    /// Where a relay keeps its state if nobody says otherwise.
    ///
    /// # Errors
    /// [`StateError::NoPlace`].
    pub fn default_path(
        xdg_state_home: Option<PathBuf>,
        home: Option<PathBuf>,
    ) -> Result<PathBuf, StateError> {
        let base = xdg_state_home
            .filter(|path| path.is_absolute())
            .or_else(|| Some(home?.join(".local/state")))
            .ok_or(StateError::NoPlace)?;
        Ok(base.join("gantline-relay"))
    }

    /// Opens the directory, and makes it if it isn't there.
    ///
    /// # Errors
    /// [`StateError`] when it can't be made, or when others may look into it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("make the directory", path))?;
        let meta = fs::metadata(path).map_err(failed("look at", path))?;
        safe(path, &meta, 0o700)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Opens the directory of a relay that was started before.
    ///
    /// # Errors
    /// [`StateError::Missing`]; [`StateError`] when others may look into it.
    pub fn open_existing(path: &Path) -> Result<Self, StateError> {
        match fs::symlink_metadata(path.join(DATABASE)) {
            Ok(_) => Self::open(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StateError::Missing { path: path.to_owned() })
            }
            Err(error) => Err(failed("look into", path)(error)),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the registry's database is.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The relay's identity, made for `names` when there is none.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn identity(&self, names: &[HostName]) -> Result<Identity, StateError> {
        let _lock = self.setting_up()?;
        let damaged = |name: &str, why: String| self.damaged(name, why);
        let certificate = self.read(CERTIFICATE)?;
        let key = self.read(KEY)?;
        let (certificate, key) = match (certificate, key) {
            (Some(certificate), Some(key)) => (text(&certificate), text(&key)),
            (None, None) => {
                // Machines are hosts below the relay's names.
                let names: Vec<_> = names
                    .iter()
                    .flat_map(|name| match name.as_str().parse::<IpAddr>() {
                        Ok(address) => vec![address.to_string()],
                        Err(_) => vec![name.to_string(), format!("*.{name}")],
                    })
                    .collect();
                let (certificate, key) = Identity::self_signed(&names)
                    .map_err(|e| damaged(CERTIFICATE, e.to_string()))?;
                self.write(KEY, key.as_bytes())?;
                self.write(CERTIFICATE, certificate.as_bytes())?;
                (Ok(Zeroizing::new(certificate)), Ok(key))
            }
            // The key is written first: a start that was cut off in between begins anew.
            (None, Some(_)) => {
                fs::remove_file(self.path.join(KEY))
                    .map_err(failed("remove", &self.path.join(KEY)))?;
                drop(_lock);
                return self.identity(names);
            }
            (Some(_), None) => return Err(damaged(KEY, "it is not there".into())),
        };
        let certificate = certificate.map_err(|why| damaged(CERTIFICATE, why))?;
        let key = key.map_err(|why| damaged(KEY, why))?;
        Identity::from_pem(&certificate, &key).map_err(|error| match error {
            IdentityError::Key(_) => damaged(KEY, error.to_string()),
            IdentityError::Pem(_) => {
                damaged(CERTIFICATE, format!("it, or {KEY} beside it, is not PEM"))
            }
            IdentityError::Certificate(_) => damaged(CERTIFICATE, error.to_string()),
        })
    }

    /// The key for stateless resets, made when there is none.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn reset_key(&self) -> Result<ResetKey, StateError> {
        let _lock = self.setting_up()?;
        if let Some(bytes) = self.read(RESET_KEY)? {
            let bytes: [u8; 32] = bytes
                .as_slice()
                .try_into()
                .map_err(|_| self.damaged(RESET_KEY, "it does not have 32 bytes".into()))?;
            return Ok(ResetKey::from_bytes(bytes));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).map_err(|error| StateError::Io {
            what: "draw randomness for",
            path: self.path.join(RESET_KEY),
            error: io::Error::other(error),
        })?;
        self.write(RESET_KEY, bytes.as_slice())?;
        Ok(ResetKey::from_bytes(*bytes))
    }

    /// Under which name and port the relay was last served; `None` before the first time.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn served(&self) -> Result<Option<Served>, StateError> {
        let Some(bytes) = self.read(SERVED)? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| self.damaged(SERVED, error.to_string()))
    }

    /// Notes under which name and port the relay is served.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn note_served(&self, served: &Served) -> Result<(), StateError> {
        let json =
            serde_json::to_vec(served).map_err(|error| self.damaged(SERVED, error.to_string()))?;
        self.write(SERVED, &json)
    }

    /// Makes sure that no other relay runs on this state for as long as the lock lives.
    ///
    /// # Errors
    /// [`StateError::InUse`], [`StateError::Io`].
    pub fn claim(&self) -> Result<Lock, StateError> {
        let (path, file) = self.lock_file(IN_USE)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(StateError::InUse { path: self.path.clone() }),
            Err(error) => Err(failed("lock", &path)(error.into())),
        }
    }

    /// Held while state is made for the first time or migrated, by a relay and by commands beside
    /// it. Waits for whoever holds it; they hold it for moments.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn setting_up(&self) -> Result<Lock, StateError> {
        let (path, file) = self.lock_file(SETTING_UP)?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| failed("lock", &path)(error.into()))?;
        Ok(Lock { _file: file })
    }

    /// Makes the database's file if it isn't there, so that it is private from its first byte.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn prepare_database(&self) -> Result<PathBuf, StateError> {
        let path = self.database();
        let file = private(OpenOptions::new().read(true).write(true).create(true))
            .open(&path)
            .map_err(opened(&path))?;
        let meta = file.metadata().map_err(failed("look at", &path))?;
        safe(&path, &meta, 0o600)?;
        Ok(path)
    }

    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), StateError> {
        let path = self.path.join(name);
        let file = private(OpenOptions::new().write(true).create(true))
            .open(&path)
            .map_err(opened(&path))?;
        Ok((path, file))
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        let path = self.path.join(name);
        let file = match private(OpenOptions::new().read(true)).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(opened(&path)(error)),
        };
        let meta = file.metadata().map_err(failed("look at", &path))?;
        safe(&path, &meta, 0o600)?;
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed("read", &path))?;
        match u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE) {
            true => Ok(Some(bytes)),
            false => Err(self.damaged(name, "it is larger than a state file can be".into())),
        }
    }

    /// The file has the old contents or the new, never a part.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.path.join(name);
        let fresh = self.path.join(format!(".{name}.{}.new", std::process::id()));
        let result = write_whole(&fresh, bytes).and_then(|()| fs::rename(&fresh, &path));
        if result.is_err() {
            // Nothing to be done if even that fails; the error that counts is the first.
            let _ = fs::remove_file(&fresh);
        }
        result.map_err(failed("write", &path))?;
        let dir = File::open(&self.path).map_err(failed("open", &self.path))?;
        dir.sync_all().map_err(failed("write", &self.path))
    }

    fn damaged(&self, name: &str, why: String) -> StateError {
        StateError::Damaged { path: self.path.join(name), why }
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        private(OpenOptions::new().write(true).create(true).truncate(true)).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Mode 0600 if it is made, and never through a symbolic link.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    options.mode(0o600).custom_flags(flags.bits().cast_signed())
}

fn opened(path: &Path) -> impl FnOnce(io::Error) -> StateError + use<'_> {
    move |error| match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::LOOP) => StateError::Unsafe {
            path: path.to_owned(),
            why: "it is a symbolic link".into(),
            mend: "Put the file itself there".into(),
        },
        _ => failed("open", path)(error),
    }
}

fn safe(path: &Path, meta: &fs::Metadata, mode: u32) -> Result<(), StateError> {
    let unsafe_because =
        |why: String, mend: String| Err(StateError::Unsafe { path: path.to_owned(), why, mend });
    // The files are private themselves; of the directory it is enough that nobody else can replace
    // them, so one that an administrator made with mode 0755 will do.
    let (is_right_kind, forbidden, doing) = match mode {
        0o700 => (meta.is_dir(), 0o022, "replace what is in it"),
        _ => (meta.is_file(), 0o077, "get at it"),
    };
    if !is_right_kind {
        return unsafe_because("it is something else than expected".into(), "Move it away".into());
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        let why = format!("it belongs to user {}", meta.uid());
        return unsafe_because(why, "Run the relay as that user, or give it to this one".into());
    }
    let actual = meta.mode() & 0o777;
    if actual & forbidden != 0 {
        let why = format!("its mode is {actual:03o}, so other users may {doing}");
        return unsafe_because(
            why,
            format!("If nobody has, run: chmod {mode:o} {}", path.display()),
        );
    }
    Ok(())
}

fn failed<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> StateError + use<'a> {
    move |error| StateError::Io { what, path: path.to_owned(), error }
}

fn text(bytes: &[u8]) -> Result<Zeroizing<String>, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err("it is not text".into()),
    }
}
