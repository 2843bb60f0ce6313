//! The group of one agent's process and everything that it starts.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use gantline_protocol::api::ResourceLimits;

/// A cgroup of its own. It is removed with this, unless somebody is still in it.
#[derive(Debug)]
pub(crate) struct Group {
    dir: PathBuf,
}

/// The time over which processor time is shared out, in microseconds, as the kernel has it when
/// nobody says otherwise.
const PERIOD: u64 = 100_000;

impl Group {
    /// Makes a group below `ground`, or takes the one that is left there.
    pub(crate) fn make(ground: &Path, name: &str) -> io::Result<Self> {
        let dir = ground.join(name);
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(Self { dir }),
        }
    }

    /// Sets all limits that can be set. Returns which can't, and why.
    pub(crate) fn limit(&self, limits: ResourceLimits) -> Vec<(&'static str, io::Error)> {
        let mut missing = Vec::new();
        for (what, file, value) in files(limits) {
            missing.extend(self.set(file, &value).err().map(|error| (what, error)));
        }
        if limits.memory_mb.is_some() {
            // Without this, what is too much goes to the swap. Where there is none, there is no file.
            let _ = self.set("memory.swap.max", "0");
        }
        missing
    }

    /// The group that a shim has made in a life before.
    pub(crate) const fn left(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What a process writes `0` to in order to come into it.
    pub(crate) fn entrance(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.dir.join("cgroup.procs"))
    }

    /// Ends everybody in it, at once.
    pub(crate) fn kill(&self) {
        // Systems before 5.14 have no such file.
        let _ = self.set("cgroup.kill", "1");
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        // A file that is not there is no limit: it must not come into being.
        let mut file = OpenOptions::new().write(true).open(self.dir.join(file))?;
        io::Write::write_all(&mut file, value.as_bytes())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever is in it keeps it.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// What is limited, in which file, by which value.
fn files(limits: ResourceLimits) -> Vec<(&'static str, &'static str, String)> {
    let ResourceLimits { memory_mb, cpu_percent, pids } = limits;
    let memory = memory_mb.map(|mb| (u64::from(mb) << 20).to_string());
    let cpu = cpu_percent.map(|percent| format!("{} {PERIOD}", u64::from(percent) * PERIOD / 100));
    [
        ("memory", "memory.max", memory),
        ("cpu", "cpu.max", cpu),
        ("pids", "pids.max", pids.map(|pids| pids.to_string())),
    ]
    .into_iter()
    .filter_map(|(what, file, value)| Some((what, file, value?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: ResourceLimits =
        ResourceLimits { memory_mb: Some(512), cpu_percent: Some(150), pids: Some(64) };

    #[test]
    fn limits_are_written_as_the_kernel_reads_them() {
        let ground = tempfile::tempdir().unwrap();
        let dir = ground.path().join("agent");
        fs::create_dir(&dir).unwrap();
        for file in ["memory.max", "memory.swap.max", "cpu.max", "pids.max"] {
            fs::write(dir.join(file), "max").unwrap();
        }
        let group = Group::make(ground.path(), "agent").unwrap();
        assert!(group.limit(ALL).is_empty());
        let read = |file| fs::read_to_string(dir.join(file)).unwrap();
        // The kernel's files take a value whole; a plain one keeps what was longer.
        assert_eq!(read("memory.max"), "536870912");
        assert_eq!(read("memory.swap.max").get(..1), Some("0"));
        assert_eq!(read("cpu.max"), "150000 100000");
        assert_eq!(read("pids.max").get(..2), Some("64"));
    }

    #[test]
    fn what_cannot_be_limited_is_told_and_the_rest_is() {
        let ground = tempfile::tempdir().unwrap();
        let dir = ground.path().join("agent");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("pids.max"), "").unwrap();
        let missing = Group::make(ground.path(), "agent").unwrap().limit(ALL);
        let missing: Vec<_> = missing.into_iter().map(|(what, _)| what).collect();
        assert_eq!(missing, ["memory", "cpu"]);
        assert_eq!(fs::read_to_string(dir.join("pids.max")).unwrap(), "64");
        assert!(!dir.join("memory.max").exists());
    }
}
