//! How long one byte takes there and back, paced like somebody who types very fast.

use anyhow::{Context, Result};

use super::{Rows, Told, in_turn, number};
use crate::{field::Field, figures::quantile, results::What};

/// Echoes of a turn, unless `GANTLINE_BENCH_ECHOES` says otherwise.
const ECHOES: usize = 500;

pub(super) fn measure(field: &Field, rounds: usize) -> Result<Told> {
    let echoes = number("GANTLINE_BENCH_ECHOES", ECHOES)?;
    let (mut everyone, mut missing) = field.everyone();
    let mut rows = Rows::default();
    in_turn(&mut everyone, &mut missing, rounds, |who, contestant| {
        let took = contestant.way.echo(echoes)?;
        for (what, share) in [(What::EchoP50, 0.5), (What::EchoP99, 0.99)] {
            rows.add(who, what, quantile(&took, share).context("no echoes")?);
        }
        Ok(())
    });
    Ok((rows.0, missing))
}
