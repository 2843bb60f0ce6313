//! The node's side of one agent's process: it starts the shim that holds it, finds it again after a
//! restart, and speaks with it in READ ([`Host::log`]), WRITE, RESIZE, SIGNAL and WAIT, and in
//! nothing else. When a connection ends, one task finds out what has become of the shim.

use std::{
    collections::VecDeque,
    io,
    os::unix::fs::FileTypeExt as _,
    path::PathBuf,
    process::Stdio,
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
    shim::{Ack, FromShim, Greeting, LENGTH, MAX_CHECKPOINT, ReadMode, Scope, ToShim, Versions},
    terminal::TerminalSize,
};
use rustix::process::{Pid, Signal as Number, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::{Notify, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    command::Prepared,
    link::{FOLLOW, Input, Link, LinkError},
    log::{Limits, Log, Source},
    scope as unit,
};
use crate::{
    limits::{Ground, Group},
    shim::{
        self, Applied,
        log::kept,
        record::{Definition, Exit, Kind, Life, Record},
        start::{self, Answer, Start},
    },
};

/// Input that a shim has yet to give to its process, in bytes. When there is so much, whoever types
/// waits; the output does not.
const WAITING_INPUT: usize = 256 * 1024;
/// How long a shim may take to start a process.
const START_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait before a shim that can't be reached is looked for again: at first, and at most.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const LOOK_AGAIN_AT_MOST: Duration = Duration::from_secs(30);
/// How far pipes are read ahead of whoever wants all of it.
const HOLD: u32 = 512 * 1024;
const HOLD_AT_LEAST: u32 = 32 * 1024;
/// The greatest length of a Unix socket's path, in bytes, on every system that has them.
const MAX_SOCKET: usize = 103;

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

/// Where shims and what they keep are.
#[derive(Debug, Clone)]
pub struct Shims {
    /// The program that is a shim when it is told so.
    pub program: PathBuf,
    /// Where each agent has a directory.
    pub log_dir: PathBuf,
    /// Where each shim has its socket.
    pub run_dir: PathBuf,
}

impl Shims {
    pub(crate) fn record(&self, agent: AgentId) -> Record {
        Record::new(self.log_dir.join(agent.to_string()))
    }

    /// The files of one life of an agent: of the first in the agent's directory, of each later one in
    /// a directory of its own in there.
    pub(crate) fn life(&self, definition: &Definition) -> Record {
        let of_agent = self.record(definition.agent_id);
        match definition.number {
            ..=1 => of_agent,
            _ => Record::new(of_agent.dir().join(format!("{:016x}", definition.epoch.0))),
        }
    }

    /// What an earlier life of an agent has written, as far as it is kept.
    pub(crate) async fn kept_log(&self, definition: &Definition) -> Log {
        let (record, epoch) = (self.life(definition), definition.epoch);
        let left = spawn_blocking(move || {
            let end = record.exit().ok().flatten().map_or(Offset(0), |exit| exit.end);
            kept(record.dir(), end, record.marks())
        });
        let log = Log::new(epoch, Limits::default());
        if let Ok(left) = left.await {
            let end = left.end();
            log.ask(Source::Files(Arc::new(Mutex::new(left))));
            log.close(end);
        }
        log
    }

    fn socket(&self, agent: AgentId) -> PathBuf {
        self.run_dir.join(format!("{agent}.sock"))
    }
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

/// How it stands between this node and the shim.
#[derive(Debug, Clone)]
enum Situation {
    /// It is being looked for.
    Looked,
    Linked,
    /// It can't be reached, for this reason.
    Away(Arc<str>),
    Ended(End),
}

/// What was typed.
#[derive(Debug, Default)]
struct Typed {
    applied: Applied,
    /// What was sent and is not known to be applied: whose, its number, how long.
    sent: VecDeque<(ViewerId, u64, usize)>,
    bytes: usize,
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

/// What has become of a shim.
enum Found {
    Shim(Link, Greeting, Input),
    Exit(Exit),
    /// Nobody saw how its process ended.
    Lost,
    Away(String),
}

impl Shared {
    /// Keeps in touch with the shim until it is left alone or gone for good.
    async fn keep(self: Arc<Self>, mut found: Option<(Link, Input)>) {
        let is_left = self.is_left.clone();
        let keep = async {
            loop {
                let (link, input) = match found.take() {
                    Some(found) => found,
                    None => match self.look().await {
                        Some(found) => found,
                        None => {
                            self.is_over.cancel();
                            return;
                        }
                    },
                };
                let hear = |message: FromShim<'_>| self.hear(&message);
                let ended = link.run(input, hear, || self.log.rested()).await;
                tracing::debug!(agent = %self.agent, ?ended, "a connection to a shim has ended");
                *lock(&self.link) = None;
                self.log.ask(Source::Nobody);
            }
        };
        if is_left.run_until_cancelled(keep).await.is_none() {
            // The connection ends with the last who could use it.
            self.log.ask(Source::Nobody);
        }
        *lock(&self.link) = None;
    }

    /// Looks for the shim until it answers; `None` when it is gone, which is then known.
    async fn look(self: &Arc<Self>) -> Option<(Link, Input)> {
        let mut again = LOOK_AGAIN;
        loop {
            match self.find_out().await {
                Found::Shim(link, greeting, input) => {
                    let this = self.clone();
                    if let Ok(Ok(Some(life))) = spawn_blocking(move || this.record.life()).await {
                        *lock(&self.not_enforced) = life.not_enforced;
                    }
                    let from = self.linked(&link, greeting);
                    link.send(&self.first_words(from));
                    return Some((link, input));
                }
                Found::Exit(exit) => {
                    lock(&self.size).get_or_insert(exit.size);
                    let Exit { at, end: offset, status: how, size: _ } = exit;
                    self.gone(End { at, how, offset }, offset).await;
                    return None;
                }
                Found::Lost => {
                    let at = std::time::SystemTime::now().into();
                    let offset = self.log.end();
                    // What was in the shim's memory only is nowhere any more.
                    self.gone(End { at, how: None, offset }, Offset(0)).await;
                    return None;
                }
                Found::Away(why) => {
                    let is_news = match &*self.situation.borrow() {
                        Situation::Away(known) => **known != *why,
                        // How it ended is known, and that is more.
                        Situation::Ended(_) => false,
                        Situation::Looked | Situation::Linked => true,
                    };
                    if is_news {
                        tracing::warn!(agent = %self.agent, %why, "an agent can't be reached");
                        self.situation.send_replace(Situation::Away(why.into()));
                    }
                }
            }
            sleep(again).await;
            again = (again * 2).min(LOOK_AGAIN_AT_MOST);
        }
    }

    async fn find_out(self: &Arc<Self>) -> Found {
        let read_exit = || {
            let this = self.clone();
            async move { spawn_blocking(move || this.record.exit()).await }
        };
        match read_exit().await {
            Ok(Ok(Some(exit))) => {
                // What it left behind may still write, and then its shim is still there.
                if let Ok((link, greeting, input)) = Link::connect(&self.socket).await
                    && greeting.epoch == self.log.epoch()
                {
                    return Found::Shim(link, greeting, input);
                }
                return Found::Exit(exit);
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => return Found::Away(error.to_string()),
            Err(_ended) => return Found::Away("this node is ending".to_owned()),
        }
        let error = match Link::connect(&self.socket).await {
            Ok((link, greeting, input)) if greeting.epoch == self.log.epoch() => {
                return Found::Shim(link, greeting, input);
            }
            Ok(_) => LinkError::Stranger,
            Err(error) => error,
        };
        let this = self.clone();
        let life = spawn_blocking(move || {
            let life = this.record.life()?;
            Ok(life.map(|life| (life.shim.is_alive(), life)))
        });
        match life.await {
            Ok(Ok(Some((true, life)))) => {
                self.call(&life, &error);
                let (pid, socket) = (life.shim.pid, self.socket.display());
                Found::Away(format!("its shim, process {pid}, can't be used at {socket}: {error}"))
            }
            Ok(Ok(Some((false, _)) | None)) => match read_exit().await {
                // It has ended between the first look and this one.
                Ok(Ok(Some(exit))) => Found::Exit(exit),
                Ok(Ok(None)) => Found::Lost,
                Ok(Err(error)) => Found::Away(error.to_string()),
                Err(_ended) => Found::Away("this node is ending".to_owned()),
            },
            Ok(Err::<_, crate::state::StateError>(error)) => Found::Away(error.to_string()),
            Err(_ended) => Found::Away("this node is ending".to_owned()),
        }
    }

    /// A shim whose socket is gone is asked to make it anew.
    fn call(&self, life: &Life, error: &LinkError) {
        let is_gone =
            matches!(error, LinkError::Io(error) if error.kind() == io::ErrorKind::NotFound);
        let pid = i32::try_from(life.shim.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| is_gone) {
            let _ = kill_process(pid, Number::HUP);
        }
    }

    /// A connection to the shim. Returns from where on its output is to be followed.
    fn linked(&self, link: &Link, greeting: Greeting) -> Offset {
        *lock(&self.pid) = Some(greeting.pid);
        if let Some(size) = greeting.size {
            let wanted = *lock(&self.size).get_or_insert(size);
            if wanted != size {
                link.say(&ToShim::Resize(wanted));
            }
        }
        let from = self.log.found(greeting.kept, greeting.end);
        self.log.ask(Source::Shim(link.clone()));
        {
            let mut typed = lock(&self.typed);
            *typed = Typed { applied: Applied::told(greeting.applied), ..Typed::default() };
            *lock(&self.link) = Some(link.clone());
        }
        self.situation.send_if_modified(|now| match now {
            Situation::Ended(_) => false,
            Situation::Looked | Situation::Linked | Situation::Away(_) => {
                *now = Situation::Linked;
                true
            }
        });
        self.typed_more.notify_waiters();
        from
    }

    /// What a shim is told first.
    fn first_words(&self, from: Offset) -> Vec<u8> {
        let mode = match self.hold.load(Ordering::Relaxed) {
            0 => ReadMode::Follow,
            hold => ReadMode::Hold(hold),
        };
        let mut words = Vec::new();
        for message in [ToShim::Read { id: FOLLOW, from, mode }, ToShim::Wait] {
            message.encode(&mut words).expect("a READ and a WAIT are within their bounds");
        }
        words
    }

    fn hear(&self, message: &FromShim<'_>) {
        match message {
            FromShim::Output(output) => self.log.took(output),
            FromShim::Written { viewer, seq } => {
                lock(&self.typed).applied(*viewer, *seq);
                self.typed_more.notify_waiters();
            }
            FromShim::Exited(ended) => {
                self.ended(End { at: ended.at, how: ended.how, offset: ended.end });
            }
            FromShim::Hello(_)
            | FromShim::OtherVersion(_)
            | FromShim::Checkpoint(_)
            | FromShim::Ignored(_) => {}
        }
    }

    /// It is known how the process ended.
    fn ended(&self, end: End) {
        self.log.close(end.offset);
        self.situation.send_if_modified(|now| match now {
            Situation::Ended(_) => false,
            Situation::Looked | Situation::Linked | Situation::Away(_) => {
                *now = Situation::Ended(end);
                true
            }
        });
        self.typed_more.notify_waiters();
    }

    /// The shim is gone: what it has left is on the disk, up to `kept_to` at least.
    async fn gone(self: &Arc<Self>, end: End, kept_to: Offset) {
        let this = self.clone();
        let left = spawn_blocking(move || {
            // Left over if it was killed.
            let is_socket = |there: std::fs::Metadata| there.file_type().is_socket();
            if this.socket.symlink_metadata().is_ok_and(is_socket) {
                let _ = std::fs::remove_file(&this.socket);
            }
            if let Ok(Some(Life { group: Some(group), .. })) = this.record.life() {
                drop(Group::left(group));
            }
            kept(this.record.dir(), kept_to, this.record.marks())
        });
        if let Ok(left) = left.await {
            let offset = end.offset.max(left.end());
            self.log.ask(Source::Files(Arc::new(Mutex::new(left))));
            self.ended(End { offset, ..end });
        }
    }
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

/// A shim that has started a process, and why its limits are not enforced, if they are not.
type Launched = (Link, Greeting, Input, Option<String>);

/// Starts a shim, in a scope of its own where there is such a thing, and hears whether it has started
/// the process.
async fn launch(
    shims: &Shims,
    agent: AgentId,
    start: &Start,
    first_words: &[u8],
) -> Result<Launched, HostError> {
    let scope = unit::Scope::find();
    let in_scope = scope.and_then(|scope| scope.command(&shims.program, agent, start.epoch));
    if let Some(command) = in_scope {
        match launch_by(command, agent, start, first_words).await {
            Err(HostError::NoShim(why)) => {
                tracing::warn!(%agent, %why, "the user's systemd gives no scope; going on without");
            }
            answer => return answer,
        }
    }
    let mut command = tokio::process::Command::new(&shims.program);
    command.arg0("gantline").env_clear();
    launch_by(command, agent, start, first_words).await
}

async fn launch_by(
    mut command: tokio::process::Command,
    agent: AgentId,
    start: &Start,
    first_words: &[u8],
) -> Result<Launched, HostError> {
    let path = &start.socket;
    if path.as_os_str().len() > MAX_SOCKET {
        let path = path.display();
        let why = format!("{path} is too long for a socket: set GANTLINE_HOME to a shorter path");
        return Err(HostError::Shim(why));
    }
    let failed = |error: io::Error| HostError::Shim(error.to_string());
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    command.args([shim::VERB, &agent.to_string()]).current_dir("/");
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let program = command.as_std().get_program().to_owned();
    let not_there = |error| HostError::NoShim(format!("{}: {error}", program.display()));
    let mut child = command.spawn().map_err(not_there)?;
    // Ours would keep the other end open after whoever has it has gone.
    drop(command);
    // It is reaped by this node as long as there is one.
    tokio::spawn(async move { child.wait().await });
    let mut ours = UnixStream::from_std(ours).map_err(failed)?;
    let mut words = start.encode();
    if words.len() > start::MAX {
        return Err(HostError::Shim("the command and its environment are too long".to_owned()));
    }
    ToShim::Hello(Versions::OURS).encode(&mut words).expect("a HELLO is within its bounds");
    words.extend_from_slice(first_words);
    let answered = async {
        ours.write_all(&words).await?;
        let mut header = [0; start::LENGTH];
        ours.read_exact(&mut header).await?;
        let mut answer = vec![0; start::length_of(header)?];
        ours.read_exact(&mut answer).await?;
        Answer::decode(&answer).map_err(io::Error::other)
    };
    let late = |_| HostError::Shim("it does not start within 10 s".to_owned());
    let gone = |error: io::Error| HostError::NoShim(format!("it went without a word: {error}"));
    let not_enforced = match timeout(START_WITHIN, answered).await.map_err(late)?.map_err(gone)? {
        Answer::Started { pid: _, not_enforced } => not_enforced,
        Answer::NotStarted { errno } => {
            return Err(HostError::Spawn(io::Error::from_raw_os_error(errno)));
        }
        Answer::Failed(why) => return Err(HostError::Shim(why)),
    };
    let (link, mut input) = Link::new(ours);
    let greeted = input.greeting().await;
    let greeting = greeted.map_err(|error| HostError::Shim(error.to_string()))?;
    Ok((link, greeting, input, not_enforced))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
