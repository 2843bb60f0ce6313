//! Where a node decides whether anybody may pair with it now: the live code, and the links that
//! were given out. A pure core; its owner stores the invitations.

use std::time::{Duration, Instant};

use gantline_protocol::{InvitationId, Role, Timestamp};
use rand_core::CryptoRng;

use super::{PairingCode, PairingError};
use crate::{LinkToken, Now};

/// How long a code is live.
pub const CODE_FOR: Duration = Duration::from_secs(120);
/// Wrong confirmations that burn a code.
pub const WRONG_CONFIRMATIONS: u8 = 3;
/// Runs that may be begun with a code.
pub const RUNS: u8 = 10;
/// Invitations that may be live at the same time.
pub const MAX_INVITATIONS: usize = 32;

/// A link that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Names the invitation on this machine.
    pub id: InvitationId,
    /// The secret of the link.
    pub token: LinkToken,
    /// What a device that pairs with it may do.
    pub role: Role,
    /// When it ends.
    pub expires: Timestamp,
    /// How many devices may still pair with it.
    pub uses_left: u32,
}

impl Invitation {
    fn is_live(&self, now: Timestamp) -> bool {
        self.uses_left > 0 && now < self.expires
    }
}

/// Why no more invitations can be given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_INVITATIONS} invitations are live already; revoke one first")]
pub struct TooManyInvitations;

/// What can be paired with now.
#[derive(Debug, Default)]
pub struct PairingDesk {
    code: Option<LiveCode>,
    codes_minted: u64,
    invitations: Vec<Invitation>,
}

#[derive(Debug)]
struct LiveCode {
    /// Tells this code from those before and after it.
    number: u64,
    code: PairingCode,
    role: Role,
    minted: Instant,
    runs: u8,
    wrong: u8,
}

/// A run that was begun with one particular code.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodeRun(u64);

impl PairingDesk {
    /// The desk with these invitations, as they were stored, and no code.
    #[must_use]
    pub const fn from_invitations(invitations: Vec<Invitation>) -> Self {
        Self { code: None, codes_minted: 0, invitations }
    }

    /// Makes a new code for one device, live for 120 s. An earlier one is void.
    pub fn mint_code(&mut self, role: Role, now: Instant, rng: &mut impl CryptoRng) -> PairingCode {
        let code = PairingCode::generate(rng);
        self.open_code(code.clone(), role, now);
        code
    }

    fn open_code(&mut self, code: PairingCode, role: Role, now: Instant) {
        self.codes_minted += 1;
        let number = self.codes_minted;
        self.code = Some(LiveCode { number, code, role, minted: now, runs: 0, wrong: 0 });
    }

    /// Voids the code.
    pub fn cancel_code(&mut self) {
        self.code = None;
    }

    /// Gives out a link for `uses` devices.
    ///
    /// # Errors
    /// [`TooManyInvitations`] when 32 are live.
    pub fn invite(
        &mut self,
        role: Role,
        expires: Timestamp,
        uses: u32,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Invitation, TooManyInvitations> {
        self.invitations.retain(|invitation| invitation.is_live(now));
        if self.invitations.len() >= MAX_INVITATIONS {
            return Err(TooManyInvitations);
        }
        let id = loop {
            let mut id = [0; 4];
            rng.fill_bytes(&mut id);
            let id = InvitationId(u32::from_be_bytes(id));
            if self.invitations.iter().all(|other| other.id != id) {
                break id;
            }
        };
        let invitation =
            Invitation { id, token: LinkToken::generate(rng), role, expires, uses_left: uses };
        self.invitations.push(invitation.clone());
        Ok(invitation)
    }

    /// Takes an invitation back; says whether there was one.
    pub fn revoke(&mut self, id: InvitationId) -> bool {
        let before = self.invitations.len();
        self.invitations.retain(|invitation| invitation.id != id);
        self.invitations.len() != before
    }

    /// All invitations, for storing and listing them; those that ended may be among them.
    #[must_use]
    pub fn invitations(&self) -> &[Invitation] {
        &self.invitations
    }

    /// Whether a run may be begun with a code: pairing by code has places only then.
    #[must_use]
    pub fn has_live_code(&self, now: Instant) -> bool {
        self.code.as_ref().is_some_and(|code| code.is_live(now) && code.runs < RUNS)
    }

    /// Whether a link is live: pairing by link has places only then.
    #[must_use]
    pub fn has_live_link(&self, now: Timestamp) -> bool {
        self.invitations.iter().any(|invitation| invitation.is_live(now))
    }

    /// Begins a run; counted whatever becomes of it.
    pub(super) fn begin(&mut self, now: Now) -> Result<(CodeRun, PairingCode), PairingError> {
        let code = self
            .code
            .as_mut()
            .filter(|code| code.is_live(now.monotonic) && code.runs < RUNS)
            .ok_or(PairingError::NotOpen)?;
        code.runs += 1;
        Ok((CodeRun(code.number), code.code.clone()))
    }

    /// Checks that a run's code was not burnt since the run began.
    pub(super) fn check(&mut self, run: CodeRun, now: Now) -> Result<(), PairingError> {
        self.live(run, now).map(|_| ())
    }

    /// A confirmation made with another code. The third one burns this code.
    pub(super) fn wrong(&mut self, run: CodeRun) {
        if let Some(code) = self.code.as_mut().filter(|code| code.number == run.0) {
            code.wrong += 1;
            if code.wrong >= WRONG_CONFIRMATIONS {
                self.code = None;
            }
        }
    }

    /// A device has paired: the code is used up.
    pub(super) fn use_code(&mut self, run: CodeRun, now: Now) -> Result<Role, PairingError> {
        let role = self.live(run, now)?.role;
        self.code = None;
        Ok(role)
    }

    fn live(&mut self, run: CodeRun, now: Now) -> Result<&mut LiveCode, PairingError> {
        self.code
            .as_mut()
            .filter(|code| code.number == run.0 && code.is_live(now.monotonic))
            .ok_or(PairingError::NotOpen)
    }

    pub(super) fn live_links(&self, now: Now) -> impl Iterator<Item = &Invitation> {
        self.invitations.iter().filter(move |invitation| invitation.is_live(now.wall))
    }

    /// A device has paired: the invitation has one use less.
    pub(super) fn use_link(&mut self, id: InvitationId, now: Now) -> Result<Role, PairingError> {
        let invitation = self
            .invitations
            .iter_mut()
            .find(|invitation| invitation.id == id && invitation.is_live(now.wall))
            .ok_or(PairingError::NotOpen)?;
        invitation.uses_left -= 1;
        Ok(invitation.role)
    }
}

impl LiveCode {
    fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.minted) < CODE_FOR
    }
}
