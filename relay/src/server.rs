//! A running relay: puts the parts together, and takes them apart again. Owns every task.

use std::{io, net::SocketAddr, num::NonZeroU16, sync::Arc, time::Duration};

use gantline_protocol::{RelayAddress, SpkiPin, link::JoinLink};
use gantline_transport::{
    QuicListener,
    quic::{ListenError, ResetKey},
};
use rustix::io::Errno;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    config::Config,
    directory::Directory,
    edge,
    exchange::{Exchange, Order, now},
    login::CLOSE_STOPPING,
    quic,
    registry::{
        Registry, RegistryError, Sighting, SqliteRegistry, TokenError, TokenOrder,
        sqlite::OpenError,
    },
    state::{Lock, Served, StateDir, StateError},
};

/// How often a free port is looked for that UDP and TCP can both have.
const PORT_TRIES: usize = 64;
/// How long the last word to the nodes may take to leave.
const LAST_WORD: Duration = Duration::from_millis(300);
/// How long the tasks may take to end once they were told to.
const WIND_UP: Duration = Duration::from_secs(3);
/// Sightings that are written in one go.
const SIGHTINGS_AT_ONCE: usize = 256;

/// Why a relay could not be started: what, why, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory or a file in it can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The database can't be used.
    #[error("{0}")]
    Registry(String),
    /// The port can't be had.
    #[error("can't listen on {protocol} {address}: {error}. {}", port_advice(error))]
    Listen {
        /// UDP or TCP.
        protocol: &'static str,
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// A setting makes no sense.
    #[error("{0}")]
    Config(&'static str),
}

fn port_advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ADDRINUSE) => {
            "Another program has the port, perhaps another relay: stop it, or choose another port \
             with --listen"
        }
        Some(Errno::ADDRNOTAVAIL) => {
            "No interface of this machine has that address: choose another with --listen"
        }
        Some(Errno::ACCESS | Errno::PERM) => {
            "Ports below 1024 need a privilege: choose a higher one with --listen"
        }
        _ => "Choose another address with --listen",
    }
}

/// Why there is no new join link.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The order is out of bounds.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The registry can't answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// A relay that runs in this process. Dropping it ends it at once; [`Relay::shut_down`] lets open
/// pipes come to their end.
#[derive(Debug)]
pub struct Relay {
    exchange: Arc<Exchange>,
    quic: Arc<QuicListener>,
    local: SocketAddr,
    port: NonZeroU16,
    pin: SpkiPin,
    _claim: Lock,
}

impl Relay {
    /// Starts a relay. Needs a Tokio runtime with I/O and time. Nodes and clients can reach it
    /// once this returns.
    ///
    /// # Errors
    /// [`StartError`]; nothing keeps running then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        if config.domains.is_empty() {
            return Err(StartError::Config("a relay needs a name: give one with --domain"));
        }
        let state = StateDir::open(&config.state_dir)?;
        let claim = state.claim()?;
        let identity = state.identity(&config.domains)?;
        let reset_key = state.reset_key()?;
        let registry: Arc<dyn Registry> =
            Arc::new(SqliteRegistry::open(&state).await.map_err(|error| match error {
                OpenError::State(error) => StartError::State(error),
                error @ OpenError::Database { .. } => StartError::Registry(error.to_string()),
            })?);
        let machines =
            registry.machines().await.map_err(|error| StartError::Registry(error.to_string()))?;
        let directory: Directory = machines.into_iter().collect();
        let (tcp, quic) = listen(&config, &identity, &reset_key).await?;
        let address = |error| StartError::Listen { protocol: "UDP", address: config.listen, error };
        let local = quic.local_address().map_err(address)?;
        let port = NonZeroU16::new(local.port())
            .ok_or(StartError::Config("the system gave port 0, which nobody can dial"))?;
        state.note_served(&Served { domains: config.domains.clone(), port })?;
        let tls = identity
            .https_config()
            .map_err(|_| StartError::Config("the relay's certificate can't be used for HTTPS"))?;
        let (exchange, sightings) = Exchange::new(config, registry, directory);
        let quic = Arc::new(quic);
        exchange.tasks.spawn(quic::accept(exchange.clone(), quic.clone()));
        exchange.tasks.spawn(edge::accept(exchange.clone(), tcp, tls));
        exchange.tasks.spawn(write_sightings(exchange.clone(), sightings));
        Ok(Self { exchange, quic, local, port, pin: identity.pin(), _claim: claim })
    }

    /// Where it listens, UDP and TCP.
    #[must_use]
    pub const fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// What a dialler must know to recognise it.
    #[must_use]
    pub const fn pin(&self) -> SpkiPin {
        self.pin
    }

    /// How nodes and clients dial it: its first name, its port, its pin.
    #[must_use]
    pub fn address(&self) -> Option<RelayAddress> {
        let host = self.exchange.config.domains.first()?.clone();
        Some(RelayAddress { host, port: self.port, pin: Some(self.pin) })
    }

    /// What it remembers.
    #[must_use]
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.exchange.registry
    }

    /// A new token, as a link for nodes on networks where the relay's first name leads here.
    ///
    /// # Errors
    /// [`JoinError`].
    pub async fn join_link(&self, order: TokenOrder) -> Result<JoinLink, JoinError> {
        let (token, entry) = order.fill(now())?;
        self.registry().add_token(&entry).await?;
        let relay = self.address().ok_or(TokenError::Order("the relay has no name"))?;
        Ok(JoinLink { relay, token })
    }

    /// Stops it in order: [`Relay::drain`], then [`Relay::close`].
    pub async fn shut_down(self) {
        self.drain().await;
        self.close().await;
    }

    /// Takes no more pipes and logins, sends the nodes elsewhere, and waits for open pipes as long
    /// as was configured. May be dropped to wait no longer.
    pub async fn drain(&self) {
        let exchange = &self.exchange;
        let drain = exchange.config.drain;
        exchange.draining.cancel();
        let redial_within_ms = u32::try_from(drain.as_millis()).unwrap_or(u32::MAX).max(1_000);
        let links = exchange.order_all(Order::GoAway { redial_within_ms });
        exchange.pipes.close();
        let last_word = if links == 0 { Duration::ZERO } else { LAST_WORD };
        let drained =
            timeout(drain, async { tokio::join!(exchange.pipes.wait(), sleep(last_word)) }).await;
        if drained.is_err() && !exchange.pipes.is_empty() {
            tracing::warn!(pipes = exchange.pipes.len(), "pipes were still open at the end");
        }
    }

    /// Ends everything now, and tells the other ends so. Takes a few round trips.
    pub async fn close(self) {
        let exchange = &self.exchange;
        exchange.draining.cancel();
        exchange.ending.cancel();
        exchange.tasks.close();
        if timeout(WIND_UP, exchange.tasks.wait()).await.is_err() {
            tracing::error!(tasks = exchange.tasks.len(), "some tasks do not end");
        }
        // Waits until the other ends have been told, or have been silent for a while.
        let _ = timeout(WIND_UP, self.quic.close(CLOSE_STOPPING, "the relay stops")).await;
        let _ = timeout(WIND_UP, exchange.registry.close()).await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.exchange.draining.cancel();
        self.exchange.ending.cancel();
    }
}

/// UDP and TCP on one number.
async fn listen(
    config: &Config,
    identity: &gantline_transport::Identity,
    reset_key: &ResetKey,
) -> Result<(TcpListener, QuicListener), StartError> {
    let mut tries = if config.listen.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let failed =
            |protocol| move |error| StartError::Listen { protocol, address: config.listen, error };
        let tcp = TcpListener::bind(config.listen).await.map_err(failed("TCP"))?;
        let local = tcp.local_addr().map_err(failed("TCP"))?;
        match QuicListener::bind(local, identity, reset_key, config.timing) {
            Ok(quic) => return Ok((tcp, quic)),
            Err(ListenError::Bind { error, .. })
                if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            Err(ListenError::Bind { error, .. }) => return Err(failed("UDP")(error)),
            Err(ListenError::Identity(_)) => {
                return Err(StartError::Config("the relay's certificate can't be used for QUIC"));
            }
        }
    }
}

/// Writes down when machines were there. What can't be written is dropped.
async fn write_sightings(exchange: Arc<Exchange>, mut sightings: mpsc::Receiver<Sighting>) {
    let mut batch = Vec::new();
    loop {
        let count = tokio::select! {
            count = sightings.recv_many(&mut batch, SIGHTINGS_AT_ONCE) => count,
            () = exchange.ending.cancelled() => break,
        };
        if count == 0 {
            break;
        }
        write(&exchange, &mut batch).await;
    }
    // The links that ended with the relay.
    while let Ok(sighting) = sightings.try_recv() {
        batch.push(sighting);
    }
    write(&exchange, &mut batch).await;
}

async fn write(exchange: &Exchange, batch: &mut Vec<Sighting>) {
    if batch.is_empty() {
        return;
    }
    let written = timeout(exchange.config.limits.registry, exchange.registry.note_seen(batch));
    match written.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("can't note when machines were seen: {error}"),
        Err(_) => tracing::warn!("can't note when machines were seen: the registry is too slow"),
    }
    batch.clear();
}
