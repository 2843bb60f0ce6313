//! The devices that a machine knows: pending after pairing, known after their first session,
//! and remembered for a while after they were removed. A pure core: its owner stores the entries.

use std::time::Duration;

use gantline_login::PublicKey;
use gantline_protocol::{DeviceId, Name, Role, Timestamp};

use crate::{Psk, SafetyNumber};

/// How long a paired device may take until its first session.
pub const PENDING_FOR: Duration = Duration::from_secs(10 * 60);
/// How long a removed device is told so, instead of being met with silence.
pub const TOMBSTONE_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Devices that one machine may know, tombstones included.
pub const MAX_DEVICES: usize = 1024;

/// A device as the node remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id on this machine.
    pub id: DeviceId,
    /// What its user calls it.
    pub name: Name,
    /// Its static key.
    pub key: PublicKey,
    /// The secret of the pairing.
    pub psk: Psk,
    /// What it may do.
    pub role: Role,
    /// When it was paired.
    pub created: Timestamp,
    /// How far it has come.
    pub standing: Standing,
}

/// How far a device has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Paired, without a session so far. Forgotten 10 minutes after it was created.
    Pending,
    /// It has had a session.
    Known {
        /// When it was last seen.
        last_seen: Timestamp,
    },
    /// It was removed. Forgotten after 30 days.
    Revoked {
        /// When it was removed.
        at: Timestamp,
    },
}

impl Device {
    /// What both ends show for people to compare.
    #[must_use]
    pub fn safety_number(&self, node: &PublicKey) -> SafetyNumber {
        SafetyNumber::new(node, &self.key, &self.psk)
    }

    fn is_forgotten(&self, now: Timestamp) -> bool {
        let (since, keep) = match self.standing {
            Standing::Pending => (self.created, PENDING_FOR),
            Standing::Revoked { at } => (at, TOMBSTONE_FOR),
            Standing::Known { .. } => return false,
        };
        now.since(since) >= keep
    }
}

/// What to do with the first message of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Accept it with this secret and serve it; report [`DeviceBook::seen`] at its HELLO.
    Serve(Device),
    /// Accept it with this secret and close the session at once with `revoked`.
    Revoked(Device),
    /// Close the pipe: whoever this is, there is no secret to answer with.
    Unknown,
}

/// What to do with a session whose device has proved itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Seen {
    /// Serve it.
    Serve {
        /// Earlier entries of the same device, which are gone: end their live sessions.
        replaced: Vec<DeviceId>,
    },
    /// It was removed meanwhile: close the session with `revoked`.
    Revoked,
    /// Its entry is gone: close the session.
    Unknown,
}

/// Why a device could not be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this machine knows {MAX_DEVICES} devices already; remove some first")]
pub struct BookFull;

/// All devices of one machine.
#[derive(Debug, Default)]
pub struct DeviceBook {
    devices: Vec<Device>,
}

impl DeviceBook {
    /// The book with these entries, in the order in which [`Self::devices`] gave them.
    #[must_use]
    pub const fn from_devices(devices: Vec<Device>) -> Self {
        Self { devices }
    }

    /// All entries, for storing and listing them; pending and revoked ones included.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Whether one more device can be entered. Tombstones make room.
    #[must_use]
    pub fn has_room(&self, now: Timestamp) -> bool {
        let stays = |device: &&Device| {
            !device.is_forgotten(now) && !matches!(device.standing, Standing::Revoked { .. })
        };
        self.devices.iter().filter(stays).count() < MAX_DEVICES
    }

    /// Enters a device that was just paired. A device that pairs again keeps its old entry until
    /// the first session with the new one, in case the grant never reached it.
    ///
    /// # Errors
    /// [`BookFull`] when 1,024 devices are remembered; the oldest tombstone makes room first.
    pub fn enter(&mut self, device: Device, now: Timestamp) -> Result<(), BookFull> {
        self.forget(now);
        self.devices.retain(|other| other.key != device.key || other.standing != Standing::Pending);
        if self.devices.len() >= MAX_DEVICES {
            let revoked_at = |device: &Device| match device.standing {
                Standing::Revoked { at } => Some(at),
                Standing::Pending | Standing::Known { .. } => None,
            };
            let oldest = self
                .devices
                .iter()
                .enumerate()
                .filter_map(|(index, device)| Some((revoked_at(device)?, index)))
                .min_by_key(|(at, _)| *at);
            let Some((_, index)) = oldest else { return Err(BookFull) };
            self.devices.remove(index);
        }
        self.devices.push(device);
        Ok(())
    }

    /// Whom the static key in a session's first message belongs to. Of several entries of one
    /// device the newest counts.
    #[must_use]
    pub fn admit(&self, key: &PublicKey, now: Timestamp) -> Admission {
        let entry =
            self.devices.iter().rfind(|device| device.key == *key && !device.is_forgotten(now));
        match entry {
            Some(device) => match device.standing {
                Standing::Pending | Standing::Known { .. } => Admission::Serve(device.clone()),
                Standing::Revoked { .. } => Admission::Revoked(device.clone()),
            },
            None => Admission::Unknown,
        }
    }

    /// The device proved itself: its session reported its HELLO. Until then it may have been
    /// removed, so serve it only if this says so.
    pub fn seen(&mut self, id: DeviceId, now: Timestamp) -> Seen {
        let Some(device) = self.devices.iter_mut().find(|device| device.id == id) else {
            return Seen::Unknown;
        };
        if matches!(device.standing, Standing::Revoked { .. }) {
            return Seen::Revoked;
        }
        let was = std::mem::replace(&mut device.standing, Standing::Known { last_seen: now });
        let key = device.key;
        let is_earlier =
            |other: &Device| was == Standing::Pending && other.key == key && other.id != id;
        let earlier = self.devices.iter().filter(|other| is_earlier(other)).map(|other| other.id);
        let replaced = earlier.collect();
        self.devices.retain(|other| !is_earlier(other));
        Seen::Serve { replaced }
    }

    /// Removes a device with all its entries, whichever of them is named. Returns those that were
    /// in force: end their live sessions with `CLOSE revoked`; later ones are ended likewise.
    #[must_use]
    pub fn revoke(&mut self, id: DeviceId, now: Timestamp) -> Vec<DeviceId> {
        self.forget(now);
        let Some(key) = self.devices.iter().find(|device| device.id == id).map(|device| device.key)
        else {
            return Vec::new();
        };
        let is_live = |device: &Device| {
            device.key == key && !matches!(device.standing, Standing::Revoked { .. })
        };
        let removed = self.devices.iter().filter(|device| is_live(device)).map(|device| device.id);
        let removed = removed.collect();
        // The device may never have got the secret of a pending entry, and could not be told.
        let is_known = |device: &Device| matches!(device.standing, Standing::Known { .. });
        if self.devices.iter().any(|device| is_live(device) && is_known(device)) {
            self.devices.retain(|device| !is_live(device) || is_known(device));
        }
        for device in self.devices.iter_mut().filter(|device| is_live(device)) {
            device.standing = Standing::Revoked { at: now };
        }
        removed
    }

    /// Takes back an entry that could not be stored, as if it had never been. Other entries of the
    /// same device stay in force.
    pub fn withdraw(&mut self, id: DeviceId) {
        self.devices.retain(|device| device.id != id);
    }

    /// Whether this entry is there and was not revoked.
    #[must_use]
    pub fn is_served(&self, id: DeviceId) -> bool {
        let is_live = |device: &Device| !matches!(device.standing, Standing::Revoked { .. });
        self.devices.iter().any(|device| device.id == id && is_live(device))
    }

    /// Drops what need not be remembered any longer; says whether anything was.
    pub fn forget(&mut self, now: Timestamp) -> bool {
        let before = self.devices.len();
        self.devices.retain(|device| !device.is_forgotten(now));
        self.devices.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const SERVE: Seen = Seen::Serve { replaced: Vec::new() };
    const MOMENT: Duration = Duration::from_millis(1);

    fn device(number: u16) -> Device {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        Device {
            id: DeviceId::from_bytes(bytes[..16].try_into().unwrap()),
            name: "phone".parse().unwrap(),
            key: PublicKey::from_bytes(bytes),
            psk: Psk::from_bytes([7; 32]),
            role: Role::Owner,
            created: START,
            standing: Standing::Pending,
        }
    }

    fn admitted(book: &DeviceBook, number: u16, after: Duration) -> &'static str {
        match book.admit(&device(number).key, START.after(after)) {
            Admission::Serve(_) => "serve",
            Admission::Revoked(_) => "revoked",
            Admission::Unknown => "unknown",
        }
    }

    #[test]
    fn a_pairing_again_that_could_not_be_stored_leaves_the_one_before_in_force() {
        let mut book = DeviceBook::default();
        book.enter(device(1), START).unwrap();
        assert_eq!(book.seen(device(1).id, START), SERVE);
        let again = Device { id: device(9).id, ..device(1) };
        book.enter(again, START).unwrap();
        book.withdraw(device(9).id);
        assert_eq!(admitted(&book, 1, MOMENT), "serve");
        assert!(book.is_served(device(1).id) && !book.is_served(device(9).id));
        assert_eq!(book.revoke(device(1).id, START), [device(1).id]);
        assert!(!book.is_served(device(1).id), "a session that is about to be listed goes on");
    }

    #[test]
    fn a_pairing_that_nobody_used_is_void_after_ten_minutes() {
        let mut book = DeviceBook::default();
        book.enter(device(1), START).unwrap();
        book.enter(device(2), START).unwrap();
        assert_eq!(book.seen(device(2).id, START.after(MOMENT)), SERVE);
        assert_eq!(admitted(&book, 1, PENDING_FOR - MOMENT), "serve");
        assert_eq!(admitted(&book, 1, PENDING_FOR), "unknown");
        assert_eq!(admitted(&book, 2, 100 * PENDING_FOR), "serve");
        assert!(book.forget(START.after(PENDING_FOR)));
        assert_eq!(book.devices().len(), 1);
    }

    #[test]
    fn a_removed_device_is_told_so_for_thirty_days_and_never_served_again() {
        let mut book = DeviceBook::default();
        book.enter(device(1), START).unwrap();
        assert_eq!(book.seen(device(1).id, START), SERVE);
        assert_eq!(book.revoke(device(1).id, START), [device(1).id]);
        assert_eq!(book.revoke(device(1).id, START), [], "twice is once");
        assert_eq!(book.seen(device(1).id, START), Seen::Revoked, "between S1 and HELLO");
        assert_eq!(book.seen(device(9).id, START), Seen::Unknown);
        assert_eq!(admitted(&book, 1, Duration::ZERO), "revoked");
        assert_eq!(admitted(&book, 1, TOMBSTONE_FOR - MOMENT), "revoked");
        assert_eq!(admitted(&book, 1, TOMBSTONE_FOR), "unknown");
    }

    #[test]
    fn pairing_again_costs_a_device_nothing_until_the_new_pairing_works() {
        let mut book = DeviceBook::default();
        book.enter(device(1), START).unwrap();
        assert_eq!(book.seen(device(1).id, START), SERVE);
        let again = |number| Device { id: DeviceId::from_bytes([number; 16]), ..device(1) };
        let admitted =
            |book: &DeviceBook, after| match book.admit(&device(1).key, START.after(after)) {
                Admission::Serve(device) => device.id,
                other @ (Admission::Revoked(_) | Admission::Unknown) => panic!("{other:?}"),
            };
        // The grant got lost: after ten minutes the old pairing is in force again.
        book.enter(again(7), START).unwrap();
        assert_eq!(admitted(&book, Duration::ZERO), again(7).id);
        assert_eq!(admitted(&book, PENDING_FOR), device(1).id);
        // The grant arrived: the first session replaces the old entry.
        book.enter(again(8), START).unwrap();
        assert_eq!(book.seen(again(8).id, START), Seen::Serve { replaced: vec![device(1).id] });
        assert_eq!(admitted(&book, PENDING_FOR), again(8).id);
        // Removing a device leaves no back door.
        for named in [again(8).id, again(9).id] {
            let mut book = DeviceBook::from_devices(book.devices().to_vec());
            book.enter(again(9), START).unwrap();
            assert_eq!(book.revoke(named, START), [again(8).id, again(9).id]);
            assert!(matches!(book.admit(&device(1).key, START), Admission::Revoked(_)));
            // It is told so with the secret that it is known to have.
            let later = START.after(PENDING_FOR);
            let Admission::Revoked(tombstone) = book.admit(&device(1).key, later) else {
                panic!("not told");
            };
            assert_eq!(tombstone.id, again(8).id);
        }
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nobody_early() {
        let mut book = DeviceBook::default();
        book.enter(device(1), START).unwrap();
        let _ = book.revoke(device(1).id, START);
        assert!(!book.forget(Timestamp::default()));
    }

    #[test]
    fn pairing_floods_do_not_grow_the_book_without_end() {
        let mut book = DeviceBook::default();
        for number in 0..MAX_DEVICES as u16 {
            book.enter(device(number), START).unwrap();
        }
        assert!(!book.has_room(START));
        assert_eq!(book.enter(device(5000), START), Err(BookFull));
        assert_eq!(book.enter(device(3), START), Ok(()), "the same device again fits");
        let _ = book.revoke(device(9).id, START);
        assert!(book.has_room(START));
        assert_eq!(book.enter(device(5000), START), Ok(()));
        assert_eq!(admitted(&book, 9, Duration::ZERO), "unknown", "the tombstone made room");
    }
}
