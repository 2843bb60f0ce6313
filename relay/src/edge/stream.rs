//! The WebSockets of nodes and native clients: each is a stream of the kind that QUIC connections
//! have many of.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
};

use axum::{body::Body, response::Response};
use gantline_transport::websocket::{self, KeepAlive, SUBPROTOCOL, Upgrade};
use tokio::{select, time::timeout};

use super::listener::Arrival;
use crate::{exchange::Exchange, line::Line, stream::Stream};

/// Upgrades the request, and serves the stream.
pub(super) fn open(
    exchange: Arc<Exchange>,
    upgrade: Upgrade,
    address: IpAddr,
    arrival: Arrival,
) -> Response {
    let response = upgrade.response::<Body>(Some(SUBPROTOCOL));
    let tasks = exchange.tasks.clone();
    tasks.spawn(async move {
        let limits = &exchange.config.limits;
        let Ok(Ok(socket)) = timeout(limits.handshake, upgrade.socket()).await else { return };
        let keep_alive = KeepAlive::from(exchange.config.timing);
        let (pipe, writer, reader) = websocket::pipe(socket, Some(keep_alive));
        let (line, invites) =
            Line::websocket(address, arrival.exporter, exchange.tickets.clone(), limits);
        let closed = line.clone();
        let ending = exchange.ending.clone();
        let stream = Stream {
            exchange,
            line,
            invites,
            has_control: Arc::new(AtomicBool::new(false)),
            places: Some(arrival.places),
        };
        // Dropping both ends aborts the stream.
        select! {
            biased;
            () = stream.serve(writer.into(), reader.into(), None) => {}
            () = pipe.broken_after_end() => {}
            _ = closed.ended() => {}
            () = ending.cancelled() => {}
        }
    });
    response
}
