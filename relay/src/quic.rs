//! The UDP side: takes connections, and the streams in them.

use std::sync::{Arc, atomic::AtomicBool};

use gantline_transport::{Link, QuicListener, quic::QuicIncoming};
use tokio::{
    select,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    exchange::{Connecting, ConnectionPlace, Exchange},
    line::{Invites, Line},
    login::{CLOSE_IDLE, CLOSE_STOPPING},
    stream::Stream,
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
                    line: Line::Quic(link.clone()),
                    invites: Invites::NONE,
                    has_control: has_control.clone(),
                    places: None,
                };
                let (writer, reader) = (writer.into(), reader.into());
                streams.spawn(async move { stream.serve(writer, reader, Some(permit)).await });
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
