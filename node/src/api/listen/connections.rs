//! HTTP/1.1 on the connections of one listener, within limits. The listener owns them.

use std::{convert::Infallible, future::Future, io, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// The greatest number of connections at a time. More wait in the system's queue.
const MAX_CONNECTIONS: usize = 256;
/// How long a head may take to arrive, and a connection be idle between two requests.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The greatest number of header fields.
const MAX_FIELDS: usize = 64;
/// The greatest head, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// How long to wait when the system has no descriptor for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections of one listener. Dropping it cuts them off.
#[derive(Debug)]
pub(super) struct Connections {
    places: Arc<Semaphore>,
    tasks: JoinSet<()>,
    closing: CancellationToken,
}

impl Connections {
    /// None yet. Once `closing` is cancelled each ends after the answer it is giving.
    pub(super) fn new(closing: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { places, tasks: JoinSet::new(), closing }
    }

    /// Accepts connections until the end, then waits for those that there are. `serve` starts one.
    pub(super) async fn run<C, A>(
        mut self,
        mut accept: impl FnMut() -> A,
        mut serve: impl FnMut(&mut Self, OwnedSemaphorePermit, C),
    ) where
        A: Future<Output = io::Result<C>>,
    {
        loop {
            let next = async {
                let place = self.places.clone().acquire_owned().await;
                (place.expect("the places are never closed"), accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = self.closing.cancelled() => break,
                next = next => next,
            };
            while self.tasks.try_join_next().is_some() {}
            match accepted {
                Ok(connection) => serve(&mut self, place, connection),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Serves one connection on a task of its own.
    pub(super) fn serve<F, R>(
        &mut self,
        place: OwnedSemaphorePermit,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        answer: F,
    ) where
        F: Fn(Request) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response> + Send + 'static,
    {
        let closing = self.closing.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let answered = answer(request.map(Body::new));
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_headers(MAX_FIELDS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        self.tasks.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = closing.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended badly");
            }
            drop(place);
        });
    }
}
