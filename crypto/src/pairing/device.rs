//! The device's end of one pairing run.

use gantline_login::{
    PublicKey, StaticKey,
    noise::{Handshake, Pattern, Setup, Transport},
};
use gantline_protocol::{
    DeviceId, MachineId, Name, RelayAddress, Role,
    session::{
        PipeKind, Preface,
        record::{HEADER, TAG, ciphertext_length},
    },
};
use rand_core::CryptoRng;

use super::{
    CodeAttempts, PairingCode, PairingError, PairingLink, Step,
    grant::{Grant, MAX_GRANT},
    keys::{self, RunNonce, RunPsk},
    wire::{GO_ON, NAME, NONCE, P5, P6, P7, Refusal, SHARE, decode_name, encode_name},
};
use crate::{
    LinkToken, Psk, SafetyNumber,
    cpace::{CPace, Party},
};

/// The run's result at the device: what it needs to reach the machine from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paired {
    /// The machine, as its key names it.
    pub machine: MachineId,
    /// The node's static key.
    pub node: PublicKey,
    /// The machine's name, as it calls itself.
    pub name: Name,
    /// This device's id on that machine.
    pub device: DeviceId,
    /// The secret of the pairing.
    pub psk: Psk,
    /// What this device may do there.
    pub role: Role,
    /// The relays that reach the machine, at most eight.
    pub relays: Vec<RelayAddress>,
}

impl Paired {
    /// What both ends show for people to compare.
    #[must_use]
    pub fn safety_number(&self, device: &PublicKey) -> SafetyNumber {
        SafetyNumber::new(&self.node, device, &self.psk)
    }
}

/// The device's end of one run.
#[derive(Debug)]
pub struct DevicePairing {
    machine: MachineId,
    key: StaticKey,
    name: Name,
    secret: Secret,
    nonce: [u8; NONCE],
    /// The status in front of the node's next message was read.
    may_go_on: bool,
    state: State,
}

#[derive(Debug)]
enum Secret {
    Code(PairingCode),
    Link(LinkToken),
}

#[derive(Debug)]
enum State {
    AwaitNonce,
    AwaitShare { sid: RunNonce, cpace: Box<CPace> },
    AwaitProof { handshake: Box<Handshake> },
    AwaitGrantLength(Box<Confirmed>),
    AwaitGrant { confirmed: Box<Confirmed>, length: usize },
    Over,
}

impl State {
    /// Whether the next bytes begin a message of the node, and so begin with a status.
    const fn follows_status(&self) -> bool {
        match self {
            Self::AwaitNonce
            | Self::AwaitShare { .. }
            | Self::AwaitProof { .. }
            | Self::AwaitGrantLength(_) => true,
            Self::AwaitGrant { .. } | Self::Over => false,
        }
    }
}

/// The node has proved that it knows the code or link, and which machine it is.
#[derive(Debug)]
struct Confirmed {
    node: PublicKey,
    name: Name,
    transport: Transport,
}

impl DevicePairing {
    /// Begins a run with the code that a person typed; spends one of its two tries. Returns the
    /// bytes to send: preface and P1.
    ///
    /// # Errors
    /// [`PairingError::AskForNewCode`] when both tries are spent.
    pub fn by_code(
        machine: MachineId,
        attempts: &mut CodeAttempts,
        key: &StaticKey,
        name: &Name,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), PairingError> {
        let secret = Secret::Code(attempts.spend()?.clone());
        Ok(Self::begin(machine, secret, key, name, rng))
    }

    /// Begins a run with a link. Returns the bytes to send: preface and P1.
    pub fn by_link(
        link: &PairingLink,
        key: &StaticKey,
        name: &Name,
        rng: &mut impl CryptoRng,
    ) -> (Self, Vec<u8>) {
        Self::begin(link.machine, Secret::Link(link.token.clone()), key, name, rng)
    }

    fn begin(
        machine: MachineId,
        secret: Secret,
        key: &StaticKey,
        name: &Name,
        rng: &mut impl CryptoRng,
    ) -> (Self, Vec<u8>) {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let run = Self {
            machine,
            key: key.clone(),
            name: name.clone(),
            secret,
            nonce,
            may_go_on: false,
            state: State::AwaitNonce,
        };
        let send = [Preface { kind: run.kind() }.encode().as_slice(), &nonce].concat();
        (run, send)
    }

    const fn kind(&self) -> PipeKind {
        match self.secret {
            Secret::Code(_) => PipeKind::PairByCode,
            Secret::Link(_) => PipeKind::PairByLink,
        }
    }

    /// The length of the next message or part of one, in bytes; 0 when the run is over.
    #[must_use]
    pub const fn needs(&self) -> usize {
        match &self.state {
            State::Over => 0,
            State::AwaitGrant { length, .. } => *length,
            state if !self.may_go_on && state.follows_status() => 1,
            State::AwaitNonce => NONCE,
            State::AwaitShare { .. } => SHARE,
            State::AwaitProof { .. } => P6,
            State::AwaitGrantLength(_) => HEADER,
        }
    }

    /// Takes the next message, [`Self::needs`] bytes of it.
    ///
    /// # Errors
    /// [`PairingError`]: close the pipe. Nothing was paired, and no key is to be deleted.
    pub fn receive(
        &mut self,
        message: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Step<Paired>, PairingError> {
        if message.len() != self.needs() {
            self.state = State::Over;
        }
        let nothing_to_send = Ok(Step { send: Vec::new(), done: None });
        if !std::mem::take(&mut self.may_go_on) && self.state.follows_status() {
            if let Err(error) = go_on(message) {
                self.state = State::Over;
                return Err(error);
            }
            self.may_go_on = true;
            return nothing_to_send;
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitNonce => self.receive_nonce(message, rng),
            State::AwaitShare { sid, cpace } => self.receive_share(message, &sid, &cpace, rng),
            State::AwaitProof { handshake } => self.receive_proof(message, *handshake),
            State::AwaitGrantLength(confirmed) => {
                let header = message.try_into().map_err(|_| PairingError::Over)?;
                let length = ciphertext_length(header)?;
                if length > MAX_GRANT + TAG {
                    return Err(PairingError::NotConfirmed);
                }
                self.state = State::AwaitGrant { confirmed, length };
                nothing_to_send
            }
            State::AwaitGrant { confirmed, .. } => self.receive_grant(message, *confirmed),
            State::Over => Err(PairingError::Over),
        }
    }

    fn receive_nonce(
        &mut self,
        message: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Step<Paired>, PairingError> {
        let node = message.try_into().map_err(|_| PairingError::Over)?;
        let sid = keys::run_nonce(&self.nonce, node);
        match &self.secret {
            Secret::Code(code) => {
                let channel = keys::channel(self.machine);
                let cpace = CPace::start(Party::Initiator, code.as_bytes(), &channel, &sid, rng);
                let send = cpace.share().to_vec();
                self.state = State::AwaitShare { sid, cpace: Box::new(cpace) };
                Ok(Step { send, done: None })
            }
            Secret::Link(token) => {
                let psk = keys::link_psk(&sid, token, self.machine);
                self.prove(&psk, &keys::prologue(self.kind(), self.machine, &sid, &[], &[]), rng)
            }
        }
    }

    fn receive_share(
        &mut self,
        message: &[u8],
        sid: &RunNonce,
        cpace: &CPace,
        rng: &mut impl CryptoRng,
    ) -> Result<Step<Paired>, PairingError> {
        let yb: [u8; SHARE] = message.try_into().map_err(|_| PairingError::Over)?;
        let isk = cpace.finish(&yb).map_err(|_| PairingError::NotConfirmed)?;
        let psk = keys::code_psk(sid, &isk, self.machine);
        let prologue = keys::prologue(self.kind(), self.machine, sid, cpace.share(), &yb);
        self.prove(&psk, &prologue, rng)
    }

    fn prove(
        &mut self,
        psk: &RunPsk,
        prologue: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Step<Paired>, PairingError> {
        let setup = Setup {
            pattern: Pattern::XX_PSK0,
            prologue,
            static_key: Some(&self.key),
            remote: None,
        };
        let mut handshake = Handshake::initiator(&setup, rng)?;
        handshake.mix_psk(0, psk)?;
        let p5 = handshake.write_exact::<P5>(&[])?;
        self.state = State::AwaitProof { handshake: Box::new(handshake) };
        Ok(Step { send: p5.to_vec(), done: None })
    }

    fn receive_proof(
        &mut self,
        message: &[u8],
        mut handshake: Handshake,
    ) -> Result<Step<Paired>, PairingError> {
        let name = handshake.read_exact::<NAME>(message)?;
        let node = handshake.remote().ok_or(PairingError::NotConfirmed)?;
        if node.machine_id() != self.machine {
            return Err(PairingError::ForeignMachine);
        }
        let name = decode_name(&name)?;
        let p7 = handshake.write_exact::<P7>(&encode_name(&self.name))?;
        let transport = handshake.split()?;
        self.state = State::AwaitGrantLength(Box::new(Confirmed { node, name, transport }));
        Ok(Step { send: p7.to_vec(), done: None })
    }

    fn receive_grant(
        &mut self,
        message: &[u8],
        mut confirmed: Confirmed,
    ) -> Result<Step<Paired>, PairingError> {
        let mut sealed = zeroize::Zeroizing::new(message.to_vec());
        let plaintext = confirmed
            .transport
            .responder
            .open(&mut sealed)
            .map_err(|_| PairingError::NotConfirmed)?;
        let grant = Grant::decode(plaintext)?;
        let paired = Paired {
            machine: self.machine,
            node: confirmed.node,
            name: confirmed.name,
            device: grant.device,
            psk: grant.psk,
            role: grant.role,
            relays: grant.relays,
        };
        Ok(Step { send: Vec::new(), done: Some(paired) })
    }
}

fn go_on(message: &[u8]) -> Result<(), PairingError> {
    match message {
        [GO_ON] => Ok(()),
        [status] => Err(PairingError::Refused(Refusal::from_status(*status))),
        _ => Err(PairingError::Over),
    }
}
