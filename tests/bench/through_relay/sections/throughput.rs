//! How much passes: megabytes a second up and down, over one or sixteen streams.

use std::collections::HashMap;

use anyhow::Result;

use super::{Rows, Told, in_turn, number};
use crate::{
    contestant::Contestant,
    field::Field,
    results::What,
    ways::{CHUNK, Direction},
};

/// How long one transfer should take, in milliseconds, unless `GANTLINE_BENCH_MS` says otherwise.
const MILLISECONDS: usize = 120;
/// Bytes of the transfers by which everyone's pace is found: first to warm up, then to see.
const TRIALS: [u64; 2] = [8 << 20, 32 << 20];

pub(super) fn measure(field: &Field, streams: usize, rounds: usize) -> Result<Told> {
    let time = number("GANTLINE_BENCH_MS", MILLISECONDS)? as f64 / 1e3;
    let (mut everyone, mut missing) = field.everyone();
    let mut rows = Rows::default();
    for direction in [Direction::Up, Direction::Down] {
        let what = match (streams, direction) {
            (1, Direction::Up) => What::OneUp,
            (1, Direction::Down) => What::OneDown,
            (_, Direction::Up) => What::SixteenUp,
            (_, Direction::Down) => What::SixteenDown,
        };
        let mut lengths = HashMap::new();
        in_turn(&mut everyone, &mut missing, 1, |who, contestant| {
            lengths.insert(who, length(contestant, streams, direction, time)?);
            Ok(())
        });
        in_turn(&mut everyone, &mut missing, rounds, |who, contestant| {
            let each = lengths.get(who).copied().unwrap_or(CHUNK as u64);
            rows.add(who, what, rate(contestant, streams, each, direction)? / 1e6);
            Ok(())
        });
    }
    Ok((rows.0, missing))
}

/// Bytes of each stream that take about so many seconds, in whole chunks.
fn length(of: &mut Contestant, streams: usize, direction: Direction, time: f64) -> Result<u64> {
    let mut pace = 0.0;
    for bytes in TRIALS {
        pace = rate(of, streams, bytes / streams as u64, direction)?;
    }
    let chunks = (pace * time / streams as f64 / CHUNK as f64).ceil().max(1.0);
    Ok(chunks as u64 * CHUNK as u64)
}

/// In bytes per second, of all streams together.
fn rate(of: &mut Contestant, streams: usize, each: u64, direction: Direction) -> Result<f64> {
    let took = of.way.transfer(streams, each, direction)?;
    Ok((each * streams as u64) as f64 / took.as_secs_f64())
}
