//! Agents: the commands that this machine runs and looks after. What is done about them the fleet
//! decides (`fleet`); `work` does it, and `store` keeps it for the next node.

mod agent;
mod exec;
mod fleet;
mod notes;
mod output;
mod store;
mod work;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use gantline_protocol::{
    AgentId, Epoch, Timestamp,
    api::{
        Actor, Agent, AgentPatch, AgentSource, AgentState, Env, EnvDifference, EventKind,
        ExecRequest, RestartPolicy, SpawnRequest, Supervision, signal::Signal,
    },
    terminal::TerminalSize,
};
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::{
    sync::{Notify, oneshot, watch},
    task::spawn_blocking,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    events::Events,
    history::Journal,
    pty::{
        HostError, Shims,
        command::{CommandError, Prepared},
        host::Host,
        hub::Hub,
        log::Limits,
        screen::Origin,
    },
    shim::record::{Kind, Record},
    state::StateFiles,
};

use agent::{Described, Entry, Running, has_process};
pub use exec::Exec;
use fleet::{Command, Event, Fleet, Life, Refusal, Shown};
pub use output::{Output, OutputItem, OutputRange};
use store::{Found, FoundAgent, KeptAgent, Store};

/// Agents that may run, or wait to, at a time.
pub const MAX_RUNNING: usize = 256;
/// Agents that there may be. One more is refused.
pub const MAX_AGENTS: usize = 1024;
/// All that is kept of agents fits into one file: the commands and environments of all of them come
/// to so many bytes at most. One more is refused.
const MAX_KEPT: usize = 8 << 20;

/// How agents are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How much of each agent's output is kept.
    pub limits: Limits,
    /// Agents that have ended for good and are remembered with their logs. The oldest go first; what
    /// has a restart policy, was applied or is waited for is not among them.
    pub ended: usize,
}

impl Default for Settings {
    /// 100 ended agents.
    fn default() -> Self {
        Self { limits: Limits::default(), ended: 100 }
    }
}

/// How long a node that starts waits to hear what has become of its agents.
const FOUND_WITHIN: Duration = Duration::from_secs(3);
/// How long whoever starts an agent waits to hear whether it runs.
const STARTED_WITHIN: Duration = Duration::from_secs(10);

/// The agents of this machine. Clones are the same.
#[derive(Debug, Clone)]
pub struct Agents {
    shared: Arc<Shared>,
    /// Who wants what is done by this one, for the history.
    by: Option<Actor>,
}

#[derive(Debug)]
struct Shared {
    shims: Shims,
    settings: Settings,
    events: Events,
    store: Store,
    journal: OnceLock<Journal>,
    table: Mutex<Table>,
    /// The fleet may have something to do at another time than before.
    due: Notify,
    /// Counts what was told.
    changed: watch::Sender<u64>,
    /// The agents are left to their shims.
    is_left: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    fleet: Fleet,
    entries: BTreeMap<AgentId, Entry>,
    /// Who waits for the first process of an agent.
    first: BTreeMap<AgentId, work::First>,
    /// Counts what is to be kept.
    version: u64,
    /// The tasks that keep time and the file run.
    has_begun: bool,
    /// The node stops: nothing new is started.
    is_closed: bool,
}

/// Why something about an agent could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AgentsError {
    /// There is no such agent.
    #[error("there is no agent {0}; `gantline ps -a` shows those there are")]
    NotFound(AgentId),
    /// It does not run.
    #[error("agent {0} has ended")]
    Ended(AgentId),
    /// It runs.
    #[error("agent {0} runs already; for another process: gantline restart {0}")]
    AlreadyRuns(AgentId),
    /// It is being started, or waits for something.
    #[error("agent {0} is being started already{1}")]
    AlreadyStarts(AgentId, String),
    /// It has no process yet.
    #[error("agent {0} was not started yet{1}")]
    NeverStarted(AgentId, String),
    /// It was started by `exec`.
    #[error("agent {0} was run by exec, which runs a command once; spawn an agent for more")]
    RunsOnce(AgentId),
    /// Its process still runs, or is to.
    #[error("agent {0} still runs; stop it first: gantline stop {0}")]
    StillRunning(AgentId),
    /// Others wait for it.
    #[error("agent {0} is what others depend on: {1}; change or remove them first")]
    IsAwaited(AgentId, String),
    /// It can't depend on that.
    #[error("dependsOn: {0}")]
    Dependency(String),
    /// What that life of its process has written is gone.
    #[error("what agent {0} wrote in that life of its process is not kept any more; {1}")]
    NotKept(AgentId, String),
    /// It has no terminal: it was started by `exec`.
    #[error("agent {0} has no terminal")]
    NoTerminal(AgentId),
    /// As many agents run as may.
    #[error("{MAX_RUNNING} agents run already; stop one first")]
    Full,
    /// There are as many agents as there may be.
    #[error("there are {MAX_AGENTS} agents already; remove one first: gantline rm AGENT")]
    TooMany,
    /// It is too much to be kept.
    #[error(
        "the commands and environments of all agents would come to more than 8 MiB; put what is \
         long into a file, or remove agents: gantline rm AGENT"
    )]
    TooLong,
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
    /// No agents yet. Another node finds those that are started by their processes only. Needs a
    /// Tokio runtime.
    #[must_use]
    pub fn new(shims: Shims, events: Events) -> Self {
        Self::with_settings(shims, events, Settings::default())
    }

    /// The same, with other settings.
    #[must_use]
    pub fn with_settings(shims: Shims, events: Events, settings: Settings) -> Self {
        Self::kept_in(None, shims, events, settings)
    }

    /// The same, kept in these files for the node that comes next.
    #[must_use]
    pub fn kept_in(
        files: Option<StateFiles>,
        shims: Shims,
        events: Events,
        settings: Settings,
    ) -> Self {
        let shared = Shared {
            shims,
            settings,
            events,
            store: Store::new(files),
            journal: OnceLock::new(),
            table: Mutex::default(),
            due: Notify::new(),
            changed: watch::Sender::new(0),
            is_left: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared), by: None }
    }

    /// The same agents, for somebody: what is done by these is noted as theirs.
    #[must_use]
    pub fn by(&self, who: Actor) -> Self {
        Self { shared: self.shared.clone(), by: Some(who) }
    }

    /// The same agents, for nobody: what happens by itself.
    fn by_nobody(&self) -> Self {
        Self { shared: self.shared.clone(), by: None }
    }

    /// Notes what happens from now on in this journal as well.
    pub fn note_in(&self, journal: Journal) {
        // A second one would be told the same.
        let _ = self.shared.journal.set(journal);
    }

    /// Finds the agents that another node has looked after, and what has become of them, and goes on
    /// looking after them. Those that can not be reached at once are looked for further on.
    pub async fn find_again(&self) {
        let this = self.clone();
        let found = spawn_blocking(move || this.shared.store.find(&this.shared.shims.log_dir));
        let Found { agents, was_rebooted } = found.await.unwrap_or_default();
        let searches: Vec<_> = {
            let mut table = self.table();
            table.fleet.close();
            let restored = agents.into_iter();
            restored.filter_map(|found| self.restore(&mut table, found, was_rebooted)).collect()
        };
        if timeout(FOUND_WITHIN, futures_util::future::join_all(searches)).await.is_err() {
            tracing::warn!("some agents have not answered yet");
        }
        let mut table = self.table();
        let todo = table.fleet.open(Instant::now());
        self.obey(&mut table, todo);
        self.begin(&mut table);
        // What has become of them since is news.
        self.shared.store.is_stale();
        drop(table);
        self.forget_oldest();
    }

    /// Enters an agent from before. Returns what finds out what has become of its process.
    fn restore(
        &self,
        table: &mut Table,
        found: FoundAgent,
        was_rebooted: bool,
    ) -> Option<tokio::task::JoinHandle<()>> {
        let FoundAgent { kept: KeptAgent { described, supervision, standing }, lives } = found;
        let id = described.agent_id;
        table.fleet.restore(id, supervision, &standing, was_rebooted, Instant::now());
        let mut entry = Entry::new(described);
        let Some(last) = lives.last().cloned() else {
            table.entries.insert(id, entry);
            self.hear_in(table, Event::Untried(id, standing.life));
            self.hear_in(table, Event::Cleared(id, standing.life));
            return None;
        };
        let host = Host::find(&self.shared.shims, &last);
        entry.lives = lives;
        let number = Life(last.number);
        let has_process = standing.has_process();
        let this = self.clone();
        let kind = last.kind;
        table.entries.insert(id, entry);
        Some(tokio::spawn(async move {
            host.is_found().await;
            let running = match kind {
                Kind::Terminal => {
                    let size = host.size();
                    Running::Terminal(Hub::new(host.clone(), size, Origin::Found))
                }
                Kind::Pipes => Running::Pipes(host.clone()),
            };
            if let Some(entry) = this.table().entries.get_mut(&id) {
                entry.has(last, running);
            }
            match number < standing.life {
                // That life left nothing, so it never began.
                true => {
                    let life = standing.life;
                    this.hear(Event::Untried(id, life));
                    this.hear(Event::Cleared(id, life));
                }
                false => this.take_over(id, number, host, has_process, was_rebooted).await,
            }
        }))
    }

    /// All agents, in the order of their definition.
    #[must_use]
    pub fn list(&self) -> Vec<Agent> {
        let table = self.table();
        let mut agents: Vec<_> =
            table.entries.keys().filter_map(|id| table.describe(*id)).collect();
        agents.sort_by_key(|agent| (agent.created_at, agent.agent_id));
        agents
    }

    /// The same with their environments, for what must not tell of those.
    pub(crate) fn list_with_env(&self) -> Vec<(Agent, Env)> {
        let table = self.table();
        let described = table.entries.iter().filter_map(|(id, entry)| {
            Some((table.describe(*id)?, entry.described.command.env.clone()))
        });
        described.collect()
    }

    /// The agents whose processes live, as far as is known.
    pub(crate) fn living(&self) -> Vec<(AgentId, Host)> {
        let table = self.table();
        let hosts = table.entries.iter().filter_map(|(id, entry)| Some((*id, entry.host()?)));
        let living = hosts.filter(|(_, host)| host.end().is_none());
        living.map(|(id, host)| (id, host.clone())).collect()
    }

    /// One agent.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`].
    pub fn find(&self, id: AgentId) -> Result<Agent, AgentsError> {
        self.table().describe(id).ok_or(AgentsError::NotFound(id))
    }

    /// Defines an agent: a command on a terminal. Once this returns its process runs, unless it
    /// waits for other agents; giving the wait up does not stop it.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing was started, and there is no agent.
    pub async fn spawn(&self, request: SpawnRequest) -> Result<Agent, AgentsError> {
        let SpawnRequest { command, name, size, scrollback_kb, log_mb, supervision, applied } =
            request;
        if supervision.depends_on.is_empty() {
            // What it waits for may bring what it needs.
            Prepared::new(&command)?;
        }
        let size = size.unwrap_or(TerminalSize::STANDARD);
        let source = if applied { AgentSource::Apply } else { AgentSource::Spawn };
        let kind = Kind::Terminal;
        let described = |agent_id| Described {
            agent_id,
            name,
            command,
            size,
            scrollback_kb,
            log_mb,
            kind,
            source,
            created_at: SystemTime::now().into(),
        };
        let id = self.define(described, supervision).await?;
        self.find(id)
    }

    /// Runs a command without a terminal, with standard output and standard error apart. It goes on
    /// if nobody listens any more.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing was started.
    pub async fn exec(&self, request: ExecRequest) -> Result<Exec, AgentsError> {
        let ExecRequest { command, timeout_ms } = request;
        Prepared::new(&command)?;
        let described = |agent_id| Described {
            agent_id,
            name: None,
            command,
            size: TerminalSize::STANDARD,
            scrollback_kb: None,
            log_mb: None,
            kind: Kind::Pipes,
            source: AgentSource::Exec,
            created_at: SystemTime::now().into(),
        };
        let id = self.define(described, Supervision::default()).await?;
        let limit = timeout_ms.map(|millis| Duration::from_millis(millis.get().into()));
        let table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        let host = entry.host().ok_or_else(|| AgentsError::NeverStarted(id, String::new()))?;
        Ok(Exec::new(id, entry.described.created_at, host.clone(), limit))
    }

    /// Has an agent run: once this returns its process does, unless it can't be started, has to end
    /// first, or waits for other agents. The state tells.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing has changed then.
    pub async fn start(&self, id: AgentId) -> Result<Agent, AgentsError> {
        self.command(id, Command::Start)?;
        self.settled(id).await
    }

    /// Has an agent's process be another one: the present one is stopped first, if there is one.
    /// Returns as [`Agents::start`] does.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing has changed then.
    pub async fn restart(&self, id: AgentId) -> Result<Agent, AgentsError> {
        self.command(id, Command::Restart)?;
        self.settled(id).await
    }

    /// Has an agent not run: its process is told to end, and is ended with all that it started if it
    /// has not within its grace. Returns at once; the state tells how it goes.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing has changed then.
    pub fn stop(&self, id: AgentId) -> Result<Agent, AgentsError> {
        self.command(id, Command::Stop)?;
        self.find(id)
    }

    /// Sends a signal to an agent's process group.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::Ended`], [`AgentsError::Away`].
    pub fn signal(&self, id: AgentId, signal: Signal) -> Result<Agent, AgentsError> {
        let table = self.table();
        let agent = table.describe(id).ok_or(AgentsError::NotFound(id))?;
        let host = table.entries.get(&id).and_then(Entry::host);
        match host.filter(|host| has_process(agent.state) && host.end().is_none()) {
            Some(host) => {
                is_reached(id, host)?;
                host.signal(signal);
                Ok(agent)
            }
            None => Err(AgentsError::Ended(id)),
        }
    }

    /// Changes what an agent is, also while it runs.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing has changed then.
    pub fn edit(&self, id: AgentId, patch: AgentPatch) -> Result<Agent, AgentsError> {
        let mut table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        let mut described = entry.described.clone();
        let mut plan = table.fleet.plan(id).cloned().unwrap_or_default();
        let members = patch.members();
        let AgentPatch { name, cwd, env, restart, success_codes, stop, probe, depends_on, limits } =
            patch;
        let is_about_more = cwd.is_some()
            || env.is_some()
            || restart.is_some()
            || success_codes.is_some()
            || probe.is_some()
            || depends_on.is_some()
            || limits.is_some();
        if entry.described.kind == Kind::Pipes && is_about_more {
            return Err(AgentsError::RunsOnce(id));
        }
        set(&mut described.name, name);
        set(&mut described.command.cwd, cwd);
        set(&mut described.command.env, env.map(Option::unwrap_or_default));
        set(&mut plan.restart, restart.map(Option::unwrap_or_default));
        set(&mut plan.success_codes, success_codes.map(Option::unwrap_or_default));
        set(&mut plan.stop, stop.map(Option::unwrap_or_default));
        set(&mut plan.probe, probe);
        set(&mut plan.depends_on, depends_on.map(Option::unwrap_or_default));
        set(&mut plan.limits, limits.map(Option::unwrap_or_default));
        let grows = described.length().saturating_sub(entry.described.length());
        if table.length() + grows > MAX_KEPT {
            return Err(AgentsError::TooLong);
        }
        let todo = table.fleet.command(id, Command::Edit(plan), Instant::now());
        let todo = todo.map_err(|refusal| table.refused(id, refusal))?;
        if let Some(entry) = table.entries.get_mut(&id) {
            entry.described = described;
        }
        self.note_edit(&table, id, &members);
        self.obey(&mut table, todo);
        table.describe(id).ok_or(AgentsError::NotFound(id))
    }

    /// How an environment differs from what was added to an agent's.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`].
    pub fn compare_env(&self, id: AgentId, env: &Env) -> Result<EnvDifference, AgentsError> {
        let table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        Ok(EnvDifference::between(&entry.described.command.env, env))
    }

    /// Forgets an agent that does not run, and its log.
    ///
    /// # Errors
    /// [`AgentsError`]; nothing has changed then.
    pub fn remove(&self, id: AgentId) -> Result<(), AgentsError> {
        self.remove_in(&mut self.table(), id)
    }

    fn remove_in(&self, table: &mut Table, id: AgentId) -> Result<(), AgentsError> {
        let todo = table.fleet.command(id, Command::Remove, Instant::now());
        let todo = todo.map_err(|refusal| table.refused(id, refusal))?;
        let Some(entry) = table.entries.remove(&id) else { return Ok(()) };
        if let Some(host) = entry.host() {
            host.forget();
        }
        let of_agent: Record = self.shared.shims.record(id);
        spawn_blocking(move || of_agent.remove());
        self.obey(table, todo);
        table.version += 1;
        self.shared.store.is_stale();
        if !entry.is_hidden {
            self.note_removal(id);
            self.shared.events.publish(EventKind::AgentRemoved { agent_id: id });
        }
        Ok(())
    }

    /// Takes an agent away whose first process could not be started.
    fn drop_in(&self, table: &mut Table, id: AgentId) {
        // Another try may be due already.
        let _ = table.fleet.command(id, Command::Stop, Instant::now());
        let _ = self.remove_in(table, id);
    }

    /// A range of what an agent has written in its present or last life, or in the one that is named.
    ///
    /// # Errors
    /// [`AgentsError`].
    pub async fn output(
        &self,
        id: AgentId,
        epoch: Option<Epoch>,
        range: OutputRange,
    ) -> Result<Output, AgentsError> {
        let earlier = {
            let table = self.table();
            let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
            let host = entry.host().ok_or_else(|| table.never_started(id))?;
            let present = host.log().epoch();
            if epoch.is_none_or(|epoch| epoch == present) {
                is_reached(id, host)?;
                return Ok(Output::new(host.log().clone(), range));
            }
            let earlier = entry.lives.iter().find(|life| Some(life.epoch) == epoch).cloned();
            earlier.ok_or_else(|| {
                let now = format!("its present or last life has the epoch {:016x}", present.0);
                AgentsError::NotKept(id, now)
            })?
        };
        Ok(Output::new(self.shared.shims.kept_log(&earlier).await, range))
    }

    /// The terminal of an agent, for its viewers.
    ///
    /// # Errors
    /// [`AgentsError::NotFound`], [`AgentsError::NoTerminal`], [`AgentsError::Away`].
    pub fn hub(&self, id: AgentId) -> Result<Hub, AgentsError> {
        let table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        match &entry.process {
            Some(Running::Terminal(hub)) => {
                is_reached(id, hub.host())?;
                Ok(hub.clone())
            }
            Some(Running::Pipes(_)) => Err(AgentsError::NoTerminal(id)),
            None => Err(table.never_started(id)),
        }
    }

    /// The terminal of the life of an agent that follows after that of `hub`, once it begins; `None`
    /// when none is to be expected without somebody asking for it.
    pub async fn next_hub(&self, id: AgentId, hub: &Hub) -> Option<Hub> {
        let epoch = hub.host().log().epoch();
        let mut changed = self.shared.changed.subscribe();
        loop {
            changed.mark_unchanged();
            {
                let table = self.table();
                let entry = table.entries.get(&id)?;
                match &entry.process {
                    Some(Running::Terminal(next)) if next.host().log().epoch() != epoch => {
                        return Some(next.clone());
                    }
                    Some(_) | None => {}
                }
                let is_over = table.fleet.shown(id)?.state.is_final();
                if is_over || table.is_closed {
                    return None;
                }
            }
            changed.changed().await.ok()?;
        }
    }

    /// Waits until what was said before is on the disk, so that the next node knows it; not for ever,
    /// since a disk may refuse.
    pub async fn is_kept(&self) {
        let version = self.table().version;
        self.shared.store.is_written(version).await;
    }

    /// Starts nothing from now on, and leaves all agents to their shims: they go on.
    pub fn leave(&self) {
        let mut table = self.table();
        table.is_closed = true;
        table.fleet.close();
        self.shared.is_left.cancel();
        table.entries.values().filter_map(Entry::host).for_each(Host::leave);
        table.entries.values_mut().for_each(|entry| entry.probing = None);
    }

    /// Enters a new agent. Once this returns its process runs, unless it has to wait.
    async fn define(
        &self,
        described: impl FnOnce(AgentId) -> Described,
        supervision: Supervision,
    ) -> Result<AgentId, AgentsError> {
        let (id, started) = {
            let mut table = self.table();
            let table = &mut *table;
            self.begin(table);
            let id = self.reserve(table)?;
            let described = described(id);
            if described.kind == Kind::Terminal && table.length() + described.length() > MAX_KEPT {
                return Err(AgentsError::TooLong);
            }
            let todo = table.fleet.command(id, Command::Define(supervision), Instant::now());
            let todo = todo.map_err(|refusal| table.refused(id, refusal))?;
            let mut entry = Entry::new(described);
            let (started, first) = oneshot::channel();
            let starts = todo.iter().any(|todo| matches!(todo, fleet::Action::Launch(..)));
            if starts {
                entry.is_hidden = true;
                table.first.insert(id, started);
            }
            table.entries.insert(id, entry);
            self.obey(table, todo);
            (id, starts.then_some(first))
        };
        let Some(started) = started else { return Ok(id) };
        match started.await {
            Ok(Ok(())) => Ok(id),
            Ok(Err(error)) => Err(error),
            Err(_closed) => Err(AgentsError::Stopping),
        }
    }

    /// A name for a new agent, if there may be one more.
    fn reserve(&self, table: &mut Table) -> Result<AgentId, AgentsError> {
        if table.is_closed {
            return Err(AgentsError::Stopping);
        }
        if table.fleet.active() >= MAX_RUNNING {
            return Err(AgentsError::Full);
        }
        if table.entries.len() >= MAX_AGENTS {
            return Err(AgentsError::TooMany);
        }
        let rng = &mut UnwrapErr(SysRng);
        loop {
            let mut random = [0; 5];
            rng.fill_bytes(&mut random);
            let id = AgentId::from_random(random);
            // The directory of one that could not be read is not anybody else's.
            let is_free =
                !table.entries.contains_key(&id) && !self.shared.shims.record(id).dir().exists();
            if is_free {
                return Ok(id);
            }
        }
    }

    /// Does what somebody wants of an agent.
    fn command(&self, id: AgentId, command: Command) -> Result<(), AgentsError> {
        let mut table = self.table();
        let entry = table.entries.get(&id).ok_or(AgentsError::NotFound(id))?;
        if let Some(host) = entry.host() {
            is_reached(id, host)?;
        }
        let starts = matches!(command, Command::Start | Command::Restart);
        if starts {
            if entry.described.kind == Kind::Pipes {
                return Err(AgentsError::RunsOnce(id));
            }
            if table.is_closed {
                return Err(AgentsError::Stopping);
            }
            let is_over = table.fleet.shown(id).is_some_and(|shown| shown.state.is_final());
            if is_over && table.fleet.active() >= MAX_RUNNING {
                return Err(AgentsError::Full);
            }
        }
        let todo = table.fleet.command(id, command, Instant::now());
        let todo = todo.map_err(|refusal| table.refused(id, refusal))?;
        self.obey(&mut table, todo);
        Ok(())
    }

    /// Waits until it is known whether the process that is being started runs.
    async fn settled(&self, id: AgentId) -> Result<Agent, AgentsError> {
        let mut changed = self.shared.changed.subscribe();
        let settled = async {
            loop {
                changed.mark_unchanged();
                let agent = self.find(id)?;
                if agent.state != AgentState::Starting || agent.reason.is_some() {
                    return Ok(agent);
                }
                let _ = changed.changed().await;
            }
        };
        match timeout(STARTED_WITHIN, settled).await {
            Ok(settled) => settled,
            Err(_late) => self.find(id),
        }
    }

    /// Keeps time and the file from now on.
    fn begin(&self, table: &mut Table) {
        if !std::mem::replace(&mut table.has_begun, true) {
            tokio::spawn(self.by_nobody().keep_time());
            let this = self.by_nobody();
            tokio::spawn(async move { this.shared.store.keep(&this).await });
        }
    }

    /// What is to be kept, and which version that is.
    fn snapshot(&self) -> (u64, Vec<KeptAgent>) {
        let table = self.table();
        let now = Instant::now();
        let kept = table.entries.iter().filter_map(|(id, entry)| {
            let described = entry.described.clone();
            let supervision = table.fleet.plan(*id)?.clone();
            let standing = table.fleet.standing(*id, now)?;
            (described.kind == Kind::Terminal).then_some(KeptAgent {
                described,
                supervision,
                standing,
            })
        });
        (table.version, kept.collect())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in here can panic half-way.
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// What an agent has to say for itself, if it is told at all.
    fn describe(&self, id: AgentId) -> Option<Agent> {
        let entry = self.entries.get(&id).filter(|entry| !entry.is_hidden)?;
        let shown = self.fleet.shown(id)?;
        let plan = self.fleet.plan(id)?.clone();
        Some(entry.describe(&shown, plan, |id| self.name(id)))
    }

    /// What people call an agent.
    fn name(&self, id: AgentId) -> String {
        let name = self.entries.get(&id).and_then(|entry| entry.described.name.as_ref());
        name.map_or_else(|| id.to_string(), |name| format!("{name} ({id})"))
    }

    /// What is to be started for an agent.
    fn to_start(&self, id: AgentId) -> Option<(Described, Supervision, TerminalSize)> {
        let entry = self.entries.get(&id)?;
        Some((entry.described.clone(), self.fleet.plan(id)?.clone(), entry.size()))
    }

    /// The agents that may be forgotten, by when they ended.
    fn forgettable(&self) -> Vec<(Timestamp, AgentId)> {
        let ended = self.entries.iter().filter_map(|(id, entry)| {
            let shown: Shown = self.fleet.shown(*id)?;
            let is_one = shown.state.is_final()
                && entry.described.source != AgentSource::Apply
                && self.fleet.plan(*id)?.restart == RestartPolicy::No;
            let end = entry.end(&shown)?;
            is_one.then_some((end.at, *id))
        });
        ended.collect()
    }

    /// The bytes that the commands of all agents come to.
    fn length(&self) -> usize {
        let kept = self.entries.values().filter(|entry| entry.described.kind == Kind::Terminal);
        kept.map(|entry| entry.described.length()).sum()
    }

    fn never_started(&self, id: AgentId) -> AgentsError {
        let reason = self.describe(id).and_then(|agent| agent.reason);
        AgentsError::NeverStarted(id, reason.map(|why| format!(": {why}")).unwrap_or_default())
    }

    fn refused(&self, id: AgentId, refusal: Refusal) -> AgentsError {
        let named = |ids: &[AgentId], between: &str| {
            ids.iter().map(|id| self.name(*id)).collect::<Vec<_>>().join(between)
        };
        match refusal {
            Refusal::Unknown => AgentsError::NotFound(id),
            Refusal::Runs => AgentsError::AlreadyRuns(id),
            Refusal::Starts(reason) => {
                let why = reason.map(|reason| format!(": it {}", reason.told(|id| self.name(id))));
                AgentsError::AlreadyStarts(id, why.unwrap_or_default())
            }
            Refusal::Ended => AgentsError::Ended(id),
            Refusal::StillRuns => AgentsError::StillRunning(id),
            Refusal::IsAwaited(by) => AgentsError::IsAwaited(id, named(&by, ", ")),
            Refusal::UnknownDependency(on) => {
                AgentsError::Dependency(format!("there is no agent {on}"))
            }
            Refusal::NeverHealthy(on) => AgentsError::Dependency(format!(
                "nothing probes {}, so it would never be known to be healthy; give it a probe first",
                self.name(on)
            )),
            Refusal::Circle(by) => AgentsError::Dependency(format!(
                "it would wait for itself, by way of {}",
                named(&by, ", which waits for ")
            )),
        }
    }
}

/// Takes a new value, if there is one.
fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn is_reached(id: AgentId, host: &Host) -> Result<(), AgentsError> {
    match host.problem() {
        None => Ok(()),
        Some(why) => Err(AgentsError::Away(id, why.to_string())),
    }
}
