//! How much a viewer is sent, and when; and when it is too slow to be sent everything. A pure core:
//! it is told what was sent and acknowledged, and the time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use gantline_protocol::{
    Offset,
    terminal::{ACK_STEP, MAX_PAYLOAD},
};

/// The least time between two batches of output.
const BETWEEN: Duration = Duration::from_millis(4);
/// Output that a viewer has not acknowledged: at first, and at most. More waits in the log.
const FIRST_WINDOW: u64 = 256 * 1024;
const GREATEST_WINDOW: u64 = 2 * 1024 * 1024;
/// A window grows as long as what is under way takes hardly longer than the way itself. Beyond that
/// it would only wait somewhere else.
const QUEUE: Duration = Duration::from_millis(20);
/// Batches whose way is timed. When more are under way, the newest are not.
const TIMED: usize = 64;
/// A viewer that is no further behind is sent everything, however slow it is.
const MAY_LAG: u64 = 1024 * 1024;
/// A viewer that would be so long behind at its own pace is given the screen instead.
const CATCHES_UP: Duration = Duration::from_secs(5);
/// Over how long the pace of a viewer is taken.
const PACED: Duration = Duration::from_millis(500);

/// What to do for a viewer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Send a batch.
    Send,
    /// There is output to send, at this time.
    Later(Instant),
    /// There is nothing to send, until there is more output.
    Output,
    /// There is nothing to send, until something is acknowledged.
    Acknowledgement,
    /// What waits takes too long: give it the screen.
    Skip,
}

/// The way of output to one viewer.
#[derive(Debug)]
pub(super) struct Flow {
    sent: Offset,
    acked: Offset,
    /// Up to here the viewer gets everything: it was there before.
    promised: Offset,
    window: u64,
    flushed: Option<Instant>,
    /// Where batches end that are under way, and when they were sent.
    under_way: VecDeque<(Offset, Instant)>,
    /// The shortest time from sending to acknowledgement.
    way: Option<Duration>,
    /// Since when there was always something to send, and what was acknowledged then.
    busy: Option<(Instant, Offset)>,
    /// Bytes a second, when the viewer was last busy for long enough.
    pace: Option<u64>,
}

impl Flow {
    /// A viewer that has all output before `at`, and is to get all before `promised`.
    pub(super) const fn new(at: Offset, promised: Offset) -> Self {
        Self {
            sent: at,
            acked: at,
            promised,
            window: FIRST_WINDOW,
            flushed: None,
            under_way: VecDeque::new(),
            way: None,
            busy: None,
            pace: None,
        }
    }

    /// Where output goes on.
    pub(super) const fn at(&self) -> Offset {
        self.sent
    }

    /// What to do, if the output ends at `end`, for good if it `is_over`.
    pub(super) fn next(&mut self, end: Offset, is_over: bool, now: Instant) -> Next {
        let waiting = end.0.saturating_sub(self.sent.0);
        if waiting == 0 {
            self.busy = None;
            return Next::Output;
        }
        self.busy.get_or_insert((now, self.acked));
        if self.is_hopeless(end) {
            // What is less than a step may never be acknowledged.
            let is_drained = self.sent.0.saturating_sub(self.acked.0) < ACK_STEP;
            return if is_drained { Next::Skip } else { Next::Acknowledgement };
        }
        if self.sent.0.saturating_sub(self.acked.0) >= self.window {
            return Next::Acknowledgement;
        }
        let due = self.flushed.map(|flushed| flushed + BETWEEN).filter(|due| *due > now);
        match due {
            Some(due) if waiting < MAX_PAYLOAD as u64 && !is_over => Next::Later(due),
            Some(_) | None => Next::Send,
        }
    }

    /// Output before `upto` was sent.
    pub(super) fn sent(&mut self, upto: Offset, now: Instant) {
        self.sent = upto;
        self.flushed = Some(now);
        if self.under_way.len() < TIMED {
            self.under_way.push_back((upto, now));
        }
    }

    /// The viewer has shown everything before `upto`, if it was sent.
    pub(super) fn acknowledged(&mut self, upto: Offset, now: Instant) {
        let upto = Offset(upto.0.min(self.sent.0));
        if upto <= self.acked {
            return;
        }
        let was_closed = self.sent.0.saturating_sub(self.acked.0) >= self.window;
        self.acked = upto;
        let mut took = None;
        while let Some((_, sent)) = self.under_way.pop_front_if(|(end, _)| *end <= upto) {
            took = Some(now.saturating_duration_since(sent));
        }
        if let Some(took) = took {
            let way = self.way.map_or(took, |way| way.min(took));
            self.way = Some(way);
            if was_closed && took <= 2 * way + QUEUE {
                self.window = (self.window * 2).min(GREATEST_WINDOW);
            }
        }
        if let Some((since, before)) = self.busy {
            let passed = now.saturating_duration_since(since);
            if passed >= PACED {
                let bytes = u128::from(upto.0.saturating_sub(before.0));
                let pace = bytes * 1000 / passed.as_millis().max(1);
                self.pace = Some(u64::try_from(pace).unwrap_or(u64::MAX));
                self.busy = Some((now, upto));
            }
        }
    }

    /// The viewer was given the screen, and goes on from there.
    pub(super) fn skipped(&mut self, to: Offset, now: Instant) {
        self.sent = to;
        self.acked = to;
        self.flushed = Some(now);
        self.under_way.clear();
        self.busy = None;
        self.pace = None;
    }

    /// Whether it would be too long until the viewer has seen everything.
    fn is_hopeless(&self, end: Offset) -> bool {
        let behind = end.0.saturating_sub(self.acked.0);
        let Some(pace) = self.pace.filter(|_| behind > MAY_LAG && self.sent >= self.promised)
        else {
            return false;
        };
        u128::from(behind) * 1000 > u128::from(pace) * CATCHES_UP.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const MB: u64 = 1_000_000;

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    /// A viewer at the end of a way, in virtual time: what arrives is shown at its pace, and
    /// acknowledged.
    struct Viewer {
        flow: Flow,
        now: Instant,
        began: Instant,
        /// Half the way.
        latency: Duration,
        /// Bytes a second; 0 for one that stands still.
        pace: u64,
        /// What is under way and when it is shown and known to be.
        acks: VecDeque<(Offset, Instant)>,
        shown_until: Instant,
        skips: Vec<(u64, u64)>,
        most_under_way: u64,
    }

    impl Viewer {
        fn new(latency: Duration, pace: u64) -> Self {
            let now = Instant::now();
            Self {
                flow: Flow::new(Offset(0), Offset(0)),
                now,
                began: now,
                latency,
                pace,
                acks: VecDeque::new(),
                shown_until: now,
                skips: Vec::new(),
                most_under_way: 0,
            }
        }

        /// Lives for so long, while output grows at `rate`.
        fn live(&mut self, time: Duration, rate: u64) {
            let until = self.now + time;
            while self.now < until {
                while let Some((upto, _)) = self.acks.pop_front_if(|(_, at)| *at <= self.now) {
                    self.flow.acknowledged(upto, self.now);
                }
                let end = Offset(self.written(rate));
                match self.flow.next(end, false, self.now) {
                    Next::Send => {
                        let from = self.flow.at().0;
                        let upto = Offset(end.0.min(from + MAX_PAYLOAD as u64));
                        self.flow.sent(upto, self.now);
                        self.most_under_way = self.most_under_way.max(upto.0 - self.flow.acked.0);
                        let nanos = (upto.0 - from) * 1_000_000_000;
                        // One that stands still shows nothing.
                        if let Some(nanos) = nanos.checked_div(self.pace) {
                            let begins = self.shown_until.max(self.now + self.latency);
                            self.shown_until = begins + Duration::from_nanos(nanos);
                            self.acks.push_back((upto, self.shown_until + self.latency));
                        }
                    }
                    Next::Skip => {
                        self.skips.push((self.flow.at().0, end.0));
                        self.flow.skipped(end, self.now);
                    }
                    Next::Later(_) | Next::Output | Next::Acknowledgement => {
                        self.now += Duration::from_micros(100);
                    }
                }
            }
        }

        fn written(&self, rate: u64) -> u64 {
            u64::try_from((self.now - self.began).as_micros()).unwrap() * rate / MB
        }
    }

    #[test]
    fn a_key_press_is_shown_at_once_and_a_stream_in_batches() {
        let now = Instant::now();
        let mut flow = Flow::new(Offset(0), Offset(0));
        assert_eq!(flow.next(Offset(0), false, now), Next::Output);
        assert_eq!(flow.next(Offset(1), false, now), Next::Send);
        flow.sent(Offset(1), now);
        assert_eq!(flow.next(Offset(2), false, now), Next::Later(now + ms(4)));
        assert_eq!(flow.next(Offset(2), false, now + ms(4)), Next::Send);
        assert_eq!(flow.next(Offset(1 + 65_536), false, now), Next::Send, "a batch is full");
        assert_eq!(flow.next(Offset(2), true, now), Next::Send, "nothing more comes");
    }

    #[test]
    fn a_window_grows_with_a_long_way_and_not_with_a_queue() {
        let mut far = Viewer::new(ms(100), 100 * MB);
        far.live(Duration::from_secs(10), 8 * MB);
        assert_eq!(far.flow.window, GREATEST_WINDOW, "8 MB/s fit into no less at 200 ms");
        assert!(far.skips.is_empty());
        let mut slow = Viewer::new(ms(5), MB / 2);
        slow.live(Duration::from_secs(10), MB);
        assert!(slow.flow.window <= 2 * FIRST_WINDOW, "what waits on the way only waits longer");
    }

    #[test]
    fn whoever_keeps_up_is_sent_everything_whatever_comes() {
        for (latency, pace, rate) in
            [(0, 60 * MB, 50 * MB), (1, 100 * MB, 90 * MB), (50, 20 * MB, MB)]
        {
            let mut viewer = Viewer::new(ms(latency), pace);
            viewer.live(Duration::from_secs(5), rate);
            assert_eq!(viewer.skips, [], "{latency} ms");
        }
        // Half as fast as the flood, and still soon there when it ends.
        let mut half = Viewer::new(ms(1), 50 * MB);
        half.live(Duration::from_secs(2), 100 * MB);
        assert_eq!(half.skips, []);
    }

    #[test]
    fn a_slow_viewer_of_a_flood_is_given_the_screen_and_told_what_it_missed() {
        let mut slow = Viewer::new(ms(20), MB);
        slow.live(Duration::from_secs(20), 20 * MB);
        assert!(!slow.skips.is_empty());
        for (from, to) in &slow.skips {
            assert!(to - from > MAY_LAG - GREATEST_WINDOW.min(MAY_LAG), "{from} to {to}");
        }
        let behind = slow.written(20 * MB) - slow.flow.acked.0;
        assert!(behind < 60 * MB, "{behind} bytes behind");
        assert!(slow.most_under_way <= GREATEST_WINDOW + MAX_PAYLOAD as u64);
    }

    #[test]
    fn a_viewer_that_is_no_more_than_a_megabyte_behind_gets_all_of_it() {
        let mut slow = Viewer::new(ms(20), 10_000);
        // A burst of a megabyte takes it a hundred seconds.
        slow.live(Duration::from_secs(1), MB);
        slow.live(Duration::from_secs(100), 0);
        assert_eq!(slow.skips, []);
    }

    #[test]
    fn a_viewer_that_stands_still_is_sent_a_window_and_the_screen_when_it_goes_on() {
        let mut still = Viewer::new(ms(1), 0);
        still.live(Duration::from_secs(10), 10 * MB);
        assert!(still.most_under_way <= FIRST_WINDOW + MAX_PAYLOAD as u64);
        assert_eq!(still.skips, [], "it has to take what it was sent before");
        // All but what is less than a step is acknowledged.
        let (sent, now) = (still.flow.at(), still.now);
        still.flow.acknowledged(Offset(sent.0 - ACK_STEP + 1), now);
        assert_eq!(still.flow.next(Offset(still.written(10 * MB)), false, now), Next::Skip);
    }

    #[test]
    fn whoever_comes_back_gets_everything_that_it_has_missed() {
        let mut back = Viewer::new(ms(20), MB);
        back.flow = Flow::new(Offset(0), Offset(30 * MB));
        // All of it was written before.
        back.began -= Duration::from_secs(30);
        back.live(Duration::from_secs(25), MB);
        assert_eq!(back.skips, []);
        assert!(back.flow.at().0 > 20 * MB);
    }

    proptest! {
        #[test]
        fn nothing_is_sent_beyond_the_window_or_skipped_that_is_under_way(
            steps in vec((0..5u8, 0..3_000_000u64, 0..2_000u64), 1..200),
        ) {
            let mut now = Instant::now();
            let mut flow = Flow::new(Offset(0), Offset(0));
            let mut end = 0;
            for (what, bytes, time) in steps {
                match what {
                    0 => end += bytes,
                    1 => now += ms(time),
                    // Whatever a viewer says.
                    2 => flow.acknowledged(Offset(bytes), now),
                    3 => flow.acknowledged(Offset(flow.at().0), now),
                    _ => flow.acknowledged(Offset(u64::MAX - bytes), now),
                }
                loop {
                    match flow.next(Offset(end), false, now) {
                        Next::Send => {
                            prop_assert!(flow.sent.0 - flow.acked.0 < flow.window);
                            let upto = end.min(flow.at().0 + MAX_PAYLOAD as u64);
                            flow.sent(Offset(upto), now);
                        }
                        Next::Skip => {
                            prop_assert!(flow.sent.0 - flow.acked.0 < ACK_STEP);
                            prop_assert!(end - flow.sent.0 > MAY_LAG);
                            flow.skipped(Offset(end), now);
                        }
                        Next::Later(at) => {
                            prop_assert!(at > now);
                            break;
                        }
                        Next::Output => {
                            prop_assert_eq!(flow.at(), Offset(end));
                            break;
                        }
                        Next::Acknowledgement => {
                            prop_assert!(flow.sent > flow.acked);
                            break;
                        }
                    }
                }
                prop_assert!(flow.acked <= flow.sent && flow.window <= GREATEST_WINDOW);
            }
        }
    }
}
