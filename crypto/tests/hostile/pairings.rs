//! Pairings, one message of which is altered or replayed.

use std::time::{Duration, Instant};

use gantline_crypto::{
    Now, StaticKey,
    pairing::{CodeAttempts, DevicePairing, NodePairing, PairingDesk, PairingLink, node::NodeSide},
};
use gantline_protocol::{Name, RelayAddress, Role, Timestamp, session::Preface};

use crate::{
    Outcome,
    alter::{alter, below},
    support::SeededRng,
};

pub(crate) struct PairingVictims {
    key: StaticKey,
    device: StaticKey,
    name: Name,
    relays: [RelayAddress; 1],
    desk: PairingDesk,
    link: PairingLink,
    now: Now,
    /// The messages of the last run, for replays.
    previous: Vec<Vec<u8>>,
}

impl PairingVictims {
    pub(crate) fn new(rng: &mut SeededRng, monotonic: Instant) -> Self {
        let key = StaticKey::generate(rng);
        let now = Now { monotonic, wall: Timestamp::from_millis(1_800_000_000_000) };
        let mut desk = PairingDesk::default();
        let expires = now.wall.after(Duration::from_secs(3600));
        let token = desk.invite(Role::Observer, expires, u32::MAX, now.wall, rng).unwrap().token;
        let relay: RelayAddress = "relay.example:8443".parse().unwrap();
        let link = PairingLink { machine: key.public().machine_id(), token, relay: relay.clone() };
        Self {
            key,
            device: StaticKey::generate(rng),
            name: "closet".parse().unwrap(),
            relays: [relay],
            desk,
            link,
            now,
            previous: Vec::new(),
        }
    }

    pub(crate) fn by_code(&mut self, rng: &mut SeededRng) -> Outcome {
        let code = self.desk.mint_code(Role::Owner, self.now.monotonic, rng);
        let machine = self.key.public().machine_id();
        let mut attempts = CodeAttempts::new(code);
        let (device, first) =
            DevicePairing::by_code(machine, &mut attempts, &self.device, &self.name, rng).unwrap();
        self.run(NodePairing::by_code(), device, first, 8, rng)
    }

    pub(crate) fn by_link(&mut self, rng: &mut SeededRng) -> Outcome {
        let (device, first) = DevicePairing::by_link(&self.link, &self.device, &self.name, rng);
        self.run(NodePairing::by_link(), device, first, 6, rng)
    }

    /// One of the messages is altered, or is that of the run before. Nobody is paired; only if it
    /// was the last, which carries the grant, has the node entered the device.
    fn run(
        &mut self,
        mut node: NodePairing,
        mut device: DevicePairing,
        first: Vec<u8>,
        messages: usize,
        rng: &mut SeededRng,
    ) -> Outcome {
        let which = below(rng, messages);
        let mut said: Vec<Vec<u8>> = Vec::new();
        let (mut to_node, mut to_device) = (Vec::new(), Vec::new());
        let (mut is_enrolled, mut is_paired, mut is_refused) = (false, false, false);
        let mut is_only_longer = false;
        let replay = self.previous.get(which).filter(|_| below(rng, 4) == 0).cloned();
        let mut carry = |message: Vec<u8>, pipe: &mut Vec<u8>, rng: &mut SeededRng| {
            if said.len() == which {
                let altered = match &replay {
                    Some(replay) if *replay != message => replay.clone(),
                    _ => alter(rng, &message),
                };
                is_only_longer = altered.starts_with(&message);
                pipe.extend(altered);
            } else {
                pipe.extend_from_slice(&message);
            }
            said.push(message);
        };
        carry(first[Preface::SIZE..].to_vec(), &mut to_node, rng);
        let side = NodeSide { key: &self.key, name: &self.name, relays: &self.relays };
        loop {
            let (by_node, by_device) = (node.needs(), device.needs());
            if by_node > 0 && to_node.len() >= by_node {
                let message: Vec<u8> = to_node.drain(..by_node).collect();
                match node.receive(&message, &side, &mut self.desk, self.now, rng) {
                    Ok(step) => {
                        is_enrolled |= step.done.is_some();
                        carry(step.send, &mut to_device, rng);
                    }
                    Err(error) => {
                        is_refused = true;
                        to_device.push(error.farewell().to_status());
                    }
                }
            } else if by_device > 0 && to_device.len() >= by_device {
                let message: Vec<u8> = to_device.drain(..by_device).collect();
                match device.receive(&message, rng) {
                    Ok(step) => {
                        is_paired |= step.done.is_some();
                        if !step.send.is_empty() {
                            carry(step.send, &mut to_node, rng);
                        }
                    }
                    Err(_) => is_refused = true,
                }
            } else {
                break;
            }
        }
        assert!(!is_paired || is_only_longer, "a device was paired by an altered message");
        assert!(!is_enrolled || is_only_longer || which == messages - 1, "a stranger was entered");
        self.previous = said;
        match (is_refused, is_paired) {
            (true, _) => Outcome::Refused,
            (false, true) => Outcome::Harmless,
            (false, false) => Outcome::Waits,
        }
    }
}
