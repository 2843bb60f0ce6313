//! Where pipes come in, whatever path they took: each is a pairing or a session, and proves which.
//! A pipe has a place while it proves itself; a flood of pipes that prove nothing takes places from
//! each other and from nobody else.

mod devices;
mod pairing;
mod requests;
mod sessions;
mod stored;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::Router;
use gantline_crypto::{
    StaticKey,
    places::{PipeNumber, Places},
};
use gantline_protocol::{
    Name, RelayAddress,
    session::{PipeKind, Preface},
};
use gantline_transport::{PipeReader, PipeWriter};
use tokio::{io::AsyncReadExt, sync::Notify, time::sleep_until};
use tokio_util::sync::CancellationToken;

pub use devices::{Devices, DevicesError};
pub use sessions::Sessions;

/// What the door says of the machine to those who pair with it.
#[derive(Debug, Clone)]
pub struct Nameplate {
    /// The machine's static key.
    pub key: StaticKey,
    /// What people call the machine.
    pub name: Name,
    /// The relays that reach it.
    pub relays: Vec<RelayAddress>,
}

/// Lets pipes in. Clones are the same door.
#[derive(Debug, Clone)]
pub struct Door {
    shared: Arc<Shared>,
}

struct Shared {
    nameplate: Nameplate,
    devices: Devices,
    sessions: Sessions,
    router: Router,
    waiting: Mutex<Waiting>,
    /// The deadlines of the places have changed.
    changed: Notify,
    closed: CancellationToken,
}

/// The pipes that have yet to prove themselves.
#[derive(Debug, Default)]
struct Waiting {
    places: Places,
    last: u64,
    pipes: HashMap<PipeNumber, CancellationToken>,
}

/// A pipe's place at the door, free again when this is dropped.
struct Place {
    shared: Arc<Shared>,
    number: PipeNumber,
    /// The pipe has to go.
    leave: CancellationToken,
}

impl Door {
    /// A door behind which `router` answers. Needs a Tokio runtime.
    #[must_use]
    pub fn new(nameplate: Nameplate, devices: Devices, sessions: Sessions, router: Router) -> Self {
        let shared = Arc::new(Shared {
            nameplate,
            devices,
            sessions,
            router,
            waiting: Mutex::default(),
            changed: Notify::new(),
            closed: CancellationToken::new(),
        });
        tokio::spawn(watch_deadlines(shared.clone()));
        Self { shared }
    }

    /// Takes a pipe and sees it through. Returns at once.
    pub fn admit(&self, reader: impl PipeReader, writer: impl PipeWriter) {
        if self.shared.closed.is_cancelled() {
            return;
        }
        let place = self.shared.clone().take_place();
        let closed = self.shared.closed.clone();
        tokio::spawn(async move {
            let leave = place.leave.clone();
            tokio::select! {
                biased;
                () = closed.cancelled() => {}
                () = leave.cancelled() => {}
                () = welcome(place, reader, writer) => {}
            }
        });
    }

    /// Takes no more pipes and drops those that have not proved themselves. Sessions go on.
    pub fn close(&self) {
        self.shared.closed.cancel();
    }
}

/// Reads what the pipe is for. Whatever it does wrong, it is met with silence: nobody has proved to
/// be anybody.
async fn welcome(place: Place, mut reader: impl PipeReader, writer: impl PipeWriter) {
    let mut preface = [0; Preface::SIZE];
    if reader.read_exact(&mut preface).await.is_err() {
        return;
    }
    match Preface::decode(preface).map(|preface| preface.kind) {
        Ok(PipeKind::Session) => sessions::welcome(place, reader, writer).await,
        Ok(PipeKind::PairByCode) => pairing::welcome(place, ByWhat::Code, reader, writer).await,
        Ok(PipeKind::PairByLink) => pairing::welcome(place, ByWhat::Link, reader, writer).await,
        Err(error) => tracing::debug!(%error, "a pipe is for nothing that is known"),
    }
}

/// What a pairing is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByWhat {
    Code,
    Link,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here can panic half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_place(self: Arc<Self>) -> Place {
        let mut waiting = self.waiting();
        waiting.last += 1;
        let number = PipeNumber(waiting.last);
        let leave = CancellationToken::new();
        waiting.pipes.insert(number, leave.clone());
        if let Some(other) = waiting.places.arrive(number, Instant::now()) {
            waiting.send_away(other);
        }
        drop(waiting);
        self.changed.notify_one();
        Place { shared: self, number, leave }
    }
}

impl Waiting {
    fn send_away(&mut self, number: PipeNumber) {
        if let Some(pipe) = self.pipes.remove(&number) {
            pipe.cancel();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting();
        waiting.places.leave(self.number);
        waiting.pipes.remove(&self.number);
    }
}

/// Sends away the pipes that take too long.
async fn watch_deadlines(shared: Arc<Shared>) {
    loop {
        let deadline = shared.waiting().places.deadline();
        let due = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.closed.cancelled() => return,
            () = shared.changed.notified() => {}
            () = due => {
                let mut waiting = shared.waiting();
                for late in waiting.places.expire(Instant::now()) {
                    waiting.send_away(late);
                }
            }
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("devices", &self.devices).finish_non_exhaustive()
    }
}
