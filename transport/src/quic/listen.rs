//! A relay's side: takes connections, or refuses them before they cost anything.

use std::{io, net::SocketAddr, sync::Arc};

use quinn::{Endpoint, ServerConfig, TokioRuntime, VarInt, crypto::rustls::QuicServerConfig};

use super::{QuicLink, ResetKey, Timing, socket};
use crate::{Identity, IdentityError, LinkEnd};

/// Why a listener could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The identity can't be used for TLS.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The port can't be had.
    #[error("UDP {address} can't be listened on: {error}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

/// Listens for links on one UDP port.
#[derive(Debug)]
pub struct QuicListener {
    endpoint: Endpoint,
    config: ServerConfig,
    timing: Timing,
}

/// Somebody who wants a link; nothing is known of them but an address, and even that may be
/// forged until it is validated. Dropping it refuses them.
#[derive(Debug)]
pub struct QuicIncoming {
    incoming: quinn::Incoming,
    config: ServerConfig,
    timing: Timing,
}

impl QuicListener {
    /// Listens on `address`. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(
        address: SocketAddr,
        identity: &Identity,
        reset_key: &ResetKey,
        timing: Timing,
    ) -> Result<Self, ListenError> {
        let tls = identity.server_config().map_err(IdentityError::Key)?;
        let tls = QuicServerConfig::try_from(tls)
            .map_err(|error| IdentityError::Certificate(error.to_string()))?;
        let config = ServerConfig::with_crypto(Arc::new(tls));
        let bind = |error| ListenError::Bind { address, error };
        let socket = socket::bind(address).map_err(bind)?;
        let runtime = Arc::new(TokioRuntime);
        let for_endpoint = Some(config.clone());
        let endpoint =
            Endpoint::new(reset_key.endpoint(), for_endpoint, socket, runtime).map_err(bind)?;
        Ok(Self { endpoint, config, timing })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says of the socket.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// The next who wants a link; `None` once the listener was closed.
    pub async fn accept(&self) -> Option<QuicIncoming> {
        let incoming = self.endpoint.accept().await?;
        Some(QuicIncoming { incoming, config: self.config.clone(), timing: self.timing })
    }

    /// Closes every link and takes no more.
    pub async fn close(&self, code: u32, reason: &str) {
        self.endpoint.close(VarInt::from_u32(code), reason.as_bytes());
        self.endpoint.wait_idle().await;
    }
}

impl QuicIncoming {
    /// Where it seems to come from.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Whether it has shown that it receives what is sent there.
    #[must_use]
    pub fn is_validated(&self) -> bool {
        self.incoming.remote_address_validated()
    }

    /// Takes it: the TLS handshake.
    ///
    /// # Errors
    /// [`LinkEnd`] when the handshake fails.
    pub async fn accept(self) -> Result<QuicLink, LinkEnd> {
        let Self { incoming, mut config, timing } = self;
        config.transport_config(timing.transport(incoming.remote_address()));
        Ok(QuicLink::new(incoming.accept_with(Arc::new(config))?.await?))
    }

    /// Tells it no, before any handshake.
    pub fn refuse(self) {
        self.incoming.refuse();
    }

    /// Asks it to show that it receives what is sent to its address (RFC 9000 section 8.1.2);
    /// costs nothing here, and one round trip there. Does nothing if it has shown that already.
    pub fn validate(self) {
        // The error hands back a validated one, which is then refused by being dropped; callers
        // ask `is_validated` first.
        let _ = self.incoming.retry();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gantline_protocol::RelayAddress;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::{Link, PipeReader, PipeWriter, QuicDialer, quic::socket::LONGEST};

    #[tokio::test]
    async fn on_this_machine_both_ends_come_to_send_their_longest_datagrams() {
        let (chain, key) = Identity::self_signed(&["localhost".into()]).unwrap();
        let identity = Identity::from_pem(&chain, &key).unwrap();
        let local = ([127, 0, 0, 1], 0).into();
        let reset_key = ResetKey::from_bytes([7; 32]);
        let listener = QuicListener::bind(local, &identity, &reset_key, Timing::default()).unwrap();
        let port = listener.local_address().unwrap().port().try_into().unwrap();
        let host = "localhost".parse().unwrap();
        let relay = RelayAddress { host, port, pin: Some(identity.pin()) };
        let dialer = QuicDialer::new(Timing::default()).unwrap();
        let accept = async { listener.accept().await.unwrap().accept().await.unwrap() };
        let (ours, theirs) = tokio::join!(dialer.dial(&relay), accept);
        let ours = ours.unwrap();

        let (mut ask, _unread) = ours.open_pipe().await.unwrap();
        ask.write_chunk(bytes::Bytes::from_static(b"x")).await.unwrap();
        let (mut answer, mut asked) = theirs.accept_pipe().await.unwrap();
        let is_found = |link: &QuicLink| link.longest_datagram() == LONGEST;
        let probing = async {
            while !is_found(&ours) || !is_found(&theirs) {
                answer.write_chunk(bytes::Bytes::from_static(b"y")).await.unwrap();
                ask.write_chunk(bytes::Bytes::from_static(b"x")).await.unwrap();
                asked.read_chunk(10).await.unwrap();
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), probing).await.expect("it stays with short ones");
    }
}
