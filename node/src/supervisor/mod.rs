//! Agents: the commands that this machine runs and looks after. Today they are started, watched,
//! ended, and found again by the next node; what restarts and probes them comes on top of [`Agents`].

mod agent;
mod exec;
mod fleet;
mod output;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use gantline_protocol::{
    AgentId, Epoch,
    api::{
        self, Agent, EventKind, ExecRequest, LogMb, RestartPolicy, SpawnRequest, signal::Signal,
    },
    terminal::TerminalSize,
};
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    events::Events,
    pty::{
        HostError, Shims,
        command::{CommandError, Prepared},
        host::{Hold, Host},
        hub::Hub,
        log::Limits,
        screen::Origin,
    },
    shim::record::{Definition, Kind, Record},
};

use agent::{Entry, Running};
pub use exec::Exec;
pub use output::{Output, OutputItem, OutputRange};

/// Agents that may run at a time.
pub const MAX_RUNNING: usize = 256;

/// How agents are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How much of each agent's output is kept.
    pub limits: Limits,
    /// How long an agent may take to end after it was told to.
    pub grace: Duration,
    /// Ended agents that are remembered with their logs. The oldest go first.
    pub ended: usize,
}

impl Default for Settings {
    /// 10 s of grace, 100 ended agents.
    fn default() -> Self {
        Self { limits: Limits::default(), grace: Duration::from_secs(10), ended: 100 }
    }
}

/// How long a node that starts waits to hear what has become of its agents.
const FOUND_WITHIN: Duration = Duration::from_secs(3);

/// The agents of this machine. Clones are the same.
#[derive(Debug, Clone)]
pub struct Agents {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    shims: Shims,
    settings: Settings,
    events: Events,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<AgentId, Entry>,
    /// Those that are being started.
    starting: BTreeSet<AgentId>,
    /// The node stops: nothing new is started.
    is_closed: bool,
}

/// Why something about an agent could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AgentsError {
    /// There is no such agent.
    #[error("there is no agent {0}; `gantline ps -a` shows those there are")]
    NotFound(AgentId),
    /// Its process has ended already.
    #[error("agent {0} has ended")]
    Ended(AgentId),
    /// Its process still runs.
    #[error("agent {0} still runs; stop it first: gantline kill {0}")]
    StillRunning(AgentId),
    /// It has no terminal: it was started by `exec`.
    #[error("agent {0} has no terminal")]
    NoTerminal(AgentId),
    /// As many agents run as may.
    #[error("{MAX_RUNNING} agents run already; stop one first")]
    Full,
    /// Its shim can't be reached.
    #[error("agent {0} can't be reached: {1}")]
    Away(AgentId, String),
    /// The node is stopping.
    #[error("this node is stopping")]
    Stopping,
    /// The command can't be started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Its process, or the shim that is to hold it, can't be started.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Agents {
    /// No agents yet. Needs a Tokio runtime.
    #[must_use]
    pub fn new(shims: Shims, events: Events) -> Self {
        Self::with_settings(shims, events, Settings::default())
    }

    /// The same, with other settings.
    #[must_use]
    pub fn with_settings(shims: Shims, events: Events, settings: Settings) -> Self {
        let shared = Shared { shims, settings, events, table: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Finds the agents that another node has started, and what has become of them; those that can
    /// not be reached at once are looked for further on.
    pub async fn find_again(&self) {
        let log_dir = self.shared.shims.log_dir.clone();
        let definitions = spawn_blocking(move || definitions(&log_dir)).await.unwrap_or_default();
        let entered = definitions.into_iter().map(|definition| {
            let (this, host) = (self.clone(), Host::find(&self.shared.shims, &definition));
            tokio::spawn(async move {
                host.is_found().await;
                let running = match definition.kind {
                    Kind::Terminal => {
                        let size = host.size();
                        Running::Terminal(Hub::new(host, size, Origin::Found))
                    }
                    Kind::Pipes => Running::Pipes(host),
                };
                this.enter(Entry { definition, is_stopping: false, running });
            })
        });
        let entered = futures_util::future::join_all(entered.collect::<Vec<_>>());
        if timeout(FOUND_WITHIN, entered).await.is_err() {
            tracing::warn!("some agents have not answered yet");
        }
        let forgotten = self.take_oldest();
        self.tell_forgotten(forgotten);
    }

    /// All agents, in the order of their start.
    #[must_use]
    pub fn list(&self) -> Vec<Agent> {
        let table = self.table();
        let mut agents: Vec<_> = table.entries.values().map(Entry::describe).collect();
        agents.sort_by_key(|agent| (agent.created_at, agent.agent_id));
        agents
    }

    /// The agents whose processes live, as far as is known.
    pub(crate) fn living(&self) -> Vec<(AgentId, Host)> {
        let table = self.table();
        let living = table.entries.values().filter(|entry| entry.host().end().is_none());
        living.map(|entry| (entry.id(), entry.host().clone())).collect()
    }

    /// One agent.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`].
    pub fn find(&self, id: AgentId) -> Result<Agent, AgentsError> {
        self.table().entries.get(&id).map(Entry::describe).ok_or(AgentsError::NotFound(id))
    }

    /// Starts a command on a terminal. Once this returns, its process runs; giving the wait up does
    /// not stop it.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing was started.
    pub async fn spawn(&self, request: SpawnRequest) -> Result<Agent, AgentsError> {
        let SpawnRequest { command, name, size, scrollback_kb, log_mb, supervision } = request;
        let size = size.unwrap_or(TerminalSize::STANDARD);
        let usual = self.shared.settings.limits;
        let memory = scrollback_kb.and_then(|kb| usize::try_from(kb.bytes()).ok());
        let memory = memory.unwrap_or(usual.memory);
        let limits = Limits { memory, file: log_mb.map_or(usual.file, LogMb::bytes) };
        let rest = match supervision.restart {
            // What was left running on purpose goes on.
            RestartPolicy::No => None,
            RestartPolicy::OnFailure | RestartPolicy::Always => {
                Some(Duration::from_millis(supervision.stop.grace_ms.get().into()))
            }
        };
        let hold = Hold { limits, resources: supervision.limits, rest };
        let prepared = Prepared::new(&command)?;
        let entry = self.start(command, prepared, name, size, Kind::Terminal, hold).await?;
        Ok(entry.describe())
    }

    /// Runs a command without a terminal, with standard output and standard error apart. It goes on
    /// if nobody listens any more.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing was started.
    pub async fn exec(&self, request: ExecRequest) -> Result<Exec, AgentsError> {
        let prepared = Prepared::new(&request.command)?;
        let hold = Hold::from(self.shared.settings.limits);
        let size = TerminalSize::STANDARD;
        let command = request.command;
        let entry = self.start(command, prepared, None, size, Kind::Pipes, hold).await?;
        let limit = request.timeout_ms.map(|millis| Duration::from_millis(millis.get().into()));
        Ok(Exec::new(entry.id(), entry.definition.created_at, entry.host().clone(), limit))
    }

    /// Sends a signal to an agent's process group.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::Ended`], [`AgentsError::Away`].
    pub fn signal(&self, id: AgentId, signal: Signal) -> Result<Agent, AgentsError> {
        let (running, agent) = self.running(id)?;
        running.signal(signal);
        Ok(agent)
    }

    /// Tells an agent to end, and ends it and all that it started if it has not within its grace. Returns
    /// at once; the state tells how it goes.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::Ended`], [`AgentsError::Away`].
    pub fn stop(&self, id: AgentId) -> Result<Agent, AgentsError> {
        let (running, _) = self.running(id)?;
        let agent = self.change(id, |entry| entry.is_stopping = true)?;
        running.stop(self.shared.settings.grace);
        Ok(agent)
    }

    /// Forgets an agent that has ended, and its log.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::StillRunning`].
    pub fn remove(&self, id: AgentId) -> Result<(), AgentsError> {
        let mut table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        if entry.host().end().is_none() {
            return Err(AgentsError::StillRunning(id));
        }
        let removed = table.entries.remove(&id);
        drop(table);
        if let Some(entry) = removed {
            entry.host().forget();
        }
        self.shared.events.publish(EventKind::AgentRemoved { agent_id: id });
        Ok(())
    }

    /// A range of what an agent has written.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::Away`].
    pub fn output(&self, id: AgentId, range: OutputRange) -> Result<Output, AgentsError> {
        let table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        is_reached(id, entry.host())?;
        Ok(Output::new(entry.host().log().clone(), range))
    }

    /// The terminal of an agent, for its viewers.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::NoTerminal`], [`AgentsError::Away`].
    pub fn hub(&self, id: AgentId) -> Result<Hub, AgentsError> {
        let table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        is_reached(id, entry.host())?;
        match &entry.running {
            Running::Terminal(hub) => Ok(hub.clone()),
            Running::Pipes(_) => Err(AgentsError::NoTerminal(id)),
        }
    }

    /// Starts nothing from now on, and leaves all agents to their shims: they go on.
    pub fn leave(&self) {
        let mut table = self.table();
        table.is_closed = true;
        table.entries.values().for_each(|entry| entry.host().leave());
    }

    /// Starts a process, and enters its agent. Once begun it is seen through.
    async fn start(
        &self,
        command: api::Command,
        prepared: Prepared,
        name: Option<gantline_protocol::Name>,
        size: TerminalSize,
        kind: Kind,
        hold: Hold,
    ) -> Result<Entry, AgentsError> {
        let (agent_id, epoch) = self.reserve()?;
        let api::Command { argv, cwd, shell, env: _ } = command;
        let created_at = SystemTime::now().into();
        let definition =
            Definition { agent_id, name, argv, shell, cwd, size, kind, epoch, created_at };
        let this = self.clone();
        let started = tokio::spawn(async move {
            let shims = &this.shared.shims;
            let started = Host::start(shims, &definition, prepared.of_agent(agent_id), hold).await;
            let entered = started.map(|host| {
                let running = match kind {
                    Kind::Terminal => Running::Terminal(Hub::new(host, size, Origin::Started)),
                    Kind::Pipes => Running::Pipes(host),
                };
                let entry = Entry { definition, is_stopping: false, running };
                this.enter(entry.clone());
                entry
            });
            this.table().starting.remove(&agent_id);
            entered
        });
        // It does not panic, and when the runtime ends there is nobody to tell.
        Ok(started.await.map_err(|_| AgentsError::Stopping)??)
    }

    /// A name for a new agent, if there may be one more.
    fn reserve(&self) -> Result<(AgentId, Epoch), AgentsError> {
        let mut table = self.table();
        if table.is_closed {
            return Err(AgentsError::Stopping);
        }
        let running = table.entries.values().filter(|entry| entry.host().end().is_none()).count();
        if running + table.starting.len() >= MAX_RUNNING {
            return Err(AgentsError::Full);
        }
        let rng = &mut UnwrapErr(SysRng);
        loop {
            let mut random = [0; 5];
            rng.fill_bytes(&mut random);
            let id = AgentId::from_random(random);
            // The directory of one that could not be read is not anybody else's.
            let is_free = !table.entries.contains_key(&id)
                && !self.shared.shims.record(id).dir().exists()
                && table.starting.insert(id);
            if is_free {
                return Ok((id, Epoch(rng.next_u64())));
            }
        }
    }

    /// Enters an agent, and watches over it.
    fn enter(&self, entry: Entry) {
        let (id, host) = (entry.id(), entry.host().clone());
        self.tell(&entry);
        self.table().entries.insert(id, entry);
        let this = self.clone();
        tokio::spawn(async move {
            let mut problem = host.problem();
            loop {
                tokio::select! {
                    biased;
                    _ = host.wait() => break,
                    now = host.problem_changes(problem.as_deref()) => problem = now,
                    () = host.is_left() => return,
                }
                this.retell(id);
            }
            let forgotten = this.take_oldest();
            this.retell(id);
            this.tell_forgotten(forgotten);
        });
    }

    fn retell(&self, id: AgentId) {
        let entry = self.table().entries.get(&id).cloned();
        if let Some(entry) = entry {
            self.tell(&entry);
        }
    }

    /// Takes out the agents that ended longest ago, all but as many as are to be remembered.
    fn take_oldest(&self) -> Vec<Entry> {
        let forgotten = self.table().forget_oldest(self.shared.settings.ended);
        forgotten.iter().for_each(|entry| entry.host().forget());
        forgotten
    }

    fn tell_forgotten(&self, forgotten: Vec<Entry>) {
        for entry in forgotten {
            self.shared.events.publish(EventKind::AgentRemoved { agent_id: entry.id() });
        }
    }

    fn change(&self, id: AgentId, change: impl FnOnce(&mut Entry)) -> Result<Agent, AgentsError> {
        let entry = {
            let mut table = self.table();
            let entry = table.entries.get_mut(&id).ok_or(AgentsError::NotFound(id))?;
            change(entry);
            entry.clone()
        };
        self.tell(&entry);
        Ok(entry.describe())
    }

    fn running(&self, id: AgentId) -> Result<(Running, Agent), AgentsError> {
        let table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        is_reached(id, entry.host())?;
        match entry.host().end() {
            None => Ok((entry.running.clone(), entry.describe())),
            Some(_) => Err(AgentsError::Ended(id)),
        }
    }

    fn tell(&self, entry: &Entry) {
        let Agent { agent_id, state, exit, .. } = entry.describe();
        self.shared.events.publish(EventKind::AgentChanged { agent_id, state, exit });
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in here can panic half-way.
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Takes out the agents that ended longest ago, all but `most`.
    fn forget_oldest(&mut self, most: usize) -> Vec<Entry> {
        let ended = self.entries.values().filter_map(|entry| Some((entry.ended_at()?, entry.id())));
        let mut ended: Vec<_> = ended.collect();
        ended.sort_unstable();
        let forgotten = ended.len().saturating_sub(most);
        let forgotten = ended.into_iter().take(forgotten);
        forgotten.filter_map(|(_, id)| self.entries.remove(&id)).collect()
    }
}

fn is_reached(id: AgentId, host: &Host) -> Result<(), AgentsError> {
    match host.problem() {
        None => Ok(()),
        Some(why) => Err(AgentsError::Away(id, why.to_string())),
    }
}

/// What agents there are in a directory of theirs. One that can't be read is left alone.
fn definitions(log_dir: &std::path::Path) -> Vec<Definition> {
    let mut definitions = Vec::new();
    for entry in std::fs::read_dir(log_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<AgentId>().ok()) else {
            continue;
        };
        match Record::new(entry.path()).definition() {
            Ok(Some(definition)) if definition.agent_id == id => definitions.push(definition),
            Ok(Some(_)) => tracing::warn!(agent = %id, "its files say that it is another agent"),
            // Its node was killed while it made the directory.
            Ok(None) => tracing::warn!(agent = %id, "its files do not say what it is"),
            Err(error) => tracing::warn!(agent = %id, %error, "an agent can't be read"),
        }
    }
    definitions
}
