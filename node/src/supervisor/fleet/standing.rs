//! How an agent stood, for the node that comes after this one. Times are told by how far away they
//! are, since the clock of the next node is another one.

use std::time::{Duration, Instant};

use gantline_protocol::api::{Desired, ExitStatus, RestartPolicy, Supervision};
use serde::{Deserialize, Serialize};

use super::{
    Life, Reason,
    health::{Health, Known},
    keeper::{AfterLaunch, Cause, Keeper, Over, Phase, Remains, WhyStopping},
    restarts::Restarts,
};

/// How an agent stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    desired: Desired,
    pub(crate) life: Life,
    phase: Stood,
    /// How the last process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<ExitStatus>,
    #[serde(default)]
    restarts: u32,
    #[serde(default)]
    level: u32,
    /// How long ago its processes ended without being asked to, in milliseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ends: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Stood {
    Waiting { is_restart: bool },
    Launching { is_to_stop: bool },
    Alive { for_ms: u64, health: StoodHealth },
    Stopping { for_ms: u64, is_to_start: bool, unwell: Option<String> },
    Backoff { left_ms: u64, why: Reason, cause: StoodCause },
    Exited,
    Stopped,
    Failed { why: Reason },
    RestartLimit { why: Reason },
    Lost { why: Reason },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoodHealth {
    Unknown,
    Well,
    Unwell(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoodCause {
    Success,
    Failure,
    Unwell,
}

impl Standing {
    /// Of an agent of which nothing is known but that there is, or was, this life.
    pub(crate) const fn of_life(life: Life) -> Self {
        Self {
            desired: Desired::Running,
            life,
            phase: Stood::Alive { for_ms: 0, health: StoodHealth::Unknown },
            last: None,
            restarts: 0,
            level: 0,
            ends: Vec::new(),
        }
    }

    /// Another life was begun after this was noted.
    pub(crate) fn begun_since(&mut self, life: Life) {
        self.life = life;
        self.phase = Stood::Alive { for_ms: 0, health: StoodHealth::Unknown };
    }

    /// Whether its process was there, or was about to be.
    pub(crate) const fn has_process(&self) -> bool {
        match self.phase {
            Stood::Launching { .. } | Stood::Alive { .. } | Stood::Stopping { .. } => true,
            Stood::Waiting { .. }
            | Stood::Backoff { .. }
            | Stood::Exited
            | Stood::Stopped
            | Stood::Failed { .. }
            | Stood::RestartLimit { .. }
            | Stood::Lost { .. } => false,
        }
    }

    /// So much time has passed since.
    pub(crate) fn is_older_by(&mut self, passed: Duration) {
        let passed = millis(passed);
        for end in &mut self.ends {
            *end = end.saturating_add(passed);
        }
        match &mut self.phase {
            Stood::Alive { for_ms, .. } | Stood::Stopping { for_ms, .. } => {
                *for_ms = for_ms.saturating_add(passed);
            }
            Stood::Backoff { left_ms, .. } => *left_ms = left_ms.saturating_sub(passed),
            Stood::Waiting { .. }
            | Stood::Launching { .. }
            | Stood::Exited
            | Stood::Stopped
            | Stood::Failed { .. }
            | Stood::RestartLimit { .. }
            | Stood::Lost { .. } => {}
        }
    }
}

impl Keeper {
    /// An agent from before, which stood like this.
    pub(super) fn restore(
        plan: Supervision,
        standing: &Standing,
        was_rebooted: bool,
        now: Instant,
    ) -> Self {
        let Standing { desired, life, phase, last, restarts, level, ends } = standing.clone();
        let ago = |millis| now.checked_sub(Duration::from_millis(millis)).unwrap_or(now);
        // What the machine had against it may be gone with the machine's last life.
        let is_tried_anew = was_rebooted
            && desired == Desired::Running
            && plan.restart != RestartPolicy::No
            && matches!(phase, Stood::Failed { .. } | Stood::RestartLimit { .. });
        let pace = plan.probe.as_ref().map(|probe| &probe.pace);
        let phase = match phase {
            _ if is_tried_anew => Phase::waiting(),
            Stood::Waiting { is_restart } => Phase::Waiting { awaited: Vec::new(), is_restart },
            Stood::Launching { is_to_stop: false } => Phase::Launching { then: AfterLaunch::Run },
            Stood::Launching { is_to_stop: true } => Phase::Launching { then: AfterLaunch::Stop },
            Stood::Alive { for_ms, health } => {
                let mut known = Health::new(ago(for_ms), pace);
                known.known = match health {
                    StoodHealth::Unknown => Known::Nothing,
                    StoodHealth::Well => Known::Well,
                    StoodHealth::Unwell(why) => Known::Unwell(why),
                };
                Phase::Alive { since: ago(for_ms), health: known, is_reached: false }
            }
            Stood::Stopping { for_ms, is_to_start, unwell } => Phase::Stopping {
                since: ago(for_ms),
                why: match (unwell, is_to_start) {
                    (Some(why), _) => WhyStopping::Unwell(why),
                    (None, true) => WhyStopping::ToStartAnew,
                    (None, false) => WhyStopping::Asked,
                },
            },
            Stood::Backoff { left_ms, why, cause } => Phase::Backoff {
                // Nothing waits longer, whatever is written there.
                until: now + Duration::from_millis(left_ms.min(60_000)),
                why,
                cause: match cause {
                    StoodCause::Success => Cause::Success,
                    StoodCause::Failure => Cause::Failure,
                    StoodCause::Unwell => Cause::Unwell,
                },
            },
            Stood::Exited => Phase::Over(Over::Exited),
            Stood::Stopped => Phase::Over(Over::Stopped),
            Stood::Failed { why } => Phase::Over(Over::Failed(why)),
            Stood::RestartLimit { why } => Phase::Over(Over::RestartLimit(why)),
            Stood::Lost { why } => Phase::Over(Over::Lost(why)),
        };
        let (level, ends) = match is_tried_anew {
            true => (0, std::collections::VecDeque::new()),
            false => (level, ends.into_iter().map(ago).collect()),
        };
        let restarts_now = Restarts { level, ends };
        // Whether something is left of a life that has ended is told soon.
        let remains =
            (!standing.has_process() && life > Life(0)).then_some(Remains { is_told: false });
        Self { plan, desired, phase, life, remains, restarts: restarts_now, count: restarts, last }
    }

    /// How it stands.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        let ago = |at: Instant| millis(now.saturating_duration_since(at));
        let phase = match &self.phase {
            Phase::Waiting { is_restart, .. } => Stood::Waiting { is_restart: *is_restart },
            Phase::Launching { then } => {
                Stood::Launching { is_to_stop: *then == AfterLaunch::Stop }
            }
            Phase::Alive { since, health, .. } => Stood::Alive {
                for_ms: ago(*since),
                health: match &health.known {
                    Known::Nothing => StoodHealth::Unknown,
                    Known::Well => StoodHealth::Well,
                    Known::Unwell(why) => StoodHealth::Unwell(why.clone()),
                },
            },
            Phase::Stopping { since, why } => Stood::Stopping {
                for_ms: ago(*since),
                is_to_start: *why == WhyStopping::ToStartAnew,
                unwell: match why {
                    WhyStopping::Unwell(why) => Some(why.clone()),
                    WhyStopping::Asked | WhyStopping::ToStartAnew => None,
                },
            },
            Phase::Backoff { until, why, cause } => Stood::Backoff {
                left_ms: millis(until.saturating_duration_since(now)),
                why: why.clone(),
                cause: match cause {
                    Cause::Success => StoodCause::Success,
                    Cause::Failure => StoodCause::Failure,
                    Cause::Unwell => StoodCause::Unwell,
                },
            },
            Phase::Over(over) => match over.clone() {
                Over::Exited => Stood::Exited,
                Over::Stopped => Stood::Stopped,
                Over::Failed(why) => Stood::Failed { why },
                Over::RestartLimit(why) => Stood::RestartLimit { why },
                Over::Lost(why) => Stood::Lost { why },
            },
        };
        Standing {
            desired: self.desired,
            life: self.life,
            phase,
            last: self.last,
            restarts: self.count,
            level: self.restarts.level,
            ends: self.restarts.ends.iter().map(|end| ago(*end)).collect(),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
