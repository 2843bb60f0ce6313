//! The task behind a [`Screen`](super::Screen): it follows the log of one process, answers what the
//! process asks, and draws when that is worth it.

use std::time::Duration;

use bytes::Bytes;
use gantline_protocol::{
    Offset,
    terminal::{Position, TerminalSize},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    Origin, Shot,
    answers::Answers,
    checkpoint::Checkpoint,
    parser::{Failed, Parser},
    places::{self, Place},
    query::{self, Query},
    replay,
    scan::{Part, Scanner},
    thread,
    undrawn::Undrawn,
};
use crate::{
    memory,
    pty::{
        host::Host,
        log::{Log, MarkKind, Read},
    },
};

/// The least time between two looks at the output, as for viewers.
const BETWEEN: Duration = Duration::from_millis(4);
/// When there is so much new output, it is looked at without waiting: what is looked at late is not in
/// memory here any more, and comes from the shim once again.
const MUCH: u64 = 256 * 1024;
/// Bytes that are looked at before whoever waits for a screen has its turn.
const LOOK: u64 = 1024 * 1024;
/// When so many bytes wait to be drawn, they are drawn or passed over, so that nobody who comes has
/// to wait for them.
const EAGER: u64 = 1024 * 1024;
/// Bytes that are drawn at once. Text that has scrolled away by their end is passed over.
const SLICE: usize = 1024 * 1024;
/// Bytes that are drawn for somebody who waits. If there are more, they get an earlier screen and
/// the rest as output.
const WORK: u64 = 8 * 1024 * 1024;
/// After so long without output, it is drawn if it is this much; less is quickly drawn later.
const QUIET: Duration = Duration::from_millis(250);
const WORTH: u64 = 16 * 1024;
/// For how long the parser is kept for the next question.
const KEPT: Duration = Duration::from_secs(5);
/// A checkpoint is handed to the shim when it is so much further than the last one.
const HANDED: u64 = 512 * 1024;
/// What is drawn where it is asked for, in bytes; more goes to a thread for it.
const BRIEF: usize = 4096;

pub(super) struct Keeper {
    host: Host,
    log: Log,
    answers: Answers,
    scanner: Scanner,
    /// Up to here the output was looked at.
    seen: Offset,
    /// What was looked at and is not drawn yet.
    undrawn: Undrawn,
    drawn: Drawn,
    /// Held as long as there is a parser.
    place: Option<Place>,
    /// The last screen that was drawn.
    shot: Option<Shot>,
    /// Up to where the shim has a checkpoint.
    handed: Offset,
    /// When the program last asked something that depends on the screen.
    asked: Option<Instant>,
    /// When output was last looked at.
    looked: Option<Instant>,
}

/// The output as far as it is drawn.
enum Drawn {
    Live(Box<Parser>),
    Kept(Checkpoint),
    /// The parser has failed on it.
    Failed,
}

impl Keeper {
    pub(super) async fn run(
        host: Host,
        size: TerminalSize,
        origin: Origin,
        mut wants: mpsc::Receiver<oneshot::Sender<Shot>>,
    ) {
        let log = host.log().clone();
        let empty = Checkpoint { position: Offset(0), size, screen: Bytes::new() };
        let (kept, seen) = match origin {
            Origin::Started => (empty, Offset(0)),
            Origin::Found => {
                let kept = host.last_checkpoint().await;
                let kept = kept.and_then(|(_, state)| Checkpoint::decode(&state).ok());
                (kept.unwrap_or(empty), log.end())
            }
        };
        let mut follower = log.follow_behind();
        let mut keeper = Self {
            host,
            log,
            answers: Answers::new(),
            scanner: Scanner::default(),
            seen,
            undrawn: Undrawn::default(),
            handed: kept.position,
            drawn: Drawn::Kept(kept),
            place: None,
            shot: None,
            asked: None,
            looked: None,
        };
        loop {
            let (seen, not_before) = (keeper.seen, keeper.looked.map(|looked| looked + BETWEEN));
            let more = async {
                // Being woken for all that comes meanwhile would cost more than it gives.
                if let Some(due) = not_before.filter(|due| *due > Instant::now()) {
                    let much = follower.beyond(Offset(seen.0.saturating_add(MUCH)));
                    let _ = timeout_at(due, much).await;
                }
                follower.beyond(seen).await
            };
            let is_over = keeper.log.progress().is_closed && seen >= keeper.log.end();
            let due = keeper.due();
            let has_place = keeper.place.is_some();
            tokio::select! {
                biased;
                () = keeper.answers.type_next(&keeper.host), if !keeper.answers.is_empty() => {}
                want = wants.recv() => {
                    let Some(want) = want else { return };
                    let shot = keeper.shot().await;
                    // Whoever came together sees the same.
                    let mut wanted = vec![want];
                    while let Ok(want) = wants.try_recv() {
                        wanted.push(want);
                    }
                    for want in wanted {
                        let _ = want.send(shot.clone());
                    }
                }
                () = places::wanted(), if has_place => keeper.make_room().await,
                _ = more, if !is_over => keeper.look().await,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    keeper.tidy().await;
                }
            }
        }
    }

    /// Looks at what is new, and answers what was asked.
    async fn look(&mut self) {
        let upto = Offset(self.log.end().0.min(self.seen.0 + LOOK));
        self.look_until(upto).await;
        self.looked = Some(Instant::now());
        if self.seen.0.saturating_sub(self.fed().0) >= EAGER {
            self.pass_over().await;
        }
    }

    async fn look_until(&mut self, upto: Offset) {
        while self.seen < upto {
            let limit = usize::try_from(upto.0 - self.seen.0).unwrap_or(usize::MAX);
            match self.log.read(self.seen, limit).await {
                Read::Bytes(bytes) => {
                    let mut asked = Vec::new();
                    let before = self.seen.0;
                    self.scanner.scan(&bytes, |part, upto| {
                        if let Part::Sequence(sequence) = part
                            && let Some(query) = Query::read(&sequence)
                        {
                            asked.push((query, Offset(before + upto as u64)));
                        }
                    });
                    self.seen = Offset(before + bytes.len() as u64);
                    if !matches!(self.drawn, Drawn::Failed) {
                        self.undrawn.push(Offset(before), bytes);
                    }
                    for (query, at) in asked {
                        self.answer(query, at).await;
                    }
                }
                Read::Gap { to, .. } => {
                    self.scanner = Scanner::default();
                    self.seen = to;
                }
                Read::End => return,
            }
        }
    }

    /// Answers what was asked just before `at`.
    async fn answer(&mut self, query: Query, at: Offset) {
        if let Some(answer) = query::fixed(query) {
            self.answers.push(answer);
            return;
        }
        self.asked = Some(Instant::now());
        self.draw_until(at).await;
        if let Drawn::Live(parser) = &self.drawn {
            match parser.answer(query) {
                Ok(answer) => self.answers.push(answer),
                Err(failed) => self.fail(failed),
            }
        }
    }

    /// The screen, for whoever waits for it.
    async fn shot(&mut self) -> Shot {
        let end = self.log.end();
        self.look_until(end).await;
        let upto = Offset(end.0.min(self.fed().0.saturating_add(WORK)));
        self.draw_until(upto).await;
        let epoch = self.log.epoch();
        let kept = match &self.drawn {
            Drawn::Kept(kept) => Ok((kept.position, kept.size)),
            Drawn::Live(parser) => Ok((parser.position(), parser.size())),
            Drawn::Failed => Err(Failed),
        };
        if let (Ok((offset, size)), Some(shot)) = (kept, &self.shot)
            && (shot.position.offset, shot.size) == (offset, size)
        {
            return shot.clone();
        }
        match self.checkpoint() {
            Ok(kept) => {
                let position = Position { epoch, offset: kept.position };
                let shot = Shot { position, size: kept.size, screen: kept.screen.clone() };
                self.shot = Some(shot.clone());
                if self.may_let_go() {
                    self.let_go(kept).await;
                }
                shot
            }
            Err(failed) => {
                self.fail(failed);
                let (offset, screen) = replay::end_of(&self.log).await;
                let position = Position { epoch, offset };
                let size = self.size_at(offset);
                Shot { position, size, screen: screen.into() }
            }
        }
    }

    fn checkpoint(&self) -> Result<Checkpoint, Failed> {
        match &self.drawn {
            Drawn::Live(parser) => parser.checkpoint(),
            Drawn::Kept(kept) => Ok(kept.clone()),
            Drawn::Failed => Err(Failed),
        }
    }

    /// When [`Keeper::tidy`] has something to do.
    fn due(&self) -> Option<Instant> {
        let behind = self.seen.0.saturating_sub(self.fed().0);
        match &self.drawn {
            Drawn::Failed => None,
            Drawn::Kept(_) if behind < WORTH => None,
            Drawn::Kept(_) => self.quiet(),
            Drawn::Live(_) => self.quiet().max(self.asked.map(|asked| asked + KEPT)),
        }
    }

    /// When it has been quiet for long enough.
    fn quiet(&self) -> Option<Instant> {
        Some(self.looked.map_or_else(Instant::now, |looked| looked + QUIET))
    }

    /// Whether nothing will be asked soon.
    fn may_let_go(&self) -> bool {
        self.asked.is_none_or(|asked| asked + KEPT <= Instant::now())
    }

    /// The parser is not needed any more; this is what it shows.
    async fn let_go(&mut self, kept: Checkpoint) {
        if kept.position.0 >= self.handed.0 + HANDED
            && let Some(state) = kept.encode()
        {
            // A node that comes later goes on from here.
            self.handed = kept.position;
            self.host.checkpoint(kept.position, &state);
        }
        self.put_away(kept).await;
    }

    /// Somebody else needs the parser's place.
    async fn make_room(&mut self) {
        match self.checkpoint() {
            Ok(kept) => self.put_away(kept).await,
            Err(failed) => self.fail(failed),
        }
    }

    async fn put_away(&mut self, kept: Checkpoint) {
        if let Drawn::Live(parser) = std::mem::replace(&mut self.drawn, Drawn::Kept(kept)) {
            thread::run(move || {
                drop(parser);
                memory::give_back();
            })
            .await;
        }
        self.place = None;
    }

    /// Draws while it is quiet, or lets the parser go.
    async fn tidy(&mut self) {
        self.draw_until(self.seen).await;
        if self.may_let_go() {
            match self.checkpoint() {
                Ok(kept) => self.let_go(kept).await,
                Err(failed) => self.fail(failed),
            }
        }
    }

    /// Up to where output is drawn, or waits in the parser.
    fn fed(&self) -> Offset {
        match &self.drawn {
            Drawn::Live(parser) => parser.fed(),
            Drawn::Kept(kept) => kept.position,
            Drawn::Failed => Offset(u64::MAX),
        }
    }

    fn fail(&mut self, failed: Failed) {
        if !matches!(self.drawn, Drawn::Failed) {
            let Offset(at) = self.fed();
            tracing::warn!(
                at,
                pid = self.host.pid(),
                "{failed}: late viewers of this agent get the end of its output instead"
            );
            self.drawn = Drawn::Failed;
            self.undrawn = Undrawn::default();
            self.shot = None;
            self.place = None;
        }
    }

    /// The same, of a parser that is gone already; it is said with the place where the work began.
    fn fail_at(&mut self, position: Offset, failed: Failed) {
        let (size, screen) = (TerminalSize::STANDARD, Bytes::new());
        self.drawn = Drawn::Kept(Checkpoint { position, size, screen });
        self.fail(failed);
    }

    /// Draws all output before `upto`.
    async fn draw_until(&mut self, upto: Offset) {
        while self.fed() < upto {
            if self.step(upto, Mode::Draw).await.is_stuck() {
                return;
            }
        }
        self.resize_here().await;
    }

    /// Draws or passes over so much that less than [`EAGER`] is left.
    async fn pass_over(&mut self) {
        while self.seen.0.saturating_sub(self.fed().0) >= EAGER {
            if self.step(self.seen, Mode::PassOver).await.is_stuck() {
                return;
            }
        }
    }

    /// Draws the next piece of the output before `upto`.
    async fn step(&mut self, upto: Offset, mode: Mode) -> Step {
        self.resize_here().await;
        let from = self.fed();
        if from >= upto {
            // The parser has failed on the new size.
            return Step::Stuck;
        }
        let resize = self
            .log
            .marks(from)
            .into_iter()
            .find(|mark| mark.offset > from && matches!(mark.kind, MarkKind::Resize(_)));
        let upto = resize.map_or(upto, |mark| mark.offset.min(upto));
        // First, so that many who wait for a place hold nothing that is to be drawn.
        self.take_place().await;
        let (bytes, gap) = self.gather(from, upto).await;
        if bytes.is_empty() && gap.is_none() {
            return Step::Stuck;
        }
        let mut drawn = std::mem::replace(&mut self.drawn, Drawn::Failed);
        let size_after = gap.map(|to| (to, self.size_at(to)));
        let is_brief = bytes.len() <= BRIEF && matches!(drawn, Drawn::Live(_));
        let mut work = move || {
            let mut parser = drawn.live()?;
            let fed = match mode {
                Mode::Draw => parser.feed(&bytes),
                Mode::PassOver => parser.pass_over(&bytes),
            };
            fed?;
            Ok(match size_after {
                // Of what is gone nothing is known: it goes on with an empty screen.
                Some((to, size)) => Box::new(Parser::new(size, to)?),
                None => parser,
            })
        };
        let outcome =
            if is_brief { work() } else { thread::run(work).await.unwrap_or(Err(Failed)) };
        match outcome {
            Ok(parser) => {
                self.undrawn.forget_before(parser.fed());
                self.drawn = Drawn::Live(parser);
                Step::Done
            }
            Err(failed) => {
                self.fail_at(from, failed);
                Step::Stuck
            }
        }
    }

    /// Output from `from` on, a slice at most, up to a gap. If it begins with one, where a line
    /// begins behind it.
    async fn gather(&self, from: Offset, upto: Offset) -> (Vec<u8>, Option<Offset>) {
        let length = usize::try_from(upto.0 - from.0).unwrap_or(usize::MAX).min(SLICE);
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = Offset(from.0 + bytes.len() as u64);
            let missing = length - bytes.len();
            let read = match self.undrawn.find(at, missing) {
                Some(piece) => Read::Bytes(piece),
                None => self.log.read(at, missing).await,
            };
            match read {
                Read::Bytes(more) => bytes.extend_from_slice(&more),
                Read::Gap { to, .. } if bytes.is_empty() => {
                    let line = match self.log.read(to, replay::LINE).await {
                        Read::Bytes(bytes) => replay::after_line(&bytes),
                        Read::Gap { .. } | Read::End => 0,
                    };
                    return (bytes, Some(Offset(to.0 + line as u64)));
                }
                Read::Gap { .. } | Read::End => break,
            }
        }
        (bytes, None)
    }

    /// Waits until there may be a parser.
    async fn take_place(&mut self) {
        if self.place.is_none() {
            self.place = Place::take().await;
        }
    }

    /// The terminal has the size that it was given at the place where the drawing is.
    async fn resize_here(&mut self) {
        let at = self.fed();
        let size = match &self.drawn {
            Drawn::Live(parser) => parser.size(),
            Drawn::Kept(kept) => kept.size,
            Drawn::Failed => return,
        };
        let marks = self.log.marks(at);
        let here = marks.iter().take_while(|mark| mark.offset == at);
        let resize = here.filter_map(|mark| match mark.kind {
            MarkKind::Resize(size) => Some(size),
            MarkKind::Stdout | MarkKind::Stderr | MarkKind::Gap(_) => None,
        });
        let Some(new) = resize.last().filter(|new| *new != size) else { return };
        self.take_place().await;
        let drawn = std::mem::replace(&mut self.drawn, Drawn::Failed);
        let resized = { drawn }.live().and_then(|mut parser| parser.resize(new).map(|()| parser));
        match resized {
            Ok(parser) => self.drawn = Drawn::Live(parser),
            Err(failed) => self.fail_at(at, failed),
        }
    }

    /// The size of the terminal at a place.
    fn size_at(&self, at: Offset) -> TerminalSize {
        let marks = self.log.marks(Offset(0));
        let sizes = marks.iter().take_while(|mark| mark.offset <= at);
        let last = sizes.filter_map(|mark| match mark.kind {
            MarkKind::Resize(size) => Some(size),
            MarkKind::Stdout | MarkKind::Stderr | MarkKind::Gap(_) => None,
        });
        last.last().unwrap_or(TerminalSize::STANDARD)
    }
}

impl Drawn {
    /// The parser, made anew if there is none. What is left is of no use.
    fn live(&mut self) -> Result<Box<Parser>, Failed> {
        match std::mem::replace(self, Self::Failed) {
            Self::Live(parser) => Ok(parser),
            Self::Kept(kept) => Ok(Box::new(Parser::restore(&kept)?)),
            Self::Failed => Err(Failed),
        }
    }
}

/// How output is drawn.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Draw,
    PassOver,
}

/// What a piece of drawing has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Done,
    /// There is nothing more to draw, or no way to.
    Stuck,
}

impl Step {
    const fn is_stuck(self) -> bool {
        matches!(self, Self::Stuck)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::OpenOptions,
        io::Write as _,
        os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    };

    use gantline_protocol::{AgentId, Epoch, Timestamp, api::ExitStatus};
    use tokio::time::timeout;

    use super::{super::Screen, *};
    use crate::{
        pty::{
            Shims,
            log::Mark,
            screen::parser::{PANICS, PANICS_AT},
        },
        shim::record::{Definition, Exit, Kind},
    };

    const PATIENCE: Duration = Duration::from_secs(20);

    /// The screen of a process that wrote this and has ended.
    async fn screen_of(dir: &std::path::Path, id: &str, output: &[u8], marks: Vec<Mark>) -> Screen {
        let (log_dir, run_dir) = (dir.join("log"), dir.join("run"));
        let shims = Shims { program: "/nonexistent".into(), log_dir, run_dir };
        let agent_id: AgentId = id.parse().unwrap();
        let at = Timestamp::from(std::time::SystemTime::now());
        let size = TerminalSize::STANDARD;
        let definition = Definition {
            agent_id,
            name: None,
            argv: vec!["true".to_owned()].try_into().unwrap(),
            shell: false,
            cwd: None,
            size,
            kind: Kind::Terminal,
            epoch: Epoch(7),
            number: 1,
            created_at: at,
            agent_created_at: None,
        };
        let files = shims.record(agent_id);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(files.dir()).unwrap();
        std::fs::write(files.dir().join(format!("{:020}.log", 0)), output).unwrap();
        files.write_marks(marks).unwrap();
        let end = Offset(output.len() as u64);
        let exit = Exit { at, end, status: Some(ExitStatus::Code(0)), size };
        let exit = serde_json::to_vec(&exit).unwrap();
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(files.dir().join("exit.json"))
            .and_then(|mut file| file.write_all(&exit))
            .unwrap();
        let host = Host::find(&shims, &definition);
        timeout(PATIENCE, host.wait()).await.expect("it has ended");
        Screen::keep(host, size, Origin::Found)
    }

    async fn shot(screen: &Screen) -> Shot {
        timeout(PATIENCE, screen.shot()).await.expect("no screen comes").expect("its task is there")
    }

    #[tokio::test]
    async fn a_parser_that_panics_costs_its_own_agent_the_exact_screen_and_nobody_anything_else() {
        let dir = tempfile::tempdir().unwrap();
        let output = [b"before\r\n", PANICS, b"\r\nafter\r\n"].concat();
        let hostile = screen_of(dir.path(), "ag-bcdfg", &output, Vec::new()).await;
        for _ in 0..2 {
            // The end of what was written, which draws the same where nothing but lines was.
            let shot = shot(&hostile).await;
            assert_eq!((&*shot.screen, shot.position.offset.0), (&*output, output.len() as u64));
        }
        // Others are drawn by the same thread.
        let long = [vec![b'x'; 40_000], b"\r\nlast\r\n".to_vec()].concat();
        let other = screen_of(dir.path(), "ag-hjkmn", &long, Vec::new()).await;
        let shot = shot(&other).await;
        assert!(shot.screen != long && memchr::memmem::find(&shot.screen, b"last").is_some());
    }

    #[tokio::test]
    async fn parsers_that_panic_on_a_new_size_keep_nobody_from_being_drawn() {
        let dir = tempfile::tempdir().unwrap();
        let output = b"before\r\nafter\r\n";
        let kind = MarkKind::Resize(TerminalSize::new(PANICS_AT, 24).unwrap());
        let resized = vec![Mark { offset: Offset(8), kind }];
        // More of them than may be drawn at once, all of whom stay.
        let mut hostile = Vec::new();
        for id in ["ag-bbbbb", "ag-ccccc", "ag-ddddd"] {
            let screen = screen_of(dir.path(), id, output, resized.clone()).await;
            assert_eq!(&*shot(&screen).await.screen, output);
            hostile.push(screen);
        }
        let other = screen_of(dir.path(), "ag-fffff", output, Vec::new()).await;
        let shot = shot(&other).await;
        assert!(&*shot.screen != output && memchr::memmem::find(&shot.screen, b"after").is_some());
    }
}
