//! A page's viewer of one agent, over all of its conversations: it fails the scenario when a byte of
//! output is lost or doubled, and types again what was not applied.

use gantline_protocol::{
    ViewerId,
    terminal::{Attach, NodeMessage, Position, TerminalSize, ViewerMessage, ViewerMode},
};
use tokio_tungstenite::tungstenite::Error;

use crate::{
    page::{Page, PageTerminal},
    soon,
};

/// A viewer in a page. What it has seen survives a broken conversation.
#[derive(Debug)]
pub struct PageViewer {
    path: String,
    id: ViewerId,
    terminal: PageTerminal,
    from: Position,
    /// Every byte of output since it attached first, in order.
    pub seen: Vec<u8>,
    /// Input, numbered from 1.
    typed: Vec<String>,
    applied: u64,
}

impl PageViewer {
    /// Attaches to the agent whose terminal is at this path of the page's node.
    ///
    /// # Panics
    /// If there is none.
    pub async fn attach(page: &Page, path: String) -> Self {
        let mut id = [0; 16];
        getrandom::fill(&mut id).expect("the system has randomness");
        let id = ViewerId::from_bytes(id);
        let mut terminal = page.terminal(&path).await.expect("there is a terminal");
        let attached = attach(&mut terminal, id, None).await;
        let from = attached.expect("the terminal takes a viewer");
        Self { path, id, terminal, from, seen: Vec::new(), typed: Vec::new(), applied: 0 }
    }

    /// Types. Into a conversation that is gone: when it has come back.
    pub async fn types(&mut self, keys: &str) {
        self.typed.push(keys.to_owned());
        let seq = self.typed.len() as u64;
        let _ = self.terminal.say(&ViewerMessage::Input { seq, bytes: keys.as_bytes() }).await;
    }

    /// Watches until `text` was seen since the beginning.
    ///
    /// # Errors
    /// The code with which the conversation was closed before.
    ///
    /// # Panics
    /// If output was lost or doubled.
    pub async fn until(&mut self, text: &str) -> Result<(), u16> {
        while !String::from_utf8_lossy(&self.seen).contains(text) {
            let expected = self.position().offset;
            let hear = self.terminal.hear(|message| match message {
                NodeMessage::Output { offset, bytes } => {
                    assert_eq!(offset, expected, "output was lost or doubled");
                    self.seen.extend_from_slice(bytes);
                }
                NodeMessage::InputAck { seq } => self.applied = seq,
                NodeMessage::Attached { .. }
                | NodeMessage::Exited(_)
                | NodeMessage::Snapshot(_)
                | NodeMessage::Skipped { .. }
                | NodeMessage::Size { .. }
                | NodeMessage::Ignored(_) => {}
            });
            hear.await?;
        }
        Ok(())
    }

    /// Begins the conversation again from where it was, by this page.
    ///
    /// # Errors
    /// What the node answers instead, or that the conversation broke at once.
    ///
    /// # Panics
    /// If the agent's process is another one.
    pub async fn come_back(&mut self, page: &Page) -> Result<(), Box<Error>> {
        let position = self.position();
        self.terminal = page.terminal(&self.path).await?;
        let attached = attach(&mut self.terminal, self.id, Some(position)).await;
        let there = attached.map_err(|_| Box::new(Error::ConnectionClosed))?;
        assert_eq!(there.epoch, position.epoch, "it is another process");
        for (seq, keys) in (1..).zip(&self.typed).filter(|(seq, _)| *seq > self.applied) {
            self.terminal.say(&ViewerMessage::Input { seq, bytes: keys.as_bytes() }).await?;
        }
        Ok(())
    }

    /// The same, again and again, as a page does while somebody looks at it.
    pub async fn come_back_soon(&mut self, page: &Page) {
        let back = async { while self.come_back(page).await.is_err() {} };
        soon("the terminal", back).await;
    }

    fn position(&self) -> Position {
        let mut position = self.from;
        position.offset.0 += self.seen.len() as u64;
        position
    }
}

async fn attach(
    terminal: &mut PageTerminal,
    viewer: ViewerId,
    position: Option<Position>,
) -> Result<Position, u16> {
    let size = TerminalSize::STANDARD;
    let attach = Attach { viewer, mode: ViewerMode::Drive, size, position };
    terminal.say(&ViewerMessage::Attach(attach)).await.map_err(|_| 1006u16)?;
    loop {
        let attached = terminal.hear(|message| match message {
            NodeMessage::Attached { position, .. } => Some(position),
            NodeMessage::Output { .. }
            | NodeMessage::Exited(_)
            | NodeMessage::Snapshot(_)
            | NodeMessage::Skipped { .. }
            | NodeMessage::Size { .. }
            | NodeMessage::InputAck { .. }
            | NodeMessage::Ignored(_) => None,
        });
        if let Some(position) = attached.await? {
            return Ok(position);
        }
    }
}
