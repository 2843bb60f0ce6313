//! Flow control: how much DATA may still be sent, and how much the peer may still send. Limits
//! are absolute counts from the beginning, so that a lost order of events can't skew them.

use std::time::{Duration, Instant};

use gantline_protocol::session::CREDIT_END;

use super::SessionError;

/// What we may send.
#[derive(Debug)]
pub(super) struct SendWindow {
    limit: u64,
    used: u64,
}

impl SendWindow {
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    pub(super) const fn available(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Sets bytes aside; the caller has checked [`Self::available`].
    pub(super) const fn reserve(&mut self, bytes: u64) {
        self.used = self.used.saturating_add(bytes);
    }

    /// Gives back what was reserved and will never be sent.
    pub(super) const fn release(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Takes the peer's CREDIT; says whether the limit rose.
    pub(super) const fn raise(&mut self, limit: u64) -> Result<bool, SessionError> {
        if limit >= CREDIT_END {
            return Err(SessionError::Rule("a CREDIT is not below 2^53"));
        }
        if limit < self.limit {
            return Err(SessionError::Rule("a CREDIT falls"));
        }
        let rose = limit > self.limit;
        self.limit = limit;
        Ok(rose)
    }
}

/// A reader that consumes half a window within this time is fast: on a path whose round trip is up to
/// twice as long, the sender may have been waiting for credit. Longer would let more wait on slow
/// paths, in front of what comes after.
const FAST: Duration = Duration::from_millis(75);

/// What the peer may send.
#[derive(Debug)]
pub(super) struct ReceiveWindow {
    limit: u64,
    received: u64,
    consumed: u64,
    window: u64,
    /// When, and at how many consumed bytes, the pace was looked at last.
    paced: Option<(Instant, u64)>,
}

impl ReceiveWindow {
    pub(super) const fn new(window: u64) -> Self {
        Self { limit: window, received: 0, consumed: 0, window, paced: None }
    }

    /// How far the peer may send ahead.
    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    /// Whether half the window was consumed fast, since that was looked at last. Asked before each
    /// grant, so that the pace is known.
    pub(super) fn is_fast(&mut self, now: Instant) -> bool {
        let (since, consumed) = *self.paced.get_or_insert((now, self.consumed));
        if self.consumed.saturating_sub(consumed) < self.window / 2 {
            return false;
        }
        self.paced = Some((now, self.consumed));
        now.saturating_duration_since(since) <= FAST
    }

    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Counts arriving bytes.
    pub(super) const fn receive(&mut self, bytes: u64) -> Result<(), SessionError> {
        match self.received.checked_add(bytes) {
            Some(received) if received <= self.limit => {
                self.received = received;
                Ok(())
            }
            _ => Err(SessionError::Credit),
        }
    }

    /// Counts bytes that were dealt with; never more than arrived.
    pub(super) fn consume(&mut self, bytes: u64) {
        self.consumed = self.consumed.saturating_add(bytes).min(self.received);
    }

    /// Lets the peer send up to `window` bytes ahead from the next CREDIT on; never less than
    /// before.
    pub(super) fn widen(&mut self, window: u64) {
        self.window = self.window.max(window);
    }

    /// Whether a CREDIT is worth its bytes: it would give back half the window, or at least as
    /// much as the peer has left. Without the second, readers that stand still could hold so much
    /// that the others never give half the window back, and everybody would wait. While the peer
    /// has something left, a 64th of the window is the least.
    pub(super) fn is_due(&self) -> bool {
        let gain = self.next().saturating_sub(self.limit);
        match self.limit.saturating_sub(self.received) {
            0 => gain > 0,
            left => gain >= left.clamp((self.window / 64).max(1), (self.window / 2).max(1)),
        }
    }

    /// The limit to tell the peer now.
    pub(super) fn grant(&mut self) -> u64 {
        self.limit = self.next();
        self.limit
    }

    const fn next(&self) -> u64 {
        let next = self.consumed.saturating_add(self.window);
        if next >= CREDIT_END { CREDIT_END - 1 } else { next }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        /// A sender that respects its window and a receiver that grants as it consumes: the
        /// receiver never holds more than its window, and the sender is never stuck for good.
        #[test]
        fn a_sender_is_neither_stuck_nor_let_through(
            window in 1..5000u64,
            steps in vec((0..3000u64, 0..3000u64), 1..200),
        ) {
            let mut sender = SendWindow::new(window);
            let mut receiver = ReceiveWindow::new(window);
            let mut held = 0;
            for (wanted, digested) in steps {
                let sent = wanted.min(sender.available());
                sender.reserve(sent);
                prop_assert!(receiver.receive(sent).is_ok());
                held += sent;
                prop_assert!(held <= window);
                let digested = digested.min(held);
                receiver.consume(digested);
                held -= digested;
                if receiver.is_due() {
                    sender.raise(receiver.grant()).unwrap();
                }
                if held < window {
                    prop_assert!(sender.available() > 0, "stuck although there is room");
                }
            }
            prop_assert!(receiver.receive(sender.available() + 1).is_err());
        }
    }

    /// Whether a reader counts as fast, which takes in `piece` bytes at a time, `pause` after the
    /// last ones, while the sender uses up all its credit.
    fn is_fast(piece: u64, pause: Duration) -> bool {
        let mut receiver = ReceiveWindow::new(1000);
        let mut now = Instant::now();
        let mut is_fast = false;
        for _ in 0..5000 / piece {
            receiver.receive(receiver.limit - receiver.received()).unwrap();
            now += pause;
            receiver.consume(piece);
            if receiver.is_due() {
                is_fast |= receiver.is_fast(now);
                receiver.grant();
            }
        }
        is_fast
    }

    #[test]
    fn a_reader_is_fast_by_what_it_takes_in_and_not_by_how_often() {
        assert!(is_fast(1000, Duration::from_millis(75)));
        assert!(is_fast(500, Duration::from_millis(75)));
        assert!(is_fast(1, Duration::from_micros(100)));
        assert!(!is_fast(1000, Duration::from_millis(76)));
        assert!(!is_fast(500, Duration::from_millis(76)));
        assert!(!is_fast(1, Duration::from_millis(1)));
    }

    #[test]
    fn a_credit_that_falls_or_overflows_is_refused() {
        let mut sender = SendWindow::new(100);
        assert_eq!(sender.raise(100), Ok(false));
        assert_eq!(sender.raise(101), Ok(true));
        assert!(sender.raise(100).is_err());
        assert!(sender.raise(CREDIT_END).is_err());
        assert_eq!(sender.raise(CREDIT_END - 1), Ok(true));
    }
}
