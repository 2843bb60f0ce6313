//! How long it takes from nothing to the first byte of an answer; ours also cold, and the handshake
//! of a session alone.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};

use super::{Rows, Told, in_turn, number};
use crate::{contestant::Contestant, field::Field, figures::quantile, part::nap, results::What};

/// Connections of a turn, unless `GANTLINE_BENCH_CONNECTS` says otherwise.
const CONNECTS: usize = 10;
/// Between two of them: a relay counts how often one address comes, and a burst is nobody's use.
const PACE: Duration = Duration::from_millis(20);

type Kind = fn(&mut Contestant) -> Result<Option<Duration>>;

const KINDS: [(Kind, What, What); 3] = [
    (|contestant| contestant.way.connect().map(Some), What::ConnectP50, What::ConnectP99),
    (|contestant| contestant.way.shake_hands(), What::SessionP50, What::SessionP99),
    (|contestant| contestant.way.connect_cold(), What::ColdP50, What::ColdP99),
];

pub(super) fn measure(field: &Field, rounds: usize) -> Result<Told> {
    let connects = number("GANTLINE_BENCH_CONNECTS", CONNECTS)?;
    let (mut everyone, mut missing) = field.everyone();
    let mut all: HashMap<(&'static str, What), Vec<f64>> = HashMap::new();
    let mut rows = Rows::default();
    in_turn(&mut everyone, &mut missing, rounds, |who, contestant| {
        for (of, p50, p99) in KINDS {
            let mut took = Vec::with_capacity(connects);
            for _ in 0..connects {
                nap(PACE);
                match of(contestant)? {
                    Some(one) => took.push(one.as_secs_f64() * 1e6),
                    None => break,
                }
            }
            if let Some(median) = quantile(&took, 0.5) {
                rows.add(who, p50, median);
                all.entry((who, p99)).or_default().extend(took);
            }
        }
        Ok(())
    });
    // A turn is too short to have a p99 of its own.
    for ((who, what), took) in all {
        rows.add(who, what, quantile(&took, 0.99).context("no connections")?);
    }
    Ok((rows.0, missing))
}
