//! What the machine and its agents use, as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event as Sent, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt, stream};
use gantline_protocol::api::Vitals;

use crate::{access::Principal, api::App, vitals::Watcher};

/// How often something is sent when nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What the machine and its agents use, now and every two seconds, as server-sent events. Whoever is
/// slow is told the newest and misses what was in between. Nothing is resumed: it is always now.
#[utoipa::path(
    get,
    path = "/v1/vitals",
    responses((
        status = 200,
        description = "One look after the other, without end.",
        body = Vitals,
        content_type = "text/event-stream",
    ))
)]
pub(super) async fn vitals(
    State(app): State<App>,
    _who: Principal,
) -> Sse<impl Stream<Item = Result<Sent, Infallible>>> {
    let looks = stream::unfold(app.vitals.watch(), |mut watcher: Watcher| async move {
        let vitals = watcher.next().await?;
        let data = serde_json::to_string(&*vitals).expect("vitals are always JSON");
        Some((Ok(Sent::default().data(data)), watcher))
    });
    let looks = looks.take_until(app.closing.cancelled_owned());
    Sse::new(looks).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}
