//! How long to wait before a process is started again, and when to give up.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The first wait; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait, before it is spread.
const LONGEST: Duration = Duration::from_secs(30);
/// How far a wait is spread to both sides, so that what broke together does not come back together.
const SPREAD: f64 = 0.2;
/// A process that lived so long was well: the next trouble is a new one.
const WELL_AFTER: Duration = Duration::from_secs(30);
/// So many ends that nobody asked for within [`WINDOW`] are too many.
pub(super) const TOO_MANY: usize = 5;
/// See [`TOO_MANY`].
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// What is remembered of the ends of one agent's processes that nobody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Restarts {
    /// Waits since a process was well.
    pub(super) level: u32,
    /// Those within the window, the oldest first.
    pub(super) ends: VecDeque<Instant>,
}

/// What follows from an end that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next process is started after this time.
    Wait(Duration),
    /// It ended too often in too short a time.
    GiveUp,
}

impl Restarts {
    /// A process that lived for `lived` ended at `at`. `chance`, within 0 and 1, spreads the wait.
    pub(super) fn ended(&mut self, at: Instant, lived: Duration, chance: f64) -> Verdict {
        self.ends.retain(|end| at.saturating_duration_since(*end) <= WINDOW);
        self.ends.push_back(at);
        if self.ends.len() >= TOO_MANY {
            return Verdict::GiveUp;
        }
        if lived >= WELL_AFTER {
            self.level = 0;
        }
        let wait = FIRST.saturating_mul(1 << self.level.min(16)).min(LONGEST);
        self.level = self.level.saturating_add(1);
        Verdict::Wait(wait.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * chance.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(lived: Duration, pause: Duration, chance: f64, count: usize) -> Vec<Verdict> {
        let mut restarts = Restarts::default();
        let begin = Instant::now();
        let ends = (0..count).map(|number| begin + pause * u32::try_from(number).unwrap());
        ends.map(|at| restarts.ended(at, lived, chance)).collect()
    }

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let seldom = waits(Duration::ZERO, Duration::from_secs(61), 0.5, 9);
        let expected = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0];
        for (wait, seconds) in seldom.iter().zip(expected) {
            assert_eq!(*wait, Verdict::Wait(Duration::from_secs_f64(seconds)));
        }
    }

    #[test]
    fn a_process_that_was_well_for_a_while_begins_anew() {
        let well = waits(Duration::from_secs(30), Duration::from_secs(31), 0.5, 9);
        assert!(well.iter().all(|wait| *wait == Verdict::Wait(FIRST)), "{well:?}");
        let not_quite = waits(Duration::from_millis(29_999), Duration::from_secs(31), 0.5, 2);
        assert_eq!(not_quite[1], Verdict::Wait(FIRST * 2));
    }

    #[test]
    fn the_fifth_end_within_a_minute_is_one_too_many() {
        let often = waits(Duration::ZERO, Duration::from_secs(15), 0.5, 5);
        assert_eq!(often[4], Verdict::GiveUp, "60 s from the first to the fifth");
        let less_often = waits(Duration::ZERO, Duration::from_millis(15_001), 0.5, 50);
        assert!(!less_often.contains(&Verdict::GiveUp), "the window slides");
    }
}
