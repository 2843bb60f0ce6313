//! `gantline metrics`: shows what an agent or a machine used.

use std::{
    io::{self, IsTerminal},
    time::{Duration, SystemTime},
};

use gantline_client::connection::Request;
use gantline_protocol::{
    Timestamp,
    api::{Amounts, Metrics},
};

use super::{
    Context, agent,
    failure::{Exit, Failure},
    out, text,
};

/// Places of a small chart.
const PLACES: u64 = 60;

/// Show what an agent used, or the machine
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline metrics web              the last hour of the agent web
  gantline metrics web --since 7d
  gantline metrics --on ada --json  the machine ada itself, for a program")]
pub(super) struct Args {
    /// The agent: its id or name; the machine if left out
    agent: Option<String>,
    /// For how long: 10m, 12h, 30d
    #[arg(long, value_name = "TIME", value_parser = agent::duration, default_value = "1h")]
    since: Duration,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let path = match &args.agent {
        Some(wanted) => format!("/v1/agents/{}/metrics", agent::find(&reached, wanted).await?),
        None => "/v1/machine/metrics".to_owned(),
    };
    let to = Timestamp::from(SystemTime::now()).as_millis();
    let since = u64::try_from(args.since.as_millis()).unwrap_or(u64::MAX).clamp(1_000, to);
    let step = (since / PLACES).max(1_000);
    let path = format!("{path}?from={}&to={}&stepMs={step}", to - since, to + 1);
    let metrics: Metrics = reached.json(Request::get(path)).await?;
    if args.json {
        out::json(&metrics)?;
    } else if metrics.at.is_empty() {
        out::say("nothing was measured in that time");
    } else {
        out::data(shown(&metrics, io::stdout().is_terminal()))?;
    }
    Ok(Exit::Ok)
}

fn shown(metrics: &Metrics, with_charts: bool) -> String {
    let places = metrics.at.iter().map(|at| {
        let begins = metrics.from.as_millis() - metrics.from.as_millis() % metrics.step_ms;
        (at.as_millis().saturating_sub(begins) / metrics.step_ms.max(1)) as usize
    });
    let places: Vec<_> = places.collect();
    let mut table = vec![["", "CHART", "LAST", "MEAN", "MAX"].map(str::to_owned).to_vec()];
    let mut add = |what: &str, mean: &[f64], max: &[f64], unit: fn(f64) -> String| {
        let greatest = max.iter().copied().fold(0.0, f64::max);
        table.push(vec![
            what.to_owned(),
            chart(&places, mean, greatest),
            unit(mean.last().copied().unwrap_or_default()),
            unit(mean.iter().sum::<f64>() / mean.len().max(1) as f64),
            unit(greatest),
        ]);
    };
    add("cpu", &metrics.cpu_percent.mean, &metrics.cpu_percent.max, |share| {
        format!("{share:.1} %")
    });
    let amounts = [
        ("memory", Some(&metrics.memory), bytes as fn(f64) -> String),
        ("read", metrics.disk_read_rate.as_ref(), |rate| format!("{}/s", bytes(rate))),
        ("written", metrics.disk_written_rate.as_ref(), |rate| format!("{}/s", bytes(rate))),
        ("processes", Some(&metrics.processes), |count| format!("{count:.0}")),
    ];
    for (what, amounts, unit) in amounts {
        if let Some(Amounts { mean, max }) = amounts {
            add(what, &floats(mean), &floats(max), unit);
        }
    }
    if !with_charts {
        table.iter_mut().for_each(|row| drop(row.remove(1)));
    }
    text::columns(&table)
}

fn floats(numbers: &[u64]) -> Vec<f64> {
    numbers.iter().map(|number| *number as f64).collect()
}

/// Bars from nothing to `greatest`; a gap where nothing is known.
fn chart(places: &[usize], values: &[f64], greatest: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let length = places.last().map_or(0, |last| (last + 1).min(256));
    let mut chart = vec![' '; length];
    for (place, value) in places.iter().zip(values) {
        let height = if greatest > 0.0 { value / greatest * 7.0 } else { 0.0 };
        let bar = BARS.get((height.round().clamp(0.0, 7.0)) as usize);
        if let (Some(cell), Some(bar)) = (chart.get_mut(*place), bar) {
            *cell = *bar;
        }
    }
    chart.into_iter().collect()
}

/// An amount of bytes as people say it: `4.2 MiB`.
fn bytes(bytes: f64) -> String {
    let mut amount = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if amount < 1000.0 {
            return if unit == "B" {
                format!("{amount:.0} B")
            } else {
                format!("{amount:.1} {unit}")
            };
        }
        amount /= 1024.0;
    }
    format!("{amount:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_shows_what_is_known_and_leaves_out_what_is_not() {
        assert_eq!(chart(&[0, 1, 4], &[0.0, 5.0, 10.0], 10.0), "▁▅  █");
        assert_eq!(chart(&[0, 1], &[0.0, 0.0], 0.0), "▁▁");
        assert_eq!(chart(&[0, 9_999_999], &[f64::NAN, 1.0], 1.0).chars().count(), 256);
        assert_eq!(chart(&[], &[], 1.0), "");
    }

    #[test]
    fn an_amount_is_told_in_a_unit_that_fits() {
        for (amount, told) in
            [(0.0, "0 B"), (999.0, "999 B"), (4.2 * 1048576.0, "4.2 MiB"), (3e15, "2728.5 TiB")]
        {
            assert_eq!(bytes(amount), told);
        }
    }
}
