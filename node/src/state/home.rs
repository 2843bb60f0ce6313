//! Where the files of one user's node, and of their command line, are.

use std::{
    env,
    fs::DirBuilder,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{
    access_check,
    error::{StateError, failed},
    files::StateFiles,
};

/// The directories of one user's node. Each exists, is a real directory, belongs to the user and
/// is closed to everybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    config: PathBuf,
    state: PathBuf,
    run: PathBuf,
    log: PathBuf,
}

impl Home {
    /// The environment variable that puts everything below one directory.
    pub const VARIABLE: &str = "GANTLINE_HOME";

    /// The directories that the environment names: below `GANTLINE_HOME` if that is set and not
    /// empty, else the user's own (on Linux the XDG base directories). What is missing is made,
    /// with mode 0700.
    ///
    /// # Errors
    /// [`StateError`] if there is no place, it can't be made, or others could get at it.
    pub fn locate() -> Result<Self, StateError> {
        match env::var_os(Self::VARIABLE).filter(|value| !value.is_empty()) {
            Some(root) => Self::below(Path::new(&root)),
            None => Self::of_user(),
        }
    }

    /// Everything below `root`: `config`, `state`, `run` and `log`. What is missing is made, with
    /// mode 0700; a relative path is taken from the current directory.
    ///
    /// # Errors
    /// [`StateError`] if it can't be made, or others could get at it.
    pub fn below(root: &Path) -> Result<Self, StateError> {
        let root = std::path::absolute(root).map_err(failed("find", root))?;
        make(&root)?;
        Self {
            config: root.join("config"),
            state: root.join("state"),
            run: root.join("run"),
            log: root.join("log"),
        }
        .made()
    }

    fn of_user() -> Result<Self, StateError> {
        const NAME: &str = "gantline";
        let config = dirs::config_dir().ok_or(StateError::NoHome)?.join(NAME);
        let state =
            dirs::state_dir().or_else(dirs::data_local_dir).ok_or(StateError::NoHome)?.join(NAME);
        // Without a runtime directory the sockets live beside the state.
        let run = dirs::runtime_dir().map_or_else(|| state.join("run"), |dir| dir.join(NAME));
        let log = state.join("log");
        Self { config, state, run, log }.made()
    }

    fn made(self) -> Result<Self, StateError> {
        for dir in [&self.config, &self.state, &self.run, &self.log] {
            make(dir)?;
        }
        Ok(self)
    }

    /// Where people write: `config.toml`.
    #[must_use]
    pub fn config_dir(&self) -> &Path {
        &self.config
    }

    /// Where keys, devices and the like are. Use [`Home::state_files`].
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// Where sockets and locks are; it may be empty after each boot.
    #[must_use]
    pub fn run_dir(&self) -> &Path {
        &self.run
    }

    /// Where the output of agents is.
    #[must_use]
    pub fn log_dir(&self) -> &Path {
        &self.log
    }

    /// The files in [`Home::state_dir`].
    #[must_use]
    pub fn state_files(&self) -> StateFiles {
        StateFiles::new(self.state.clone())
    }

    /// The files in [`Home::run_dir`].
    #[must_use]
    pub fn run_files(&self) -> StateFiles {
        StateFiles::new(self.run.clone())
    }
}

/// Makes a directory, and those above it, unless it is there; then asserts that it is private.
fn make(dir: &Path) -> Result<(), StateError> {
    if let Some(above) = dir.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(above)
            .map_err(failed("make", above))?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(failed("make", dir)(error));
        }
        Ok(()) | Err(_) => {}
    }
    access_check::check_directory(dir)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;
    use crate::state::Unsafety;

    #[test]
    fn nobody_else_on_the_machine_can_look_into_a_home() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(&dir.path().join("deep/home")).unwrap();
        for dir in [home.config_dir(), home.state_dir(), home.run_dir(), home.log_dir()] {
            assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
        }
        assert_eq!(Home::below(&dir.path().join("deep/home")).unwrap(), home, "a second start");
    }

    #[test]
    fn a_home_that_others_could_read_or_redirect_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("home");
        let home = Home::below(&root).unwrap();
        let refusal = |why: Unsafety| {
            let error = Home::below(&root).unwrap_err();
            assert!(error.to_string().contains(home.state_dir().to_str().unwrap()), "{error}");
            assert!(matches!(error, StateError::Unsafe { why: found, .. } if found == why));
        };
        fs::set_permissions(home.state_dir(), Permissions::from_mode(0o750)).unwrap();
        refusal(Unsafety::Mode { mode: 0o750, wanted: 0o700 });
        fs::remove_dir(home.state_dir()).unwrap();
        symlink(dir.path(), home.state_dir()).unwrap();
        refusal(Unsafety::SymbolicLink);
        fs::remove_file(home.state_dir()).unwrap();
        fs::write(home.state_dir(), "").unwrap();
        refusal(Unsafety::NotADirectory);
    }
}
