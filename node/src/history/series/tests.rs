//! Weeks of measurements in virtual time.

use std::path::Path;

use gantline_protocol::{
    Timestamp,
    api::{AgentVitals, MachineVitals, Vitals},
};
use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::history::database;

const BEGIN: u64 = 1_763_690_000_000;
const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

struct Bench {
    store: Store,
    database: Connection,
    agent: Subject,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = database::open(&dir.path().join(database::FILE)).unwrap();
        let agent = Subject::Agent("ag-x7k2p".parse().unwrap());
        Self { store: Store::default(), database, agent, dir }
    }

    /// A look at `at`, and what a minute brings with it.
    fn look(&mut self, at: u64, agent: AgentVitals) {
        let at = Timestamp::from_millis(at);
        let machine = MachineVitals {
            cpu_percent: agent.cpu_percent,
            cores: 2,
            memory_used: agent.memory,
            memory_total: 1 << 33,
            processes: 99,
        };
        self.store.take(&Vitals { at, machine, agents: vec![agent] });
        if self.store.is_due(at) {
            self.store.flush(&mut self.database, at).unwrap();
        }
    }

    fn chart(&self, from: u64, to: u64, step: u64) -> Vec<Point> {
        let recent = self.store.recent().of(self.agent);
        let source = Source::open(&self.database, self.agent, recent).unwrap();
        source.chart(Timestamp::from_millis(from), Timestamp::from_millis(to), step).unwrap()
    }

    /// Points, and bytes of them, of each resolution.
    fn kept(&self) -> [(usize, usize); 3] {
        Tier::ALL.map(|tier| {
            let mut statement =
                self.database.prepare("SELECT points FROM blocks WHERE tier = ?").unwrap();
            let blocks = statement.query_map([tier.number()], |row| row.get(0)).unwrap();
            let blocks: Vec<Vec<u8>> = blocks.collect::<Result<_, _>>().unwrap();
            let points = blocks.iter().map(|block| block::unpack(block).unwrap().len()).sum();
            (points, blocks.iter().map(Vec::len).sum())
        })
    }
}

fn used(percent: f64) -> AgentVitals {
    AgentVitals {
        agent_id: "ag-x7k2p".parse().unwrap(),
        cpu_percent: percent,
        memory: 4096 * 1024,
        disk_read: 0,
        disk_written: 0,
        processes: 1,
        last_line: None,
    }
}

#[test]
fn a_peak_of_one_moment_is_still_seen_a_month_later() {
    let mut bench = Bench::new();
    // A look each quarter of an hour.
    for number in 0..31 * 96 {
        let percent = if number == 3 * 96 { 180.0 } else { 10.0 };
        bench.look(BEGIN + number * 15 * MINUTE, used(percent));
    }
    let now = BEGIN + 31 * DAY;
    let peak = BEGIN + 3 * DAY;
    for step in [15 * MINUTE, 60 * MINUTE, DAY] {
        let points = bench.chart(now - 29 * DAY, now, step);
        let most = points.iter().find(|point| (point.at..point.at + step).contains(&peak)).unwrap();
        assert_eq!(most.most[0], 1800, "of {step}");
        assert!(most.mean[0] >= 100 && (step < DAY || most.mean[0] < 200), "{most:?}");
        // Nothing is missing and nothing is there twice.
        let times: Vec<_> = points.iter().map(|point| point.at).collect();
        let expected = 29 * DAY / step;
        let length = times.len() as u64;
        assert!((expected..=expected + 1).contains(&length), "{length} of {expected}");
        assert!(times.windows(2).all(|pair| pair[0] + step == pair[1]));
    }
    let [measured, minutes, quarters] = bench.kept().map(|(points, _)| points);
    assert!(measured <= 100 && minutes <= 2 * 31 * 96 && quarters <= 2 * 33 * 96);
}

#[test]
fn what_was_measured_a_moment_ago_is_in_the_chart() {
    let mut bench = Bench::new();
    for number in 0..10 {
        bench.look(BEGIN + number * 2_000, used(f64::from(u32::try_from(number).unwrap())));
    }
    let points = bench.chart(BEGIN, BEGIN + 20_000, 2_000);
    let tenths: Vec<_> = points.iter().map(|point| point.mean[0]).collect();
    assert_eq!(tenths, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
}

#[test]
fn bytes_a_second_come_of_counters_that_may_fall() {
    let mut bench = Bench::new();
    for (number, read) in [0, 10_000, 10_000, 4_000, 6_000].into_iter().enumerate() {
        let agent = AgentVitals { disk_read: read, disk_written: read * 2, ..used(0.0) };
        bench.look(BEGIN + number as u64 * 2_000, agent);
    }
    let points = bench.chart(BEGIN, BEGIN + 10_000, 2_000);
    let rates: Vec<_> = points.iter().map(|point| (point.mean[2], point.mean[3])).collect();
    assert_eq!(rates, [(0, 0), (5_000, 10_000), (0, 0), (0, 0), (1_000, 2_000)]);
}

#[test]
fn a_clock_that_jumps_neither_stops_the_charts_nor_empties_them() {
    let mut bench = Bench::new();
    let minutes = |bench: &mut Bench, from: u64, count: u64, percent| {
        (0..count * 4).for_each(|number| bench.look(from + number * 15_000, used(percent)));
    };
    minutes(&mut bench, BEGIN, 120, 10.0);
    // An hour back, and over the same hour again.
    minutes(&mut bench, BEGIN + 60 * MINUTE, 120, 30.0);
    let points = bench.chart(BEGIN, BEGIN + 180 * MINUTE, 15 * MINUTE);
    assert!(points.len() >= 12, "{points:?}");
    assert!(points.last().unwrap().mean[0] == 300 && points[0].mean[0] == 100);
    // A year ahead for a minute, and back.
    minutes(&mut bench, BEGIN + 365 * DAY, 2, 50.0);
    minutes(&mut bench, BEGIN + 180 * MINUTE, 60, 70.0);
    let points = bench.chart(BEGIN, BEGIN + 240 * MINUTE, 15 * MINUTE);
    assert!(points.last().unwrap().mean[0] == 700, "{points:?}");
    assert!(points.len() >= 15, "a minute of a wrong clock must not cost a month: {points:?}");
}

#[test]
fn a_node_that_starts_again_goes_on_where_it_was() {
    let mut bench = Bench::new();
    for number in 0..600 {
        if number % 97 == 0 {
            // What was not written is lost, a minute at most.
            bench.store = Store::default();
        }
        bench.look(BEGIN + number * 15_000, used(20.0));
    }
    let points = bench.chart(BEGIN, BEGIN + 150 * MINUTE, MINUTE);
    assert!(points.len() >= 143, "{}", points.len());
    assert!(points.iter().all(|point| point.mean[0] == 200 && point.most[0] == 200));
}

#[test]
fn a_month_of_a_hundred_busy_agents_stays_below_200_megabytes() {
    let mut bench = Bench::new();
    let mut dice = 7u64;
    let mut roll = move |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) % sides
    };
    let (mut read, mut memory) = (0, 300 << 20);
    // Every number changes with every look; and they come a bit late, as they do.
    for number in 0..24 * 60 * 4 {
        read += roll(1 << 20);
        memory = (memory + roll(1 << 22)).saturating_sub(1 << 21).max(1 << 26);
        let agent = AgentVitals {
            cpu_percent: roll(2_000) as f64 / 10.0,
            memory,
            disk_read: read,
            disk_written: read / 3,
            processes: 3 + u32::try_from(roll(4)).unwrap(),
            ..used(0.0)
        };
        bench.look(BEGIN + number * 15_000 + roll(300), agent);
    }
    let each = bench.kept().map(|(points, bytes)| bytes as f64 / points as f64);
    let packed: usize = bench.kept().iter().map(|(_, bytes)| bytes).sum();
    let overhead = size(bench.dir.path(), &bench.database) / packed as f64;
    let month = [4.0 * 60.0 * 24.0, 30.0 * 24.0 * 60.0, 30.0 * 24.0 * 4.0];
    let bytes = |agents: f64| {
        let of_one = each.iter().zip(month).map(|(each, points)| each * points).sum::<f64>();
        of_one * agents * overhead
    };
    let told = format!("{each:.1?} bytes a point, times {overhead:.2}: {:.0} bytes", bytes(100.0));
    assert!(bytes(100.0) < 200e6, "{told}");
    assert!(bytes(100.0) > 20e6, "nothing was measured: {told}");
}

#[expect(clippy::cast_precision_loss, reason = "it is a file")]
fn size(dir: &Path, database: &Connection) -> f64 {
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    dir.join(database::FILE).metadata().unwrap().len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_chart_never_says_more_than_was_measured(
        steps in prop::collection::vec((1..120_000u64, 0..4_000u64), 1..120),
        step in 1_000..3_000_000u64,
    ) {
        let mut bench = Bench::new();
        let (mut at, mut all) = (BEGIN, Vec::new());
        for (later, tenths) in steps {
            at += later;
            all.push(tenths);
            bench.look(at, used(tenths as f64 / 10.0));
        }
        let points = bench.chart(BEGIN, at + 1, step);
        let most = points.iter().map(|point| point.most[0]).max();
        prop_assert_eq!(most, all.iter().max().copied());
        for point in &points {
            prop_assert!(point.mean[0] <= point.most[0]);
            prop_assert_eq!(point.at % step, 0);
        }
        prop_assert!(points.windows(2).all(|pair| pair[0].at < pair[1].at));
    }
}
