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

mod bare;
mod compare;
mod figures;
mod ours;
mod part;
mod raw;
mod roles;

use std::{env, path::Path};

use anyhow::Result;
use tokio::runtime::Runtime;

/// Bytes of one transfer.
pub(crate) fn transfer_bytes() -> usize {
    env::var("GANTLINE_BENCH_MIB").map_or(128, |mib| mib.parse::<usize>().unwrap()) << 20
}

pub(crate) const CHUNK: usize = 64 * 1024;
pub(crate) const ECHOES: usize = 2000;
pub(crate) const CONNECTS: usize = 30;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    match arguments.next().as_deref() {
        Some("relay") => runtime().block_on(roles::relay(Path::new(&arguments.next().unwrap()))),
        Some("node") => {
            let home = arguments.next().unwrap();
            runtime().block_on(roles::node(Path::new(&home), &arguments.next().unwrap()))
        }
        Some("splice") => runtime().block_on(roles::splice()),
        Some("sink") => runtime().block_on(roles::sink(&arguments.next().unwrap())),
        Some("loopback") => roles::loopback(),
        Some(other) => anyhow::bail!("no role {other}"),
        None => compare::compare(),
    }
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}
