//! From the command that the API names to what the system is to start. Nothing is joined or quoted.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use gantline_protocol::{AgentId, api};

/// What a process gets when nobody says which terminal it is on.
const TERM: &str = "xterm-256color";
/// Variables of ours that are no business of an agent.
const OURS: &str = "GANTLINE_";
/// Tells a process which agent it belongs to.
const AGENT: &str = "GANTLINE_AGENT";

/// A command, ready to be started.
#[derive(Clone)]
pub struct Prepared {
    /// The program, found on `PATH` if it has no slash.
    pub program: PathBuf,
    /// Its arguments, without the program.
    pub arguments: Vec<String>,
    /// Where it runs.
    pub cwd: PathBuf,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
}

impl std::fmt::Debug for Prepared {
    /// Without the environment, which people put secrets into.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

/// Why a command can't be started: what is wrong, and why.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such program.
    #[error("there is no program {0:?}: give its path, or see that it is on the node's PATH")]
    NoProgram(String),
    /// The program can't be executed.
    #[error("{} can't be executed: it is {why}", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: &'static str,
    },
    /// The directory can't be used.
    #[error("it can't run in {}: {error}", path.display())]
    Cwd {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Prepared {
    /// Finds the program and the directory.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn new(command: &api::Command) -> Result<Self, CommandError> {
        let home = env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let cwd = command.cwd.as_ref().map_or_else(|| home.clone(), |cwd| home.join(cwd.as_str()));
        check_directory(&cwd)?;
        let environment = environment(&command.env);
        let items = command.argv.items();
        let (program, arguments) = match command.shell {
            true => {
                let shell = env::var("SHELL").ok().filter(|shell| !shell.is_empty());
                let shell = shell.unwrap_or_else(|| "/bin/sh".to_owned());
                let script = items.iter().take(1).cloned();
                // What stands between script and arguments is the script's $0.
                let name = Path::new(&shell).file_name().map(|name| name.to_string_lossy().into());
                let arguments = ["-c".to_owned()]
                    .into_iter()
                    .chain(script)
                    .chain(name)
                    .chain(items.iter().skip(1).cloned());
                (shell.clone(), arguments.collect())
            }
            false => {
                let program = items.first().cloned().unwrap_or_default();
                (program, items.iter().skip(1).cloned().collect())
            }
        };
        let program = find(&program, &cwd, &environment)?;
        Ok(Self { program, arguments, cwd, environment })
    }

    /// As the agent `id`: the process and all that it starts have `GANTLINE_AGENT` in their
    /// environment.
    #[must_use]
    pub fn of_agent(mut self, id: AgentId) -> Self {
        self.environment.retain(|(name, _)| name != AGENT);
        self.environment.push((AGENT.into(), id.to_string().into()));
        self
    }
}

fn check_directory(path: &Path) -> Result<(), CommandError> {
    let failed = |error| CommandError::Cwd { path: path.to_owned(), error };
    match path.metadata().map_err(failed)?.is_dir() {
        true => Ok(()),
        false => Err(failed(io::ErrorKind::NotADirectory.into())),
    }
}

/// The node's own environment without what is ours, and what was asked for.
fn environment(asked: &api::Env) -> Vec<(OsString, OsString)> {
    let is_ours = |name: &OsString| name.to_string_lossy().starts_with(OURS);
    let mut environment: Vec<_> = env::vars_os().filter(|(name, _)| !is_ours(name)).collect();
    environment.retain(|(name, _)| name != "TERM");
    environment.push(("TERM".into(), TERM.into()));
    for (name, value) in asked.iter() {
        environment.retain(|(other, _)| other != name);
        environment.push((name.into(), value.into()));
    }
    environment
}

/// As `execvp` does it: a name with a slash is a path, others are looked for on `PATH`.
fn find(
    program: &str,
    cwd: &Path,
    environment: &[(OsString, OsString)],
) -> Result<PathBuf, CommandError> {
    if program.contains('/') {
        let path = cwd.join(program);
        return match refusal(&path) {
            None => Ok(path),
            Some(_) if !path.exists() => Err(CommandError::NoProgram(program.to_owned())),
            Some(why) => Err(CommandError::NotExecutable { path, why }),
        };
    }
    let path = environment.iter().rfind(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let path = path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut found = None;
    for dir in env::split_paths(&path) {
        let candidate = cwd.join(dir).join(program);
        match refusal(&candidate) {
            None => return Ok(candidate),
            Some(why) if candidate.exists() => found = Some((candidate, why)),
            Some(_) => {}
        }
    }
    match found {
        Some((path, why)) => Err(CommandError::NotExecutable { path, why }),
        None => Err(CommandError::NoProgram(program.to_owned())),
    }
}

/// Why a file can't be executed; `None` when it can.
fn refusal(path: &Path) -> Option<&'static str> {
    let Ok(metadata) = path.metadata() else { return Some("not there") };
    if metadata.is_dir() {
        return Some("a directory");
    }
    match rustix::fs::access(path, rustix::fs::Access::EXEC_OK) {
        Ok(()) => None,
        Err(_) => Some("not marked executable, or you may not execute it"),
    }
}
