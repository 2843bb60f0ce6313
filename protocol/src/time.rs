//! Points in time as the API writes them. Nothing here asks a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z without leap seconds, in JSON a whole
/// number. It is what one machine's clock said; clocks of two machines may differ.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time `duration` later, whole milliseconds only; stays at the end of time instead of
    /// wrapping.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// How long after `earlier` this is; zero when `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Timestamp {
    /// Times before the Unix epoch become the epoch.
    fn from(time: SystemTime) -> Self {
        Self(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_cannot_make_a_time_wrap() {
        let second = Duration::from_secs(1);
        assert_eq!(Timestamp::from(UNIX_EPOCH - second), Timestamp::from_millis(0));
        assert_eq!(Timestamp::from(UNIX_EPOCH + second).as_millis(), 1000);
        let (early, late) = (Timestamp::from_millis(5), Timestamp::from_millis(1005));
        assert_eq!((late.since(early), early.since(late)), (second, Duration::ZERO));
        assert_eq!(early.after(second), late);
        assert_eq!(late.after(Duration::MAX).as_millis(), u64::MAX);
    }

    #[test]
    fn a_time_is_a_plain_number_in_json() {
        let time = Timestamp::from_millis(1_763_690_000_123);
        assert_eq!(serde_json::to_string(&time).unwrap(), "1763690000123");
        assert_eq!(serde_json::from_str::<Timestamp>("1763690000123").unwrap(), time);
        assert!(serde_json::from_str::<Timestamp>("-1").is_err());
    }
}
