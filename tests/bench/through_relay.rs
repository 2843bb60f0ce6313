//! What a session through the relay costs: bulk throughput, echo and connecting, beside a bare
//! two-hop splice of the same QUIC links and raw loopback, all in one run on this machine.
//!
//! Every part is a process of its own: relay, node, splice and sink are this program, started again
//! with a role. Each figure is a median of rounds in the order A B B A.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    num::NonZeroU16,
    path::Path as FilePath,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    body::Body,
    extract::Query,
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::StreamExt;
use gantline_client::{Client, Device, KnownMachine, Pairing, Path, connection::Request};
use gantline_crypto::{StaticKey, pairing::CodeAttempts};
use gantline_node::{
    config::RelayConfig,
    door::{Devices, Door, Nameplate, Sessions},
    events::Events,
    state::Home,
    uplink::{Identity as NodeIdentity, Tokens, Uplinks},
};
use gantline_protocol::{RelayAddress, Role, link::JoinLink, session::Open};
use gantline_relay::{Config, Relay, registry::TokenOrder};
use gantline_transport::{
    Carriers, Dialer, Identity, Link, PipeReader, PipeWriter, QuicDialer, QuicLink, QuicListener,
    quic::{ResetKey, Timing},
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
};

/// Bytes of one transfer.
fn transfer_bytes() -> usize {
    env::var("GANTLINE_BENCH_MIB").map_or(128, |mib| mib.parse::<usize>().unwrap()) << 20
}

const CHUNK: usize = 64 * 1024;
const ECHOES: usize = 2000;
const CONNECTS: usize = 30;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    match arguments.next().as_deref() {
        Some("relay") => runtime().block_on(relay(FilePath::new(&arguments.next().unwrap()))),
        Some("node") => {
            let home = arguments.next().unwrap();
            runtime().block_on(node(FilePath::new(&home), &arguments.next().unwrap()))
        }
        Some("splice") => runtime().block_on(splice()),
        Some("sink") => runtime().block_on(sink(&arguments.next().unwrap())),
        Some("loopback") => loopback(),
        Some(other) => anyhow::bail!("no role {other}"),
        None => compare(),
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

// Measuring.

fn compare() -> Result<()> {
    let rounds = env::var("GANTLINE_BENCH_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    let scratch = TempDir::new()?;
    let (relay, join) = Part::start(&["relay", &scratch.path().join("relay").to_string_lossy()])?;
    let home = scratch.path().join("node");
    let (node, code) = Part::start(&["node", &home.to_string_lossy(), &join])?;
    let idle = (relay.memory("VmRSS")?, node.memory("VmRSS")?);
    let (splice, bare) = Part::start(&["splice"])?;
    let (sink, _) = Part::start(&["sink", &bare])?;
    let (loopback, port) = Part::start(&["loopback"])?;

    let runtime = runtime();
    let ours = runtime.block_on(Ours::new(&code))?;
    let bare = runtime.block_on(Bare::new(&bare))?;
    let port: u16 = port.parse()?;

    println!("one run of {rounds} rounds A B B A; medians, with the range of the middle half\n");
    for (streams, name) in [(1, " 1 stream"), (16, "16 streams")] {
        for (down, way) in [(false, "up  "), (true, "down")] {
            let mut figures = Figures::default();
            for _ in 0..rounds {
                for ours_turn in [true, false, false, true] {
                    match ours_turn {
                        true => figures.ours.push(runtime.block_on(ours.transfer(streams, down))?),
                        false => figures.bare.push(runtime.block_on(bare.transfer(streams, down))?),
                    }
                }
                if !down {
                    figures.raw.push(raw_transfer(port, streams)?);
                }
            }
            figures.tell_rate(&format!("{name} {way}"));
        }
    }
    let mut echo = Echoes::default();
    for _ in 0..rounds.min(4) {
        echo.ours.extend(runtime.block_on(ours.echo())?);
        echo.bare.extend(runtime.block_on(bare.echo())?);
        echo.raw.extend(raw_echo(port)?);
        echo.bare.extend(runtime.block_on(bare.echo())?);
        echo.ours.extend(runtime.block_on(ours.echo())?);
    }
    echo.tell("echo of 1 byte, paced");
    let mut connects = Vec::new();
    for _ in 0..CONNECTS {
        connects.push(runtime.block_on(ours.connect_cold())?);
    }
    println!(
        "connect, cold, to the first byte of an answer: p50 {:.2} ms, p99 {:.2} ms",
        quantile(&mut connects, 0.5) / 1e3,
        quantile(&mut connects, 0.99) / 1e3
    );
    println!(
        "memory: relay idle {:.1} MB, at its peak {:.1}; node idle {:.1}, at its peak {:.1}",
        idle.0,
        relay.memory("VmHWM")?,
        idle.1,
        node.memory("VmHWM")?
    );
    for part in [node, relay, sink, splice, loopback] {
        part.stop()?;
    }
    Ok(())
}

#[derive(Default)]
struct Figures {
    ours: Vec<f64>,
    bare: Vec<f64>,
    raw: Vec<f64>,
}

impl Figures {
    /// In bytes per second.
    fn tell_rate(&mut self, what: &str) {
        let ours = quantile(&mut self.ours, 0.5);
        let (low, high) = (quantile(&mut self.ours, 0.25), quantile(&mut self.ours, 0.75));
        let bare = quantile(&mut self.bare, 0.5);
        print!(
            "{what}: {:.0} MB/s ({:.0} to {:.0}), x {:.2} of the bare splice's {:.0}",
            ours / 1e6,
            low / 1e6,
            high / 1e6,
            ours / bare,
            bare / 1e6
        );
        match self.raw.is_empty() {
            true => println!(),
            false => {
                let raw = quantile(&mut self.raw, 0.5);
                println!(", x {:.3} of raw loopback's {:.0}", ours / raw, raw / 1e6);
            }
        }
    }
}

#[derive(Default)]
struct Echoes {
    ours: Vec<f64>,
    bare: Vec<f64>,
    raw: Vec<f64>,
}

impl Echoes {
    /// In microseconds.
    fn tell(&mut self, what: &str) {
        let both = |of: &mut Vec<f64>| (quantile(of, 0.5), quantile(of, 0.99));
        let (ours, bare, raw) = (both(&mut self.ours), both(&mut self.bare), both(&mut self.raw));
        println!(
            "{what}: p50 {:.0} us, p99 {:.0} us; bare splice {:.0} and {:.0}; raw loopback {:.0} and {:.0}; p50 x {:.2} of the bare splice",
            ours.0,
            ours.1,
            bare.0,
            bare.1,
            raw.0,
            raw.1,
            ours.0 / bare.0
        );
    }
}

fn quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * at).round() as usize]
}

/// A part of the measurement in a process of its own; it ends with its standard input.
struct Part {
    process: Child,
    _stdin: ChildStdin,
}

impl Part {
    /// Starts it and reads the line that it prints when it is ready.
    fn start(arguments: &[&str]) -> Result<(Self, String)> {
        let mut process = Command::new(env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = process.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "{arguments:?} did not start");
        Ok((Self { process, _stdin: stdin }, line.trim_end().to_owned()))
    }

    /// In MB.
    fn memory(&self, field: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with(field)).context("no such field")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no value")?.parse()?;
        Ok(kib / 1024.0)
    }

    fn stop(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says that this part is ready, and waits until it is not needed any more.
async fn ready(line: &str) -> Result<()> {
    println!("{line}");
    std::io::stdout().flush()?;
    let mut nothing = Vec::new();
    tokio::io::stdin().read_to_end(&mut nothing).await?;
    Ok(())
}

// A session through the relay.

struct Ours {
    connection: gantline_client::Connection,
    machine: KnownMachine,
    device: Device,
}

impl Ours {
    async fn new(code: &str) -> Result<Self> {
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

    async fn transfer(&self, streams: usize, down: bool) -> Result<f64> {
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

    async fn echo(&self) -> Result<Vec<f64>> {
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
    async fn connect_cold(&self) -> Result<f64> {
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

/// The relay itself.
async fn relay(state: &FilePath) -> Result<()> {
    let mut config = Config::new(state.to_owned());
    config.listen = (Ipv4Addr::LOCALHOST, 0).into();
    let relay = Relay::start(config).await?;
    let link = relay
        .join_link(TokenOrder { uses: 1, life: Duration::from_secs(3600), label: String::new() })
        .await?;
    ready(&link.to_string()).await
}

/// Everything of a node but its API, for which stand sinks and sources.
async fn node(home: &FilePath, join: &str) -> Result<()> {
    let link: JoinLink = join.parse()?;
    let home = Home::below(home)?;
    let events = Events::new();
    let key = StaticKey::generate(&mut UnwrapErr(SysRng));
    let machine = key.public().machine_id();
    let relays = vec![link.relay.clone()];
    let nameplate = Nameplate { key: key.clone(), name: "bench".parse()?, relays: relays.clone() };
    let sessions = Sessions::default();
    let devices =
        Devices::load(nameplate.clone(), home.state_files(), events.clone(), sessions.clone())?;
    let router = Router::new()
        .route("/sink", post(count))
        .route("/source", get(source))
        .route("/echo", post(|body: Body| async { body }));
    let door = Door::new(nameplate, devices.clone(), sessions, router);
    let tokens = Tokens::load(home.state_files())?;
    tokens.keep(&link)?;
    let dialer = Dialer::new(Timing::default(), Carriers::from_env()?)?;
    let relays: Vec<_> = relays.into_iter().map(RelayConfig::from).collect();
    let mut heard = events.listen(None);
    let identity = NodeIdentity { key, alias: None };
    let _uplinks = Uplinks::start(&relays, &identity, &dialer, &tokens, &door, &events);
    heard.next().await;
    let code = devices.mint_code(Role::Owner)?;
    ready(&format!("{} {machine}.{}", code.code.to_string().replace(' ', "-"), link.relay)).await
}

async fn count(body: Body) -> String {
    let mut body = body.into_data_stream();
    let mut total = 0;
    while let Some(Ok(chunk)) = body.next().await {
        total += chunk.len();
    }
    total.to_string()
}

#[derive(Deserialize)]
struct Wanted {
    bytes: usize,
}

async fn source(Query(wanted): Query<Wanted>) -> Body {
    let chunk = Bytes::from(vec![7; CHUNK]);
    let pieces = (0..wanted.bytes)
        .step_by(CHUNK)
        .map(move |at| Ok::<_, std::io::Error>(chunk.slice(..CHUNK.min(wanted.bytes - at))));
    Body::from_stream(futures_util::stream::iter(pieces))
}

// A bare splice of the same links: the floor.

struct Bare {
    link: QuicLink,
    _dialer: QuicDialer,
}

impl Bare {
    async fn new(address: &str) -> Result<Self> {
        let dialer = QuicDialer::new(Timing::default())?;
        let link = dialer.dial(&address.parse::<RelayAddress>()?).await?;
        Ok(Self { link, _dialer: dialer })
    }

    async fn transfer(&self, streams: usize, down: bool) -> Result<f64> {
        let began = Instant::now();
        let bytes = transfer_bytes() / streams;
        let mut transfers = Vec::new();
        for _ in 0..streams {
            let (mut writer, mut reader) = self.link.open_pipe().await?;
            transfers.push(tokio::spawn(async move {
                writer.write_u8(if down { b'd' } else { b'u' }).await?;
                writer.write_u64(bytes as u64).await?;
                if !down {
                    let chunk = Bytes::from(vec![7; CHUNK]);
                    for _ in 0..bytes / CHUNK {
                        writer.write_chunk(chunk.clone()).await?;
                    }
                }
                writer.shutdown().await?;
                let mut total = 0;
                while let Some(chunk) = reader.read_chunk(CHUNK).await? {
                    total += chunk.len();
                }
                ensure!(total == if down { bytes } else { 1 }, "{total} of {bytes} arrived");
                Ok(())
            }));
        }
        for transfer in transfers {
            transfer.await??;
        }
        Ok(transfer_bytes() as f64 / began.elapsed().as_secs_f64())
    }

    async fn echo(&self) -> Result<Vec<f64>> {
        let (mut writer, mut reader) = self.link.open_pipe().await?;
        writer.write_u8(b'e').await?;
        writer.write_u64(0).await?;
        let mut took = Vec::new();
        for _ in 0..ECHOES {
            let began = Instant::now();
            writer.write_chunk(Bytes::from_static(b"x")).await?;
            ensure!(reader.read_chunk(1).await?.is_some(), "no echo");
            took.push(began.elapsed().as_secs_f64() * 1e6);
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Ok(took)
    }
}

/// The first link is the sink's; the pipes of all others are joined to it.
async fn splice() -> Result<()> {
    let (chain, key) = Identity::self_signed(&["localhost".to_owned()])?;
    let identity = Identity::from_pem(&chain, &key)?;
    let reset_key = ResetKey::from_bytes([7; 32]);
    let local = (Ipv4Addr::LOCALHOST, 0).into();
    let listener = QuicListener::bind(local, &identity, &reset_key, Timing::default())?;
    let port = NonZeroU16::new(listener.local_address()?.port()).context("no port")?;
    let pin = Some(identity.pin());
    let address = RelayAddress { host: "localhost".parse()?, port, pin };
    tokio::spawn(async move {
        let sink = listener.accept().await.context("closed")?.accept().await?;
        while let Some(incoming) = listener.accept().await {
            let (link, sink) = (incoming.accept().await?, sink.clone());
            tokio::spawn(async move {
                while let Ok((back, there)) = link.accept_pipe().await {
                    let Ok((to_sink, from_sink)) = sink.open_pipe().await else { break };
                    tokio::spawn(copy(there, to_sink));
                    tokio::spawn(copy(from_sink, back));
                }
            });
        }
        Ok::<_, anyhow::Error>(())
    });
    ready(&address.to_string()).await
}

async fn copy(mut from: impl PipeReader, mut to: impl PipeWriter) -> Result<()> {
    while let Some(chunk) = from.read_chunk(CHUNK).await? {
        to.write_chunk(chunk).await?;
    }
    Ok(to.shutdown().await?)
}

async fn sink(address: &str) -> Result<()> {
    let dialer = QuicDialer::new(Timing::default())?;
    let link = dialer.dial(&address.parse::<RelayAddress>()?).await?;
    tokio::spawn(async move {
        while let Ok((writer, reader)) = link.accept_pipe().await {
            tokio::spawn(serve_bare(writer, reader));
        }
    });
    ready("sink").await
}

async fn serve_bare(mut writer: impl PipeWriter, mut reader: impl PipeReader) -> Result<()> {
    let (what, bytes) = (reader.read_u8().await?, reader.read_u64().await?);
    match what {
        b'u' => {
            let mut total = 0;
            while let Some(chunk) = reader.read_chunk(CHUNK).await? {
                total += chunk.len() as u64;
            }
            ensure!(total == bytes, "{total} of {bytes} arrived");
            writer.write_u8(1).await?;
        }
        b'd' => {
            let chunk = Bytes::from(vec![7; CHUNK]);
            for _ in 0..bytes as usize / CHUNK {
                writer.write_chunk(chunk.clone()).await?;
            }
        }
        _ => {
            while let Some(chunk) = reader.read_chunk(CHUNK).await? {
                writer.write_chunk(chunk).await?;
            }
        }
    }
    Ok(writer.shutdown().await?)
}

// Raw loopback.

fn loopback() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let mut stream = stream?;
        std::thread::spawn(move || -> Result<()> {
            stream.set_nodelay(true)?;
            let mut buffer = vec![0; CHUNK];
            stream.read_exact(&mut buffer[..1])?;
            let echoes = buffer[0] == b'e';
            loop {
                match stream.read(&mut buffer)? {
                    0 => break,
                    read if echoes => stream.write_all(&buffer[..read])?,
                    _ => {}
                }
            }
            Ok(stream.write_all(b"x")?)
        });
    }
    Ok(())
}

fn raw_transfer(port: u16, streams: usize) -> Result<f64> {
    let began = Instant::now();
    let transfers: Vec<_> = (0..streams)
        .map(|_| {
            std::thread::spawn(move || -> Result<()> {
                let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
                stream.write_all(b"u")?;
                let chunk = vec![7; CHUNK];
                for _ in 0..transfer_bytes() / streams / CHUNK {
                    stream.write_all(&chunk)?;
                }
                stream.shutdown(std::net::Shutdown::Write)?;
                Ok(stream.read_exact(&mut [0])?)
            })
        })
        .collect();
    for transfer in transfers {
        transfer.join().expect("a transfer panicked")?;
    }
    Ok(transfer_bytes() as f64 / began.elapsed().as_secs_f64())
}

fn raw_echo(port: u16) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.write_all(b"e")?;
    let mut took = Vec::new();
    for _ in 0..ECHOES {
        let began = Instant::now();
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
        // The pace, not a wait for anything: an echo of a hot loop is no key press.
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(took)
}
