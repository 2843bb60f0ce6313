//! The devices that may reach this machine, and the codes and invitations by which others are
//! paired: the cores of `gantline-crypto`, with their files. Nothing is answered before what the
//! answer rests on is on disk.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Instant, SystemTime},
};

use gantline_client::MachineAddress;
use gantline_crypto::{
    Admission, Device, DeviceBook, Now, PublicKey,
    devices::{BookFull, Seen, Standing},
    pairing::{
        NodePairing, PairingDesk, PairingError, PairingLink, Step,
        desk::{CODE_FOR, TooManyInvitations},
        node::NodeSide,
        wire::Refusal,
    },
};
use gantline_protocol::{
    DeviceId, InvitationId, RelayAddress, Role, Timestamp,
    api::{
        self, EventKind, Invitation, InvitationLink, InvitationRequest, MintedCode,
        MintedInvitation,
    },
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::task::spawn_blocking;

use super::{
    ByWhat, Nameplate,
    sessions::Sessions,
    stored::{StoredDevices, StoredInvitation, StoredInvitations},
};
use crate::{
    events::Events,
    state::{
        StateError, StateFiles,
        identity::{DEVICES, INVITATIONS},
    },
};

/// The devices of this machine. Clones are the same.
#[derive(Debug, Clone)]
pub struct Devices {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    nameplate: Nameplate,
    files: StateFiles,
    events: Events,
    sessions: Sessions,
    books: Mutex<Books>,
    /// Held while a file is written, so that no older version overtakes a newer one.
    saving: Arc<tokio::sync::Mutex<()>>,
    /// That devices were seen is to be stored; somebody is about to.
    is_sighting_due: AtomicBool,
}

#[derive(Debug)]
struct Books {
    devices: DeviceBook,
    desk: PairingDesk,
    /// When each invitation was minted.
    minted: HashMap<InvitationId, Timestamp>,
    /// Safety numbers that somebody has looked at: they take some milliseconds each, and never
    /// change.
    numbers: HashMap<DeviceId, String>,
}

/// Why something about devices could not be done.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// There is no such device.
    #[error("this machine knows no device {0}; `gantline device list` shows those it knows")]
    UnknownDevice(DeviceId),
    /// There is no such invitation.
    #[error("there is no such invitation; it may have ended")]
    UnknownInvitation,
    /// The machine knows as many devices as it can.
    #[error(transparent)]
    Full(#[from] BookFull),
    /// As many invitations are live as there may be.
    #[error(transparent)]
    TooManyInvitations(#[from] TooManyInvitations),
    /// An invitation is a link, and a link names a relay.
    #[error(
        "this machine has joined no relay, so no link leads to it; join one with `gantline up --join`"
    )]
    NoRelay,
    /// It could not be stored, and so was not done.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Devices {
    /// The devices and invitations in the state files.
    ///
    /// # Errors
    /// [`StateError`] when a file can't be read.
    pub fn load(
        nameplate: Nameplate,
        files: StateFiles,
        events: Events,
        sessions: Sessions,
    ) -> Result<Self, StateError> {
        let devices: StoredDevices = files.read_json(DEVICES)?.unwrap_or_default();
        let invitations: StoredInvitations = files.read_json(INVITATIONS)?.unwrap_or_default();
        let invitations: Vec<_> =
            invitations.invitations.into_iter().map(StoredInvitation::into_parts).collect();
        let minted = invitations.iter().map(|(invitation, at)| (invitation.id, *at)).collect();
        let invitations = invitations.into_iter().map(|(invitation, _)| invitation).collect();
        let books = Books {
            devices: DeviceBook::from_devices(
                devices.devices.into_iter().map(Device::from).collect(),
            ),
            desk: PairingDesk::from_invitations(invitations),
            minted,
            numbers: HashMap::new(),
        };
        let shared = Shared {
            nameplate,
            files,
            events,
            sessions,
            books: Mutex::new(books),
            saving: Arc::default(),
            is_sighting_due: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The devices that are paired, pending ones included.
    #[must_use]
    pub fn list(&self) -> Vec<api::Device> {
        let mut books = self.books();
        books.devices.forget(wall());
        books.devices.devices().iter().filter_map(described).collect()
    }

    /// The same, each with its safety number.
    pub async fn list_to_compare(&self) -> Vec<api::Device> {
        let mut listed = self.list();
        let unknown: Vec<Device> = {
            let mut books = self.books();
            let Books { devices, numbers, .. } = &mut *books;
            let is_listed = |id| listed.iter().any(|device| device.device_id == id);
            numbers.retain(|id, _| is_listed(*id));
            let is_unknown =
                |device: &&Device| is_listed(device.id) && !numbers.contains_key(&device.id);
            devices.devices().iter().filter(is_unknown).cloned().collect()
        };
        if !unknown.is_empty() {
            let node = *self.shared.nameplate.key.public();
            let number =
                move |device: &Device| (device.id, device.safety_number(&node).to_string());
            let reckoned = spawn_blocking(move || unknown.iter().map(number).collect::<Vec<_>>());
            let reckoned = reckoned.await.expect("hashing does not panic, and nobody cancels it");
            self.books().numbers.extend(reckoned);
        }
        let books = self.books();
        for device in &mut listed {
            device.safety_number = books.numbers.get(&device.device_id).cloned();
        }
        listed
    }

    /// Removes a device, ends its sessions, and will tell it so when it calls again.
    ///
    /// # Errors
    /// [`DevicesError::UnknownDevice`]; [`DevicesError::State`] when it could not be stored: its
    /// sessions have ended then, but it would be let in again after a restart of the node.
    pub async fn revoke(&self, id: DeviceId) -> Result<(), DevicesError> {
        let removed = self.books().devices.revoke(id, wall());
        let is_unknown = removed.is_empty();
        for device_id in removed {
            self.shared.sessions.revoke(device_id);
            self.shared.events.publish(EventKind::DeviceRemoved { device_id });
        }
        // Also when it is gone already: it may be so in memory only, if the disk was full before.
        self.save_devices().await?;
        if is_unknown { Err(DevicesError::UnknownDevice(id)) } else { Ok(()) }
    }

    /// Mints a code for one device, live for 120 s. An earlier one is void.
    ///
    /// # Errors
    /// [`DevicesError::Full`] when no more devices can be paired.
    pub fn mint_code(&self, role: Role) -> Result<MintedCode, DevicesError> {
        let mut books = self.books();
        if !books.devices.has_room(wall()) {
            return Err(BookFull.into());
        }
        let code = books.desk.mint_code(role, Instant::now(), &mut rng());
        let code = code.reveal().parse().expect("a code has eight digits");
        let Nameplate { key, relays, .. } = &self.shared.nameplate;
        let machine = key.public().machine_id();
        let address =
            |relay: &RelayAddress| MachineAddress { machine, relay: relay.clone() }.to_string();
        Ok(MintedCode {
            code,
            role,
            expires_at: wall().after(CODE_FOR),
            addresses: relays.iter().map(address).collect(),
            pages: relays.iter().map(|relay| relay.page(machine)).collect(),
        })
    }

    /// Mints an invitation: a link for one or more devices.
    ///
    /// # Errors
    /// [`DevicesError::TooManyInvitations`], [`DevicesError::NoRelay`], [`DevicesError::State`].
    pub async fn mint_invitation(
        &self,
        request: InvitationRequest,
    ) -> Result<MintedInvitation, DevicesError> {
        let nameplate = &self.shared.nameplate;
        let relay = nameplate.relays.first().ok_or(DevicesError::NoRelay)?.clone();
        let InvitationRequest { role, valid_for_ms, uses } = request;
        let now = wall();
        let expires = now.after(std::time::Duration::from_millis(valid_for_ms.into()));
        let invitation = {
            let mut books = self.books();
            let invitation = books.desk.invite(role, expires, uses, now, &mut rng())?;
            let live: Vec<_> = books.desk.invitations().iter().map(|other| other.id).collect();
            books.minted.retain(|id, _| live.contains(id));
            books.minted.insert(invitation.id, now);
            invitation
        };
        if let Err(error) = self.save_invitations().await {
            self.books().desk.revoke(invitation.id);
            return Err(error.into());
        }
        let machine = nameplate.key.public().machine_id();
        let page = format!("{}pair", relay.page(machine));
        let link = PairingLink { machine, token: invitation.token.clone(), relay };
        Ok(MintedInvitation {
            invitation: listed(&invitation, now),
            link: InvitationLink::new(format!("{page}#{}", link.reveal())),
        })
    }

    /// The invitations that are live.
    #[must_use]
    pub fn invitations(&self) -> Vec<Invitation> {
        let now = wall();
        let books = self.books();
        let is_live = |invitation: &&gantline_crypto::pairing::Invitation| {
            invitation.uses_left > 0 && now < invitation.expires
        };
        let live = books.desk.invitations().iter().filter(is_live);
        let minted = |id| books.minted.get(&id).copied().unwrap_or_default();
        live.map(|invitation| listed(invitation, minted(invitation.id))).collect()
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`DevicesError::UnknownInvitation`], [`DevicesError::State`].
    pub async fn revoke_invitation(&self, id: InvitationId) -> Result<(), DevicesError> {
        let was_there = self.books().desk.revoke(id);
        self.save_invitations().await?;
        if was_there { Ok(()) } else { Err(DevicesError::UnknownInvitation) }
    }

    /// Whom the key in a session's first message belongs to.
    pub(super) fn admit(&self, key: &PublicKey) -> Admission {
        self.books().devices.admit(key, wall())
    }

    /// A device has proved itself: what to do with its session. A disk that is full keeps nobody
    /// out.
    pub(super) async fn seen(&self, id: DeviceId) -> Seen {
        let (was_pending, seen) = {
            let mut books = self.books();
            let is_pending =
                |device: &Device| device.id == id && device.standing == Standing::Pending;
            let was_pending = books.devices.devices().iter().any(is_pending);
            (was_pending, books.devices.seen(id, wall()))
        };
        let Seen::Serve { replaced } = &seen else { return seen };
        for device in replaced {
            self.shared.sessions.replace(*device);
        }
        // That a device is known must be remembered before it is served; when it was here last can
        // wait, and one write does for many.
        if was_pending {
            self.save_sightings().await;
        } else if !self.shared.is_sighting_due.swap(true, Ordering::Relaxed) {
            let this = self.clone();
            tokio::spawn(async move { this.save_sightings().await });
        }
        seen
    }

    /// Whether this entry is in force.
    pub(super) fn is_served(&self, id: DeviceId) -> bool {
        self.books().devices.is_served(id)
    }

    /// Whether somebody could pair in this way now.
    pub(super) fn is_open(&self, by: ByWhat) -> bool {
        let books = self.books();
        match by {
            ByWhat::Code => books.desk.has_live_code(Instant::now()),
            ByWhat::Link => books.desk.has_live_link(wall()),
        }
    }

    /// Hands a message of a device to its pairing run. What comes back may be sent: if it pairs the
    /// device, that is stored.
    pub(super) async fn pair(
        &self,
        run: &mut NodePairing,
        by: ByWhat,
        message: &[u8],
    ) -> Result<Step<Device>, PairingError> {
        let nameplate = &self.shared.nameplate;
        let side =
            NodeSide { key: &nameplate.key, name: &nameplate.name, relays: &nameplate.relays };
        let step = {
            let mut books = self.books();
            let Books { devices, desk, .. } = &mut *books;
            if !devices.has_room(wall()) {
                return Err(PairingError::Refused(Refusal::Busy));
            }
            let step = run.receive(message, &side, desk, now(), &mut rng())?;
            if let Some(device) = &step.done {
                let entered = devices.enter(device.clone(), wall());
                entered.map_err(|_| PairingError::Refused(Refusal::Busy))?;
            }
            step
        };
        if let Some(device) = &step.done {
            let stored = match by {
                ByWhat::Code => self.save_devices().await,
                ByWhat::Link => match self.save_invitations().await {
                    Ok(()) => self.save_devices().await,
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = stored {
                tracing::error!(%error, "a device could not be stored, and so was not paired");
                self.books().devices.withdraw(device.id);
                return Err(PairingError::Over);
            }
            let Device { id: device_id, name, role, .. } = device.clone();
            self.shared.events.publish(EventKind::DevicePaired { device_id, name, role });
        }
        Ok(step)
    }

    async fn save_devices(&self) -> Result<(), StateError> {
        self.save(DEVICES, |books| StoredDevices {
            devices: books.devices.devices().iter().map(Into::into).collect(),
        })
        .await
    }

    async fn save_invitations(&self) -> Result<(), StateError> {
        self.save(INVITATIONS, |books| {
            let minted = |id| books.minted.get(&id).copied().unwrap_or_default();
            let stored = books.desk.invitations().iter();
            let invitations =
                stored.map(|invitation| StoredInvitation::new(invitation, minted(invitation.id)));
            StoredInvitations { invitations: invitations.collect() }
        })
        .await
    }

    async fn save_sightings(&self) {
        if let Err(error) = self.save_devices().await {
            tracing::warn!(%error, "when a device was last seen could not be stored");
        }
    }

    /// Writes a file as it is to be now. It is written to the end even if nobody waits any more, and
    /// after every version before it.
    async fn save<T: serde::Serialize + Send + 'static>(
        &self,
        name: &'static str,
        stored: impl FnOnce(&Books) -> T + Send + 'static,
    ) -> Result<(), StateError> {
        let this = self.clone();
        let saved = tokio::spawn(async move {
            let saving = this.shared.saving.clone().lock_owned().await;
            this.shared.is_sighting_due.store(false, Ordering::Relaxed);
            let stored = stored(&this.books());
            let files = this.shared.files.clone();
            spawn_blocking(move || {
                let written = files.write_json(name, &stored);
                drop(saving);
                written
            })
            .await
            .expect("writing a file does not panic, and nobody cancels it")
        });
        saved.await.expect("saving does not panic, and nobody cancels it")
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // The cores return errors and don't panic, so a poisoned book is whole.
        self.shared.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn described(device: &Device) -> Option<api::Device> {
    let (last_seen, pending) = match device.standing {
        Standing::Pending => (None, true),
        Standing::Known { last_seen } => (Some(last_seen), false),
        Standing::Revoked { .. } => return None,
    };
    Some(api::Device {
        device_id: device.id,
        name: device.name.clone(),
        role: device.role,
        created_at: device.created,
        last_seen,
        pending,
        safety_number: None,
    })
}

fn listed(invitation: &gantline_crypto::pairing::Invitation, minted: Timestamp) -> Invitation {
    Invitation {
        invitation_id: invitation.id,
        role: invitation.role,
        created_at: minted,
        expires_at: invitation.expires,
        uses_left: invitation.uses_left,
    }
}

fn now() -> Now {
    Now { monotonic: Instant::now(), wall: wall() }
}

fn wall() -> Timestamp {
    SystemTime::now().into()
}

/// The system's randomness. It can't fail on a system that has started.
pub(super) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}
