//! Hands a request on to another machine, and its answer back, as they flow.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use gantline_client::{
    Connection, RequestError,
    session::{OpenFailed, Receiving, Sending, StreamEnd},
};
use gantline_protocol::{
    MachineId,
    api::ProblemCode,
    session::{Head, Open, ResetCode},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_SECURITY_POLICY, LOCATION, UPGRADE},
};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::{
    Gateway, bridge,
    failure::{Failure, Why},
    machine::Use,
};
use crate::api::Refused;

/// How long a machine may take for the head of an answer. Streams have theirs at once.
const HEAD_WITHIN: Duration = Duration::from_secs(60);
/// How long it may be awaited before the machine is asked whether it is there.
pub(super) const UNANSWERED: Duration = Duration::from_millis(1_500);
/// Fields of a request that another machine may see.
const ASKED: &[&str] = &[
    "accept",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "prefer",
];
/// Fields of an answer that a page at this node's origin may see. None of them changes what the
/// page is or what its browser does.
const ANSWERED: &[&str] = &["allow", "content-disposition", "content-type", "etag", "retry-after"];
/// With these begin the names of our own fields.
const OURS: &str = "gantline-";
/// Whatever a machine answers, a browser that shows it runs nothing of it.
const POLICY: &str = "default-src 'none'; sandbox";

/// A stream of a session with a machine, asked and not yet answered.
pub(super) struct Asked {
    pub(super) machine: MachineId,
    pub(super) name: String,
    pub(super) sending: Sending,
    pub(super) receiving: Receiving,
    pub(super) session: Use,
}

/// Hands `request` on as one for `path` (with its query) of another machine.
pub(crate) async fn hand_on(
    gateway: &Gateway,
    machine: MachineId,
    path: String,
    request: Request,
) -> Result<Response, Refused> {
    let open = Open {
        method: request.method().as_str().to_owned(),
        path,
        headers: fields(request.headers(), ASKED),
    };
    if request.headers().contains_key(UPGRADE) {
        return bridge::open(gateway, machine, open, request).await;
    }
    let asked = ask(gateway, machine, open).await?;
    let Asked { name, sending, mut receiving, session, .. } = asked;
    send(sending, request.into_body());
    let head = head(&mut receiving, &name, &session).await?;
    Ok(response(machine, head, receiving, session))
}

/// Opens the stream. What was not sent is tried once more, in a new session.
pub(super) async fn ask(gateway: &Gateway, id: MachineId, open: Open) -> Result<Asked, Refused> {
    let machine = gateway.find(id).await?;
    let name = machine.summary().name.to_string();
    let mut is_again = false;
    loop {
        let session = machine.reach().await?;
        match stream(&session.connection, open.clone()) {
            Ok((sending, receiving)) => {
                return Ok(Asked { machine: id, name, sending, receiving, session });
            }
            Err(OpenFailed::GoingAway | OpenFailed::Over(_)) if !is_again => is_again = true,
            Err(error @ (OpenFailed::GoingAway | OpenFailed::Over(_))) => {
                return Err(Failure::away(&name, &error).into());
            }
            Err(OpenFailed::TooMany) => {
                let detail = format!(
                    "{name} has as many requests from here as a session bears: end some, and try again"
                );
                return Err(Refused::new(ProblemCode::Unavailable, detail));
            }
            Err(OpenFailed::Invalid(error)) => {
                let detail = format!("the request can't be handed on to {name}: {error}");
                return Err(Refused::invalid(detail));
            }
        }
    }
}

fn stream(connection: &Connection, open: Open) -> Result<(Sending, Receiving), OpenFailed> {
    match connection.session() {
        Some(session) => session.open(open),
        None => Err(OpenFailed::GoingAway),
    }
}

/// Sends the body on a task of its own, which ends with the stream: the machine may answer before
/// it has read everything.
fn send(mut sending: Sending, mut body: Body) {
    tokio::spawn(async move {
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                _ = sending.abandoned() => return,
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data()
                        && sending.write(bytes).await.is_err()
                    {
                        return;
                    }
                }
                Some(Err(_)) => return sending.reset(ResetCode::Broken),
                None => {
                    let _ = sending.finish();
                    return;
                }
            }
        }
    });
}

/// Waits for the head of the answer.
pub(super) async fn head(
    receiving: &mut Receiving,
    name: &str,
    session: &Use,
) -> Result<Head, Refused> {
    let mut head = std::pin::pin!(timeout(HEAD_WITHIN, receiving.head()));
    let head = match timeout(UNANSWERED, head.as_mut()).await {
        Ok(head) => head,
        Err(_) => {
            session.doubt();
            head.await
        }
    };
    match head {
        Ok(Ok(head)) => Ok(head),
        Ok(Err(end)) if RequestError::from(end.clone()).is_revoked() => {
            Err(Failure::revoked(name).into())
        }
        Ok(Err(end)) => Err(Failure::broken(name, &end).into()),
        Err(_) => Err(Failure { why: Why::Slow, ..Failure::slow(name) }.into()),
    }
}

/// The machine's answer, as this node gives it.
pub(super) fn response(
    machine: MachineId,
    head: Head,
    receiving: Receiving,
    session: Use,
) -> Response {
    let body = AnswerBody { receiving, _session: session };
    let mut response = Response::new(Body::new(body));
    // HEAD was read with a status from 200 to 599.
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = answered(machine, response.status(), head.headers);
    response
}

/// What a page sees of the fields of a machine's answer.
fn answered(machine: MachineId, status: StatusCode, told: Vec<(String, String)>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in told {
        let value = if name == LOCATION.as_str() {
            // In a redirect it would send the page's request, with its token, somewhere else.
            if status.is_success() { here(machine, &value) } else { None }
        } else {
            (ANSWERED.contains(&name.as_str()) || name.starts_with(OURS)).then_some(value)
        };
        if let Some(value) = value
            && let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
        {
            fields.append(name, value);
        }
    }
    fields.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    fields
}

/// A path of the machine, as one of the gateway. None if it leads anywhere else, or could be read so.
fn here(machine: MachineId, location: &str) -> Option<String> {
    let rest = location.strip_prefix("/v1/")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/?=&".contains(c);
    let leads_up = rest.split(['/', '?']).any(|part| matches!(part, "." | ".."));
    (rest.chars().all(is_plain) && !leads_up).then(|| format!("/v1/machines/{machine}/{rest}"))
}

fn fields(headers: &HeaderMap, allowed: &[&str]) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter(|(name, _)| allowed.contains(&name.as_str())).filter_map(text).collect()
}

/// The body of a machine's answer. Dropping it gives the stream up; until then the session stays.
struct AnswerBody {
    receiving: Receiving,
    _session: Use,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = StreamEnd;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamEnd>>> {
        self.receiving
            .poll_chunk(context)
            .map(|chunk| chunk.map(|c| c.map(Frame::data)).transpose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, fields: &[(&str, &str)]) -> HeaderMap {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let status = StatusCode::from_u16(status).unwrap();
        answered(MachineId::from_bytes([7; 16]), status, fields.collect())
    }

    #[test]
    fn a_machine_sends_no_request_of_the_page_to_another_one() {
        let machine = MachineId::from_bytes([7; 16]);
        let agent = told(201, &[("location", "/v1/agents/ag-x7k2p")]);
        assert_eq!(agent["location"], format!("/v1/machines/{machine}/agents/ag-x7k2p"));
        for status in [301, 302, 303, 307, 308, 404, 500] {
            let led = told(status, &[("location", "/v1/agents/ag-x7k2p")]);
            assert!(!led.contains_key("location"), "{status}");
        }
        for elsewhere in [
            "/v1/../../agents",
            "/v1/./../x/../../agents",
            "/v1/agents/..",
            "/v1/%2e%2e/%2E%2E/agents",
            "/v1/\\..\\agents",
            "/v1/.\t./.\t./agents",
            "/v1",
            "/metrics",
            "agents",
            "//evil.example/v1/agents",
            "http://127.0.0.1:33120/v1/agents",
            "https://evil.example/",
            "javascript:alert(1)",
            "",
        ] {
            let led = told(201, &[("location", elsewhere)]);
            assert!(!led.contains_key("location"), "{elsewhere}: {led:?}");
        }
    }

    #[test]
    fn a_machine_tells_the_browser_nothing_that_it_would_act_on() {
        let fields = told(
            401,
            &[
                ("content-type", "text/html"),
                ("gantline-offset", "7"),
                ("www-authenticate", "Basic realm=\"your password, please\""),
                ("set-cookie", "a=b"),
                ("content-security-policy", "script-src *"),
                ("clear-site-data", "*"),
                ("refresh", "0;url=https://evil.example"),
                ("access-control-allow-origin", "*"),
                ("link", "</x.js>; rel=preload"),
            ],
        );
        let mut names: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-security-policy", "content-type", "gantline-offset"]);
        assert_eq!(fields["content-security-policy"], POLICY);
    }
}
