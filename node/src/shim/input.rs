//! Which input of which viewer was applied, so that none is applied twice. A pure core.

use std::collections::VecDeque;

use gantline_protocol::ViewerId;

/// Viewers that are remembered. The one that has been silent longest is forgotten first.
const MAX_VIEWERS: usize = 128;

/// The last input of each viewer that was applied.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Who typed last is last.
    viewers: VecDeque<(ViewerId, u64)>,
}

impl Applied {
    /// The number of the viewer's last input that was applied; 0 when none was.
    pub(crate) fn last(&self, viewer: ViewerId) -> u64 {
        self.viewers.iter().find(|(other, _)| *other == viewer).map_or(0, |(_, seq)| *seq)
    }

    /// All of them; who typed last is last.
    pub(crate) fn all(&self) -> Vec<(ViewerId, u64)> {
        self.viewers.iter().copied().collect()
    }

    /// As another has told it.
    pub(crate) fn told(viewers: Vec<(ViewerId, u64)>) -> Self {
        Self { viewers: viewers.into() }
    }

    /// Whether this input is to be applied now. From then on it counts as applied.
    pub(crate) fn accept(&mut self, viewer: ViewerId, seq: u64) -> bool {
        let last = self.last(viewer);
        self.viewers.retain(|(other, _)| *other != viewer);
        if self.viewers.len() >= MAX_VIEWERS {
            self.viewers.pop_front();
        }
        self.viewers.push_back((viewer, last.max(seq)));
        seq > last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer(number: u8) -> ViewerId {
        ViewerId::from_bytes([number; 16])
    }

    #[test]
    fn a_key_that_is_sent_again_is_not_typed_again() {
        let mut applied = Applied::default();
        assert!(applied.accept(viewer(1), 1) && applied.accept(viewer(1), 2));
        assert!(!applied.accept(viewer(1), 2) && !applied.accept(viewer(1), 1));
        assert!(applied.accept(viewer(2), 1), "another viewer counts for itself");
        assert!(applied.accept(viewer(1), 7), "numbers may be left out");
        assert_eq!((applied.last(viewer(1)), applied.last(viewer(3))), (7, 0));
    }

    #[test]
    fn a_hundred_other_viewers_do_not_make_anybody_type_twice() {
        let mut applied = Applied::default();
        assert!(applied.accept(viewer(0), 5));
        for other in 1..MAX_VIEWERS as u8 {
            assert!(applied.accept(viewer(other), 1));
        }
        assert!(!applied.accept(viewer(0), 5));
        assert!(applied.accept(viewer(200), 1));
        assert!(!applied.accept(viewer(0), 5), "who was here lately is forgotten last");
        assert_eq!(applied.viewers.len(), MAX_VIEWERS);
    }
}
