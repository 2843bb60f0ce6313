//! A link whose pipes are WebSockets, seen from who dials: each pipe is dialled when it is opened.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    KeepAlive, Ready, WebSocketReader, WebSocketWriter,
    dial::{Dialled, WebSocketDialer},
    pipe::pipe,
};
use crate::{Link, LinkEnd};

/// A link over WebSockets. The other end can't open pipes on it: a relay asks for one by a message
/// on the control stream. When the link ends no more pipes are opened; those that stand are
/// connections of their own, and go on.
#[derive(Clone)]
pub struct WebSocketLink {
    shared: Arc<Shared>,
}

struct Shared {
    dialer: WebSocketDialer,
    ready: Ready,
    /// What was dialled to make sure of the relay; the first pipe.
    first: Mutex<Option<Dialled>>,
    exporter: [u8; 32],
    remote: SocketAddr,
    round_trip: Duration,
    end: watch::Sender<Option<LinkEnd>>,
}

impl WebSocketLink {
    pub(super) fn new(dialer: WebSocketDialer, ready: Ready, first: Dialled) -> Self {
        let shared = Shared {
            dialer,
            ready,
            exporter: first.exporter,
            remote: first.remote,
            round_trip: first.round_trip,
            first: Mutex::new(Some(first)),
            end: watch::Sender::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    fn end(&self) -> Option<LinkEnd> {
        self.shared.end.borrow().clone()
    }
}

impl fmt::Debug for WebSocketLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketLink").field("remote", &self.shared.remote).finish_non_exhaustive()
    }
}

impl Link for WebSocketLink {
    type Reader = WebSocketReader;
    type Writer = WebSocketWriter;

    async fn open_pipe(&self) -> Result<(WebSocketWriter, WebSocketReader), LinkEnd> {
        if let Some(end) = self.end() {
            return Err(end);
        }
        let first = self.shared.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let dialled = match first {
            Some(first) => first,
            None => {
                let dialled = self.shared.dialer.connect(&self.shared.ready).await;
                dialled.map_err(|error| LinkEnd::Broken(error.to_string()))?
            }
        };
        let keep_alive = KeepAlive::from(self.shared.dialer.timing());
        let (_, writer, reader) = pipe(dialled.socket, Some(keep_alive));
        Ok((writer, reader))
    }

    /// Never gives a pipe: waits for the end of the link.
    async fn accept_pipe(&self) -> Result<(WebSocketWriter, WebSocketReader), LinkEnd> {
        Err(self.ended().await)
    }

    fn login_exporter(&self) -> Result<[u8; 32], LinkEnd> {
        Ok(self.shared.exporter)
    }

    fn remote(&self) -> SocketAddr {
        self.shared.remote
    }

    fn round_trip(&self) -> Duration {
        self.shared.round_trip
    }

    fn close(&self, _code: u32, _reason: &str) {
        self.shared.end.send_if_modified(|end| {
            let is_news = end.is_none();
            end.get_or_insert(LinkEnd::ClosedHere);
            is_news
        });
    }

    async fn ended(&self) -> LinkEnd {
        let mut end = self.shared.end.subscribe();
        match end.wait_for(Option::is_some).await.map(|end| end.clone()) {
            Ok(Some(end)) => end,
            // The sender lives in `shared`, which this handle holds.
            Ok(None) | Err(_) => LinkEnd::ClosedHere,
        }
    }
}
