//! The node's side of one agent's process: it starts the shim that holds it, finds it again after a
//! restart, and speaks with it in READ ([`Host::log`]), WRITE, RESIZE, SIGNAL and WAIT, and in
//! nothing else. When a connection ends, one task (`keeping`) finds out what has become of the shim.

mod keeping;
mod launch;
mod shims;

use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gantline_protocol::{
    AgentId, Offset, Timestamp, ViewerId,
    api::{ExitStatus, ResourceLimits, signal::Signal},
    shim::{Ack, FromShim, LENGTH, MAX_CHECKPOINT, Scope, ToShim},
    terminal::TerminalSize,
};
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

pub use self::shims::Shims;

use self::{keeping::Situation, launch::launch};
use super::{
    command::Prepared,
    link::Link,
    log::{Limits, Log},
};
use crate::{
    limits::Ground,
    shim::{
        Applied,
        record::{Definition, Kind, Life, Record},
        start::Start,
    },
};

/// Input that a shim has yet to give to its process, in bytes. When there is so much, whoever types
/// waits; the output does not.
const WAITING_INPUT: usize = 256 * 1024;
/// How far pipes are read ahead of whoever wants all of it.
const HOLD: u32 = 512 * 1024;
const HOLD_AT_LEAST: u32 = 32 * 1024;

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The system does not start it.
    #[error("the system does not start it: {0}")]
    Spawn(#[source] io::Error),
    /// Its files can't be written.
    #[error("its files can't be written below {}: {error}", path.display())]
    Files {
        /// Where they were to be.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The process that was to hold it could not be started.
    #[error("there is no shim to hold it: {0}")]
    NoShim(String),
    /// The process that was to hold it can't do so.
    #[error("its shim can't hold it: {0}")]
    Shim(String),
}

/// How a process is held.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hold {
    /// How much of its output is kept.
    pub(crate) limits: Limits,
    /// What it may use, with all that it starts.
    pub(crate) resources: ResourceLimits,
    /// What it leaves behind when it ends by itself is asked to end, and killed after so long. If
    /// left out, it stays.
    pub(crate) rest: Option<Duration>,
}

impl From<Limits> for Hold {
    fn from(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }
}

/// How a process ended; `None` when nobody saw it.
pub type Ended = Option<ExitStatus>;

/// When and how a process ended, and where its output did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// When; when it was found out, if nobody saw it.
    pub at: Timestamp,
    /// How.
    pub how: Ended,
    /// Where its output ended.
    pub offset: Offset,
}

/// A process in the hands of a shim, with its log. Clones are the same.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

struct Shared {
    agent: AgentId,
    record: Record,
    socket: PathBuf,
    log: Log,
    /// The connection, as long as there is one; also to a shim whose process has ended.
    link: Mutex<Option<Link>>,
    typed: Mutex<Typed>,
    /// Something in `typed`, or the situation, has changed.
    typed_more: Notify,
    /// The size that the terminal has, once that is known, or is to have.
    size: Mutex<Option<TerminalSize>>,
    first_size: TerminalSize,
    pid: Mutex<Option<u32>>,
    /// How far pipes are read ahead of whoever wants all of it; 0 when nobody does.
    hold: AtomicU32,
    /// Why its limits are not enforced, if they are not.
    not_enforced: Mutex<Option<String>>,
    situation: watch::Sender<Situation>,
    /// The shim has gone, and so has everything that it looked after.
    is_over: CancellationToken,
    /// Nobody wants it any more.
    is_left: CancellationToken,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("agent", &self.shared.agent).finish_non_exhaustive()
    }
}

impl Host {
    /// Starts a process in the hands of a shim. Once this returns it runs. Pipes are read no further
    /// than [`Host::taken`] allows, until [`Host::release`].
    ///
    /// # Errors
    /// [`HostError`]; nothing runs then, and nothing is left behind.
    pub(crate) async fn start(
        shims: &Shims,
        definition: &Definition,
        command: Prepared,
        hold: impl Into<Hold>,
    ) -> Result<Self, HostError> {
        let Hold { limits, resources, rest } = hold.into();
        let host = Self::new(shims, definition, limits);
        let shared = host.shared.clone();
        let terminal = match definition.kind {
            Kind::Terminal => Some(definition.size),
            Kind::Pipes => {
                let memory = u32::try_from(limits.memory).unwrap_or(u32::MAX);
                let hold = HOLD.min(memory / 2).max(HOLD_AT_LEAST);
                shared.hold.store(hold, Ordering::Relaxed);
                None
            }
        };
        let (ground, lack) = match resources.are_none() {
            true => (None, None),
            false => match spawn_blocking(Ground::find).await {
                Ok(Ok(Ground { dir, lack })) => (Some(dir.clone()), lack.clone()),
                Ok(Err(why)) => (None, Some(why.clone())),
                Err(error) => (None, Some(error.to_string())),
            },
        };
        let start = Start {
            epoch: definition.epoch,
            dir: shared.record.dir().to_owned(),
            socket: shared.socket.clone(),
            limits,
            terminal,
            resources,
            rest,
            ground,
            lack,
            command,
        };
        let (record, definition) = (shared.record.clone(), definition.clone());
        let created = spawn_blocking(move || record.create(&definition)).await;
        let created = created.unwrap_or_else(|error| Err(io::Error::other(error)));
        created.map_err(|error| HostError::Files { path: shims.log_dir.clone(), error })?;
        let first_words = shared.first_words(Offset(0));
        match launch(shims, shared.agent, &start, &first_words).await {
            Ok((link, greeting, input, not_enforced)) => {
                *lock(&shared.not_enforced) = not_enforced;
                shared.linked(&link, greeting);
                tokio::spawn(shared.keep(Some((link, input))));
                Ok(host)
            }
            Err(error) => {
                let record = shared.record.clone();
                let _ = spawn_blocking(move || record.remove()).await;
                Err(error)
            }
        }
    }

    /// The process that another node has started. What has become of it shows after a while;
    /// [`Host::is_found`] waits for that.
    pub(crate) fn find(shims: &Shims, definition: &Definition) -> Self {
        let host = Self::new(shims, definition, Limits::default());
        tokio::spawn(host.shared.clone().keep(None));
        host
    }

    fn new(shims: &Shims, definition: &Definition, limits: Limits) -> Self {
        let agent = definition.agent_id;
        let shared = Shared {
            agent,
            record: shims.life(definition),
            socket: shims.socket(agent),
            log: Log::new(definition.epoch, limits),
            link: Mutex::default(),
            typed: Mutex::default(),
            typed_more: Notify::new(),
            size: Mutex::new(None),
            first_size: definition.size,
            pid: Mutex::default(),
            hold: AtomicU32::new(0),
            not_enforced: Mutex::default(),
            situation: watch::Sender::new(Situation::Looked),
            is_over: CancellationToken::new(),
            is_left: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// READ: what the process wrote.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// WRITE: types `bytes`, unless this input of this viewer, or a later one, was typed before.
    /// Waits until the shim has given it to the process; who gives the wait up may ask again with
    /// the same number. Returns whether it is typed now: a process that has ended reads nothing any
    /// more.
    pub async fn write(&self, viewer: ViewerId, seq: u64, bytes: Bytes) -> bool {
        loop {
            let more = self.shared.typed_more.notified();
            tokio::pin!(more);
            more.as_mut().enable();
            {
                let mut typed = lock(&self.shared.typed);
                if typed.applied.last(viewer) >= seq {
                    return true;
                }
                if matches!(*self.shared.situation.borrow(), Situation::Ended(_)) {
                    return false;
                }
                let link = lock(&self.shared.link).clone();
                if let Some(link) = link.filter(|_| typed.may_send(viewer, seq, bytes.len())) {
                    typed.bytes += bytes.len();
                    typed.sent.push_back((viewer, seq, bytes.len()));
                    link.say(&ToShim::Write { viewer, seq, eof: false, bytes: &bytes });
                }
            }
            more.await;
        }
    }

    /// The number of the viewer's last input that was typed; 0 when none was.
    #[must_use]
    pub fn last_written(&self, viewer: ViewerId) -> u64 {
        lock(&self.shared.typed).applied.last(viewer)
    }

    /// RESIZE: the terminal has this size now.
    pub fn resize(&self, size: TerminalSize) {
        *lock(&self.shared.size) = Some(size);
        self.say(&ToShim::Resize(size));
    }

    /// The size that the terminal has, or is to have.
    #[must_use]
    pub fn size(&self) -> TerminalSize {
        lock(&self.shared.size).unwrap_or(self.shared.first_size)
    }

    /// SIGNAL: to the process group, and to the group in the foreground of the terminal.
    pub fn signal(&self, signal: Signal) {
        self.say(&ToShim::Signal { signal, scope: Scope::Group, kill_after_ms: 0 });
    }

    /// SIGNAL: asks the process to end, and kills it with all that it has started if they have not
    /// within `grace`. The shim sees to that, whatever becomes of this node.
    pub fn stop(&self, signal: Signal, grace: Duration) {
        let kill_after_ms = u32::try_from(grace.as_millis()).unwrap_or(u32::MAX).max(1);
        self.say(&ToShim::Signal { signal, scope: Scope::Group, kill_after_ms });
    }

    /// CHECKPOINT: keeps a state of the terminal as it was after the output before `offset`, for a
    /// node that comes later. A state that is too long is not kept.
    pub fn checkpoint(&self, offset: Offset, state: &[u8]) {
        if state.len() <= MAX_CHECKPOINT {
            self.say(&ToShim::Checkpoint(Some((offset, state))));
        }
    }

    /// CHECKPOINT: the state that was kept last.
    pub async fn last_checkpoint(&self) -> Option<(Offset, Bytes)> {
        let link = lock(&self.shared.link).clone();
        match link {
            Some(link) => link.checkpoint().await,
            // Its shim may have gone, and left it on the disk.
            None => {
                let record = self.shared.record.clone();
                let kept = spawn_blocking(move || record.checkpoint()).await.ok()??;
                match FromShim::decode(kept.get(LENGTH..)?) {
                    Ok(FromShim::Checkpoint(kept)) => {
                        kept.map(|(offset, state)| (offset, Bytes::copy_from_slice(state)))
                    }
                    Ok(_) | Err(_) => None,
                }
            }
        }
    }

    /// Output up to here was dealt with: a process that is held up may go on.
    pub(crate) fn taken(&self, upto: Offset) {
        self.say(&ToShim::Ack(Ack::Output(upto)));
    }

    /// Nobody holds the process up any more.
    pub(crate) fn release(&self) {
        self.shared.hold.store(0, Ordering::Relaxed);
        self.taken(Offset(u64::MAX));
    }

    /// The process id of the process, or what it was; `None` when that is not known.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        *lock(&self.shared.pid)
    }

    /// Why the shim can't be reached, if it can't.
    #[must_use]
    pub fn problem(&self) -> Option<Arc<str>> {
        match &*self.shared.situation.borrow() {
            Situation::Away(why) => Some(why.clone()),
            Situation::Looked | Situation::Linked | Situation::Ended(_) => None,
        }
    }

    /// When and how the process ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        match &*self.shared.situation.borrow() {
            Situation::Ended(end) => Some(*end),
            Situation::Looked | Situation::Linked | Situation::Away(_) => None,
        }
    }

    /// WAIT: waits until the process has ended and its last output is in the log.
    pub async fn wait(&self) -> Ended {
        let mut situation = self.shared.situation.subscribe();
        let ended = situation.wait_for(|now| matches!(now, Situation::Ended(_))).await;
        match ended.ok().as_deref() {
            Some(Situation::Ended(end)) => end.how,
            // The sender lives in here.
            Some(_) | None => None,
        }
    }

    /// Waits until the shim has gone as well: when it was told to stop, nothing that the process has
    /// started is left then.
    pub async fn is_over(&self) {
        self.shared.is_over.cancelled().await;
    }

    /// Why the limits of the process are not enforced, if it has some and they are not.
    #[must_use]
    pub fn limits_not_enforced(&self) -> Option<String> {
        lock(&self.shared.not_enforced).clone()
    }

    /// Who holds it, and its process; `None` when that can't be read.
    pub(crate) async fn life(&self) -> Option<Life> {
        let record = self.shared.record.clone();
        spawn_blocking(move || record.life()).await.ok()?.ok()?
    }

    /// Waits until it is known what has become of it.
    pub(crate) async fn is_found(&self) {
        let mut situation = self.shared.situation.subscribe();
        let _ = situation.wait_for(|now| !matches!(now, Situation::Looked)).await;
    }

    /// Waits until the reason for which it can't be reached is another one than `known`, or none.
    pub(crate) async fn problem_changes(&self, known: Option<&str>) -> Option<Arc<str>> {
        let mut situation = self.shared.situation.subscribe();
        let changed = |now: &Situation| match now {
            Situation::Away(why) => Some(&**why) != known,
            Situation::Looked | Situation::Linked | Situation::Ended(_) => known.is_some(),
        };
        let _ = situation.wait_for(changed).await;
        drop(situation);
        self.problem()
    }

    /// Leaves the shim alone from now on.
    pub(crate) fn leave(&self) {
        self.shared.is_left.cancel();
    }

    /// Waits until it was left alone.
    pub(crate) async fn is_left(&self) {
        self.shared.is_left.cancelled().await;
    }

    /// The process has ended, and nobody wants to know anything of it any more: nothing stays.
    pub(crate) fn forget(&self) {
        self.say(&ToShim::Ack(Ack::Exit));
        self.leave();
        let record = self.shared.record.clone();
        spawn_blocking(move || record.remove());
    }

    fn say(&self, message: &ToShim<'_>) {
        let link = lock(&self.shared.link).clone();
        if let Some(link) = link {
            link.say(message);
        }
    }
}

/// What was typed.
#[derive(Debug, Default)]
struct Typed {
    applied: Applied,
    /// What was sent and is not known to be applied: whose, its number, how long.
    sent: VecDeque<(ViewerId, u64, usize)>,
    bytes: usize,
}

impl Typed {
    /// Whether this input is to be sent now.
    fn may_send(&self, viewer: ViewerId, seq: u64, length: usize) -> bool {
        let is_sent = self.sent.iter().any(|(other, sent, _)| *other == viewer && *sent >= seq);
        !is_sent && (self.bytes == 0 || self.bytes + length <= WAITING_INPUT)
    }

    /// All input of this viewer up to this number is known to be applied.
    fn applied(&mut self, viewer: ViewerId, seq: u64) {
        self.applied.accept(viewer, seq);
        self.sent.retain(|(other, sent, _)| *other != viewer || *sent > seq);
        self.bytes = self.sent.iter().map(|(_, _, length)| length).sum();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
