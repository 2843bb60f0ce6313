//! Writes to the terminal at this end. What it has no room for waits in a thread of its own: a terminal
//! that stands still holds up the output, and nothing else.

use std::{
    io::{self, IsTerminal, Write},
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gantline_protocol::Offset;
use rustix::{fs::OFlags, io::Errno, stdio::stdout};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{modes::Modes, terminal};
use crate::cli::{agent, out};

/// Pieces that wait to be written. When there are more, output is taken from the node no longer.
const WAITING: usize = 64;
/// How long the last output may take to be written when the viewer leaves.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The screen.
#[derive(Debug)]
pub(super) struct Screen {
    /// The terminal, if it is one: it takes what it has room for.
    terminal: Option<OwnedFd>,
    pieces: mpsc::Sender<Piece>,
    /// Pieces that are not written yet.
    unwritten: Arc<AtomicUsize>,
    tell: watch::Sender<Shown>,
    shown: watch::Receiver<Shown>,
    ended: oneshot::Receiver<()>,
    modes: Arc<Mutex<Modes>>,
    is_terminal: bool,
    /// What to say when the terminal is a person's again.
    later: Vec<String>,
    banner: Banner,
}

/// How far the screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Everything before this offset is written.
    Upto(Offset),
    /// Nobody reads any more.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Banner {
    None,
    /// On another screen, behind which the agent's is as it was.
    OtherScreen,
    /// Over the last line of the agent's other screen.
    LastLine,
}

#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    upto: Option<Offset>,
}

impl Screen {
    pub(super) fn open() -> Self {
        let (pieces, mut waiting) = mpsc::channel::<Piece>(WAITING);
        let (tell, shown) = watch::channel(Shown::Upto(Offset(0)));
        let (end, ended) = oneshot::channel();
        let unwritten = Arc::new(AtomicUsize::new(0));
        let (left, teller) = (unwritten.clone(), tell.clone());
        std::thread::spawn(move || {
            let mut stdout = io::stdout();
            while let Some(piece) = waiting.blocking_recv() {
                if stdout.write_all(&piece.bytes).and_then(|()| stdout.flush()).is_err() {
                    teller.send_replace(Shown::Broken);
                    break;
                }
                if let Some(upto) = piece.upto {
                    teller.send_replace(Shown::Upto(upto));
                }
                left.fetch_sub(1, Ordering::Release);
            }
            let _ = end.send(());
        });
        Self {
            terminal: terminal::open_again(stdout(), OFlags::WRONLY),
            pieces,
            unwritten,
            tell,
            shown,
            ended,
            modes: Arc::default(),
            is_terminal: io::stdout().is_terminal(),
            later: Vec::new(),
            banner: Banner::None,
        }
    }

    /// What the output has done to the terminal.
    pub(super) const fn modes(&self) -> &Arc<Mutex<Modes>> {
        &self.modes
    }

    /// Whether more can be written. Giving the wait up loses nothing.
    pub(super) async fn has_room(&self) {
        // Room for what one batch from the node may hold, and then some.
        if let Ok(permits) = self.pieces.reserve_many(WAITING / 2).await {
            drop(permits);
        }
    }

    /// To wait for [`Screen::progress`] with.
    pub(super) fn watch(&self) -> watch::Receiver<Shown> {
        self.shown.clone()
    }

    /// How far the screen is, whenever that changes.
    pub(super) async fn progress(shown: &mut watch::Receiver<Shown>) -> Shown {
        if shown.changed().await.is_err() {
            return Shown::Broken;
        }
        *shown.borrow_and_update()
    }

    /// Writes output.
    pub(super) async fn show(&mut self, bytes: Vec<u8>, upto: Offset) {
        self.follow(&bytes);
        self.put(bytes, Some(upto)).await;
    }

    /// Clears the screen and draws it.
    pub(super) async fn redraw(&mut self, bytes: Vec<u8>, upto: Offset) {
        if self.is_terminal {
            let undo =
                std::mem::take(&mut *self.modes.lock().unwrap_or_else(PoisonError::into_inner))
                    .undo();
            self.put([&undo[..], b"\x1b[H\x1b[2J"].concat(), None).await;
        }
        self.show(bytes, upto).await;
    }

    /// Tells a person something.
    pub(super) async fn notice(&mut self, text: &str) {
        if !self.is_terminal {
            out::say(format!("gantline: {text}"));
        } else if self.is_on_other_screen() {
            self.later.push(text.to_owned());
        } else {
            self.put(format!("\r\n\x1b[7m gantline: {text} \x1b[0m\r\n").into_bytes(), None).await;
        }
    }

    /// Says that the connection is away, on the last line.
    pub(super) async fn away(&mut self, name: &str) {
        let text = format!("gantline: reconnecting to {name}; the agent goes on. Ctrl-] leaves");
        if !self.is_terminal {
            out::say(text);
            return;
        }
        let size =
            agent::terminal_size().unwrap_or(gantline_protocol::terminal::TerminalSize::STANDARD);
        let text = crate::cli::text::cut(&text, size.cols().saturating_sub(2).into());
        let line = format!("\x1b[{};1H\x1b[7m {text} \x1b[0m\x1b[K", size.rows());
        let drawn = match self.is_on_other_screen() {
            true => {
                self.banner = Banner::LastLine;
                format!("\x1b7{line}\x1b8")
            }
            false => {
                self.banner = Banner::OtherScreen;
                format!("\x1b[?1049h\x1b[2J{line}")
            }
        };
        self.put(drawn.into_bytes(), None).await;
    }

    /// Takes that back.
    pub(super) async fn back(&mut self) {
        let banner = std::mem::replace(&mut self.banner, Banner::None);
        if !self.is_terminal {
            out::say("gantline: connected again");
        } else if banner == Banner::OtherScreen {
            self.put(b"\x1b[?1049l".to_vec(), None).await;
        }
    }

    /// Waits until everything is written, but not for ever. Gives what is still to be said.
    pub(super) async fn finish(mut self) -> Vec<String> {
        if self.banner != Banner::None {
            self.back().await;
        }
        let Self { pieces, ended, later, .. } = self;
        drop(pieces);
        let _ = timeout(LAST_WORDS, ended).await;
        later
    }

    fn is_on_other_screen(&self) -> bool {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner).is_on_other_screen()
    }

    fn follow(&self, bytes: &[u8]) {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner).follow(bytes);
    }

    async fn put(&self, mut bytes: Vec<u8>, upto: Option<Offset>) {
        if let Some(terminal) = &self.terminal
            && self.unwritten.load(Ordering::Acquire) == 0
        {
            match rustix::io::write(terminal, &bytes) {
                Ok(written) if written >= bytes.len() => {
                    if let Some(upto) = upto {
                        self.tell.send_replace(Shown::Upto(upto));
                    }
                    return;
                }
                Ok(written) => drop(bytes.drain(..written)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => {
                    self.tell.send_replace(Shown::Broken);
                    return;
                }
            }
        }
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        // A screen that is gone says so by its progress. One that stands still loses what does not
        // fit when the viewer leaves, and nothing before.
        let _ = self.pieces.send(Piece { bytes, upto }).await;
    }
}
