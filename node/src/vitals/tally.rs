//! Adds up what processes use that belong together. Pure: it takes what `/proc` said.

use std::collections::HashMap;

use crate::proc::Stat;

/// All processes of a machine at one time.
#[derive(Debug, Default)]
pub(super) struct Processes {
    all: HashMap<i32, Stat>,
    children: HashMap<i32, Vec<i32>>,
}

/// What the processes of one agent use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Each of them that has not ended.
    pub(super) members: Vec<i32>,
    /// Processor time in ticks, also of those that have ended.
    pub(super) ticks: u64,
    /// Resident memory, in pages.
    pub(super) pages: u64,
}

impl Processes {
    pub(super) fn add(&mut self, pid: i32, stat: Stat) {
        self.all.insert(pid, stat);
        self.children.entry(stat.parent).or_default().push(pid);
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn find(&self, pid: i32) -> Option<&Stat> {
        self.all.get(&pid)
    }

    /// The process `pid` and all below the shim that holds it. The shim itself is not counted, but
    /// it knows what those have used that ended as its children.
    pub(super) fn below(&self, pid: i32, shim: Option<i32>) -> Tally {
        let mut tally = Tally::default();
        let shim = shim.filter(|shim| self.all.get(&pid).is_some_and(|own| own.parent == *shim));
        let mut look_at = match shim {
            Some(shim) => {
                tally.ticks = self.all.get(&shim).map_or(0, |stat| stat.ticks_of_ended);
                self.children.get(&shim).cloned().unwrap_or_default()
            }
            // Its shim was killed: whoever has it now has others as well.
            None => vec![pid],
        };
        while let Some(pid) = look_at.pop() {
            let Some(stat) = self.all.get(&pid) else { continue };
            look_at.extend(self.children.get(&pid).into_iter().flatten());
            tally.ticks += stat.ticks.saturating_add(stat.ticks_of_ended);
            if !stat.has_ended {
                tally.members.push(pid);
                tally.pages += stat.pages;
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(parent: i32, ticks: u64, ticks_of_ended: u64, pages: u64) -> Stat {
        Stat { parent, group: 0, has_ended: false, ticks, ticks_of_ended, began: 0, pages }
    }

    fn machine() -> Processes {
        let mut processes = Processes::default();
        // 10 is a shim; 11 its process; 12 a child; 13 an orphan that came back; 20 somebody else.
        processes.add(1, stat(0, 1000, 1000, 1000));
        processes.add(10, stat(1, 500, 7, 500));
        processes.add(11, stat(10, 1, 2, 3));
        processes.add(12, stat(11, 10, 20, 30));
        processes.add(13, stat(10, 100, 200, 300));
        processes.add(20, stat(1, 5, 5, 5));
        processes
    }

    #[test]
    fn everything_below_the_shim_counts_and_the_shim_does_not() {
        let tally = machine().below(11, Some(10));
        assert_eq!((tally.ticks, tally.pages, tally.members.len()), (7 + 3 + 30 + 300, 333, 3));
    }

    #[test]
    fn a_process_whose_shim_was_killed_is_not_counted_with_strangers() {
        let mut processes = machine();
        processes.all.remove(&10);
        processes.add(11, stat(1, 1, 2, 3));
        let tally = processes.below(11, Some(10));
        assert_eq!((tally.ticks, tally.members.len()), (33, 2));
    }

    #[test]
    fn what_has_ended_is_no_process_any_more_but_has_used_what_it_has() {
        let mut processes = machine();
        processes.all.insert(12, Stat { has_ended: true, ..stat(11, 10, 20, 30) });
        let tally = processes.below(11, Some(10));
        assert_eq!((tally.ticks, tally.pages, tally.members.len()), (340, 303, 2));
    }
}
