//! Whether to look once more for what is likely to come at once, rather than to be woken for it: that
//! takes longer than the wait itself. Pure: it is told the time.

use std::time::{Duration, Instant};

/// How often that is left out when it was in vain: others need the processor, or nothing comes.
const IN_VAIN: u32 = 16;

/// The patience of somebody who waits again and again.
#[derive(Debug)]
pub(super) struct Patience {
    long: Duration,
    until: Option<Instant>,
    /// How often it is not tried.
    rests: u32,
}

impl Patience {
    /// Patience for so long at a time.
    pub(super) const fn new(long: Duration) -> Self {
        Self { long, until: None, rests: 0 }
    }

    /// Whether to look once more. A wait begins with the first time this is asked.
    pub(super) fn is_left(&mut self, now: Instant) -> bool {
        if self.rests > 0 {
            self.rests -= 1;
            return false;
        }
        if now < *self.until.get_or_insert(now + self.long) {
            return true;
        }
        (self.until, self.rests) = (None, IN_VAIN);
        false
    }

    /// Something came: the wait is over.
    pub(super) const fn is_rewarded(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_micros(30);

    #[test]
    fn what_comes_in_time_is_looked_for_again_the_next_time() {
        let (mut patience, mut now) = (Patience::new(LONG), Instant::now());
        for _ in 0..100 {
            assert!(patience.is_left(now) && patience.is_left(now + LONG / 2));
            patience.is_rewarded();
            now += Duration::from_secs(1);
        }
    }

    #[test]
    fn a_wait_in_vain_ends_and_is_not_tried_again_for_a_while() {
        let (mut patience, mut now) = (Patience::new(LONG), Instant::now());
        for _ in 0..3 {
            assert!(patience.is_left(now));
            assert!(!patience.is_left(now + LONG), "it takes no longer");
            now += Duration::from_secs(1);
            for _ in 0..IN_VAIN {
                assert!(!patience.is_left(now), "a process without echo costs a processor nothing");
            }
        }
    }
}
