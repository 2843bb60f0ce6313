//! A request that asks for a WebSocket (RFC 6455 section 4.2), taken.

use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use super::{Connection, Socket, config};

/// A WebSocket that was asked for, on a connection that hyper serves.
#[derive(Debug)]
pub struct Upgrade {
    upgrade: OnUpgrade,
    accept: HeaderValue,
}

impl Upgrade {
    /// What the request asks for; `None` if that is no WebSocket, or can't become one.
    pub fn of<B>(request: &mut Request<B>) -> Option<Self> {
        let headers = request.headers();
        let has = |name: &HeaderName, wanted: &str| {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|v| v.trim().eq_ignore_ascii_case(wanted))
        };
        let asks = request.method() == Method::GET
            && has(&CONNECTION, "upgrade")
            && has(&UPGRADE, "websocket")
            && has(&SEC_WEBSOCKET_VERSION, "13");
        let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| asks)?;
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
        let upgrade = request.extensions_mut().remove::<OnUpgrade>()?;
        Some(Self { upgrade, accept })
    }

    /// Whether the request offers this subprotocol.
    pub fn offers<B>(request: &Request<B>, subprotocol: &str) -> bool {
        let values = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let values = values.filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|entry| entry.trim() == subprotocol)
    }

    /// The answer, with the subprotocol that is spoken.
    pub fn response<B: Default>(&self, subprotocol: Option<&'static str>) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(subprotocol) = subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        response
    }

    /// The WebSocket, once the answer was sent.
    ///
    /// # Errors
    /// What hyper says when the connection ended before.
    pub async fn socket(self) -> Result<Socket, hyper::Error> {
        let io: Box<dyn Connection> = Box::new(TokioIo::new(self.upgrade.await?));
        Ok(WebSocketStream::from_raw_socket(io, Role::Server, Some(config())).await)
    }
}
