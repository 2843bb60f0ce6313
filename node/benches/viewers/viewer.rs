//! A viewer at an agent's terminal, by the Unix socket of its node.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use gantline_client::terminal::{TerminalReceiver, TerminalSender};
use gantline_protocol::{
    Offset, ViewerId,
    api::Agent,
    terminal::{ACK_STEP, Attach, NodeMessage, Position, TerminalSize, ViewerMessage, ViewerMode},
};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::node::Node;

/// Between two keys: longer than a node collects output for at most, as nobody types faster.
pub const PACE: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Acknowledges,
    StandsStill,
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Screen,
    Output,
}

#[derive(Debug)]
enum Told {
    /// The screen is whole.
    Screen,
    /// All output up to here.
    Upto(Digest),
}

/// A viewer that is served in tasks of its own.
pub struct Viewer {
    say: mpsc::UnboundedSender<ViewerMessage<'static>>,
    told: mpsc::UnboundedReceiver<Told>,
    hearing: JoinHandle<()>,
    seq: u64,
    /// All output that it has heard.
    last: Digest,
}

impl Viewer {
    /// Attaches to all output since the beginning, and waits for the first of it.
    pub async fn from_the_beginning(node: &Node, agent: &Agent, behaviour: Behaviour) -> Self {
        let position = Position { epoch: agent.epoch.unwrap(), offset: Offset(0) };
        Self::attach(node, agent, behaviour, Some(position)).await
    }

    /// Attaches to the screen, and waits until it is whole.
    pub async fn at_the_screen(node: &Node, agent: &Agent) -> Self {
        Self::attach(node, agent, Behaviour::Acknowledges, None).await
    }

    async fn attach(
        node: &Node,
        agent: &Agent,
        behaviour: Behaviour,
        position: Option<Position>,
    ) -> Self {
        let (mut sender, receiver) = node.connection.terminal(agent.agent_id).await.unwrap();
        let mut id = [0; 16];
        getrandom::fill(&mut id).unwrap();
        let attach = Attach {
            viewer: ViewerId::from_bytes(id),
            mode: ViewerMode::Drive,
            size: TerminalSize::STANDARD,
            position,
        };
        sender.send(&ViewerMessage::Attach(attach)).await.unwrap();
        let (say, said) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(speak(sender, said));
        let acks = say.clone();
        let hearing = tokio::spawn(hear(receiver, behaviour, acks, tell));
        let mut viewer = Self { say, told, hearing, seq: 0, last: Digest::default() };
        viewer.next().await.expect("it is ready");
        viewer
    }

    pub fn types(&mut self, bytes: &'static [u8]) {
        self.seq += 1;
        self.say.send(ViewerMessage::Input { seq: self.seq, bytes }).unwrap();
    }

    /// How long keys take, in order, as long as this `lasts`, and no more than so many.
    pub async fn echo(&mut self, lasts: &AtomicBool, keys: usize) -> Vec<Duration> {
        let mut times = Vec::new();
        while lasts.load(Ordering::Relaxed) && times.len() < keys {
            tokio::time::sleep(PACE).await;
            let began = Instant::now();
            self.types(b"x");
            self.next().await.expect("it echoes");
            times.push(began.elapsed());
        }
        times.sort_unstable();
        times
    }

    /// Waits until so many bytes of output have come.
    pub async fn until(&mut self, length: u64) {
        while self.last.length < length {
            self.next().await.expect("there is more output");
        }
    }

    /// What it was sent to the end.
    pub async fn end(mut self) -> Digest {
        while let Some(heard) = self.next().await {
            assert_eq!(heard, Heard::Output, "a viewer that keeps up was given the screen");
        }
        self.last
    }

    /// What it hears next; `None` at the end.
    async fn next(&mut self) -> Option<Heard> {
        Some(match self.told.recv().await? {
            Told::Screen => Heard::Screen,
            Told::Upto(digest) => {
                self.last = digest;
                Heard::Output
            }
        })
    }

    pub fn leave(self) {
        self.hearing.abort();
    }
}

async fn speak(
    mut sender: TerminalSender,
    mut said: mpsc::UnboundedReceiver<ViewerMessage<'static>>,
) {
    while let Some(message) = said.recv().await {
        if sender.send(&message).await.is_err() {
            return;
        }
    }
}

async fn hear(
    mut receiver: TerminalReceiver,
    behaviour: Behaviour,
    say: mpsc::UnboundedSender<ViewerMessage<'static>>,
    tell: mpsc::UnboundedSender<Told>,
) {
    let (mut digest, mut acked, mut is_over) = (Digest::default(), 0, false);
    loop {
        let mut told = None;
        let heard = receiver.receive(|message| match message {
            NodeMessage::Snapshot(part) if part.last => told = Some(Told::Screen),
            NodeMessage::Skipped { .. } => panic!("a viewer that keeps up had something skipped"),
            NodeMessage::Output { bytes, .. } => {
                digest = std::mem::take(&mut digest).of(bytes);
                told = Some(Told::Upto(digest.clone()));
            }
            NodeMessage::Exited(_) => is_over = true,
            _ => {}
        });
        if !matches!(heard.await, Ok(true)) || is_over {
            return;
        }
        // It is for the viewer's owner to end.
        let is_told = told.is_some();
        let _ = told.map(|told| tell.send(told));
        if behaviour == Behaviour::StandsStill && is_told {
            return std::future::pending().await;
        }
        if digest.length - acked >= ACK_STEP {
            acked = digest.length;
            let _ = say.send(ViewerMessage::Ack(Offset(acked)));
        }
    }
}

/// A sum that tells streams apart: FNV, eight bytes at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    sum: u64,
    pub length: u64,
    rest: Vec<u8>,
}

impl Default for Digest {
    fn default() -> Self {
        Self { sum: 0xcbf2_9ce4_8422_2325, length: 0, rest: Vec::new() }
    }
}

impl Digest {
    pub fn of(mut self, bytes: &[u8]) -> Self {
        self.length += bytes.len() as u64;
        let mut bytes = bytes;
        if !self.rest.is_empty() {
            let (now, later) = bytes.split_at((8 - self.rest.len()).min(bytes.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if let Ok(word) = <[u8; 8]>::try_from(&*self.rest) {
                self.add(word);
                self.rest.clear();
            }
        }
        let words = bytes.chunks_exact(8);
        self.rest.extend_from_slice(words.remainder());
        for word in words {
            self.add(word.try_into().unwrap());
        }
        self
    }

    fn add(&mut self, word: [u8; 8]) {
        self.sum = (self.sum ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}
