//! Conversations in messages, whatever carries them: a WebSocket, where a binary message is one, or
//! a stream of a session, which comes as the body of a request and leaves as the body of its answer.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::ws::{Message, WebSocket},
};
use bytes::{Bytes, BytesMut};
use futures_util::{
    SinkExt, Stream, StreamExt,
    stream::{SplitSink, SplitStream},
};
use gantline_protocol::{
    WireError,
    terminal::{Deframer, stream::LENGTH},
};
use http_body::Frame;
use http_body_util::BodyStream;

/// Messages that wait for a body's reader. When there are so many, the sender waits.
const WAITING: usize = 8;

/// Why a conversation is over before its end.
#[derive(Debug, thiserror::Error)]
pub enum DuplexError {
    /// The other end is gone.
    #[error("the other end is gone")]
    Gone,
    /// The other end broke the rules.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A WebSocket carried text.
    #[error("a text message; messages are binary")]
    Text,
}

/// The sending half of a conversation.
pub trait MessageSender: Send {
    /// Sends a message, which `framed` holds with its length in front.
    fn send(&mut self, framed: Bytes) -> impl Future<Output = Result<(), DuplexError>> + Send;

    /// Sends a message that may wait for the one after it, or for [`MessageSender::flush`].
    fn send_soon(&mut self, framed: Bytes) -> impl Future<Output = Result<(), DuplexError>> + Send {
        self.send(framed)
    }

    /// Nothing waits any more.
    fn flush(&mut self) -> impl Future<Output = Result<(), DuplexError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Sends a message in two parts: `head` holds its length and its beginning, `rest` is the rest,
    /// which is not copied where the carrier allows.
    fn send_parts(
        &mut self,
        head: &[u8],
        rest: Bytes,
    ) -> impl Future<Output = Result<(), DuplexError>> + Send;
}

/// The receiving half of a conversation.
pub trait MessageReceiver: Send {
    /// The next message, `None` at the orderly end.
    fn receive(&mut self) -> impl Future<Output = Result<Option<Bytes>, DuplexError>> + Send;
}

/// The two halves of a conversation on a WebSocket, whose limits the upgrade has set.
pub fn over_websocket(
    socket: WebSocket,
) -> (SplitSink<WebSocket, Message>, SplitStream<WebSocket>) {
    socket.split()
}

impl MessageSender for SplitSink<WebSocket, Message> {
    async fn send(&mut self, framed: Bytes) -> Result<(), DuplexError> {
        let message = framed.slice(LENGTH.min(framed.len())..);
        SinkExt::send(self, Message::Binary(message)).await.map_err(|_| DuplexError::Gone)
    }

    async fn send_soon(&mut self, framed: Bytes) -> Result<(), DuplexError> {
        let message = framed.slice(LENGTH.min(framed.len())..);
        SinkExt::feed(self, Message::Binary(message)).await.map_err(|_| DuplexError::Gone)
    }

    async fn flush(&mut self) -> Result<(), DuplexError> {
        SinkExt::flush(self).await.map_err(|_| DuplexError::Gone)
    }

    async fn send_parts(&mut self, head: &[u8], rest: Bytes) -> Result<(), DuplexError> {
        let head = head.get(LENGTH..).unwrap_or_default();
        let mut message = BytesMut::with_capacity(head.len() + rest.len());
        message.extend_from_slice(head);
        message.extend_from_slice(&rest);
        let message = Message::Binary(message.freeze());
        SinkExt::send(self, message).await.map_err(|_| DuplexError::Gone)
    }
}

impl MessageReceiver for SplitStream<WebSocket> {
    async fn receive(&mut self) -> Result<Option<Bytes>, DuplexError> {
        loop {
            match self.next().await {
                None | Some(Ok(Message::Close(_))) => return Ok(None),
                Some(Ok(Message::Binary(message))) => return Ok(Some(message)),
                Some(Ok(Message::Text(_))) => return Err(DuplexError::Text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Err(_)) => return Err(DuplexError::Gone),
            }
        }
    }
}

/// A conversation on a stream of a session: `request` is what comes in, the returned body what goes
/// out. `converse` runs whenever the returned body is read, in the task that reads it, and ends with
/// it; so a message costs no hand-over between tasks.
pub fn over_body<F>(request: Body, converse: impl FnOnce(BodySender, BodyReceiver) -> F) -> Body
where
    F: Future<Output = ()> + Send + 'static,
{
    let outbox = Outbox::default();
    let receiver = BodyReceiver {
        body: BodyStream::new(request),
        deframer: Deframer::new(),
        rest: Bytes::new(),
    };
    let conversation = Box::pin(converse(BodySender { outbox: outbox.clone() }, receiver));
    Body::new(ConversationBody { outbox, conversation: Some(conversation) })
}

#[derive(Debug, Clone, Default)]
struct Outbox {
    waiting: Arc<Mutex<VecDeque<Bytes>>>,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Bytes>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room. Nobody need be woken: whoever makes room polls the conversation next.
    async fn put(&self, parts: [Bytes; 2]) {
        let mut parts = Some(parts);
        std::future::poll_fn(|_| {
            let mut waiting = self.lock();
            if waiting.len() >= WAITING {
                return Poll::Pending;
            }
            waiting.extend(parts.take().into_iter().flatten().filter(|part| !part.is_empty()));
            Poll::Ready(())
        })
        .await;
    }
}

/// The sending half of a conversation on a body.
#[derive(Debug)]
pub struct BodySender {
    outbox: Outbox,
}

impl MessageSender for BodySender {
    async fn send(&mut self, framed: Bytes) -> Result<(), DuplexError> {
        self.outbox.put([framed, Bytes::new()]).await;
        Ok(())
    }

    async fn send_parts(&mut self, head: &[u8], rest: Bytes) -> Result<(), DuplexError> {
        self.outbox.put([Bytes::copy_from_slice(head), rest]).await;
        Ok(())
    }
}

/// The receiving half of a conversation on a body.
#[derive(Debug)]
pub struct BodyReceiver {
    body: BodyStream<Body>,
    deframer: Deframer,
    rest: Bytes,
}

impl MessageReceiver for BodyReceiver {
    async fn receive(&mut self) -> Result<Option<Bytes>, DuplexError> {
        loop {
            let mut rest = &*self.rest;
            let message = self.deframer.next(&mut rest)?.map(Bytes::copy_from_slice);
            let taken = self.rest.len() - rest.len();
            drop(self.rest.split_to(taken));
            if message.is_some() {
                return Ok(message);
            }
            match self.body.next().await {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Err(DuplexError::Gone),
                None => {
                    self.deframer.finish()?;
                    return Ok(None);
                }
            }
        }
    }
}

struct ConversationBody {
    outbox: Outbox,
    conversation: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Stream for ConversationBody {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(part) = self.outbox.lock().pop_front() {
                return Poll::Ready(Some(part));
            }
            let Some(conversation) = &mut self.conversation else { return Poll::Ready(None) };
            match conversation.as_mut().poll(context) {
                Poll::Ready(()) => self.conversation = None,
                Poll::Pending if self.outbox.lock().is_empty() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    }
}

impl http_body::Body for ConversationBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.poll_next(context).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}
