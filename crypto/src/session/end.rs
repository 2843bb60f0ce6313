//! How a session ends: closed by either side, failed, cut off, or too old.

use std::time::Instant;

use gantline_protocol::session::{CloseCode, Frame, GoAwayCode, frame::MAX_REASON};

use super::{
    KEY_AGE, SESSION_AGE, SESSION_FAREWELL, Session, SessionError, Side,
    state::{Peer, Phase},
};

impl Session {
    /// Ends the session: what waits to be sent is dropped, CLOSE is the last frame. `reason` is
    /// cut to 256 bytes. A node that closes before the device's first record says so after it.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        self.close_with(code, reason, SessionError::Closed(code));
    }

    /// Whether nothing will ever be sent again: the pipe can be shut down.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match &self.phase {
            Phase::Open => false,
            Phase::Closing { frame, .. } => frame.is_none(),
            Phase::Over(_) => true,
        }
    }

    /// When [`Self::on_deadline`] is to be called; it may change with every call.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if !self.is_open() {
            return None;
        }
        let age = match self.served.theirs {
            None => SESSION_AGE - SESSION_FAREWELL,
            Some(_) => SESSION_AGE,
        };
        let end = self.began + age;
        let rekey = self.key_began.filter(|_| !self.is_rekey_due).map(|began| began + KEY_AGE);
        Some(rekey.map_or(end, |rekey| rekey.min(end)))
    }

    /// Does what is due. Call [`Self::transmit`] afterwards.
    pub fn on_deadline(&mut self, now: Instant) {
        self.is_rekey_due |= self.is_key_old(now);
        let age = now.saturating_duration_since(self.began);
        if age >= SESSION_AGE {
            self.close(CloseCode::Expired, "");
        } else if age >= SESSION_AGE - SESSION_FAREWELL {
            self.go_away(GoAwayCode::Age);
        }
    }

    /// The pipe ended.
    ///
    /// # Errors
    /// [`SessionError::Truncated`] unless the peer had closed the session, or we had; what made
    /// the session fail, if something did.
    pub fn end_of_input(&mut self) -> Result<(), SessionError> {
        let error = match &self.phase {
            Phase::Open => SessionError::Truncated,
            Phase::Closing { error, .. } | Phase::Over(error) => error.clone(),
        };
        // Nothing can follow from a peer that is not there, so nothing waits for it.
        if self.is_open() || !self.may_speak() {
            self.phase = Phase::Over(error.clone());
        }
        if matches!(error, SessionError::Closed(_)) { Ok(()) } else { Err(error) }
    }

    /// Ends the session because of `error`, telling the peer what can be told.
    pub(super) fn fail(&mut self, error: SessionError) {
        let code = match &error {
            // Whoever altered the bytes would read the answer; the peer sees the pipe end.
            SessionError::Cipher(_) | SessionError::Truncated => {
                self.phase = Phase::Over(error);
                return;
            }
            // One side has closed it already.
            SessionError::Closed(_) => return,
            SessionError::Version { .. } => CloseCode::Version,
            SessionError::Overload => CloseCode::Overload,
            SessionError::Internal(_) => CloseCode::Internal,
            SessionError::Wire(_)
            | SessionError::Rule(_)
            | SessionError::Credit
            | SessionError::Total { .. } => CloseCode::Protocol,
        };
        // Nobody has proved to be the peer, so nobody is told.
        if self.side == Side::Node && self.peer == Peer::Silent {
            self.phase = Phase::Over(error);
            return;
        }
        let reason = error.to_string();
        self.close_with(code, &reason, error);
    }

    fn close_with(&mut self, code: CloseCode, reason: &str, error: SessionError) {
        if !self.is_open() {
            return;
        }
        let end =
            (0..=reason.len().min(MAX_REASON)).rev().find(|end| reason.is_char_boundary(*end));
        let reason = reason.get(..end.unwrap_or(0)).unwrap_or_default();
        let mut frame = Vec::new();
        self.phase = match (Frame::Close { code, reason }).encode(&mut frame) {
            Ok(()) => Phase::Closing { frame: Some(frame), error },
            Err(_) => Phase::Over(error),
        };
        self.streams.clear();
        self.ready.clear();
        self.credit_due.clear();
        self.control.clear();
        self.control_sent = 0;
        self.pong = None;
    }
}
