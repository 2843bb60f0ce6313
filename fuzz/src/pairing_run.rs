//! What both pairing targets need: a machine that can be paired with by code and by link, and a
//! party that knows the link but keeps to no other rule.

use std::time::{Duration, Instant};

use gantline_crypto::{
    Device, LinkToken, Now, StaticKey,
    pairing::{
        DevicePairing, NodePairing, PairingCode, PairingDesk, PairingError, PairingLink, Step,
        node::NodeSide, wire::NONCE,
    },
};
use gantline_login::noise::{Handshake, Pattern, Setup};
use gantline_protocol::{
    MachineId, Name, RelayAddress, Role, Timestamp, lv,
    session::{PipeKind, Preface},
};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::random::Fixed;

pub(crate) struct Machine {
    pub(crate) key: StaticKey,
    pub(crate) name: Name,
    pub(crate) relays: Vec<RelayAddress>,
    pub(crate) desk: PairingDesk,
    pub(crate) code: PairingCode,
    pub(crate) link: PairingLink,
    pub(crate) now: Now,
    pub(crate) rng: Fixed,
}

/// Devices that may pair with the machine's link.
pub(crate) const USES: u32 = 2;

impl Machine {
    pub(crate) fn new() -> Self {
        let mut rng = Fixed::new(1);
        let key = StaticKey::generate(&mut rng);
        let wall = Timestamp::from_millis(1_800_000_000_000);
        let now = Now { monotonic: Instant::now(), wall };
        let mut desk = PairingDesk::default();
        let code = desk.mint_code(Role::Owner, now.monotonic, &mut rng);
        let expires = wall.after(Duration::from_secs(3600));
        let invitation = desk.invite(Role::Observer, expires, USES, wall, &mut rng);
        let token = invitation.expect("it is the first").token;
        let relay: RelayAddress = "relay.example:8443".parse().expect("it is an address");
        let link = PairingLink { machine: key.public().machine_id(), token, relay: relay.clone() };
        let name = "closet".parse().expect("it is a name");
        Self { key, name, relays: vec![relay], desk, code, link, now, rng }
    }

    pub(crate) fn id(&self) -> MachineId {
        self.key.public().machine_id()
    }

    pub(crate) fn mint_code(&mut self) {
        self.code = self.desk.mint_code(Role::Owner, self.now.monotonic, &mut self.rng);
    }

    /// A code of the right form that isn't this machine's.
    pub(crate) fn wrong_code(&self) -> PairingCode {
        let first = if self.code.reveal().starts_with('0') { '1' } else { '0' };
        let digits = format!("{first}{}", self.code.reveal().split_off(1));
        digits.parse().expect("it is eight digits")
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall = self.now.wall.after(time);
    }

    pub(crate) fn receive(
        &mut self,
        run: &mut NodePairing,
        message: &[u8],
    ) -> Result<Step<Device>, PairingError> {
        let side = NodeSide { key: &self.key, name: &self.name, relays: &self.relays };
        run.receive(message, &side, &mut self.desk, self.now, &mut self.rng)
    }

    pub(crate) fn uses_left(&self) -> u32 {
        self.desk.invitations().iter().map(|invitation| invitation.uses_left).sum()
    }
}

pub(crate) fn device_key() -> StaticKey {
    StaticKey::from_secret(&[8; 32])
}

pub(crate) fn device_name() -> Name {
    "phone".parse().expect("it is a name")
}

/// The message behind the preface.
pub(crate) fn without_preface(first: &[u8]) -> Vec<u8> {
    first[Preface::SIZE..].to_vec()
}

/// Nothing more can be done with a device's run.
pub(crate) fn device_is_over(run: &mut DevicePairing, rng: &mut Fixed) {
    assert_eq!(run.needs(), 0);
    assert_eq!(run.receive(&[], rng).err(), Some(PairingError::Over));
}

/// One end of `Noise_XXpsk0` in a pairing by link, by somebody who has the token and reads the
/// protocol's documents instead of using our state machines.
pub(crate) struct Knowing<'a> {
    pub(crate) token: &'a LinkToken,
    pub(crate) machine: MachineId,
    pub(crate) device_nonce: [u8; NONCE],
    pub(crate) node_nonce: [u8; NONCE],
}

impl Knowing<'_> {
    pub(crate) fn initiator(&self, key: &StaticKey, rng: &mut Fixed) -> Handshake {
        let prologue = self.prologue();
        self.with_psk(Handshake::initiator(&setup(key, &prologue), rng).expect("a good key"))
    }

    pub(crate) fn responder(&self, key: &StaticKey, rng: &mut Fixed) -> Handshake {
        let prologue = self.prologue();
        self.with_psk(Handshake::responder(&setup(key, &prologue), rng).expect("a good key"))
    }

    fn with_psk(&self, mut handshake: Handshake) -> Handshake {
        let mut psk = [0; 32];
        Hkdf::<Sha256>::new(Some(&self.sid()), self.token.as_bytes())
            .expand_multi_info(&[b"gantline/pair-link/1", self.machine.as_bytes()], &mut psk)
            .expect("32 bytes are few enough");
        handshake.mix_psk(0, &psk).expect("the pattern begins with a psk");
        handshake
    }

    fn prologue(&self) -> Vec<u8> {
        let kind = [PipeKind::PairByLink.to_byte()];
        let label = b"gantline/pair-noise/1";
        lv::concat(&[label, &kind, self.machine.as_bytes(), &self.sid(), b"", b""])
    }

    fn sid(&self) -> Vec<u8> {
        [self.device_nonce, self.node_nonce].concat()
    }
}

const fn setup<'a>(key: &'a StaticKey, prologue: &'a [u8]) -> Setup<'a> {
    Setup { pattern: Pattern::XX_PSK0, prologue, static_key: Some(key), remote: None }
}

/// The name in a field of P6 or P7, if it is one.
pub(crate) fn name_in(field: &[u8]) -> Option<Name> {
    let end = field.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    str::from_utf8(&field[..end]).ok()?.parse().ok()
}
