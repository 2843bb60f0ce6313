//! How it stands with the machine, and who is told of it.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use gantline_client::{Connection, Path};
use gantline_protocol::{
    Timestamp,
    api::{EventKind, MachineSummary, Reach},
};

use super::{Known, Shared};
use crate::gateway::{
    book::Entry,
    failure::{Failure, Why},
};

#[derive(Debug, Clone)]
pub(super) enum State {
    Idle,
    Connecting,
    Connected { connection: Arc<Connection>, since: Timestamp, round_trip: Option<Duration> },
    Failed(Arc<Failed>),
}

#[derive(Debug)]
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) at: Instant,
    /// When it is tried again, if somebody watches.
    pub(super) due: Instant,
    pub(super) next_try: Option<Timestamp>,
}

impl Shared {
    /// It stands so now.
    pub(super) fn show(&self, state: State) {
        match &state {
            State::Connected { .. } => self.known().failure = None,
            State::Failed(failed) => self.known().failure = Some(failed.failure.clone()),
            State::Idle | State::Connecting => {}
        }
        self.state.send_replace(state);
        self.tell();
    }

    /// Whether it is tried again by itself.
    pub(super) fn show_next_try(&self, retries: bool, due: Instant) {
        let changed = self.state.send_if_modified(|state| match state {
            State::Failed(failed) if failed.next_try.is_some() != retries => {
                let next_try = retries.then(|| in_future(due));
                let (failure, at) = (failed.failure.clone(), failed.at);
                *state = Failed { failure, at, due, next_try }.into();
                true
            }
            State::Failed(_) | State::Idle | State::Connecting | State::Connected { .. } => false,
        });
        if changed {
            self.tell();
        }
    }

    /// Tells what there is to tell, unless it was told.
    pub(super) fn tell(&self) {
        let mut known = self.known();
        let summary = self.summary(&known);
        if known.told.as_ref() != Some(&summary) {
            known.told = Some(summary.clone());
            // Under the lock, so that what is newer is told later.
            self.common.events.publish(EventKind::MachineChanged { machine: Box::new(summary) });
        }
    }

    pub(super) fn summary(&self, known: &Known) -> MachineSummary {
        let state = self.state.borrow().clone();
        let last_seen = known.last_seen;
        let reach = match state {
            State::Idle => Reach::Idle { last_seen },
            State::Connecting => Reach::Connecting,
            State::Connected { connection, since, round_trip } => Reach::Connected {
                path: connection.path().kind(),
                relay: match connection.path() {
                    Path::Relay(relay) => Some(relay.host.clone()),
                    Path::Unix(_) | Path::Loopback(_) => None,
                },
                carrier: connection.carrier(),
                rtt_us: round_trip.map(|trip| u64::try_from(trip.as_micros()).unwrap_or(u64::MAX)),
                since: Some(since),
            },
            State::Failed(failed) if failed.failure.why == Why::Revoked => Reach::Revoked,
            State::Failed(failed) => Reach::Offline {
                last_seen,
                why: Some(failed.failure.detail.clone()),
                next_try_at: failed.next_try,
            },
        };
        let Entry { machine, alias, .. } = &known.entry;
        MachineSummary {
            machine_id: machine.machine_id,
            alias: alias.clone(),
            name: machine.name.clone(),
            role: machine.role,
            is_local: false,
            relays: machine.relays.clone(),
            paired_at: Some(machine.paired_at),
            software: known.software.clone(),
            reach,
        }
    }
}

impl Failed {
    /// One that is not tried again by itself.
    pub(super) fn now(failure: Failure) -> Self {
        let at = Instant::now();
        Self { failure, at, due: at, next_try: None }
    }
}

impl From<Failed> for State {
    fn from(failed: Failed) -> Self {
        Self::Failed(Arc::new(failed))
    }
}

/// Whether a round trip differs so much from the one that was told that people would care.
pub(super) fn is_news(told: Option<Duration>, measured: Option<Duration>) -> bool {
    match (told, measured) {
        (None, None) => false,
        (None, Some(_)) | (Some(_), None) => true,
        (Some(told), Some(measured)) => {
            told.abs_diff(measured) > (told / 4).max(Duration::from_millis(2))
        }
    }
}

pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}

pub(super) fn in_future(at: Instant) -> Timestamp {
    (SystemTime::now() + at.saturating_duration_since(Instant::now())).into()
}
