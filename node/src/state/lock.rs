//! One node at a time for one home. The daemon holds the lock as long as it lives.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    process,
};

use rustix::{
    fs::{FlockOperation, OFlags, flock},
    io::Errno,
};

use super::{
    Home,
    access_check::{self, Private},
    error::{StateError, failed},
};

const NAME: &str = "node.lock";

/// Keeps a second node away from the same state. The system lets go of it when the process ends,
/// however it ends; the file stays.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Takes the lock of `home` and writes this process's id into it.
    ///
    /// # Errors
    /// [`StateError::Running`] if another node has it; others if the file can't be used.
    pub fn take(home: &Home) -> Result<Self, StateError> {
        let path = home.run_dir().join(NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(i32::from_ne_bytes(OFlags::NOFOLLOW.bits().to_ne_bytes()))
            .open(&path)
            .map_err(failed("open", &path))?;
        access_check::open(&path, Private::Wholly)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let read = (&mut file).take(16).read_to_string(&mut text);
                let pid = read.ok().and_then(|_| text.trim().parse().ok());
                return Err(StateError::Running { path, pid });
            }
            Err(error) => return Err(failed("lock", &path)(error.into())),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", process::id()))
            .map_err(failed("write", &path))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_node_on_the_same_state_is_told_which_process_is_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(&dir.path().join("home")).unwrap();
        let lock = InstanceLock::take(&home).unwrap();
        let error = InstanceLock::take(&home).unwrap_err();
        assert!(error.to_string().contains(&format!("process {}", process::id())), "{error}");
        drop(lock);
        InstanceLock::take(&home).unwrap();
    }
}
