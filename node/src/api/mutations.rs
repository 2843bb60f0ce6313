//! Whatever changes this machine goes through here: one method for each act, and one place where
//! every act is admitted and told to the log before it is done. Policy and audit belong there.

use std::fmt;

use gantline_protocol::{
    AgentId, DeviceId, InvitationId, MachineId, Name, Role,
    api::{
        AddMachineRequest, AddedMachine, Agent, AgentPatch, Command, ExecRequest,
        InvitationRequest, MachineSummary, MintedCode, MintedInvitation, Problem, ProblemCode,
        Signal, SpawnRequest,
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
    /// Start an agent.
    Start(AgentId),
    /// Stop an agent.
    Stop(AgentId),
    /// Stop an agent and start it anew.
    Restart(AgentId),
    /// Change what an agent is.
    Edit(AgentId, &'a AgentPatch),
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

    /// The agents, for whoever wants something of them.
    fn agents_for(&self, who: &Principal) -> Agents {
        let named = |id| {
            let devices = self.devices.list();
            devices.into_iter().find(|device| device.device_id == id).map(|device| device.name)
        };
        self.agents.by(who.actor(named))
    }

    /// Starts an agent. Returns once the next node would look after it as this one does.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn spawn(&self, who: &Principal, request: SpawnRequest) -> Result<Agent, Refused> {
        admit(who, &Act::Spawn(&request))?;
        let is_in_its_own_files = request.is_command_alone();
        let agent = self.agents_for(who).spawn(request).await?;
        if !is_in_its_own_files {
            self.agents.is_kept().await;
        }
        Ok(agent)
    }

    /// Runs a command without a terminal.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn exec(&self, who: &Principal, request: ExecRequest) -> Result<Exec, Refused> {
        admit(who, &Act::Exec(&request))?;
        Ok(self.agents_for(who).exec(request).await?)
    }

    /// Sends a signal to an agent's process group.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub fn signal(&self, who: &Principal, id: AgentId, signal: Signal) -> Result<Agent, Refused> {
        admit(who, &Act::Signal(id, signal))?;
        Ok(self.agents_for(who).signal(id, signal)?)
    }

    /// Has an agent run.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn start(&self, who: &Principal, id: AgentId) -> Result<Agent, Refused> {
        admit(who, &Act::Start(id))?;
        let agent = self.agents_for(who).start(id).await?;
        self.agents.is_kept().await;
        Ok(agent)
    }

    /// Tells an agent to end; it is ended if it does not. Returns once that outlives the node.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn stop(&self, who: &Principal, id: AgentId) -> Result<Agent, Refused> {
        admit(who, &Act::Stop(id))?;
        let agent = self.agents_for(who).stop(id)?;
        self.agents.is_kept().await;
        Ok(agent)
    }

    /// Has another process take the place of an agent's.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn restart(&self, who: &Principal, id: AgentId) -> Result<Agent, Refused> {
        admit(who, &Act::Restart(id))?;
        let agent = self.agents_for(who).restart(id).await?;
        self.agents.is_kept().await;
        Ok(agent)
    }

    /// Changes what an agent is.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub async fn edit(
        &self,
        who: &Principal,
        id: AgentId,
        patch: AgentPatch,
    ) -> Result<Agent, Refused> {
        admit(who, &Act::Edit(id, &patch))?;
        let agent = self.agents_for(who).edit(id, patch)?;
        self.agents.is_kept().await;
        Ok(agent)
    }

    /// Removes an agent that has ended, and its log.
    ///
    /// # Errors
    /// [`Refused`], as every other act.
    pub fn remove(&self, who: &Principal, id: AgentId) -> Result<(), Refused> {
        admit(who, &Act::Remove(id))?;
        Ok(self.agents_for(who).remove(id)?)
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
            Self::Start(id) => write!(f, "start {id}"),
            Self::Stop(id) => write!(f, "stop {id}"),
            Self::Restart(id) => write!(f, "restart {id}"),
            Self::Edit(id, patch) => write!(f, "change {} of {id}", patch.members().join(", ")),
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
            | AgentsError::AlreadyRuns(_)
            | AgentsError::AlreadyStarts(..)
            | AgentsError::NeverStarted(..)
            | AgentsError::RunsOnce(_)
            | AgentsError::StillRunning(_)
            | AgentsError::IsAwaited(..)
            | AgentsError::NotKept(..)
            | AgentsError::NoTerminal(_)
            | AgentsError::Host(HostError::Spawn(_)) => Self::conflict(detail),
            AgentsError::Command(_) | AgentsError::Dependency(_) => Self::invalid(detail),
            AgentsError::Full
            | AgentsError::TooMany
            | AgentsError::TooLong
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
