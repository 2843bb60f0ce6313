//! Whatever changes this machine goes through here: one method for each act, and one place where
//! every act is admitted and told to the log before it is done. Policy and audit belong there.

use gantline_protocol::{
    DeviceId, InvitationId, Role,
    api::{InvitationRequest, MintedCode, MintedInvitation, Problem, ProblemCode},
};

use super::Refused;
use crate::{
    access::Principal,
    door::{Devices, DevicesError},
};

/// What somebody is about to do to this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// Remove a device.
    RevokeDevice(DeviceId),
    /// Mint a pairing code.
    MintCode(Role),
    /// Mint an invitation.
    MintInvitation(&'a InvitationRequest),
    /// Withdraw an invitation.
    RevokeInvitation(InvitationId),
}

/// Does what changes this machine. Clones do the same.
#[derive(Debug, Clone)]
pub struct Mutations {
    devices: Devices,
}

impl Mutations {
    /// Acts on these.
    #[must_use]
    pub const fn new(devices: Devices) -> Self {
        Self { devices }
    }

    /// Removes a device and ends its sessions.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn revoke_device(&self, who: &Principal, id: DeviceId) -> Result<(), Refused> {
        admit(who, &Act::RevokeDevice(id))?;
        Ok(self.devices.revoke(id).await?)
    }

    /// Mints a code by which a device is paired.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub fn mint_code(&self, who: &Principal, role: Role) -> Result<MintedCode, Refused> {
        admit(who, &Act::MintCode(role))?;
        Ok(self.devices.mint_code(role)?)
    }

    /// Mints an invitation.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn mint_invitation(
        &self,
        who: &Principal,
        request: InvitationRequest,
    ) -> Result<MintedInvitation, Refused> {
        admit(who, &Act::MintInvitation(&request))?;
        Ok(self.devices.mint_invitation(request).await?)
    }

    /// Withdraws an invitation.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn revoke_invitation(
        &self,
        who: &Principal,
        id: InvitationId,
    ) -> Result<(), Refused> {
        admit(who, &Act::RevokeInvitation(id))?;
        Ok(self.devices.revoke_invitation(id).await?)
    }
}

/// Whether `who` may do this, beyond what the role table has said. Everything is allowed as long as
/// there is no policy; every act is told to the log.
fn admit(who: &Principal, act: &Act<'_>) -> Result<(), Problem> {
    tracing::info!(?who, ?act, "an act was asked for");
    Ok(())
}

impl From<DevicesError> for Refused {
    fn from(error: DevicesError) -> Self {
        let detail = error.to_string();
        match error {
            DevicesError::UnknownDevice(_) | DevicesError::UnknownInvitation => {
                Self::not_found(detail)
            }
            DevicesError::Full(_) | DevicesError::TooManyInvitations(_) | DevicesError::NoRelay => {
                Self::conflict(detail)
            }
            DevicesError::State(_) => {
                tracing::error!(error = %detail, "devices could not be stored");
                Self::new(ProblemCode::Internal, detail)
            }
        }
    }
}
