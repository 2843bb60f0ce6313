//! A device's end of a session through the relay.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use gantline_client::{
    Client, Connection, Device, KnownMachine, MachineAddress, Pairing, Path,
    session::{Receiving, Sending},
};
use gantline_crypto::{StaticKey, pairing::CodeAttempts};
use gantline_protocol::session::Open;
use gantline_transport::Carriers;
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::runtime::Handle;

use super::{CHUNK, Direction, PACE, Way};
use crate::part::nap;

pub(crate) struct Session {
    client: Client,
    carriers: Carriers,
    machine: KnownMachine,
    path: Path,
    connection: Connection,
    runtime: Handle,
}

impl Session {
    /// Pairs with the node that printed `code` and its address, and opens a session.
    pub(crate) fn pair(code: &str, carriers: Carriers, runtime: &Handle) -> Result<Self> {
        let (code, address) = code.split_once(' ').context("no address")?;
        let MachineAddress { machine, relay } = address.parse()?;
        let key = StaticKey::generate(&mut UnwrapErr(SysRng));
        runtime.block_on(async {
            let device = Device { key, name: "bench".parse()? };
            let client = Client::with_carriers(device, carriers);
            let path = Path::Relay(relay);
            let attempts = &mut CodeAttempts::new(code.parse()?);
            let machine = client.pair(Pairing::Code { machine, attempts }, &path, None).await?;
            let connection = client.connect(&machine, std::slice::from_ref(&path)).await?;
            Ok(Self { client, carriers, machine, path, connection, runtime: runtime.clone() })
        })
    }

    /// A session by which the first byte of an answer has come.
    async fn connect_with(&self, client: &Client) -> Result<Connection> {
        let paths = std::slice::from_ref(&self.path);
        let connection = client.connect(&self.machine, paths).await?;
        let (_sending, mut receiving) = ask(&connection, "GET", "/source?bytes=1".to_owned())?;
        receiving.head().await?;
        receive(&mut receiving, 1).await?;
        Ok(connection)
    }
}

impl Way for Session {
    fn transfer(&mut self, streams: usize, each: u64, direction: Direction) -> Result<Duration> {
        self.runtime.block_on(async {
            let mut open = Vec::new();
            for _ in 0..streams {
                let (method, path) = match direction {
                    Direction::Up => ("POST", "/sink".to_owned()),
                    Direction::Down => ("GET", format!("/source?bytes={each}")),
                };
                open.push(ask(&self.connection, method, path)?);
            }
            let began = Instant::now();
            let mut transfers = Vec::new();
            for (mut sending, mut receiving) in open {
                transfers.push(tokio::spawn(async move {
                    match direction {
                        Direction::Up => {
                            send(&mut sending, each).await?;
                            sending.finish()?;
                            receiving.head().await?;
                            let arrived = receive_text(&mut receiving).await?;
                            ensure!(arrived == each.to_string(), "{arrived} of {each} arrived");
                            Ok(())
                        }
                        Direction::Down => {
                            sending.finish()?;
                            receiving.head().await?;
                            receive(&mut receiving, each).await
                        }
                    }
                }));
            }
            for transfer in transfers {
                transfer.await??;
            }
            Ok(began.elapsed())
        })
    }

    fn echo(&mut self, times: usize) -> Result<Vec<f64>> {
        let (mut sending, mut receiving) = ask(&self.connection, "POST", "/echo".to_owned())?;
        self.runtime.block_on(receiving.head())?;
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            nap(PACE);
            let began = Instant::now();
            self.runtime.block_on(async {
                sending.write(Bytes::from_static(b"x")).await?;
                receive(&mut receiving, 1).await
            })?;
            took.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(took)
    }

    fn connect(&mut self) -> Result<Duration> {
        self.runtime.block_on(async {
            let began = Instant::now();
            let connection = self.connect_with(&self.client).await?;
            let took = began.elapsed();
            connection.close().await;
            Ok(took)
        })
    }

    fn shake_hands(&mut self) -> Result<Option<Duration>> {
        self.runtime.block_on(async {
            let began = Instant::now();
            let paths = std::slice::from_ref(&self.path);
            let connection = self.client.connect(&self.machine, paths).await?;
            let took = began.elapsed();
            connection.close().await;
            Ok(Some(took))
        })
    }

    fn connect_cold(&mut self) -> Result<Option<Duration>> {
        self.runtime.block_on(async {
            let client = Client::with_carriers(self.client.device().clone(), self.carriers);
            let began = Instant::now();
            let connection = self.connect_with(&client).await?;
            let took = began.elapsed();
            connection.close().await;
            Ok(Some(took))
        })
    }
}

fn ask(on: &Connection, method: &str, path: String) -> Result<(Sending, Receiving)> {
    let session = on.session().context("the way is a session")?;
    Ok(session.open(Open { method: method.to_owned(), path, headers: Vec::new() })?)
}

async fn send(sending: &mut Sending, bytes: u64) -> Result<()> {
    let chunk = Bytes::from(vec![7; CHUNK]);
    let mut left = bytes as usize;
    while left > 0 {
        let piece = left.min(CHUNK);
        sending.write(chunk.slice(..piece)).await?;
        left -= piece;
    }
    Ok(())
}

async fn receive(receiving: &mut Receiving, bytes: u64) -> Result<()> {
    let mut left = bytes as usize;
    while left > 0 {
        let chunk = receiving.chunk().await?;
        ensure!(chunk.is_some(), "{left} bytes are missing");
        left = left.saturating_sub(chunk.map_or(0, |chunk| chunk.len()));
    }
    Ok(())
}

async fn receive_text(receiving: &mut Receiving) -> Result<String> {
    let mut text = Vec::new();
    while let Some(chunk) = receiving.chunk().await? {
        text.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(text)?)
}
