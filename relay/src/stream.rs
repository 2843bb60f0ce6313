//! A stream of a node or native client, whatever carries it: finds out what it is for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gantline_protocol::{
    WireError,
    link::{LinkReply, PipeReply, PipeRequest, Progress, Purpose, TicketRequest},
};
use gantline_transport::{Inbox, PipeWriter, ReadError, RelayReader, RelayWriter};
use tokio::{io::AsyncWriteExt, sync::OwnedSemaphorePermit, time::timeout};

use crate::{
    edge::Places,
    exchange::Exchange,
    line::{Invites, Line},
    login::{self, CLOSE_ILLEGAL},
    pipes,
    tickets::NodePipe,
};

/// A stream that has not said yet what it is for.
pub(crate) struct Stream {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) line: Line,
    /// What to invite the node to, if this is its control stream.
    pub(crate) invites: Invites,
    /// Whether this connection has a control stream already.
    pub(crate) has_control: Arc<AtomicBool>,
    /// What the stream's own connection counts as, if it has one.
    pub(crate) places: Option<Arc<Places>>,
}

/// What a stream turned out to be.
enum Wanted {
    Control,
    Pipe(PipeRequest),
    Ticket(TicketRequest),
    /// Of a version that isn't spoken here.
    TooNew {
        is_pipe: bool,
    },
}

impl Stream {
    /// Finds out what it is for, and serves it until it ends. `permit` is given back once it has
    /// said so.
    pub(crate) async fn serve(
        self,
        writer: RelayWriter,
        reader: RelayReader,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let Self { exchange, line, invites, has_control, places } = self;
        let mut inbox = Inbox::new(reader);
        let header = timeout(exchange.config.limits.first_bytes, wanted(&line, &mut inbox)).await;
        drop(permit);
        let address = line.address();
        match header {
            Ok(Ok(Wanted::Control)) if has_control.swap(true, Ordering::Relaxed) => {
                tracing::debug!(%address, "a second control stream on one link");
                line.close(CLOSE_ILLEGAL);
            }
            Ok(Ok(Wanted::Control)) => {
                login::serve(&exchange, &line, writer, inbox, invites).await;
            }
            Ok(Ok(Wanted::Ticket(request))) => {
                let pipe = NodePipe { writer, reader: inbox.into_reader(), places };
                exchange.tickets.redeem(&request.ticket, pipe);
            }
            Ok(Ok(Wanted::Pipe(request))) => {
                let reader = inbox.into_reader();
                pipes::serve(&exchange, address, request.machine, writer, reader).await;
            }
            Ok(Ok(Wanted::TooNew { is_pipe: true })) => {
                let reader = inbox.into_reader();
                pipes::refuse(&exchange, writer, reader, PipeReply::Version).await;
            }
            Ok(Ok(Wanted::TooNew { is_pipe: false })) => {
                refuse_link(&exchange, &line, writer, LinkReply::Version).await;
            }
            Ok(Err(ReadError::Wire(error))) => {
                tracing::debug!(%address, "a stream begins with garbage: {error}");
                line.close(CLOSE_ILLEGAL);
            }
            // Given up, or too slow: dropping both ends aborts the stream.
            Ok(Err(ReadError::Ended)) | Err(_) => {}
        }
    }
}

async fn wanted(line: &Line, inbox: &mut Inbox<RelayReader>) -> Result<Wanted, ReadError> {
    inbox.more(Purpose::SIZE).await?;
    loop {
        match Purpose::peek(inbox.arrived()) {
            Ok(Progress::Needs(more)) => inbox.more(more).await?,
            Ok(Progress::Whole { value: Purpose::Link, .. }) => return Ok(Wanted::Control),
            Ok(Progress::Whole { value: Purpose::Pipe, .. }) => {
                return Ok(Wanted::Pipe(inbox.take(PipeRequest::decode).await?));
            }
            Ok(Progress::Whole { value: Purpose::Ticket, .. }) if matches!(line, Line::Quic(_)) => {
                // On QUIC the relay opens pipes by itself, and invites nobody.
                let [_, kind] = Purpose::Ticket.encode();
                return Err(WireError::UnknownType { what: "stream on QUIC", kind }.into());
            }
            Ok(Progress::Whole { value: Purpose::Ticket, .. }) => {
                return Ok(Wanted::Ticket(inbox.take(TicketRequest::decode).await?));
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

async fn refuse_link(exchange: &Exchange, line: &Line, mut writer: RelayWriter, reply: LinkReply) {
    let limits = &exchange.config.limits;
    let byte = bytes::Bytes::copy_from_slice(&[reply.to_byte()]);
    if let Ok(Ok(())) = timeout(limits.control_write, writer.write_chunk(byte)).await {
        // An error means that the other end is gone.
        let _ = writer.shutdown().await;
        // Closing at once could overtake the reply.
        let _ = timeout(limits.farewell, line.ended()).await;
    }
    line.close(login::CLOSE_REFUSED);
}
