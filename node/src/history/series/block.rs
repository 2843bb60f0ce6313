//! Points packed: each is told by what is different from the point before. What is quiet costs two
//! bytes a point.

/// The number of things that are measured.
pub(crate) const MEASURES: usize = 5;

/// What was measured at one moment, or over one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Point {
    /// When; of a period its beginning. In milliseconds.
    pub(crate) at: u64,
    /// How many moments it stands for, 1 at least.
    pub(crate) weight: u64,
    /// Their means: processor time in tenths of a percent of a core, memory in KiB, bytes read and
    /// written a second, processes.
    pub(crate) mean: [u64; MEASURES],
    /// Their greatest.
    pub(crate) most: [u64; MEASURES],
}

/// Points that a block may have; a reader takes no more for one.
const MAX_POINTS: usize = 8192;

/// What the numbers of a point are written as; the first is the time since the point before.
type Numbers = [u64; 2 + 2 * MEASURES];

/// Packs points, in the order of their times.
pub(crate) fn pack(points: &[Point]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut last, mut numbers) = (0, Numbers::default());
    for point in points {
        let next = flatten(point, last);
        let changed = next.iter().zip(&numbers).enumerate();
        let flags = changed.fold(
            0u64,
            |flags, (index, (new, old))| {
                if new == old { flags } else { flags | 1 << index }
            },
        );
        put(&mut bytes, flags);
        for (new, old) in next.iter().zip(&numbers).filter(|(new, old)| new != old) {
            put(&mut bytes, zigzag(new.wrapping_sub(*old)));
        }
        (last, numbers) = (point.at, next);
    }
    bytes
}

/// Unpacks what [`pack`] made; `None` if it was something else.
pub(crate) fn unpack(mut bytes: &[u8]) -> Option<Vec<Point>> {
    let mut points = Vec::new();
    let (mut last, mut numbers) = (0u64, Numbers::default());
    while !bytes.is_empty() {
        let flags = take(&mut bytes)?;
        if flags >> numbers.len() != 0 || points.len() >= MAX_POINTS {
            return None;
        }
        for (index, number) in numbers.iter_mut().enumerate() {
            if flags >> index & 1 == 1 {
                *number = number.wrapping_add(unzigzag(take(&mut bytes)?));
            }
        }
        let point = unflatten(&numbers, last);
        last = point.at;
        points.push(point);
    }
    Some(points)
}

fn flatten(point: &Point, last: u64) -> Numbers {
    let mut numbers = Numbers::default();
    let [since, weight, rest @ ..] = &mut numbers;
    // The time since the point before is mostly the same each time.
    (*since, *weight) = (point.at.wrapping_sub(last), point.weight);
    let (mean, beyond) = rest.split_at_mut(MEASURES);
    mean.copy_from_slice(&point.mean);
    for (beyond, (most, mean)) in beyond.iter_mut().zip(point.most.iter().zip(&point.mean)) {
        *beyond = most.wrapping_sub(*mean);
    }
    numbers
}

fn unflatten(numbers: &Numbers, last: u64) -> Point {
    let [since, weight, rest @ ..] = numbers;
    let (mean, beyond) = rest.split_at(MEASURES);
    let mut point = Point { at: last.wrapping_add(*since), weight: *weight, ..Point::default() };
    point.mean.copy_from_slice(mean);
    for (most, (mean, beyond)) in point.most.iter_mut().zip(mean.iter().zip(beyond)) {
        *most = mean.wrapping_add(*beyond);
    }
    point
}

/// Small numbers for small differences, up or down.
const fn zigzag(difference: u64) -> u64 {
    let signed = difference.cast_signed();
    ((signed << 1) ^ (signed >> 63)).cast_unsigned()
}

const fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn point() -> impl Strategy<Value = Point> {
        let numbers = || prop::array::uniform5(prop_oneof![0..9u64, any::<u64>()]);
        let parts = (any::<u64>(), any::<u64>(), numbers(), numbers());
        parts.prop_map(|(at, weight, mean, most)| Point { at, weight, mean, most })
    }

    proptest! {
        #[test]
        fn what_was_measured_is_read_as_it_was(points in vec(point(), 0..40)) {
            prop_assert_eq!(unpack(&pack(&points)).unwrap(), points);
        }

        #[test]
        fn a_damaged_block_cannot_crash_a_node(bytes in vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn an_agent_that_does_nothing_costs_next_to_nothing() {
        let quiet = [0, 4096, 0, 0, 1];
        let point = |at| Point { at, weight: 1, mean: quiet, most: quiet };
        let points: Vec<_> = (0..1000).map(|n| point(1_763_690_000_000 + n * 15_000)).collect();
        assert!(pack(&points).len() < 1040, "{}", pack(&points).len());
    }
}
