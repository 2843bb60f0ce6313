//! The events of all machines in one stream: each machine's task reads that machine's own stream
//! while somebody listens, and the gateway's listeners share what comes.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
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
    time::{MissedTickBehavior, interval, sleep_until},
};

use super::{Common, Gateway, Watching};
use crate::{events::Heard, lines::Lines};

/// Events that wait for one listener. One that is slower is told that it missed some.
pub(super) const WAITING: usize = 1024;
/// How often the list of machines is looked at while somebody listens: another program may have
/// changed it.
const LOOK: Duration = Duration::from_secs(1);
/// The greatest event that is read, in bytes. A machine that sends more is not listened to.
const MAX_EVENT: usize = 64 * 1024;
/// What a machine may tell in a second; more waits there. So one that tells without end makes no
/// listener miss what the others tell.
const TOLD_IN_A_SECOND: u32 = 256;

/// What came from a machine, for all listeners.
#[derive(Debug, Clone)]
pub(super) enum FromMachine {
    /// An event, as the listeners get it.
    Event(Arc<str>),
    /// Some were lost.
    Missed(MachineId),
}

/// The last event that was heard of a machine; 0 for none. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Cursor(Arc<AtomicU64>);

/// Listens to a machine until its stream ends, for whatever reason.
pub(super) async fn follow(
    common: Arc<Common>,
    machine: MachineId,
    connection: Arc<Connection>,
    cursor: Cursor,
) {
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
    let mut pace = Pace::new(Instant::now());
    while let Ok(Some(bytes)) = answer.chunk().await {
        if reader.lines.push(&bytes).is_err() {
            tracing::warn!(%machine, "a machine sent an event without end");
            return;
        }
        while let Some(read) = reader.next() {
            sleep_until(pace.next(Instant::now()).into()).await;
            match read {
                Read::Missed => tell(FromMachine::Missed(machine)),
                Read::Event(id, event) => {
                    cursor.0.store(id.0, Ordering::Relaxed);
                    let told = json!({ "machineId": machine, "event": event }).to_string();
                    tell(FromMachine::Event(told.into()));
                }
            }
        }
    }
}

/// Counts what a machine tells, second by second.
#[derive(Debug)]
struct Pace {
    since: Instant,
    told: u32,
}

impl Pace {
    const fn new(now: Instant) -> Self {
        Self { since: now, told: 0 }
    }

    /// When one more may be told.
    fn next(&mut self, now: Instant) -> Instant {
        let next = self.since + Duration::from_secs(1);
        if now >= next {
            *self = Self::new(now);
        } else if self.told >= TOLD_IN_A_SECOND {
            *self = Self::new(next);
        }
        self.told += 1;
        now.max(self.since)
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
                        Heard::Event(event) => {
                            let told = json!(MachineEvent { machine_id, event });
                            Sent::default().data(told.to_string())
                        }
                        Heard::Missed => missed(Some(machine_id)),
                    };
                }
                told = self.from_machines.recv() => match told {
                    Ok(FromMachine::Event(told)) => return Sent::default().data(told),
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

fn missed(machine_id: Option<MachineId>) -> Sent {
    let data = json!(MachineEventsMissed { machine_id }).to_string();
    Sent::default().event("missed").data(data)
}

/// Reads a machine's server-sent events. Whatever is no event of a machine itself is skipped.
#[derive(Debug)]
struct Reader {
    lines: Lines,
    is_missed: bool,
}

#[derive(Debug, PartialEq)]
enum Read {
    Event(EventId, Value),
    Missed,
}

impl Default for Reader {
    fn default() -> Self {
        Self { lines: Lines::up_to(MAX_EVENT), is_missed: false }
    }
}

impl Reader {
    fn next(&mut self) -> Option<Read> {
        while let Some(line) = self.lines.next() {
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
            reader.lines.push(piece).unwrap();
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
    fn a_machine_that_tells_without_end_makes_nobody_miss_another() {
        let start = Instant::now();
        let (mut pace, mut now, mut told) = (Pace::new(start), start, 0);
        while now < start + Duration::from_secs(3) && told < 4 * TOLD_IN_A_SECOND {
            now = pace.next(now);
            told += 1;
        }
        assert!(told <= 3 * TOLD_IN_A_SECOND + 1, "{told} in three seconds");
        assert!((TOLD_IN_A_SECOND as usize) < WAITING, "one second of one machine is too much");
        // Whoever tells little is never held up.
        now += Duration::from_secs(5);
        assert!((0..TOLD_IN_A_SECOND).all(|_| pace.next(now) == now));
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_machine_break_the_reader(pieces in vec(vec(any::<u8>(), 0..64), 0..32)) {
            let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
            let _ = read(&pieces);
        }
    }
}
