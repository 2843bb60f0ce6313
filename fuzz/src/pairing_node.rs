//! The node's end of pairing runs: with somebody in the middle, with wrong codes, with a device
//! that knows the link and nothing of manners.

use std::time::Duration;

use gantline_crypto::{
    devices::Standing,
    pairing::{
        CodeAttempts, DevicePairing, NodePairing, PairingCode, PairingError,
        desk::{CODE_FOR, RUNS, WRONG_CONFIRMATIONS},
        wire::{NAME, P5, P6, P7},
    },
};

use crate::{
    pairing_run::{Knowing, Machine, USES, device_key, device_name, name_in, without_preface},
    random::Fixed,
    script::Script,
};

/// What one input may ask for.
const MAX_RUNS: usize = 12;

/// However many runs are begun, a device is entered only if it knows the code or link, and every
/// message arrived as it was written. Codes burn after three wrong confirmations, ten runs or 120 s.
///
/// The first byte of each run: by link; how many genuine messages come first; a wrong code; a new
/// code first; a device that knows the link.
pub fn pairing_node(data: &[u8]) {
    let mut script = Script::new(data);
    let mut desk = Desk { machine: Machine::new(), code: Code::default(), uses: 0 };
    for _ in 0..MAX_RUNS {
        if script.is_over() {
            return;
        }
        let choice = script.byte();
        if choice & 0x20 != 0 {
            desk.machine.mint_code();
            desk.code = Code::default();
        }
        if choice & 0x40 != 0 {
            let time = Duration::from_secs(u64::from(script.byte()));
            desk.machine.pass(time);
            desk.code.age += time;
        }
        if choice & 0x80 != 0 {
            desk.knowing_device(&mut script);
            continue;
        }
        let keep = usize::from(choice >> 1 & 7) % 5;
        match choice & 1 {
            0 => desk.run_by_code(&mut script, keep, choice & 0x10 == 0),
            _ => desk.run_by_link(&mut script, keep),
        }
    }
}

struct Desk {
    machine: Machine,
    code: Code,
    /// Devices that were paired with the link.
    uses: u32,
}

/// What became of the present code so far.
#[derive(Default)]
struct Code {
    runs: u8,
    wrong: u8,
    age: Duration,
    is_used: bool,
}

impl Code {
    fn is_live(&self) -> bool {
        self.runs < RUNS && self.wrong < WRONG_CONFIRMATIONS && self.age < CODE_FOR && !self.is_used
    }
}

impl Desk {
    fn run_by_code(&mut self, script: &mut Script<'_>, keep: usize, is_right: bool) {
        let mut rng = Fixed::new(2);
        let code = if is_right { self.machine.code.clone() } else { self.machine.wrong_code() };
        let (device, first) = by_code(&self.machine, code, &mut rng);
        let was_live = self.code.is_live();
        let end = self.run(NodePairing::by_code(), device, &first, script, keep);

        self.code.runs += u8::from(was_live && end.steps > 0);
        assert!(was_live || end.was_refused_at_once(), "{end:?} without a code");
        if was_live && end.error == Some(PairingError::NotConfirmed) && end.steps == 2 {
            self.code.wrong += 1;
        }
        if end.is_enrolled {
            assert!(is_right && !end.was_altered, "somebody paired without the code");
            self.code.is_used = true;
        } else if is_right && !end.was_altered && was_live {
            unreachable!("a genuine device was turned away: {end:?}");
        }
        let is_live = self.machine.desk.has_live_code(self.machine.now.monotonic);
        assert_eq!(is_live, self.code.is_live(), "a code lives too long, or not long enough");
    }

    fn run_by_link(&mut self, script: &mut Script<'_>, keep: usize) {
        let mut rng = Fixed::new(3);
        let link = &self.machine.link;
        let (device, first) = DevicePairing::by_link(link, &device_key(), &device_name(), &mut rng);
        let was_live = self.machine.desk.has_live_link(self.machine.now.wall);
        let end = self.run(NodePairing::by_link(), device, &first, script, keep);
        assert!(was_live || end.was_refused_at_once(), "{end:?} without a link");
        assert_eq!(end.is_enrolled, was_live && !end.was_altered, "{end:?}");
        self.count_use(end.is_enrolled);
    }

    fn count_use(&mut self, is_enrolled: bool) {
        self.uses += u32::from(is_enrolled);
        assert_eq!(self.machine.uses_left() + self.uses, USES, "a link was used and not counted");
    }

    /// A genuine device talks with the node through hostile hands.
    fn run(
        &mut self,
        mut node: NodePairing,
        device: DevicePairing,
        first: &[u8],
        script: &mut Script<'_>,
        keep: usize,
    ) -> End {
        let mut device = Some(device);
        let mut said = without_preface(first);
        let mut end = End { steps: 0, was_altered: false, is_enrolled: false, error: None };
        loop {
            let message = match end.steps {
                steps if steps < keep => said.clone(),
                _ => script.tamper(&said),
            };
            end.was_altered |= message != said;
            assert!((1..=P7).contains(&node.needs()));
            match self.machine.receive(&mut node, &message) {
                Ok(step) => {
                    end.steps += 1;
                    let answer = answer(&mut device, &step.send);
                    if let Some(enrolled) = step.done {
                        assert_eq!(enrolled.key, *device_key().public());
                        assert_eq!(enrolled.name, device_name());
                        assert_eq!(enrolled.standing, Standing::Pending);
                        end.is_enrolled = true;
                    }
                    if end.is_enrolled {
                        break;
                    }
                    said = answer;
                }
                Err(error) => {
                    assert_ne!(error.farewell().to_status(), 0, "a refusal that says go on");
                    end.error = Some(error);
                    break;
                }
            }
        }
        assert_eq!(node.needs(), 0);
        let again = self.machine.receive(&mut node, &[]).err();
        assert_eq!(again, Some(PairingError::Over));
        end
    }

    /// A device that has the link sends any 64 bytes as its name.
    fn knowing_device(&mut self, script: &mut Script<'_>) {
        let mut rng = Fixed::new(4);
        let mut node = NodePairing::by_link();
        let device_nonce = script.array();
        let Ok(p2) = self.machine.receive(&mut node, &device_nonce) else {
            assert!(!self.machine.desk.has_live_link(self.machine.now.wall));
            return;
        };
        let (token, machine) = (self.machine.link.token.clone(), self.machine.id());
        let node_nonce = *p2.send.last_chunk().expect("P2 ends with a nonce");
        let knowing = Knowing { token: &token, machine, device_nonce, node_nonce };
        let mut handshake = knowing.initiator(&device_key(), &mut rng);
        let p5 = handshake.write_exact::<P5>(&[]).expect("P5 is the first message");
        let p6 = self.machine.receive(&mut node, &p5).expect("P5 was made with the link").send;
        let p6 = p6.last_chunk::<P6>().expect("P6 stands behind its status");
        let field = handshake.read_exact::<NAME>(p6).expect("P6 is genuine");
        assert_eq!(name_in(&field), Some(self.machine.name.clone()));

        let field: [u8; NAME] = script.array();
        let p7 = handshake.write_exact::<P7>(&field).expect("P7 is the last message");
        let enrolled = self.machine.receive(&mut node, &p7);
        let (is_enrolled, name) = match enrolled {
            Ok(step) => (true, step.done.map(|device| device.name)),
            Err(error) => {
                assert!(matches!(error, PairingError::Wire(_)), "{error:?}");
                (false, None)
            }
        };
        assert_eq!(name, name_in(&field), "a name is not what was sent");
        self.count_use(is_enrolled);
    }
}

#[derive(Debug)]
struct End {
    /// Messages that the node took.
    steps: usize,
    was_altered: bool,
    is_enrolled: bool,
    error: Option<PairingError>,
}

impl End {
    fn was_refused_at_once(&self) -> bool {
        let is_refusal = self.error == Some(PairingError::NotOpen)
            // A first message of another length.
            || (self.was_altered && self.error == Some(PairingError::Over));
        is_refusal && self.steps == 0 && !self.is_enrolled
    }
}

fn by_code(machine: &Machine, code: PairingCode, rng: &mut Fixed) -> (DevicePairing, Vec<u8>) {
    let mut attempts = CodeAttempts::new(code);
    DevicePairing::by_code(machine.id(), &mut attempts, &device_key(), &device_name(), rng)
        .expect("it is the first try")
}

/// What the device says to `bytes`; nothing once it has given up.
fn answer(device: &mut Option<DevicePairing>, mut bytes: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    while let Some(run) = device.as_mut().filter(|_| !bytes.is_empty()) {
        let (message, rest) = bytes.split_at(run.needs().min(bytes.len()));
        match run.receive(message, &mut Fixed::new(5)) {
            Ok(step) => said.extend(step.send),
            Err(_) => *device = None,
        }
        bytes = rest;
    }
    said
}
