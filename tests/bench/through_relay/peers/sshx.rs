//! sshx: terminals on a page, through a server, encrypted end to end (AES in counter mode, and nothing
//! that shows whether somebody has changed it). Its server keeps the last 2 MiB of a terminal; a viewer
//! that is further behind goes on after a gap, and is not told.

use std::{fs, net::SocketAddr, path::PathBuf};

use aes::{
    Aes128,
    cipher::{KeyIvInit, StreamCipher, StreamCipherSeek},
};
use anyhow::{Context, Result, anyhow, bail};
use argon2::{Algorithm, Argon2, Params, Version};
use ciborium::{Value, cbor};
use ctr::Ctr64BE;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use super::Ground;
use crate::part::{Part, free_port};

/// What its key is stretched with, as its sources have it (crates/sshx/src/encrypt.rs, 0.4.1).
const SALT: &str =
    "This is a non-random salt for sshx.io, since we want to stretch the security of 83-bit keys!";
/// Streams of the cipher, as there: output has the number of its terminal below this.
const OUTPUT: u64 = 0x1_0000_0000;
const INPUT: u64 = 0x2_0000_0000;

type Cipher = Ctr64BE<Aes128>;

/// A server and an agent, and what its terminals run.
pub(crate) struct Sshx {
    _agent: Part,
    _server: Part,
    address: SocketAddr,
    session: String,
    key: [u8; 16],
    /// The script that a new terminal runs.
    script: PathBuf,
}

/// Somebody at a terminal.
pub(crate) struct SshxViewer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    key: [u8; 16],
    terminal: u64,
    output: Cipher,
    input: Cipher,
    typed: u64,
    /// Where its output goes on.
    at: u64,
}

impl Sshx {
    pub(crate) fn start(ground: &Ground) -> Result<Self> {
        let address = free_port()?;
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mut server =
            ground.run(ground.command("sshx-server")?.args(["--listen", &ip, "--port", &port]))?;
        server.until_listening(address)?;
        let script = ground.scratch.join("script");
        let shell = ground.scratch.join("shell");
        fs::write(&shell, format!("#!/bin/sh\nexec sh {}\n", script.display()))?;
        fs::set_permissions(&shell, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let mut command = ground.command("sshx")?;
        command.args(["--quiet", "--server", &format!("http://{address}"), "--shell"]);
        let mut agent = ground.run(command.arg(&shell))?;
        let link = agent.until_line()?;
        let link = link.rsplit_once("/s/").and_then(|(_, link)| link.split_once('#'));
        let (session, secret) = link.context("its link has other parts")?;
        // A link that may be written to names a second secret, which nobody asked for.
        let mut key = [0; 16];
        let params = Params::new(19 * 1024, 2, 1, Some(key.len()));
        let params = params.map_err(|error| anyhow!("{error}"))?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(secret.as_bytes(), SALT.as_bytes(), &mut key)
            .map_err(|error| anyhow!("{error}"))?;
        let session = session.to_owned();
        Ok(Self { _agent: agent, _server: server, address, session, key, script })
    }

    /// A new terminal that runs a shell's script, and somebody at it.
    pub(crate) async fn open(&self, script: &str) -> Result<SshxViewer> {
        fs::write(&self.script, script)?;
        let mut viewer = self.enter().await?;
        let before = viewer.terminals().await?;
        viewer.say(&cbor!({ "create" => [0, 0] })?).await?;
        let terminal = loop {
            let now = viewer.terminals().await?;
            if let Some(new) = now.into_iter().find(|terminal| !before.contains(terminal)) {
                break new;
            }
        };
        viewer.watch(terminal).await?;
        Ok(viewer)
    }

    /// Somebody else at the same terminal.
    pub(crate) async fn join(&self, other: &SshxViewer) -> Result<SshxViewer> {
        let mut viewer = self.enter().await?;
        viewer.watch(other.terminal).await?;
        Ok(viewer)
    }

    async fn enter(&self) -> Result<SshxViewer> {
        let url = format!("ws://{}/api/s/{}", self.address, self.session);
        // Its server puts all it has into one message.
        let limits = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) = connect_async_with_config(url, Some(limits), true).await?;
        let mut zeros = [0; 16];
        Cipher::new(&self.key.into(), &[0; 16].into()).apply_keystream(&mut zeros);
        let mut viewer = SshxViewer {
            socket,
            key: self.key,
            terminal: 0,
            output: cipher(&self.key, OUTPUT),
            input: cipher(&self.key, INPUT),
            typed: 0,
            at: 0,
        };
        let zeros = Value::Bytes(zeros.to_vec());
        viewer.say(&cbor!({ "authenticate" => [zeros, null] })?).await?;
        Ok(viewer)
    }
}

impl SshxViewer {
    /// Types.
    pub(crate) async fn input(&mut self, bytes: &[u8]) -> Result<()> {
        let mut sealed = bytes.to_vec();
        self.input.apply_keystream(&mut sealed);
        let (sealed, at) = (Value::Bytes(sealed), self.typed);
        self.typed += bytes.len() as u64;
        self.say(&cbor!({ "data" => [self.terminal, sealed, at] })?).await
    }

    /// Waits for output. Returns how many bytes were left out before it.
    pub(crate) async fn receive(&mut self, seen: &mut Vec<u8>) -> Result<u64> {
        loop {
            let (what, parts) = self.hear().await?;
            let [_, at, Value::Array(chunks)] = parts.as_slice() else { continue };
            if what != "chunks" {
                continue;
            }
            let at = number(at)?;
            let left_out = at.checked_sub(self.at).context("it goes back")?;
            if left_out > 0 {
                self.at = at;
                self.output.seek(at);
            }
            for chunk in chunks {
                let start = seen.len();
                seen.extend_from_slice(chunk.as_bytes().context("a chunk is bytes")?);
                let new = seen.get_mut(start..).unwrap_or_default();
                self.output.apply_keystream(new);
                self.at += new.len() as u64;
            }
            return Ok(left_out);
        }
    }

    /// Ends what runs at the terminal.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.say(&cbor!({ "close" => self.terminal })?).await?;
        while self.terminals().await?.contains(&self.terminal) {}
        Ok(())
    }

    async fn watch(&mut self, terminal: u64) -> Result<()> {
        self.terminal = terminal;
        self.output = cipher(&self.key, OUTPUT | terminal);
        self.say(&cbor!({ "subscribe" => [terminal, 0] })?).await
    }

    /// The terminals that there are, the next time it is told.
    async fn terminals(&mut self) -> Result<Vec<u64>> {
        loop {
            let (what, parts) = self.hear().await?;
            if what == "shells" {
                let first = |shell: &Value| number(shell.as_array()?.first()?).ok();
                return Ok(parts.iter().filter_map(first).collect());
            }
        }
    }

    async fn say(&mut self, message: &Value) -> Result<()> {
        let mut bytes = Vec::new();
        ciborium::into_writer(message, &mut bytes)?;
        Ok(self.socket.send(Message::Binary(bytes.into())).await?)
    }

    /// The next message: what it is, and its parts.
    async fn hear(&mut self) -> Result<(String, Vec<Value>)> {
        loop {
            let message = self.socket.next().await.context("it has hung up")??;
            let Message::Binary(message) = message else { continue };
            let Value::Map(message) = ciborium::from_reader(&*message)? else { continue };
            match message.into_iter().next() {
                Some((Value::Text(what), said)) if what == "error" || what == "invalidAuth" => {
                    bail!("it says {what}: {said:?}");
                }
                Some((Value::Text(what), Value::Array(parts))) => return Ok((what, parts)),
                _ => {}
            }
        }
    }
}

fn cipher(key: &[u8; 16], stream: u64) -> Cipher {
    let mut nonce = [0; 16];
    let (high, _) = nonce.split_at_mut(8);
    high.copy_from_slice(&stream.to_be_bytes());
    Cipher::new(key.into(), &nonce.into())
}

fn number(value: &Value) -> Result<u64> {
    let number = value.as_integer().context("it is a number")?;
    Ok(u64::try_from(number)?)
}
