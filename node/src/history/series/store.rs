//! Takes measurements in, writes them once a minute, and makes the coarser points of them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use gantline_protocol::{AgentId, Timestamp, api::Vitals};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{
    DAY, MINUTE, Point, Subject, Tier,
    block::{pack, unpack},
    summed,
};
use crate::history::HistoryError;

/// Points of one series that wait to be written. The oldest go first.
const MAX_WAITING: usize = 512;
/// How long after a period its last measurement may come in.
const LATE: u64 = 5_000;
/// A clock that goes further than that between two minutes was set; and so many minutes later what
/// it says now is believed, and what is old by it is forgotten.
const JUMP: u64 = DAY;
const BELIEVED: u32 = 60;
/// Blocks of one series and resolution that are forgotten at once.
const STEP: i64 = 4;

/// What was measured and is not written yet. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent(Arc<Mutex<BTreeMap<Subject, VecDeque<Point>>>>);

impl Recent {
    pub(crate) fn of(&self, subject: Subject) -> Vec<Point> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&subject).map(|points| points.iter().copied().collect()).unwrap_or_default()
    }

    fn add(&self, subject: Subject, point: Point) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let points = all.entry(subject).or_default();
        if points.len() >= MAX_WAITING {
            points.pop_front();
        }
        points.push_back(point);
    }

    fn all(&self) -> BTreeMap<Subject, VecDeque<Point>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn written(&self) {
        // Only the writer adds, so there is nothing here that it has not written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The writer's side.
#[derive(Debug, Default)]
pub(crate) struct Store {
    recent: Recent,
    /// What an agent's processes had read and written at the last look.
    counters: BTreeMap<AgentId, Counters>,
    /// Up to when each of the coarser resolutions is made, once that is known.
    made: Option<[u64; 2]>,
    written: u64,
    /// For how many more minutes the clock is not believed.
    doubts: u32,
}

#[derive(Debug, Clone, Copy)]
struct Counters {
    at: u64,
    read: u64,
    written: u64,
}

impl Store {
    pub(crate) fn recent(&self) -> Recent {
        self.recent.clone()
    }

    /// Forgets what it knows of a database that is no more.
    pub(crate) fn begin_anew(&mut self) {
        self.made = None;
    }

    /// Takes one look in.
    pub(crate) fn take(&mut self, vitals: &Vitals) {
        // So that the same time lies between most points, which is what packs well.
        let at = vitals.at.as_millis() / 100 * 100;
        let machine = &vitals.machine;
        let values = [
            tenths(machine.cpu_percent),
            machine.memory_used / 1024,
            0,
            0,
            machine.processes.into(),
        ];
        self.recent.add(Subject::Machine, moment(at, values));
        let mut counters = BTreeMap::new();
        for agent in &vitals.agents {
            let now = Counters { at, read: agent.disk_read, written: agent.disk_written };
            let (read, written) = match self.counters.get(&agent.agent_id) {
                Some(before) => (
                    rate(now.read, before.read, at, before.at),
                    rate(now.written, before.written, at, before.at),
                ),
                None => (0, 0),
            };
            let memory = agent.memory / 1024;
            let values = [tenths(agent.cpu_percent), memory, read, written, agent.processes.into()];
            self.recent.add(Subject::Agent(agent.agent_id), moment(at, values));
            counters.insert(agent.agent_id, now);
        }
        self.counters = counters;
    }

    /// Whether it is time to write.
    pub(crate) const fn is_due(&self, now: Timestamp) -> bool {
        now.as_millis() / MINUTE != self.written / MINUTE
    }

    /// Whether the clock was not set lately: else nothing is forgotten because it is old.
    pub(crate) const fn believes_clock(&self) -> bool {
        self.doubts == 0
    }

    /// Writes what was measured, makes coarser points of it, and forgets a little of what is old.
    /// What fails is tried again with the next measurements.
    pub(crate) fn flush(
        &mut self,
        connection: &mut Connection,
        now: Timestamp,
    ) -> Result<(), HistoryError> {
        let now = now.as_millis();
        let jumped = self.written != 0 && now.abs_diff(self.written) > JUMP;
        self.doubts = if jumped { BELIEVED } else { self.doubts.saturating_sub(1) };
        self.written = now;
        let transaction = connection.transaction()?;
        for (subject, points) in self.recent.all() {
            let series = enter(&transaction, subject)?;
            merge(&transaction, series, Tier::Measured, points.into_iter().collect())?;
        }
        let mut made = match self.made {
            Some(made) => made,
            None => [last(&transaction, Tier::Minutes)?, last(&transaction, Tier::Quarters)?],
        };
        for (tier, made) in [Tier::Minutes, Tier::Quarters].into_iter().zip(&mut made) {
            let to = floor(now.saturating_sub(LATE), tier.period());
            // The clock may have been set back; and nobody waits for more than what is kept.
            let least = to.saturating_sub(2 * DAY);
            let from = floor((*made).clamp(least, to), tier.period());
            if from < to {
                make(&transaction, tier, from, to)?;
            }
            *made = to;
        }
        if self.believes_clock() {
            forget(&transaction, now)?;
        }
        transaction.commit()?;
        self.made = Some(made);
        self.recent.written();
        Ok(())
    }
}

fn moment(at: u64, values: [u64; super::MEASURES]) -> Point {
    Point { at, weight: 1, mean: values, most: values }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
fn tenths(percent: f64) -> u64 {
    // What is no number becomes 0.
    (percent * 10.0).round().clamp(0.0, 1e9) as u64
}

/// Bytes a second. The counter falls when a process is gone: nothing is known then.
const fn rate(now: u64, before: u64, at: u64, then: u64) -> u64 {
    match (now.checked_sub(before), at.checked_sub(then)) {
        (Some(bytes), Some(millis)) if millis > 0 => bytes.saturating_mul(1000) / millis,
        _ => 0,
    }
}

const fn floor(at: u64, period: u64) -> u64 {
    at - at % period
}

fn enter(transaction: &Transaction<'_>, subject: Subject) -> Result<i64, HistoryError> {
    let known = transaction
        .prepare_cached("SELECT id FROM series WHERE agent = ?")?
        .query_row([subject.key()], |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => Ok(transaction
            .prepare_cached("INSERT INTO series (agent) VALUES (?) RETURNING id")?
            .query_row([subject.key()], |row| row.get(0))?),
    }
}

/// Where the newest block of a resolution begins: what is later is made anew, to the same end.
fn last(transaction: &Transaction<'_>, tier: Tier) -> Result<u64, HistoryError> {
    let start: Option<i64> = transaction.query_row(
        "SELECT max(start) FROM blocks WHERE tier = ?",
        [tier.number()],
        |row| row.get(0),
    )?;
    Ok(start.and_then(|start| u64::try_from(start).ok()).unwrap_or(0))
}

/// Makes the points of a resolution for the periods that begin in `from..to`.
fn make(transaction: &Transaction<'_>, tier: Tier, from: u64, to: u64) -> Result<(), HistoryError> {
    let Some(finer) = tier.finer() else { return Ok(()) };
    for series in all(transaction)? {
        let points = range(transaction, series, finer, from, to)?;
        merge(transaction, series, tier, summed(&points, tier.period()))?;
    }
    Ok(())
}

fn all(transaction: &Transaction<'_>) -> Result<Vec<i64>, HistoryError> {
    let mut statement = transaction.prepare_cached("SELECT id FROM series")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Points of a series that begin in `from..to`, in the order of their times.
pub(super) fn range(
    connection: &Connection,
    series: i64,
    tier: Tier,
    from: u64,
    to: u64,
) -> Result<Vec<Point>, HistoryError> {
    let mut statement = connection.prepare_cached(
        "SELECT points FROM blocks WHERE series = ? AND tier = ? AND start >= ? AND start < ?
         ORDER BY start",
    )?;
    let blocks = statement.query_map(
        params![series, tier.number(), signed(floor(from, tier.span())), signed(to)],
        |row| row.get::<_, Vec<u8>>(0),
    )?;
    let mut points = Vec::new();
    for block in blocks {
        // Of a damaged one nothing can be said.
        points.extend(unpack(&block?).unwrap_or_default());
    }
    points.retain(|point| (from..to).contains(&point.at));
    // A clock that was set back has left them out of order.
    points.sort_by_key(|point| point.at);
    Ok(points)
}

/// Puts points into their blocks. One of the same time takes the place of what was there.
fn merge(
    transaction: &Transaction<'_>,
    series: i64,
    tier: Tier,
    points: Vec<Point>,
) -> Result<(), HistoryError> {
    let mut blocks: BTreeMap<u64, Vec<Point>> = BTreeMap::new();
    for point in points {
        blocks.entry(floor(point.at, tier.span())).or_default().push(point);
    }
    for (start, points) in blocks {
        let before: Option<Vec<u8>> = transaction
            .prepare_cached(
                "SELECT points FROM blocks WHERE series = ? AND tier = ? AND start = ?",
            )?
            .query_row(params![series, tier.number(), signed(start)], |row| row.get(0))
            .optional()?;
        let before = before.and_then(|block| unpack(&block)).unwrap_or_default();
        let all: BTreeMap<u64, Point> =
            before.into_iter().chain(points).map(|point| (point.at, point)).collect();
        let all: Vec<Point> = all.into_values().collect();
        transaction
            .prepare_cached(
                "INSERT INTO blocks (series, tier, start, points) VALUES (?, ?, ?, ?)
                 ON CONFLICT (series, tier, start) DO UPDATE SET points = excluded.points",
            )?
            .execute(params![series, tier.number(), signed(start), pack(&all)])?;
    }
    Ok(())
}

/// Forgets the oldest blocks, a few at once, and series that have none left. What a clock that was
/// ahead has left in the future goes, too.
fn forget(transaction: &Transaction<'_>, now: u64) -> Result<(), HistoryError> {
    for series in all(transaction)? {
        for tier in Tier::ALL {
            let ends = now.saturating_sub(tier.kept()).saturating_sub(tier.span());
            transaction
                .prepare_cached(
                    "DELETE FROM blocks WHERE id IN (
                        SELECT id FROM blocks WHERE series = ? AND tier = ? AND (start < ? OR start > ?)
                        ORDER BY start LIMIT ?)",
                )?
                .execute(params![
                    series,
                    tier.number(),
                    signed(ends),
                    signed(now.saturating_add(2 * DAY)),
                    STEP,
                ])?;
        }
        transaction
            .prepare_cached(
                "DELETE FROM series WHERE id = ?1
                 AND NOT EXISTS (SELECT 1 FROM blocks WHERE series = ?1)",
            )?
            .execute([series])?;
    }
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
