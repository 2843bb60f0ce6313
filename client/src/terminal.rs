//! A conversation with an agent's terminal, in whole messages.

use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use gantline_protocol::{
    AgentId,
    api::Problem,
    session::Open,
    terminal::{Deframer, MAX_MESSAGE, NodeMessage, ViewerMessage},
};
use gantline_transport::LocalStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

use crate::{
    connection::{Connection, RequestError, Way},
    session::{Receiving, Sending, StreamEnd},
};

/// Speaks to an agent's terminal. Dropping it leaves the terminal; the agent goes on.
#[derive(Debug)]
pub struct TerminalSender {
    inner: Sender,
}

#[derive(Debug)]
enum Sender {
    Session(Sending),
    Socket(SplitSink<WebSocketStream<LocalStream>, Message>),
}

/// Hears an agent's terminal.
#[derive(Debug)]
pub struct TerminalReceiver {
    inner: Receiver,
}

#[derive(Debug)]
enum Receiver {
    Session { receiving: Receiving, deframer: Deframer },
    Socket(SplitStream<WebSocketStream<LocalStream>>),
}

impl Connection {
    /// Opens a conversation with an agent's terminal. The first message to send is ATTACH.
    ///
    /// # Errors
    /// [`RequestError`], among them [`RequestError::Problem`] when there is no such agent.
    pub async fn terminal(
        &self,
        agent: AgentId,
    ) -> Result<(TerminalSender, TerminalReceiver), RequestError> {
        let path = format!("/v1/agents/{agent}/terminal");
        match self.way() {
            Way::Session(session) => {
                let open = Open { method: "GET".to_owned(), path, headers: Vec::new() };
                let (sending, mut receiving) = session.open(open)?;
                let head = receiving.head().await?;
                if head.status >= 400 {
                    return Err(problem(head.status, receiving).await);
                }
                let sender = Sender::Session(sending);
                let receiver = Receiver::Session { receiving, deframer: Deframer::new() };
                Ok((TerminalSender { inner: sender }, TerminalReceiver { inner: receiver }))
            }
            Way::Socket(socket) => {
                let open = async {
                    let stream = socket.connect().await?;
                    let request = format!("ws://localhost{path}").into_client_request()?;
                    Ok(client_async_with_config(request, stream, Some(limits())).await?)
                };
                let (socket, _) = socket.wait(open).await?;
                let (sender, receiver) = socket.split();
                Ok((
                    TerminalSender { inner: Sender::Socket(sender) },
                    TerminalReceiver { inner: Receiver::Socket(receiver) },
                ))
            }
        }
    }
}

impl TerminalSender {
    /// Sends one message.
    ///
    /// # Errors
    /// [`RequestError`]; [`RequestError::Malformed`] for a message that breaks a bound.
    pub async fn send(&mut self, message: &ViewerMessage<'_>) -> Result<(), RequestError> {
        let malformed = |error| RequestError::from(StreamEnd::Invalid(error));
        let mut bytes = Vec::new();
        match &mut self.inner {
            Sender::Session(sending) => {
                message.encode_framed(&mut bytes).map_err(malformed)?;
                Ok(sending.write(Bytes::from(bytes)).await?)
            }
            Sender::Socket(sink) => {
                message.encode(&mut bytes).map_err(malformed)?;
                Ok(sink.send(Message::Binary(Bytes::from(bytes))).await?)
            }
        }
    }
}

impl TerminalReceiver {
    /// Waits for messages and hands over those that are there, in order. `false` at the orderly end
    /// of the conversation.
    ///
    /// # Errors
    /// [`RequestError`] when the conversation broke off.
    pub async fn receive(
        &mut self,
        mut on_message: impl FnMut(NodeMessage<'_>),
    ) -> Result<bool, RequestError> {
        let malformed =
            |error: gantline_protocol::WireError| RequestError::Malformed(error.to_string());
        match &mut self.inner {
            Receiver::Session { receiving, deframer } => {
                let Some(bytes) = receiving.chunk().await? else {
                    deframer.finish().map_err(malformed)?;
                    return Ok(false);
                };
                let mut input = &*bytes;
                while let Some(message) = deframer.next(&mut input).map_err(malformed)? {
                    on_message(NodeMessage::decode(message).map_err(malformed)?);
                }
                Ok(true)
            }
            Receiver::Socket(stream) => loop {
                match stream.next().await.transpose()? {
                    None | Some(Message::Close(_)) => return Ok(false),
                    Some(Message::Binary(message)) => {
                        on_message(NodeMessage::decode(&message).map_err(malformed)?);
                        return Ok(true);
                    }
                    Some(Message::Text(_)) => {
                        return Err(RequestError::Malformed("a text message".to_owned()));
                    }
                    Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                }
            },
        }
    }
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .write_buffer_size(0)
}

async fn problem(status: u16, mut receiving: Receiving) -> RequestError {
    /// The greatest body of a problem that is read, in bytes.
    const MAX: usize = 64 * 1024;
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = receiving.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() > MAX {
            break;
        }
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => RequestError::Problem(Box::new(problem)),
        Err(_) => RequestError::Malformed(format!("status {status} without a problem")),
    }
}

impl From<Error> for RequestError {
    fn from(error: Error) -> Self {
        if let Error::Http(response) = &error
            && let Some(body) = response.body()
            && let Ok(problem) = serde_json::from_slice::<Problem>(body)
        {
            return Self::Problem(Box::new(problem));
        }
        Self::WebSocket(Box::new(error))
    }
}
