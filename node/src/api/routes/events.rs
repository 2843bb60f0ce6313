//! What happens on the machine, as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event as Sent, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt, stream};
use gantline_protocol::{
    Role,
    api::{Event, EventId, EventKind},
};
use http::HeaderMap;

use crate::{
    access::Principal,
    api::{App, Refused},
    events::{Heard, Listener},
};

/// How often something is sent when nothing happens.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: &str = "last-event-id";

/// Everything that happens from now on, or with `Last-Event-ID` from that event on, as server-sent
/// events whose data is an event. One named `missed` says that events were lost, and that the
/// listener should ask for the whole state again. Every 15 seconds there is a comment.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "events",
    tag = "events",
    params(("Last-Event-ID" = Option<EventId>, Header, description = "The last event that was heard.")),
    responses((
        status = 200,
        description = "The events, without end.",
        body = Event,
        content_type = "text/event-stream",
    ))
)]
pub(super) async fn events(
    State(app): State<App>,
    who: Principal,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Refused> {
    let after = match headers.get(LAST_EVENT_ID) {
        Some(value) => {
            let id = value.to_str().ok().and_then(|text| text.parse().ok());
            let id = id.filter(|id| *id <= EventId::MAX);
            let why = "Last-Event-ID is not the number of an event";
            Some(EventId(id.ok_or_else(|| Refused::invalid(why))?))
        }
        None => None,
    };
    let listener = app.events.listen(after);
    let heard = stream::unfold(listener, |mut listener: Listener| async move {
        Some((listener.next().await, listener))
    });
    let told = heard.filter_map(move |heard| async move {
        match heard {
            Heard::Missed => Some(Ok(Sent::default().event("missed").data("{}"))),
            Heard::Event(event) if concerns(&event.what, &who) => Some(Ok(sent(&event))),
            Heard::Event(_) => None,
        }
    });
    let told = told.take_until(app.closing.cancelled_owned());
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

fn sent(event: &Event) -> Sent {
    let data = serde_json::to_string(event).expect("an event is always JSON");
    Sent::default().id(event.id.0.to_string()).data(data)
}

/// Whether somebody may know of it: the names of devices are for owners, and which other machines
/// this one's user has is for that user.
const fn concerns(what: &EventKind, who: &Principal) -> bool {
    match what {
        EventKind::DevicePaired { .. } | EventKind::DeviceRemoved { .. } => {
            matches!(who.role, Role::Owner)
        }
        EventKind::MachineChanged { .. } | EventKind::MachineForgotten { .. } => {
            who.is_local_user()
        }
        EventKind::AgentChanged { .. }
        | EventKind::AgentRemoved { .. }
        | EventKind::LinkUp { .. }
        | EventKind::LinkDown { .. }
        | EventKind::HistoryChanged { .. }
        | EventKind::Other => true,
    }
}
