//! How many parsers are in memory at once. One takes 11 MB for a terminal of 80 columns with all its
//! lines above the screen, and one thread draws for all: whoever waits for its turn needs none yet.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// One that is drawn, and one that is filled or let go meanwhile.
const PLACES: usize = 2;

static FREE: Semaphore = Semaphore::const_new(PLACES);
static WAITING: AtomicUsize = AtomicUsize::new(0);
static ASKED: Notify = Notify::const_new();

/// A parser may be in memory as long as this is held.
#[derive(Debug)]
pub(super) struct Place {
    _permit: SemaphorePermit<'static>,
}

impl Place {
    /// Waits for a place. Who has one and does not need it at once hears of it. `None`, never seen, if
    /// there are no places any more.
    pub(super) async fn take() -> Option<Self> {
        if let Ok(permit) = FREE.try_acquire() {
            return Some(Self { _permit: permit });
        }
        let _waiting = Waiting::begin();
        FREE.acquire().await.ok().map(|permit| Self { _permit: permit })
    }
}

/// Whether somebody waits for a place.
fn is_wanted() -> bool {
    WAITING.load(Ordering::SeqCst) > 0
}

/// Waits until somebody waits for a place.
pub(super) async fn wanted() {
    loop {
        let asked = ASKED.notified();
        tokio::pin!(asked);
        asked.as_mut().enable();
        if is_wanted() {
            return;
        }
        asked.await;
    }
}

/// Somebody waits, as long as this lives.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        WAITING.fetch_add(1, Ordering::SeqCst);
        ASKED.notify_waiters();
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::SeqCst);
    }
}
