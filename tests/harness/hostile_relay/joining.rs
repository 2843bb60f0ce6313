//! How the hostile relay joins a client to a node, or to whatever else it has in mind for it.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use gantline_protocol::{
    MachineId,
    link::PipeReply,
    session::{PipeKind, Preface},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy},
    sync::Mutex,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    Direction, Pipe, Scheme, Shared, lock,
    messages::Messages,
    tape::Recorder,
    trick::{Cut, Meddler, Step, To, Trick},
};

/// Where a direction goes; `None` once it was given up. Both lanes of a pipe may write into either
/// end, and with [`Trick::Cross`] those of another pipe.
type Sink = Arc<Mutex<Option<Box<dyn AsyncWrite + Send + Unpin>>>>;
type Source = Box<dyn AsyncRead + Send + Unpin>;

/// A pipe that waits for a second one, to be crossed with it.
#[derive(Debug)]
pub(super) struct Waiting {
    joined: Joined,
    after: usize,
}

/// A client's pipe and a node's, before anything passes.
struct Joined {
    recorder: Arc<Recorder>,
    kind: PipeKind,
    preface: [u8; Preface::SIZE],
    from_device: Source,
    from_node: Source,
    to_device: Sink,
    to_node: Sink,
}

/// One direction of a pipe at work.
struct Lane {
    shared: Arc<Shared>,
    recorder: Arc<Recorder>,
    direction: Direction,
    messages: Messages<Source>,
    meddler: Meddler,
    peer: Sink,
    sender: Sink,
    other: Option<Sink>,
    hang_up: CancellationToken,
}

/// Does with a client's pipe what the relay has in mind.
pub(super) async fn join(
    shared: Arc<Shared>,
    machine: MachineId,
    mut client: Pipe,
) -> anyhow::Result<()> {
    let scheme = shared.scheme();
    if let Scheme::Hint(reply) = scheme {
        client.writer.write_u8(reply).await?;
        client.writer.shutdown().await?;
        return Ok(());
    }
    client.writer.write_u8(PipeReply::Spliced.to_byte()).await?;
    let mut preface = [0; Preface::SIZE];
    client.reader.read_exact(&mut preface).await?;
    let kind = Preface::decode(preface)?.kind;
    let recorder = Arc::new(Recorder::new(machine, kind));
    lock(&shared.recorders).push(recorder.clone());
    let target = match &scheme {
        Scheme::Divert(other) => *other,
        Scheme::Echo => {
            shared.strikes.fetch_add(1, Ordering::Relaxed);
            client.writer.write_all(&preface).await?;
            copy(&mut client.reader, &mut client.writer).await?;
            return Ok(());
        }
        Scheme::Answer(impostor) => {
            shared.strikes.fetch_add(1, Ordering::Relaxed);
            return impostor.answer(kind, machine, client).await;
        }
        Scheme::Honest | Scheme::Play(..) | Scheme::Cross(_) | Scheme::Hint(_) => machine,
    };
    let node = shared.open(target).await?;
    let joined = Joined {
        recorder,
        kind,
        preface,
        from_device: client.reader,
        from_node: node.reader,
        to_device: Arc::new(Mutex::new(Some(client.writer))),
        to_node: Arc::new(Mutex::new(Some(node.writer))),
    };
    match scheme {
        Scheme::Cross(after) => {
            // Two that come at the same moment must not both take themselves for the first.
            let mut first = lock(&shared.first);
            match first.take() {
                None => *first = Some(Waiting { joined, after }),
                Some(first) => cross(&shared, first, joined),
            }
        }
        Scheme::Play(direction, trick) => joined.run(&shared, Some((direction, trick)), None),
        Scheme::Honest | Scheme::Divert(_) => joined.run(&shared, None, None),
        Scheme::Echo | Scheme::Answer(_) | Scheme::Hint(_) => {}
    }
    Ok(())
}

fn cross(shared: &Arc<Shared>, first: Waiting, second: Joined) {
    let ends = |joined: &Joined| (joined.to_node.clone(), joined.to_device.clone());
    let (of_first, of_second) = (ends(&first.joined), ends(&second));
    first.joined.run(shared, None, Some((first.after, of_second)));
    second.run(shared, None, Some((first.after, of_first)));
}

impl Joined {
    /// Starts both lanes. `other` is another pipe's ends, towards node and device, and from which
    /// message on this one goes there.
    fn run(
        self,
        shared: &Arc<Shared>,
        trick: Option<(Direction, Trick)>,
        other: Option<(usize, (Sink, Sink))>,
    ) {
        let hang_up = shared.hang_up();
        let lane = |direction, source: Source, arrived: &[u8], peer: &Sink, sender: &Sink| {
            let trick = trick.clone().filter(|(of, _)| *of == direction).map(|(_, trick)| trick);
            let trick = trick.or(other.as_ref().map(|(after, _)| Trick::Cross(*after)));
            let other = other.as_ref().map(|(_, ends)| match direction {
                Direction::ToNode => ends.0.clone(),
                Direction::ToDevice => ends.1.clone(),
            });
            Lane {
                shared: shared.clone(),
                recorder: self.recorder.clone(),
                direction,
                messages: Messages::of(self.kind, direction, arrived, source),
                meddler: Meddler::new(trick),
                peer: peer.clone(),
                sender: sender.clone(),
                other,
                hang_up: hang_up.clone(),
            }
        };
        let (to_node, to_device) = (&self.to_node, &self.to_device);
        let there = lane(Direction::ToNode, self.from_device, &self.preface, to_node, to_device);
        let back = lane(Direction::ToDevice, self.from_node, &[], to_device, to_node);
        // They end with the pipes, which end with the relay's links.
        tokio::spawn(there.run());
        tokio::spawn(back.run());
    }
}

impl Lane {
    /// Carries one direction until it ends, and ends it as it ended, or as the trick wants it.
    async fn run(mut self) {
        let cut = loop {
            let message = tokio::select! {
                () = self.hang_up.cancelled() => break Cut::InOrder,
                message = self.messages.next() => message,
            };
            match message {
                Ok(Some(message)) => {
                    self.recorder.hear(self.direction, &message);
                    if let Some(cut) = self.pass(&message).await {
                        break cut;
                    }
                }
                Ok(None) => break Cut::InOrder,
                Err(_) => break Cut::Abort,
            }
        };
        let writer = self.peer.lock().await.take();
        if let (Cut::InOrder, Some(mut writer)) = (cut, writer) {
            // Whoever is gone need not be told.
            let _ = writer.shutdown().await;
        }
        // The sender is not to notice.
        while let Ok(Some(_)) = self.messages.next().await {}
    }

    /// Hands a message on; how the direction ends, if it does.
    async fn pass(&mut self, message: &Bytes) -> Option<Cut> {
        let had_struck = self.meddler.has_struck;
        let steps = self.meddler.pass(message);
        if self.meddler.has_struck && !had_struck {
            self.shared.strikes.fetch_add(1, Ordering::Relaxed);
        }
        for step in steps {
            let (to, bytes) = match step {
                Step::Wait(time) => {
                    sleep(time).await;
                    continue;
                }
                Step::Cut(cut) => return Some(cut),
                Step::Send(to, bytes) => (to, bytes),
            };
            let sink = match to {
                To::Peer => Some(&self.peer),
                To::Sender => Some(&self.sender),
                To::Other => self.other.as_ref(),
            };
            let mut sink = sink?.lock().await;
            let Some(writer) = sink.as_mut() else { return Some(Cut::Abort) };
            if writer.write_all(&bytes).await.is_err() {
                return Some(Cut::Abort);
            }
        }
        None
    }
}

impl std::fmt::Debug for Joined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joined").field("kind", &self.kind).finish_non_exhaustive()
    }
}
