//! Where this user may make cgroups: on what was handed over to the node, and nowhere else. A group
//! that another program looks after is left alone, even if it could be written.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use gantline_protocol::Epoch;

use super::CONTROLLERS;

/// The group of this program itself, once it has made room for others beside it.
const OWN: &str = "gantline";
/// How systemd marks a group that it has handed over.
const HANDED_OVER: [&str; 2] = ["user.delegate", "trusted.delegate"];

/// A cgroup below which groups for agents may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ground {
    pub(crate) dir: PathBuf,
    /// Why some of the limits can't be set there, and what to do, for people.
    pub(crate) lack: Option<String>,
}

impl Ground {
    /// The ground of this node. Looked for once, since the node may move into a group of its own.
    ///
    /// # Errors
    /// Why there is none, and what to do, for people.
    pub(crate) fn find() -> &'static Result<Self, String> {
        static FOUND: OnceLock<Result<Ground, String>> = OnceLock::new();
        FOUND.get_or_init(Self::look)
    }

    fn look() -> Result<Self, String> {
        let (dir, is_root) = own_dir().map_err(|error| {
            format!("there is no cgroup version 2 here ({error}); mount it, or boot with it")
        })?;
        if !is_handed_over(&dir, is_root) {
            return Err(format!(
                "the cgroup {} belongs to somebody else; start the node in a systemd unit with \
                 Delegate=yes, or where `systemd-run --user` works",
                dir.display()
            ));
        }
        Ok(Self::ready(dir))
    }

    /// The scope that a shim was started in for this life of its agent, and is alone in.
    pub(crate) fn of_scope(epoch: Epoch) -> Option<Self> {
        let (dir, _) = own_dir().ok()?;
        let name = dir.file_name()?.to_str()?;
        let is_own = name.starts_with("gantline-") && name.ends_with(&scope_ending(epoch));
        is_own.then(|| Self::ready(dir))
    }

    /// Makes room below a group that is ours.
    fn ready(dir: PathBuf) -> Self {
        let there = read_words(&dir.join("cgroup.controllers"));
        let missing: Vec<_> =
            CONTROLLERS.into_iter().filter(|one| !there.iter().any(|has| has == one)).collect();
        let mut lack = (!missing.is_empty()).then(|| {
            format!(
                "the cgroup {} has no controller {}; boot with \
                 systemd.unified_cgroup_hierarchy=1, or have it handed over to the node's unit \
                 (Delegate=yes)",
                dir.display(),
                missing.join(", ")
            )
        });
        for controller in CONTROLLERS.into_iter().filter(|one| !missing.contains(one)) {
            // A group that has processes has no groups with controllers below it.
            let enabled = match enable(&dir, controller) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                    move_aside(&dir).and_then(|()| enable(&dir, controller))
                }
                other => other,
            };
            if let Err(error) = enabled {
                lack = Some(format!(
                    "the controller {controller} can't be used below the cgroup {}: {error}; \
                     start the node as the only process of its unit",
                    dir.display()
                ));
            }
        }
        Self { dir, lack }
    }
}

/// What the name of the scope of one life of an agent ends with.
pub(crate) fn scope_ending(epoch: Epoch) -> String {
    format!("-{:016x}.scope", epoch.0)
}

/// The cgroup that this process is in, and whether it is the uppermost that is to be seen.
fn own_dir() -> io::Result<(PathBuf, bool)> {
    let (mount, own) = own_group()?;
    Ok((mount.join(own.strip_prefix("/").unwrap_or(&own)), own == Path::new("/")))
}

/// Where cgroups of version 2 are, and which of them this process is in.
fn own_group() -> io::Result<(PathBuf, PathBuf)> {
    let not_found = |what| io::Error::new(ErrorKind::NotFound, what);
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let own = own.ok_or_else(|| not_found("the kernel has no version 2"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mount = mounts.lines().find_map(|line| {
        // The fourth field is what is mounted of it, the fifth where; the type is behind the dash.
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        (after.split(' ').next() == Some("cgroup2") && root == "/").then(|| PathBuf::from(place))
    });
    Ok((mount.ok_or_else(|| not_found("it is not mounted"))?, own.into()))
}

/// Whether the group is ours to divide: its manager says so, or there is none and we see no other.
fn is_handed_over(dir: &Path, is_root: bool) -> bool {
    let is_marked = HANDED_OVER.into_iter().any(|name| {
        let mut value = [0; 1];
        rustix::fs::getxattr(dir, name, &mut value)
            .is_ok_and(|length| value.get(..length) == Some(b"1"))
    });
    let is_managed = Path::new("/run/systemd/system").exists();
    let may_write =
        rustix::fs::access(dir.join("cgroup.procs"), rustix::fs::Access::WRITE_OK).is_ok();
    may_write && (is_marked || (is_root && !is_managed))
}

fn enable(dir: &Path, controller: &str) -> io::Result<()> {
    let file = dir.join("cgroup.subtree_control");
    match read_words(&file).iter().any(|word| word == controller) {
        true => Ok(()),
        false => fs::write(&file, format!("+{controller}")),
    }
}

/// Moves this process, if it is alone in `dir`, into a group of its own below it.
fn move_aside(dir: &Path) -> io::Result<()> {
    let pid = std::process::id().to_string();
    if read_words(&dir.join("cgroup.procs")).iter().any(|other| *other != pid) {
        return Err(io::Error::new(ErrorKind::ResourceBusy, "other processes are in it"));
    }
    let own = dir.join(OWN);
    match fs::create_dir(&own) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::write(own.join("cgroup.procs"), pid)
}

fn read_words(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(controllers: &str, processes: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cgroup.controllers"), controllers).unwrap();
        fs::write(dir.path().join("cgroup.subtree_control"), "").unwrap();
        fs::write(dir.path().join("cgroup.procs"), processes).unwrap();
        dir
    }

    #[test]
    fn controllers_that_are_there_are_used() {
        let dir = group("cpuset cpu io memory pids\n", "");
        let ground = Ground::ready(dir.path().to_owned());
        assert_eq!(ground, Ground { dir: dir.path().to_owned(), lack: None });
        let enabled = fs::read_to_string(dir.path().join("cgroup.subtree_control")).unwrap();
        // The kernel adds each; a plain file keeps the last.
        assert_eq!(enabled, "+pids");
    }

    #[test]
    fn without_controllers_it_says_what_to_do() {
        let dir = group("hugetlb\n", "");
        let why = Ground::ready(dir.path().to_owned()).lack.unwrap();
        assert!(why.contains("no controller memory, cpu, pids"), "{why}");
        assert!(why.contains("Delegate=yes"), "{why}");
    }

    #[test]
    fn a_group_with_others_in_it_is_left_alone() {
        let dir = group("memory", "1\n");
        assert!(move_aside(dir.path()).is_err());
        assert!(!dir.path().join(OWN).exists());
    }

    #[test]
    fn the_kernel_says_where_this_process_is() {
        match own_group() {
            Ok((mount, own)) => {
                let own = own.strip_prefix("/").unwrap();
                assert!(mount.join(own).join("cgroup.procs").exists(), "{mount:?} {own:?}");
            }
            Err(error) => eprintln!("SKIPPED: {error}"),
        }
    }
}
