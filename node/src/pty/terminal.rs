//! One viewer at an agent's terminal, from ATTACH to DETACH. Output goes out at once when it is
//! seldom, and in batches when there is much; a viewer that is slow is slow for itself alone.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use gantline_protocol::{
    Offset, WireError,
    terminal::{
        Attach, MAX_PAYLOAD, NodeMessage, Position, TerminalSize, ViewerMessage, ViewerMode,
        output_header, snapshot_parts,
    },
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    flow::{Flow, Next},
    host::Host,
    hub::{Hub, Viewer},
    log::{Log, Read},
    screen::{Screen, Shot},
};
use crate::duplex::{DuplexError, MessageReceiver, MessageSender};

/// How long a viewer may take to introduce itself.
const ATTACH_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait for a screen that is not ahead of the viewer yet.
const SCREEN: Duration = Duration::from_millis(4);
/// How long what a viewer has typed before it left may wait for the process.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// Bytes of a viewer's input that may wait for the process. When there are so many, it is listened to
/// no more until some were typed.
const WAITING_INPUT: usize = 256 * 1024;

/// Why a viewer was sent away.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// The conversation broke off.
    #[error(transparent)]
    Duplex(#[from] DuplexError),
    /// The viewer broke the rules.
    #[error("the viewer broke the protocol: {0}")]
    Wire(#[from] WireError),
    /// The viewer did something at the wrong time.
    #[error("the viewer broke the protocol: {0}")]
    Rule(&'static str),
    /// The node is about to stop.
    #[error("this node is stopping")]
    Stopping,
    /// As many viewers watch as there may be.
    #[error("this agent has as many viewers as it may have")]
    Full,
}

/// Serves one viewer at one life of an agent's process, until it leaves or that has ended. `may_drive`
/// says whether it may type and decide the size, whatever it asks for.
///
/// # Errors
/// [`TerminalError`].
pub async fn serve(
    hub: &Hub,
    sender: impl MessageSender,
    receiver: impl MessageReceiver,
    may_drive: bool,
) -> Result<(), TerminalError> {
    serve_lives(hub.clone(), |_| std::future::ready(None), sender, receiver, may_drive).await
}

/// Serves one viewer until it leaves or the agent's process has ended for good. `may_drive` says
/// whether it may type and decide the size, whatever it asks for; `next` waits for the terminal of the
/// life that follows after this one's, if one does.
///
/// # Errors
/// [`TerminalError`].
pub async fn serve_lives<F: Future<Output = Option<Hub>>>(
    first: Hub,
    next: impl Fn(Hub) -> F,
    mut sender: impl MessageSender,
    mut receiver: impl MessageReceiver,
    may_drive: bool,
) -> Result<(), TerminalError> {
    let message = timeout(ATTACH_WITHIN, receiver.receive()).await;
    let message = message.map_err(|_| TerminalError::Rule("no ATTACH within 10 s"))??;
    let Some(message) = message else { return Ok(()) };
    let ViewerMessage::Attach(mut attach) = ViewerMessage::decode(&message)? else {
        return Err(TerminalError::Rule("the first message is not ATTACH"));
    };
    let mut hub = first;
    loop {
        let has_ended = serve_life(&hub, &attach, &mut sender, &mut receiver, may_drive).await?;
        if has_ended == HasEnded::No {
            return Ok(());
        }
        let next = next(hub);
        tokio::pin!(next);
        hub = loop {
            tokio::select! {
                biased;
                next = &mut next => match next {
                    Some(next) => break next,
                    None => return Ok(()),
                },
                message = receiver.receive() => match between_lives(message?, &mut attach)? {
                    HasEnded::Yes => {}
                    HasEnded::No => return Ok(()),
                },
            }
        };
        // Of the life that begins it has seen nothing.
        attach.position = None;
    }
}

/// Hears a viewer while there is no process; `No` when it leaves. What it types is for nobody.
fn between_lives(message: Option<Bytes>, attach: &mut Attach) -> Result<HasEnded, TerminalError> {
    let Some(message) = message else { return Ok(HasEnded::No) };
    match ViewerMessage::decode(&message)? {
        ViewerMessage::Attach(_) => return Err(TerminalError::Rule("a second ATTACH")),
        ViewerMessage::Detach => return Ok(HasEnded::No),
        ViewerMessage::Resize(size) => attach.size = size,
        ViewerMessage::Input { .. }
        | ViewerMessage::Ack(_)
        | ViewerMessage::Take
        | ViewerMessage::Ignored(_) => {}
    }
    Ok(HasEnded::Yes)
}

/// Whether the process has ended; if not, the viewer has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HasEnded {
    Yes,
    No,
}

/// Serves a viewer at one life of the process.
async fn serve_life(
    hub: &Hub,
    attach: &Attach,
    sender: &mut impl MessageSender,
    receiver: &mut impl MessageReceiver,
    may_drive: bool,
) -> Result<HasEnded, TerminalError> {
    let viewer = hub.enter(attach.size).ok_or(TerminalError::Full)?;
    let seat = Seat {
        host: hub.host(),
        log: hub.host().log(),
        screen: hub.screen(),
        viewer,
        may_drive: may_drive && attach.mode == ViewerMode::Drive,
        attach: *attach,
        acked: AtomicU64::new(0),
        typed: AtomicU64::new(0),
        heard: AtomicBool::new(false),
    };
    let start = seat.begin(sender).await?;
    tokio::select! {
        // What was typed is known before its echo is told, and both are told together.
        biased;
        result = seat.listen(receiver) => result.map(|()| HasEnded::No),
        result = seat.tell(sender, start) => result.map(|()| HasEnded::Yes),
    }
}

/// What a viewer was told.
struct Known {
    /// Where output goes on, and how.
    flow: Flow,
    /// The number of its last input that it knows to be applied.
    confirmed: u64,
    /// The size of the terminal, and whether it drives.
    situation: (TerminalSize, bool),
}

/// What a viewer has typed and the process has no room for yet.
#[derive(Debug, Default)]
struct Inputs {
    waiting: VecDeque<(u64, Bytes)>,
    /// How much they take.
    bytes: usize,
}

impl Inputs {
    fn cost(bytes: &Bytes) -> usize {
        bytes.len() + size_of::<(u64, Bytes)>()
    }

    fn push(&mut self, seq: u64, bytes: Bytes) {
        self.bytes += Self::cost(&bytes);
        self.waiting.push_back((seq, bytes));
    }

    fn pop(&mut self) {
        if let Some((_, bytes)) = self.waiting.pop_front() {
            self.bytes -= Self::cost(&bytes);
        }
    }
}

/// A viewer at its place.
struct Seat<'a> {
    host: &'a Host,
    log: &'a Log,
    screen: &'a Screen,
    viewer: Viewer,
    may_drive: bool,
    attach: Attach,
    /// Up to where the viewer has shown the output.
    acked: AtomicU64,
    /// The number of its last input that was applied.
    typed: AtomicU64,
    /// One of these has changed, which whoever tells looks at after whoever listens: both are one
    /// task, and to wake it for that would wake a thread as well.
    heard: AtomicBool,
}

impl Seat<'_> {
    /// Says where the viewer is, and brings it there. Returns what it knows then.
    async fn begin(&self, sender: &mut impl MessageSender) -> Result<Known, TerminalError> {
        let epoch = self.log.epoch();
        let known = self.attach.position.filter(|known| known.epoch == epoch);
        let known = known.map(|known| known.offset).filter(|known| *known <= self.log.end());
        if let Some(offset) = known.filter(|known| *known >= self.log.start()) {
            let flow = Flow::new(offset, self.log.end());
            return self.say_attached(sender, Position { epoch, offset }, flow).await;
        }
        let shot = self.screen.shot().await.ok_or(TerminalError::Stopping)?;
        let flow = Flow::new(shot.position.offset, shot.position.offset);
        let told = self.say_attached(sender, shot.position, flow).await?;
        let skipped = known.filter(|from| *from < shot.position.offset);
        say_shot(sender, skipped, &shot).await?;
        Ok(told)
    }

    async fn say_attached(
        &self,
        sender: &mut impl MessageSender,
        position: Position,
        flow: Flow,
    ) -> Result<Known, TerminalError> {
        self.acked.store(position.offset.0, Ordering::Relaxed);
        let situation = self.viewer.situation();
        let (size, driver) = situation;
        let applied = self.host.last_written(self.attach.viewer);
        self.typed.store(applied, Ordering::Relaxed);
        say(sender, &NodeMessage::Attached { position, driver, size, applied }).await?;
        Ok(Known { flow, confirmed: applied, situation })
    }

    /// Does what the viewer asks for. While its input waits for a process that does not read, it is
    /// still heard, until too much waits.
    async fn listen(&self, receiver: &mut impl MessageReceiver) -> Result<(), TerminalError> {
        let mut inputs = Inputs::default();
        loop {
            let message = tokio::select! {
                biased;
                () = self.type_next(&mut inputs), if !inputs.waiting.is_empty() => continue,
                message = receiver.receive(), if inputs.bytes < WAITING_INPUT => message?,
            };
            let Some(message) = message else { break };
            match ViewerMessage::decode(&message)? {
                ViewerMessage::Attach(_) => return Err(TerminalError::Rule("a second ATTACH")),
                ViewerMessage::Input { seq, bytes } if self.may_drive => {
                    self.viewer.typed();
                    inputs.push(seq, Bytes::copy_from_slice(bytes));
                }
                ViewerMessage::Resize(size) if self.may_drive => self.viewer.resize(size),
                ViewerMessage::Take if self.may_drive => self.viewer.take(),
                ViewerMessage::Ack(offset) => {
                    self.acked.fetch_max(offset.0, Ordering::Relaxed);
                    self.heard.store(true, Ordering::Relaxed);
                }
                ViewerMessage::Detach => break,
                ViewerMessage::Input { .. }
                | ViewerMessage::Resize(_)
                | ViewerMessage::Take
                | ViewerMessage::Ignored(_) => {}
            }
        }
        let typed = async {
            while !inputs.waiting.is_empty() {
                self.type_next(&mut inputs).await;
            }
        };
        // What does not get typed now was never acknowledged.
        let _ = timeout(LEAVE_WITHIN, typed).await;
        Ok(())
    }

    /// Types the first of the inputs. Giving the wait up leaves them as they are.
    async fn type_next(&self, inputs: &mut Inputs) {
        let Some((seq, bytes)) = inputs.waiting.front().cloned() else { return };
        if self.host.write(self.attach.viewer, seq, bytes).await {
            self.typed.fetch_max(seq, Ordering::Relaxed);
            self.heard.store(true, Ordering::Relaxed);
        }
        inputs.pop();
    }

    /// Tells the viewer what happens, until the process has ended.
    async fn tell(
        &self,
        sender: &mut impl MessageSender,
        known: Known,
    ) -> Result<(), TerminalError> {
        let mut follower = self.log.follow();
        let Known { mut flow, mut confirmed, mut situation } = known;
        loop {
            let typed = self.typed.load(Ordering::Relaxed);
            let mut is_flushed = true;
            if typed > confirmed {
                confirmed = typed;
                sender.send_soon(framed(&NodeMessage::InputAck { seq: typed })?).await?;
                is_flushed = false;
            }
            let now = self.viewer.situation();
            if now != situation {
                situation = now;
                let (size, driver) = now;
                sender.send_soon(framed(&NodeMessage::Size { size, driver })?).await?;
                is_flushed = false;
            }
            flow.acknowledged(Offset(self.acked.load(Ordering::Relaxed)), Instant::now().into());
            let progress = self.log.progress();
            if progress.is_closed && flow.at() >= progress.end {
                return say(sender, &NodeMessage::Exited(self.host.wait().await)).await;
            }
            let next = flow.next(progress.end, progress.is_closed, Instant::now().into());
            let at = flow.at();
            let more = async {
                match next {
                    // Being woken for all that comes meanwhile would cost more than it gives.
                    Next::Later(due) => tokio::select! {
                        () = sleep_until(due.into()) => {}
                        () = self.log.closed() => {}
                    },
                    Next::Output => drop(follower.beyond(at).await),
                    Next::Acknowledgement => std::future::pending().await,
                    Next::Send | Next::Skip => {}
                }
            };
            match next {
                Next::Send => self.send_output(sender, &mut flow).await?,
                Next::Skip => self.send_screen(sender, &mut flow).await?,
                Next::Later(_) | Next::Output | Next::Acknowledgement => {
                    if !is_flushed {
                        sender.flush().await?;
                    }
                    tokio::select! {
                        biased;
                        () = self.hears() => {}
                        () = self.viewer.changes(situation) => {}
                        () = more => {}
                    }
                }
            }
        }
    }

    /// Waits until the viewer was heard. Whoever waits looks again whenever [`Self::listen`] was polled.
    async fn hears(&self) {
        poll_fn(|_| match self.heard.swap(false, Ordering::Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Sends one batch.
    async fn send_output(
        &self,
        sender: &mut impl MessageSender,
        flow: &mut Flow,
    ) -> Result<(), TerminalError> {
        let from = flow.at();
        match self.log.read(from, MAX_PAYLOAD).await {
            Read::Bytes(bytes) => {
                let next = Offset(from.0 + bytes.len() as u64);
                let head = output_header(from, bytes.len());
                sender.send_parts(&head, bytes).await?;
                flow.sent(next, Instant::now().into());
            }
            Read::Gap { .. } => self.send_screen(sender, flow).await?,
            Read::End => {}
        }
        Ok(())
    }

    /// Leaves out what the viewer has not seen, and sends the screen after it.
    async fn send_screen(
        &self,
        sender: &mut impl MessageSender,
        flow: &mut Flow,
    ) -> Result<(), TerminalError> {
        let shot = self.screen.shot().await.ok_or(TerminalError::Stopping)?;
        let to = shot.position.offset;
        if to <= flow.at() {
            // What draws it is behind, which is rare and soon over.
            sleep(SCREEN).await;
            return Ok(());
        }
        say_shot(sender, Some(flow.at()), &shot).await?;
        flow.skipped(to, Instant::now().into());
        Ok(())
    }
}

/// Says that output was left out, if it was, and what the screen shows after it.
async fn say_shot(
    sender: &mut impl MessageSender,
    skipped: Option<Offset>,
    shot: &Shot,
) -> Result<(), TerminalError> {
    let Shot { position, size, screen } = shot;
    if let Some(from) = skipped {
        say(sender, &NodeMessage::Skipped { from, to: position.offset }).await?;
    }
    for part in snapshot_parts(*position, *size, screen) {
        say(sender, &part).await?;
    }
    Ok(())
}

async fn say(
    sender: &mut impl MessageSender,
    message: &NodeMessage<'_>,
) -> Result<(), TerminalError> {
    Ok(sender.send(framed(message)?).await?)
}

fn framed(message: &NodeMessage<'_>) -> Result<Bytes, WireError> {
    let mut framed = Vec::new();
    message.encode_framed(&mut framed)?;
    Ok(framed.into())
}
