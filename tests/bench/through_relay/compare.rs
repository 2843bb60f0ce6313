//! Everything in one run: rounds in turn, and what they gave.

use std::env;

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    CONNECTS,
    bare::Bare,
    figures::{Echoes, Figures, quantile},
    ours::Ours,
    part::Part,
    raw::{raw_echo, raw_transfer},
    runtime,
};

pub(crate) fn compare() -> Result<()> {
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
