//! A device's end of a session through the relay.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use gantline_client::{Client, Device, KnownMachine, Pairing, Path, connection::Request};
use gantline_crypto::{StaticKey, pairing::CodeAttempts};
use gantline_protocol::session::Open;
use getrandom::{SysRng, rand_core::UnwrapErr};

use crate::{CHUNK, ECHOES, transfer_bytes};

pub(crate) struct Ours {
    connection: gantline_client::Connection,
    machine: KnownMachine,
    device: Device,
}

impl Ours {
    pub(crate) async fn new(code: &str) -> Result<Self> {
        let (code, address) = code.split_once(' ').context("no address")?;
        let address: gantline_client::MachineAddress = address.parse()?;
        let key = StaticKey::generate(&mut UnwrapErr(SysRng));
        let device = Device { key, name: "bench".parse()? };
        let client = Client::new(device.clone())?;
        let attempts = &mut CodeAttempts::new(code.parse()?);
        let with = Pairing::Code { machine: address.machine, attempts };
        let path = Path::Relay(address.relay);
        let machine = client.pair(with, &path, None).await?;
        let connection = client.connect(&machine, &[path]).await?;
        Ok(Self { connection, machine, device })
    }

    pub(crate) async fn transfer(&self, streams: usize, down: bool) -> Result<f64> {
        let began = Instant::now();
        let bytes = transfer_bytes() / streams;
        let session = self.connection.session().unwrap();
        let mut transfers = Vec::new();
        for _ in 0..streams {
            let (method, path) = match down {
                true => ("GET", format!("/source?bytes={bytes}")),
                false => ("POST", "/sink".to_owned()),
            };
            let open = Open { method: method.to_owned(), path, headers: Vec::new() };
            let (mut sending, mut receiving) = session.open(open)?;
            transfers.push(tokio::spawn(async move {
                if !down {
                    let chunk = Bytes::from(vec![7; CHUNK]);
                    for _ in 0..bytes / CHUNK {
                        sending.write(chunk.clone()).await?;
                    }
                }
                sending.finish()?;
                receiving.head().await?;
                let mut total = 0;
                let mut answer = Vec::new();
                while let Some(chunk) = receiving.chunk().await? {
                    total += chunk.len();
                    if !down {
                        answer.extend_from_slice(&chunk);
                    }
                }
                if !down {
                    total = String::from_utf8(answer)?.parse()?;
                }
                ensure!(total == bytes, "{total} of {bytes} arrived");
                Ok(())
            }));
        }
        for transfer in transfers {
            transfer.await??;
        }
        Ok(transfer_bytes() as f64 / began.elapsed().as_secs_f64())
    }

    pub(crate) async fn echo(&self) -> Result<Vec<f64>> {
        let session = self.connection.session().unwrap();
        let open =
            Open { method: "POST".to_owned(), path: "/echo".to_owned(), headers: Vec::new() };
        let (mut sending, mut receiving) = session.open(open)?;
        receiving.head().await?;
        let mut took = Vec::new();
        for _ in 0..ECHOES {
            let began = Instant::now();
            sending.write(Bytes::from_static(b"x")).await?;
            ensure!(receiving.chunk().await?.as_deref() == Some(b"x"), "no echo");
            took.push(began.elapsed().as_secs_f64() * 1e6);
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Ok(took)
    }

    /// In microseconds.
    pub(crate) async fn connect_cold(&self) -> Result<f64> {
        let client = Client::new(self.device.clone())?;
        let path = Path::Relay(self.machine.relays[0].clone());
        let began = Instant::now();
        let connection = client.connect(&self.machine, &[path]).await?;
        let mut answer = connection.request(Request::get("/source?bytes=1")).await?;
        ensure!(answer.chunk().await?.is_some_and(|chunk| chunk.len() == 1), "no byte");
        let took = began.elapsed().as_secs_f64() * 1e6;
        connection.close().await;
        Ok(took)
    }
}
