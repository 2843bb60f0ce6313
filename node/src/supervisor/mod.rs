//! Agents: the commands that this machine runs and looks after. Today they are started, watched and
//! ended; what restarts, probes and remembers them comes on top of [`Agents`].

mod agent;
mod exec;
mod output;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use gantline_protocol::{
    AgentId, Epoch, Timestamp,
    api::{self, Agent, AgentState, EventKind, ExecRequest, SpawnRequest, signal::Signal},
    terminal::TerminalSize,
};
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::{
    events::Events,
    pty::{
        HostError,
        command::{CommandError, Prepared},
        host::Host,
        hub::Hub,
        log::{Limits, Log},
        screen::Origin,
    },
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

/// How long agents may take to hear TERM when the node stops, before their terminals hang up.
const HANG_UP_AFTER: Duration = Duration::from_millis(500);

/// The agents of this machine. Clones are the same.
#[derive(Debug, Clone)]
pub struct Agents {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    log_dir: PathBuf,
    settings: Settings,
    events: Events,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<AgentId, Entry>,
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
    /// The node is stopping.
    #[error("this node is stopping")]
    Stopping,
    /// The command can't be started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The system does not start it.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The system does not start it.
    #[error("the system does not start it: {0}")]
    Spawn(std::io::Error),
}

impl Agents {
    /// No agents yet; their logs go below `log_dir`, where nothing is kept from before: until agents
    /// outlive the node, a log without its agent is of nobody.
    #[must_use]
    pub fn new(log_dir: PathBuf, events: Events) -> Self {
        Self::with_settings(log_dir, events, Settings::default())
    }

    /// As [`Agents::new`], keeping so much of each agent's output.
    #[must_use]
    pub fn with_limits(log_dir: PathBuf, events: Events, limits: Limits) -> Self {
        Self::with_settings(log_dir, events, Settings { limits, ..Settings::default() })
    }

    /// As [`Agents::new`], with other settings.
    #[must_use]
    pub fn with_settings(log_dir: PathBuf, events: Events, settings: Settings) -> Self {
        remove_leftovers(&log_dir);
        let shared = Shared { log_dir, settings, events, table: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// All agents, in the order of their start.
    #[must_use]
    pub fn list(&self) -> Vec<Agent> {
        let table = self.table();
        let mut agents: Vec<_> = table.entries.values().map(Entry::describe).collect();
        agents.sort_by_key(|agent| (agent.created_at, agent.agent_id));
        agents
    }

    /// One agent.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`].
    pub fn find(&self, id: AgentId) -> Result<Agent, AgentsError> {
        self.table().entries.get(&id).map(Entry::describe).ok_or(AgentsError::NotFound(id))
    }

    /// Starts a command on a terminal. Once this returns, its process runs. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing was started.
    pub fn spawn(&self, request: SpawnRequest) -> Result<Agent, AgentsError> {
        let command = Prepared::new(&request.command)?;
        let size = request.size.unwrap_or(TerminalSize::STANDARD);
        let (id, entry) = self.begin(request.command, request.name, size, |id, log| {
            let command = command.of_agent(id);
            let host = Host::start(&command, size, log)?;
            Ok(Running::Terminal(Hub::new(host, size, Origin::Started)))
        })?;
        let Running::Terminal(hub) = entry.running.clone() else {
            return Err(AgentsError::NoTerminal(id));
        };
        let this = self.clone();
        tokio::spawn(async move {
            let ended = hub.host().wait().await;
            this.ended(id, ended);
        });
        Ok(entry.describe())
    }

    /// Runs a command without a terminal, with standard output and standard error apart. It goes on
    /// if nobody listens any more. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing was started.
    pub fn exec(&self, request: ExecRequest) -> Result<Exec, AgentsError> {
        let command = Prepared::new(&request.command)?;
        let mut started = None;
        let (id, entry) =
            self.begin(request.command, None, TerminalSize::STANDARD, |id, log| {
                let command = command.of_agent(id);
                let (process, group) =
                    exec::Process::start(&command, log).map_err(AgentsError::Spawn)?;
                started = Some(process);
                Ok(Running::Pipes(group))
            })?;
        let Some(process) = started else { return Err(AgentsError::NotFound(id)) };
        let began = entry.started;
        let limit = request.timeout_ms.map(|millis| Duration::from_millis(millis.get().into()));
        let this = self.clone();
        Ok(process.run(id, began, limit, move |ended| this.ended(id, ended)))
    }

    /// Sends a signal to an agent's process group.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::Ended`].
    pub fn signal(&self, id: AgentId, signal: Signal) -> Result<Agent, AgentsError> {
        let (running, agent) = self.running(id)?;
        running.signal(signal);
        Ok(agent)
    }

    /// Tells an agent to end, and ends it and all that it started if it has not within its grace. Returns
    /// at once; the state tells how it goes.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::Ended`].
    pub fn stop(&self, id: AgentId) -> Result<Agent, AgentsError> {
        let (running, _) = self.running(id)?;
        let agent = self.change(id, |entry| entry.is_stopping = true)?;
        let grace = self.shared.settings.grace;
        tokio::spawn(async move { end(&running, grace).await });
        Ok(agent)
    }

    /// Forgets an agent that has ended, and its log.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::StillRunning`].
    pub fn remove(&self, id: AgentId) -> Result<(), AgentsError> {
        let mut table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        if entry.ended.is_none() {
            return Err(AgentsError::StillRunning(id));
        }
        table.entries.remove(&id);
        drop(table);
        self.shared.events.publish(EventKind::AgentRemoved { agent_id: id });
        Ok(())
    }

    /// A range of what an agent has written.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`].
    pub fn output(&self, id: AgentId, range: OutputRange) -> Result<Output, AgentsError> {
        let table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        Ok(Output::new(entry.log.clone(), range))
    }

    /// The terminal of an agent, for its viewers.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::NoTerminal`].
    pub fn hub(&self, id: AgentId) -> Result<Hub, AgentsError> {
        let table = self.table();
        match &table.entries.get(&id).ok_or(AgentsError::NotFound(id))?.running {
            Running::Terminal(hub) => Ok(hub.clone()),
            Running::Pipes(_) => Err(AgentsError::NoTerminal(id)),
        }
    }

    /// Ends every agent: told first, killed at `within`. Starts nothing from now on.
    pub async fn shut_down(&self, within: Duration) {
        let running: Vec<_> = {
            let mut table = self.table();
            table.is_closed = true;
            let live = table.entries.values().filter(|entry| entry.ended.is_none());
            live.map(|entry| entry.running.clone()).collect()
        };
        let ends = running.iter().map(|running| async move {
            // The terminals go with the node: an interactive shell leaves for that, and not for
            // TERM. Whoever does hear TERM has had time to end in order.
            let hang_up = async {
                sleep(HANG_UP_AFTER).await;
                running.signal(Signal::Hup);
                std::future::pending().await
            };
            tokio::select! {
                () = end(running, within) => {}
                () = hang_up => {}
            }
        });
        futures_util::future::join_all(ends).await;
    }

    /// Enters an agent and starts its process.
    fn begin(
        &self,
        command: api::Command,
        name: Option<gantline_protocol::Name>,
        size: TerminalSize,
        start: impl FnOnce(AgentId, Log) -> Result<Running, AgentsError>,
    ) -> Result<(AgentId, Entry), AgentsError> {
        let mut table = self.table();
        if table.is_closed {
            return Err(AgentsError::Stopping);
        }
        if table.entries.values().filter(|entry| entry.ended.is_none()).count() >= MAX_RUNNING {
            return Err(AgentsError::Full);
        }
        let rng = &mut UnwrapErr(SysRng);
        let id = loop {
            let mut random = [0; 5];
            rng.fill_bytes(&mut random);
            let id = AgentId::from_random(random);
            if !table.entries.contains_key(&id) {
                break id;
            }
        };
        let dir = self.shared.log_dir.join(id.to_string());
        let log = Log::new(Epoch(rng.next_u64()), dir, self.shared.settings.limits);
        let running = start(id, log.clone())?;
        let api::Command { argv, cwd, shell, env: _ } = command;
        let entry = Entry {
            id,
            name,
            argv,
            shell,
            cwd,
            size,
            started: now(),
            ended: None,
            is_stopping: false,
            running,
            log,
        };
        table.entries.insert(id, entry.clone());
        drop(table);
        self.tell(&entry);
        Ok((id, entry))
    }

    fn ended(&self, id: AgentId, how: crate::pty::host::Ended) {
        let (entry, forgotten) = {
            let mut table = self.table();
            let Some(entry) = table.entries.get_mut(&id) else { return };
            entry.ended = Some((now(), how));
            let entry = entry.clone();
            let forgotten = table.forget_oldest(self.shared.settings.ended);
            (entry, forgotten)
        };
        self.tell(&entry);
        for agent_id in forgotten {
            self.shared.events.publish(EventKind::AgentRemoved { agent_id });
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
        match entry.ended {
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
    /// Forgets the agents that ended longest ago, all but `most`.
    fn forget_oldest(&mut self, most: usize) -> Vec<AgentId> {
        let ended = self.entries.values().filter_map(|entry| Some((entry.ended?.0, entry.id)));
        let mut ended: Vec<_> = ended.collect();
        ended.sort_unstable();
        let forgotten = ended.len().saturating_sub(most);
        let forgotten: Vec<_> = ended.into_iter().take(forgotten).map(|(_, id)| id).collect();
        for id in &forgotten {
            self.entries.remove(id);
        }
        forgotten
    }
}

/// Tells a process to end, and ends it with all that it started if it has not within `grace`.
async fn end(running: &Running, grace: Duration) {
    let deadline = Instant::now() + grace;
    running.signal(Signal::Term);
    // A process that is stopped can't hear it.
    running.signal(Signal::Cont);
    if timeout_at(deadline, running.wait()).await.is_err() {
        running.kill().await;
        // What was just killed is reaped at once; whatever can't be killed is not waited for.
        let _ = timeout(Duration::from_secs(1), running.wait()).await;
    } else {
        // Its children may have something to bring to its end as well.
        running.ask_the_rest(deadline).await;
    }
    running.kill().await;
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn remove_leftovers(log_dir: &std::path::Path) {
    for entry in std::fs::read_dir(log_dir).into_iter().flatten().flatten() {
        let is_log = entry.file_name().to_str().is_some_and(|name| name.parse::<AgentId>().is_ok());
        if is_log && let Err(error) = std::fs::remove_dir_all(entry.path()) {
            tracing::warn!(%error, path = %entry.path().display(), "an old log can't be removed");
        }
    }
}

/// What the entry has to say for itself.
impl Entry {
    fn describe(&self) -> Agent {
        let state = match (self.ended, self.is_stopping) {
            (Some((_, None)), _) => AgentState::Lost,
            (Some((_, Some(_))), _) => AgentState::Exited,
            (None, true) => AgentState::Stopping,
            (None, false) => AgentState::Running,
        };
        Agent {
            agent_id: self.id,
            name: self.name.clone(),
            argv: self.argv.clone(),
            shell: self.shell,
            cwd: self.cwd.clone(),
            state,
            pid: self.ended.is_none().then(|| self.running.pid()),
            epoch: Some(self.log.epoch()),
            size: match &self.running {
                Running::Terminal(hub) => hub.size(),
                Running::Pipes(_) => self.size,
            },
            exit: self.ended.and_then(|(_, how)| how),
            restarts: 0,
            created_at: self.started,
            started_at: Some(self.started),
            ended_at: self.ended.map(|(at, _)| at),
        }
    }
}
