//! A check by HTTP: whether a GET on a port of 127.0.0.1 is answered with a status below 400.

use std::{net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{Checked, ProbeFailure};

/// What is read of a body, in bytes, and for how long: the server of a short one is not hung up on,
/// and one without an end holds nothing up.
const BODY: usize = 64 * 1024;
const BODY_WITHIN: Duration = Duration::from_millis(100);
/// What is read of the head at once, in bytes. A longer one is no answer.
const HEAD: usize = 64 * 1024;

pub(super) async fn check(port: u16, path: &str) -> Checked {
    let not_connected = |error| ProbeFailure::NotConnected { port, error };
    let no_http = |error: hyper::Error| ProbeFailure::NoHttp { port, why: error.to_string() };
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(not_connected)?;
    let handshake = http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(no_http)?;
    let request = Request::get(path)
        .header(header::HOST, format!("127.0.0.1:{port}"))
        .header(header::USER_AGENT, concat!("gantline/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| ProbeFailure::NoHttp { port, why: error.to_string() })?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(no_http)?;
        let status = answer.status();
        if status >= StatusCode::BAD_REQUEST {
            return Err(ProbeFailure::Status(status));
        }
        let (mut body, mut length) = (answer.into_body(), 0);
        let read = async {
            while length < BODY
                && let Some(Ok(frame)) = body.frame().await
            {
                length += frame.data_ref().map_or(0, Bytes::len);
            }
        };
        let _ = timeout(BODY_WITHIN, read).await;
        Ok(())
    };
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        checked = &mut exchange => checked,
        // The end of the connection is for the exchange to explain.
        _ = connection => exchange.await,
    }
}
