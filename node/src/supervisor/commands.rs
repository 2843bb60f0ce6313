//! What people want of agents that there are: that they run, that they do not, that they are otherwise,
//! that they are forgotten.

use std::time::{Duration, Instant};

use gantline_protocol::{
    AgentId,
    api::{Agent, AgentPatch, AgentState, Env, EnvDifference, EventKind, signal::Signal},
};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Agents, AgentsError, MAX_KEPT, MAX_RUNNING,
    agent::{Entry, has_process},
    fleet::Command,
    is_reached,
    table::Table,
};
use crate::shim::record::{Kind, Record};

/// How long whoever starts an agent waits to hear whether it runs.
const STARTED_WITHIN: Duration = Duration::from_secs(10);

impl Agents {
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

    pub(super) fn remove_in(&self, table: &mut Table, id: AgentId) -> Result<(), AgentsError> {
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
    pub(super) fn drop_in(&self, table: &mut Table, id: AgentId) {
        // Another try may be due already.
        let _ = table.fleet.command(id, Command::Stop, Instant::now());
        let _ = self.remove_in(table, id);
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
}

/// Takes a new value, if there is one.
fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
