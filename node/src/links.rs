//! How the link to each relay is doing, as its uplink tells. Everybody else only reads it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use gantline_protocol::{
    HostName, Timestamp,
    api::{EventKind, LinkState, LinkStatus},
};

use crate::events::Events;

/// The links of one node. Clones share them.
#[derive(Debug, Clone)]
pub struct Links {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    events: Events,
    links: Mutex<BTreeMap<HostName, LinkStatus>>,
}

impl Links {
    /// No links yet. What becomes of them is published to `events`.
    #[must_use]
    pub fn new(events: Events) -> Self {
        Self { shared: Arc::new(Shared { events, links: Mutex::default() }) }
    }

    /// Tells how the link to `host` is doing now, and why if it is not well. The last error stays
    /// until there is another.
    pub fn report(&self, host: &HostName, state: LinkState, error: Option<String>) {
        let since = Timestamp::from(SystemTime::now());
        let mut links = self.lock();
        let before = links.get(host);
        let was = before.map(|link| link.state);
        let link = LinkStatus {
            host: host.clone(),
            state,
            since: before.filter(|link| link.state == state).map_or(since, |link| link.since),
            last_error: error.or_else(|| before.and_then(|link| link.last_error.clone())),
        };
        links.insert(host.clone(), link);
        drop(links);
        let host = host.clone();
        match (was == Some(LinkState::Up), state == LinkState::Up) {
            (false, true) => self.shared.events.publish(EventKind::LinkUp { host }),
            (true, false) => self.shared.events.publish(EventKind::LinkDown { host }),
            (true, true) | (false, false) => {}
        }
    }

    /// All links, by host.
    #[must_use]
    pub fn list(&self) -> Vec<LinkStatus> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<HostName, LinkStatus>> {
        // Nothing in here can panic half-way.
        self.shared.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Heard;

    #[tokio::test]
    async fn a_link_is_announced_when_it_comes_and_goes_and_not_in_between() {
        let events = Events::new();
        let mut listener = events.listen(None);
        let links = Links::new(events);
        let host: HostName = "relay.example".parse().unwrap();
        links.report(&host, LinkState::Connecting, None);
        links.report(&host, LinkState::Up, None);
        let since = links.list()[0].since;
        links.report(&host, LinkState::Up, None);
        assert_eq!(links.list()[0].since, since);
        links.report(&host, LinkState::Down, Some("the relay went away".to_owned()));
        links.report(&host, LinkState::Connecting, None);
        let link = &links.list()[0];
        assert_eq!(link.last_error.as_deref(), Some("the relay went away"));
        for expected in
            [EventKind::LinkUp { host: host.clone() }, EventKind::LinkDown { host: host.clone() }]
        {
            let Heard::Event(event) = listener.next().await else { panic!("events were missed") };
            assert_eq!(event.what, expected);
        }
    }
}
