//! What all parts of a running relay share: who is linked, who is known, what is open. Every lock
//! here is held for a few instructions and never across an await.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Instant, SystemTime},
};

use gantline_protocol::{Alias, MachineId, Timestamp, link::PipeReply};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::{Admission, Entry, Peer},
    config::Config,
    directory::{Directory, Known},
    line::Line,
    links::{LinkId, Links},
    registry::{Machine, Registry, Sighting},
    tickets::Tickets,
};

/// What the task of a node's link is told. Only the newest matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Serve,
    GoAway { redial_within_ms: u32 },
    Replaced,
}

/// Reaches a node's link.
#[derive(Debug, Clone)]
pub(crate) struct NodeLink {
    pub(crate) line: Line,
    pub(crate) orders: watch::Sender<Order>,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) config: Config,
    pub(crate) registry: Arc<dyn Registry>,
    /// No new pipes and no new logins.
    pub(crate) draining: CancellationToken,
    /// Everything ends now.
    pub(crate) ending: CancellationToken,
    /// Every task of the relay.
    pub(crate) tasks: TaskTracker,
    /// Every spliced pipe.
    pub(crate) pipes: TaskTracker,
    /// Pipes that nodes were invited to.
    pub(crate) tickets: Tickets,
    admission: Mutex<Admission>,
    links: Mutex<Links<NodeLink>>,
    directory: RwLock<Directory>,
    /// When it is full, sightings are dropped: they are for people to read and no more.
    sightings: mpsc::Sender<Sighting>,
}

impl Exchange {
    pub(crate) fn new(
        config: Config,
        registry: Arc<dyn Registry>,
        directory: Directory,
    ) -> (Arc<Self>, mpsc::Receiver<Sighting>) {
        let (sightings, seen) = mpsc::channel(config.limits.sightings.max(1));
        let exchange = Self {
            admission: Mutex::new(Admission::new(&config.limits)),
            config,
            registry,
            draining: CancellationToken::new(),
            ending: CancellationToken::new(),
            tasks: TaskTracker::new(),
            pipes: TaskTracker::new(),
            tickets: Tickets::default(),
            links: Mutex::default(),
            directory: RwLock::new(directory),
            sightings,
        };
        (Arc::new(exchange), seen)
    }

    /// Somebody wants to connect from `address`.
    pub(crate) fn connecting(self: &Arc<Self>, address: IpAddr, is_validated: bool) -> Connecting {
        let peer = Peer::from(address);
        match self.admission().connecting(peer, is_validated) {
            Entry::Welcome => Connecting::Welcome(ConnectionPlace {
                exchange: self.clone(),
                peer,
                in_handshake: true,
            }),
            Entry::Validate => Connecting::Validate,
            Entry::Refused => Connecting::Refused,
        }
    }

    /// Whether a node may log in now.
    pub(crate) fn admits_login(&self, address: IpAddr) -> bool {
        !self.draining.is_cancelled() && self.admission().login(address.into(), Instant::now())
    }

    /// A place for a pipe, and the link over which the machine is reached.
    pub(crate) fn pipe(
        self: &Arc<Self>,
        address: IpAddr,
        machine: MachineId,
    ) -> Result<(PipePlace, NodeLink), PipeReply> {
        let peer = Peer::from(address);
        if self.draining.is_cancelled() {
            return Err(PipeReply::Busy);
        }
        let now = Instant::now();
        self.admission().request(peer, now)?;
        if self.known(&machine).is_none() {
            return Err(PipeReply::Unknown);
        }
        let node = self.links().of(&machine).cloned().ok_or(PipeReply::Offline)?;
        self.admission().pipe(peer, machine, now)?;
        Ok((PipePlace { exchange: self.clone(), peer, machine }, node))
    }

    /// A machine has logged in over `node`; its older link is told that it was replaced.
    pub(crate) fn linked(
        self: &Arc<Self>,
        machine: MachineId,
        version: String,
        node: NodeLink,
    ) -> LinkPlace {
        let (id, replaced) = self.links().enter(machine, node);
        if let Some(old) = replaced {
            old.orders.send_replace(Order::Replaced);
        }
        let place = LinkPlace { exchange: self.clone(), machine, id, version };
        place.note_seen();
        place
    }

    /// Tells every node something.
    pub(crate) fn order_all(&self, order: Order) -> usize {
        let links = self.links();
        links.iter().for_each(|node| {
            // A link that was just replaced stays so.
            node.orders.send_if_modified(|current| {
                let is_news = *current == Order::Serve;
                if is_news {
                    *current = order;
                }
                is_news
            });
        });
        links.len()
    }

    pub(crate) fn known(&self, machine: &MachineId) -> Option<Known> {
        self.read_directory(|directory| directory.of(machine).cloned())
    }

    pub(crate) fn by_alias(&self, alias: &Alias) -> Option<MachineId> {
        self.read_directory(|directory| directory.by_alias(alias))
    }

    pub(crate) fn taken_in(&self, machine: &Machine) {
        self.directory.write().unwrap_or_else(PoisonError::into_inner).put(machine);
    }

    pub(crate) fn renamed(&self, machine: &MachineId, alias: &Alias) {
        self.directory.write().unwrap_or_else(PoisonError::into_inner).rename(machine, alias);
    }

    fn read_directory<T>(&self, read: impl FnOnce(&Directory) -> T) -> T {
        read(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self) -> MutexGuard<'_, Links<NodeLink>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// What a newcomer's connection is told.
pub(crate) enum Connecting {
    Welcome(ConnectionPlace),
    Validate,
    Refused,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    exchange: Arc<Exchange>,
    peer: Peer,
    in_handshake: bool,
}

impl ConnectionPlace {
    pub(crate) fn handshake_over(&mut self) {
        if std::mem::take(&mut self.in_handshake) {
            self.exchange.admission().handshake_over(self.peer);
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.handshake_over();
        self.exchange.admission().disconnected(self.peer);
    }
}

/// A pipe's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct PipePlace {
    exchange: Arc<Exchange>,
    peer: Peer,
    machine: MachineId,
}

impl Drop for PipePlace {
    fn drop(&mut self) {
        self.exchange.admission().pipe_closed(self.peer, self.machine);
    }
}

/// A link's place in the table; given back when dropped.
#[derive(Debug)]
pub(crate) struct LinkPlace {
    exchange: Arc<Exchange>,
    machine: MachineId,
    id: LinkId,
    version: String,
}

impl LinkPlace {
    fn note_seen(&self) {
        let sighting = Sighting { machine: self.machine, version: self.version.clone(), at: now() };
        // Full means dropped, as said at the queue.
        let _ = self.exchange.sightings.try_send(sighting);
    }
}

impl Drop for LinkPlace {
    fn drop(&mut self) {
        self.exchange.links().leave(&self.machine, self.id);
        self.note_seen();
    }
}
