//! When the machine is tried for: while it is used or somebody listens, and after a failure later
//! and later.

use std::{
    future::pending,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use gantline_transport::{Backoff, Way};
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::{sync::watch, time::sleep_until};

use super::{
    FRESH, Shared,
    keep::End,
    told::{Failed, State, in_future, now},
};
use crate::gateway::{
    events::Cursor,
    failure::{Failure, Why},
};

/// A session that ends sooner did not stand: the next one waits as after a failure.
const STOOD: Duration = Duration::from_secs(5);

impl Shared {
    /// The life of its task.
    pub(super) async fn run(&self) {
        let mut backoff = Backoff::default();
        let mut watchers = self.common.watchers.subscribe();
        let cursor = Cursor::default();
        if matches!(&*self.state.borrow(), State::Failed(_)) {
            self.after_failure(&mut backoff, &mut watchers).await;
        }
        loop {
            self.wanted(&mut watchers).await;
            self.show(State::Connecting);
            let Some(place) = self.common.place() else {
                self.fail(Failure::full(), &mut backoff, &mut watchers).await;
                continue;
            };
            let connection = match self.connect().await {
                Ok(connection) => connection,
                Err(failure) => {
                    drop(place);
                    self.fail(failure, &mut backoff, &mut watchers).await;
                    continue;
                }
            };
            let stood = Instant::now();
            let end = self.keep(connection, place, &mut watchers, &cursor).await;
            self.known().last_seen = Some(now());
            match end {
                End::Unused => self.show(State::Idle),
                End::Revoked => {
                    self.note_revoked().await;
                    let failure = Failure::revoked(&self.name());
                    self.fail(failure, &mut backoff, &mut watchers).await;
                }
                End::Broken(why) if stood.elapsed() >= STOOD => {
                    backoff.succeed();
                    // Whoever asks meanwhile does not wait as for a machine that was never away.
                    let failure = Failure::away(&self.name(), &why);
                    self.known().failure = Some(failure);
                    let goes_on = self.is_wanted(&watchers);
                    self.show(if goes_on { State::Connecting } else { State::Idle });
                }
                End::Broken(why) => {
                    let failure = Failure::away(&self.name(), &why);
                    self.fail(failure, &mut backoff, &mut watchers).await;
                }
            }
        }
    }

    /// Tells of a failure, and waits until another try is due.
    async fn fail(
        &self,
        failure: Failure,
        backoff: &mut Backoff,
        watchers: &mut watch::Receiver<usize>,
    ) {
        let at = Instant::now();
        let due = at + FRESH + backoff.fail(UnwrapErr(SysRng).next_u64());
        let retries = *watchers.borrow() > 0 && failure.why != Why::Revoked;
        let next_try = retries.then(|| in_future(due));
        self.show(Failed { failure, at, due, next_try }.into());
        self.after_failure(backoff, watchers).await;
    }

    /// Waits until somebody wants the machine.
    async fn wanted(&self, watchers: &mut watch::Receiver<usize>) {
        while !self.is_wanted(watchers) {
            tokio::select! {
                () = self.demand.notified() => {}
                _ = watchers.changed() => {}
            }
        }
    }

    fn is_wanted(&self, watchers: &watch::Receiver<usize>) -> bool {
        *watchers.borrow() > 0 || self.uses.load(Ordering::Acquire) > 0
    }

    /// Waits until another try is due: as the backoff says while somebody watches, at once when the
    /// network has changed, and when somebody asks.
    async fn after_failure(&self, backoff: &mut Backoff, watchers: &mut watch::Receiver<usize>) {
        let (fresh_until, due, is_revoked) = match &*self.state.borrow() {
            State::Failed(failed) => {
                (failed.at + FRESH, failed.due, failed.failure.why == Why::Revoked)
            }
            State::Idle | State::Connecting | State::Connected { .. } => return,
        };
        let mut way = None;
        loop {
            let retries = *watchers.borrow_and_update() > 0 && !is_revoked;
            self.show_next_try(retries, due);
            if retries && way.is_none() {
                way = Some(self.common.changes().way_out());
            }
            tokio::select! {
                () = sleep_until(due.into()), if retries => return,
                () = moved(way.as_mut()), if retries => {
                    backoff.succeed();
                    return;
                }
                () = self.renewed.notified() => return self.show(State::Idle),
                () = self.demand.notified() => {
                    if self.uses.load(Ordering::Acquire) > 0 && Instant::now() > fresh_until {
                        return;
                    }
                }
                _ = watchers.changed() => {}
            }
        }
    }
}

async fn moved(way: Option<&mut Way>) {
    match way {
        Some(way) => {
            way.changed().await;
        }
        None => pending().await,
    }
}
