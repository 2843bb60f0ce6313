//! Pipes of clients: finds the machine, joins the client to it, or tells the client why not.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use gantline_protocol::{MachineId, link::PipeReply};
use gantline_transport::{PipeReader, PipeWriter};
use tokio::{io::AsyncWriteExt, select, time::timeout};

use crate::{
    exchange::{Exchange, PipePlace},
    splice::{End, Patience, splice},
    tickets::NodePipe,
};

/// A machine's end of a new pipe, with the pipe's place.
pub(crate) struct Reached {
    place: PipePlace,
    node: NodePipe,
}

/// Opens a pipe to `machine` for a client at `address`.
///
/// # Errors
/// The refusal to send.
pub(crate) async fn reach(
    exchange: &Arc<Exchange>,
    address: IpAddr,
    machine: MachineId,
) -> Result<Reached, PipeReply> {
    let (place, node) = exchange.pipe(address, machine)?;
    let node = select! {
        opened = node.line.open_pipe(&exchange.config.limits) => opened?,
        // A node that was invited has longer than the relay.
        () = exchange.ending.cancelled() => return Err(PipeReply::Busy),
    };
    Ok(Reached { place, node })
}

impl Reached {
    /// Joins the client's pipe to the machine's until both are over.
    pub(crate) async fn join<W: PipeWriter, R: PipeReader>(
        self,
        exchange: &Exchange,
        writer: W,
        reader: R,
    ) -> End {
        let limits = &exchange.config.limits;
        let patience = Patience { stalled: limits.stalled, after_abort: limits.after_abort };
        let Self { place, node: NodePipe { writer: to_node, reader: from_node, places } } = self;
        // When the relay ends it closes its links, and every pipe ends with one.
        let end = exchange
            .pipes
            .track_future(splice((writer, reader), (to_node, from_node), patience))
            .await;
        drop((place, places));
        end
    }
}

/// Serves a native client's stream, whose request has been read.
pub(crate) async fn serve(
    exchange: &Arc<Exchange>,
    address: IpAddr,
    machine: MachineId,
    mut writer: impl PipeWriter,
    reader: impl PipeReader,
) {
    match reach(exchange, address, machine).await {
        Ok(reached) => {
            if answer(exchange, &mut writer, PipeReply::Spliced).await {
                let end = reached.join(exchange, writer, reader).await;
                tracing::debug!(%machine, ?end, "a pipe is over");
            }
        }
        Err(reply) => refuse(exchange, writer, reader, reply).await,
    }
}

/// Tells a native client no.
pub(crate) async fn refuse(
    exchange: &Exchange,
    mut writer: impl PipeWriter,
    mut reader: impl PipeReader,
    reply: PipeReply,
) {
    if answer(exchange, &mut writer, reply).await {
        // An error means that the client is gone.
        let _ = writer.shutdown().await;
    }
    reader.stop();
}

async fn answer(exchange: &Exchange, writer: &mut impl PipeWriter, reply: PipeReply) -> bool {
    let byte = Bytes::copy_from_slice(&[reply.to_byte()]);
    let written = timeout(exchange.config.limits.control_write, writer.write_chunk(byte)).await;
    matches!(written, Ok(Ok(())))
}
