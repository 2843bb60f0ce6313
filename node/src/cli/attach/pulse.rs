//! Whether the machine still answers: asked when the network has changed, or when a key stays
//! without an answer, and not otherwise.

use std::time::{Duration, Instant};

use gantline_client::session::Session;
use tokio::{sync::watch, time::timeout_at};

/// How long a key may stay without an answer before the machine is asked whether it is there.
const KEY: Duration = Duration::from_millis(1_500);
/// How long the machine has to answer, or four round trips if that is longer.
const PROOF: Duration = Duration::from_millis(1_500);

/// The pulse of one connection.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    asked: Option<Asked>,
    /// When it was last felt.
    felt: Option<Instant>,
}

#[derive(Debug)]
struct Asked {
    until: Instant,
    answers: watch::Receiver<Option<Duration>>,
}

impl Pulse {
    /// Asks the machine, unless an answer is awaited.
    pub(super) fn ask(&mut self, session: &Session, now: Instant) {
        if self.asked.is_some() {
            return;
        }
        let mut answers = session.round_trip();
        let usual = answers.borrow_and_update().unwrap_or_default();
        session.ping();
        self.asked = Some(Asked { until: now + PROOF.max(4 * usual), answers });
    }

    /// When to ask because of a key that has had no answer since then.
    pub(super) fn due(&self, unanswered_since: Option<Instant>) -> Option<Instant> {
        let since = unanswered_since.filter(|_| self.asked.is_none())?;
        Some(self.felt.map_or(since, |felt| felt.max(since)) + KEY)
    }

    /// Waits for the answer, and says whether it has come in time. For ever, if nothing was asked.
    /// Giving up the wait loses nothing.
    pub(super) async fn felt(&mut self) -> bool {
        let Some(asked) = &mut self.asked else { return std::future::pending().await };
        let is_felt =
            matches!(timeout_at(asked.until.into(), asked.answers.changed()).await, Ok(Ok(())));
        self.asked = None;
        self.felt = Some(Instant::now());
        is_felt
    }
}
