//! The node's end of one pairing run.

use gantline_login::{
    StaticKey,
    noise::{Handshake, Pattern, Setup},
};
use gantline_protocol::{DeviceId, InvitationId, Name, RelayAddress, session::PipeKind};
use rand_core::CryptoRng;

use super::{
    PairingDesk, PairingError, Step,
    desk::CodeRun,
    grant::Grant,
    keys::{self, RunNonce, RunPsk},
    wire::{GO_ON, NAME, NONCE, P5, P6, P7, SHARE, decode_name, encode_name},
};
use crate::{
    Now, Psk,
    cpace::{CPace, Party},
    devices::{Device, Standing},
};

/// What a node says of itself in a pairing.
#[derive(Debug, Clone, Copy)]
pub struct NodeSide<'a> {
    /// Its static key.
    pub key: &'a StaticKey,
    /// Its name, for the person at the device.
    pub name: &'a Name,
    /// The relays that reach it; the first eight are passed on.
    pub relays: &'a [RelayAddress],
}

/// The node's end of one run, from the bytes behind the preface on. Its result is a pending
/// [`Device`]: enter it into the [`crate::DeviceBook`] and store the book before sending the
/// step's bytes. With a link, store the invitations as well. Begin no run while the book has no
/// room ([`crate::DeviceBook::has_room`]).
#[derive(Debug)]
pub struct NodePairing {
    kind: PipeKind,
    state: State,
}

#[derive(Debug)]
enum State {
    AwaitNonce,
    AwaitShare { run: CodeRun, sid: RunNonce, code: super::PairingCode },
    AwaitCodeProof { run: CodeRun, sid: RunNonce, psk: RunPsk, ya: [u8; SHARE], yb: [u8; SHARE] },
    AwaitLinkProof { sid: RunNonce },
    AwaitDevice { handshake: Box<Handshake>, proof: Proof },
    Over,
}

/// What the device has shown that it knows.
#[derive(Debug, Clone, Copy)]
enum Proof {
    Code(CodeRun),
    Link(InvitationId),
}

impl NodePairing {
    /// Begins a run of pairing by code.
    #[must_use]
    pub const fn by_code() -> Self {
        Self { kind: PipeKind::PairByCode, state: State::AwaitNonce }
    }

    /// Begins a run of pairing by link.
    #[must_use]
    pub const fn by_link() -> Self {
        Self { kind: PipeKind::PairByLink, state: State::AwaitNonce }
    }

    /// The length of the next message, in bytes; 0 when the run is over.
    #[must_use]
    pub const fn needs(&self) -> usize {
        match self.state {
            State::AwaitNonce => NONCE,
            State::AwaitShare { .. } => SHARE,
            State::AwaitCodeProof { .. } | State::AwaitLinkProof { .. } => P5,
            State::AwaitDevice { .. } => P7,
            State::Over => 0,
        }
    }

    /// Takes the next message, [`Self::needs`] bytes of it.
    ///
    /// # Errors
    /// [`PairingError`]: send [`PairingError::farewell`] and close the pipe.
    pub fn receive(
        &mut self,
        message: &[u8],
        node: &NodeSide<'_>,
        desk: &mut PairingDesk,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Step<Device>, PairingError> {
        if message.len() != self.needs() {
            self.state = State::Over;
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitNonce => self.receive_nonce(message, desk, now, rng),
            State::AwaitShare { run, sid, code } => {
                desk.check(run, now)?;
                self.receive_share(message, run, sid, &code, node, rng)
            }
            State::AwaitCodeProof { run, sid, psk, ya, yb } => {
                desk.check(run, now)?;
                let prologue =
                    keys::prologue(self.kind, node.key.public().machine_id(), &sid, &ya, &yb);
                match open_proof(node, &prologue, &psk, message, rng) {
                    Ok(handshake) => self.answer_proof(handshake, Proof::Code(run), node),
                    Err(error) => {
                        desk.wrong(run);
                        Err(error)
                    }
                }
            }
            State::AwaitLinkProof { sid } => {
                self.receive_link_proof(message, &sid, node, desk, now, rng)
            }
            State::AwaitDevice { handshake, proof } => {
                grant(*handshake, proof, message, node, desk, now, rng)
            }
            State::Over => Err(PairingError::Over),
        }
    }

    fn receive_nonce(
        &mut self,
        message: &[u8],
        desk: &mut PairingDesk,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Step<Device>, PairingError> {
        let device = message.try_into().map_err(|_| PairingError::Over)?;
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let sid = keys::run_nonce(device, &nonce);
        self.state = match self.kind {
            PipeKind::PairByLink if desk.has_live_link(now.wall) => State::AwaitLinkProof { sid },
            PipeKind::PairByLink | PipeKind::Session => return Err(PairingError::NotOpen),
            PipeKind::PairByCode => {
                let (run, code) = desk.begin(now)?;
                State::AwaitShare { run, sid, code }
            }
        };
        Ok(Step { send: [&[GO_ON], nonce.as_slice()].concat(), done: None })
    }

    fn receive_share(
        &mut self,
        message: &[u8],
        run: CodeRun,
        sid: RunNonce,
        code: &super::PairingCode,
        node: &NodeSide<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Step<Device>, PairingError> {
        let ya: [u8; SHARE] = message.try_into().map_err(|_| PairingError::Over)?;
        let machine = node.key.public().machine_id();
        let channel = keys::channel(machine);
        let cpace = CPace::start(Party::Responder, code.as_bytes(), &channel, &sid, rng);
        let isk = cpace.finish(&ya).map_err(|_| PairingError::NotConfirmed)?;
        let psk = keys::code_psk(&sid, &isk, machine);
        let yb = *cpace.share();
        self.state = State::AwaitCodeProof { run, sid, psk, ya, yb };
        Ok(Step { send: [&[GO_ON], yb.as_slice()].concat(), done: None })
    }

    /// P5 doesn't say which link it was made with: it opens with the key of one of them.
    fn receive_link_proof(
        &mut self,
        message: &[u8],
        sid: &RunNonce,
        node: &NodeSide<'_>,
        desk: &PairingDesk,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Step<Device>, PairingError> {
        let machine = node.key.public().machine_id();
        let prologue = keys::prologue(self.kind, machine, sid, &[], &[]);
        for invitation in desk.live_links(now) {
            let psk = keys::link_psk(sid, &invitation.token, machine);
            if let Ok(handshake) = open_proof(node, &prologue, &psk, message, rng) {
                return self.answer_proof(handshake, Proof::Link(invitation.id), node);
            }
        }
        Err(PairingError::NotConfirmed)
    }

    fn answer_proof(
        &mut self,
        mut handshake: Handshake,
        proof: Proof,
        node: &NodeSide<'_>,
    ) -> Result<Step<Device>, PairingError> {
        let p6 = handshake.write_exact::<P6>(&encode_name(node.name))?;
        self.state = State::AwaitDevice { handshake: Box::new(handshake), proof };
        Ok(Step { send: [&[GO_ON], p6.as_slice()].concat(), done: None })
    }
}

fn open_proof(
    node: &NodeSide<'_>,
    prologue: &[u8],
    psk: &RunPsk,
    p5: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Handshake, PairingError> {
    let setup =
        Setup { pattern: Pattern::XX_PSK0, prologue, static_key: Some(node.key), remote: None };
    let mut handshake = Handshake::responder(&setup, rng)?;
    handshake.mix_psk(0, psk)?;
    handshake.read_exact::<0>(p5)?;
    Ok(handshake)
}

fn grant(
    mut handshake: Handshake,
    proof: Proof,
    p7: &[u8],
    node: &NodeSide<'_>,
    desk: &mut PairingDesk,
    now: Now,
    rng: &mut impl CryptoRng,
) -> Result<Step<Device>, PairingError> {
    let name = decode_name(&handshake.read_exact::<NAME>(p7)?)?;
    let key = handshake.remote().ok_or(PairingError::NotConfirmed)?;
    let mut transport = handshake.split()?;
    let role = match proof {
        Proof::Code(run) => desk.use_code(run, now)?,
        Proof::Link(id) => desk.use_link(id, now)?,
    };
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    let device = Device {
        id: DeviceId::from_bytes(id),
        name,
        key,
        psk: Psk::generate(rng),
        role,
        created: now.wall,
        standing: Standing::Pending,
    };
    let grant =
        Grant { device: device.id, psk: device.psk.clone(), role, relays: node.relays.to_vec() };
    let mut sealed = grant.encode();
    let tag = transport.responder.seal(&mut sealed).map_err(|_| PairingError::NotConfirmed)?;
    let length = u16::try_from(sealed.len() + tag.len()).map_err(|_| PairingError::Over)?;
    let length = length.to_be_bytes();
    let send = [&[GO_ON], length.as_slice(), sealed.as_slice(), tag.as_slice()].concat();
    Ok(Step { send, done: Some(device) })
}
