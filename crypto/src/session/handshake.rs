//! `Noise_IKpsk2`: three messages, of which the third is the session's first record.
//!
//! ```text
//! device → node   preface, S1: e, es, s, ss      2 + 96 bytes
//! node → device   S2: e, ee, se, psk             48 bytes
//! device → node   S3: a record with HELLO and, usually, the first OPEN
//! ```
//!
//! S1 can be replayed by anybody who saw it, so the node does nothing for it but answer; the
//! session reports nothing before S3.

use std::time::Instant;

use gantline_login::{
    PublicKey, StaticKey,
    noise::{Handshake, HandshakeFailed, Pattern, Setup},
};
use gantline_protocol::{
    MachineId, lv,
    session::{PipeKind, Preface},
};
use rand_core::CryptoRng;

use super::{Session, SessionKeys, Side};
use crate::Psk;

/// The length of S1, in bytes.
pub const S1: usize = 96;
/// The length of S2, in bytes.
pub const S2: usize = 48;

const PROLOGUE_LABEL: &[u8] = b"gantline/session/1";
/// Where `IKpsk2` mixes the pre-shared key in.
const PSK_POSITION: u8 = 2;

/// The device's side, waiting for S2.
#[derive(Debug)]
pub struct DeviceHandshake {
    handshake: Handshake,
}

impl DeviceHandshake {
    /// Starts a session with the machine whose node has the static key `node`. Returns the bytes
    /// to send: preface and S1.
    ///
    /// # Errors
    /// [`HandshakeFailed`] when `node` is a key of small order.
    pub fn start(
        device: &StaticKey,
        node: &PublicKey,
        psk: &Psk,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, [u8; Preface::SIZE + S1]), HandshakeFailed> {
        let setup = Setup {
            pattern: Pattern::IK_PSK2,
            prologue: &prologue(node.machine_id()),
            static_key: Some(device),
            remote: Some(node),
        };
        let mut handshake = Handshake::initiator(&setup, rng)?;
        handshake.mix_psk(PSK_POSITION, psk.as_bytes())?;
        let mut out = [0; Preface::SIZE + S1];
        let (preface, s1) = out.split_at_mut(Preface::SIZE);
        preface.copy_from_slice(&Preface { kind: PipeKind::Session }.encode());
        s1.copy_from_slice(&handshake.write_exact::<S1>(&[])?);
        Ok((Self { handshake }, out))
    }

    /// Reads S2. The node has proved its key and the pairing secret.
    ///
    /// # Errors
    /// [`HandshakeFailed`] when S2 was altered, or comes from a node with other secrets.
    pub fn finish(self, s2: &[u8; S2], now: Instant) -> Result<Session, HandshakeFailed> {
        Ok(Session::new(Side::Device, self.into_keys(s2)?, now))
    }

    /// Reads S2 and gives the keys out instead of a session: for tests that play a hostile peer.
    ///
    /// # Errors
    /// As [`Self::finish`].
    #[doc(hidden)]
    pub fn into_keys(mut self, s2: &[u8; S2]) -> Result<SessionKeys, HandshakeFailed> {
        self.handshake.read_exact::<0>(s2)?;
        let transport = self.handshake.split()?;
        Ok(SessionKeys { send: transport.initiator, receive: transport.responder })
    }
}

/// The node's side, after S1: it knows which device claims to call.
#[derive(Debug)]
pub struct NodeHandshake {
    handshake: Handshake,
    device: PublicKey,
}

impl NodeHandshake {
    /// Reads S1 (without the preface).
    ///
    /// # Errors
    /// [`HandshakeFailed`] when it wasn't made for this node, or was altered.
    pub fn read(
        node: &StaticKey,
        s1: &[u8; S1],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HandshakeFailed> {
        let setup = Setup {
            pattern: Pattern::IK_PSK2,
            prologue: &prologue(node.public().machine_id()),
            static_key: Some(node),
            remote: None,
        };
        let mut handshake = Handshake::responder(&setup, rng)?;
        handshake.read_exact::<0>(s1)?;
        let device = handshake.remote().ok_or(HandshakeFailed)?;
        Ok(Self { handshake, device })
    }

    /// The device that made S1, now or earlier: look its pairing secret up.
    #[must_use]
    pub const fn device(&self) -> &PublicKey {
        &self.device
    }

    /// Answers with S2, the returned bytes. The session reports nothing before S3.
    ///
    /// # Errors
    /// [`HandshakeFailed`] when the device's key is of small order.
    pub fn accept(
        mut self,
        psk: &Psk,
        now: Instant,
    ) -> Result<(Session, [u8; S2]), HandshakeFailed> {
        self.handshake.mix_psk(PSK_POSITION, psk.as_bytes())?;
        let s2 = self.handshake.write_exact(&[])?;
        let transport = self.handshake.split()?;
        let keys = SessionKeys { send: transport.responder, receive: transport.initiator };
        Ok((Session::new(Side::Node, keys, now), s2))
    }
}

fn prologue(machine: MachineId) -> Vec<u8> {
    lv::concat(&[PROLOGUE_LABEL, &[PipeKind::Session.to_byte()], machine.as_bytes()])
}
