//! How one agent stands, and what follows from what happens to it.

use std::time::Instant;

use gantline_protocol::{
    AgentId,
    api::{AgentState, Desired, ExitStatus, RestartPolicy, Supervision},
};

use super::{
    Action, Life, Reason, Refusal,
    health::{Health, Known},
    reason::Awaited,
    restarts::{Restarts, Verdict},
};

/// One agent.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) plan: Supervision,
    pub(super) desired: Desired,
    pub(super) phase: Phase,
    /// The present or last life; 0 before the first.
    pub(super) life: Life,
    /// Something of the last life may still be there.
    pub(super) remains: Option<Remains>,
    pub(super) restarts: Restarts,
    /// How often it was started anew since a person last did it.
    pub(super) count: u32,
    /// How the last process ended, if it did and that is known.
    pub(super) last: Option<ExitStatus>,
}

/// What is left of a life whose process has ended: its shim, and whatever that process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remains {
    /// It was told to end.
    pub(super) is_told: bool,
}

/// What an agent is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is to be started as soon as it may be.
    Waiting {
        awaited: Vec<Awaited>,
        /// Not because a person wants it now.
        is_restart: bool,
    },
    /// Its process is being started.
    Launching { then: AfterLaunch },
    /// Its process lives.
    Alive {
        since: Instant,
        health: Health,
        /// It is reached, so that it can be probed.
        is_reached: bool,
    },
    /// It was told to stop.
    Stopping { since: Instant, why: WhyStopping },
    /// It is to be started at this time.
    Backoff { until: Instant, why: Reason, cause: Cause },
    /// Nothing happens until somebody wants it.
    Over(Over),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterLaunch {
    Run,
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WhyStopping {
    /// A person wants it stopped.
    Asked,
    /// A person wants another process.
    ToStartAnew,
    /// Its probe failed.
    Unwell(String),
}

/// What it is started again for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It ended with success.
    Success,
    /// It ended otherwise.
    Failure,
    /// It was unwell, and is to be started again then, whatever its policy.
    Unwell,
}

/// How it came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Over {
    Exited,
    Stopped,
    Failed(Reason),
    RestartLimit(Reason),
    Lost(Reason),
}

/// What happened to a process.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) how: Option<ExitStatus>,
    pub(super) at: Instant,
    pub(super) said: Option<String>,
    /// The machine took it down.
    pub(super) is_cut: bool,
}

/// What is to be done about one agent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Launch(Life),
    Stop(Life),
    StartProbe(Life),
    StopProbe,
}

impl Act {
    pub(super) const fn of(self, id: AgentId) -> Action {
        match self {
            Self::Launch(life) => Action::Launch(id, life),
            Self::Stop(life) => Action::Stop(id, life),
            Self::StartProbe(life) => Action::StartProbe(id, life),
            Self::StopProbe => Action::StopProbe(id),
        }
    }
}

/// How an agent stands, for whoever looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) state: AgentState,
    pub(crate) reason: Option<Reason>,
    pub(crate) desired: Desired,
    pub(crate) restarts: u32,
    pub(crate) next_start: Option<Instant>,
    pub(crate) life: Life,
}

impl Keeper {
    /// A new agent, which is to run.
    pub(super) fn new(plan: Supervision) -> Self {
        Self {
            plan,
            desired: Desired::Running,
            phase: Phase::waiting(),
            life: Life(0),
            remains: None,
            restarts: Restarts::default(),
            count: 0,
            last: None,
        }
    }

    pub(super) const fn plan(&self) -> &Supervision {
        &self.plan
    }

    pub(super) fn shown(&self) -> Shown {
        let (state, reason) = match &self.phase {
            Phase::Waiting { awaited, .. } if !awaited.is_empty() => {
                (AgentState::Starting, Some(Reason::Waits(awaited.clone())))
            }
            Phase::Waiting { .. } => {
                (AgentState::Starting, self.remains.map(|_| Reason::LeftBehind))
            }
            Phase::Launching { then: AfterLaunch::Run } => (AgentState::Starting, None),
            Phase::Launching { then: AfterLaunch::Stop } => (AgentState::Stopping, None),
            Phase::Alive { health, .. } => match &health.known {
                Known::Nothing => (AgentState::Running, None),
                Known::Well => (AgentState::Healthy, None),
                Known::Unwell(why) => (AgentState::Unhealthy, Some(Reason::Unwell(why.clone()))),
            },
            Phase::Stopping { why, .. } => match why {
                WhyStopping::Asked | WhyStopping::ToStartAnew => (AgentState::Stopping, None),
                WhyStopping::Unwell(why) => {
                    (AgentState::Stopping, Some(Reason::Unwell(why.clone())))
                }
            },
            Phase::Backoff { why, .. } => (AgentState::Backoff, Some(why.clone())),
            Phase::Over(over) => match over {
                Over::Exited => (AgentState::Exited, None),
                Over::Stopped => (AgentState::Exited, Some(Reason::Stopped)),
                Over::Failed(why) => (AgentState::Failed, Some(why.clone())),
                Over::RestartLimit(why) => (AgentState::RestartLimit, Some(why.clone())),
                Over::Lost(why) => (AgentState::Lost, Some(why.clone())),
            },
        };
        let next_start = match self.phase {
            Phase::Backoff { until, .. } => Some(until),
            Phase::Waiting { .. }
            | Phase::Launching { .. }
            | Phase::Alive { .. }
            | Phase::Stopping { .. }
            | Phase::Over(_) => None,
        };
        let (desired, restarts, life) = (self.desired, self.count, self.life);
        Shown { state, reason, desired, restarts, next_start, life }
    }

    pub(super) const fn due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Backoff { until, .. } => Some(until),
            Phase::Waiting { .. }
            | Phase::Launching { .. }
            | Phase::Alive { .. }
            | Phase::Stopping { .. }
            | Phase::Over(_) => None,
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// Whether its process is to be started now, if nothing else is waited for.
    pub(super) fn wants_to_start(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Waiting { .. } => true,
            Phase::Backoff { until, .. } => until <= now,
            Phase::Launching { .. }
            | Phase::Alive { .. }
            | Phase::Stopping { .. }
            | Phase::Over(_) => false,
        }
    }

    /// It wants to start, and these are what it waits for.
    pub(super) fn may_start(&mut self, acts: &mut Vec<Act>, awaited: Vec<Awaited>) {
        let is_restart = match self.phase {
            Phase::Waiting { is_restart, .. } => is_restart,
            Phase::Backoff { .. } => true,
            Phase::Launching { .. }
            | Phase::Alive { .. }
            | Phase::Stopping { .. }
            | Phase::Over(_) => return,
        };
        let has_to_wait = !awaited.is_empty();
        self.phase = Phase::Waiting { awaited, is_restart };
        if has_to_wait {
            return;
        }
        match &mut self.remains {
            Some(Remains { is_told: true }) => {}
            Some(remains) => {
                remains.is_told = true;
                acts.push(Act::Stop(self.life));
            }
            None => {
                self.life = Life(self.life.0.saturating_add(1));
                self.count = self.count.saturating_add(u32::from(is_restart));
                self.phase = Phase::Launching { then: AfterLaunch::Run };
                acts.push(Act::Launch(self.life));
            }
        }
    }

    /// A person wants it to run.
    pub(super) fn start(&mut self, _acts: &mut Vec<Act>) -> Result<(), Refusal> {
        match &mut self.phase {
            Phase::Waiting { .. } => return Err(Refusal::Starts(self.shown().reason)),
            Phase::Launching { then: AfterLaunch::Run } => return Err(Refusal::Starts(None)),
            Phase::Launching { then } => *then = AfterLaunch::Run,
            Phase::Alive { .. } => return Err(Refusal::Runs),
            Phase::Stopping { why, .. } => *why = WhyStopping::ToStartAnew,
            Phase::Backoff { .. } | Phase::Over(_) => self.phase = Phase::waiting(),
        }
        self.is_wanted();
        Ok(())
    }

    /// A person wants another process, or one at all.
    pub(super) fn restart(&mut self, acts: &mut Vec<Act>) {
        match &mut self.phase {
            Phase::Waiting { .. } => {}
            // It is as new as can be.
            Phase::Launching { then } => *then = AfterLaunch::Run,
            Phase::Alive { .. } => self.tell_to_stop(acts, WhyStopping::ToStartAnew),
            Phase::Stopping { why, .. } => *why = WhyStopping::ToStartAnew,
            Phase::Backoff { .. } | Phase::Over(_) => self.phase = Phase::waiting(),
        }
        self.is_wanted();
    }

    /// A person wants it not to run.
    pub(super) fn stop(&mut self, acts: &mut Vec<Act>) -> Result<(), Refusal> {
        match &mut self.phase {
            Phase::Waiting { .. } | Phase::Backoff { .. } => {
                self.phase = Phase::Over(Over::Stopped);
            }
            Phase::Launching { then } => *then = AfterLaunch::Stop,
            Phase::Alive { .. } => self.tell_to_stop(acts, WhyStopping::Asked),
            Phase::Stopping { why, .. } => *why = WhyStopping::Asked,
            // It would run again after the machine was started anew.
            Phase::Over(Over::Failed(_) | Over::RestartLimit(_))
                if self.desired == Desired::Running => {}
            Phase::Over(_) => return Err(Refusal::Ended),
        }
        self.desired = Desired::Stopped;
        Ok(())
    }

    /// It is looked after in another way from now on.
    pub(super) fn edit(&mut self, acts: &mut Vec<Act>, plan: Supervision, now: Instant) {
        let old = std::mem::replace(&mut self.plan, plan);
        match &mut self.phase {
            Phase::Alive { health, is_reached, .. } if old.probe != self.plan.probe => {
                let is_probed = old.probe.is_some() && *is_reached;
                if is_probed {
                    acts.push(Act::StopProbe);
                }
                *health = Health::new(now, self.plan.probe.as_ref().map(|probe| &probe.pace));
                if self.plan.probe.is_some() && *is_reached {
                    acts.push(Act::StartProbe(self.life));
                }
            }
            Phase::Backoff { cause, why, .. } if !is_again(self.plan.restart, *cause) => {
                self.phase = Phase::Over(match (self.last, &*why) {
                    (Some(_), _) => Over::Exited,
                    (None, Reason::NotStarted(_)) => Over::Failed(why.clone()),
                    (None, _) => Over::Lost(why.clone()),
                });
            }
            Phase::Alive { .. }
            | Phase::Backoff { .. }
            | Phase::Waiting { .. }
            | Phase::Launching { .. }
            | Phase::Stopping { .. }
            | Phase::Over(_) => {}
        }
    }

    /// Its process runs, or is reached again.
    pub(super) fn runs(&mut self, acts: &mut Vec<Act>, life: Life, now: Instant) {
        if life != self.life {
            return;
        }
        match &mut self.phase {
            Phase::Launching { then } => {
                let then = *then;
                self.last = None;
                let health = Health::new(now, self.plan.probe.as_ref().map(|probe| &probe.pace));
                self.phase = Phase::Alive { since: now, health, is_reached: true };
                match then {
                    AfterLaunch::Run if self.plan.probe.is_some() => {
                        acts.push(Act::StartProbe(life));
                    }
                    AfterLaunch::Run => {}
                    AfterLaunch::Stop => {
                        self.phase = Phase::Stopping { since: now, why: WhyStopping::Asked };
                        acts.push(Act::Stop(life));
                    }
                }
            }
            Phase::Alive { is_reached, .. } if !*is_reached => {
                *is_reached = true;
                if self.plan.probe.is_some() {
                    acts.push(Act::StartProbe(life));
                }
            }
            // Whether the shim has heard it before is not known.
            Phase::Stopping { .. } => acts.push(Act::Stop(life)),
            Phase::Alive { .. }
            | Phase::Waiting { .. }
            | Phase::Backoff { .. }
            | Phase::Over(_) => {}
        }
    }

    /// Its process could not be started.
    pub(super) fn not_started(
        &mut self,
        life: Life,
        why: String,
        again: bool,
        now: Instant,
        chance: f64,
    ) {
        let Phase::Launching { then } = &self.phase else { return };
        if life != self.life {
            return;
        }
        self.last = None;
        let then = *then;
        let why = Reason::NotStarted(why);
        self.phase = match then {
            AfterLaunch::Stop => Phase::Over(Over::Stopped),
            AfterLaunch::Run if again && is_again(self.plan.restart, Cause::Failure) => {
                match self.restarts.ended(now, std::time::Duration::ZERO, chance) {
                    Verdict::Wait(wait) => {
                        Phase::Backoff { until: now + wait, why, cause: Cause::Failure }
                    }
                    Verdict::GiveUp => {
                        let why = why.told(|id| id.to_string());
                        let why = Reason::TooOften { how: None, why: Some(why), said: None };
                        Phase::Over(Over::RestartLimit(why))
                    }
                }
            }
            AfterLaunch::Run => Phase::Over(Over::Failed(why)),
        };
    }

    /// Nobody tried to start it.
    pub(super) fn untried(&mut self, life: Life) {
        let Phase::Launching { then } = self.phase else { return };
        if life == self.life {
            self.phase = match then {
                AfterLaunch::Run => Phase::waiting(),
                AfterLaunch::Stop => Phase::Over(Over::Stopped),
            };
        }
    }

    /// Its process has ended.
    pub(super) fn exited(
        &mut self,
        acts: &mut Vec<Act>,
        life: Life,
        outcome: Outcome,
        chance: f64,
    ) {
        if life != self.life {
            return;
        }
        let Outcome { how, at, said, is_cut } = outcome;
        let (since, stopping, is_probed) = match &self.phase {
            // It ended before anybody heard that it runs.
            Phase::Launching { then: AfterLaunch::Run } => (at, None, false),
            Phase::Launching { then: AfterLaunch::Stop } => (at, Some(WhyStopping::Asked), false),
            Phase::Alive { since, is_reached, .. } => {
                (*since, None, *is_reached && self.plan.probe.is_some())
            }
            Phase::Stopping { since, why } => (*since, Some(why.clone()), false),
            Phase::Waiting { .. } | Phase::Backoff { .. } | Phase::Over(_) => return,
        };
        if is_probed {
            acts.push(Act::StopProbe);
        }
        self.last = how;
        self.remains = (!is_cut).then_some(Remains { is_told: stopping.is_some() });
        let cause = match &stopping {
            Some(WhyStopping::Asked) => {
                self.phase = Phase::Over(Over::Stopped);
                return;
            }
            Some(WhyStopping::ToStartAnew) => {
                self.phase = Phase::waiting();
                return;
            }
            Some(WhyStopping::Unwell(_)) => Cause::Unwell,
            None if self.is_success(how) => Cause::Success,
            None => Cause::Failure,
        };
        if !is_again(self.plan.restart, cause) {
            self.phase = Phase::Over(match how {
                Some(_) => Over::Exited,
                None if is_cut => Over::Lost(Reason::Rebooted),
                None => Over::Lost(Reason::Ended(None)),
            });
            return;
        }
        if is_cut {
            self.phase = Phase::Waiting { awaited: Vec::new(), is_restart: true };
            return;
        }
        let why = match stopping {
            Some(WhyStopping::Unwell(why)) => Reason::Unwell(why),
            Some(WhyStopping::Asked | WhyStopping::ToStartAnew) | None => Reason::Ended(how),
        };
        let lived = at.saturating_duration_since(since);
        self.phase = match self.restarts.ended(at, lived, chance) {
            Verdict::Wait(wait) => Phase::Backoff { until: at + wait, why, cause },
            Verdict::GiveUp => {
                let why = match &why {
                    Reason::Unwell(_) => Some(why.told(|id| id.to_string())),
                    Reason::Waits(_)
                    | Reason::LeftBehind
                    | Reason::Ended(_)
                    | Reason::NotStarted(_)
                    | Reason::TooOften { .. }
                    | Reason::Stopped
                    | Reason::Rebooted => None,
                };
                Phase::Over(Over::RestartLimit(Reason::TooOften { how, why, said }))
            }
        };
    }

    /// Nothing of that life is left.
    pub(super) fn cleared(&mut self, life: Life) {
        if life == self.life {
            self.remains = None;
        }
    }

    /// Its probe has a result.
    pub(super) fn probed(
        &mut self,
        acts: &mut Vec<Act>,
        life: Life,
        result: Result<(), String>,
        now: Instant,
    ) {
        let Some(pace) = self.plan.probe.as_ref().map(|probe| probe.pace) else { return };
        let Phase::Alive { health, is_reached: true, .. } = &mut self.phase else { return };
        if life != self.life {
            return;
        }
        match result {
            Ok(()) => health.succeeded(&pace),
            Err(why) => health.failed(why, now, &pace),
        }
        if let Known::Unwell(why) = &health.known
            && pace.restarts
        {
            let why = WhyStopping::Unwell(why.clone());
            self.tell_to_stop(acts, why);
        }
    }

    fn tell_to_stop(&mut self, acts: &mut Vec<Act>, why: WhyStopping) {
        let Phase::Alive { since, is_reached, .. } = self.phase else { return };
        if is_reached && self.plan.probe.is_some() {
            acts.push(Act::StopProbe);
        }
        acts.push(Act::Stop(self.life));
        self.phase = Phase::Stopping { since, why };
    }

    /// A person wants it to run: what went wrong before does not count any more.
    fn is_wanted(&mut self) {
        self.desired = Desired::Running;
        self.restarts = Restarts::default();
        self.count = 0;
    }

    /// Whether an end like this is a success.
    pub(super) fn is_success(&self, how: Option<ExitStatus>) -> bool {
        match how {
            Some(ExitStatus::Code(code)) => self.plan.success_codes.codes().contains(&code),
            Some(ExitStatus::Signal(_)) | None => false,
        }
    }
}

impl Phase {
    /// A person wants it to be started.
    pub(super) const fn waiting() -> Self {
        Self::Waiting { awaited: Vec::new(), is_restart: false }
    }
}

/// Whether a process that ended for this cause is started again.
const fn is_again(policy: RestartPolicy, cause: Cause) -> bool {
    match (policy, cause) {
        (_, Cause::Unwell)
        | (RestartPolicy::Always, _)
        | (RestartPolicy::OnFailure, Cause::Failure) => true,
        (RestartPolicy::No, Cause::Success | Cause::Failure)
        | (RestartPolicy::OnFailure, Cause::Success) => false,
    }
}
