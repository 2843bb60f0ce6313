//! Two machines that use one identity throw each other out of the relay for ever, unless one gives
//! way. A pure core: the caller tells when it was replaced.

use std::time::{Duration, Instant};

/// What a person is told.
pub(super) const ADVICE: &str = "another machine uses this machine's identity (was its state \
    directory copied?); give one of the two an identity of its own: stop its node and run `gantline identity reset`";

/// How long a second replacement counts as a clash.
const WITHIN: Duration = Duration::from_secs(60);
/// How long this machine gives way.
const GIVE_WAY_FOR: Duration = Duration::from_secs(5 * 60);

/// When this machine was last replaced.
#[derive(Debug, Default)]
pub(super) struct Clashes {
    last: Option<Instant>,
}

impl Clashes {
    /// This machine was replaced once more. `Some`: for so long it gives way.
    pub(super) fn replaced(&mut self, now: Instant) -> Option<Duration> {
        let last = self.last.replace(now)?;
        (now.saturating_duration_since(last) < WITHIN).then_some(GIVE_WAY_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_machines_with_one_identity_do_not_fight_for_ever() {
        let mut clashes = Clashes::default();
        let start = Instant::now();
        assert_eq!(
            clashes.replaced(start),
            None,
            "a new link of this machine replaces its old one"
        );
        let soon = start + Duration::from_secs(59);
        assert_eq!(clashes.replaced(soon), Some(GIVE_WAY_FOR));
        let much_later = soon + Duration::from_secs(60);
        assert_eq!(clashes.replaced(much_later), None);
    }
}
