//! What happens on this machine, told to whoever listens: the last events in memory, in order,
//! each with an id by which a listener resumes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use gantline_protocol::{
    Timestamp,
    api::{Event, EventId, EventKind},
};
use tokio::sync::watch;

/// Events that are kept for listeners who come back. The oldest goes first.
pub const KEPT: usize = 1024;

/// The events of one node. Clones share them.
#[derive(Debug, Clone)]
pub struct Events {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    latest: watch::Sender<EventId>,
}

#[derive(Debug)]
struct Ring {
    next: EventId,
    events: VecDeque<Event>,
}

/// What a listener gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An event.
    Event(Event),
    /// Events were lost for this listener: it was too slow, or away for too long. It should ask for
    /// the whole state again; what follows comes after this.
    Missed,
}

/// Hears every event from some point on.
#[derive(Debug)]
pub struct Listener {
    shared: Arc<Shared>,
    latest: watch::Receiver<EventId>,
    next: EventId,
}

impl Events {
    /// No events yet. Ids begin at a number that follows from the clock, so that those of one run
    /// of the node are not taken for those of another; all stay below 2^53.
    #[must_use]
    pub fn new() -> Self {
        let first = EventId(Timestamp::from(SystemTime::now()).as_millis().saturating_mul(1024));
        let ring = Ring { next: first, events: VecDeque::new() };
        let shared = Shared { ring: Mutex::new(ring), latest: watch::Sender::new(first) };
        Self { shared: Arc::new(shared) }
    }

    /// Tells everybody that something happened. Never waits.
    pub fn publish(&self, what: EventKind) {
        let mut ring = self.shared.lock();
        let id = ring.next;
        ring.next = EventId(id.0 + 1);
        if ring.events.len() >= KEPT {
            ring.events.pop_front();
        }
        ring.events.push_back(Event { id, at: Timestamp::from(SystemTime::now()), what });
        let next = ring.next;
        drop(ring);
        self.shared.latest.send_replace(next);
    }

    /// Listens to what comes after `after`, or without it to what comes from now on.
    #[must_use]
    pub fn listen(&self, after: Option<EventId>) -> Listener {
        let next = match after {
            Some(EventId(id)) => EventId(id.saturating_add(1)),
            None => self.shared.lock().next,
        };
        Listener { shared: self.shared.clone(), latest: self.shared.latest.subscribe(), next }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Listener {
    /// The next event; waits for it. Giving the wait up loses nothing.
    pub async fn next(&mut self) -> Heard {
        loop {
            self.latest.mark_unchanged();
            if let Some(heard) = self.take() {
                return heard;
            }
            // The sender lives in `shared`, which this listener holds.
            let _ = self.latest.changed().await;
        }
    }

    fn take(&mut self) -> Option<Heard> {
        let ring = self.shared.lock();
        let kept_from = ring.events.front().map_or(ring.next, |event| event.id);
        if self.next < kept_from || self.next > ring.next {
            self.next = kept_from;
            return Some(Heard::Missed);
        }
        let index = usize::try_from(self.next.0 - kept_from.0).ok()?;
        let event = ring.events.get(index)?.clone();
        self.next = EventId(event.id.0 + 1);
        Some(Heard::Event(event))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        // Nothing in here can panic half-way, so a poisoned ring is whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use gantline_protocol::AgentId;

    use super::*;

    fn removed(id: &str) -> EventKind {
        EventKind::AgentRemoved { agent_id: id.parse::<AgentId>().unwrap() }
    }

    fn id_of(heard: &Heard) -> EventId {
        match heard {
            Heard::Event(event) => event.id,
            Heard::Missed => panic!("events were missed"),
        }
    }

    #[tokio::test]
    async fn a_listener_that_comes_back_hears_just_what_it_missed() {
        let events = Events::new();
        let mut first = events.listen(None);
        for id in ["ag-aaaaa", "ag-bbbbb", "ag-ccccc"] {
            events.publish(removed(id));
        }
        let after = id_of(&first.next().await);
        let mut again = events.listen(Some(after));
        for id in ["ag-bbbbb", "ag-ccccc"] {
            let Heard::Event(event) = again.next().await else { panic!("events were missed") };
            assert_eq!(event.what, removed(id));
        }
        assert!(after.0 < 1 << 53);
    }

    #[tokio::test]
    async fn who_missed_events_is_told_so() {
        let events = Events::new();
        let mut slow = events.listen(None);
        for _ in 0..=KEPT {
            events.publish(removed("ag-aaaaa"));
        }
        assert_eq!(slow.next().await, Heard::Missed);
        assert!(matches!(slow.next().await, Heard::Event(_)));
        for stranger in [0, u64::MAX] {
            let mut listener = events.listen(Some(EventId(stranger)));
            assert_eq!(listener.next().await, Heard::Missed, "of another run of the node");
            assert!(matches!(listener.next().await, Heard::Event(_)));
        }
    }

    #[tokio::test]
    async fn a_listener_waits_for_what_comes() {
        let events = Events::new();
        let mut listener = events.listen(None);
        let heard = tokio::spawn(async move { listener.next().await });
        events.publish(removed("ag-aaaaa"));
        assert!(matches!(heard.await.unwrap(), Heard::Event(_)));
    }
}
