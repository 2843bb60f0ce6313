//! How long a key takes to its echo on a real terminal, with the real programs: through the relay,
//! by the local paths, and on a terminal without any of it.

use std::{rc::Rc, time::Duration};

use anyhow::{Context, Result};
use gantline_client::{Connection, Path};
use gantline_protocol::{Role, api::Status};
use gantline_tests::{TestDevice, TestNode, TestRelay};
use gantline_transport::Carriers;
use tokio::runtime::Builder;

use super::{Rows, Told, in_turn, number};
use crate::{
    field::Field,
    figures::quantile,
    keyboards::{Attached, BareTerminal, BehindHops, InAttach, InSshx, InTmux, Keyboard},
    part::weight_of,
    peers::sshx::Sshx,
    results::{Missing, What},
};

pub(crate) const BARE: &str = "bare terminal";
/// What a node and a shim take at least, and a relay with them.
const TWO_HOPS: &str = "bare terminal behind 2 bare processes";
const THREE_HOPS: &str = "bare terminal behind 3 bare processes";
const ATTACH: &str = "gantline attach";
pub(crate) const SSHX: &str = "sshx";
const TMUX: &str = "attached to tmux";
pub(crate) const UNIX: &str = "Unix socket";
pub(crate) const LOOPBACK: &str = "127.0.0.1";
pub(crate) const RELAY_QUIC: &str = "relay, QUIC";
pub(crate) const RELAY_WEBSOCKET: &str = "relay, WebSocket";

/// In the order in which they are told.
pub(crate) const NAMES: [&str; 10] =
    [BARE, TWO_HOPS, THREE_HOPS, TMUX, ATTACH, SSHX, UNIX, LOOPBACK, RELAY_QUIC, RELAY_WEBSOCKET];

/// Keys of a turn, unless `GANTLINE_BENCH_KEYS` says otherwise.
const KEYS: usize = 150;
/// Between two of them: longer than a node collects output for at most (4 ms), as nobody types
/// faster.
const PACE: Duration = Duration::from_millis(5);

pub(super) fn measure(field: &Field, rounds: usize) -> Result<Told> {
    let keys = number("GANTLINE_BENCH_KEYS", KEYS)?;
    let runtime = Rc::new(Builder::new_current_thread().enable_all().build()?);
    let relay = TestRelay::start();
    let join = |carrier| runtime.block_on(TestNode::join_by(carrier, &relay.join_link()));
    let nodes = [Carriers::Quic, Carriers::WebSocket].map(|carrier| (carrier, join(carrier)));
    let mut everyone: Vec<(_, Box<dyn Keyboard>)> = vec![
        (BARE, Box::new(BareTerminal::start()?)),
        (TWO_HOPS, Box::new(BehindHops::start(2)?)),
        (THREE_HOPS, Box::new(BehindHops::start(3)?)),
    ];
    let mut idle = Vec::new();
    for (carrier, node) in &nodes {
        idle.push(weight_of(node.program().pid())?.resident);
        for (who, connection) in runtime.block_on(ways_to(node, *carrier))? {
            everyone.push((who, Box::new(Attached::start(connection, &runtime)?)));
        }
    }
    let [(_, by_quic), _] = &nodes;
    everyone.push((ATTACH, Box::new(runtime.block_on(InAttach::start(by_quic))?)));
    let (mut rows, mut missing) = (Rows::default(), Vec::new());
    match InTmux::start() {
        Ok(tmux) => everyone.push((TMUX, Box::new(tmux))),
        Err(error) => missing.push(Missing::new(TMUX, &error)),
    }
    match Sshx::start(&field.ground()?).and_then(|sshx| InSshx::start(sshx, &runtime)) {
        Ok(sshx) => everyone.push((SSHX, Box::new(sshx))),
        Err(error) => missing.push(Missing::new(SSHX, &error)),
    }
    everyone.retain(|(who, _)| Field::is_wanted(who));
    in_turn(&mut everyone, &mut missing, rounds, |who, keyboard| {
        let mut took = Vec::with_capacity(keys);
        for _ in 0..keys {
            keyboard.rest(PACE);
            took.push(keyboard.press()?.as_secs_f64() * 1e6);
        }
        for (what, share) in [(What::KeyP50, 0.5), (What::KeyP99, 0.99)] {
            rows.add(who, what, quantile(&took, share).context("no keys")?);
        }
        Ok(())
    });
    for resident in idle {
        rows.add("node", What::NodeIdle, resident);
    }
    Ok((rows.0, missing))
}

/// Every way to a node that has its link by this carrier; the local ones only once.
async fn ways_to(node: &TestNode, carrier: Carriers) -> Result<Vec<(&'static str, Connection)>> {
    let device = TestDevice::by(carrier, "bench");
    let machine = device.pair(node, Role::Owner).await;
    let through = device.client().connect(&machine, &[Path::Relay(node.relay())]).await?;
    if carrier == Carriers::WebSocket {
        return Ok(vec![(RELAY_WEBSOCKET, through)]);
    }
    let status: Status = node.read("/v1/status").await;
    let loopback = status.loopback.context("the node listens on 127.0.0.1")?.parse()?;
    let loopback = device.client().connect(&machine, &[Path::Loopback(loopback)]).await?;
    Ok(vec![(UNIX, node.api().await), (LOOPBACK, loopback), (RELAY_QUIC, through)])
}
