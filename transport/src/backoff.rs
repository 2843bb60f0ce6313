//! How long to wait before dialling again. A pure core: the caller brings the randomness and does
//! the waiting.

use std::time::Duration;

/// The bound of the first wait.
pub const FIRST: Duration = Duration::from_millis(500);
/// The greatest bound of a wait.
pub const LONGEST: Duration = Duration::from_secs(30);
/// The bound of the wait of a node that a relay refused because too many log in at once.
pub const REFUSED: Duration = Duration::from_secs(15);

/// Full jitter: each wait is drawn evenly from 0 to a bound that doubles with every failure. A
/// thousand nodes that lost their relay at the same moment come back spread over the whole time.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure. `random` is any evenly distributed number.
    pub fn fail(&mut self, random: u64) -> Duration {
        let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        up_to(FIRST.saturating_mul(factor).min(LONGEST), random)
    }

    /// The wait after a relay refused for want of room; `at_least` is what it asked for. Counts
    /// as a failure.
    pub fn refused(&mut self, at_least: Duration, random: u64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        at_least.saturating_add(up_to(REFUSED, random))
    }

    /// The link stood: the next failure is a first one.
    pub const fn succeed(&mut self) {
        self.failures = 0;
    }
}

/// Evenly from 0 to `bound`, in steps of a nanosecond.
fn up_to(bound: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    let drawn = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(drawn).unwrap_or(nanos))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn no_wait_is_longer_than_its_bound(draws in vec(any::<u64>(), 1..100)) {
            let mut backoff = Backoff::default();
            for (failure, random) in draws.into_iter().enumerate() {
                let bound = LONGEST.min(FIRST * 2u32.pow(failure.min(10) as u32));
                prop_assert!(backoff.fail(random) <= bound);
            }
            backoff.succeed();
            prop_assert!(backoff.fail(u64::MAX) <= FIRST);
        }

        #[test]
        fn a_refused_node_waits_as_long_as_it_was_asked_to(asked in 0..100_000u64, random: u64) {
            let asked = Duration::from_millis(asked);
            let wait = Backoff::default().refused(asked, random);
            prop_assert!(wait >= asked && wait <= asked + REFUSED);
        }
    }

    #[test]
    fn a_thousand_nodes_come_back_spread_over_the_whole_time() {
        let mut in_quarter = [0; 4];
        for node in 0..1000u64 {
            let mut backoff = Backoff { failures: 10 };
            let wait = backoff.fail(node * (u64::MAX / 1000));
            in_quarter[(wait.as_millis() * 4 / (LONGEST.as_millis() + 1)) as usize] += 1;
        }
        assert!(in_quarter.iter().all(|count| (240..=260).contains(count)), "{in_quarter:?}");
    }
}
