//! A WebSocket (RFC 6455) as a pipe: its binary messages, one after the other, are the bytes; where
//! one ends and the next begins means nothing. An empty binary message ends its direction. A Close,
//! or the end of the connection, before that is an abort; text is an error.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, protocol::WebSocketConfig},
};

use crate::{PipeReader, PipeWriter};

/// The greatest message, in bytes.
pub const MAX_MESSAGE: usize = 65_536;
/// The subprotocol by which both ends know that the WebSocket is a pipe (RFC 6455 section 1.9).
pub const SUBPROTOCOL: &str = "gantline.pipe.v1";

/// The limits of a WebSocket that is a pipe.
#[must_use]
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE)
}

/// The two directions of the pipe that `socket` carries; it was made with [`config`].
pub fn pipe<S>(socket: WebSocketStream<S>) -> (WebSocketWriter<S>, WebSocketReader<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sink, stream) = socket.split();
    let writer = WebSocketWriter { sink, is_finished: false };
    (writer, WebSocketReader { stream, rest: Bytes::new(), state: Reading::Open })
}

/// Reads one direction of a pipe on a WebSocket.
#[derive(Debug)]
pub struct WebSocketReader<S> {
    stream: SplitStream<WebSocketStream<S>>,
    /// What is left of a message that was too long for its reader.
    rest: Bytes,
    state: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Open,
    Ended,
    Broken,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketReader<S> {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.rest))));
        }
        loop {
            match self.state {
                Reading::Open => {}
                Reading::Ended => return Poll::Ready(Ok(None)),
                Reading::Broken => return Poll::Ready(Err(aborted())),
            }
            let message = ready!(self.stream.poll_next_unpin(context));
            self.state = Reading::Broken;
            match message {
                Some(Ok(Message::Binary(bytes))) if bytes.is_empty() => {
                    self.state = Reading::Ended;
                }
                Some(Ok(Message::Binary(bytes))) => {
                    self.state = Reading::Open;
                    return Poll::Ready(Ok(Some(bytes)));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    self.state = Reading::Open;
                }
                Some(Ok(Message::Text(_))) => {
                    let why = "a text message on a pipe";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Err(aborted())),
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
    }
}

impl<S> PipeReader for WebSocketReader<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    async fn read_chunk(&mut self, limit: usize) -> io::Result<Option<Bytes>> {
        let chunk = std::future::poll_fn(|context| self.poll_chunk(context)).await?;
        Ok(chunk.map(|mut chunk| {
            if chunk.len() > limit {
                self.rest = chunk.split_off(limit);
            }
            chunk
        }))
    }

    /// A WebSocket has no way to say this of one direction; the end of both says it.
    fn stop(&mut self) {
        self.state = Reading::Broken;
    }
}

impl<S> AsyncRead for WebSocketReader<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut chunk) = ready!(self.poll_chunk(context))? {
            let taken = chunk.split_to(chunk.len().min(buffer.remaining()));
            buffer.put_slice(&taken);
            self.rest = chunk;
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes one direction of a pipe on a WebSocket.
#[derive(Debug)]
pub struct WebSocketWriter<S: AsyncRead + AsyncWrite + Unpin> {
    sink: SplitSink<WebSocketStream<S>, Message>,
    /// Ended, in order or not: a drop has nothing to say any more.
    is_finished: bool,
}

impl<S> PipeWriter for WebSocketWriter<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    async fn write_chunk(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(MAX_MESSAGE));
            self.sink.feed(Message::Binary(piece)).await.map_err(broken)?;
        }
        self.sink.flush().await.map_err(broken)
    }

    fn abort(&mut self) {
        if !self.is_finished {
            self.is_finished = true;
            // If there is no room for it, the end of the connection says the same.
            let _ = self.sink.send(Message::Close(None)).now_or_never();
        }
    }
}

impl<S> AsyncWrite for WebSocketWriter<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.sink.poll_ready_unpin(context)).map_err(broken)?;
        let piece = bytes.get(..MAX_MESSAGE).unwrap_or(bytes);
        if !piece.is_empty() {
            let message = Message::Binary(Bytes::copy_from_slice(piece));
            self.sink.start_send_unpin(message).map_err(broken)?;
        }
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sink.poll_flush_unpin(context).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_finished {
            ready!(self.sink.poll_ready_unpin(context)).map_err(broken)?;
            self.sink.start_send_unpin(Message::Binary(Bytes::new())).map_err(broken)?;
            self.is_finished = true;
        }
        self.sink.poll_flush_unpin(context).map_err(broken)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for WebSocketWriter<S> {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = self.sink.send(Message::Close(None)).now_or_never();
        }
    }
}

fn aborted() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

fn broken(error: Error) -> io::Error {
    if matches!(error, Error::ConnectionClosed | Error::AlreadyClosed) {
        return aborted();
    }
    if let Error::Io(error) = error {
        return error;
    }
    io::Error::new(io::ErrorKind::NotConnected, error)
}
