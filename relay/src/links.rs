//! Which machine has which link: the newest login wins. A pure core; the exchange owns it.

use std::collections::HashMap;

use gantline_protocol::MachineId;

/// Names one login, so that the end of an old link can't be taken for the end of a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkId(u64);

/// The live links, one for each machine at most. `H` is whatever reaches a link.
#[derive(Debug)]
pub struct Links<H> {
    by_machine: HashMap<MachineId, (LinkId, H)>,
    next: u64,
}

impl<H> Default for Links<H> {
    fn default() -> Self {
        Self { by_machine: HashMap::new(), next: 0 }
    }
}

impl<H> Links<H> {
    /// A machine has logged in. Hands back the link that this one replaces.
    pub fn enter(&mut self, machine: MachineId, handle: H) -> (LinkId, Option<H>) {
        let id = LinkId(self.next);
        self.next += 1;
        let replaced = self.by_machine.insert(machine, (id, handle));
        (id, replaced.map(|(_, handle)| handle))
    }

    /// A link has ended. Says whether the machine has none now; a link that was replaced leaves
    /// the newer one alone.
    pub fn leave(&mut self, machine: &MachineId, id: LinkId) -> bool {
        let is_current = self.by_machine.get(machine).is_some_and(|(current, _)| *current == id);
        if is_current {
            self.by_machine.remove(machine);
        }
        is_current
    }

    /// The machine's link.
    #[must_use]
    pub fn of(&self, machine: &MachineId) -> Option<&H> {
        self.by_machine.get(machine).map(|(_, handle)| handle)
    }

    /// Every link.
    pub fn iter(&self) -> impl Iterator<Item = &H> {
        self.by_machine.values().map(|(_, handle)| handle)
    }

    /// How many machines have a link.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_machine.len()
    }

    /// Whether no machine has a link.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_machine.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Enter(u8),
        /// The end of the n-th login so far.
        Leave(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![(0..3u8).prop_map(Step::Enter), (0..40usize).prop_map(Step::Leave)]
    }

    proptest! {
        #[test]
        fn the_newest_login_is_reachable_until_it_ends(steps in vec(step(), 0..60)) {
            let mut links = Links::default();
            let mut logins = Vec::new();
            // By machine: its newest login, unless that has ended.
            let mut model: [Option<usize>; 3] = [None; 3];
            for step in steps {
                match step {
                    Step::Enter(number) => {
                        let machine = MachineId::from_bytes([number; 16]);
                        let (id, replaced) = links.enter(machine, logins.len());
                        prop_assert_eq!(replaced, model[usize::from(number)]);
                        model[usize::from(number)] = Some(logins.len());
                        logins.push((number, id));
                    }
                    Step::Leave(index) => {
                        let Some((number, id)) = logins.get(index).copied() else { continue };
                        let was_current = model[usize::from(number)] == Some(index);
                        let machine = MachineId::from_bytes([number; 16]);
                        prop_assert_eq!(links.leave(&machine, id), was_current);
                        if was_current {
                            model[usize::from(number)] = None;
                        }
                    }
                }
                for number in 0..3u8 {
                    let machine = MachineId::from_bytes([number; 16]);
                    prop_assert_eq!(links.of(&machine).copied(), model[usize::from(number)]);
                }
                prop_assert_eq!(links.len(), links.iter().count());
            }
        }
    }
}
