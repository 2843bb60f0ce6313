//! A browser's session: from the upgrade to the last Close.

use std::{net::IpAddr, sync::Arc};

use axum::{body::Body, response::Response};
use gantline_protocol::{MachineId, link::PipeReply};
use gantline_transport::websocket::{self, Ending, KeepAlive, Socket, Upgrade};
use tokio::{select, time::timeout};

use super::listener::Places;
use crate::{exchange::Exchange, pipes, splice::End};

/// Upgrades the request, and joins the browser to the machine.
pub(super) fn open(
    exchange: Arc<Exchange>,
    upgrade: Upgrade,
    machine: MachineId,
    address: IpAddr,
    places: Arc<Places>,
) -> Response {
    let response = upgrade.response::<Body>(None);
    let tasks = exchange.tasks.clone();
    tasks.spawn(async move {
        let limits = &exchange.config.limits;
        let Ok(Ok(socket)) = timeout(limits.handshake, upgrade.socket()).await else { return };
        serve(&exchange, socket, machine, address).await;
        drop(places);
    });
    response
}

async fn serve(exchange: &Arc<Exchange>, socket: Socket, machine: MachineId, address: IpAddr) {
    let limits = &exchange.config.limits;
    let keep_alive =
        KeepAlive { every: limits.websocket_ping, dead_after: limits.websocket_silence };
    let (pipe, writer, reader) = websocket::pipe(socket, Some(keep_alive));
    let (code, reason) = match pipes::reach(exchange, address, machine).await {
        Ok(reached) => {
            let end = select! {
                biased;
                end = reached.join(exchange, writer, reader) => end,
                () = pipe.broken_after_end() => End::Aborted,
            };
            tracing::debug!(%machine, ?end, "a browser's pipe is over");
            let code = match (pipe.ending(), end) {
                // Only the browser's own Close is left to be answered, which the socket does.
                (Some(Ending::Closed | Ending::Gone), _) => 1000,
                (Some(Ending::Text), _) => 1003,
                (Some(Ending::Illegal), _) => 1002,
                (_, End::Aborted) if exchange.draining.is_cancelled() => 1001,
                (Some(Ending::Aborted) | None, End::Aborted) => 1011,
                (Some(Ending::Aborted) | None, End::Orderly) => 1000,
            };
            (code, "")
        }
        Err(reply) => {
            let Some(code) = reply.close_code() else { return };
            drop((writer, reader));
            (code, hint(reply))
        }
    };
    // Too slow or gone: dropping the socket is all that is left to do.
    let _ = timeout(limits.farewell, pipe.close(code, reason)).await;
}

const fn hint(reply: PipeReply) -> &'static str {
    match reply {
        PipeReply::Spliced => "",
        PipeReply::Offline => "offline",
        PipeReply::Unknown => "unknown",
        PipeReply::Rate => "rate",
        PipeReply::Busy => "busy",
        PipeReply::Version => "version",
        PipeReply::Other(_) => "refused",
    }
}
