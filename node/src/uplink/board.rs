//! What people are told of one link: its status, and the events of its life.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use gantline_protocol::{
    HostName, Timestamp,
    api::{Carrier, EventKind, LinkState, LinkStatus},
};
use gantline_transport::{Link, RelayLink};

use crate::events::Events;

/// The notice board of one link.
#[derive(Debug)]
pub(super) struct Board {
    notice: Mutex<Notice>,
    events: Events,
}

#[derive(Debug)]
struct Notice {
    status: LinkStatus,
    /// The link, while it is up.
    link: Option<RelayLink>,
    /// Its round trip, where the carrier doesn't measure by itself.
    measured: Option<Duration>,
}

impl Board {
    pub(super) fn new(host: HostName, events: Events) -> Self {
        let status = LinkStatus {
            host,
            state: LinkState::Connecting,
            since: now(),
            carrier: None,
            rtt_us: None,
            last_error: None,
            last_error_at: None,
            next_try_at: None,
        };
        Self { notice: Mutex::new(Notice { status, link: None, measured: None }), events }
    }

    /// How the link is doing.
    pub(super) fn status(&self) -> LinkStatus {
        let notice = self.notice();
        let mut status = notice.status.clone();
        let round_trip = match &notice.link {
            Some(RelayLink::Quic(link)) => Some(link.round_trip()),
            Some(RelayLink::WebSocket(link)) => Some(notice.measured.unwrap_or(link.round_trip())),
            None => None,
        };
        status.rtt_us = round_trip.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        status
    }

    /// It is being dialled.
    pub(super) fn connecting(&self) {
        let mut notice = self.notice();
        notice.turn(LinkState::Connecting);
        notice.status.next_try_at = None;
    }

    /// It is up.
    pub(super) fn up(&self, link: &RelayLink) {
        let carrier = match link {
            RelayLink::Quic(_) => Carrier::Quic,
            RelayLink::WebSocket(_) => Carrier::WebSocket,
        };
        let mut notice = self.notice();
        notice.turn(LinkState::Up);
        notice.status.carrier = Some(carrier);
        notice.link = Some(link.clone());
        notice.measured = None;
        let host = notice.status.host.clone();
        drop(notice);
        self.events.publish(EventKind::LinkUp { host, carrier });
    }

    /// So long took a PING's answer.
    pub(super) fn measured(&self, round_trip: Duration) {
        self.notice().measured = Some(round_trip);
    }

    /// It is down, or could not be made. An event says so unless the last one said the same.
    pub(super) fn down(&self, state: LinkState, why: String, retry_in: Duration) {
        let mut notice = self.notice();
        let was_up = notice.link.take().is_some();
        let is_news = was_up || notice.status.last_error.as_ref() != Some(&why);
        notice.turn(state);
        let now = now();
        let status = &mut notice.status;
        status.carrier = None;
        status.last_error = Some(why.clone());
        status.last_error_at = Some(now);
        status.next_try_at = Some(now.after(retry_in));
        let host = status.host.clone();
        drop(notice);
        if is_news {
            let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
            self.events.publish(EventKind::LinkDown { host, why, retry_in_ms });
        }
    }

    fn notice(&self) -> MutexGuard<'_, Notice> {
        // Nothing in here can panic half-way.
        self.notice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notice {
    fn turn(&mut self, state: LinkState) {
        if self.status.state != state {
            self.status.since = now();
        }
        self.status.state = state;
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use gantline_protocol::{RelayAddress, api::Event};
    use gantline_transport::{
        Carriers, Dialer, Identity, QuicLink, QuicListener,
        quic::{ResetKey, Timing},
    };

    use super::*;
    use crate::events::{Heard, Listener};

    fn board() -> (Board, Listener) {
        let events = Events::new();
        let heard = events.listen(None);
        (Board::new("relay.test".parse().expect("it is a name"), events), heard)
    }

    fn heard(listener: &mut Listener) -> Vec<EventKind> {
        let next = || match listener.next().now_or_never()? {
            Heard::Event(Event { what, .. }) => Some(what),
            Heard::Missed => panic!("events were lost"),
        };
        std::iter::from_fn(next).collect()
    }

    fn is_down(event: &EventKind, reason: &str) -> bool {
        matches!(event, EventKind::LinkDown { why, .. } if why == reason)
    }

    /// A link with a listener, and what keeps it.
    async fn link() -> (RelayLink, QuicLink, QuicListener, Dialer) {
        let (chain, key) = Identity::self_signed(&["localhost".into()]).unwrap();
        let identity = Identity::from_pem(&chain, &key).unwrap();
        let local = (std::net::Ipv4Addr::LOCALHOST, 0).into();
        let timing = Timing::default();
        let key = ResetKey::from_bytes([7; 32]);
        let listener = QuicListener::bind(local, &identity, &key, timing).unwrap();
        let port = listener.local_address().unwrap().port().try_into().unwrap();
        let host = "localhost".parse().unwrap();
        let relay = RelayAddress { host, port, pin: Some(identity.pin()) };
        let dialer = Dialer::new(timing, Carriers::Quic).unwrap();
        let accept = async { listener.accept().await.unwrap().accept().await.unwrap() };
        let (dialled, accepted) = tokio::join!(dialer.dial(&relay), accept);
        (dialled.unwrap(), accepted, listener, dialer)
    }

    #[test]
    fn a_relay_that_stays_away_is_one_event_until_the_reason_changes() {
        let (board, mut events) = board();
        let second = Duration::from_secs(1);
        for _ in 0..3 {
            board.connecting();
            board.down(LinkState::Down, "nobody answers".to_owned(), second);
        }
        let told = heard(&mut events);
        assert!(told.len() == 1 && is_down(&told[0], "nobody answers"), "{told:?}");
        board.connecting();
        board.down(LinkState::Refused, "it does not know this machine".to_owned(), second);
        let told = heard(&mut events);
        assert!(told.len() == 1 && is_down(&told[0], "it does not know this machine"), "{told:?}");
        let status = board.status();
        assert_eq!(status.state, LinkState::Refused);
        assert_eq!(status.last_error.as_deref(), Some("it does not know this machine"));
        assert_eq!((status.carrier, status.rtt_us), (None, None));
        let (at, next) = (status.last_error_at.unwrap(), status.next_try_at.unwrap());
        assert_eq!(next.as_millis() - at.as_millis(), 1_000);
        board.connecting();
        let status = board.status();
        assert_eq!((status.state, status.next_try_at), (LinkState::Connecting, None));
        assert!(status.last_error.is_some(), "what was wrong is still told");
    }

    #[tokio::test]
    async fn a_link_that_was_up_is_told_to_be_down_although_the_reason_is_an_old_one() {
        let (board, mut events) = board();
        let (link, ..) = link().await;
        board.down(LinkState::Down, "nobody answers".to_owned(), Duration::ZERO);
        board.up(&link);
        let status = board.status();
        assert_eq!((status.state, status.carrier), (LinkState::Up, Some(Carrier::Quic)));
        assert!(status.rtt_us.is_some_and(|rtt| rtt > 0));
        board.down(LinkState::Down, "nobody answers".to_owned(), Duration::ZERO);
        let told = heard(&mut events);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(matches!(told[1], EventKind::LinkUp { carrier: Carrier::Quic, .. }), "{told:?}");
        assert!(is_down(&told[2], "nobody answers"), "{told:?}");
        assert_eq!(board.status().rtt_us, None);
    }
}
