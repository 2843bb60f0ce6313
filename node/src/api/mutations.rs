//! Whatever changes this machine goes through here: one method for each act, and one place where
//! every act is admitted and told to the log before it is done. Policy and audit belong there.

use std::fmt;

use gantline_protocol::{
    AgentId, DeviceId, InvitationId, MachineId, Name, Role,
    api::{
        AddMachineRequest, AddedMachine, Agent, Command, ExecRequest, InvitationRequest,
        MachineSummary, MintedCode, MintedInvitation, Problem, ProblemCode, Signal, SpawnRequest,
    },
};

use super::Refused;
use crate::{
    access::Principal,
    door::{Devices, DevicesError},
    gateway::Gateway,
    pty::HostError,
    supervisor::{Agents, AgentsError, Exec},
};

/// What somebody is about to do to this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// Start an agent.
    Spawn(&'a SpawnRequest),
    /// Run a command without a terminal.
    Exec(&'a ExecRequest),
    /// Send a signal to an agent.
    Signal(AgentId, Signal),
    /// Stop an agent.
    Stop(AgentId),
    /// Remove an agent that has ended.
    Remove(AgentId),
    /// Remove a device.
    RevokeDevice(DeviceId),
    /// Mint a pairing code.
    MintCode(Role),
    /// Mint an invitation.
    MintInvitation(&'a InvitationRequest),
    /// Withdraw an invitation.
    RevokeInvitation(InvitationId),
    /// Pair this machine's user with another machine.
    AddMachine,
    /// Call another machine something else.
    RenameMachine(MachineId, &'a Name),
    /// Forget another machine.
    ForgetMachine(MachineId),
}

/// Does what changes this machine. Clones do the same.
#[derive(Debug, Clone)]
pub struct Mutations {
    agents: Agents,
    devices: Devices,
}

impl Mutations {
    /// Acts on these.
    #[must_use]
    pub const fn new(agents: Agents, devices: Devices) -> Self {
        Self { agents, devices }
    }

    /// Starts an agent.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn spawn(&self, who: &Principal, request: SpawnRequest) -> Result<Agent, Refused> {
        admit(who, &Act::Spawn(&request))?;
        Ok(self.agents.spawn(request).await?)
    }

    /// Runs a command without a terminal.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn exec(&self, who: &Principal, request: ExecRequest) -> Result<Exec, Refused> {
        admit(who, &Act::Exec(&request))?;
        Ok(self.agents.exec(request).await?)
    }

    /// Sends a signal to an agent's process group.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub fn signal(&self, who: &Principal, id: AgentId, signal: Signal) -> Result<Agent, Refused> {
        admit(who, &Act::Signal(id, signal))?;
        Ok(self.agents.signal(id, signal)?)
    }

    /// Tells an agent to end; it is ended if it does not. Returns at once.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub fn stop(&self, who: &Principal, id: AgentId) -> Result<Agent, Refused> {
        admit(who, &Act::Stop(id))?;
        Ok(self.agents.stop(id)?)
    }

    /// Removes an agent that has ended, and its log.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub fn remove(&self, who: &Principal, id: AgentId) -> Result<(), Refused> {
        admit(who, &Act::Remove(id))?;
        Ok(self.agents.remove(id)?)
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

    /// Pairs this machine's user with another machine.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn add_machine(
        &self,
        who: &Principal,
        gateway: &Gateway,
        request: AddMachineRequest,
    ) -> Result<AddedMachine, Refused> {
        admit(who, &Act::AddMachine)?;
        gateway.add(request).await
    }

    /// Calls another machine something else.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn rename_machine(
        &self,
        who: &Principal,
        gateway: &Gateway,
        id: MachineId,
        name: Name,
    ) -> Result<MachineSummary, Refused> {
        admit(who, &Act::RenameMachine(id, &name))?;
        gateway.rename(id, name).await
    }

    /// Forgets another machine.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn forget_machine(
        &self,
        who: &Principal,
        gateway: &Gateway,
        id: MachineId,
    ) -> Result<(), Refused> {
        admit(who, &Act::ForgetMachine(id))?;
        gateway.forget(id).await
    }
}

/// Whether `who` may do this, beyond what the role table has said. Everything is allowed as long as
/// there is no policy; every act is told to the log.
fn admit(who: &Principal, act: &Act<'_>) -> Result<(), Problem> {
    tracing::info!(?who, %act, "an act was asked for");
    Ok(())
}

/// For the log: of a command only the program, since people put secrets into arguments.
impl fmt::Display for Act<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawn(SpawnRequest { command, .. }) => {
                write!(f, "spawn {}", Program(command))
            }
            Self::Exec(ExecRequest { command, .. }) => write!(f, "exec {}", Program(command)),
            Self::Signal(id, signal) => write!(f, "send {signal:?} to {id}"),
            Self::Stop(id) => write!(f, "stop {id}"),
            Self::Remove(id) => write!(f, "remove {id}"),
            Self::RevokeDevice(id) => write!(f, "revoke the device {id}"),
            Self::MintCode(role) => write!(f, "mint a code for {role:?}"),
            Self::MintInvitation(request) => write!(f, "mint an invitation: {request:?}"),
            Self::RevokeInvitation(InvitationId(id)) => write!(f, "withdraw the invitation {id}"),
            Self::AddMachine => f.write_str("pair with a machine"),
            Self::RenameMachine(id, name) => write!(f, "call the machine {id} {name}"),
            Self::ForgetMachine(id) => write!(f, "forget the machine {id}"),
        }
    }
}

struct Program<'a>(&'a Command);

impl fmt::Display for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.shell, self.0.argv.items().first()) {
            (true, _) => f.write_str("a script"),
            (false, Some(program)) => write!(f, "{program:?}"),
            (false, None) => f.write_str("nothing"),
        }
    }
}

impl From<AgentsError> for Refused {
    fn from(error: AgentsError) -> Self {
        let detail = error.to_string();
        match error {
            AgentsError::NotFound(_) => Self::not_found(detail),
            AgentsError::Ended(_)
            | AgentsError::StillRunning(_)
            | AgentsError::NoTerminal(_)
            | AgentsError::Host(HostError::Spawn(_)) => Self::conflict(detail),
            AgentsError::Command(_) => Self::invalid(detail),
            AgentsError::Full
            | AgentsError::Stopping
            | AgentsError::Away(..)
            | AgentsError::Host(
                HostError::Files { .. } | HostError::NoShim(_) | HostError::Shim(_),
            ) => Self::new(ProblemCode::Unavailable, detail),
        }
    }
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
