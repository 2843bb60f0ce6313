//! Pairing as a device, by code or by link.

use std::time::SystemTime;

use gantline_crypto::pairing::{CodeAttempts, DevicePairing, Paired, PairingError, PairingLink};
use gantline_protocol::MachineId;
use gantline_transport::{PipeReader, PipeWriter};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    connect::Client,
    machine::{Device, KnownMachine},
    path::{self, Path, PathError, WithPipe},
};

/// What a pairing is made with.
#[derive(Debug)]
pub enum Pairing<'a> {
    /// A code that a person typed, and the machine that showed it. A code is good for two tries.
    Code {
        /// The machine.
        machine: MachineId,
        /// The code.
        attempts: &'a mut CodeAttempts,
    },
    /// A link that was handed over.
    Link(&'a PairingLink),
}

/// Why a pairing failed. Nothing is retried by itself: each try lets a malicious relay test a guess.
pub type PairFailed = PathError;

impl Client {
    /// Pairs this device with a machine on `path`, one try. `known` is what was known of the
    /// machine before, if anything.
    ///
    /// # Errors
    /// [`PathError`]; nothing was paired.
    pub async fn pair(
        &self,
        with: Pairing<'_>,
        path: &Path,
        known: Option<&KnownMachine>,
    ) -> Result<KnownMachine, PairFailed> {
        let machine = match &with {
            Pairing::Code { machine, .. } => *machine,
            Pairing::Link(link) => link.machine,
        };
        let run = Run { with, device: self.device() };
        let attempt = path::open(path, machine, self.relays(), run);
        let patience = self.patience_per_path();
        let attempt = timeout(patience, attempt).await;
        let (paired, _) = attempt.unwrap_or(Err(PathError::Slow(patience)))?;
        Ok(KnownMachine::new(paired, known, SystemTime::now().into()))
    }
}

/// A run that has not begun: a code's try is spent when the pipe is there, not before.
struct Run<'a, 'b> {
    with: Pairing<'a>,
    device: &'b Device,
}

impl WithPipe for Run<'_, '_> {
    type Output = Paired;

    /// A run counts when it is begun.
    const WAITS_FOR_THE_RELAY: bool = true;

    async fn with(
        self,
        mut reader: impl PipeReader,
        mut writer: impl PipeWriter,
    ) -> Result<Paired, PathError> {
        let rng = &mut UnwrapErr(SysRng);
        let Device { key, name } = self.device;
        let (mut run, first) = match self.with {
            Pairing::Code { machine, attempts } => {
                DevicePairing::by_code(machine, attempts, key, name, rng)?
            }
            Pairing::Link(link) => DevicePairing::by_link(link, key, name, rng),
        };
        writer.write_chunk(first.into()).await.map_err(PathError::Broken)?;
        loop {
            let needs = run.needs();
            if needs == 0 {
                return Err(PairingError::Over.into());
            }
            let mut message = vec![0; needs];
            reader.read_exact(&mut message).await.map_err(PathError::Broken)?;
            let step = run.receive(&message, rng)?;
            // What was granted counts, whatever becomes of the pipe now.
            if let Some(paired) = step.done {
                let _ = writer.shutdown().await;
                return Ok(paired);
            }
            writer.write_chunk(step.send.into()).await.map_err(PathError::Broken)?;
        }
    }
}
