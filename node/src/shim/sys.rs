//! What differs by operating system, or needs a raw descriptor.

use std::{
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{AsRawFd as _, BorrowedFd, OwnedFd},
        unix::{fs::OpenOptionsExt as _, net::UnixStream, process::CommandExt as _},
    },
    path::Path,
    process::Command,
    sync::atomic::{AtomicI32, Ordering},
};

#[cfg(target_os = "linux")]
use libc::__errno_location as errno_location;
#[cfg(not(target_os = "linux"))]
use libc::__error as errno_location;

use gantline_protocol::{api::ExitStatus, terminal::TerminalSize};
use rustix::{
    process::{Pid, WaitOptions, wait},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::proc::{self, Stat};

/// Signals that are meant for those who sit at a terminal, or for the whole machine. An agent gets
/// its own; its shim stays to see how it ends.
const IGNORED: [libc::c_int; 5] =
    [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGALRM, libc::SIGPIPE];
/// What the shim reacts to: a child has ended; the socket is to be looked after.
const HEARD: [libc::c_int; 2] = [libc::SIGCHLD, libc::SIGHUP];

/// Makes this process one of its own: out of its parent's session, deaf to what is meant for
/// others, and the one to whom the orphans among its descendants come back, where a system knows
/// such a thing.
#[allow(unsafe_code)]
pub(super) fn detach() -> io::Result<()> {
    for signal in IGNORED {
        // SAFETY: ignoring a signal installs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // Fails only if this is a leader already.
    let _ = rustix::process::setsid();
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        rustix::thread::set_name(c"gantline-shim")?;
    }
    Ok(())
}

/// Signals, as bytes that can be waited for with everything else.
#[derive(Debug)]
pub(super) struct Signals {
    arrived: UnixStream,
    _tell: UnixStream,
}

/// What signals have arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) child: bool,
    pub(super) hup: bool,
}

/// Where the handler writes to.
static TELL: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_signal(signal: libc::c_int) {
    let byte = [u8::try_from(signal).unwrap_or(0)];
    // SAFETY: `write` may be called from a handler; the descriptor is never closed while a handler
    // is installed. When the pipe is full, it says enough already.
    #[allow(unsafe_code)]
    unsafe {
        let errno = *errno_location();
        libc::write(TELL.load(Ordering::Relaxed), byte.as_ptr().cast(), 1);
        *errno_location() = errno;
    }
}

impl Signals {
    #[allow(unsafe_code)]
    pub(super) fn listen() -> io::Result<Self> {
        let (arrived, tell) = UnixStream::pair()?;
        arrived.set_nonblocking(true)?;
        tell.set_nonblocking(true)?;
        TELL.store(tell.as_raw_fd(), Ordering::Relaxed);
        for signal in HEARD {
            // SAFETY: the handler makes one system call that is allowed in handlers.
            unsafe { libc::signal(signal, on_signal as *const () as libc::sighandler_t) };
        }
        Ok(Self { arrived, _tell: tell })
    }

    pub(super) const fn descriptor(&self) -> &UnixStream {
        &self.arrived
    }

    pub(super) fn take(&mut self) -> Arrived {
        let mut bytes = [0; 64];
        let mut arrived = Arrived::default();
        while let Ok(read) = self.arrived.read(&mut bytes)
            && read > 0
        {
            let has =
                |signal| bytes.iter().take(read).any(|byte| libc::c_int::from(*byte) == signal);
            arrived.child |= has(libc::SIGCHLD);
            arrived.hup |= has(libc::SIGHUP);
        }
        arrived
    }
}

/// A new terminal: our side of it, not blocking, and the way to the other.
pub(super) fn open_terminal(size: TerminalSize) -> io::Result<(OwnedFd, std::path::PathBuf)> {
    use std::os::unix::ffi::OsStringExt as _;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    resize(&master, size)?;
    let name = ptsname(&master, Vec::new())?.into_bytes();
    set_nonblocking(&master)?;
    Ok((master, std::ffi::OsString::from_vec(name).into()))
}

/// Gives a terminal a size.
pub(super) fn resize(master: &OwnedFd, size: TerminalSize) -> io::Result<()> {
    let (ws_col, ws_row) = (size.cols(), size.rows());
    Ok(tcsetwinsize(master, Winsize { ws_col, ws_row, ws_xpixel: 0, ws_ypixel: 0 })?)
}

/// Makes reads and writes return at once.
pub(super) fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)?)
}

/// Starts a command as the leader of a session of its own, on the terminal `tty` if there is one.
/// What it writes `0` to before it begins puts it into a cgroup. It is our child, to be reaped by [`reap`]. The command's own descriptors are closed here then:
/// ours would keep a terminal open after everybody has left it.
#[allow(unsafe_code)]
pub(super) fn spawn(
    mut command: Command,
    tty: Option<&Path>,
    entrance: Option<File>,
) -> io::Result<Spawned> {
    if let Some(tty) = tty {
        let mut options = std::fs::OpenOptions::new();
        let tty = options.read(true).write(true).custom_flags(libc::O_NOCTTY).open(tty)?;
        command.stdin(tty.try_clone()?).stdout(tty.try_clone()?).stderr(tty);
    }
    let has_terminal = tty.is_some();
    let in_child = move || {
        for signal in IGNORED.into_iter().chain(HEARD) {
            // SAFETY: `signal` may be called between fork and exec, and no handler is installed.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        rustix::process::setsid()?;
        if let Some(entrance) = &entrance {
            rustix::io::write(entrance, b"0")?;
        }
        if has_terminal {
            // SAFETY: the standard input was just set to the terminal, and stays open.
            rustix::process::ioctl_tiocsctty(unsafe { BorrowedFd::borrow_raw(0) })?;
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls that are allowed between fork and exec, and neither
    // allocates nor locks.
    unsafe { command.pre_exec(in_child) };
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::Unsupported)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    Ok(Spawned { pid, stdout: stdout.map(OwnedFd::from), stderr: stderr.map(OwnedFd::from) })
}

/// A process that was started, and our ends of its pipes.
#[derive(Debug)]
pub(super) struct Spawned {
    pub(super) pid: Pid,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

/// Reaps one child that has ended, if there is one: our own, or an orphan that came to us.
pub(super) fn reap() -> Option<(Pid, Option<ExitStatus>)> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) | Ok(None) => return None,
            Ok(Some((pid, status))) => {
                let code = status.exit_status().map(ExitStatus::Code);
                let how = code.or_else(|| status.terminating_signal().map(ExitStatus::Signal));
                return Some((pid, how));
            }
        }
    }
}

/// Whether a program of this user is at the other end.
pub(super) fn is_ours(stream: &UnixStream) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::{net::sockopt::socket_peercred, process::geteuid};
        socket_peercred(stream).is_ok_and(|peer| peer.uid == geteuid())
    }
    // The mode of the socket and of its directory keep others out.
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        true
    }
}

/// When the process `pid` began, in a way that no other process of this number ever did.
pub(super) fn beginning(pid: u32) -> io::Result<String> {
    let stat = std::fs::read(format!("/proc/{pid}/stat"))?;
    let stat = Stat::parse(&stat).ok_or(io::ErrorKind::InvalidData)?;
    if stat.has_ended {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut boot = String::new();
    File::open("/proc/sys/kernel/random/boot_id")?.take(64).read_to_string(&mut boot)?;
    Ok(format!("{} of {}", stat.began, boot.trim()))
}

/// All processes that descend from this one and have not ended. Reads `/proc`; where there is none,
/// nothing is found.
pub(super) fn descendants() -> Vec<Pid> {
    proc::descendants(i32::try_from(std::process::id()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_another_that_has_had_its_number() {
        let own = beginning(std::process::id()).unwrap();
        assert_eq!(own, beginning(std::process::id()).unwrap());
        assert_ne!(own, beginning(1).unwrap());
        assert!(beginning(u32::MAX).is_err());
    }
}
