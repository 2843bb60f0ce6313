//! What differs by operating system, or needs a raw descriptor.

use std::{
    collections::{HashMap, HashSet},
    io,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    },
    path::Path,
    process::{Child, Command},
};

use gantline_protocol::api::ExitStatus;
use portable_pty::MasterPty;
use rustix::process::{
    Pid, WaitId, WaitIdOptions, WaitOptions, test_kill_process, waitid, waitpid,
};
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

/// Starts a command as the leader of a session of its own, on the terminal `tty`. What the system
/// says against it is returned, which the library's own way to start one loses.
#[allow(unsafe_code)]
pub(super) fn spawn_on(tty: &Path, mut command: Command) -> io::Result<Child> {
    /// What a node that was started in the background may have been told to ignore.
    const DEFAULT: [libc::c_int; 6] =
        [libc::SIGCHLD, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGALRM];
    let mut options = std::fs::OpenOptions::new();
    let tty = options.read(true).write(true).custom_flags(libc::O_NOCTTY).open(tty)?;
    command.stdin(tty.try_clone()?).stdout(tty.try_clone()?).stderr(tty);
    let in_child = || {
        for signal in DEFAULT {
            // SAFETY: `signal` may be called between fork and exec, and no handler is installed.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        rustix::process::setsid()?;
        // SAFETY: the standard input was just set to the terminal, and stays open.
        rustix::process::ioctl_tiocsctty(unsafe { BorrowedFd::borrow_raw(0) })?;
        Ok(())
    };
    // SAFETY: the closure makes system calls that are allowed between fork and exec, and neither
    // allocates nor locks.
    unsafe { command.pre_exec(in_child) };
    command.spawn()
}

/// Waits until the child `pid` has ended, and leaves it to be reaped.
pub(super) fn await_end(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
}

/// Waits until the child `pid` has ended, and reaps it; `None` if somebody else did.
pub(super) fn reap(pid: Pid) -> Option<ExitStatus> {
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

/// What makes processes belong together.
#[derive(Debug)]
pub(super) struct Kin<'a> {
    /// They descend from this one, or are in the group or session that has its number.
    pub(super) root: Option<Pid>,
    /// They have this in their environment, as `NAME=value`.
    pub(super) mark: Option<&'a [u8]>,
}

/// Whether there is a process of this number.
pub(super) fn exists(pid: Pid) -> bool {
    test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

/// All processes that belong to `kin`, the root left out, and those that have ended. Reads `/proc`;
/// where there is none, nothing is found.
pub(super) fn find(kin: &Kin<'_>) -> Vec<Pid> {
    let own = std::process::id();
    let root = kin.root.map(|root| root.as_raw_nonzero().get());
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let mut found: HashSet<i32> = HashSet::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = std::fs::read(entry.path().join("stat")) else { continue };
        let Some(stat) = Stat::parse(&stat) else { continue };
        if pid.unsigned_abs() == own || stat.has_ended {
            continue;
        }
        children.entry(stat.parent).or_default().push(pid);
        let is_marked = || {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            kin.mark.is_some_and(|mark| environment.split(|byte| *byte == 0).any(|own| own == mark))
        };
        if root.is_some_and(|root| stat.session == root || stat.group == root) || is_marked() {
            found.insert(pid);
        }
    }
    let mut look_at: Vec<i32> = found.iter().copied().chain(root).collect();
    while let Some(parent) = look_at.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            found.insert(child);
            look_at.push(child);
        }
    }
    found.into_iter().filter(|pid| Some(*pid) != root).filter_map(Pid::from_raw).collect()
}

/// What `/proc/<pid>/stat` says.
struct Stat {
    parent: i32,
    group: i32,
    session: i32,
    has_ended: bool,
}

impl Stat {
    fn parse(stat: &[u8]) -> Option<Self> {
        // The command's name stands in parentheses and may contain anything.
        let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
        let mut fields = std::str::from_utf8(stat.get(after..)?).ok()?.split_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X");
        let mut number = || fields.next()?.parse().ok();
        Some(Self { parent: number()?, group: number()?, session: number()?, has_ended })
    }
}
