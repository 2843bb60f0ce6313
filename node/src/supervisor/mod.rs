//! Agents: the commands that this machine runs and looks after. What people want of them is heard in
//! `commands`; what is done about them the fleet decides (`fleet`); `work` does it, and `store` keeps
//! it for the next node, which goes on from there (`found`).

mod agent;
mod commands;
mod error;
mod exec;
mod fleet;
mod found;
mod notes;
mod output;
mod store;
mod table;
mod work;

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use gantline_protocol::{
    AgentId, Epoch,
    api::{Actor, Agent, AgentSource, Env, ExecRequest, SpawnRequest, Supervision},
    terminal::TerminalSize,
};
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    events::Events,
    history::Journal,
    pty::{Shims, command::Prepared, host::Host, hub::Hub, log::Limits},
    shim::record::Kind,
    state::StateFiles,
};

use agent::{Described, Entry, Running};
pub use error::AgentsError;
pub use exec::Exec;
use fleet::Command;
pub use output::{Output, OutputItem, OutputRange};
use store::{KeptAgent, Store};
use table::Table;

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

fn is_reached(id: AgentId, host: &Host) -> Result<(), AgentsError> {
    match host.problem() {
        None => Ok(()),
        Some(why) => Err(AgentsError::Away(id, why.to_string())),
    }
}
