//! A viewer of one scenario: it attaches to an agent, remembers every byte and where it was, and
//! comes back.

use gantline_client::{
    Connection, RequestError,
    terminal::{TerminalReceiver, TerminalSender},
};
use gantline_protocol::{
    AgentId, Epoch, Offset, ViewerId,
    api::ExitStatus,
    terminal::{Attach, NodeMessage, Position, TerminalSize, ViewerMessage, ViewerMode},
};

use crate::soon;

/// A viewer. What it has seen survives a broken connection.
#[derive(Debug)]
pub struct TestViewer {
    id: ViewerId,
    agent: AgentId,
    /// Every byte of output, in order.
    pub seen: Vec<u8>,
    /// Where the first byte of `seen` is, and the life of the process.
    start: Option<Position>,
    /// The input that was typed, by number from 1.
    typed: Vec<Vec<u8>>,
    applied: u64,
    exit: Option<Option<ExitStatus>>,
    skipped: u64,
}

/// One attachment of a viewer.
#[derive(Debug)]
pub struct Attached {
    sender: TerminalSender,
    receiver: TerminalReceiver,
}

impl TestViewer {
    /// A viewer that has seen nothing of the agent yet; it wants everything from the first byte.
    #[must_use]
    pub fn of(agent: AgentId) -> Self {
        let mut id = [0; 16];
        getrandom::fill(&mut id).expect("the system has randomness");
        Self {
            id: ViewerId::from_bytes(id),
            agent,
            seen: Vec::new(),
            start: None,
            typed: Vec::new(),
            applied: 0,
            exit: None,
            skipped: 0,
        }
    }

    /// Wants everything from the first byte of this life of the agent's process.
    pub fn from_the_beginning(&mut self, epoch: Epoch) {
        self.start = Some(Position { epoch, offset: Offset(0) });
    }

    /// Attaches, where it was before if it was there before, and types again what was not applied.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn attach(&mut self, to: &Connection) -> Result<Attached, RequestError> {
        let (sender, receiver) = soon("a terminal", to.terminal(self.agent)).await?;
        let mut attached = Attached { sender, receiver };
        let attach = Attach {
            viewer: self.id,
            mode: ViewerMode::Drive,
            size: TerminalSize::STANDARD,
            position: self.position(),
        };
        attached.sender.send(&ViewerMessage::Attach(attach)).await?;
        let mut is_attached = false;
        while !is_attached {
            is_attached = soon("ATTACHED", self.listen(&mut attached)).await?;
        }
        for seq in self.applied + 1..=self.typed.len() as u64 {
            self.send_input(&mut attached, seq).await?;
        }
        Ok(attached)
    }

    /// Types.
    ///
    /// # Errors
    /// [`RequestError`]; it is typed again at the next attachment.
    pub async fn input(&mut self, at: &mut Attached, bytes: &[u8]) -> Result<(), RequestError> {
        self.typed.push(bytes.to_vec());
        self.send_input(at, self.typed.len() as u64).await
    }

    /// Changes the size of the window.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn resize(
        &mut self,
        at: &mut Attached,
        size: TerminalSize,
    ) -> Result<(), RequestError> {
        at.sender.send(&ViewerMessage::Resize(size)).await
    }

    /// Watches until `text` has been seen.
    ///
    /// # Errors
    /// [`RequestError`] when the connection broke.
    pub async fn until(&mut self, at: &mut Attached, text: &str) -> Result<(), RequestError> {
        soon(text, async {
            while !self.has_seen(text) {
                self.listen(at).await?;
            }
            Ok(())
        })
        .await
    }

    /// Watches until this many bytes have been seen.
    ///
    /// # Errors
    /// [`RequestError`] when the connection broke.
    pub async fn until_length(
        &mut self,
        at: &mut Attached,
        length: usize,
    ) -> Result<(), RequestError> {
        while self.seen.len() < length {
            soon("output", self.listen(at)).await?;
        }
        Ok(())
    }

    /// Watches until the agent's process has ended; how.
    ///
    /// # Errors
    /// [`RequestError`] when the connection broke.
    pub async fn until_exit(
        &mut self,
        at: &mut Attached,
    ) -> Result<Option<ExitStatus>, RequestError> {
        loop {
            if let Some(exit) = self.exit {
                return Ok(exit);
            }
            soon("output", self.listen(at)).await?;
        }
    }

    /// Watches until the agent's process is another one.
    ///
    /// # Errors
    /// [`RequestError`] when the conversation ended.
    pub async fn until_anew(
        &mut self,
        at: &mut Attached,
        epoch: Epoch,
    ) -> Result<(), RequestError> {
        while self.start.is_none_or(|start| start.epoch != epoch) {
            soon("another process", self.listen(at)).await?;
        }
        Ok(())
    }

    /// Whether the output has this text in it.
    #[must_use]
    pub fn has_seen(&self, text: &str) -> bool {
        let text = text.as_bytes();
        self.seen.windows(text.len()).any(|window| window == text)
    }

    /// Bytes that the node said it left out.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Hears what there is; whether an ATTACHED was in it.
    async fn listen(&mut self, at: &mut Attached) -> Result<bool, RequestError> {
        let mut is_attached = false;
        let goes_on = at
            .receiver
            .receive(|message| {
                is_attached |= matches!(message, NodeMessage::Attached { .. }) | self.hear(message)
            })
            .await?;
        if !goes_on && self.exit.is_none() {
            return Err(RequestError::Malformed("the conversation ended".to_owned()));
        }
        if let Some(position) = self.position() {
            // A node that has said its last word does not hear it; what is broken shows above.
            let _ = at.sender.send(&ViewerMessage::Ack(position.offset)).await;
        }
        Ok(is_attached)
    }

    fn hear(&mut self, message: NodeMessage<'_>) -> bool {
        match message {
            NodeMessage::Attached { position, applied, .. } => {
                self.applied = applied;
                if self.start.is_some_and(|start| start.epoch != position.epoch) {
                    // Another process: of that one nothing was seen.
                    (self.start, self.exit) = (Some(position), None);
                    self.seen.clear();
                }
                if self.position() != Some(position) && self.start.is_none() {
                    self.start = Some(position);
                }
            }
            NodeMessage::Output { offset, bytes } => {
                let expected = self.position().map(|position| position.offset);
                assert_eq!(expected, Some(offset), "output was lost or doubled");
                self.seen.extend_from_slice(bytes);
            }
            NodeMessage::Skipped { from, to } => {
                self.skipped += to.0 - from.0;
                // What is seen no longer follows on the first byte; the place still does.
                if let Some(start) = &mut self.start {
                    start.offset.0 += to.0 - from.0;
                }
            }
            NodeMessage::InputAck { seq } => self.applied = seq,
            NodeMessage::Exited(status) => self.exit = Some(status),
            NodeMessage::Snapshot(_) | NodeMessage::Size { .. } | NodeMessage::Ignored(_) => {}
        }
        false
    }

    fn position(&self) -> Option<Position> {
        let start = self.start?;
        Some(Position { offset: Offset(start.offset.0 + self.seen.len() as u64), ..start })
    }

    async fn send_input(&self, at: &mut Attached, seq: u64) -> Result<(), RequestError> {
        let bytes = &self.typed[seq as usize - 1];
        at.sender.send(&ViewerMessage::Input { seq, bytes }).await
    }
}
