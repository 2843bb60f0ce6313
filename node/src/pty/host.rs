//! What holds a process and its log: today inside the node, later in a process of its own that
//! outlives it. Everything above speaks to it in READ ([`Host::log`]), WRITE, RESIZE, SIGNAL and
//! WAIT, and in nothing else.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use gantline_protocol::{
    ViewerId,
    api::{ExitStatus, signal::Signal},
    terminal::TerminalSize,
};
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, kill_process, kill_process_group};
use tokio::{
    io::unix::AsyncFd,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{
    command::Prepared,
    input::Applied,
    log::{Log, MarkKind},
    sys,
};

/// What is read from a PTY at once, in bytes.
const READ: usize = 64 * 1024;
/// Inputs that wait for a process that does not read. When they are so many, whoever types waits;
/// the output and other viewers do not.
const WAITING_INPUTS: usize = 16;
/// How long output may still come after the process has ended: from what it left behind.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Why a process could not be started on a terminal.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The system has no terminal for it.
    #[error("the system gives no terminal: {0}")]
    Pty(String),
    /// The system does not start it.
    #[error("the system does not start it: {0}")]
    Spawn(String),
}

/// How a process ended; `None` when nobody saw it.
pub type Ended = Option<ExitStatus>;

/// A process on a PTY, with its log. Clones are the same.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

struct Shared {
    log: Log,
    pid: Pid,
    master: Mutex<Box<dyn MasterPty + Send>>,
    applied: Mutex<Applied>,
    input: mpsc::Sender<Bytes>,
    ended: watch::Receiver<Option<Ended>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl Host {
    /// Starts a process on a new terminal. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`HostError`]; nothing runs then.
    pub fn start(command: &Prepared, size: TerminalSize, log: Log) -> Result<Self, HostError> {
        let pair = native_pty_system()
            .openpty(pty_size(size))
            .map_err(|error| HostError::Pty(error.to_string()))?;
        let pty =
            sys::descriptor(&*pair.master).map_err(|error| HostError::Pty(error.to_string()))?;
        let pty = Arc::new(pty);
        let child = pair
            .slave
            .spawn_command(builder(command))
            .map_err(|error| HostError::Spawn(error.to_string()))?;
        // Ours would keep the terminal open after everybody has left it.
        drop(pair.slave);
        let pid =
            child.process_id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| HostError::Spawn("it has no process id".to_owned()))?;
        log.mark(MarkKind::Resize(size));
        let (input, inputs) = mpsc::channel(WAITING_INPUTS);
        let (told, ended) = watch::channel(None);
        let reading = tokio::spawn(read(pty.clone(), log.clone()));
        let writing = tokio::spawn(write(pty, inputs));
        wait(pid, reading, writing, log.clone(), told)?;
        let master = Mutex::new(pair.master);
        let applied = Mutex::default();
        Ok(Self { shared: Arc::new(Shared { log, pid, master, applied, input, ended }) })
    }

    /// READ: what the process wrote.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// WRITE: types `bytes`, unless this input of this viewer, or a later one, was typed before.
    /// Waits as long as the process does not read what was typed already.
    pub async fn write(&self, viewer: ViewerId, seq: u64, bytes: Bytes) {
        // A process that has ended reads nothing any more.
        let Ok(permit) = self.shared.input.reserve().await else { return };
        if self.applied().accept(viewer, seq) {
            permit.send(bytes);
        }
    }

    /// The number of the viewer's last input that was typed; 0 when none was.
    #[must_use]
    pub fn last_written(&self, viewer: ViewerId) -> u64 {
        self.applied().last(viewer)
    }

    /// RESIZE: the terminal has this size now.
    pub fn resize(&self, size: TerminalSize) {
        let master = self.shared.master.lock().unwrap_or_else(PoisonError::into_inner);
        if master.resize(pty_size(size)).is_ok() {
            self.shared.log.mark(MarkKind::Resize(size));
        }
    }

    /// SIGNAL: to the process group, and to the group in the foreground of the terminal.
    pub fn signal(&self, signal: Signal) {
        if self.ended().is_some() {
            return;
        }
        let signal = number(signal);
        let foreground = {
            let master = self.shared.master.lock().unwrap_or_else(PoisonError::into_inner);
            master.process_group_leader().and_then(Pid::from_raw)
        };
        // Whoever is gone already needs no signal.
        let _ = kill_process_group(self.shared.pid, signal);
        if let Some(foreground) = foreground.filter(|group| *group != self.shared.pid) {
            let _ = kill_process_group(foreground, signal);
        }
    }

    /// Ends the process and everything that it started, at once.
    pub fn kill_tree(&self) {
        kill_tree(self.shared.pid, self.ended().is_some());
    }

    /// The process id of the process, or what it was.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.shared.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// How the process ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        *self.shared.ended.borrow()
    }

    /// WAIT: waits until the process has ended and its last output is in the log.
    pub async fn wait(&self) -> Ended {
        let mut ended = self.shared.ended.clone();
        ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended).flatten()
    }

    fn applied(&self) -> std::sync::MutexGuard<'_, Applied> {
        self.shared.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends `root`, unless it has ended, and everything that descends from it or is in its session.
/// Looks again until nobody new is there.
pub(crate) fn kill_tree(root: Pid, has_ended: bool) {
    const ROUNDS: usize = 10;
    let signal = rustix::process::Signal::KILL;
    // Stopped first, so that nobody starts another one meanwhile.
    for _ in 0..ROUNDS {
        let found = sys::descendants(root);
        if found.is_empty() {
            break;
        }
        for pid in &found {
            let _ = kill_process(*pid, rustix::process::Signal::STOP);
        }
        for pid in found {
            let _ = kill_process(pid, signal);
        }
    }
    if !has_ended {
        let _ = kill_process_group(root, signal);
        let _ = kill_process(root, signal);
    }
}

/// The number of a signal on this system.
pub(crate) const fn number(signal: Signal) -> rustix::process::Signal {
    use rustix::process::Signal as Number;
    match signal {
        Signal::Hup => Number::HUP,
        Signal::Int => Number::INT,
        Signal::Quit => Number::QUIT,
        Signal::Kill => Number::KILL,
        Signal::Usr1 => Number::USR1,
        Signal::Usr2 => Number::USR2,
        Signal::Term => Number::TERM,
        Signal::Cont => Number::CONT,
        Signal::Stop => Number::STOP,
        Signal::Tstp => Number::TSTP,
        Signal::Winch => Number::WINCH,
    }
}

fn builder(command: &Prepared) -> CommandBuilder {
    let mut builder = CommandBuilder::new(&command.program);
    builder.args(&command.arguments);
    builder.cwd(&command.cwd);
    builder.env_clear();
    for (name, value) in &command.environment {
        builder.env(name, value);
    }
    builder
}

const fn pty_size(size: TerminalSize) -> PtySize {
    PtySize { cols: size.cols(), rows: size.rows(), pixel_width: 0, pixel_height: 0 }
}

/// Reads until nobody has the terminal open any more. Never waits for a reader of the log.
async fn read(pty: Arc<AsyncFd<OwnedFd>>, log: Log) {
    let mut buffer = vec![0; READ];
    loop {
        let Ok(mut ready) = pty.readable().await else { return };
        let read = ready.try_io(|pty| Ok(rustix::io::read(pty.get_ref(), &mut buffer)?));
        match read {
            // EIO is how Linux says that the other side is closed.
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(length)) => log.append(buffer.get(..length).unwrap_or_default()),
            Err(_would_block) => {}
        }
    }
}

async fn write(pty: Arc<AsyncFd<OwnedFd>>, mut inputs: mpsc::Receiver<Bytes>) {
    while let Some(mut input) = inputs.recv().await {
        while !input.is_empty() {
            let Ok(mut ready) = pty.writable().await else { return };
            match ready.try_io(|pty| Ok(rustix::io::write(pty.get_ref(), &input)?)) {
                Ok(Ok(length)) => drop(input.split_to(length.min(input.len()))),
                Ok(Err(_)) => return,
                Err(_would_block) => {}
            }
        }
    }
}

/// Reaps the process on a thread of its own, and tells how it ended once its output is in the log.
fn wait(
    pid: Pid,
    mut reading: JoinHandle<()>,
    writing: JoinHandle<()>,
    log: Log,
    told: watch::Sender<Option<Ended>>,
) -> Result<(), HostError> {
    /// A thread that only waits needs little.
    const STACK: usize = 64 * 1024;
    let runtime = tokio::runtime::Handle::current();
    let waiting = move || {
        let ended = sys::wait(pid);
        runtime.spawn(async move {
            writing.abort();
            // Whatever still holds the terminal may go on writing to it, but is not waited for.
            let _ = timeout(LAST_WORDS, &mut reading).await;
            log.close();
            told.send_replace(Some(ended));
        });
    };
    std::thread::Builder::new()
        .name(format!("wait {}", pid.as_raw_nonzero()))
        .stack_size(STACK)
        .spawn(waiting)
        .map(drop)
        .map_err(|error| {
            kill_tree(pid, false);
            HostError::Spawn(error.to_string())
        })
}
