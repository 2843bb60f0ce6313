//! What an agent's terminal shows: for viewers who were not there from the beginning, and for
//! programs that ask.
//!
//! [`Screen`] owns a task that follows the log. It looks at all output for questions, which costs
//! next to nothing, and draws it with a [`parser`] only when somebody wants to see it, when a
//! program asks for what depends on it, when it is quiet, or when so much waits to be drawn that
//! whoever came next would have to wait. What was drawn is a [`checkpoint`]; the parser itself, which
//! takes many megabytes, goes when it has nothing to do.

mod answers;
pub mod checkpoint;
mod keeper;
mod modes;
pub mod parser;
mod places;
mod query;
mod replay;
pub(crate) mod scan;
mod skim;
mod thread;
mod undrawn;

use bytes::Bytes;
use gantline_protocol::terminal::{Position, TerminalSize};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use self::keeper::Keeper;
use super::host::Host;

/// Viewers that wait for a screen. When there are more, they wait to wait.
const WAITING: usize = 16;

/// A screen at a place in the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// It shows the output before this.
    pub position: Position,
    /// The size of the terminal there.
    pub size: TerminalSize,
    /// Bytes that draw it on an empty terminal of that size.
    pub screen: Bytes,
}

/// Whether a process was there before this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This node has started it.
    Started,
    /// It was found. What it has asked before now stays unanswered, as when a terminal is away:
    /// whoever asked has given up by now, and would take the answer for something typed.
    Found,
}

/// The screen of one agent. Its task ends with it.
#[derive(Debug)]
pub struct Screen {
    wanted: mpsc::Sender<oneshot::Sender<Shot>>,
    keeping: JoinHandle<()>,
}

impl Screen {
    /// Keeps the screen of a process whose terminal had this size in the beginning. Needs a Tokio
    /// runtime.
    #[must_use]
    pub fn keep(host: Host, size: TerminalSize, origin: Origin) -> Self {
        let (wanted, wants) = mpsc::channel(WAITING);
        let keeping = tokio::spawn(Keeper::run(host, size, origin, wants));
        Self { wanted, keeping }
    }

    /// What the terminal shows, as near to the end of its output as is quickly had. `None` when the
    /// node is about to stop.
    pub async fn shot(&self) -> Option<Shot> {
        let (tell, told) = oneshot::channel();
        self.wanted.send(tell).await.ok()?;
        told.await.ok()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}
