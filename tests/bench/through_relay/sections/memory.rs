//! What a relay weighs: with one agent, under sixteen floods, and for each idle agent more.

use std::time::Duration;

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
    for who in Field::names() {
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

/// KiB for each of so many agents more.
fn crowd(contestant: &mut Contestant, field: &Field, agents: usize) -> Result<Option<f64>> {
    let Some(relay) = &contestant.relay else { return Ok(None) };
    let before = relay.weight()?.private;
    let crowd = relay.crowd(&field.ground()?, agents).context("a crowd of agents")?;
    nap(SETTLED);
    let more = relay.weight()?.private - before;
    drop(crowd);
    Ok(Some(more / agents as f64))
}
