//! What holds a process and its log: today inside the node, later in a process of its own that
//! outlives it. Everything above speaks to it in READ ([`Host::log`]), WRITE, RESIZE, SIGNAL and
//! WAIT, and in nothing else.

use std::{
    io,
    os::fd::OwnedFd,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use gantline_protocol::{
    Offset, ViewerId,
    api::{ExitStatus, signal::Signal},
    terminal::TerminalSize,
};
use portable_pty::{MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, kill_process_group};
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
    tree::{Tree, number},
};

/// What is read from a PTY at once, in bytes.
const READ: usize = 64 * 1024;
/// Inputs that wait for a process that does not read. When they are so many, whoever types waits;
/// the output and other viewers do not.
const WAITING_INPUTS: usize = 16;
/// After how long of silence nothing is expected any more from a process that has ended.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How long what it left behind may keep it from being over.
const LAST_WORDS_AT_MOST: Duration = Duration::from_secs(2);

/// Why a process could not be started on a terminal.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The system has no terminal for it.
    #[error("the system gives no terminal: {0}")]
    Pty(String),
    /// The system does not start it.
    #[error("the system does not start it: {0}")]
    Spawn(#[source] io::Error),
}

/// The terminal's own side, for its size and its groups, until the process has ended.
type Master = Arc<Mutex<Option<Box<dyn MasterPty + Send>>>>;
/// The same side, to read from and write to.
type Pty = Arc<AsyncFd<OwnedFd>>;

/// What was typed.
#[derive(Default)]
struct Typed {
    applied: Applied,
    /// The terminal, while nothing waits for it.
    idle: Option<Pty>,
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
    tree: Tree,
    master: Master,
    typed: Arc<Mutex<Typed>>,
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
        let pty: Pty = Arc::new(pty);
        let tty = pair.master.tty_name();
        let tty = tty.ok_or_else(|| HostError::Pty("it has no name".to_owned()))?;
        let child = sys::spawn_on(&tty, builder(command)).map_err(HostError::Spawn)?;
        // Ours would keep the terminal open after everybody has left it.
        drop(pair.slave);
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| HostError::Spawn(io::ErrorKind::Unsupported.into()))?;
        log.mark(MarkKind::Resize(size));
        let (input, inputs) = mpsc::channel(WAITING_INPUTS);
        let (told, ended) = watch::channel(None);
        let reading = tokio::spawn(read(pty.clone(), log.clone()));
        let typed = Arc::<Mutex<Typed>>::default();
        lock(&typed).idle = Some(pty.clone());
        let writing = tokio::spawn(write(pty, inputs, typed.clone()));
        let tree = Tree::new(pid, command.mark());
        let master: Master = Arc::new(Mutex::new(Some(pair.master)));
        let process = Process {
            tree: tree.clone(),
            master: master.clone(),
            typed: typed.clone(),
            log: log.clone(),
        };
        process.wait(reading, writing, told)?;
        Ok(Self { shared: Arc::new(Shared { log, tree, master, typed, input, ended }) })
    }

    /// READ: what the process wrote.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// WRITE: types `bytes`, unless this input of this viewer, or a later one, was typed before.
    /// Waits as long as the process does not read what was typed already; giving the wait up types
    /// nothing. Returns whether it is typed now: a process that has ended reads nothing any more.
    pub async fn write(&self, viewer: ViewerId, seq: u64, bytes: Bytes) -> bool {
        let Ok(permit) = self.shared.input.reserve().await else { return false };
        let mut typed = lock(&self.shared.typed);
        if typed.applied.accept(viewer, seq) {
            // A key goes to the terminal without a detour, if nothing is before it.
            let written = typed.idle.as_ref().and_then(|pty| rustix::io::write(pty, &bytes).ok());
            let rest = bytes.slice(written.unwrap_or(0).min(bytes.len())..);
            if !rest.is_empty() {
                typed.idle = None;
                permit.send(rest);
            }
        }
        true
    }

    /// The number of the viewer's last input that was typed; 0 when none was.
    #[must_use]
    pub fn last_written(&self, viewer: ViewerId) -> u64 {
        lock(&self.shared.typed).applied.last(viewer)
    }

    /// RESIZE: the terminal has this size now.
    pub fn resize(&self, size: TerminalSize) {
        let master = lock(&self.shared.master);
        if master.as_ref().is_some_and(|master| master.resize(pty_size(size)).is_ok()) {
            self.shared.log.mark(MarkKind::Resize(size));
        }
    }

    /// SIGNAL: to the process group, and to the group in the foreground of the terminal.
    pub fn signal(&self, signal: Signal) {
        let foreground = {
            let master = lock(&self.shared.master);
            master.as_ref().and_then(|master| master.process_group_leader())
        };
        self.shared.tree.signal(signal);
        let foreground = foreground.and_then(Pid::from_raw);
        if let Some(foreground) = foreground.filter(|group| *group != self.shared.tree.root()) {
            // Whoever is gone already needs no signal.
            let _ = kill_process_group(foreground, number(signal));
        }
    }

    /// CHECKPOINT: keeps a state of the terminal as it was after the output before `offset`, for a
    /// node that comes later. There is none yet that the process would live to see.
    pub fn checkpoint(&self, _offset: Offset, _state: &[u8]) {}

    /// CHECKPOINT: the state that was kept last.
    pub async fn last_checkpoint(&self) -> Option<(Offset, Bytes)> {
        None
    }

    /// The process and what it started.
    pub(crate) fn tree(&self) -> &Tree {
        &self.shared.tree
    }

    /// The process id of the process, or what it was.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.shared.tree.root().as_raw_nonzero().get().unsigned_abs()
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
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn builder(command: &Prepared) -> Command {
    let mut builder = Command::new(&command.program);
    builder.args(&command.arguments).current_dir(&command.cwd);
    builder.env_clear();
    builder.envs(command.environment.iter().map(|(name, value)| (name, value)));
    builder
}

const fn pty_size(size: TerminalSize) -> PtySize {
    PtySize { cols: size.cols(), rows: size.rows(), pixel_width: 0, pixel_height: 0 }
}

/// Reads until nobody has the terminal open any more. Never waits for a reader of the log.
async fn read(pty: Pty, log: Log) {
    let mut buffer = vec![0; READ];
    loop {
        let Ok(mut ready) = pty.readable().await else { return };
        // A terminal gives 4 KiB at a time. Whoever follows the log is woken once for all there is.
        let mut length = 0;
        let is_over = loop {
            let Some(room) = buffer.get_mut(length..).filter(|room| !room.is_empty()) else {
                break false;
            };
            match ready.try_io(|pty| Ok(rustix::io::read(pty.get_ref(), &mut *room)?)) {
                Ok(Ok(read)) if read > 0 => length += read,
                // EIO is how Linux says that the other side is closed.
                Ok(Ok(_) | Err(_)) => break true,
                Err(_would_block) => break false,
            }
        };
        log.append(buffer.get(..length).unwrap_or_default());
        if is_over {
            return;
        }
        // A flood of output must not starve those who take it further.
        tokio::task::yield_now().await;
    }
}

/// Types what the terminal had no room for at once.
async fn write(pty: Pty, mut inputs: mpsc::Receiver<Bytes>, typed: Arc<Mutex<Typed>>) {
    while let Some(mut input) = inputs.recv().await {
        while !input.is_empty() {
            let Ok(mut ready) = pty.writable().await else { return };
            // A terminal that nobody has open any more stays writable for ever and takes nothing.
            let is_closed = ready.ready().is_write_closed();
            match ready.try_io(|pty| Ok(rustix::io::write(pty.get_ref(), &input)?)) {
                Ok(Ok(length)) => drop(input.split_to(length.min(input.len()))),
                Ok(Err(_)) => return,
                Err(_would_block) if is_closed => return,
                Err(_would_block) => {}
            }
        }
        let mut typed = lock(&typed);
        if inputs.is_empty() {
            typed.idle = Some(pty.clone());
        }
    }
}

/// A process that is waited for.
struct Process {
    tree: Tree,
    master: Master,
    typed: Arc<Mutex<Typed>>,
    log: Log,
}

impl Process {
    /// Reaps the process on a thread of its own, and tells how it ended once its output is in the
    /// log.
    fn wait(
        self,
        mut reading: JoinHandle<()>,
        writing: JoinHandle<()>,
        told: watch::Sender<Option<Ended>>,
    ) -> Result<(), HostError> {
        /// A thread that only waits needs little.
        const STACK: usize = 64 * 1024;
        let runtime = tokio::runtime::Handle::current();
        let tree = self.tree.clone();
        let waiting = move || {
            let root = self.tree.root();
            sys::await_end(root);
            let ended = self.tree.reap(|| sys::reap(root));
            runtime.spawn(async move {
                writing.abort();
                last_words(&mut reading, &self.log).await;
                self.log.close();
                // What is left of the terminal is of no use to anybody.
                drop(lock(&self.master).take());
                drop(lock(&self.typed).idle.take());
                told.send_replace(Some(ended));
            });
        };
        std::thread::Builder::new()
            .name(format!("wait {}", tree.root().as_raw_nonzero()))
            .stack_size(STACK)
            .spawn(waiting)
            .map(drop)
            .map_err(|error| {
                tree.kill();
                tree.reap(|| sys::reap(tree.root()));
                HostError::Spawn(error)
            })
    }
}

/// Waits until `reading` has read everything, or nothing has come for a while. Whatever still holds
/// the output may go on writing, but is not waited for.
pub(crate) async fn last_words(reading: &mut JoinHandle<()>, log: &Log) {
    let mut follower = log.follow();
    let silence = async {
        loop {
            let end = log.end();
            if timeout(LAST_WORDS, follower.beyond(end)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        _ = reading => {}
        _ = timeout(LAST_WORDS_AT_MOST, silence) => {}
    }
}
