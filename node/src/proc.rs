//! What Linux tells of processes in `/proc`, and how those that belong together are ended together.
//! Where there is no `/proc`, no process is found.

use std::{
    collections::{HashMap, HashSet},
    io,
    os::fd::{AsFd as _, BorrowedFd},
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags, open, openat},
    process::{Pid, Signal, kill_process},
};

/// How long those that are to be ended are looked for, while new ones keep coming.
const LOOK_AT_MOST: Duration = Duration::from_millis(500);

/// What `/proc/<pid>/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// It has ended, and its parent has not asked how.
    pub(crate) has_ended: bool,
    /// Processor time, in ticks.
    pub(crate) ticks: u64,
    /// The same of its children that have ended and whose end it has seen, with that of theirs.
    pub(crate) ticks_of_ended: u64,
    /// In ticks since the machine was started.
    pub(crate) began: u64,
    /// Resident memory, in pages.
    pub(crate) pages: u64,
}

impl Stat {
    pub(crate) fn parse(stat: &[u8]) -> Option<Self> {
        // The command's name stands in parentheses and may contain anything.
        let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
        let mut fields = stat.get(after..)?.split(u8::is_ascii_whitespace).skip(1);
        let has_ended = matches!(fields.next()?, b"Z" | b"X");
        // Fields 4 and 5, 14 to 17, 22 and 24; those of times may be negative in odd kernels.
        let parent = number(fields.next()?)?;
        let group = number(fields.next()?)?;
        let ticks = |field: Option<&[u8]>| number(field?);
        let (user, system) = (ticks(fields.nth(8))?, ticks(fields.next())?);
        let (user_of_ended, system_of_ended) = (ticks(fields.next())?, ticks(fields.next())?);
        let began = ticks(fields.nth(4))?;
        let pages = ticks(fields.nth(1))?;
        Some(Self {
            parent: i32::try_from(parent).ok()?,
            group: i32::try_from(group).unwrap_or(0),
            has_ended,
            ticks: user.saturating_add(system),
            ticks_of_ended: user_of_ended.saturating_add(system_of_ended),
            began,
            pages,
        })
    }
}

/// A number; a negative one is 0.
fn number(digits: &[u8]) -> Option<u64> {
    match digits {
        [b'-', ..] => Some(0),
        _ => std::str::from_utf8(digits).ok()?.parse().ok(),
    }
}

/// Reads small files below `/proc` one after the other, with one buffer.
#[derive(Debug)]
pub(crate) struct Proc {
    root: rustix::fd::OwnedFd,
    buffer: Vec<u8>,
}

impl Proc {
    /// What is read of one file at most, in bytes.
    const MOST: usize = 256 * 1024;

    pub(crate) fn open() -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: open("/proc", flags, Mode::empty())?, buffer: vec![0; 4096] })
    }

    /// The content of a file.
    pub(crate) fn read(&mut self, path: &str) -> io::Result<&[u8]> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(self.root.as_fd(), path, flags, Mode::empty())?;
        let length = read_whole(file.as_fd(), &mut self.buffer)?;
        Ok(self.buffer.get(..length).unwrap_or_default())
    }

    /// Every process, with what it says of itself.
    pub(crate) fn each(&mut self, mut on_process: impl FnMut(i32, Stat)) -> io::Result<()> {
        let entries = rustix::fs::Dir::read_from(self.root.as_fd())?;
        let mut path = String::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_str().ok();
            let Some(pid) = name.and_then(|name| name.parse::<i32>().ok()) else { continue };
            path.clear();
            path.push_str(name.unwrap_or_default());
            path.push_str("/stat");
            // It may have gone meanwhile.
            if let Some(stat) = self.read(&path).ok().and_then(Stat::parse) {
                on_process(pid, stat);
            }
        }
        Ok(())
    }
}

fn read_whole(file: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut length = 0;
    loop {
        if length == buffer.len() {
            if length >= Proc::MOST {
                return Ok(length);
            }
            buffer.resize(length * 2, 0);
        }
        match rustix::io::read(file, buffer.get_mut(length..).unwrap_or_default()) {
            Ok(0) => return Ok(length),
            Ok(read) => length += read,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// All processes that descend from `root` and have not ended, `root` left out.
pub(crate) fn descendants(root: i32) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<(i32, bool)>> = HashMap::new();
    let read = Proc::open().and_then(|mut proc| {
        proc.each(|pid, stat| {
            children.entry(stat.parent).or_default().push((pid, stat.has_ended));
        })
    });
    if read.is_err() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut look_at = vec![root];
    while let Some(parent) = look_at.pop() {
        for (child, has_ended) in children.remove(&parent).unwrap_or_default() {
            look_at.push(child);
            if !has_ended {
                found.extend(Pid::from_raw(child));
            }
        }
    }
    found
}

/// Ends all processes that `find` finds: they are stopped, so that they start no others, looked for
/// again until there is none that was not there before, and then killed.
pub(crate) fn end_all(find: impl FnMut() -> Vec<Pid>) {
    let until = Instant::now() + LOOK_AT_MOST;
    let signal = |pid, signal| {
        // Whoever has ended meanwhile needs none.
        let _ = kill_process(pid, signal);
    };
    end_found(find, signal, || Instant::now() < until);
}

/// The same for any processes. `may_look_on`: there is time for another look.
fn end_found(
    mut find: impl FnMut() -> Vec<Pid>,
    mut signal: impl FnMut(Pid, Signal),
    mut may_look_on: impl FnMut() -> bool,
) {
    let mut known = HashSet::new();
    loop {
        let new: Vec<_> = find().into_iter().filter(|pid| known.insert(*pid)).collect();
        for pid in &new {
            signal(*pid, Signal::STOP);
        }
        if new.is_empty() || !may_look_on() {
            break;
        }
    }
    // Only those that are there still: the number of another may be somebody else's by now.
    for pid in find().into_iter().filter(|pid| known.contains(pid)) {
        signal(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Processes that go on forking while they are looked at: each that is not stopped has a child
    /// right after every look, as long as its breath lasts.
    #[derive(Debug, Default)]
    struct Bomb {
        /// How many more children each may have, and whether it is stopped. Killed ones are gone.
        alive: HashMap<i32, (u32, bool)>,
        last: i32,
        looks: usize,
        /// Who was killed without being stopped before.
        killed_while_forking: Vec<i32>,
    }

    impl Bomb {
        fn of(breaths: &[u32]) -> Self {
            let mut bomb = Self::default();
            for breath in breaths {
                bomb.begins(*breath);
            }
            bomb
        }

        fn begins(&mut self, breath: u32) {
            self.last += 1;
            self.alive.insert(self.last, (breath, false));
        }

        fn look(&mut self) -> Vec<Pid> {
            self.looks += 1;
            let found: Vec<_> = self.alive.keys().filter_map(|pid| Pid::from_raw(*pid)).collect();
            let mut born = Vec::new();
            for (breath, is_stopped) in self.alive.values_mut() {
                if !*is_stopped && *breath > 0 {
                    *breath -= 1;
                    born.push(*breath);
                }
            }
            born.into_iter().for_each(|breath| self.begins(breath));
            found
        }

        fn signal(&mut self, pid: Pid, signal: Signal) {
            let pid = pid.as_raw_nonzero().get();
            match signal {
                Signal::STOP => self.alive.get_mut(&pid).unwrap().1 = true,
                Signal::KILL => {
                    let (_, was_stopped) = self.alive.remove(&pid).unwrap();
                    if !was_stopped {
                        self.killed_while_forking.push(pid);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn end_bomb(bomb: Bomb, looks_at_most: usize) -> Bomb {
        let bomb = RefCell::new(bomb);
        end_found(
            || bomb.borrow_mut().look(),
            |pid, signal| bomb.borrow_mut().signal(pid, signal),
            || bomb.borrow().looks < looks_at_most,
        );
        bomb.into_inner()
    }

    proptest! {
        #[test]
        fn whoever_forks_on_while_it_is_looked_for_is_found_and_stopped_before_anybody_is_killed(
            breaths in vec(0..40u32, 0..6)
        ) {
            let bomb = end_bomb(Bomb::of(&breaths), usize::MAX);
            prop_assert_eq!(bomb.killed_while_forking, Vec::<i32>::new());
            prop_assert_eq!(bomb.alive.len(), 0, "some are left");
        }
    }

    #[test]
    fn a_bomb_without_an_end_does_not_hold_up_the_killing_of_those_that_were_found() {
        let bomb = end_bomb(Bomb::of(&[u32::MAX]), 20);
        assert_eq!(bomb.looks, 21, "it is looked once more before the killing");
        // The last one found has had a child after it was looked at, and that one another.
        assert_eq!(bomb.last as usize - bomb.alive.len(), 20);
        assert!(bomb.killed_while_forking.is_empty());
    }

    #[test]
    fn a_number_that_is_free_again_is_not_killed() {
        let (gone, stays) = (Pid::from_raw(7).unwrap(), Pid::from_raw(8).unwrap());
        let mut looks = [vec![gone, stays], vec![gone, stays], vec![stays]].into_iter();
        let mut told = Vec::new();
        end_found(|| looks.next().unwrap(), |pid, signal| told.push((pid, signal)), || true);
        let expected = [(gone, Signal::STOP), (stays, Signal::STOP), (stays, Signal::KILL)];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_process_whose_name_looks_like_a_status_is_read_right() {
        let line = b"42 (a) Z 1 (b) S 7 41 42 0 -1 4194560 1 2 3 4 5 6 70 8 20 0 1 0 987 1 2 18446744073709551615";
        let stat = Stat::parse(line).unwrap();
        let expected = Stat {
            parent: 7,
            group: 41,
            has_ended: false,
            ticks: 11,
            ticks_of_ended: 78,
            began: 987,
            pages: 2,
        };
        assert_eq!(stat, expected);
        assert!(Stat::parse(b"42 (a) Z 1").is_none());
    }

    #[test]
    fn this_process_is_among_all_and_uses_memory() {
        let mut own = None;
        let pid = i32::try_from(std::process::id()).unwrap();
        Proc::open()
            .unwrap()
            .each(|other, stat| own = own.or((other == pid).then_some(stat)))
            .unwrap();
        let own = own.unwrap();
        assert!(own.pages > 0 && !own.has_ended && own.began > 0, "{own:?}");
    }
}
