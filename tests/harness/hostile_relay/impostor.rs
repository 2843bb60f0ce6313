//! What the hostile relay says in the place of a node or a device, with the keys and codes that it
//! might have come by.

use bytes::Bytes;
use gantline_crypto::{
    Psk, StaticKey,
    cpace::{CPace, Party},
    pairing::{
        CodeAttempts, DevicePairing, Paired,
        wire::{NAME, NONCE, P5, P6, P7, SHARE},
    },
    session::{NodeHandshake, handshake::S1, handshake::S2},
};
use gantline_login::noise::{Handshake, Pattern, Setup};
use gantline_protocol::{
    MachineId, lv,
    session::{PipeKind, Preface},
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use hkdf::Hkdf;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Direction, Pipe, Tape};

/// Who answers in a node's place.
#[derive(Debug, Clone)]
pub enum Impostor {
    /// Somebody who has nothing, and says random bytes.
    Babbler,
    /// Somebody who plays back what a node once said.
    Parrot(Tape),
    /// Somebody with a node's key, be it stolen, and a psk, be it guessed: answers sessions.
    Thief {
        /// The key.
        key: StaticKey,
        /// The psk.
        psk: Psk,
    },
    /// Somebody with a key of his own and a code, be it the right one: answers pairings.
    Host {
        /// The key.
        key: StaticKey,
        /// Eight digits.
        code: String,
    },
}

/// A step of a handshake; a go-on status stands in front of what a node says in a pairing.
const GO_ON: u8 = 0;
const WRONG: u8 = 2;
/// What an impostor says at most, where it says random bytes.
const BABBLE: usize = 4096;

impl Impostor {
    /// Answers on a pipe whose preface was read.
    pub(super) async fn answer(
        &self,
        kind: PipeKind,
        machine: MachineId,
        mut pipe: Pipe,
    ) -> anyhow::Result<()> {
        match self {
            Self::Babbler => pipe.writer.write_all(&random::<BABBLE>()).await?,
            Self::Parrot(tape) => pipe.writer.write_all(&tape.bytes(Direction::ToDevice)).await?,
            Self::Thief { key, psk } => answer_session(key, psk, &mut pipe).await?,
            Self::Host { key, code } => {
                answer_pairing(key, code, kind, machine, &mut pipe).await?;
            }
        }
        pipe.rest().await;
        Ok(())
    }
}

async fn answer_session(key: &StaticKey, psk: &Psk, pipe: &mut Pipe) -> anyhow::Result<()> {
    let mut s1 = [0; S1];
    pipe.reader.read_exact(&mut s1).await?;
    let s2 = match NodeHandshake::read(key, &s1, &mut rng()) {
        Ok(handshake) => handshake.accept(psk, std::time::Instant::now())?.1,
        // Not made for this key; say something all the same.
        Err(_) => random::<S2>(),
    };
    Ok(pipe.writer.write_all(&s2).await?)
}

/// The node's side of `docs/protocol.md` section 5.1, for a machine whose key this is not.
async fn answer_pairing(
    key: &StaticKey,
    code: &str,
    kind: PipeKind,
    machine: MachineId,
    pipe: &mut Pipe,
) -> anyhow::Result<()> {
    let nonce = random::<NONCE>();
    let mut sid = [0; 2 * NONCE];
    pipe.reader.read_exact(&mut sid[..NONCE]).await?;
    sid[NONCE..].copy_from_slice(&nonce);
    say(pipe, &nonce).await?;

    let mut ya = [0; SHARE];
    pipe.reader.read_exact(&mut ya).await?;
    let channel = lv::concat(&[b"gantline/pair/1", b"device", b"node", machine.as_bytes()]);
    let cpace = CPace::start(Party::Responder, code.as_bytes(), &channel, &sid, &mut rng());
    let yb = *cpace.share();
    let mut psk = [0; 32];
    Hkdf::<Sha256>::new(Some(&sid), cpace.finish(&ya)?.as_bytes())
        .expand_multi_info(&[b"gantline/pair-psk/1", machine.as_bytes()], &mut psk)
        .map_err(anyhow::Error::msg)?;
    say(pipe, &yb).await?;

    let mut p5 = [0; P5];
    pipe.reader.read_exact(&mut p5).await?;
    let prologue = lv::concat(&[
        b"gantline/pair-noise/1",
        &[kind.to_byte()],
        machine.as_bytes(),
        &sid,
        &ya,
        &yb,
    ]);
    let setup = Setup {
        pattern: Pattern::XX_PSK0,
        prologue: &prologue,
        static_key: Some(key),
        remote: None,
    };
    let mut handshake = Handshake::responder(&setup, &mut rng())?;
    handshake.mix_psk(0, &psk)?;
    if handshake.read_exact::<0>(&p5).is_err() {
        return Ok(pipe.writer.write_u8(WRONG).await?);
    }
    let mut name = [0; NAME];
    name[..3].copy_from_slice(b"box");
    say(pipe, &handshake.write_exact::<P6>(&name)?).await?;

    let mut p7 = [0; P7];
    pipe.reader.read_exact(&mut p7).await?;
    handshake.read_exact::<NAME>(&p7)?;
    let mut keys = handshake.split()?;
    // Device id, psk, the role owner, no relays.
    let mut grant = [0; 128];
    grant[..48].copy_from_slice(&random::<48>());
    grant[48] = 3;
    let tag = keys.responder.seal(&mut grant)?;
    let length = (grant.len() + tag.len()) as u16;
    say(pipe, &[&length.to_be_bytes(), grant.as_slice(), &tag].concat()).await
}

async fn say(pipe: &mut Pipe, bytes: &[u8]) -> anyhow::Result<()> {
    pipe.writer.write_all(&[&[GO_ON], bytes].concat()).await?;
    Ok(())
}

/// Pairs with a node in the place of a device, with a guessed code.
///
/// # Errors
/// Whatever goes wrong; nothing was paired then.
pub async fn guess_a_code(
    mut pipe: Pipe,
    machine: MachineId,
    code: &str,
) -> anyhow::Result<Paired> {
    let key = StaticKey::generate(&mut rng());
    let attempts = &mut CodeAttempts::new(code.parse()?);
    let name = "intruder".parse()?;
    let (mut run, first) = DevicePairing::by_code(machine, attempts, &key, &name, &mut rng())?;
    debug_assert!(first.len() == Preface::SIZE + NONCE);
    pipe.writer.write_all(&first).await?;
    loop {
        let mut message = vec![0; run.needs()];
        pipe.reader.read_exact(&mut message).await?;
        let step = run.receive(&message, &mut rng())?;
        if let Some(paired) = step.done {
            return Ok(paired);
        }
        pipe.writer.write_all(&Bytes::from(step.send)).await?;
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}
