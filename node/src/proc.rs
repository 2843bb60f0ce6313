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
        let mut entries = rustix::fs::Dir::read_from(self.root.as_fd())?;
        let mut path = String::new();
        while let Some(entry) = entries.next() {
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
pub(crate) fn end_all(mut find: impl FnMut() -> Vec<Pid>) {
    let until = Instant::now() + LOOK_AT_MOST;
    let mut known = HashSet::new();
    loop {
        let new: Vec<_> = find().into_iter().filter(|pid| known.insert(*pid)).collect();
        for pid in &new {
            let _ = kill_process(*pid, Signal::STOP);
        }
        if new.is_empty() || Instant::now() >= until {
            break;
        }
    }
    // Only those that are there still: the number of another may be somebody else's by now.
    for pid in find().into_iter().filter(|pid| known.contains(pid)) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
