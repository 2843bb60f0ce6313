//! Everyone who is compared, started side by side on this machine.

use std::{net::SocketAddr, ops::Range};

use anyhow::{Context, Result};
use gantline_tests::TestRelay;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    bare::{quic::QuicPipes, websocket::WebSocketPipes},
    contestant::{Contestant, Encrypts, Relay},
    part::Part,
    peers::{Ground, PEERS},
    results::Missing,
    ways::{session::Session, splice::Splice, tcp::Tcp},
};

pub(crate) const RAW: &str = "raw loopback";
pub(crate) const SPLICE_QUIC: &str = "bare splice, QUIC";
pub(crate) const OURS_QUIC: &str = "Gantline, QUIC";
pub(crate) const SPLICE_WEBSOCKET: &str = "bare splice, WebSocket";
pub(crate) const OURS_WEBSOCKET: &str = "Gantline, WebSocket";

/// Idle nodes or agents at most that are started to weigh one.
pub(crate) const CROWD: usize = 150;

/// Where everyone stands.
pub(crate) struct Field {
    // The order in which they end: processes before the directory that they write to.
    _service: Part,
    service_address: SocketAddr,
    runtime: Runtime,
    scratch: TempDir,
}

impl Field {
    pub(crate) fn new() -> Result<Self> {
        let scratch = TempDir::new()?;
        let (service, address) = Part::role(&["service"], scratch.path())?;
        let service_address = address.parse()?;
        Ok(Self { _service: service, service_address, runtime: crate::runtime()?, scratch })
    }

    /// Starts everyone who can be had; of the others, why not.
    pub(crate) fn everyone(&self) -> (Vec<(&'static str, Contestant)>, Vec<Missing>) {
        let (mut here, mut missing) = (Vec::new(), Vec::new());
        for who in Self::wanted() {
            match self.start(who) {
                Ok(contestant) => here.push((who, contestant)),
                Err(error) => missing.push(Missing::new(who, &error)),
            }
        }
        (here, missing)
    }

    /// Those who are wanted.
    pub(crate) fn wanted() -> Vec<&'static str> {
        Self::names().filter(|name| Self::is_wanted(name)).collect()
    }

    /// Whether one of the words of `GANTLINE_BENCH_ONLY` is in this name; without it, always.
    pub(crate) fn is_wanted(name: &str) -> bool {
        let only = std::env::var("GANTLINE_BENCH_ONLY").unwrap_or_default();
        only.split(',').any(|word| name.contains(word))
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        let own = [RAW, SPLICE_QUIC, OURS_QUIC, SPLICE_WEBSOCKET, OURS_WEBSOCKET];
        own.into_iter().chain(PEERS.iter().map(|peer| peer.name))
    }

    pub(crate) fn encrypts(who: &str) -> Encrypts {
        match who {
            SPLICE_QUIC | SPLICE_WEBSOCKET => Encrypts::Hop,
            OURS_QUIC | OURS_WEBSOCKET => Encrypts::EndToEnd,
            who => PEERS
                .iter()
                .find(|peer| peer.name == who)
                .map_or(Encrypts::No, |peer| peer.encrypts),
        }
    }

    /// Starts one, with a relay of its own.
    pub(crate) fn start(&self, who: &str) -> Result<Contestant> {
        match who {
            RAW => Ok(Contestant {
                way: Box::new(Tcp { address: self.service_address }),
                relay: None,
                _keeps: Vec::new(),
            }),
            SPLICE_QUIC => self.splice_quic(),
            SPLICE_WEBSOCKET => self.splice_websocket(),
            OURS_QUIC => self.ours("quic"),
            OURS_WEBSOCKET => self.ours("websocket"),
            peer => {
                let peer = PEERS.iter().find(|other| other.name == peer);
                (peer.context("nobody's name")?.start)(&self.ground()?)
            }
        }
    }

    /// A directory of its own for whoever is started.
    pub(crate) fn ground(&self) -> Result<Ground> {
        let scratch = TempDir::with_prefix_in("bench", self.scratch.path())?.keep();
        Ground::new(scratch, self.service_address, CROWD)
    }

    fn splice_quic(&self) -> Result<Contestant> {
        let scratch = self.scratch.path();
        let (splice, address) = Part::role(&["splice", "quic"], scratch)?;
        let (sink, _) = Part::role(&["sink", "quic", &address], scratch)?;
        let pipes = self.runtime.block_on(QuicPipes::dial(&address))?;
        Ok(Contestant {
            way: Box::new(Splice { pipes, runtime: self.runtime.handle().clone() }),
            relay: None,
            _keeps: vec![Box::new(splice), Box::new(sink)],
        })
    }

    fn splice_websocket(&self) -> Result<Contestant> {
        let scratch = self.scratch.path();
        let certificate = self.scratch.path().join("splice.pem");
        let name = certificate.to_string_lossy();
        let (splice, addresses) = Part::role(&["splice", &name], scratch)?;
        let (clients, sinks) = addresses.split_once(' ').context("two addresses")?;
        let (sink, _) = Part::role(&["sink", &name, sinks], scratch)?;
        let pipes = WebSocketPipes::to(clients, &certificate)?;
        Ok(Contestant {
            way: Box::new(Splice { pipes, runtime: self.runtime.handle().clone() }),
            relay: None,
            _keeps: vec![Box::new(splice), Box::new(sink)],
        })
    }

    /// A session by one carrier alone, at both ends.
    fn ours(&self, carrier: &'static str) -> Result<Contestant> {
        let scratch = self.scratch.path();
        let relay = TestRelay::start();
        let join = join_link(&relay, CROWD + 1)?;
        let home = TempDir::new_in(scratch)?.keep().join("node");
        let (node, code) = Part::role(&["node", &home.to_string_lossy(), &join, carrier], scratch)?;
        let way = Session::pair(&code, carrier.parse()?, self.runtime.handle())?;
        let homes = TempDir::new_in(scratch)?.keep();
        let logs = scratch.to_owned();
        let crowd = move |_: &Ground, which: Range<usize>| {
            let role = [
                "crowd",
                &homes.to_string_lossy(),
                &join,
                carrier,
                &format!("{}", which.start),
                &format!("{}", which.end),
            ];
            Ok(vec![Part::role(&role, &logs)?.0])
        };
        Ok(Contestant {
            way: Box::new(way),
            relay: Some(Relay::new(relay.program().pid(), crowd)),
            _keeps: vec![Box::new(node), Box::new(relay)],
        })
    }
}

/// A link by which so many nodes may join.
fn join_link(relay: &TestRelay, uses: usize) -> Result<String> {
    let made = relay.run(&["token", "create", "--json", "--uses", &uses.to_string()]);
    let made: serde_json::Value = serde_json::from_str(&made)?;
    let link = made.get("link").and_then(serde_json::Value::as_str).context("it names a link")?;
    Ok(link.to_owned())
}
