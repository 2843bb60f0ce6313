//! The gateway: it reaches other machines for this node's own user, as that user's device. The
//! command line and the node share the device and the list of machines (`book`).

pub(crate) mod book;
mod bridge;
mod events;
mod failure;
mod hand_on;
mod machine;
mod pair;

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::response::sse::Event as Sent;
use futures_util::Stream;
use gantline_client::Client;
use gantline_protocol::{
    MachineId, Name, Role,
    api::{EventKind, MachineSoftware, MachineSummary, PathKind, ProblemCode, Reach},
};
use gantline_transport::{Carriers, NetworkChanges};
use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore, broadcast, watch},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::hand_on::hand_on;
use self::{
    book::{Book, BookError, Entry},
    events::FromMachine,
    machine::Machine,
    pair::Tries,
};
use crate::{
    api::{MachineInfo, Refused, VERSION},
    events::Events,
    state::{Home, StateError},
};

/// Sessions that may be open at a time. A machine beyond that is refused until one is closed.
pub(super) const MAX_SESSIONS: usize = 256;
/// The node refuses to add a machine beyond this many. The command line may have added more.
pub(super) const MAX_MACHINES: usize = 1024;

/// Reaches other machines for this node's own user. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

struct Shared {
    common: Arc<Common>,
    local: Arc<MachineInfo>,
    known: Mutex<Known>,
    /// How often the book was looked at.
    looks: AtomicU64,
    tries: Mutex<Tries>,
}

/// What the tasks of all machines share.
#[derive(Debug)]
struct Common {
    home: Home,
    events: Events,
    /// Made when it is first needed: it has a UDP socket.
    client: OnceCell<Client>,
    changes: OnceLock<NetworkChanges>,
    places: Arc<Semaphore>,
    /// How many listen to the events of all machines.
    watchers: watch::Sender<usize>,
    from_machines: broadcast::Sender<FromMachine>,
    closing: CancellationToken,
}

/// The machines of the book, as it was when it was last read.
#[derive(Debug, Default)]
struct Known {
    stamp: Option<Stamp>,
    /// Which look at the book that was.
    look: u64,
    /// In the order in which they were paired.
    order: Vec<MachineId>,
    machines: HashMap<MachineId, Arc<Machine>>,
}

/// Tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

/// Somebody listens to the events of all machines, as long as this is held.
struct Watching(Arc<Common>);

impl Gateway {
    /// A gateway that reaches nobody yet. It ends with `closing`. Needs a Tokio runtime.
    #[must_use]
    pub fn new(
        home: Home,
        local: Arc<MachineInfo>,
        events: Events,
        closing: CancellationToken,
    ) -> Self {
        let common = Common {
            home,
            events,
            client: OnceCell::new(),
            changes: OnceLock::new(),
            places: Arc::new(Semaphore::new(MAX_SESSIONS)),
            watchers: watch::Sender::new(0),
            from_machines: broadcast::Sender::new(events::WAITING),
            closing,
        };
        let (known, looks, tries) = Default::default();
        let shared = Shared { common: Arc::new(common), local, known, looks, tries };
        Self { shared: Arc::new(shared) }
    }

    /// Every machine, this one first. Dials nobody.
    pub(crate) async fn list(&self) -> Result<Vec<MachineSummary>, Refused> {
        self.refresh().await?;
        let known = self.known();
        let others = known.order.iter().filter_map(|id| known.machines.get(id));
        Ok([self.local()].into_iter().chain(others.map(|machine| machine.summary())).collect())
    }

    /// One machine.
    pub(crate) async fn summary(&self, id: MachineId) -> Result<MachineSummary, Refused> {
        match id == self.local_id() {
            true => Ok(self.local()),
            false => Ok(self.find(id).await?.summary()),
        }
    }

    /// Calls a machine something else.
    pub(crate) async fn rename(
        &self,
        id: MachineId,
        name: Name,
    ) -> Result<MachineSummary, Refused> {
        if id == self.local_id() {
            return Err(Refused::conflict(
                "this is the node's own machine: its name is `name` in config.toml",
            ));
        }
        self.change(move |book| {
            if book.free_name(&name, id) != name {
                let detail =
                    format!("another machine is called {name} already; choose another name");
                return Err(Refused::conflict(detail));
            }
            let entry = book.by_id_mut(id).ok_or_else(unknown)?;
            entry.machine.name = name;
            Ok(())
        })
        .await?;
        Ok(self.find(id).await?.summary())
    }

    /// Forgets a machine's keys and ends the session with it.
    pub(crate) async fn forget(&self, id: MachineId) -> Result<(), Refused> {
        if id == self.local_id() {
            return Err(Refused::conflict(
                "this is the node's own machine, which can't be forgotten",
            ));
        }
        self.change(move |book| {
            let before = book.machines.len();
            book.machines.retain(|entry| entry.machine.machine_id != id);
            if book.machines.len() < before { Ok(()) } else { Err(unknown()) }
        })
        .await
    }

    /// The events of all machines. As long as it is read, every machine is tried for.
    pub(crate) fn listen(&self) -> impl Stream<Item = Result<Sent, Infallible>> + use<> {
        events::listen(self.clone())
    }

    /// This machine's own id.
    pub(crate) fn local_id(&self) -> MachineId {
        self.shared.local.machine_id
    }

    fn local(&self) -> MachineSummary {
        let local = &self.shared.local;
        MachineSummary {
            machine_id: local.machine_id,
            alias: local.alias.clone(),
            name: local.name.clone(),
            role: Role::Owner,
            is_local: true,
            relays: local.relays.clone(),
            paired_at: None,
            software: Some(MachineSoftware {
                version: VERSION.to_owned(),
                os: std::env::consts::OS.to_owned(),
                arch: std::env::consts::ARCH.to_owned(),
            }),
            reach: Reach::Connected {
                path: PathKind::Loopback,
                relay: None,
                carrier: None,
                rtt_us: None,
                since: Some(local.started_at),
            },
        }
    }

    async fn find(&self, id: MachineId) -> Result<Arc<Machine>, Refused> {
        self.refresh().await?;
        self.known().machines.get(&id).cloned().ok_or_else(unknown)
    }

    /// Changes the book, and what follows from it here.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Book) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let home = self.shared.common.home.clone();
        let changed = self.shared.common.blocking(move || Book::change(&home, change)).await?;
        self.refresh().await?;
        Ok(changed)
    }

    /// Reads the book again if it has changed: the command line writes it, too.
    async fn refresh(&self) -> Result<(), BookError> {
        let look = self.shared.looks.fetch_add(1, Ordering::Relaxed) + 1;
        let (home, seen) = (self.shared.common.home.clone(), self.known().stamp);
        let read = self.shared.common.blocking(move || {
            // Before it is read: what is written meanwhile is found the next time.
            let stamp = Stamp::of(&Book::path(&home));
            if stamp == seen {
                return Ok::<_, BookError>(None);
            }
            Ok(Some((stamp, Book::load(&home)?)))
        });
        if let Some((stamp, book)) = read.await? {
            self.take_in(look, stamp, book);
        }
        Ok(())
    }

    /// A look that took its time undoes nothing of one that was begun after it: whoever changes the
    /// book looks at it then.
    fn take_in(&self, look: u64, stamp: Option<Stamp>, book: Book) {
        let common = &self.shared.common;
        let local = self.local_id();
        let entries = book.machines.into_iter().filter(|entry| entry.machine.machine_id != local);
        let entries: Vec<Entry> = entries.collect();
        let mut known = self.known();
        if look < known.look {
            return;
        }
        (known.look, known.stamp) = (look, stamp);
        let order: Vec<_> = entries.iter().map(|entry| entry.machine.machine_id).collect();
        for gone in known.order.iter().filter(|id| !order.contains(id)).copied().collect::<Vec<_>>()
        {
            known.machines.remove(&gone);
            common.events.publish(EventKind::MachineForgotten { machine_id: gone });
        }
        for entry in entries {
            let id = entry.machine.machine_id;
            match known.machines.get(&id) {
                Some(machine) => machine.renew(entry),
                None => {
                    let machine = Machine::new(entry, common.clone());
                    machine.tell();
                    known.machines.insert(id, Arc::new(machine));
                }
            }
        }
        known.order = order;
    }

    fn watch(&self) -> Watching {
        self.shared.common.watchers.send_modify(|watchers| *watchers += 1);
        Watching(self.shared.common.clone())
    }

    fn common(&self) -> &Arc<Common> {
        &self.shared.common
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing in here can panic half-way.
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Common {
    async fn client(&self) -> Result<&Client, String> {
        let make = || async {
            let home = self.home.clone();
            let device = self.blocking(move || Ok::<_, BookError>(book::device(&home)?)).await;
            let device = device.map_err(|error| error.to_string())?;
            let carriers = Carriers::from_env().map_err(|error| error.to_string())?;
            Ok(Client::with_carriers(device, carriers))
        };
        self.client.get_or_try_init(make).await
    }

    fn changes(&self) -> &NetworkChanges {
        self.changes.get_or_init(NetworkChanges::start)
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Runs what waits for the disk where that holds nobody up.
    async fn blocking<T: Send + 'static, E: From<BookError> + Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        match spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => {
                let (path, source) = (Book::path(&self.home), io::Error::other(error));
                Err(BookError::from(StateError::Io { doing: "use", path, source }).into())
            }
        }
    }
}

impl Stamp {
    fn of(path: &std::path::Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            length: metadata.len(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watchers.send_modify(|watchers| *watchers = watchers.saturating_sub(1));
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("machine", &self.local_id()).finish_non_exhaustive()
    }
}

impl From<BookError> for Refused {
    fn from(error: BookError) -> Self {
        match &error {
            BookError::Forged { .. } => Self::new(ProblemCode::Internal, error.to_string()),
            BookError::State(_) | BookError::Ambiguous => Self::internal(&error),
        }
    }
}

fn unknown() -> Refused {
    Refused::not_found(
        "no machine with this id is paired with this user; GET /v1/machines lists those that are",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use gantline_client::{KnownMachine, PairingSecret};
    use gantline_crypto::{Psk, StaticKey};
    use gantline_protocol::{DeviceId, Timestamp};

    use super::*;

    fn entry() -> Entry {
        let key = *StaticKey::from_secret(&[7; 32]).public();
        let pairing = PairingSecret {
            device_id: DeviceId::from_bytes([1; 16]),
            psk: Psk::from_bytes([2; 32]),
        };
        let machine = KnownMachine {
            machine_id: key.machine_id(),
            name: "ada".parse().unwrap(),
            key,
            role: Role::Owner,
            relays: Vec::new(),
            pairing,
            earlier: None,
            paired_at: Timestamp::default(),
        };
        Entry { machine, alias: None, revoked_at: None }
    }

    #[tokio::test]
    async fn a_machine_that_was_just_added_is_not_forgotten_by_a_look_from_before() {
        let dir = tempfile::tempdir().unwrap();
        let local = MachineInfo {
            machine_id: MachineId::from_bytes([9; 16]),
            alias: None,
            name: "home".parse().unwrap(),
            relays: Vec::new(),
            started_at: Timestamp::default(),
            started: Instant::now(),
        };
        let home = Home::below(&dir.path().join("home")).unwrap();
        let (events, closing) = (Events::new(), CancellationToken::new());
        let gateway = Gateway::new(home, Arc::new(local), events, closing);
        let added = Book { machines: vec![entry()] };
        gateway.take_in(2, None, added);
        gateway.take_in(1, None, Book::default());
        assert_eq!(gateway.known().order, [entry().machine.machine_id]);
        gateway.take_in(3, None, Book::default());
        assert!(gateway.known().order.is_empty());
    }
}
