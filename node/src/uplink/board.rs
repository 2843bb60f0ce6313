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
