//! What differs by operating system, or needs a raw descriptor.

use std::{
    collections::{HashMap, HashSet},
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use gantline_protocol::api::ExitStatus;
use portable_pty::MasterPty;
use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::io::unix::AsyncFd;

/// A descriptor of our own for the master side of a PTY, not blocking. The library's own writer
/// types a newline and Ctrl-D when it is dropped; this one does not.
#[allow(unsafe_code)]
pub(super) fn descriptor(master: &dyn MasterPty) -> io::Result<AsyncFd<OwnedFd>> {
    let raw = master.as_raw_fd().ok_or(io::ErrorKind::Unsupported)?;
    // SAFETY: `master` owns the descriptor and lives longer than this borrow, which ends with this
    // function: what is returned is a duplicate.
    let owned = unsafe { BorrowedFd::borrow_raw(raw) }.try_clone_to_owned()?;
    let flags = rustix::fs::fcntl_getfl(&owned)?;
    rustix::fs::fcntl_setfl(&owned, flags | rustix::fs::OFlags::NONBLOCK)?;
    // SAFETY: an `OwnedFd` is open as long as it lives, and names the same descriptor all the time.
    let registered = unsafe { AsyncFd::register(owned) };
    registered.map_err(|_| io::Error::other("it can't be waited for"))
}

/// Waits until the child `pid` has ended, and reaps it; `None` if somebody else did.
pub(super) fn wait(pid: Pid) -> Option<ExitStatus> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) | Ok(None) => return None,
            Ok(Some((_, status))) => {
                if let Some(code) = status.exit_status() {
                    return Some(ExitStatus::Code(code));
                }
                if let Some(signal) = status.terminating_signal() {
                    return Some(ExitStatus::Signal(signal));
                }
            }
        }
    }
}

/// All processes that descend from `root` or are in its session, `root` left out. Reads `/proc`;
/// where there is none, nothing is found.
pub(super) fn descendants(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let mut found: HashSet<i32> = HashSet::new();
    let root = root.as_raw_nonzero().get();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The command's name stands in parentheses and may contain anything.
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let mut fields = rest.split_whitespace().skip(1).map(str::parse::<i32>);
        let (Some(Ok(parent)), _, Some(Ok(session))) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        children.entry(parent).or_default().push(pid);
        if session == root {
            found.insert(pid);
        }
    }
    let mut look_at: Vec<i32> = found.iter().copied().chain([root]).collect();
    while let Some(parent) = look_at.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            found.insert(child);
            look_at.push(child);
        }
    }
    found.remove(&root);
    found.into_iter().filter_map(Pid::from_raw).collect()
}
