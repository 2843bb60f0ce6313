//! rathole: pooled connections between agent and server, plain, in TLS, or in Noise.

use std::{fmt::Write as _, fs, net::SocketAddr, process::Command};

use anyhow::{Context, Result, ensure};

use super::Ground;
use crate::{
    contestant::{Contestant, Relay},
    part::{Part, free_port, free_ports},
    ways::tcp::Tcp,
};

pub(super) fn tcp(ground: &Ground) -> Result<Contestant> {
    start(ground, "tcp", &Transport::default())
}

pub(super) fn tls(ground: &Ground) -> Result<Contestant> {
    let at = |name: &str| ground.scratch.join(name).display().to_string();
    let (key, certificate, both) = (at("rathole.key"), at("rathole.crt"), at("rathole.pfx"));
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        &key,
        "-out",
        &certificate,
    ])?;
    openssl(&[
        "pkcs12",
        "-export",
        "-inkey",
        &key,
        "-in",
        &certificate,
        "-passout",
        "pass:bench",
        "-out",
        &both,
    ])?;
    let transport = Transport {
        server: format!("pkcs12 = \"{both}\"\npkcs12_password = \"bench\"\n"),
        client: format!("trusted_root = \"{certificate}\"\nhostname = \"localhost\"\n"),
    };
    start(ground, "tls", &transport)
}

pub(super) fn noise(ground: &Ground) -> Result<Contestant> {
    let made = ground.command("rathole")?.arg("--genkey").output()?;
    let made = String::from_utf8(made.stdout)?;
    let key = |of: &str| {
        let mut lines = made.lines().skip_while(|line| !line.contains(of));
        lines.nth(1).map(|line| line.trim().to_owned()).context("rathole made no key")
    };
    let transport = Transport {
        server: format!("local_private_key = \"{}\"\n", key("Private")?),
        client: format!("remote_public_key = \"{}\"\n", key("Public")?),
    };
    start(ground, "noise", &transport)
}

/// What the table of the transport has in it at each end.
#[derive(Default)]
struct Transport {
    server: String,
    client: String,
}

fn start(ground: &Ground, kind: &'static str, transport: &Transport) -> Result<Contestant> {
    let server = free_port()?;
    let tunnels = free_ports(ground.crowd + 1)?;
    let Transport { server: own, client } = transport;
    let mut config = format!(
        "[server]\nbind_addr = \"{server}\"\ndefault_token = \"bench\"\n{}",
        table("server", kind, own)
    );
    for (number, tunnel) in tunnels.iter().enumerate() {
        write!(config, "[server.services.s{number}]\nbind_addr = \"{tunnel}\"\n")?;
    }
    let mut relay = run(ground, kind, "server", &config)?;
    relay.until_listening(server)?;
    let client = format!(
        "[client]\nremote_addr = \"{server}\"\ndefault_token = \"bench\"\n{}",
        table("client", kind, client)
    );
    let mut tunnels = tunnels.into_iter().enumerate();
    let first = tunnels.next().context("a tunnel")?;
    let agent = agent(ground, kind, &client, first)?;
    let others: Vec<_> = tunnels.collect();
    Ok(Contestant {
        way: Box::new(Tcp { address: first.1 }),
        relay: Some(Relay::new(relay.pid(), move |ground, which| {
            others
                .iter()
                .take(which.end)
                .skip(which.start)
                .map(|other| self::agent(ground, kind, &client, *other))
                .collect()
        })),
        _keeps: vec![Box::new(relay), Box::new(agent)],
    })
}

fn table(end: &str, kind: &str, own: &str) -> String {
    let head = format!("[{end}.transport]\ntype = \"{kind}\"\n");
    match own {
        "" => head,
        own => format!("{head}[{end}.transport.{kind}]\n{own}"),
    }
}

fn agent(
    ground: &Ground,
    kind: &str,
    client: &str,
    (number, tunnel): (usize, SocketAddr),
) -> Result<Part> {
    let service: SocketAddr = ground.service;
    let config = format!("{client}[client.services.s{number}]\nlocal_addr = \"{service}\"\n");
    let mut agent = run(ground, kind, &format!("client-{number}"), &config)?;
    agent.until_listening(tunnel)?;
    Ok(agent)
}

fn run(ground: &Ground, kind: &str, name: &str, config: &str) -> Result<Part> {
    let path = ground.scratch.join(format!("rathole-{kind}-{name}.toml"));
    fs::write(&path, config)?;
    ground.run(ground.command("rathole")?.env("RUST_LOG", "info").arg(&path))
}

fn openssl(arguments: &[&str]) -> Result<()> {
    let made = Command::new("openssl").args(arguments).output();
    let made = made.context("openssl, which makes the certificate, can't be started")?;
    ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}
