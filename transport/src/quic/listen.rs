//! A relay's side: takes connections, or refuses them before they cost anything.

use std::{io, net::SocketAddr, sync::Arc};

use quinn::{Endpoint, ServerConfig, TokioRuntime, VarInt, crypto::rustls::QuicServerConfig};

use super::{QuicLink, ResetKey, Timing};
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
}

/// Somebody who wants a link; nothing is known of them but an address, and even that may be
/// forged until it is validated. Dropping it refuses them.
#[derive(Debug)]
pub struct QuicIncoming {
    incoming: quinn::Incoming,
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
        let mut config = ServerConfig::with_crypto(Arc::new(tls));
        config.transport_config(timing.transport());
        let bind = |error| ListenError::Bind { address, error };
        let socket = std::net::UdpSocket::bind(address).map_err(bind)?;
        let runtime = Arc::new(TokioRuntime);
        let endpoint =
            Endpoint::new(reset_key.endpoint(), Some(config), socket, runtime).map_err(bind)?;
        Ok(Self { endpoint })
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
        self.endpoint.accept().await.map(|incoming| QuicIncoming { incoming })
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
        Ok(QuicLink::new(self.incoming.await?))
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
