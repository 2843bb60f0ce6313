//! What a viewer decides: what to show, what to send, what to send again and what to give up. Pure:
//! it is told what happened and when, and says what to do.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gantline_protocol::{
    Epoch, Offset, ViewerId,
    api::ExitStatus,
    terminal::{
        ACK_STEP, Attach, MAX_PAYLOAD, NodeMessage, Position, Snapshot, TerminalSize,
        ViewerMessage, ViewerMode,
    },
};

/// A shorter interruption is not worth a word.
const UNSAID: Duration = Duration::from_secs(2);
/// What was typed into a broken connection is sent within this time or never.
pub(super) const HOLD: Duration = Duration::from_secs(5);
/// Input that is not acknowledged: bytes and pieces. More is not taken.
const MAX_HELD: usize = 256 * 1024;
const MAX_PIECES: usize = 1024;
/// A screen is at most so long, in bytes.
const MAX_SCREEN: usize = 8 * 1024 * 1024;

/// A viewer of one agent. It outlives the connections that carry it.
#[derive(Debug)]
pub(super) struct Viewer {
    id: ViewerId,
    mode: ViewerMode,
    size: TerminalSize,
    /// The size that the last ATTACH told.
    announced: TerminalSize,
    /// For how long input is kept while nobody takes it; for ever if it comes from a program.
    hold: Option<Duration>,
    link: Link,
    epoch: Option<Epoch>,
    /// Up to here everything was handed to the screen. `None` until a snapshot is whole.
    position: Option<Position>,
    acknowledged: Offset,
    screen: Vec<u8>,
    drives: bool,
    typed: VecDeque<Typed>,
    held: usize,
    seq: u64,
    /// Bytes that were typed and given up, until that was said.
    given_up: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// ATTACH was sent, or is about to be.
    Attaching,
    /// ATTACHED was heard.
    Attached,
    /// There is none since then. `said`: a person was told.
    Broken { since: Instant, said: bool },
}

#[derive(Debug)]
struct Typed {
    seq: u64,
    at: Instant,
    was_sent: bool,
    bytes: Bytes,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Send input.
    Input { seq: u64, bytes: Bytes },
    /// Send something that has no payload.
    Say(ViewerMessage<'static>),
    /// Write output; with it everything up to this offset is shown.
    Show { bytes: Vec<u8>, upto: Offset },
    /// Clear the screen and draw it anew.
    Redraw { bytes: Vec<u8>, upto: Offset },
    /// Tell a person that the connection is away.
    Away,
    /// It is back.
    Back,
    /// Tell a person something else.
    Notice(String),
    /// The agent's process ended. If another one follows, it is told.
    Ended(Option<ExitStatus>),
    /// Another process of the agent began.
    Anew,
    /// The node broke the protocol: drop the connection, and come back.
    Fault(&'static str),
}

impl Viewer {
    pub(super) const fn new(
        id: ViewerId,
        mode: ViewerMode,
        size: TerminalSize,
        hold: Option<Duration>,
    ) -> Self {
        Self {
            id,
            mode,
            size,
            announced: size,
            hold,
            link: Link::Attaching,
            epoch: None,
            position: None,
            acknowledged: Offset(0),
            screen: Vec::new(),
            drives: false,
            typed: VecDeque::new(),
            held: 0,
            seq: 0,
            given_up: 0,
        }
    }

    /// Since when the oldest input that was sent has had no answer.
    pub(super) fn unanswered_since(&self) -> Option<Instant> {
        let oldest = self.typed.front().filter(|_| self.link == Link::Attached)?;
        oldest.was_sent.then_some(oldest.at)
    }

    /// The first message of each connection.
    pub(super) fn attach(&mut self) -> Attach {
        self.announced = self.size;
        Attach { viewer: self.id, mode: self.mode, size: self.size, position: self.position }
    }

    /// Whether more input can be taken.
    pub(super) fn has_room(&self) -> bool {
        self.held < MAX_HELD && self.typed.len() < MAX_PIECES
    }

    /// Whether all input has arrived.
    pub(super) fn is_through(&self) -> bool {
        self.typed.is_empty() && self.link == Link::Attached
    }

    /// Somebody typed.
    pub(super) fn type_in(&mut self, bytes: &[u8], now: Instant) -> Vec<Act> {
        if self.mode == ViewerMode::ReadOnly {
            return Vec::new();
        }
        let is_attached = self.link == Link::Attached;
        let mut acts = Vec::new();
        for piece in bytes.chunks(MAX_PAYLOAD) {
            if !self.has_room() {
                self.given_up += piece.len();
                continue;
            }
            self.seq += 1;
            let (seq, bytes) = (self.seq, Bytes::copy_from_slice(piece));
            self.held += piece.len();
            let typed = Typed { seq, at: now, was_sent: is_attached, bytes: bytes.clone() };
            self.typed.push_back(typed);
            if is_attached {
                acts.push(Act::Input { seq, bytes });
            }
        }
        acts
    }

    /// The window has another size.
    pub(super) fn resize(&mut self, size: TerminalSize) -> Vec<Act> {
        self.size = size;
        match self.link {
            Link::Attached => vec![Act::Say(ViewerMessage::Resize(size))],
            Link::Attaching | Link::Broken { .. } => Vec::new(),
        }
    }

    /// Everything up to this offset was written.
    pub(super) fn shown(&mut self, upto: Offset) -> Vec<Act> {
        if self.link != Link::Attached || upto.0 < self.acknowledged.0.saturating_add(ACK_STEP) {
            return Vec::new();
        }
        self.acknowledged = upto;
        vec![Act::Say(ViewerMessage::Ack(upto))]
    }

    /// The connection broke.
    pub(super) fn lose(&mut self, now: Instant) {
        self.screen = Vec::new();
        self.link = match self.link {
            Link::Attaching | Link::Attached => Link::Broken { since: now, said: false },
            broken @ Link::Broken { .. } => broken,
        };
    }

    /// When [`Viewer::tick`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let Link::Broken { since, said } = self.link else {
            return None;
        };
        let unsaid = (!said).then(|| since + UNSAID);
        let stale = self.hold.and_then(|hold| {
            self.typed.iter().find(|typed| !typed.was_sent).map(|typed| typed.at + hold)
        });
        unsaid.into_iter().chain(stale).min()
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Act> {
        let Link::Broken { since, said } = self.link else {
            return Vec::new();
        };
        // What was sent may have been applied; only ATTACHED will tell.
        self.give_up(|typed, hold| !typed.was_sent && now >= typed.at + hold);
        if said || now < since + UNSAID {
            return Vec::new();
        }
        self.link = Link::Broken { since, said: true };
        vec![Act::Away]
    }

    /// The node said something.
    pub(super) fn hear(&mut self, message: NodeMessage<'_>, now: Instant) -> Vec<Act> {
        match message {
            NodeMessage::Attached { position, driver, size: _, applied } => {
                self.drives = driver;
                self.attached(position, applied, now)
            }
            NodeMessage::Snapshot(snapshot) => self.draw(snapshot),
            NodeMessage::Output { offset, bytes } => match &mut self.position {
                Some(position) if position.offset == offset => {
                    position.offset = Offset(offset.0.saturating_add(bytes.len() as u64));
                    vec![Act::Show { bytes: bytes.to_vec(), upto: position.offset }]
                }
                Some(_) | None => vec![Act::Fault("its output does not follow on what was before")],
            },
            NodeMessage::Skipped { from, to } => {
                self.position = None;
                vec![Act::Notice(format!(
                    "{} skipped: more came than got here in time; this is the screen now",
                    amount(to.0.saturating_sub(from.0))
                ))]
            }
            NodeMessage::Size { driver, .. } => {
                self.drives = driver;
                Vec::new()
            }
            NodeMessage::InputAck { seq } => {
                self.applied(seq);
                Vec::new()
            }
            NodeMessage::Exited(status) => vec![Act::Ended(status)],
            NodeMessage::Ignored(_) => Vec::new(),
        }
    }

    fn attached(&mut self, position: Position, applied: u64, now: Instant) -> Vec<Act> {
        let was = std::mem::replace(&mut self.link, Link::Attached);
        if self.position != Some(position) {
            // A snapshot comes first.
            self.position = None;
        }
        self.acknowledged = position.offset;
        let mut acts = Vec::new();
        match self.epoch.replace(position.epoch) {
            Some(epoch) if epoch != position.epoch => {
                acts.push(Act::Anew);
                // It was meant for another process.
                self.given_up += self.held;
                self.typed.clear();
                self.held = 0;
            }
            Some(_) => self.applied(applied),
            None => {}
        }
        if was != Link::Attached {
            self.give_up(|typed, hold| now >= typed.at + hold);
        }
        if matches!(was, Link::Broken { said: true, .. }) {
            acts.push(Act::Back);
            acts.extend(self.ask_for_redrawing());
        }
        if self.announced != self.size {
            self.announced = self.size;
            acts.push(Act::Say(ViewerMessage::Resize(self.size)));
        }
        for typed in &mut self.typed {
            typed.was_sent = true;
            acts.push(Act::Input { seq: typed.seq, bytes: typed.bytes.clone() });
        }
        if self.given_up > 0 {
            let bytes = std::mem::take(&mut self.given_up);
            acts.push(Act::Notice(format!(
                "{bytes} bytes of input were not sent: the connection was away, or the agent began anew"
            )));
        }
        acts
    }

    /// A program that fills the screen draws it anew when its size changes: that takes away what
    /// was written over it meanwhile.
    fn ask_for_redrawing(&self) -> Vec<Act> {
        match TerminalSize::new(self.size.cols(), self.size.rows().saturating_sub(1)) {
            Ok(smaller) if self.drives => {
                [smaller, self.size].map(|size| Act::Say(ViewerMessage::Resize(size))).to_vec()
            }
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    fn draw(&mut self, part: Snapshot<'_>) -> Vec<Act> {
        if self.screen.len() + part.bytes.len() > MAX_SCREEN {
            return vec![Act::Fault("its screen has no end")];
        }
        self.screen.extend_from_slice(part.bytes);
        if !part.last {
            return Vec::new();
        }
        self.position = Some(part.position);
        self.acknowledged = part.position.offset;
        vec![Act::Redraw { bytes: std::mem::take(&mut self.screen), upto: part.position.offset }]
    }

    fn applied(&mut self, seq: u64) {
        while self.typed.front().is_some_and(|typed| typed.seq <= seq) {
            if let Some(typed) = self.typed.pop_front() {
                self.held -= typed.bytes.len();
            }
        }
    }

    fn give_up(&mut self, is_stale: impl Fn(&Typed, Duration) -> bool) {
        let Some(hold) = self.hold else { return };
        let mut freed = 0;
        self.typed.retain(|typed| {
            let stale = is_stale(typed, hold);
            if stale {
                freed += typed.bytes.len();
            }
            !stale
        });
        self.held -= freed;
        self.given_up += freed;
    }
}

/// A number of bytes, in words.
fn amount(bytes: u64) -> String {
    const MB: u64 = 1_000_000;
    match bytes {
        MB.. => format!("{}.{} MB", bytes / MB, bytes % MB / (MB / 10)),
        1000..MB => format!("{} kB", bytes / 1000),
        0..1000 => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests;
