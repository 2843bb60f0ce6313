//! The labels and key derivations that both ends of a pairing share.

use gantline_protocol::{MachineId, lv, session::PipeKind};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::wire::NONCE;
use crate::{LinkToken, cpace::Isk};

const CHANNEL_LABEL: &[u8] = b"gantline/pair/1";
const NOISE_LABEL: &[u8] = b"gantline/pair-noise/1";
const CODE_PSK_LABEL: &[u8] = b"gantline/pair-psk/1";
const LINK_PSK_LABEL: &[u8] = b"gantline/pair-link/1";

/// The key that confirms a run: known to both ends only if they know the same code or link.
pub(super) type RunPsk = Zeroizing<[u8; 32]>;

/// Device nonce, node nonce.
pub(super) type RunNonce = [u8; 2 * NONCE];

pub(super) fn run_nonce(device: &[u8; NONCE], node: &[u8; NONCE]) -> RunNonce {
    let mut sid = [0; 2 * NONCE];
    let (left, right) = sid.split_at_mut(NONCE);
    left.copy_from_slice(device);
    right.copy_from_slice(node);
    sid
}

/// CPace's channel identifier.
pub(super) fn channel(machine: MachineId) -> Vec<u8> {
    lv::concat(&[CHANNEL_LABEL, b"device", b"node", machine.as_bytes()])
}

/// The prologue of `Noise_XXpsk0`. Without CPace both shares are empty.
pub(super) fn prologue(
    kind: PipeKind,
    machine: MachineId,
    sid: &RunNonce,
    ya: &[u8],
    yb: &[u8],
) -> Vec<u8> {
    lv::concat(&[NOISE_LABEL, &[kind.to_byte()], machine.as_bytes(), sid, ya, yb])
}

pub(super) fn code_psk(sid: &RunNonce, isk: &Isk, machine: MachineId) -> RunPsk {
    derive(sid, isk.as_bytes(), CODE_PSK_LABEL, machine)
}

pub(super) fn link_psk(sid: &RunNonce, token: &LinkToken, machine: MachineId) -> RunPsk {
    derive(sid, token.as_bytes(), LINK_PSK_LABEL, machine)
}

/// HKDF-SHA-256 (RFC 5869).
fn derive(salt: &[u8], secret: &[u8], label: &[u8], machine: MachineId) -> RunPsk {
    let mut psk = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand_multi_info(&[label, machine.as_bytes()], psk.as_mut())
        .expect("32 bytes are within HKDF's limit of 8,160");
    psk
}
