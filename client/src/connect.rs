//! From a known machine to a connection: all paths are tried at once, and the first whose handshake
//! is through wins.

use std::{
    fmt, io,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use gantline_crypto::{
    Psk, PublicKey, StaticKey,
    session::{DeviceHandshake, handshake::S2},
};
use gantline_protocol::MachineId;
use gantline_transport::{Carriers, PipeReader, PipeWriter};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::{io::AsyncReadExt, task::JoinSet, time::timeout};

use crate::{
    connection::Connection,
    machine::{Device, KnownMachine},
    path::{self, Path, PathError, WithPipe, relay::Relays},
    session::{Session, drive},
};

/// How long one path may take, unless [`Client::patience`] says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Reaches machines for one device. Clones share their UDP socket and their links to relays.
#[derive(Debug, Clone)]
pub struct Client {
    device: Device,
    relays: Relays,
    patience: Duration,
}

/// Why a machine could not be reached.
#[derive(Debug)]
pub struct ConnectError {
    /// What became of each path.
    pub paths: Vec<(Path, PathError)>,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.paths.as_slice() {
            [] => f.write_str("no path leads to this machine"),
            [(path, error)] => write!(f, "{path}: {error}"),
            paths => paths.iter().enumerate().try_for_each(|(index, (path, error))| {
                let gap = if index == 0 { "" } else { "\n" };
                write!(f, "{gap}{path}: {error}")
            }),
        }
    }
}

impl std::error::Error for ConnectError {}

impl Client {
    /// A client for this device, which reaches relays by QUIC or WebSocket, whatever gets through.
    #[must_use]
    pub fn new(device: Device) -> Self {
        Self::with_carriers(device, Carriers::Both)
    }

    /// A client for this device, which reaches relays by these carriers.
    #[must_use]
    pub fn with_carriers(device: Device, carriers: Carriers) -> Self {
        Self { device, relays: Relays::new(carriers), patience: PATIENCE }
    }

    /// The same client, which gives each path so long.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// This device.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// The way out of this machine has changed: links over QUIC go on by the new one. Those on
    /// WebSockets can't.
    pub fn follow_the_way(&self) {
        self.relays.follow_the_way();
    }

    /// Forgets the links to relays, so that the next connection dials anew; open ones go on.
    pub fn forget_links(&self) {
        self.relays.forget_links();
    }

    pub(crate) const fn relays(&self) -> &Relays {
        &self.relays
    }

    pub(crate) const fn patience_per_path(&self) -> Duration {
        self.patience
    }

    /// The node of this machine and user, whichever machine this is. Asks it nothing.
    ///
    /// # Errors
    /// [`PathError`] when none runs.
    pub async fn local(&self, socket: &std::path::Path) -> Result<Connection, PathError> {
        Connection::over_socket(socket).await
    }

    /// Reaches `machine` on the first of `paths` that is through. The Unix socket counts only if
    /// the node there is this machine.
    ///
    /// # Errors
    /// [`ConnectError`] with what became of each path.
    pub async fn connect(
        &self,
        machine: &KnownMachine,
        paths: &[Path],
    ) -> Result<Connection, ConnectError> {
        let mut attempts = JoinSet::new();
        for path in paths {
            let (client, machine, path) = (self.clone(), machine.clone(), path.clone());
            attempts.spawn(async move {
                let attempt = timeout(client.patience, client.attempt(&machine, &path));
                let result = attempt.await.unwrap_or(Err(PathError::Slow(client.patience)));
                result.map_err(|error| (path, error))
            });
        }
        let mut failed = Vec::new();
        while let Some(attempt) = attempts.join_next().await {
            match attempt {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(failure)) => failed.push(failure),
                // An attempt that panicked has said so on its own.
                Err(_) => {}
            }
        }
        failed.sort_by_key(|(path, _)| paths.iter().position(|other| other == path));
        Err(ConnectError { paths: failed })
    }

    async fn attempt(&self, machine: &KnownMachine, path: &Path) -> Result<Connection, PathError> {
        if let Path::Unix(socket) = path {
            return local(socket, machine.machine_id).await;
        }
        let with = |psk: &Psk| OpenSession {
            key: self.device.key.clone(),
            node: machine.key,
            psk: psk.clone(),
        };
        let present = with(&machine.pairing.psk);
        let opened = path::open(path, machine.machine_id, &self.relays, present).await;
        let (session, carrier) = match (opened, &machine.earlier) {
            (Err(PathError::HungUp | PathError::NotProved), Some(earlier)) => {
                let earlier = with(&earlier.psk);
                path::open(path, machine.machine_id, &self.relays, earlier).await?
            }
            (opened, _) => opened?,
        };
        Ok(Connection::over_session(machine.machine_id, path.clone(), carrier, session))
    }
}

/// A connection by the Unix socket, if the node there is this machine.
async fn local(socket: &std::path::Path, wanted: MachineId) -> Result<Connection, PathError> {
    let connection = Connection::over_socket(socket).await?;
    let machine = connection.machine().await;
    match machine.map_err(|error| PathError::Local(io::Error::other(error)))? {
        machine if machine == wanted => Ok(connection),
        _ => Err(PathError::OtherMachine),
    }
}

/// The device's side of a session's handshake.
struct OpenSession {
    key: StaticKey,
    node: PublicKey,
    psk: Psk,
}

impl WithPipe for OpenSession {
    type Output = Session;

    const WAITS_FOR_THE_RELAY: bool = false;

    async fn with(
        self,
        mut reader: impl PipeReader,
        mut writer: impl PipeWriter,
    ) -> Result<Session, PathError> {
        let rng = &mut UnwrapErr(SysRng);
        let (handshake, hello) = DeviceHandshake::start(&self.key, &self.node, &self.psk, rng)
            .map_err(|_| PathError::NotProved)?;
        match writer.write_chunk(Bytes::copy_from_slice(&hello)).await {
            Ok(()) => {}
            // A relay that refuses need not read this. Why it does, its answer says.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => return Err(PathError::Broken(error)),
        }
        let mut s2 = [0; S2];
        // A node that knows no such device ends the pipe instead.
        reader.read_exact(&mut s2).await.map_err(|error| {
            let hung_up = [
                io::ErrorKind::UnexpectedEof,
                io::ErrorKind::ConnectionReset,
                io::ErrorKind::ConnectionAborted,
            ];
            match hung_up.contains(&error.kind()) {
                true => PathError::HungUp,
                false => PathError::Broken(error),
            }
        })?;
        let core = handshake.finish(&s2, Instant::now()).map_err(|_| PathError::NotProved)?;
        // A device opens streams and serves none.
        let (session, _) = drive(core, reader, writer, BytesMut::new());
        Ok(session)
    }
}
