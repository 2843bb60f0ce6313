//! The UDP side: takes connections, and finds out what each of their streams is for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gantline_protocol::{
    WireError,
    link::{LinkReply, PipeReply, PipeRequest, Progress, Purpose},
};
use gantline_transport::{
    Link, PipeWriter, QuicLink, QuicListener,
    quic::{QuicIncoming, QuicReader, QuicWriter},
};
use tokio::{
    io::AsyncWriteExt,
    select,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    exchange::{Connecting, ConnectionPlace, Exchange},
    inbox::{Inbox, ReadError},
    login::{self, CLOSE_IDLE, CLOSE_ILLEGAL, CLOSE_STOPPING},
    pipes,
};

/// Takes connections until the relay ends.
pub(crate) async fn accept(exchange: Arc<Exchange>, listener: Arc<QuicListener>) {
    loop {
        let incoming = select! {
            () = exchange.ending.cancelled() => return,
            incoming = listener.accept() => match incoming {
                Some(incoming) => incoming,
                None => return,
            },
        };
        if exchange.draining.is_cancelled() {
            incoming.refuse();
            continue;
        }
        match exchange.connecting(incoming.remote().ip(), incoming.is_validated()) {
            Connecting::Welcome(place) => {
                exchange.tasks.spawn(connection(exchange.clone(), incoming, place));
            }
            Connecting::Validate => incoming.validate(),
            Connecting::Refused => incoming.refuse(),
        }
    }
}

async fn connection(exchange: Arc<Exchange>, incoming: QuicIncoming, mut place: ConnectionPlace) {
    let limits = &exchange.config.limits;
    let Ok(Ok(link)) = timeout(limits.handshake, incoming.accept()).await else { return };
    place.handshake_over();
    let pending = Arc::new(Semaphore::new(limits.pending_streams));
    let has_control = Arc::new(AtomicBool::new(false));
    let mut streams = JoinSet::new();
    let mut idle_since = Instant::now();
    loop {
        // The place first: a stream is taken only when there is one, the others wait at the peer.
        let accepted = async {
            let permit = pending.clone().acquire_owned().await.ok()?;
            Some((permit, link.accept_pipe().await.ok()?))
        };
        select! {
            biased;
            () = exchange.ending.cancelled() => {
                link.close(CLOSE_STOPPING, "");
                break;
            }
            Some(over) = streams.join_next() => {
                if let Err(error) = over {
                    tracing::error!("a stream's task failed: {error}");
                }
                idle_since = Instant::now();
            }
            accepted = accepted => {
                let Some((permit, (writer, reader))) = accepted else { break };
                let stream = Stream {
                    exchange: exchange.clone(),
                    link: link.clone(),
                    has_control: has_control.clone(),
                };
                streams.spawn(stream.serve(writer, reader, permit));
            }
            () = sleep_until(idle_since + limits.idle), if streams.is_empty() => {
                link.close(CLOSE_IDLE, "");
                break;
            }
        }
    }
    // What the streams still hold ends with the link; they see that by themselves.
    while let Some(over) = streams.join_next().await {
        if let Err(error) = over {
            tracing::error!("a stream's task failed: {error}");
        }
    }
    drop(place);
}

struct Stream {
    exchange: Arc<Exchange>,
    link: QuicLink,
    /// Whether this connection has a control stream already.
    has_control: Arc<AtomicBool>,
}

/// What a stream turned out to be.
enum Wanted {
    Control,
    Pipe(PipeRequest),
    /// Of a version that isn't spoken here.
    TooNew {
        is_pipe: bool,
    },
}

impl Stream {
    async fn serve(self, writer: QuicWriter, reader: QuicReader, permit: OwnedSemaphorePermit) {
        let Self { exchange, link, has_control } = self;
        let mut inbox = Inbox::new(reader);
        let header = timeout(exchange.config.limits.first_bytes, wanted(&mut inbox)).await;
        drop(permit);
        let address = link.remote().ip();
        match header {
            Ok(Ok(Wanted::Control)) if has_control.swap(true, Ordering::Relaxed) => {
                tracing::debug!(%address, "a second control stream on one link");
                link.close(CLOSE_ILLEGAL, "");
            }
            Ok(Ok(Wanted::Control)) => login::serve(&exchange, &link, writer, inbox).await,
            Ok(Ok(Wanted::Pipe(request))) => {
                let reader = inbox.into_reader();
                pipes::serve(&exchange, address, request.machine, writer, reader).await;
            }
            Ok(Ok(Wanted::TooNew { is_pipe: true })) => {
                let reader = inbox.into_reader();
                pipes::refuse(&exchange, writer, reader, PipeReply::Version).await;
            }
            Ok(Ok(Wanted::TooNew { is_pipe: false })) => {
                refuse_link(&exchange, &link, writer, LinkReply::Version).await;
            }
            Ok(Err(ReadError::Wire(error))) => {
                tracing::debug!(%address, "a stream begins with garbage: {error}");
                link.close(CLOSE_ILLEGAL, "");
            }
            // Given up, or too slow: dropping both ends aborts the stream.
            Ok(Err(ReadError::Ended)) | Err(_) => {}
        }
    }
}

async fn wanted(inbox: &mut Inbox<QuicReader>) -> Result<Wanted, ReadError> {
    inbox.more(Purpose::SIZE).await?;
    loop {
        match Purpose::peek(inbox.arrived()) {
            Ok(Progress::Needs(more)) => inbox.more(more).await?,
            Ok(Progress::Whole { value: Purpose::Link, .. }) => return Ok(Wanted::Control),
            Ok(Progress::Whole { value: Purpose::Pipe, .. }) => {
                return Ok(Wanted::Pipe(inbox.take(PipeRequest::decode).await?));
            }
            Err(WireError::Version { .. }) => {
                // Both kinds of stream have an answer of their own for this. The second byte says
                // which is meant, if it came along with the first.
                let [_, pipe] = Purpose::Pipe.encode();
                let is_pipe = inbox.arrived().get(1) == Some(&pipe);
                inbox
                    .take(|arrived| Ok(Progress::Whole { value: (), length: arrived.len() }))
                    .await?;
                return Ok(Wanted::TooNew { is_pipe });
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn refuse_link(
    exchange: &Exchange,
    link: &QuicLink,
    mut writer: QuicWriter,
    reply: LinkReply,
) {
    let limits = &exchange.config.limits;
    let byte = bytes::Bytes::copy_from_slice(&[reply.to_byte()]);
    if let Ok(Ok(())) = timeout(limits.control_write, writer.write_chunk(byte)).await {
        // An error means that the other end is gone.
        let _ = writer.shutdown().await;
        // Closing at once could overtake the reply.
        let _ = timeout(limits.farewell, link.ended()).await;
    }
    link.close(login::CLOSE_REFUSED, "");
}
