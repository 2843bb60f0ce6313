//! The life of a shim: it starts the process, takes what it writes, gives it what is typed, answers
//! whoever is connected, and goes when the process has ended and everything about it is on the disk.
//! One loop that waits for nothing but events; what is to be written goes to the thread of `disk`.

use std::{
    collections::VecDeque,
    io, mem,
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use gantline_protocol::{
    Epoch, Offset, ViewerId,
    api::{ExitStatus, signal::Signal},
    shim::{
        Ack, Ended, Frames, FromShim, Greeting, Mark, MarkKind, Output, ReadMode, ToShim, Versions,
    },
    terminal::TerminalSize,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    connection::{Connection, Follow, OUTPUT, State},
    disk::{Disk, Done, Job},
    door::Door,
    input::Applied,
    log::{Log, Read},
    process::{Got, Process},
    record::{Exit, Identity, Life, Record},
    start::Start,
    sys::{self, Signals},
    tree::Placed,
};

/// Programs that may be connected. One more takes the place of the oldest that has said nothing, or
/// is refused.
const MAX_CONNECTIONS: usize = 8;
/// Input that waits for a process that does not read. Whoever sends more is cut off; a node keeps
/// far below.
const MAX_WAITING: usize = 4 << 20;
/// After how long of silence nothing is expected any more from a process that has ended.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How long what it left behind may keep it from being over.
const LAST_WORDS_AT_MOST: Duration = Duration::from_secs(2);
/// How often to look whether processes are gone that can't be waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How seldom at last, when something can't be killed.
const LOOK_AT_MOST: Duration = Duration::from_secs(2);
/// How long those who are connected may take to hear of the end.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long the disk may take with what there is at the end before others are told of it: whoever hears
/// that it is over finds it written down, unless the disk refuses or hangs.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);
/// How long to leave a disk alone that refused to take how it ended.
const NOTE_AGAIN: Duration = Duration::from_secs(1);
/// Marks ahead of a reader that holds: there are far fewer than the log keeps.
const MARKS_AHEAD: u64 = 1024;

/// A shim at work.
#[derive(Debug)]
pub(super) struct Shim {
    record: Record,
    epoch: Epoch,
    log: Log,
    disk: Disk,
    /// States of the screen on their way to the disk, oldest first.
    screens: VecDeque<(Offset, Arc<[u8]>)>,
    process: Process,
    door: Door,
    signals: Signals,
    connections: Vec<Connection>,
    connected: u64,
    applied: Applied,
    inputs: VecDeque<Input>,
    /// Bytes in `inputs`.
    waiting: usize,
    /// Something was typed just now.
    has_typed: bool,
    phase: Phase,
    noted: Noted,
    /// Everything is killed then, and again until nothing is left.
    kill_at: Option<Instant>,
    look: Duration,
    /// What is left behind at an end that nobody asked for is killed after so long.
    rest: Option<Duration>,
    /// Nobody will ask for anything any more.
    is_forgotten: bool,
}

/// Something that was typed and is yet to be read.
#[derive(Debug)]
struct Input {
    /// By whom it was sent.
    connection: u64,
    viewer: ViewerId,
    /// When it is typed, all of this viewer's input up to this number is.
    seq: u64,
    bytes: Vec<u8>,
    typed: usize,
}

/// How far the process is.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Running,
    /// It has ended; its last words are waited for.
    Ending {
        how: Option<ExitStatus>,
        at: SystemTime,
        silent: Instant,
        at_most: Instant,
    },
    Ended {
        ended: Ended,
        /// Who waits for it is told now, whatever the disk does.
        told_by: Instant,
        until: Instant,
    },
}

/// Whether it is on the disk how the process ended.
#[derive(Debug, Clone, Copy)]
enum Noted {
    /// It runs.
    Nothing,
    AtWork,
    /// The disk refused, and is asked again then.
    Refused(Instant),
    Done,
}

/// What there is to be done at once. What is known of each connection it keeps itself.
#[derive(Debug, Clone, Copy, Default)]
struct Ready {
    signals: bool,
    door: bool,
    disk: bool,
    output: bool,
}

impl Shim {
    /// Starts the process. `node` is the program that wants it.
    pub(super) fn start(start: Start, node: UnixStream) -> Result<(Self, u32), StartError> {
        let Start { epoch, dir, socket, limits, terminal, resources, rest, ground, lack, command } =
            start;
        let record = Record::new(dir);
        let signals = Signals::listen()?;
        let door = Door::open(socket)?;
        let placed = Placed::place(epoch, resources, ground, lack);
        let started = Process::start(&command, terminal, placed);
        let process = started.map_err(StartError::Spawn).inspect_err(|_| door.close())?;
        let mut shim = Self {
            disk: Disk::new(record.clone(), limits.file),
            record,
            epoch,
            log: Log::new(limits),
            screens: VecDeque::new(),
            process,
            door,
            signals,
            connections: vec![Connection::new(node, 0)?],
            connected: 0,
            applied: Applied::default(),
            inputs: VecDeque::new(),
            waiting: 0,
            has_typed: false,
            phase: Phase::Running,
            noted: Noted::Nothing,
            kill_at: None,
            look: Duration::ZERO,
            rest,
            is_forgotten: false,
        };
        let pid = shim.process.pid();
        shim.note_life().inspect_err(|_| {
            shim.process.tree().kill();
            shim.door.close();
        })?;
        if let Some(size) = terminal {
            shim.log.mark(MarkKind::Resize(size));
        }
        Ok((shim, pid))
    }

    fn note_life(&self) -> io::Result<()> {
        let shim = Identity::of(std::process::id())?;
        // A process that has ended already is still ours to reap, so its number is nobody else's.
        let process = Identity::of(self.process.pid()).unwrap_or_else(|_| shim.clone());
        let Placed { group, not_enforced } = self.process.tree().placed();
        let group = group.as_ref().map(|group| group.dir().to_owned());
        let not_enforced = not_enforced.clone();
        self.record.write_life(&Life { shim, process, group, not_enforced })
    }

    /// Why the limits of the process are not enforced, if they are not.
    pub(super) fn not_enforced(&self) -> Option<&str> {
        self.process.tree().placed().not_enforced.as_deref()
    }

    /// Works until there is nothing left to do.
    pub(super) fn serve(mut self) {
        while !self.is_over() {
            let ready = self.wait();
            if ready.signals {
                let arrived = self.signals.take();
                if arrived.hup {
                    self.door.look_after();
                }
                if arrived.child {
                    self.reap();
                }
            }
            if ready.output {
                self.read_output();
            }
            if ready.disk {
                for done in self.disk.take_done() {
                    self.written(done);
                }
            }
            self.listen();
            let now = Instant::now();
            self.type_waiting(now);
            self.keep_time(now);
            self.write_out(now);
            self.tell(now);
            if ready.door {
                self.accept();
            }
        }
        self.door.close();
    }

    /// Waits until something happens.
    fn wait(&mut self) -> Ready {
        if mem::take(&mut self.has_typed) && !self.is_held() && self.process.look_for_echo() {
            // Everybody else has the next turn.
            for connection in &mut self.connections {
                connection.is_ready = false;
            }
            return Ready { output: true, ..Ready::default() };
        }
        let now = Instant::now();
        let timeout = self.deadline(now).map(|at| at.saturating_duration_since(now));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut awaited = Vec::with_capacity(8);
        awaited.push(PollFd::new(self.signals.descriptor(), PollFlags::IN));
        awaited.push(PollFd::new(self.door.descriptor(), PollFlags::IN));
        // Until there is somebody who writes, this never has anything.
        let disk = self.disk.descriptor().unwrap_or_else(|| self.signals.descriptor());
        awaited.push(PollFd::new(disk, PollFlags::IN));
        let may_read = !self.is_held();
        for (index, (fd, _)) in self.process.outputs().into_iter().flatten().enumerate() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, may_read);
            flags.set(PollFlags::OUT, index == 0 && !self.inputs.is_empty());
            if !flags.is_empty() {
                awaited.push(PollFd::new(fd, flags));
            }
        }
        let before_connections = awaited.len();
        for connection in &self.connections {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, connection.is_heard());
            flags.set(PollFlags::OUT, !connection.has_taken_all());
            awaited.push(PollFd::new(connection.stream(), flags));
        }
        let polled = poll(&mut awaited, timeout.as_ref());
        // It fails only for a signal, which has been noted.
        let is_all = polled.is_err();
        let ready = awaited.iter().map(|one| is_all || !one.revents().is_empty());
        let ready: Vec<_> = ready.collect();
        let (ours, theirs) = ready.split_at_checked(before_connections).unwrap_or_default();
        for (connection, is_ready) in self.connections.iter_mut().zip(theirs) {
            connection.is_ready = *is_ready;
        }
        match ours {
            [signals, door, disk, outputs @ ..] => {
                let output = outputs.contains(&true);
                Ready { signals: *signals, door: *door, disk: *disk, output }
            }
            _ => Ready::default(),
        }
    }

    /// When to look again, at the latest. `now` is asked so that no time that is over is waited for:
    /// a shim whose disk refuses stays long after its farewell.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Running => None,
            Phase::Ending { silent, at_most, .. } => Some(silent.min(at_most)),
            Phase::Ended { told_by, .. } if told_by > now => Some(told_by),
            Phase::Ended { .. } if self.process.has_output() => None,
            Phase::Ended { until, .. } => Some(until).filter(|until| *until > now),
        };
        let look = match (self.kill_at, self.phase) {
            (Some(kill_at), Phase::Running) => Some(kill_at),
            (Some(kill_at), Phase::Ending { .. } | Phase::Ended { .. }) => {
                Some(kill_at.min(now + LOOK_EVERY))
            }
            (None, _) => None,
        };
        let due = self.connections.iter().filter_map(|connection| connection.due(&self.log)).min();
        let disk = self.log.awaits_disk().filter(|until| *until > now);
        [phase, look, due, disk, self.retry()].into_iter().flatten().min()
    }

    /// Whether nothing would be lost if this process were no more.
    fn is_on_disk(&self) -> bool {
        matches!(self.noted, Noted::Done) && self.log.is_on_disk()
    }

    /// When a disk that refused is asked again.
    fn retry(&self) -> Option<Instant> {
        match self.noted {
            Noted::Refused(again) => Some(again),
            Noted::Nothing | Noted::AtWork | Noted::Done => self.log.deadline(),
        }
    }

    fn is_over(&self) -> bool {
        let Phase::Ended { until, .. } = self.phase else { return false };
        if self.is_forgotten {
            return true;
        }
        let has_told = self.connections.iter().all(|connection| {
            connection.has_taken_all() && !connection.waits && connection.follow.is_none()
        });
        !self.process.has_output()
            && self.kill_at.is_none()
            && (self.is_on_disk() || !self.record.dir().exists())
            && (has_told || Instant::now() >= until)
    }

    fn reap(&mut self) {
        while let Some((pid, how)) = sys::reap() {
            if pid == self.process.root() {
                self.process.reaped();
                let now = Instant::now();
                let (silent, at_most) = (now + LAST_WORDS, now + LAST_WORDS_AT_MOST);
                self.phase = Phase::Ending { how, at: SystemTime::now(), silent, at_most };
                self.kill_at = self.kill_at.or(self.rest.map(|rest| now + rest));
                if self.kill_at.is_some() {
                    // What it started may have something to bring to its end as well.
                    self.ask_the_rest();
                }
            }
        }
    }

    fn ask_the_rest(&self) {
        self.process.tree().signal_all(Signal::Term);
        // A process that is stopped can't hear it.
        self.process.tree().signal_all(Signal::Cont);
    }

    /// Whether the process is to wait: for a disk that is at work, or for somebody who reads
    /// everything and is not so far yet.
    fn is_held(&self) -> bool {
        if !matches!(self.phase, Phase::Running) {
            return false;
        }
        if self.log.awaits_disk().is_some_and(|until| Instant::now() < until) {
            return true;
        }
        if self.process.size().is_some() {
            return false;
        }
        let (end, noted) = (self.log.end().0, self.log.ring().marks_noted());
        let follows = self.connections.iter().filter_map(|connection| connection.follow);
        follows.into_iter().any(|follow| {
            let before = self.log.ring().marks_before(follow.acked);
            let is_ahead = |hold| end.saturating_sub(follow.acked.0) >= hold;
            follow.hold.is_some_and(|hold| is_ahead(hold) || noted - before >= MARKS_AHEAD)
        })
    }

    fn read_output(&mut self) {
        for which in 0..2 {
            if self.is_held() {
                return;
            }
            let (got, kind, bytes) = self.process.read(which);
            match got {
                Got::Bytes(_) => {
                    self.log.append(bytes, kind);
                    if let Phase::Ending { silent, .. } = &mut self.phase {
                        *silent = Instant::now() + LAST_WORDS;
                    }
                }
                Got::Nothing => {}
                Got::End => self.process.close_output(which),
            }
        }
    }

    fn type_waiting(&mut self, now: Instant) {
        while let Some(input) = self.inputs.front_mut() {
            let rest = input.bytes.get(input.typed..).unwrap_or_default();
            let typed = if rest.is_empty() { Some(0) } else { self.process.type_in(rest) };
            match typed {
                Some(0) if !rest.is_empty() => return,
                Some(length) if length < rest.len() => {
                    input.typed += length;
                    continue;
                }
                Some(_) | None => {}
            }
            self.has_typed = true;
            let Some(input) = self.inputs.pop_front() else { return };
            self.waiting -= input.bytes.len();
            if typed.is_none() {
                // Nobody reads it any more, so nobody is told that it was typed.
                continue;
            }
            let of = |connection: &&mut Connection| connection.number == input.connection;
            if let Some(connection) = self.connections.iter_mut().find(of) {
                connection.wrote(input.viewer, input.seq, now);
            }
        }
    }

    fn accept(&mut self) {
        while let Some(stream) = self.door.next() {
            if self.connections.len() >= MAX_CONNECTIONS {
                let is_silent = |one: &Connection| one.state == State::Stranger;
                match self.connections.iter().position(is_silent) {
                    Some(silent) => drop(self.connections.remove(silent)),
                    None => continue,
                }
            }
            if sys::is_ours(&stream) {
                self.connected += 1;
                self.connections.extend(Connection::new(stream, self.connected).ok());
            }
        }
    }

    /// Does what those who are connected ask for.
    fn listen(&mut self) {
        let mut connections = mem::take(&mut self.connections);
        for connection in &mut connections {
            if !connection.is_ready || !connection.is_heard() {
                continue;
            }
            let input = connection.receive();
            let mut frames = Frames::new(&input);
            loop {
                match frames.next_message().map(|message| message.map(ToShim::decode)) {
                    Ok(Some(Ok(message))) => self.hear(connection, message),
                    Ok(None) => break,
                    // It does not know the rules.
                    Ok(Some(Err(_))) | Err(_) => {
                        connection.is_over = true;
                        break;
                    }
                }
            }
            let taken = frames.taken();
            connection.keep(input, taken);
        }
        self.connections = connections;
    }

    fn hear(&mut self, from: &mut Connection, message: ToShim<'_>) {
        match (from.state, message) {
            (State::Stranger, ToShim::Hello(versions)) => self.greet(from, versions),
            (State::Stranger, _) | (State::Known, ToShim::Hello(_)) => from.is_over = true,
            (State::Known, ToShim::Read { id, from: at, mode: ReadMode::Once(limit) }) => {
                self.answer(from, id, at, limit);
            }
            (State::Known, ToShim::Read { id, from: at, mode }) => {
                let at = at.min(self.log.end());
                // What was noted before concerns what comes: the size above all.
                let marks = self.log.ring().marks_gone();
                let hold = match mode {
                    ReadMode::Hold(ahead) => Some(u64::from(ahead)),
                    ReadMode::Once(_) | ReadMode::Follow => None,
                };
                from.follow = Some(Follow { id, at, marks, hold, acked: at });
            }
            (State::Known, ToShim::Write { viewer, seq, eof: _, bytes }) => {
                let is_new = self.applied.accept(viewer, seq);
                let bytes = if is_new { bytes.to_vec() } else { Vec::new() };
                self.waiting += bytes.len();
                let (connection, seq) = (from.number, self.applied.last(viewer));
                self.inputs.push_back(Input { connection, viewer, seq, bytes, typed: 0 });
                from.is_over |= self.waiting > MAX_WAITING;
            }
            (State::Known, ToShim::Resize(size)) => {
                if self.process.resize(size) {
                    self.log.mark(MarkKind::Resize(size));
                }
            }
            (State::Known, ToShim::Signal { signal, scope, kill_after_ms }) => {
                self.process.signal(signal, scope);
                if kill_after_ms > 0 {
                    // A process that is stopped can't hear it.
                    self.process.signal(Signal::Cont, scope);
                    let after = Duration::from_millis(kill_after_ms.into());
                    let kill_at = Instant::now() + after;
                    self.kill_at = Some(self.kill_at.map_or(kill_at, |at| at.min(kill_at)));
                    if !matches!(self.phase, Phase::Running) {
                        self.ask_the_rest();
                    }
                }
            }
            (State::Known, ToShim::Wait) => from.waits = true,
            (State::Known, ToShim::Ack(Ack::Output(upto))) => {
                if let Some(follow) = &mut from.follow {
                    follow.acked = follow.acked.max(upto);
                }
            }
            (State::Known, ToShim::Ack(Ack::Exit)) => self.is_forgotten = true,
            (State::Known, ToShim::Checkpoint(Some((offset, state)))) => {
                let state = Arc::<[u8]>::from(state);
                self.screens.push_back((offset, state.clone()));
                self.give(Job::Checkpoint { offset, state });
            }
            (State::Known, ToShim::Checkpoint(None)) => match self.screens.back() {
                Some((offset, state)) => from.say(&FromShim::Checkpoint(Some((*offset, state)))),
                None => match self.record.checkpoint() {
                    Some(kept) => from.send(&kept, &[]),
                    None => from.say(&FromShim::Checkpoint(None)),
                },
            },
            (State::Known, ToShim::Ignored(_)) => {}
        }
    }

    fn greet(&self, from: &mut Connection, versions: Versions) {
        if Versions::OURS.common(versions).is_none() {
            from.say(&FromShim::OtherVersion(Versions::OURS));
            from.is_over = true;
            return;
        }
        from.state = State::Known;
        from.say(&FromShim::Hello(Greeting {
            versions: Versions::OURS,
            epoch: self.epoch,
            pid: self.process.pid(),
            kept: self.log.start(),
            end: self.log.end(),
            size: self.process.size(),
            applied: self.applied.all(),
        }));
    }

    fn answer(&mut self, to: &mut Connection, id: u32, from: Offset, limit: u32) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(OUTPUT);
        let read = self.log.read(from, limit.max(1));
        let (marks, bytes) = match &read {
            Read::Bytes(bytes) => (Vec::new(), &**bytes),
            Read::Gap { from, to } => {
                let kind = MarkKind::Gap(*to);
                (vec![Mark { offset: *from, kind }], &[][..])
            }
            Read::End => (Vec::new(), &[][..]),
        };
        to.say(&FromShim::Output(Output { id, from, kept: self.log.start(), marks, bytes }));
    }

    fn keep_time(&mut self, now: Instant) {
        if self.kill_at.is_some_and(|kill_at| now >= kill_at) {
            self.process.tree().kill();
            // Until all of them are gone it is looked after: one may have begun meanwhile, or wait
            // for a disk.
            self.look = (self.look * 2).clamp(LOOK_EVERY, LOOK_AT_MOST);
            self.kill_at = Some(now + self.look);
        } else if self.kill_at.is_some()
            && !matches!(self.phase, Phase::Running)
            && self.process.tree().rest().is_empty()
        {
            self.kill_at = None;
        }
        if let Phase::Ending { how, at, silent, at_most } = self.phase
            && (!self.process.has_output() || now >= silent || now >= at_most)
        {
            self.end(how, at, now);
        }
        if matches!(self.phase, Phase::Ended { .. }) && !self.process.has_output() {
            self.log.retire();
        }
    }

    /// The process has ended, and so have its last words.
    fn end(&mut self, how: Option<ExitStatus>, at: SystemTime, now: Instant) {
        if self.process.size().is_some() {
            // What still holds the terminal loses it with the process.
            self.process.close_output(0);
        }
        let ended = Ended { at: at.into(), end: self.log.end(), how };
        let (told_by, until) = (now + WRITTEN_WITHIN, now + FAREWELL);
        self.phase = Phase::Ended { ended, told_by, until };
    }

    /// Has written what is to be. How it ended takes little, and is worth more than all that it wrote:
    /// it goes first.
    fn write_out(&mut self, now: Instant) {
        if let Phase::Ended { ended, .. } = self.phase {
            match self.noted {
                Noted::AtWork => return,
                Noted::Refused(again) if now < again => return,
                Noted::Nothing | Noted::Refused(_) => return self.note_end(ended),
                Noted::Done => {}
            }
        }
        if let Some(job) = self.log.next_job(now) {
            self.give(job);
        }
    }

    fn note_end(&mut self, ended: Ended) {
        let Ended { at, end, how: status } = ended;
        let size = self.process.size().unwrap_or(TerminalSize::STANDARD);
        let (exit, marks) = (Exit { at, end, status, size }, self.log.ring().marks(Offset(0)));
        self.noted = Noted::AtWork;
        self.give(Job::End { exit, marks });
    }

    fn give(&mut self, job: Job) {
        if let Err(refused) = self.disk.give(job) {
            self.written(refused);
        }
    }

    /// The disk has done something.
    fn written(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Spilled(outcome) => self.log.spilled(outcome, now),
            Done::Removed => self.log.removed(),
            Done::Checkpoint => drop(self.screens.pop_front()),
            // Those who are connected hear it all the same; whoever comes later does once the disk has
            // taken it.
            Done::End(Err(_)) => self.noted = Noted::Refused(now + NOTE_AGAIN),
            Done::End(Ok(())) => self.noted = Noted::Done,
        }
    }

    /// Whether the disk is about to take what there is at the end.
    fn is_being_written(&self) -> bool {
        match self.noted {
            Noted::AtWork => true,
            Noted::Nothing | Noted::Refused(_) => false,
            Noted::Done => {
                let is_refused = self.log.deadline().is_some();
                !self.process.has_output() && !self.log.is_on_disk() && !is_refused
            }
        }
    }

    /// Tells everybody what is new.
    fn tell(&mut self, now: Instant) {
        let is_over = matches!(self.phase, Phase::Ended { .. });
        let is_being_written = self.is_being_written();
        for connection in &mut self.connections {
            connection.flush();
            connection.pump(&mut self.log, now, is_over);
            let Phase::Ended { ended, told_by, .. } = self.phase else { continue };
            let is_behind = connection.follow.is_some_and(|follow| follow.at < ended.end);
            if connection.waits && !is_behind && (!is_being_written || now >= told_by) {
                connection.waits = false;
                connection.say(&FromShim::Exited(ended));
            }
            if !connection.waits && !self.process.has_output() && connection.has_taken_all() {
                connection.follow = connection.follow.filter(|follow| follow.at < self.log.end());
            }
        }
        self.connections.retain(|connection| {
            !connection.is_over
                || (!connection.has_taken_all() && connection.state == State::Stranger)
        });
    }
}

/// Why a shim could not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// The system does not start the process.
    #[error("the system does not start it: {0}")]
    Spawn(#[source] io::Error),
    /// Something else.
    #[error("{0}")]
    Io(#[from] io::Error),
}
