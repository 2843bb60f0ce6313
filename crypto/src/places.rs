//! Who may be in the middle of a handshake at a node, so that a flood of half-open pipes can
//! exhaust nothing and can't lock a known device out. A pure core: the owner of the pipes tells
//! what happens and closes those that it is told to.

use std::time::{Duration, Instant};

use gantline_protocol::DeviceId;

use crate::pairing::wire::Refusal;

/// Places for pipes that have shown nothing yet.
pub const OPEN_PLACES: usize = 32;
/// Further places for pipes that have shown the first message of a known device.
pub const KNOWN_PLACES: usize = 16;
/// Of these, how many one device can have.
pub const PLACES_PER_DEVICE: usize = 2;
/// Places for pairing, while a code or link is live.
pub const PAIRING_PLACES: usize = 4;
/// By when a pipe has delivered preface and S1.
pub const S1_WITHIN: Duration = Duration::from_secs(2);
/// By when a pipe has delivered S3.
pub const S3_WITHIN: Duration = Duration::from_secs(5);
/// By when a pairing is through.
pub const PAIRING_WITHIN: Duration = Duration::from_secs(10);

/// A pipe, as its owner numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PipeNumber(pub u64);

/// What becomes of a pipe that has shown something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It may go on.
    Stay,
    /// It may go on, and this other one is to be closed.
    StayInsteadOf(PipeNumber),
    /// It is to be closed.
    Leave,
}

/// The pipes in the middle of a handshake, oldest first.
#[derive(Debug, Default)]
pub struct Places {
    pipes: Vec<Pipe>,
}

#[derive(Debug)]
struct Pipe {
    number: PipeNumber,
    arrived: Instant,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing valid was shown yet.
    Open,
    /// A known device's S1 was shown, and all places for those were taken.
    OpenWithS1(DeviceId),
    /// A known device's S1 was shown.
    Known(DeviceId),
    /// A pairing is under way.
    Pairing,
}

impl Pipe {
    fn deadline(&self) -> Instant {
        self.arrived
            + match self.place {
                Place::Open => S1_WITHIN,
                Place::OpenWithS1(_) | Place::Known(_) => S3_WITHIN,
                Place::Pairing => PAIRING_WITHIN,
            }
    }
}

impl Places {
    /// A new pipe. When all open places are taken, the oldest that has shown nothing makes room,
    /// and if all have shown something, the oldest of them: an S1 may be a replay, and whoever
    /// replays it must not keep everybody else out. Returns the pipe that is to be closed.
    #[must_use]
    pub fn arrive(&mut self, number: PipeNumber, now: Instant) -> Option<PipeNumber> {
        let has_s1 = |place: &Place| matches!(place, Place::OpenWithS1(_));
        let is_silent = |place: &Place| *place == Place::Open;
        let is_open = |place: &Place| is_silent(place) || has_s1(place);
        let leaves = (self.pipes.iter().filter(|pipe| is_open(&pipe.place)).count() >= OPEN_PLACES)
            .then(|| self.remove_oldest(is_silent).or_else(|| self.remove_oldest(has_s1)))
            .flatten();
        self.pipes.push(Pipe { number, arrived: now, place: Place::Open });
        leaves
    }

    /// The pipe's preface asks for pairing; `is_live` says whether a code or link is.
    ///
    /// # Errors
    /// What to tell the pipe before it is closed; it has no place any more.
    pub fn pair(&mut self, number: PipeNumber, is_live: bool) -> Result<(), Refusal> {
        let taken = self.pipes.iter().filter(|pipe| pipe.place == Place::Pairing).count();
        let pipe = self.pipes.iter_mut().find(|pipe| pipe.number == number);
        let refusal = match pipe {
            _ if !is_live => Refusal::NotOpen,
            Some(pipe) if taken < PAIRING_PLACES && pipe.place == Place::Open => {
                pipe.place = Place::Pairing;
                return Ok(());
            }
            _ => Refusal::Busy,
        };
        self.leave(number);
        Err(refusal)
    }

    /// The pipe has shown a valid S1 of a known device (or of one that was revoked and is still
    /// remembered). Where the places for known devices don't suffice it keeps its open place; a
    /// device has two of those as well, and a third takes the place of the oldest.
    pub fn show_s1(&mut self, number: PipeNumber, device: DeviceId) -> Verdict {
        let count = |place: Place| self.pipes.iter().filter(|pipe| pipe.place == place).count();
        let known = self.pipes.iter().filter(|pipe| matches!(pipe.place, Place::Known(_))).count();
        let has_room = known < KNOWN_PLACES && count(Place::Known(device)) < PLACES_PER_DEVICE;
        let crowded = !has_room && count(Place::OpenWithS1(device)) >= PLACES_PER_DEVICE;
        let oldest = self.pipes.iter().find(|pipe| pipe.place == Place::OpenWithS1(device));
        let leaves = oldest.filter(|_| crowded).map(|pipe| pipe.number);
        match self.pipes.iter_mut().find(|pipe| pipe.number == number) {
            Some(pipe) if pipe.place == Place::Open => {
                pipe.place = match has_room {
                    true => Place::Known(device),
                    false => Place::OpenWithS1(device),
                };
                match leaves {
                    Some(oldest) => {
                        self.leave(oldest);
                        Verdict::StayInsteadOf(oldest)
                    }
                    None => Verdict::Stay,
                }
            }
            _ => {
                self.leave(number);
                Verdict::Leave
            }
        }
    }

    fn remove_oldest(&mut self, which: impl Fn(&Place) -> bool) -> Option<PipeNumber> {
        let index = self.pipes.iter().position(|pipe| which(&pipe.place))?;
        Some(self.pipes.remove(index).number)
    }

    /// The pipe's handshake is through, or the pipe is gone: its place is free.
    pub fn leave(&mut self, number: PipeNumber) {
        self.pipes.retain(|pipe| pipe.number != number);
    }

    /// When [`Self::expire`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.pipes.iter().map(Pipe::deadline).min()
    }

    /// The pipes that were too slow; they are to be closed.
    #[must_use]
    pub fn expire(&mut self, now: Instant) -> Vec<PipeNumber> {
        let (late, in_time) =
            std::mem::take(&mut self.pipes).into_iter().partition(|pipe| pipe.deadline() <= now);
        self.pipes = in_time;
        Vec::into_iter(late).map(|pipe: Pipe| pipe.number).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const fn device(number: u8) -> DeviceId {
        DeviceId::from_bytes([number; 16])
    }

    #[test]
    fn a_flood_of_silent_pipes_does_not_lock_a_known_device_out() {
        let now = Instant::now();
        let mut places = Places::default();
        for number in 0..1000 {
            let _ = places.arrive(PipeNumber(number), now);
        }
        let ours = PipeNumber(5000);
        assert_eq!(places.arrive(ours, now), Some(PipeNumber(968)));
        assert_eq!(places.show_s1(ours, device(1)), Verdict::Stay);
        for number in 6000..7000 {
            assert_ne!(places.arrive(PipeNumber(number), now), Some(ours));
        }
        assert!(!places.expire(now + S1_WITHIN).contains(&ours));
        assert_eq!(places.expire(now + S3_WITHIN), [ours]);
    }

    #[test]
    fn a_first_message_replayed_without_end_locks_nobody_else_out() {
        let now = Instant::now();
        let mut places = Places::default();
        let replay = |places: &mut Places, numbers: std::ops::Range<u64>, spared: PipeNumber| {
            for number in numbers.map(PipeNumber) {
                assert_ne!(places.arrive(number, now), Some(spared));
                assert_ne!(places.show_s1(number, device(1)), Verdict::StayInsteadOf(spared));
            }
        };
        let ours = PipeNumber(5000);
        replay(&mut places, 0..1000, ours);
        assert_eq!(places.pipes.len(), 2 * PLACES_PER_DEVICE, "more than its share");
        // Ours is slow to show anything, and is left in peace.
        let _ = places.arrive(ours, now);
        replay(&mut places, 6000..7000, ours);
        assert_eq!(places.show_s1(ours, device(2)), Verdict::Stay);
        replay(&mut places, 7000..8000, ours);
    }

    #[test]
    fn a_pipe_that_is_slow_to_show_itself_is_not_told_to_leave_for_itself() {
        let now = Instant::now();
        let mut places = Places::default();
        let first = PipeNumber(0);
        let _ = places.arrive(first, now);
        let verdicts: Vec<_> = (1..=4)
            .map(|number| {
                let _ = places.arrive(PipeNumber(number), now);
                places.show_s1(PipeNumber(number), device(1))
            })
            .collect();
        assert_eq!(verdicts, [Verdict::Stay; 4]);
        assert_eq!(places.show_s1(first, device(1)), Verdict::StayInsteadOf(PipeNumber(3)));
    }

    #[test]
    fn known_devices_together_take_no_more_than_their_places() {
        let now = Instant::now();
        let mut places = Places::default();
        for number in 0..30 {
            let _ = places.arrive(PipeNumber(number), now);
            let _ = places.show_s1(PipeNumber(number), device(number as u8));
        }
        let known = places.pipes.iter().filter(|pipe| matches!(pipe.place, Place::Known(_)));
        assert_eq!(known.count(), KNOWN_PLACES);
    }

    #[test]
    fn pairing_has_its_own_few_places_and_none_while_nothing_can_be_paired() {
        let now = Instant::now();
        let mut places = Places::default();
        let _ = places.arrive(PipeNumber(0), now);
        assert_eq!(places.pair(PipeNumber(0), false), Err(Refusal::NotOpen));
        let refused = (1..=10).filter_map(|number| {
            let _ = places.arrive(PipeNumber(number), now);
            places.pair(PipeNumber(number), true).err()
        });
        assert_eq!(refused.collect::<Vec<_>>(), [Refusal::Busy; 10 - PAIRING_PLACES]);
        places.leave(PipeNumber(1));
        let _ = places.arrive(PipeNumber(11), now);
        assert_eq!(places.pair(PipeNumber(11), true), Ok(()));
    }

    proptest! {
        #[test]
        fn no_order_of_events_holds_more_pipes_than_there_are_places(
            events in vec((0..4u8, 0..80u64, 0..5u8, 0..900u64), 0..400),
        ) {
            let mut now = Instant::now();
            let mut places = Places::default();
            for (kind, number, who, pause) in events {
                let number = PipeNumber(number);
                match kind {
                    0 => { places.leave(number); let _ = places.arrive(number, now); }
                    1 => drop(places.show_s1(number, device(who))),
                    2 => drop(places.pair(number, who > 0)),
                    _ => {
                        now += Duration::from_millis(pause);
                        let _ = places.expire(now);
                    }
                }
                prop_assert!(places.pipes.len() <= OPEN_PLACES + KNOWN_PLACES + PAIRING_PLACES);
                prop_assert!(places.deadline().is_none_or(|at| at <= now + PAIRING_WITHIN));
            }
        }
    }
}
