//! A device of one scenario: it pairs with machines and reaches them, through the client library.

use std::time::Duration;

use gantline_client::{Client, Connection, Device, KnownMachine, Pairing, Path, path::PathError};
use gantline_crypto::{StaticKey, pairing::CodeAttempts};
use gantline_protocol::Role;
use gantline_transport::Carriers;
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::time::sleep;

use crate::{HostileRelay, TestNode, soon};

/// After this nothing more is expected of a hostile relay.
const STANDSTILL: Duration = Duration::from_secs(1);

/// A device with a key of its own.
#[derive(Debug, Clone)]
pub struct TestDevice {
    client: Client,
}

impl TestDevice {
    /// A new device.
    ///
    /// # Panics
    /// If there is no UDP socket to be had.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::by(Carriers::Both, name)
    }

    /// A new device that reaches relays by these carriers alone.
    ///
    /// # Panics
    /// If there is no UDP socket to be had.
    #[must_use]
    pub fn by(carriers: Carriers, name: &str) -> Self {
        let key = StaticKey::generate(&mut UnwrapErr(SysRng));
        let device = Device { key, name: name.parse().expect("it is a name") };
        let client = Client::with_carriers(device, carriers);
        Self { client }
    }

    /// What it reaches machines with.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Pairs with a node through its relay, with a code of the node.
    ///
    /// # Panics
    /// If that fails.
    pub async fn pair(&self, node: &TestNode, role: Role) -> KnownMachine {
        let code = node.code(role).await.code.to_string();
        self.try_pair(node, &code).await.expect("the right code pairs")
    }

    /// Tries to pair with a node through its relay.
    ///
    /// # Errors
    /// [`PathError`].
    ///
    /// # Panics
    /// If the code is none.
    pub async fn try_pair(&self, node: &TestNode, code: &str) -> Result<KnownMachine, PathError> {
        let machine = node.machine().await.machine_id;
        let attempts = &mut CodeAttempts::new(code.parse().expect("a code of eight digits"));
        let with = Pairing::Code { machine, attempts };
        soon("a pairing", self.client.pair(with, &Path::Relay(node.relay()), None)).await
    }

    /// As [`Self::try_pair`], through a hostile relay, which ends the pipes when nothing comes any
    /// more: it could make the device wait until its patience ends.
    ///
    /// # Errors
    /// [`PathError`].
    pub async fn try_pair_under_attack(
        &self,
        node: &TestNode,
        code: &str,
        relay: &HostileRelay,
    ) -> Result<KnownMachine, PathError> {
        let pairing = self.try_pair(node, code);
        tokio::pin!(pairing);
        tokio::select! {
            paired = &mut pairing => paired,
            () = sleep(STANDSTILL) => {
                relay.hang_up();
                pairing.await
            }
        }
    }

    /// Reaches a machine through its relay.
    ///
    /// # Panics
    /// If that fails.
    pub async fn connect(&self, machine: &KnownMachine) -> Connection {
        let paths: Vec<_> = machine.relays.iter().cloned().map(Path::Relay).collect();
        soon("a session", self.client.connect(machine, &paths)).await.expect("it is reached")
    }
}
