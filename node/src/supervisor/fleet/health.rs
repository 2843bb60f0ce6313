//! From the results of a probe to whether an agent is well.

use std::time::{Duration, Instant};

use gantline_protocol::api::ProbePace;

/// What the probe has said since the process was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) known: Known,
    successes: u32,
    failures: u32,
    /// Failures do not count before that.
    lenient_until: Option<Instant>,
}

/// What is known of an agent's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet.
    Nothing,
    Well,
    /// For this reason.
    Unwell(String),
}

impl Health {
    /// Of a process that was started at `began` and is probed at this pace, if it is.
    pub(super) fn new(began: Instant, pace: Option<&ProbePace>) -> Self {
        let lenient = pace.map(|pace| Duration::from_millis(pace.start_period_ms.into()));
        let lenient_until = lenient.and_then(|lenient| began.checked_add(lenient));
        Self { known: Known::Nothing, successes: 0, failures: 0, lenient_until }
    }

    pub(super) fn succeeded(&mut self, pace: &ProbePace) {
        self.lenient_until = None;
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        if self.successes >= pace.successes {
            self.known = Known::Well;
        }
    }

    pub(super) fn failed(&mut self, why: String, now: Instant, pace: &ProbePace) {
        self.successes = 0;
        if self.lenient_until.is_some_and(|until| now < until) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= pace.failures {
            self.known = Known::Unwell(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: ProbePace = ProbePace {
        interval_ms: 100,
        timeout_ms: 100,
        start_period_ms: 1000,
        failures: 2,
        successes: 2,
        restarts: false,
    };

    fn told(results: &[(u64, bool)]) -> Known {
        let began = Instant::now();
        let mut health = Health::new(began, Some(&PACE));
        for (at, is_well) in results {
            match is_well {
                true => health.succeeded(&PACE),
                false => {
                    health.failed(at.to_string(), began + Duration::from_millis(*at), &PACE);
                }
            }
        }
        health.known
    }

    #[test]
    fn a_single_result_does_not_decide_when_more_are_wanted() {
        assert_eq!(told(&[(1, true)]), Known::Nothing);
        assert_eq!(told(&[(1, true), (2, false), (3, true)]), Known::Nothing, "not in a row");
        assert_eq!(told(&[(1, true), (2, true)]), Known::Well);
        assert_eq!(told(&[(1, true), (2, true), (3, false), (4, true)]), Known::Well);
        assert_eq!(told(&[(1000, false), (1001, true), (1002, false)]), Known::Nothing);
        assert_eq!(told(&[(1000, false), (1001, false)]), Known::Unwell("1001".to_owned()));
    }

    #[test]
    fn a_slow_start_is_no_failure_until_it_was_well_once() {
        assert_eq!(told(&[(1, false), (500, false), (999, false), (1000, false)]), Known::Nothing);
        assert_eq!(told(&[(1, true), (2, false), (3, false)]), Known::Unwell("3".to_owned()));
    }
}
