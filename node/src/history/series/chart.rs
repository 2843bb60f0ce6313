//! Reads points for a chart: of each part of the time the coarsest that will do, and where there is
//! none the next best.

use gantline_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use super::{Point, Subject, Tier, store::range, summed};
use crate::history::HistoryError;

/// Where the points of one series come from.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    connection: &'a Connection,
    series: Option<i64>,
    recent: Vec<Point>,
}

impl<'a> Source<'a> {
    pub(crate) fn open(
        connection: &'a Connection,
        subject: Subject,
        recent: Vec<Point>,
    ) -> Result<Self, HistoryError> {
        let series = connection
            .prepare_cached("SELECT id FROM series WHERE agent = ?")?
            .query_row([subject.key()], |row| row.get(0))
            .optional()?;
        Ok(Self { connection, series, recent })
    }

    /// One point for each `step` that begins in `from..to` and of which something is known.
    pub(crate) fn chart(
        &self,
        from: Timestamp,
        to: Timestamp,
        step: u64,
    ) -> Result<Vec<Point>, HistoryError> {
        let step = step.max(1);
        let from = from.as_millis() - from.as_millis() % step;
        let to = to.as_millis();
        let tier = match step {
            step if step >= Tier::Quarters.period() => Tier::Quarters,
            step if step >= Tier::Minutes.period() => Tier::Minutes,
            _ => Tier::Measured,
        };
        let newer = self.newer(tier, from, to)?;
        let begins = newer.first().map_or(to, |point| point.at);
        let mut points = self.older(tier.coarser(), from, begins)?;
        points.extend(newer);
        Ok(summed(&points, step))
    }

    /// What there is at `tier`, and at the finer ones before its first whole period and after its end.
    fn newer(&self, tier: Tier, from: u64, to: u64) -> Result<Vec<Point>, HistoryError> {
        let Some(finer) = tier.finer() else {
            let mut points = self.stored(tier, from, to)?;
            let rest = points.last().map_or(from, |last| last.at.saturating_add(tier.period()));
            let recent = self.recent.iter().filter(|point| (rest..to).contains(&point.at));
            points.extend(recent.copied());
            return Ok(points);
        };
        let whole = from.next_multiple_of(tier.period()).min(to);
        let mut points = match from < whole {
            true => self.newer(finer, from, whole)?,
            false => Vec::new(),
        };
        let own = self.stored(tier, whole, to)?;
        let rest = own.last().map_or(whole, |last| last.at.saturating_add(tier.period()));
        points.extend(own);
        if rest < to {
            points.extend(self.newer(finer, rest, to)?);
        }
        Ok(points)
    }

    /// What there is at `tier`, and before its beginning at the coarser ones.
    fn older(&self, tier: Option<Tier>, from: u64, to: u64) -> Result<Vec<Point>, HistoryError> {
        let Some(tier) = tier.filter(|_| from < to) else { return Ok(Vec::new()) };
        // Not a period that reaches into what is there already.
        let points = self.stored(tier, from, to.saturating_sub(tier.period() - 1))?;
        let begins = points.first().map_or(to, |point| point.at);
        let mut older = self.older(tier.coarser(), from, begins)?;
        older.extend(points);
        Ok(older)
    }

    fn stored(&self, tier: Tier, from: u64, to: u64) -> Result<Vec<Point>, HistoryError> {
        match self.series {
            Some(series) if from < to => range(self.connection, series, tier, from, to),
            Some(_) | None => Ok(Vec::new()),
        }
    }
}
