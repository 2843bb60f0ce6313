//! Systems without a module of their own: nobody tells of changes, and the clock on the wall stands
//! in for one that goes on during sleep.

#![cfg_attr(test, allow(dead_code, clippy::unused_async, unreachable_pub))]

use std::{
    io,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

use crate::changes::pauses::Clocks;

/// Both clocks, now. A clock that is set forward looks like sleep, which costs one look at the
/// link.
pub(in crate::changes) fn clocks() -> Clocks {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let awake = START.elapsed();
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Clocks { with_sleep: wall.unwrap_or(Duration::ZERO), awake }
}

/// Nobody's word.
#[derive(Debug)]
pub(in crate::changes) struct Stirs;

impl Stirs {
    /// Always an error.
    pub(in crate::changes) fn listen() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called.
    pub(in crate::changes) async fn next(&mut self) -> io::Result<()> {
        std::future::pending().await
    }

    /// Never called.
    pub(in crate::changes) fn forget(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_at_the_same_pace_on_a_machine_that_is_awake() {
        let before = clocks();
        while clocks().awake - before.awake < Duration::from_millis(20) {}
        let after = clocks();
        let (awake, wall) = (after.awake - before.awake, after.with_sleep - before.with_sleep);
        assert!(wall.abs_diff(awake) < Duration::from_millis(500), "{wall:?} {awake:?}");
    }
}
