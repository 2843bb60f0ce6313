//! How long a key takes to its echo on a real terminal, with the real programs: through the relay,
//! by the local paths, and on a terminal without any of it.

use std::time::Duration;

use anyhow::{Context, Result};
use gantline_client::Path;
use gantline_protocol::{Role, api::Status};
use gantline_tests::{TestDevice, TestNode, TestRelay};

use super::{Rows, Told, in_turn, number};
use crate::{
    field::Field,
    figures::quantile,
    keyboards::{Attached, BareTerminal, Keyboard},
    part::{nap, weight_of},
    results::What,
};

pub(crate) const BARE: &str = "bare terminal";
pub(crate) const UNIX: &str = "Unix socket";
pub(crate) const LOOPBACK: &str = "127.0.0.1";
pub(crate) const RELAY_QUIC: &str = "relay, QUIC";
pub(crate) const RELAY_WEBSOCKET: &str = "relay, WebSocket";

/// In the order in which they are told.
pub(crate) const NAMES: [&str; 5] = [BARE, UNIX, LOOPBACK, RELAY_QUIC, RELAY_WEBSOCKET];

/// Keys of a turn, unless `GANTLINE_BENCH_KEYS` says otherwise.
const KEYS: usize = 150;
/// Between two of them: longer than a node collects output for at most (4 ms), as nobody types
/// faster.
const PACE: Duration = Duration::from_millis(5);

pub(super) fn measure(field: &Field, rounds: usize) -> Result<Told> {
    let keys = number("GANTLINE_BENCH_KEYS", KEYS)?;
    let runtime = field.runtime().handle();
    let relay = TestRelay::start();
    let node = runtime.block_on(TestNode::join(&relay.join_link()));
    let idle = weight_of(node.program().pid())?;
    let ways = runtime.block_on(async {
        let device = TestDevice::new("bench");
        let machine = device.pair(&node, Role::Owner).await;
        let status: Status = node.read("/v1/status").await;
        let loopback = status.loopback.context("the node listens on 127.0.0.1")?.parse()?;
        let (loopback, through) = ([Path::Loopback(loopback)], [Path::Relay(node.relay())]);
        Ok::<_, anyhow::Error>([
            (UNIX, node.api().await),
            (LOOPBACK, device.client().connect(&machine, &loopback).await?),
            (RELAY_QUIC, device.client().connect(&machine, &through).await?),
        ])
    })?;
    let mut everyone: Vec<(_, Box<dyn Keyboard>)> = vec![(BARE, Box::new(BareTerminal::start()?))];
    for (who, connection) in ways {
        everyone.push((who, Box::new(Attached::start(connection, runtime)?)));
    }
    let (mut rows, mut missing) = (Rows::default(), Vec::new());
    in_turn(&mut everyone, &mut missing, rounds, |who, keyboard| {
        let mut took = Vec::with_capacity(keys);
        for _ in 0..keys {
            nap(PACE);
            took.push(keyboard.press()?.as_secs_f64() * 1e6);
        }
        for (what, share) in [(What::KeyP50, 0.5), (What::KeyP99, 0.99)] {
            rows.add(who, what, quantile(&took, share).context("no keys")?);
        }
        Ok(())
    });
    rows.add("node", What::NodeIdle, idle.resident);
    Ok((rows.0, missing))
}
