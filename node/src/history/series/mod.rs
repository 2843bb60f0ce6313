//! What agents and the machine used, over time: as measured for a day, and for 30 days by the minute
//! and by the quarter of an hour, each period with its mean and its greatest.

mod block;
mod chart;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use block::{MEASURES, Point};
pub(super) use chart::Source;
pub(super) use store::{Recent, Store};

use gantline_protocol::AgentId;

/// Whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The whole machine.
    Machine,
    /// One agent.
    Agent(AgentId),
}

impl Subject {
    /// Its name in the table.
    fn key(self) -> String {
        match self {
            Self::Machine => String::new(),
            Self::Agent(id) => id.to_string(),
        }
    }
}

/// A resolution at which points are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Measured,
    Minutes,
    Quarters,
}

impl Tier {
    const ALL: [Self; 3] = [Self::Measured, Self::Minutes, Self::Quarters];

    const fn number(self) -> i64 {
        match self {
            Self::Measured => 0,
            Self::Minutes => 1,
            Self::Quarters => 2,
        }
    }

    /// What a point stands for, in milliseconds; as measured, for a moment.
    const fn period(self) -> u64 {
        match self {
            Self::Measured => 1,
            Self::Minutes => MINUTE,
            Self::Quarters => 15 * MINUTE,
        }
    }

    /// What a block spans. A block is written anew with each point, so it is not to be long.
    const fn span(self) -> u64 {
        match self {
            Self::Measured => 10 * MINUTE,
            Self::Minutes => 240 * MINUTE,
            Self::Quarters => 2 * DAY,
        }
    }

    const fn kept(self) -> u64 {
        match self {
            Self::Measured => DAY,
            Self::Minutes | Self::Quarters => 30 * DAY,
        }
    }

    const fn finer(self) -> Option<Self> {
        match self {
            Self::Measured => None,
            Self::Minutes => Some(Self::Measured),
            Self::Quarters => Some(Self::Minutes),
        }
    }

    const fn coarser(self) -> Option<Self> {
        match self {
            Self::Measured => Some(Self::Minutes),
            Self::Minutes => Some(Self::Quarters),
            Self::Quarters => None,
        }
    }
}

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// One point for each period, of points in the order of their times.
fn summed(points: &[Point], period: u64) -> Vec<Point> {
    let mut periods: Vec<Period> = Vec::new();
    for point in points {
        let at = point.at - point.at % period;
        match periods.last_mut() {
            Some(last) if last.at == at => last.add(point),
            Some(_) | None => {
                let mut next = Period { at, ..Period::default() };
                next.add(point);
                periods.push(next);
            }
        }
    }
    periods.iter().map(Period::point).collect()
}

#[derive(Default)]
struct Period {
    at: u64,
    weight: u64,
    sums: [u128; MEASURES],
    most: [u64; MEASURES],
}

impl Period {
    fn add(&mut self, point: &Point) {
        // A moment at least, also if a block says otherwise.
        let weight = point.weight.clamp(1, u64::from(u32::MAX));
        self.weight = self.weight.saturating_add(weight);
        for (sum, mean) in self.sums.iter_mut().zip(point.mean) {
            *sum = sum.saturating_add(u128::from(mean) * u128::from(weight));
        }
        for (most, other) in self.most.iter_mut().zip(point.most) {
            *most = (*most).max(other);
        }
    }

    fn point(&self) -> Point {
        let weight = u128::from(self.weight.max(1));
        // Rounded to the nearest.
        let mean = self
            .sums
            .map(|sum| u64::try_from(sum.saturating_add(weight / 2) / weight).unwrap_or(u64::MAX));
        Point { at: self.at, weight: self.weight, mean, most: self.most }
    }
}
