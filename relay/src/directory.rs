//! The machines that the relay knows, in memory: so a known machine gets in while the database is
//! away. A pure core; the exchange owns it.

use std::collections::HashMap;

use gantline_login::PublicKey;
use gantline_protocol::{Alias, MachineId};

use crate::registry::Machine;

/// What has to be known of a machine at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its node's static key.
    pub key: PublicKey,
    /// Its friendly name.
    pub alias: Option<Alias>,
}

/// Every machine that was taken in.
#[derive(Debug, Default)]
pub struct Directory {
    machines: HashMap<MachineId, Known>,
    by_alias: HashMap<Alias, MachineId>,
}

impl Directory {
    /// Adds a machine, or changes what is known of it.
    pub fn put(&mut self, machine: &Machine) {
        let known = Known { key: machine.key, alias: machine.alias.clone() };
        let before = self.machines.insert(machine.id, known);
        self.release(&machine.id, before.and_then(|known| known.alias));
        if let Some(alias) = &machine.alias {
            self.by_alias.insert(alias.clone(), machine.id);
        }
    }

    /// A machine got another alias.
    pub fn rename(&mut self, machine: &MachineId, alias: &Alias) {
        let Some(known) = self.machines.get_mut(machine) else { return };
        let before = known.alias.replace(alias.clone());
        self.release(machine, before);
        self.by_alias.insert(alias.clone(), *machine);
    }

    /// What is known of a machine.
    #[must_use]
    pub fn of(&self, machine: &MachineId) -> Option<&Known> {
        self.machines.get(machine)
    }

    /// A machine no longer has this alias. It may be another's by now: two that change theirs at
    /// once are heard of in any order.
    fn release(&mut self, machine: &MachineId, alias: Option<Alias>) {
        if let Some(alias) = alias.filter(|alias| self.by_alias.get(alias) == Some(machine)) {
            self.by_alias.remove(&alias);
        }
    }

    /// The machine with this alias.
    #[must_use]
    pub fn by_alias(&self, alias: &Alias) -> Option<MachineId> {
        self.by_alias.get(alias).copied()
    }
}

impl FromIterator<Machine> for Directory {
    fn from_iter<T: IntoIterator<Item = Machine>>(machines: T) -> Self {
        let mut directory = Self::default();
        machines.into_iter().for_each(|machine| directory.put(&machine));
        directory
    }
}

#[cfg(test)]
mod tests {
    use gantline_protocol::Timestamp;

    use super::*;

    fn machine(number: u8, alias: Option<&str>) -> Machine {
        Machine {
            id: MachineId::from_bytes([number; 16]),
            key: PublicKey::from_bytes([number; 32]),
            alias: alias.map(|alias| alias.parse().unwrap()),
            account: "default".into(),
            version: "0.1.0".into(),
            enrolled_at: Timestamp::from_millis(0),
            last_seen_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn an_alias_leads_to_the_machine_that_has_it_now() {
        let mut directory: Directory =
            [machine(1, Some("pi")), machine(2, None)].into_iter().collect();
        let (pi, nas): (Alias, Alias) = ("pi".parse().unwrap(), "nas".parse().unwrap());
        let [one, two] = [machine(1, None).id, machine(2, None).id];
        assert_eq!(directory.by_alias(&pi), Some(one));
        directory.rename(&one, &nas);
        assert_eq!((directory.by_alias(&pi), directory.by_alias(&nas)), (None, Some(one)));
        directory.rename(&two, &pi);
        assert_eq!(directory.by_alias(&pi), Some(two));
        // The third was given the first's alias, and that is heard of before the first lets go.
        directory.put(&machine(3, Some("nas")));
        directory.rename(&one, &"attic".parse().unwrap());
        assert_eq!(directory.by_alias(&nas), Some(machine(3, None).id));
        directory.put(&machine(3, None));
        assert_eq!(directory.by_alias(&nas), None);
        directory.rename(&machine(9, None).id, &nas);
        assert_eq!(directory.by_alias(&nas), None);
    }
}
