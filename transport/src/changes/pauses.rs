//! Finds the time that is missing between two looks at the clocks. A pure core: the caller reads
//! the clocks, at even intervals as far as it can.

use std::time::Duration;

/// A sleep is worth a word from here on. No machine sleeps for less.
const SLEPT: Duration = Duration::from_secs(1);
/// A look may come so much too late, as it does on a busy machine, before that is worth a word.
const LATE: Duration = Duration::from_secs(3);

/// Two clocks, read at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clocks {
    /// Goes on while the machine sleeps.
    pub(super) with_sleep: Duration,
    /// Stands still meanwhile.
    pub(super) awake: Duration,
}

/// Time that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// The machine slept.
    Slept(Duration),
    /// It did not, and yet nobody looked.
    Stalled(Duration),
}

impl Default for Pause {
    fn default() -> Self {
        Self::Slept(Duration::ZERO)
    }
}

/// The last look at the clocks.
#[derive(Debug)]
pub(super) struct Pauses {
    last: Clocks,
    interval: Duration,
}

impl Pauses {
    /// From now on the clocks are looked at every `interval`.
    pub(super) const fn since(now: Clocks, interval: Duration) -> Self {
        Self { last: now, interval }
    }

    /// Looks once more. A sleep says more than the delay that comes with it.
    pub(super) fn tick(&mut self, now: Clocks) -> Option<Pause> {
        let last = std::mem::replace(&mut self.last, now);
        let awake = now.awake.saturating_sub(last.awake);
        let slept = now.with_sleep.saturating_sub(last.with_sleep).saturating_sub(awake);
        let late = awake.saturating_sub(self.interval);
        if slept >= SLEPT {
            Some(Pause::Slept(slept))
        } else if late >= LATE {
            Some(Pause::Stalled(late))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const EVERY: Duration = Duration::from_secs(2);

    /// A machine that is looked at again and again.
    struct Machine {
        now: Clocks,
        pauses: Pauses,
    }

    impl Machine {
        fn new() -> Self {
            let now =
                Clocks { with_sleep: Duration::from_secs(900), awake: Duration::from_secs(100) };
            Self { now, pauses: Pauses::since(now, EVERY) }
        }

        fn after(&mut self, awake: Duration, asleep: Duration) -> Option<Pause> {
            self.now.awake += awake;
            self.now.with_sleep += awake + asleep;
            self.pauses.tick(self.now)
        }
    }

    #[test]
    fn ten_minutes_of_sleep_are_told_once() {
        let mut machine = Machine::new();
        let night = Duration::from_secs(600);
        assert_eq!(machine.after(EVERY, Duration::ZERO), None);
        assert_eq!(machine.after(EVERY, night), Some(Pause::Slept(night)));
        assert_eq!(machine.after(EVERY, Duration::ZERO), None);
    }

    #[test]
    fn a_process_that_was_stopped_is_not_said_to_have_slept() {
        let mut machine = Machine::new();
        let stopped = Duration::from_secs(30);
        assert_eq!(machine.after(EVERY + stopped, Duration::ZERO), Some(Pause::Stalled(stopped)));
        assert_eq!(machine.after(EVERY, Duration::ZERO), None);
    }

    #[test]
    fn clocks_that_go_backwards_tell_nothing() {
        let mut machine = Machine::new();
        let back = Clocks { with_sleep: Duration::ZERO, awake: Duration::from_secs(1) };
        assert_eq!(machine.pauses.tick(back), None);
    }

    fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
        range.prop_map(Duration::from_millis)
    }

    proptest! {
        #[test]
        fn no_sleep_and_no_stall_is_missed_or_made_up(
            looks in vec((millis(0..20_000), prop_oneof![Just(Duration::ZERO), millis(0..90_000)]), 1..60)
        ) {
            let mut machine = Machine::new();
            for (awake, asleep) in looks {
                let told = machine.after(awake, asleep);
                let expected = if asleep >= SLEPT {
                    Some(Pause::Slept(asleep))
                } else if awake >= EVERY + LATE {
                    Some(Pause::Stalled(awake - EVERY))
                } else {
                    None
                };
                prop_assert_eq!(told, expected);
            }
        }

        #[test]
        fn no_reading_makes_it_panic(readings in vec((any::<u64>(), any::<u64>()), 1..60)) {
            let mut machine = Machine::new();
            for (with_sleep, awake) in readings {
                let clocks = Clocks {
                    with_sleep: Duration::from_nanos(with_sleep),
                    awake: Duration::from_nanos(awake),
                };
                machine.pauses.tick(clocks);
            }
        }
    }
}
