//! This user as a device: its key, and `machines.json`, the machines that it is paired with. The
//! command line and the node share both files; whoever changes one holds its lock.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt, path::PathBuf};

use gantline_client::{Device, KnownMachine};
use gantline_protocol::{Alias, MachineId, Name, Timestamp};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::state::{Home, StateError, identity};

const MACHINES: &str = "machines.json";
const LOCK: &str = "machines.lock";
/// The least part of a machine's id that may stand for it.
const LEAST_PREFIX: usize = 4;

/// A machine that this device is paired with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// What the pairing left.
    #[serde(flatten)]
    pub(crate) machine: KnownMachine,
    /// The machine's subdomain, when it last said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alias: Option<Alias>,
    /// When the machine said, inside a session, that it has removed this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_at: Option<Timestamp>,
}

/// The machines that this device is paired with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Book {
    /// In the order in which they were paired.
    pub(crate) machines: Vec<Entry>,
}

/// Why the book can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BookError {
    /// A file can't be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// An entry is not what was paired.
    #[error(
        "{path}: the id of the machine {name} is not that of its key; somebody changed the file. Restore it, or take the entry out and pair the machine again",
        path = path.display()
    )]
    Forged {
        /// The file.
        path: PathBuf,
        /// What the entry is called.
        name: Name,
    },
    /// Several machines are meant by what a person typed.
    #[error("several machines have an id that begins so: write more of it")]
    Ambiguous,
}

impl Book {
    /// Where it is.
    pub(crate) fn path(home: &Home) -> PathBuf {
        home.state_files().path(MACHINES)
    }

    /// What is in the file.
    pub(crate) fn load(home: &Home) -> Result<Self, BookError> {
        let book: Self = home.state_files().read_json(MACHINES)?.unwrap_or_default();
        match book.machines.iter().find(|entry| !entry.machine.is_consistent()) {
            Some(entry) => {
                Err(BookError::Forged { path: Self::path(home), name: entry.machine.name.clone() })
            }
            None => Ok(book),
        }
    }

    /// Changes the file, alone: what another process wrote meanwhile is kept.
    pub(crate) fn change<T, E: From<BookError>>(
        home: &Home,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let _lock = lock(home).map_err(BookError::from)?;
        let mut book = Self::load(home)?;
        let before = book.clone();
        let result = change(&mut book)?;
        if book != before {
            home.state_files().write_json(MACHINES, &book).map_err(BookError::from)?;
        }
        Ok(result)
    }

    /// Enters what was just paired, under `name` or its own, and gives the entry.
    pub(crate) fn enter(&mut self, paired: KnownMachine, name: Option<Name>) -> Entry {
        let machine = paired.machine_id;
        let wanted = name.unwrap_or_else(|| paired.name.clone());
        let name = self.free_name(&wanted, machine);
        let alias = self.by_id(machine).and_then(|entry| entry.alias.clone());
        let entry = Entry { machine: KnownMachine { name, ..paired }, alias, revoked_at: None };
        match self.by_id_mut(machine) {
            Some(known) => *known = entry.clone(),
            None => self.machines.push(entry.clone()),
        }
        entry
    }

    /// The machine with this id.
    pub(crate) fn by_id(&self, id: MachineId) -> Option<&Entry> {
        self.machines.iter().find(|entry| entry.machine.machine_id == id)
    }

    /// The same, to change it.
    pub(crate) fn by_id_mut(&mut self, id: MachineId) -> Option<&mut Entry> {
        self.machines.iter_mut().find(|entry| entry.machine.machine_id == id)
    }

    /// The machine that a person means: by its name, its alias, its id, or the beginning of the id
    /// if no other begins so. `None` if there is none.
    pub(crate) fn find(&self, wanted: &str) -> Result<Option<&Entry>, BookError> {
        let exactly = |entry: &&Entry| {
            entry.machine.name.as_str() == wanted
                || entry.alias.as_ref().is_some_and(|alias| alias.as_str() == wanted)
                || entry.machine.machine_id.to_string() == wanted
        };
        if let Some(entry) = self.machines.iter().find(exactly) {
            return Ok(Some(entry));
        }
        if wanted.len() < LEAST_PREFIX {
            return Ok(None);
        }
        let begins = |entry: &&Entry| entry.machine.machine_id.to_string().starts_with(wanted);
        let mut found = self.machines.iter().filter(begins);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(BookError::Ambiguous),
            (found, _) => Ok(found),
        }
    }

    /// The names of the machines, for messages; `None` without any.
    pub(crate) fn names(&self) -> Option<String> {
        let names: Vec<_> = self.machines.iter().map(|entry| entry.machine.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// `wanted`, or if another machine has that name, the next one of its kind that is free.
    pub(crate) fn free_name(&self, wanted: &Name, machine: MachineId) -> Name {
        let is_taken = |name: &Name| {
            self.machines
                .iter()
                .any(|entry| entry.machine.machine_id != machine && entry.machine.name == *name)
        };
        if !is_taken(wanted) {
            return wanted.clone();
        }
        let numbered = |number: u32| {
            let tail = format!("-{number}");
            let room = Name::MAX - tail.len();
            let mut head = String::new();
            for c in wanted.as_str().chars() {
                if head.len() + c.len_utf8() > room {
                    break;
                }
                head.push(c);
            }
            format!("{}{tail}", head.trim_end()).parse::<Name>().ok()
        };
        (2..).filter_map(numbered).find(|name| !is_taken(name)).unwrap_or_else(|| wanted.clone())
    }
}

/// This user's device, with the name that machines will see. Its key is made when first needed.
pub(crate) fn device(home: &Home) -> Result<Device, StateError> {
    let _lock = lock(home)?;
    let key = identity::load_or_create_device(&home.state_files())?;
    Ok(Device { key, name: device_name() })
}

/// `user@host`, as far as the system says both and they are fit for people to see.
fn device_name() -> Name {
    let system = rustix::system::uname();
    let host = system.nodename().to_str().unwrap_or_default();
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    [format!("{user}@{host}"), host.to_owned()]
        .into_iter()
        .filter(|name| !name.starts_with('@'))
        .find_map(|name| name.parse().ok())
        .unwrap_or_else(|| "command line".parse().expect("the words are a name"))
}

/// Held until it is dropped; the system lets go of it if the process ends.
fn lock(home: &Home) -> Result<File, StateError> {
    let path = home.state_dir().join(LOCK);
    let failed = |source: io::Error| {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        let path = path.clone();
        match full.contains(&source.kind()) {
            true => StateError::Full { path },
            false => StateError::Io { doing: "lock", path, source },
        }
    };
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(failed)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use gantline_client::PairingSecret;
    use gantline_crypto::{Psk, StaticKey};
    use gantline_protocol::{DeviceId, Role};

    use super::*;

    fn entry(secret: u8, name: &str) -> Entry {
        let key = *StaticKey::from_secret(&[secret; 32]).public();
        let machine = KnownMachine {
            machine_id: key.machine_id(),
            name: name.parse().unwrap(),
            key,
            role: Role::Owner,
            relays: vec!["relay.example:8443".parse().unwrap()],
            pairing: PairingSecret {
                device_id: DeviceId::from_bytes([1; 16]),
                psk: Psk::from_bytes([2; 32]),
            },
            earlier: None,
            paired_at: Timestamp::from_millis(3),
        };
        Entry { machine, alias: None, revoked_at: None }
    }

    #[test]
    fn what_was_paired_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(&dir.path().join("home")).unwrap();
        assert_eq!(Book::load(&home).unwrap(), Book::default());
        let mut ada = entry(1, "ada");
        ada.alias = Some("countess".parse().unwrap());
        ada.revoked_at = Some(Timestamp::from_millis(9));
        Book::change(&home, |book| {
            book.machines.push(ada.clone());
            Ok::<_, BookError>(())
        })
        .unwrap();
        assert_eq!(Book::load(&home).unwrap().machines, [ada]);
    }

    #[test]
    fn a_key_that_was_swapped_in_the_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(&dir.path().join("home")).unwrap();
        let mut forged = entry(1, "ada");
        forged.machine.key = entry(2, "eve").machine.key;
        home.state_files().write_json(MACHINES, &Book { machines: vec![forged] }).unwrap();
        assert!(Book::load(&home).unwrap_err().to_string().contains("somebody changed the file"));
    }

    #[test]
    fn a_machine_is_found_by_whatever_people_call_it() {
        let mut book = Book { machines: vec![entry(1, "ada"), entry(2, "lin")] };
        book.machines[1].alias = Some("box".parse().unwrap());
        let id = book.machines[1].machine.machine_id.to_string();
        for wanted in ["lin", "box", &id, &id[..6]] {
            assert_eq!(book.find(wanted).unwrap(), Some(&book.machines[1]), "{wanted}");
        }
        for wanted in ["", "li", &id[..3], "nobody", &format!("{id}a")] {
            assert_eq!(book.find(wanted).unwrap(), None, "{wanted}");
        }
    }

    #[test]
    fn two_machines_never_share_a_name() {
        let book = Book { machines: vec![entry(1, "ada"), entry(2, "ada-2")] };
        let [first, other] = [&book.machines[0], &entry(3, "x")].map(|e| e.machine.machine_id);
        let ada: Name = "ada".parse().unwrap();
        assert_eq!(book.free_name(&ada, first), ada);
        assert_eq!(book.free_name(&ada, other).as_str(), "ada-3");
    }
}
