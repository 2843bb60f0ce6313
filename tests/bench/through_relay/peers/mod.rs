//! What others build for the same purpose, each as its users run it: a client's connection to a
//! port of the server, an agent that has dialled the server, and the service behind the agent.

mod bore;
mod rathole;
mod ssh;
pub(crate) mod sshx;
mod wstunnel;

use std::{env, net::SocketAddr, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{
    contestant::{Contestant, Encrypts},
    part::Part,
};

/// Where peers are set up.
pub(crate) struct Ground {
    /// What `scripts/install-peers` made.
    installed: PathBuf,
    scratch: PathBuf,
    /// Where every tunnel leads to.
    service: SocketAddr,
    /// Idle agents that may be asked for later.
    crowd: usize,
}

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) encrypts: Encrypts,
    pub(crate) start: fn(&Ground) -> Result<Contestant>,
}

/// In the order in which they are told.
pub(crate) const PEERS: &[Peer] = &[
    Peer { name: "wstunnel, ws", encrypts: Encrypts::No, start: wstunnel::ws },
    Peer { name: "wstunnel, wss", encrypts: Encrypts::Hop, start: wstunnel::wss },
    Peer { name: "bore", encrypts: Encrypts::No, start: bore::start },
    Peer { name: "rathole, tcp", encrypts: Encrypts::No, start: rathole::tcp },
    Peer { name: "rathole, tls", encrypts: Encrypts::Hop, start: rathole::tls },
    Peer { name: "rathole, noise", encrypts: Encrypts::Hop, start: rathole::noise },
    Peer { name: "ssh -R", encrypts: Encrypts::Hop, start: ssh::default_cipher },
    Peer { name: "ssh -R, aes128-gcm", encrypts: Encrypts::Hop, start: ssh::gcm },
];

impl Ground {
    pub(crate) fn new(scratch: PathBuf, service: SocketAddr, crowd: usize) -> Result<Self> {
        let cache = match env::var_os("GANTLINE_CACHE") {
            Some(cache) => PathBuf::from(cache),
            None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?)
                .join(".cache/gantline"),
        };
        Ok(Self { installed: cache.join("peers"), scratch, service, crowd })
    }

    fn command(&self, name: &str) -> Result<Command> {
        let path = self.installed.join("bin").join(name);
        path.exists()
            .then(|| Command::new(&path))
            .with_context(|| format!("{} is not there", path.display()))
    }

    fn run(&self, command: &mut Command) -> Result<Part> {
        Part::program(command, &self.scratch)
    }
}
