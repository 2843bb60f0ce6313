//! The events of all machines in one stream: each machine's task reads that machine's own stream
//! while somebody listens, and the gateway's listeners share what comes.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::response::sse::Event as Sent;
use futures_util::{Stream, stream};
use gantline_client::{Connection, connection::Request};
use gantline_protocol::{
    MachineId,
    api::{Event, EventId, EventKind, MachineEvent, MachineEventsMissed},
};
use serde_json::{Value, json};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{MissedTickBehavior, interval},
};

use super::{Common, Gateway, Watching};
use crate::events::Heard;

/// Events that wait for one listener. One that is slower is told that it missed some.
pub(super) const WAITING: usize = 1024;
/// How often the list of machines is looked at while somebody listens: another program may have
/// changed it.
const LOOK: Duration = Duration::from_secs(1);
/// The greatest event that is read, in bytes. A machine that sends more is not listened to.
const MAX_EVENT: usize = 256 * 1024;

/// What came from a machine, for all listeners.
#[derive(Debug, Clone)]
pub(super) enum FromMachine {
    /// An event, as JSON.
    Event(MachineId, Arc<Value>),
    /// Some were lost.
    Missed(MachineId),
}

/// The last event that was heard of a machine; 0 for none. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Cursor(Arc<AtomicU64>);

/// Listens to a machine until its stream ends, for whatever reason.
pub(super) async fn follow(common: Arc<Common>, connection: Arc<Connection>, cursor: Cursor) {
    let machine = connection.machine();
    let tell = |what| {
        // Nobody listens: they have just gone.
        let _ = common.from_machines.send(what);
    };
    let mut request = Request::get("/v1/events");
    let last = cursor.0.load(Ordering::Relaxed);
    if last > 0 {
        request = request.header("last-event-id", last.to_string());
    }
    let mut answer = match connection.request(request).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(%machine, %error, "a machine does not tell its events");
            return;
        }
    };
    if last == 0 {
        tell(FromMachine::Missed(machine));
    }
    let mut reader = Reader::default();
    while let Ok(Some(bytes)) = answer.chunk().await {
        if reader.push(&bytes).is_err() {
            tracing::warn!(%machine, "a machine sent an event without end");
            return;
        }
        while let Some(read) = reader.next() {
            match read {
                Read::Missed => tell(FromMachine::Missed(machine)),
                Read::Event(id, event) => {
                    cursor.0.store(id.0, Ordering::Relaxed);
                    tell(FromMachine::Event(machine, event.into()));
                }
            }
        }
    }
}

/// What the gateway's user hears as long as the stream is read.
pub(super) fn listen(gateway: Gateway) -> impl Stream<Item = Result<Sent, Infallible>> {
    let (events, from_machines) =
        (gateway.common().events.listen(None), gateway.common().from_machines.subscribe());
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watching = gateway.watch();
    let listener = Listener { gateway, events, from_machines, look, _watching: watching };
    stream::unfold(
        listener,
        |mut listener| async move { Some((Ok(listener.next().await), listener)) },
    )
}

struct Listener {
    gateway: Gateway,
    events: crate::events::Listener,
    from_machines: broadcast::Receiver<FromMachine>,
    look: tokio::time::Interval,
    _watching: Watching,
}

impl Listener {
    async fn next(&mut self) -> Sent {
        loop {
            tokio::select! {
                heard = self.events.next() => {
                    let machine_id = self.gateway.local_id();
                    return match heard {
                        Heard::Event(event) => data(&json!(MachineEvent { machine_id, event })),
                        Heard::Missed => missed(Some(machine_id)),
                    };
                }
                told = self.from_machines.recv() => match told {
                    Ok(FromMachine::Event(machine_id, event)) => {
                        return data(&json!({ "machineId": machine_id, "event": *event }));
                    }
                    Ok(FromMachine::Missed(machine_id)) => return missed(Some(machine_id)),
                    Err(RecvError::Lagged(_)) => return missed(None),
                    // The sender lives as long as the gateway, which this listener holds.
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                _ = self.look.tick() => {
                    if let Err(error) = self.gateway.refresh().await {
                        tracing::warn!(%error, "the list of machines can't be read");
                    }
                }
            }
        }
    }
}

fn data(value: &Value) -> Sent {
    Sent::default().data(value.to_string())
}

fn missed(machine_id: Option<MachineId>) -> Sent {
    let data = json!(MachineEventsMissed { machine_id }).to_string();
    Sent::default().event("missed").data(data)
}

/// Reads a machine's server-sent events. Whatever is no event of a machine itself is skipped.
#[derive(Debug, Default)]
struct Reader {
    buffer: Vec<u8>,
    is_missed: bool,
}

#[derive(Debug, PartialEq)]
enum Read {
    Event(EventId, Value),
    Missed,
}

#[derive(Debug)]
struct WithoutEnd;

impl Reader {
    fn push(&mut self, bytes: &[u8]) -> Result<(), WithoutEnd> {
        self.buffer.extend_from_slice(bytes);
        let unfinished = match self.buffer.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => self.buffer.len() - end,
            None => self.buffer.len(),
        };
        if unfinished > MAX_EVENT { Err(WithoutEnd) } else { Ok(()) }
    }

    fn next(&mut self) -> Option<Read> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = line.trim_ascii();
            if let Some(name) = line.strip_prefix(b"event:") {
                self.is_missed = name.trim_ascii() == b"missed";
            } else if line.is_empty() && std::mem::take(&mut self.is_missed) {
                return Some(Read::Missed);
            } else if let Some(data) = line.strip_prefix(b"data:")
                && !self.is_missed
                && let Some(read) = event(data)
            {
                return Some(read);
            }
        }
        None
    }
}

/// An event that is what it should be. One that a later version added keeps all its members.
fn event(data: &[u8]) -> Option<Read> {
    let value: Value = serde_json::from_slice(data).ok()?;
    let event: Event = serde_json::from_value(value.clone()).ok()?;
    match event.what {
        // What that machine's own gateway reaches is no business of this one.
        EventKind::MachineChanged { .. } | EventKind::MachineForgotten { .. } => None,
        EventKind::AgentChanged { .. }
        | EventKind::AgentRemoved { .. }
        | EventKind::DevicePaired { .. }
        | EventKind::DeviceRemoved { .. }
        | EventKind::LinkUp { .. }
        | EventKind::LinkDown { .. }
        | EventKind::HistoryChanged { .. }
        | EventKind::Other => Some(Read::Event(event.id, value)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Read> {
        let mut reader = Reader::default();
        let mut all = Vec::new();
        for piece in pieces {
            reader.push(piece).unwrap();
            all.extend(std::iter::from_fn(|| reader.next()));
        }
        all
    }

    #[test]
    fn a_machines_events_pass_and_its_own_gateways_do_not() {
        let removed = r#"{"id":8,"at":7,"kind":"agent-removed","agentId":"ag-x7k2p"}"#;
        let newer = r#"{"id":9,"at":7,"kind":"moon-rose","phase":1}"#;
        let text = format!(
            ": hello\n\nid: 8\ndata: {removed}\n\nevent: missed\ndata: {{}}\n\ndata: nonsense\n\n\
             data: {{\"id\":9,\"at\":7,\"kind\":\"agent-removed\",\"agentId\":\"<b>\"}}\n\n\
             data: {{\"id\":9,\"at\":7,\"kind\":\"machine-forgotten\",\"machineId\":\"{}\"}}\n\n\
             data:{newer}\r\n\r\n",
            "a".repeat(26)
        );
        let expected = [
            Read::Event(EventId(8), serde_json::from_str(removed).unwrap()),
            Read::Missed,
            Read::Event(EventId(9), serde_json::from_str(newer).unwrap()),
        ];
        assert_eq!(read(&[text.as_bytes()]), expected);
        let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes), expected);
    }

    #[test]
    fn a_machine_can_not_fill_the_memory_with_an_event_without_end() {
        let mut reader = Reader::default();
        let piece = [b'x'; 1024];
        let pushed = (0..1000).take_while(|_| reader.push(&piece).is_ok()).count();
        assert!(pushed * piece.len() <= MAX_EVENT, "{pushed}");
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_machine_break_the_reader(pieces in vec(vec(any::<u8>(), 0..64), 0..32)) {
            let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
            let _ = read(&pieces);
        }
    }
}
