//! What a relay weighs: with one agent, under sixteen floods, and for each idle agent more.

use std::{ops::Range, time::Duration};

use anyhow::{Context, Result};

use super::{Rows, Told, number};
use crate::{
    contestant::Contestant,
    field::{CROWD, Field},
    part::nap,
    results::{Missing, What},
    ways::Direction,
};

/// Floods at once, as often each way, and the bytes of each.
const FLOODS: usize = 16;
const REPEATS: usize = 3;
const FLOOD: u64 = 16 << 20;
/// After this the memory of a start is what it stays at.
const SETTLED: Duration = Duration::from_millis(500);

pub(super) fn measure(field: &Field) -> Result<Told> {
    let agents = number("GANTLINE_BENCH_AGENTS", CROWD)?.min(CROWD);
    let (mut rows, mut missing) = (Rows::default(), Vec::new());
    for who in Field::wanted() {
        // A relay of its own for each question: memory that floods leave behind would hide agents.
        let weighed = start(field, who, |contestant| flood(contestant, &mut rows, who))
            .and_then(|()| start(field, who, |contestant| crowd(contestant, field, agents)));
        match weighed {
            Ok(Some(each)) => rows.add(who, What::PerAgent, each),
            Ok(None) => {}
            Err(error) => missing.push(Missing::new(who, &error)),
        }
    }
    Ok((rows.0, missing))
}

fn start<T>(
    field: &Field,
    who: &str,
    weigh: impl FnOnce(&mut Contestant) -> Result<T>,
) -> Result<T> {
    let mut contestant = field.start(who)?;
    nap(SETTLED);
    weigh(&mut contestant)
}

fn flood(contestant: &mut Contestant, rows: &mut Rows, who: &str) -> Result<()> {
    let Contestant { way, relay: Some(relay), .. } = contestant else { return Ok(()) };
    rows.add(who, What::RelayIdle, relay.weight()?.resident);
    relay.forget_peak()?;
    for _ in 0..REPEATS {
        for direction in [Direction::Up, Direction::Down] {
            way.transfer(FLOODS, FLOOD, direction)?;
        }
    }
    rows.add(who, What::RelayPeak, relay.weight()?.peak);
    Ok(())
}

/// KiB for each of the later two thirds of a crowd: what the first agents make a relay set aside once
/// is not theirs.
fn crowd(contestant: &mut Contestant, field: &Field, agents: usize) -> Result<Option<f64>> {
    let Some(relay) = &contestant.relay else { return Ok(None) };
    let ground = field.ground()?;
    let weight_with = |which: Range<usize>| {
        let crowd = relay.crowd(&ground, which).context("a crowd of agents")?;
        nap(SETTLED);
        Ok::<_, anyhow::Error>((relay.weight()?.private, crowd))
    };
    let first = agents / 3;
    let (before, _first) = weight_with(0..first)?;
    let (after, _later) = weight_with(first..agents)?;
    Ok(Some((after - before) / (agents - first) as f64))
}
