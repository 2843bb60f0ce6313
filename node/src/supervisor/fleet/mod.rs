//! What is done about agents, and when: restarts, stops, health, and what waits for what. Pure: it is
//! told what happened and when, and says what to do. The clock that it is told never jumps. Owned by
//! [`super::Agents`], which does what this says.

mod dependencies;
mod health;
mod keeper;
mod reason;
mod restarts;
mod standing;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use gantline_protocol::{
    AgentId,
    api::{ExitStatus, Supervision},
};

pub(crate) use keeper::Shown;
use keeper::{Act, Keeper, Outcome};
pub(crate) use reason::Reason;
pub(crate) use standing::Standing;

/// Numbers the lives of one agent's process, from 1.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Life(pub(crate) u32);

/// All agents of a machine.
#[derive(Debug)]
pub(crate) struct Fleet {
    agents: BTreeMap<AgentId, Keeper>,
    /// Processes are started.
    is_open: bool,
}

impl Default for Fleet {
    /// No agents, and processes are started.
    fn default() -> Self {
        Self { agents: BTreeMap::new(), is_open: true }
    }
}

/// What somebody wants of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// That there is a new one, and that it runs.
    Define(Supervision),
    /// That it is looked after in another way.
    Edit(Supervision),
    /// That it is forgotten.
    Remove,
    /// That it runs.
    Start,
    /// That it does not.
    Stop,
    /// That its process is another one.
    Restart,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The process of this life runs: it was started, or is reached again.
    Running(AgentId, Life),
    /// It could not be started. `again`: another try may do.
    NotStarted { agent: AgentId, life: Life, why: String, again: bool },
    /// It ended so long ago. Its last lines are told where people may want them.
    Exited {
        agent: AgentId,
        life: Life,
        how: Option<ExitStatus>,
        ago: Duration,
        said: Option<String>,
    },
    /// It ended with the machine.
    Cut(AgentId, Life),
    /// The node that was to start it was killed before.
    Untried(AgentId, Life),
    /// Nothing of that life is left: another one may begin.
    Cleared(AgentId, Life),
    /// Its probe succeeded.
    ProbeSucceeded(AgentId, Life),
    /// Its probe failed, for this reason.
    ProbeFailed(AgentId, Life, String),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start the process of a new life.
    Launch(AgentId, Life),
    /// Stop that life by the agent's stop plan, with all that it started.
    Stop(AgentId, Life),
    /// Probe it from now on.
    StartProbe(AgentId, Life),
    /// Probe it no more.
    StopProbe(AgentId),
    /// Tell whoever listens that it is otherwise now, and keep it.
    Tell(AgentId),
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unknown,
    /// It runs already.
    Runs,
    /// It is being started already, or waits for this.
    Starts(Option<Reason>),
    /// It does not run.
    Ended,
    /// It has not ended.
    StillRuns,
    /// These wait for it.
    IsAwaited(Vec<AgentId>),
    /// It would wait for an agent that there is not.
    UnknownDependency(AgentId),
    /// It would wait for the health of an agent that nothing probes.
    NeverHealthy(AgentId),
    /// It would wait for itself, by these.
    Circle(Vec<AgentId>),
}

impl Fleet {
    /// There is this agent from before, and how it stood. What became of its process is told then.
    pub(crate) fn restore(
        &mut self,
        id: AgentId,
        plan: Supervision,
        standing: &Standing,
        was_rebooted: bool,
        now: Instant,
    ) {
        self.agents.insert(id, Keeper::restore(plan, standing, was_rebooted, now));
    }

    /// Everything from before is restored: from now on processes are started.
    pub(crate) fn open(&mut self, now: Instant) -> Vec<Action> {
        self.is_open = true;
        self.after(now, Vec::new())
    }

    /// Nothing is started from now on.
    pub(crate) const fn close(&mut self) {
        self.is_open = false;
    }

    /// Does what somebody wants.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed then.
    pub(crate) fn command(
        &mut self,
        id: AgentId,
        command: Command,
        now: Instant,
    ) -> Result<Vec<Action>, Refusal> {
        let mut todo = Vec::new();
        match command {
            Command::Define(plan) => {
                self.check_dependencies(id, &plan)?;
                self.agents.insert(id, Keeper::new(plan));
                todo.push(Action::Tell(id));
            }
            Command::Edit(plan) => {
                if !self.agents.contains_key(&id) {
                    return Err(Refusal::Unknown);
                }
                self.check_dependencies(id, &plan)?;
                self.change(id, &mut todo, |keeper, acts| keeper.edit(acts, plan, now))?;
                // Whoever shows the plan wants to know, whatever follows from it.
                if !todo.contains(&Action::Tell(id)) {
                    todo.push(Action::Tell(id));
                }
            }
            Command::Remove => {
                let keeper = self.agents.get(&id).ok_or(Refusal::Unknown)?;
                if !keeper.shown().state.is_final() {
                    return Err(Refusal::StillRuns);
                }
                let waiting = self.dependents(id);
                if !waiting.is_empty() {
                    return Err(Refusal::IsAwaited(waiting));
                }
                self.agents.remove(&id);
            }
            Command::Start => self.change(id, &mut todo, Keeper::start)??,
            Command::Stop => self.change(id, &mut todo, Keeper::stop)??,
            Command::Restart => self.change(id, &mut todo, Keeper::restart)?,
        }
        Ok(self.after(now, todo))
    }

    /// Hears what happened. `chance`, within 0 and 1, spreads waits.
    pub(crate) fn handle(&mut self, event: Event, now: Instant, chance: f64) -> Vec<Action> {
        let mut todo = Vec::new();
        // What is told of an agent that was forgotten, or of an earlier life, means nothing any more.
        let _ =
            match event {
                Event::Running(id, life) => {
                    self.change(id, &mut todo, |keeper, acts| keeper.runs(acts, life, now))
                }
                Event::NotStarted { agent, life, why, again } => {
                    self.change(agent, &mut todo, |keeper, _| {
                        keeper.not_started(life, why, again, now, chance)
                    })
                }
                Event::Exited { agent, life, how, ago, said } => {
                    let at = now.checked_sub(ago).unwrap_or(now);
                    let outcome = Outcome { how, at, said, is_cut: false };
                    self.change(agent, &mut todo, |keeper, acts| {
                        keeper.exited(acts, life, outcome, chance)
                    })
                }
                Event::Cut(id, life) => {
                    let outcome = Outcome { how: None, at: now, said: None, is_cut: true };
                    self.change(id, &mut todo, |keeper, acts| {
                        keeper.exited(acts, life, outcome, chance)
                    })
                }
                Event::Cleared(id, life) => {
                    self.change(id, &mut todo, |keeper, _| keeper.cleared(life))
                }
                Event::Untried(id, life) => {
                    self.change(id, &mut todo, |keeper, _| keeper.untried(life))
                }
                Event::ProbeSucceeded(id, life) => self
                    .change(id, &mut todo, |keeper, acts| keeper.probed(acts, life, Ok(()), now)),
                Event::ProbeFailed(id, life, why) => self
                    .change(id, &mut todo, |keeper, acts| keeper.probed(acts, life, Err(why), now)),
                Event::Tick => Ok(()),
            };
        self.after(now, todo)
    }

    /// When [`Event::Tick`] has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.agents.values().filter(|_| self.is_open).filter_map(Keeper::due).min()
    }

    /// How an agent does.
    pub(crate) fn shown(&self, id: AgentId) -> Option<Shown> {
        self.agents.get(&id).map(Keeper::shown)
    }

    /// How an agent is looked after.
    pub(crate) fn plan(&self, id: AgentId) -> Option<&Supervision> {
        self.agents.get(&id).map(Keeper::plan)
    }

    /// What is to be kept of an agent for the next node.
    pub(crate) fn standing(&self, id: AgentId, now: Instant) -> Option<Standing> {
        self.agents.get(&id).map(|keeper| keeper.standing(now))
    }

    /// The agents that are neither stopped nor over.
    pub(crate) fn active(&self) -> usize {
        self.agents.values().filter(|keeper| !keeper.is_over()).count()
    }

    /// Changes an agent, and notes what follows.
    fn change<T>(
        &mut self,
        id: AgentId,
        todo: &mut Vec<Action>,
        change: impl FnOnce(&mut Keeper, &mut Vec<Act>) -> T,
    ) -> Result<T, Refusal> {
        let keeper = self.agents.get_mut(&id).ok_or(Refusal::Unknown)?;
        let before = keeper.shown();
        let mut acts = Vec::new();
        let result = change(keeper, &mut acts);
        todo.extend(acts.into_iter().map(|act| act.of(id)));
        if keeper.shown() != before && !todo.contains(&Action::Tell(id)) {
            todo.push(Action::Tell(id));
        }
        Ok(result)
    }

    /// Starts what waits and need not wait any more. What follows from that needs no second look:
    /// a process that is about to be started fulfils nothing yet.
    fn after(&mut self, now: Instant, mut todo: Vec<Action>) -> Vec<Action> {
        let waiting: Vec<_> = self
            .agents
            .iter()
            .filter(|(_, keeper)| self.is_open && keeper.wants_to_start(now))
            .map(|(id, keeper)| (*id, self.awaited(keeper.plan())))
            .collect();
        for (id, awaited) in waiting {
            let _ = self.change(id, &mut todo, |keeper, acts| keeper.may_start(acts, awaited));
        }
        todo
    }
}

#[cfg(test)]
mod tests;
