//! Decides whether a look at the networks is worth a word. A pure core: the caller looks, and
//! brings the time.

use std::time::{Duration, Instant};

/// A network that comes and goes is told once in this time at most.
const PACE: Duration = Duration::from_secs(1);

/// What is to be said about a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Same,
    /// There is another way out than before, or one again.
    Moved,
    /// There is, but too soon after the last: look again then.
    Later(Instant),
}

/// What was told last.
#[derive(Debug)]
pub(super) struct Told<S> {
    source: Option<S>,
    not_before: Option<Instant>,
}

impl<S: PartialEq> Told<S> {
    /// `source` is known. `None`: there is no way out.
    pub(super) const fn new(source: Option<S>) -> Self {
        Self { source, not_before: None }
    }

    /// The networks were looked at. That there is no way out is not told, since nothing can be
    /// done about it; but it makes the next way a new one, even if it looks like the old one.
    pub(super) fn look(&mut self, source: Option<S>, now: Instant) -> Verdict {
        if source.is_none() || source == self.source {
            self.source = source;
            return Verdict::Same;
        }
        if let Some(at) = self.not_before.filter(|at| now < *at) {
            return Verdict::Later(at);
        }
        self.source = source;
        self.not_before = Some(now + PACE);
        Verdict::Moved
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    #[test]
    fn a_way_out_that_was_lost_and_looks_the_same_is_a_new_one() {
        let now = Instant::now();
        let mut told = Told::new(Some("192.168.1.5"));
        assert_eq!(told.look(Some("192.168.1.5"), now), Verdict::Same);
        assert_eq!(told.look(None, now), Verdict::Same);
        assert_eq!(told.look(Some("192.168.1.5"), now), Verdict::Moved);
    }

    #[test]
    fn nothing_is_told_while_there_is_no_way_out() {
        let mut told = Told::new(Some(1));
        assert_eq!(told.look(None, Instant::now()), Verdict::Same);
    }

    proptest! {
        /// Whoever looks when told to look again hears of every network that lasts.
        #[test]
        fn a_network_that_comes_and_goes_is_told_once_a_second_and_the_last_one_always(
            first in option::of(0..3u8),
            looks in vec((option::of(0..3u8), 0..700u64), 1..100),
        ) {
            let mut now = Instant::now();
            let mut told = Told::new(first);
            let (mut known, mut lost, mut last_told) = (first, first.is_none(), None::<Instant>);
            for (source, millis) in looks {
                now += Duration::from_millis(millis);
                let mut verdict = told.look(source, now);
                lost |= source.is_none();
                if let Verdict::Later(at) = verdict {
                    prop_assert!(at > now);
                    // It lasts until then.
                    now = at;
                    verdict = told.look(source, now);
                }
                let is_new = source.is_some() && (lost || source != known);
                prop_assert_eq!(verdict, if is_new { Verdict::Moved } else { Verdict::Same });
                if is_new {
                    prop_assert!(last_told.is_none_or(|at| now - at >= PACE));
                    (known, lost, last_told) = (source, false, Some(now));
                }
            }
        }
    }
}
