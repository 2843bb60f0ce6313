//! Output that was looked at and is not drawn yet: held, so that what the node's memory has dropped
//! meanwhile need not come from the shim a second time.

use std::collections::VecDeque;

use bytes::Bytes;
use gantline_protocol::Offset;

/// A smaller piece is not held: who writes little at a time is not ahead of the memory, and many of them
/// would take more than they are.
const WORTH: usize = 1024;

/// Pieces of output, each with the place where it begins, oldest first.
#[derive(Debug, Default)]
pub(super) struct Undrawn {
    pieces: VecDeque<(u64, Bytes)>,
}

impl Undrawn {
    /// Holds what begins at `at`, which is not before what was held last, if it is worth it.
    pub(super) fn push(&mut self, Offset(at): Offset, bytes: Bytes) {
        if bytes.len() >= WORTH {
            self.pieces.push_back((at, bytes));
        }
    }

    /// Everything before `upto` is drawn.
    pub(super) fn forget_before(&mut self, Offset(upto): Offset) {
        let is_drawn = |(at, bytes): &mut (u64, Bytes)| *at + bytes.len() as u64 <= upto;
        while self.pieces.pop_front_if(is_drawn).is_some() {}
    }

    /// At most `limit` bytes from `from` on, if they are held.
    pub(super) fn find(&self, Offset(from): Offset, limit: usize) -> Option<Bytes> {
        let after = self.pieces.partition_point(|(at, _)| *at <= from);
        let (at, bytes) = self.pieces.get(after.checked_sub(1)?)?;
        let skip = usize::try_from(from - at).ok().filter(|skip| *skip < bytes.len())?;
        Some(bytes.slice(skip..bytes.len().min(skip.saturating_add(limit))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_found_until_it_is_drawn_and_nothing_else_is() {
        const LENGTH: u64 = WORTH as u64;
        let mut undrawn = Undrawn::default();
        let piece = |byte| Bytes::from(vec![byte; WORTH]);
        undrawn.push(Offset(10), piece(1));
        undrawn.push(Offset(10 + LENGTH), piece(2));
        undrawn.push(Offset(20 + 2 * LENGTH), piece(3));
        undrawn.push(Offset(20 + 3 * LENGTH), Bytes::from_static(b"little"));
        let find = |undrawn: &Undrawn, from, limit| undrawn.find(Offset(from), limit);
        assert_eq!(find(&undrawn, 11, usize::MAX), Some(piece(1).slice(1..)));
        assert_eq!(find(&undrawn, 10 + LENGTH, 2), Some(piece(2).slice(..2)));
        for elsewhere in [0, 9, 10 + 2 * LENGTH, 19 + 2 * LENGTH, 20 + 3 * LENGTH, u64::MAX] {
            assert_eq!(find(&undrawn, elsewhere, 9), None, "{elsewhere}");
        }
        undrawn.forget_before(Offset(11 + LENGTH));
        assert_eq!(find(&undrawn, 12, 9), None);
        assert_eq!(find(&undrawn, 12 + LENGTH, 9), Some(piece(2).slice(..9)));
        undrawn.forget_before(Offset(u64::MAX));
        assert_eq!(find(&undrawn, 20 + 2 * LENGTH, 9), None);
    }
}
