//! The device's end of pairing runs: with somebody in the middle, with a mistyped code, with a
//! machine that knows the link and nothing of manners.

use gantline_crypto::{
    Device, StaticKey,
    pairing::{
        CodeAttempts, DevicePairing, NodePairing, Paired, PairingError,
        code::TRIES,
        wire::{NAME, P6, P7, Refusal},
    },
};
use gantline_protocol::session::record::{HEADER, MAX_RECORD, is_padded};

use crate::{
    pairing_run::{
        Knowing, Machine, device_is_over, device_key, device_name, name_in, without_preface,
    },
    random::Fixed,
    script::Script,
};

/// A device takes a machine for its own only if that machine knows the code or link, is the one
/// that was asked for, and every message arrived as it was written. A code is tried twice.
///
/// The first byte: by link; how many genuine messages come first; a mistyped code; a machine that
/// knows the link.
pub fn pairing_device(data: &[u8]) {
    let mut script = Script::new(data);
    let choice = script.byte();
    let mut machine = Machine::new();
    if choice & 0x80 != 0 {
        knowing_machine(&machine, &mut script);
        return;
    }
    let keep = usize::from(choice >> 1 & 7 | choice >> 2 & 8);
    if choice & 1 == 1 {
        let mut rng = Fixed::new(2);
        let (device, first) =
            DevicePairing::by_link(&machine.link, &device_key(), &device_name(), &mut rng);
        let end = run(&mut machine, NodePairing::by_link(), device, &first, &mut script, keep);
        end.is_right(true, true);
        return;
    }
    let is_right = choice & 0x10 == 0;
    let code = if is_right { machine.code.clone() } else { machine.wrong_code() };
    let mut attempts = CodeAttempts::new(code);
    for _ in 0..TRIES {
        let (device, first) = by_code(&machine, &mut attempts).expect("a try is left");
        // A try whose grant was spoilt on the way has used the code up.
        let is_live = machine.desk.has_live_code(machine.now.monotonic);
        let end = run(&mut machine, NodePairing::by_code(), device, &first, &mut script, keep);
        end.is_right(is_right, is_live);
        if end.paired.is_some() {
            return;
        }
    }
    assert_eq!(by_code(&machine, &mut attempts).err(), Some(PairingError::AskForNewCode));
}

fn by_code(
    machine: &Machine,
    attempts: &mut CodeAttempts,
) -> Result<(DevicePairing, Vec<u8>), PairingError> {
    let mut rng = Fixed::new(3);
    DevicePairing::by_code(machine.id(), attempts, &device_key(), &device_name(), &mut rng)
}

#[derive(Debug)]
struct End {
    was_altered: bool,
    paired: Option<Paired>,
    error: Option<PairingError>,
}

impl End {
    fn is_right(&self, is_code_right: bool, is_live: bool) {
        assert_eq!(
            self.paired.is_some(),
            is_code_right && is_live && !self.was_altered,
            "{self:?}"
        );
        if !self.was_altered && self.paired.is_none() {
            let refusal = if is_live { Refusal::Wrong } else { Refusal::NotOpen };
            assert_eq!(self.error, Some(PairingError::Refused(refusal)));
        }
    }
}

/// A genuine machine talks with the device through hostile hands.
fn run(
    machine: &mut Machine,
    mut node: NodePairing,
    mut device: DevicePairing,
    first: &[u8],
    script: &mut Script<'_>,
    keep: usize,
) -> End {
    let mut rng = Fixed::new(4);
    let mut end = End { was_altered: false, paired: None, error: None };
    let mut enrolled = None;
    let mut arriving = answer(machine, &mut node, &without_preface(first), &mut enrolled);
    for step in 0.. {
        let needs = device.needs();
        assert!((1..=MAX_RECORD).contains(&needs));
        let genuine: Vec<u8> = arriving.drain(..needs.min(arriving.len())).collect();
        let message = if step < keep { genuine.clone() } else { script.tamper(&genuine) };
        end.was_altered |= message != genuine;
        match device.receive(&message, &mut rng) {
            Ok(step) => {
                if !step.send.is_empty() {
                    arriving.extend(answer(machine, &mut node, &step.send, &mut enrolled));
                }
                if let Some(paired) = step.done {
                    is_what_was_granted(&paired, enrolled.as_ref(), machine);
                    end.paired = Some(paired);
                    break;
                }
            }
            Err(error) => {
                end.error = Some(error);
                break;
            }
        }
    }
    device_is_over(&mut device, &mut rng);
    end
}

/// What the machine says to `message`: its farewell when it gives up.
fn answer(
    machine: &mut Machine,
    node: &mut NodePairing,
    message: &[u8],
    enrolled: &mut Option<Device>,
) -> Vec<u8> {
    match machine.receive(node, message) {
        Ok(step) => {
            *enrolled = step.done;
            step.send
        }
        Err(error) => vec![error.farewell().to_status()],
    }
}

fn is_what_was_granted(paired: &Paired, enrolled: Option<&Device>, machine: &Machine) {
    let enrolled = enrolled.expect("the machine entered the device first");
    assert_eq!((paired.machine, &paired.node), (machine.id(), machine.key.public()));
    assert_eq!((paired.device, &paired.psk), (enrolled.id, &enrolled.psk));
    assert_eq!((paired.role, &paired.relays), (enrolled.role, &machine.relays));
    assert_eq!(paired.name, machine.name);
    let device = device_key();
    assert_eq!(paired.safety_number(device.public()), enrolled.safety_number(machine.key.public()),);
}

/// Somebody who has the link sends any 64 bytes as the machine's name and any bytes as the grant;
/// perhaps it is another machine.
fn knowing_machine(machine: &Machine, script: &mut Script<'_>) {
    let mut rng = Fixed::new(5);
    let is_foreign = script.flag();
    let (mut device, first) =
        DevicePairing::by_link(&machine.link, &device_key(), &device_name(), &mut rng);
    let device_nonce = *first.last_chunk().expect("P1 ends with a nonce");
    let node_nonce = script.array();
    go_on(&mut device);
    let p5 = device.receive(&node_nonce, &mut rng).expect("any nonce is one").send;

    let token = &machine.link.token;
    let knowing = Knowing { token, machine: machine.id(), device_nonce, node_nonce };
    let other = StaticKey::from_secret(&[9; 32]);
    let key = if is_foreign { &other } else { &machine.key };
    let mut handshake = knowing.responder(key, &mut rng);
    handshake.read_exact::<0>(&p5).expect("P5 was made with the link");
    let field: [u8; NAME] = script.array();
    let p6 = handshake.write_exact::<P6>(&field).expect("P6 is the second message");
    go_on(&mut device);
    let p7 = match device.receive(&p6, &mut rng) {
        Ok(step) => step.send,
        Err(PairingError::ForeignMachine) => return assert!(is_foreign),
        Err(error) => {
            assert!(matches!(error, PairingError::Wire(_)), "{error:?}");
            return assert_eq!(name_in(&field), None);
        }
    };
    assert!(!is_foreign, "another machine was taken for the one that was asked for");
    let p7: [u8; P7] = p7.try_into().expect("P7 has its length");
    let name = handshake.read_exact::<NAME>(&p7).expect("P7 is genuine");
    assert_eq!(name_in(&name), Some(device_name()));
    let mut transport = handshake.split().expect("all messages have passed");

    let grant = script.rest();
    let mut sealed = grant.to_vec();
    let tag = transport.responder.seal(&mut sealed).expect("there are counters left");
    sealed.extend_from_slice(&tag);
    let Ok(length) = u16::try_from(sealed.len()) else { return };
    go_on(&mut device);
    if device.receive(&length.to_be_bytes(), &mut rng).is_err() {
        return device_is_over(&mut device, &mut rng);
    }
    assert!(device.needs() == sealed.len() && sealed.len() + HEADER <= MAX_RECORD);
    if let Ok(step) = device.receive(&sealed, &mut rng) {
        let paired = step.done.expect("a grant ends the run");
        assert_eq!(Some(&paired.name), name_in(&field).as_ref());
        is_spelled(&paired, grant);
    }
    device_is_over(&mut device, &mut rng);
}

/// The status in front of a message.
fn go_on(device: &mut DevicePairing) {
    assert!(device.receive(&[0], &mut Fixed::new(6)).is_ok());
}

/// A grant has one spelling, and padding that hides nothing.
fn is_spelled(paired: &Paired, grant: &[u8]) {
    assert!(is_padded(grant.len()) && paired.relays.len() <= 8);
    let mut spelled = [paired.device.as_bytes().as_slice(), paired.psk.as_bytes()].concat();
    spelled.extend([paired.role.to_byte(), paired.relays.len() as u8]);
    for relay in &paired.relays {
        let relay = relay.to_string();
        spelled.extend([(relay.len() >> 8) as u8, relay.len() as u8]);
        spelled.extend_from_slice(relay.as_bytes());
    }
    spelled.resize(grant.len(), 0);
    assert_eq!(spelled, grant);
}
