//! A browser's session: from the upgrade to the last Close.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{
        WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    response::Response,
};
use futures_util::StreamExt;
use gantline_protocol::{MachineId, link::PipeReply};
use tokio::{select, time::timeout};

use super::{
    listener::Places,
    websocket::{Ending, WebSocketPipe},
};
use crate::{exchange::Exchange, limits::WEBSOCKET_MESSAGE, pipes, splice::End};

/// What is read from the system at once, in bytes. Kept for as long as the socket lives.
const READ_BUFFER: usize = 16 << 10;

/// Upgrades the request, and joins the browser to the machine.
pub(super) fn open(
    exchange: Arc<Exchange>,
    upgrade: WebSocketUpgrade,
    machine: MachineId,
    address: IpAddr,
    places: Arc<Places>,
) -> Response {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * WEBSOCKET_MESSAGE)
        .max_message_size(WEBSOCKET_MESSAGE)
        .max_frame_size(WEBSOCKET_MESSAGE)
        .on_upgrade(move |socket| {
            let tasks = exchange.tasks.clone();
            tasks.track_future(async move {
                serve(&exchange, socket, machine, address).await;
                drop(places);
            })
        })
}

async fn serve(exchange: &Arc<Exchange>, socket: WebSocket, machine: MachineId, address: IpAddr) {
    let (socket, frame) = match pipes::reach(exchange, address, machine).await {
        Ok(reached) => {
            let (pipe, writer, reader) = WebSocketPipe::new(socket, &exchange.config.limits);
            let end = select! {
                biased;
                end = reached.join(exchange, writer, reader) => end,
                () = pipe.broken_after_end() => End::Aborted,
            };
            tracing::debug!(%machine, ?end, "a browser's pipe is over");
            let Some((socket, ending)) = pipe.into_socket() else { return };
            let code = match (ending, end) {
                // Only the browser's own Close is left to be answered, which the socket does.
                (Some(Ending::Gone), _) => 1000,
                (Some(Ending::Text), _) => 1003,
                (Some(Ending::Illegal), _) => 1002,
                (_, End::Aborted) if exchange.draining.is_cancelled() => 1001,
                (Some(Ending::Aborted) | None, End::Aborted) => 1011,
                (Some(Ending::Aborted) | None, End::Orderly) => 1000,
            };
            (socket, CloseFrame { code, reason: "".into() })
        }
        Err(reply) => {
            let Some(code) = reply.close_code() else { return };
            (socket, CloseFrame { code, reason: hint(reply).into() })
        }
    };
    let farewell = timeout(exchange.config.limits.farewell, close(socket, frame));
    // Too slow or gone: dropping the socket is all that is left to do.
    let _ = farewell.await;
}

/// Says goodbye and waits for the answer: bytes that were never read would make the system drop
/// what was said last.
async fn close(mut socket: WebSocket, frame: CloseFrame) {
    // An error means that the browser has said goodbye first.
    let _ = socket.send(Message::Close(Some(frame))).await;
    while let Some(Ok(_)) = socket.next().await {}
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
