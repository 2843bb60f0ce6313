//! Output that was looked at and is not drawn yet: held, so that what the node's memory has dropped
//! meanwhile need not come from the shim a second time.

use std::collections::VecDeque;

use bytes::Bytes;
use gantline_protocol::Offset;

/// Pieces of output, each with the place where it begins, oldest first.
#[derive(Debug, Default)]
pub(super) struct Undrawn {
    pieces: VecDeque<(u64, Bytes)>,
}

impl Undrawn {
    /// Holds what begins at `at`, which is not before what was held last.
    pub(super) fn push(&mut self, Offset(at): Offset, bytes: Bytes) {
        self.pieces.push_back((at, bytes));
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
        let mut undrawn = Undrawn::default();
        undrawn.push(Offset(10), Bytes::from_static(b"abc"));
        undrawn.push(Offset(13), Bytes::from_static(b"def"));
        undrawn.push(Offset(20), Bytes::from_static(b"ghi"));
        let find = |undrawn: &Undrawn, from, limit| undrawn.find(Offset(from), limit);
        assert_eq!(find(&undrawn, 11, 9), Some(Bytes::from_static(b"bc")));
        assert_eq!(find(&undrawn, 13, 2), Some(Bytes::from_static(b"de")));
        for elsewhere in [0, 9, 16, 19, 23, u64::MAX] {
            assert_eq!(find(&undrawn, elsewhere, 9), None, "{elsewhere}");
        }
        undrawn.forget_before(Offset(14));
        assert_eq!(find(&undrawn, 12, 9), None);
        assert_eq!(find(&undrawn, 14, 9), Some(Bytes::from_static(b"ef")));
        undrawn.forget_before(Offset(u64::MAX));
        assert_eq!(find(&undrawn, 20, 9), None);
    }
}
