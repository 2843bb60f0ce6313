//! Notices what may have killed a link without anybody telling: the machine slept, the process
//! stood still, or packets now leave by another way. One task looks; whoever has a link waits.

mod pauses;
mod source;
mod sys;
mod told;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{self, MissedTickBehavior, interval, sleep_until, timeout_at},
};

use self::{
    pauses::{Pause, Pauses},
    source::Sources,
    sys::Stirs,
    told::{Told, Verdict},
};

/// How often the clocks are compared. Nothing else happens while nothing changes.
const TICK: Duration = Duration::from_secs(2);
/// Changes of a network come in bursts: an address goes, a route goes, another address comes. So
/// it is looked at once the burst is likely over, and not more often than this.
const BURST: Duration = Duration::from_millis(250);

/// What may have killed a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The machine slept for so long.
    Slept(Duration),
    /// The machine was awake, but this process did not run for so long: it was stopped, or starved.
    Stalled(Duration),
    /// Packets now leave from another network, or again after there was no way out.
    Moved,
}

/// Watches the machine's networks and clocks, until the last clone and the last [`Way`] are gone.
#[derive(Debug, Clone)]
pub struct NetworkChanges {
    seen: watch::Receiver<Seen>,
}

impl NetworkChanges {
    /// Watches from now on. Needs a Tokio runtime.
    ///
    /// Where the system does not tell that its networks change, they are looked at every 2 s.
    #[must_use]
    pub fn start() -> Self {
        let (sender, seen) = watch::channel(Seen::default());
        let (pauses, system) = (Pauses::since(sys::clocks(), TICK), Stirs::listen().ok());
        tokio::spawn(watch_system(sender, pauses, system));
        Self { seen }
    }

    /// The way to `peer`, as it is now: ask for it as soon as a link stands.
    #[must_use]
    pub fn way_to(&self, peer: SocketAddr) -> Way {
        Way::new(self.seen.clone(), Sources::towards(peer))
    }

    /// The ways to the internet, as they are now: for whoever does not know yet where to go.
    #[must_use]
    pub fn way_out(&self) -> Way {
        Way::new(self.seen.clone(), Sources::outward())
    }
}

/// How packets leave for one place, for whoever has a link there.
#[derive(Debug)]
pub struct Way {
    seen: watch::Receiver<Seen>,
    sources: Sources,
    told: Told<Vec<Option<source::Source>>>,
    /// What of [`Seen`] was looked at.
    stirs: u64,
    pauses: u64,
}

impl Way {
    fn new(mut seen: watch::Receiver<Seen>, sources: Sources) -> Self {
        let Seen { stirs, pauses, .. } = *seen.borrow_and_update();
        let told = Told::new(sources.now());
        Self { seen, sources, told, stirs, pauses }
    }

    /// Waits for the next change. Of several that nobody waited for, the newest is told, and a
    /// pause rather than a move; a move is told once a second at most, and not before there is a
    /// way out again. Giving up the wait loses nothing.
    pub async fn changed(&mut self) -> Change {
        loop {
            let seen = *self.seen.borrow_and_update();
            if seen.pauses != self.pauses {
                self.pauses = seen.pauses;
                // If the way has changed meanwhile, one word is enough for both.
                let _ = self.told.look(self.sources.now(), Instant::now());
                self.stirs = seen.stirs;
                return seen.pause.into();
            }
            let mut look_again = None;
            if seen.stirs != self.stirs {
                match self.told.look(self.sources.now(), Instant::now()) {
                    Verdict::Same => self.stirs = seen.stirs,
                    Verdict::Moved => {
                        self.stirs = seen.stirs;
                        return Change::Moved;
                    }
                    Verdict::Later(at) => look_again = Some(time::Instant::from_std(at)),
                }
            }
            let changed = match look_again {
                None => self.seen.changed().await,
                Some(at) => timeout_at(at, self.seen.changed()).await.unwrap_or(Ok(())),
            };
            if changed.is_err() {
                // The runtime is ending, and whoever waits here with it.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What the task has seen since it began. Only the newest matters, so nothing queues up.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Times that something about the networks may have changed.
    stirs: u64,
    /// Times that time was missing.
    pauses: u64,
    /// The last of those.
    pause: Pause,
}

impl From<Pause> for Change {
    fn from(pause: Pause) -> Self {
        match pause {
            Pause::Slept(how_long) => Self::Slept(how_long),
            Pause::Stalled(how_long) => Self::Stalled(how_long),
        }
    }
}

/// Compares the clocks and listens to the system, as long as somebody wants to know.
async fn watch_system(seen: watch::Sender<Seen>, mut pauses: Pauses, mut system: Option<Stirs>) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut burst_ends = None;
    loop {
        tokio::select! {
            () = seen.closed() => return,
            _ = tick.tick() => {
                if let Some(pause) = pauses.tick(sys::clocks()) {
                    seen.send_modify(|seen| {
                        seen.pauses = seen.pauses.wrapping_add(1);
                        seen.pause = pause;
                    });
                }
                if system.is_none() {
                    tell_stir(&seen);
                }
            }
            // Not listened to within a burst, so that a storm costs no more than a breeze.
            stirred = stir(system.as_mut()), if burst_ends.is_none() => match stirred {
                Ok(()) => burst_ends = Some(time::Instant::now() + BURST),
                Err(_) => system = None,
            },
            () = sleep_until(burst_ends.unwrap_or_else(time::Instant::now)), if burst_ends.is_some() => {
                burst_ends = None;
                if let Some(Err(_)) = system.as_mut().map(Stirs::forget) {
                    system = None;
                }
                tell_stir(&seen);
            }
        }
    }
}

async fn stir(system: Option<&mut Stirs>) -> std::io::Result<()> {
    match system {
        Some(system) => system.next().await,
        None => std::future::pending().await,
    }
}

fn tell_stir(seen: &watch::Sender<Seen>) {
    seen.send_modify(|seen| seen.stirs = seen.stirs.wrapping_add(1));
}
