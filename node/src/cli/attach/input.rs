//! What is typed at this end.

use std::{
    io::{self, Read},
    os::fd::OwnedFd,
};

use rustix::{fs::OFlags, io::Errno, stdio::stdin};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
};

use super::terminal;

/// What is read at once, in bytes.
const READ: usize = 16 * 1024;
/// Pieces that wait to be taken; when there are more, no more is read.
const WAITING: usize = 4;

/// Standard input.
pub(super) enum Input {
    /// A terminal: whoever waits for it is woken by the key itself.
    Terminal(AsyncFd<OwnedFd>),
    /// Something else, read in a thread of its own, which ends with the program.
    Pieces(mpsc::Receiver<Vec<u8>>),
}

impl Input {
    pub(super) fn open() -> Self {
        let terminal = terminal::open_again(stdin(), OFlags::RDONLY);
        match terminal.and_then(|terminal| watch(terminal).ok()) {
            Some(terminal) => Self::Terminal(terminal),
            None => Self::Pieces(read_pieces()),
        }
    }

    /// The next piece; `None` at the end. Giving the wait up loses nothing.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        let terminal = match self {
            Self::Terminal(terminal) => terminal,
            Self::Pieces(pieces) => return pieces.recv().await,
        };
        loop {
            let mut ready = terminal.readable().await.ok()?;
            let mut buffer = vec![0; READ];
            match rustix::io::read(ready.get_inner(), &mut buffer) {
                Ok(0) => return None,
                Ok(length) => {
                    buffer.truncate(length);
                    return Some(buffer);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(_) => return None,
            }
        }
    }
}

#[allow(unsafe_code)]
fn watch(terminal: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: `OwnedFd` answers with one descriptor, which is open until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(terminal, Interest::READABLE) }?)
}

fn read_pieces() -> mpsc::Receiver<Vec<u8>> {
    let (give, take) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut buffer = vec![0; READ];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    let piece = buffer.get(..length).unwrap_or_default().to_vec();
                    if give.blocking_send(piece).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    take
}
