//! A page at a node's 127.0.0.1, as a browser runs it: it speaks HTTP and WebSocket, names its
//! origin, and has the token that it got for one that works once.

use std::{collections::VecDeque, net::SocketAddr};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use gantline_protocol::{
    MachineId,
    api::{MachineSummary, PageToken},
    terminal::{NodeMessage, ViewerMessage},
};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};

use crate::soon;

/// A page. Clones are further pages of the same user.
#[derive(Debug, Clone)]
pub struct Page {
    address: SocketAddr,
    token: String,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where it says that something is.
    pub location: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// What a page hears of all machines.
#[derive(Debug)]
pub struct PageEvents {
    response: Response<Incoming>,
    buffer: String,
    waiting: VecDeque<(String, Value)>,
}

/// A page's terminal.
#[derive(Debug)]
pub struct PageTerminal {
    socket: WebSocketStream<TcpStream>,
}

impl Page {
    /// Opens the address that `gantline open` gave.
    ///
    /// # Panics
    /// If it is not let in.
    pub async fn open(url: &str) -> Self {
        let (place, once) = url.split_once("/#once=").expect(url);
        let address = place.strip_prefix("http://").and_then(|place| place.parse().ok());
        let mut page = Self { address: address.expect(url), token: String::new() };
        let answer =
            page.ask(Method::POST, "/v1/page-token", Some(json!({ "oneTimeToken": once }))).await;
        let token: PageToken = serde_json::from_slice(&answer.body).expect("it is let in");
        page.token = token.token;
        page
    }

    /// What is answered to a GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    /// What is answered to a POST of JSON.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// What is answered to any request.
    ///
    /// # Panics
    /// If nothing whole comes.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let response = self.begin(method, path, body).await;
        let location = response.headers().get("location");
        let location = location.map(|value| value.to_str().expect("text").to_owned());
        let status = response.status().as_u16();
        let body = soon("the end of an answer", response.into_body().collect()).await;
        Answer { status, location, body: body.expect("it is whole").to_bytes() }
    }

    /// An answer whose body goes on.
    ///
    /// # Panics
    /// If none comes.
    pub async fn begin(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.expect("the node listens");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.expect("it speaks HTTP");
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("origin", format!("http://{}", self.address))
            .header("sec-fetch-site", "same-origin")
            .header("authorization", format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(bytes))).expect("a request");
        soon("an answer", sender.send_request(request)).await.expect("it answers")
    }

    /// Every machine that the node knows.
    ///
    /// # Panics
    /// If they are not to be had.
    pub async fn machines(&self) -> Vec<MachineSummary> {
        let answer = self.get("/v1/machines").await;
        serde_json::from_slice(&answer.body).expect("a list of machines")
    }

    /// Listens to all machines.
    ///
    /// # Panics
    /// If it may not.
    pub async fn events(&self) -> PageEvents {
        let response = self.begin(Method::GET, "/v1/machines/events", None).await;
        assert_eq!(response.status(), 200);
        PageEvents { response, buffer: String::new(), waiting: VecDeque::new() }
    }

    /// Opens a terminal.
    ///
    /// # Errors
    /// What the node answers instead.
    ///
    /// # Panics
    /// If the node does not listen.
    pub async fn terminal(&self, path: &str) -> Result<PageTerminal, Box<Error>> {
        let stream = TcpStream::connect(self.address).await.expect("the node listens");
        let url = format!("ws://{}{path}", self.address);
        let mut request = url.into_client_request().expect("a request");
        let protocols = format!("gantline.v1, gantline.bearer.{}", self.token);
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", protocols.parse().expect("a field"));
        headers.insert("origin", format!("http://{}", self.address).parse().expect("a field"));
        let opened = soon("a terminal", client_async(request, stream)).await;
        let (socket, _) = opened.map_err(Box::new)?;
        Ok(PageTerminal { socket })
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("it is JSON")
    }
}

impl PageEvents {
    /// The next event: its name and data.
    ///
    /// # Panics
    /// If the stream ends.
    pub async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return event;
            }
            let frame = soon("an event", self.response.body_mut().frame()).await;
            let frame = frame.expect("events do not end").expect("they do not break off");
            let bytes = frame.into_data().unwrap_or_default();
            self.buffer.push_str(&String::from_utf8_lossy(&bytes));
            while let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                if let Some(data) = field("data") {
                    let name = field("event").unwrap_or("message").to_owned();
                    let data = serde_json::from_str(data).expect("data is JSON");
                    self.waiting.push_back((name, data));
                }
                self.buffer = rest.to_owned();
            }
        }
    }

    /// Waits until a machine comes into this state, and gives what is told of it then. What it was
    /// in before anybody listened nobody tells.
    ///
    /// # Panics
    /// If it does not.
    pub async fn until(&mut self, machine: MachineId, state: &str) -> Value {
        let told = async {
            loop {
                let (_, data) = self.next().await;
                let event = &data["event"];
                if event["kind"] == "machine-changed"
                    && event["machine"]["machineId"] == machine.to_string()
                    && event["machine"]["state"] == state
                {
                    return event["machine"].clone();
                }
            }
        };
        soon(&format!("a machine that is {state}"), told).await
    }
}

impl PageTerminal {
    /// Sends a message.
    ///
    /// # Errors
    /// The terminal is gone.
    ///
    /// # Panics
    /// If it is no message.
    pub async fn say(&mut self, message: &ViewerMessage<'_>) -> Result<(), Box<Error>> {
        let mut bytes = Vec::new();
        message.encode(&mut bytes).expect("a message");
        self.socket.send(Message::binary(bytes)).await.map_err(Box::new)
    }

    /// Hears one message; at the end, why it ended.
    ///
    /// # Errors
    /// The code with which it was closed.
    ///
    /// # Panics
    /// If a message is none.
    pub async fn hear<T>(
        &mut self,
        on_message: impl FnOnce(NodeMessage<'_>) -> T,
    ) -> Result<T, u16> {
        loop {
            match soon("a message", self.socket.next()).await {
                Some(Ok(Message::Binary(bytes))) => {
                    return Ok(on_message(NodeMessage::decode(&bytes).expect("a message")));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |CloseFrame { code, .. }| code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }
}
