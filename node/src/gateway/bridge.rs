//! A conversation with another machine: a WebSocket at this node, a stream of a session beyond it.

use std::{
    convert::Infallible,
    future::pending,
    time::{Duration, Instant},
};

use axum::{
    extract::{
        FromRequestParts, Request, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
    },
    response::Response,
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use gantline_client::session::{Receiving, Sending, StreamEnd};
use gantline_protocol::{
    MachineId,
    session::Open,
    terminal::{Deframer, MAX_MESSAGE, stream::LENGTH},
};
use http::StatusCode;
use tokio::{
    sync::watch,
    time::{sleep_until, timeout},
};

use super::{
    Gateway,
    hand_on::{self, Asked, UNANSWERED},
    machine::Use,
};
use crate::api::{Refused, SUBPROTOCOL};

/// The longest message that is taken for a key, in bytes. More takes its time on a slow path.
const KEY: usize = 256;

/// How long a page may take to hear why a conversation ended, and a machine to take what the page
/// said last.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a conversation ended, as the code with which its WebSocket is closed (RFC 6455 section 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Both have said all.
    Orderly = 1000,
    /// This node stops.
    Leaving = 1001,
    /// The page sent text.
    Text = 1003,
    /// The page sent a message that can't be.
    Message = 1007,
    /// The machine gave the conversation up, or broke its rules.
    Machine = 1011,
    /// The session broke: begin again from where it was.
    Session = 1012,
}

/// Opens the stream first: whoever is refused gets the machine's own answer instead of a WebSocket.
pub(super) async fn open(
    gateway: &Gateway,
    machine: MachineId,
    open: Open,
    request: Request,
) -> Result<Response, Refused> {
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|error| Refused::invalid(error.body_text()))?;
    let mut asked = hand_on::ask(gateway, machine, open).await?;
    let head = hand_on::head(&mut asked.receiving, &asked.name, &asked.session).await?;
    if head.status != StatusCode::OK.as_u16() {
        let _ = asked.sending.finish();
        return Ok(hand_on::response(asked.machine, head, asked.receiving, asked.session));
    }
    let closing = gateway.common().closing.clone();
    Ok(upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .protocols([SUBPROTOCOL])
        .on_upgrade(move |socket| async move {
            let Asked { sending, mut receiving, session, .. } = asked;
            let (mut sink, stream) = WebSocket::split(socket);
            let waits = watch::Sender::new(None);
            let ending = tokio::select! {
                biased;
                () = closing.cancelled() => Ending::Leaving,
                ending = to_page(&mut sink, &mut receiving, &waits) => ending,
                ending = from_page(stream, sending, &waits) => ending,
                never = doubt(&session, &waits) => match never {},
            };
            let close = CloseFrame { code: ending as u16, reason: Utf8Bytes::from_static("") };
            let _ = timeout(FAREWELL, sink.send(Message::Close(Some(close)))).await;
            // The machine ends the conversation once it has taken all that the page said.
            let last = async { while let Ok(Some(_)) = receiving.chunk().await {} };
            let _ = timeout(FAREWELL, last).await;
            drop(session);
        }))
}

/// Since when a key waits for an answer.
type Waits = watch::Sender<Option<Instant>>;

/// What the machine says, until it has said all.
async fn to_page(
    sink: &mut SplitSink<WebSocket, Message>,
    receiving: &mut Receiving,
    waits: &Waits,
) -> Ending {
    let mut deframer = Deframer::new();
    loop {
        let bytes = match receiving.chunk().await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => match deframer.finish() {
                Ok(()) => return Ending::Orderly,
                Err(_) => return Ending::Machine,
            },
            Err(StreamEnd::SessionOver(_)) => return Ending::Session,
            Err(StreamEnd::Reset(_) | StreamEnd::Invalid(_) | StreamEnd::WrongState) => {
                return Ending::Machine;
            }
        };
        waits.send_if_modified(|since| since.take().is_some());
        let mut rest = &*bytes;
        loop {
            match deframer.next(&mut rest) {
                Ok(Some(message)) => {
                    // Written out at once below, with whatever else came in this piece.
                    if sink.feed(Message::Binary(Bytes::copy_from_slice(message))).await.is_err() {
                        return Ending::Orderly;
                    }
                }
                Ok(None) => break,
                Err(_) => return Ending::Machine,
            }
        }
        if sink.flush().await.is_err() {
            return Ending::Orderly;
        }
    }
}

/// What the page says, until it goes.
async fn from_page(
    mut stream: SplitStream<WebSocket>,
    mut sending: Sending,
    waits: &Waits,
) -> Ending {
    loop {
        match stream.next().await {
            Some(Ok(Message::Binary(message))) => {
                let Some(length) = u32::try_from(message.len()).ok().filter(|length| *length > 0)
                else {
                    return Ending::Message;
                };
                if message.len() <= KEY {
                    waits.send_if_modified(|since| {
                        let is_first = since.is_none();
                        since.get_or_insert_with(Instant::now);
                        is_first
                    });
                }
                let mut framed = BytesMut::with_capacity(LENGTH + message.len());
                framed.put_u32(length);
                framed.extend_from_slice(&message);
                match sending.write(framed.freeze()).await {
                    Ok(()) => {}
                    Err(StreamEnd::SessionOver(_)) => return Ending::Session,
                    // Why, the other direction knows; it ends the conversation.
                    Err(StreamEnd::Reset(_) | StreamEnd::Invalid(_) | StreamEnd::WrongState) => {
                        pending().await
                    }
                }
            }
            Some(Ok(Message::Text(_))) => return Ending::Text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            None | Some(Ok(Message::Close(_)) | Err(_)) => {
                let _ = sending.finish();
                return Ending::Orderly;
            }
        }
    }
}

/// Doubts the session whenever a key has waited for too long.
async fn doubt(session: &Use, waits: &Waits) -> Infallible {
    let mut changes = waits.subscribe();
    loop {
        let since = *changes.borrow_and_update();
        let due = async {
            match since {
                Some(since) => sleep_until((since + UNANSWERED).into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = due => {
                session.doubt();
                // Not every message has an answer of its own. The next key begins anew.
                waits.send_replace(None);
            }
            _ = changes.changed() => {}
        }
    }
}
