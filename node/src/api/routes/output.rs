//! What an agent has written: the bytes themselves, from any place that is still kept.

use std::{io, time::Duration};

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use gantline_protocol::{AgentId, Epoch, Offset};
use http::{HeaderName, HeaderValue, header::CONTENT_TYPE};
use serde::Deserialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        App, Refused,
        input::{Asked, Id},
    },
    supervisor::{Output, OutputItem, OutputRange},
};

/// How long an answer waits for the first byte of an agent that is followed.
const FIRST_WITHIN: Duration = Duration::from_millis(50);
const EPOCH: HeaderName = HeaderName::from_static("gantline-epoch");
const OFFSET: HeaderName = HeaderName::from_static("gantline-offset");
const GAP: HeaderName = HeaderName::from_static("gantline-gap");

/// Which part of the output.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// The life of the process whose output is wanted, of those that are kept; the present or last
    /// one if left out. Needed with `from` and `to`.
    epoch: Option<Epoch>,
    /// Where to begin; at the first byte if left out.
    from: Option<Offset>,
    /// Where to end, itself not included; at what there is now if left out, or with `follow` when
    /// the agent ends.
    to: Option<Offset>,
    /// Whether to go on with what the agent will write.
    #[serde(default)]
    follow: bool,
}

/// The bytes that an agent has written, as they were written.
///
/// `gantline-epoch` names the life of its process, `gantline-offset` the place of the first byte of
/// the body. If what was asked for is no longer kept from the beginning, `gantline-gap: FROM-TO`
/// says so (`TO` not included), and the body begins at `TO`. Nothing is ever left out inside a
/// body: if a reader is so slow that the bytes it needs next are gone, the body breaks off. It
/// then asks again from where it is, and learns of the gap. With `follow` the body ends when that
/// life does. Of the lives before the present one the last four are kept, if they take no more room
/// together than one may.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}/output",
    tag = "agents",
    operation_id = "read_output",
    params(("id" = AgentId, Path, description = "The agent."), Part),
    responses((
        status = 200,
        description = "The bytes.",
        body = Vec<u8>,
        content_type = "application/octet-stream",
        headers(
            ("gantline-epoch" = String, description = "The life of the process."),
            ("gantline-offset" = u64, description = "The place of the first byte."),
            ("gantline-gap" = Option<String>, description = "What is gone, as FROM-TO."),
        ),
    ), (
        status = 409,
        description = "The agent's process is another one now; what was asked for is gone.",
    ), (
        status = 503,
        description = "What holds the output can't be reached now.",
    ))
)]
pub(super) async fn output(
    State(app): State<App>,
    Id(id): Id<AgentId>,
    Asked(part): Asked<Part>,
) -> Result<Response, Refused> {
    let Part { epoch, from, to, follow } = part;
    let from = from.unwrap_or_default();
    if to.is_some_and(|to| to < from) {
        return Err(Refused::invalid("`to` is before `from`"));
    }
    let mut output = app.agents.output(id, epoch, OutputRange { from, to, follow }).await?;
    let Epoch(present) = output.epoch();
    if epoch.is_none() && (part.from.is_some() || part.to.is_some()) {
        let detail = format!("`from` and `to` need the epoch; it is {present:016x}");
        return Err(Refused::invalid(detail));
    }
    let mut begins = from;
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let first = match first_item(&mut output, follow).await {
        First::Bytes(bytes) => Some(bytes),
        First::Gap { from, to } => {
            headers.insert(GAP, shown(format_args!("{}-{}", from.0, to.0)));
            begins = to;
            None
        }
        First::Later | First::End => None,
    };
    headers.insert(EPOCH, shown(format_args!("{present:016x}")));
    headers.insert(OFFSET, shown(format_args!("{}", begins.0)));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    *response.body_mut() = Body::from_stream(bytes(first, output, app.closing));
    Ok(response)
}

/// What the output begins with.
enum First {
    Bytes(Bytes),
    Gap {
        from: Offset,
        to: Offset,
    },
    /// It has yet to be written, or to come from the disk.
    Later,
    End,
}

/// A gap at the beginning has to be known before the answer begins, but an agent that writes
/// nothing must not hold it back.
async fn first_item(output: &mut Output, follow: bool) -> First {
    let item = match follow {
        false => Ok(output.next().await),
        true => timeout(FIRST_WITHIN, output.next()).await,
    };
    match item {
        Ok(Some(OutputItem::Bytes(bytes))) => First::Bytes(bytes),
        Ok(Some(OutputItem::Gap { from, to })) => First::Gap { from, to },
        Ok(None) => First::End,
        Err(_) => First::Later,
    }
}

/// The bytes of the body. It breaks off at a gap, and when the node ends before the agent.
fn bytes(
    first: Option<Bytes>,
    output: Output,
    closing: CancellationToken,
) -> impl Stream<Item = io::Result<Bytes>> {
    let rest = stream::unfold(Some(output), move |output| {
        let closing = closing.clone();
        async move {
            let mut output = output?;
            let broken = |why| Some((Err(io::Error::other(why)), None));
            tokio::select! {
                biased;
                item = output.next() => match item? {
                    OutputItem::Bytes(bytes) => Some((Ok(bytes), Some(output))),
                    OutputItem::Gap { .. } => broken("the next bytes are no longer kept"),
                },
                () = closing.cancelled() => broken("the node stops"),
            }
        }
    });
    stream::iter(first.map(Ok)).chain(rest)
}

fn shown(value: std::fmt::Arguments<'_>) -> HeaderValue {
    HeaderValue::from_str(&value.to_string()).expect("numbers are visible ASCII")
}
