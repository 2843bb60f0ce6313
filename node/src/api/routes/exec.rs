//! One command, run to its end while its output streams.

use std::io;

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use futures_util::{Stream, stream};
use gantline_protocol::api::{ExecEvent, ExecRequest};
use http::{
    HeaderValue,
    header::{CONTENT_TYPE, LOCATION},
};

use tokio_util::sync::CancellationToken;

use super::agents::path_of;
use crate::{
    access::Principal,
    api::{App, Refused, idempotency::IsStream, input::Input},
    supervisor::Exec,
};

/// Runs a command without a terminal and tells what it writes, line by line: one `start`, any
/// number of `out` and `err`, one `exit`. A caller who goes away stops nothing: the command is an
/// agent like any other, at the path in `Location`.
#[utoipa::path(
    post,
    path = "/v1/exec",
    tag = "exec",
    operation_id = "exec",
    request_body(
        content = ExecRequest,
        example = json!({ "argv": ["uname", "-r"], "timeoutMs": 10_000 }),
    ),
    responses((
        status = 200,
        description = "What happens, one event on each line.",
        body = ExecEvent,
        content_type = "application/x-ndjson",
        headers(("Location" = String, description = "The path of the agent.")),
    ))
)]
pub(super) async fn exec(
    State(app): State<App>,
    who: Principal,
    Input(request): Input<ExecRequest>,
) -> Result<Response, Refused> {
    let exec = app.mutations.exec(&who, request).await?;
    let location = path_of(exec.agent());
    let mut response = Response::new(Body::from_stream(lines(exec, app.closing)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(ExecEvent::CONTENT_TYPE));
    headers.insert(LOCATION, location);
    response.extensions_mut().insert(IsStream);
    Ok(response)
}

/// The lines of the answer. When the node ends before the command they break off.
fn lines(exec: Exec, closing: CancellationToken) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(exec), move |exec| {
        let closing = closing.clone();
        async move {
            let mut exec = exec?;
            tokio::select! {
                biased;
                event = exec.next() => event.map(|event| (Ok(line(&event)), Some(exec))),
                () = closing.cancelled() => Some((Err(io::Error::other("the node stops")), None)),
            }
        }
    })
}

fn line(event: &ExecEvent) -> Bytes {
    let mut line = serde_json::to_vec(event).expect("an event is always JSON");
    line.push(b'\n');
    line.into()
}
