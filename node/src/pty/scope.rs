//! A systemd scope for each shim, where the user has a manager: so that stopping the unit in which the
//! node runs does not end the agents. Elsewhere the shim's own session has to do.

use std::{
    env,
    ffi::OsString,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

use gantline_protocol::{AgentId, Epoch};

use crate::limits::scope_ending;

/// What puts a program into a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    run: PathBuf,
    runtime_dir: PathBuf,
}

impl Scope {
    /// The user's manager, if there is one and the program that asks it for scopes.
    pub(super) fn find() -> Option<Self> {
        Self::find_in(env::var_os("XDG_RUNTIME_DIR")?.into(), env::var_os("PATH")?)
    }

    fn find_in(runtime_dir: PathBuf, path: OsString) -> Option<Self> {
        let manager = runtime_dir.join("systemd/private").metadata().ok()?;
        if !manager.file_type().is_socket() {
            return None;
        }
        let run = env::split_paths(&path).map(|dir| dir.join("systemd-run"));
        let run = run.into_iter().find(|run| run.is_file())?;
        Some(Self { run, runtime_dir })
    }

    /// What starts `program` in a scope of its own, in place of the program itself.
    pub(super) fn command(
        &self,
        program: &Path,
        agent: AgentId,
        epoch: Epoch,
    ) -> Option<tokio::process::Command> {
        // Whoever runs it would take /proc/self for its own; a file that is gone can't be named.
        let program = program.canonicalize().ok().filter(|program| program.is_file())?;
        let mut command = tokio::process::Command::new(&self.run);
        // The shim divides it: limits are not its own.
        command.args(["--user", "--scope", "--quiet", "--collect", "--property=Delegate=yes"]);
        let unit = format!("gantline-{agent}{}", scope_ending(epoch));
        command.arg(format!("--unit={unit}")).arg("--").arg(program);
        command.env_clear().env("XDG_RUNTIME_DIR", &self.runtime_dir);
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn without_a_manager_or_its_program_there_is_no_scope() {
        let dir = tempfile::tempdir().unwrap();
        let (runtime, bin) = (dir.path().join("runtime"), dir.path().join("bin"));
        std::fs::create_dir_all(runtime.join("systemd")).unwrap();
        std::fs::create_dir(&bin).unwrap();
        let find = || Scope::find_in(runtime.clone(), bin.clone().into());
        assert_eq!(find(), None);
        std::fs::write(runtime.join("systemd/private"), "").unwrap();
        std::fs::write(bin.join("systemd-run"), "").unwrap();
        assert_eq!(find(), None, "a file is no manager");
        std::fs::remove_file(runtime.join("systemd/private")).unwrap();
        let _manager = UnixListener::bind(runtime.join("systemd/private")).unwrap();
        let scope = find().unwrap();
        let agent = "ag-x7k2p".parse().unwrap();
        let command = scope.command(Path::new("/bin/sh"), agent, Epoch(10)).unwrap();
        let arguments: Vec<_> = command.as_std().get_args().map(|item| item.to_owned()).collect();
        assert_eq!(arguments[4], "--property=Delegate=yes");
        assert_eq!(arguments[5], "--unit=gantline-ag-x7k2p-000000000000000a.scope");
        assert_eq!(arguments[6], "--");
        assert!(scope.command(Path::new("/no/such/program"), agent, Epoch(10)).is_none());
    }
}
