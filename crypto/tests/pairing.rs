//! Pairing as people live it: with a code, with a link, with typing errors, and with an enemy in
//! between.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use gantline_crypto::{
    Admission, Device, DeviceBook, LinkToken, Now, StaticKey,
    pairing::{
        CodeAttempts, DevicePairing, NodePairing, Paired, PairingDesk, PairingError, PairingLink,
        desk::{CODE_FOR, MAX_INVITATIONS, RUNS, TooManyInvitations},
        node::NodeSide,
        wire::Refusal,
    },
    session::{DeviceHandshake, NodeHandshake},
};
use gantline_protocol::{Name, RelayAddress, Role, Timestamp, session::Preface};
use support::{End, Heard, Pair, SeededRng, get};

/// A machine that can be paired with.
struct Machine {
    rng: SeededRng,
    key: StaticKey,
    name: Name,
    relays: Vec<RelayAddress>,
    desk: PairingDesk,
    now: Now,
}

impl Machine {
    fn new(seed: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        Self {
            key: StaticKey::generate(&mut rng),
            rng,
            name: "closet server".parse().unwrap(),
            relays: vec!["relay.example".parse().unwrap(), "[::1]:8443".parse().unwrap()],
            desk: PairingDesk::default(),
            now: Now { monotonic: Instant::now(), wall: Timestamp::from_millis(1_800_000_000_000) },
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall = self.now.wall.after(time);
    }

    fn mint(&mut self) -> CodeAttempts {
        let code = self.desk.mint_code(Role::Owner, self.now.monotonic, &mut self.rng);
        CodeAttempts::new(code)
    }

    fn invite(&mut self, uses: u32) -> PairingLink {
        let expires = self.now.wall.after(Duration::from_secs(3600));
        let invitation =
            self.desk.invite(Role::Observer, expires, uses, self.now.wall, &mut self.rng).unwrap();
        PairingLink {
            machine: self.key.public().machine_id(),
            token: invitation.token,
            relay: self.relays[0].clone(),
        }
    }

    fn receive(
        &mut self,
        run: &mut NodePairing,
        message: &[u8],
    ) -> Result<(Vec<u8>, Option<Device>), PairingError> {
        let side = NodeSide { key: &self.key, name: &self.name, relays: &self.relays };
        run.receive(message, &side, &mut self.desk, self.now, &mut self.rng)
            .map(|step| (step.send, step.done))
    }
}

/// A device, and what its user has in hand.
struct Phone {
    rng: SeededRng,
    key: StaticKey,
    name: Name,
}

impl Phone {
    fn new(seed: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        Self { key: StaticKey::generate(&mut rng), rng, name: "phone".parse().unwrap() }
    }

    fn by_code(
        &mut self,
        machine: &Machine,
        attempts: &mut CodeAttempts,
    ) -> Result<(DevicePairing, Vec<u8>), PairingError> {
        let id = machine.key.public().machine_id();
        DevicePairing::by_code(id, attempts, &self.key, &self.name, &mut self.rng)
    }

    fn by_link(&mut self, link: &PairingLink) -> (DevicePairing, Vec<u8>) {
        DevicePairing::by_link(link, &self.key, &self.name, &mut self.rng)
    }
}

/// How a run ended at each end.
#[derive(Debug)]
struct Outcome {
    device: Result<Paired, PairingError>,
    node: Result<Device, PairingError>,
    /// Bytes that passed, both ways.
    passed: usize,
}

/// Carries a run between both ends; the relay may change each byte on its way.
fn run(
    phone: &mut Phone,
    (mut device, hello): (DevicePairing, Vec<u8>),
    machine: &mut Machine,
    mut relay: impl FnMut(usize, u8) -> u8,
) -> Outcome {
    let mut node = match hello[1] {
        2 => NodePairing::by_code(),
        _ => NodePairing::by_link(),
    };
    let mut passed = 0;
    let mut carry = |bytes: Vec<u8>| -> Vec<u8> {
        bytes
            .into_iter()
            .map(|byte| {
                passed += 1;
                relay(passed - 1, byte)
            })
            .collect()
    };
    let mut to_node = carry(hello[Preface::SIZE..].to_vec());
    let mut to_device = Vec::new();
    let mut enrolled = Err(PairingError::Over);
    let paired = loop {
        while node.needs() > 0 && to_node.len() >= node.needs() {
            let message: Vec<u8> = to_node.drain(..node.needs()).collect();
            match machine.receive(&mut node, &message) {
                Ok((send, done)) => {
                    to_device.extend(carry(send));
                    if let Some(device) = done {
                        enrolled = Ok(device);
                    }
                }
                Err(error) => {
                    to_device.extend(carry(vec![error.farewell().to_status()]));
                    enrolled = Err(error);
                }
            }
        }
        if to_device.len() < device.needs() {
            break Err(PairingError::NotConfirmed);
        }
        let message: Vec<u8> = to_device.drain(..device.needs()).collect();
        match device.receive(&message, &mut phone.rng) {
            Ok(step) => {
                to_node.extend(carry(step.send));
                if let Some(paired) = step.done {
                    break Ok(paired);
                }
            }
            Err(error) => break Err(error),
        }
    };
    Outcome { device: paired, node: enrolled, passed }
}

/// P8 of the machine here: status, length, 128 bytes, tag.
const GRANT: usize = 1 + 2 + 128 + 16;

fn honest(_: usize, byte: u8) -> u8 {
    byte
}

fn pair_by_code(phone: &mut Phone, machine: &mut Machine, attempts: &mut CodeAttempts) -> Outcome {
    let start = phone.by_code(machine, attempts).unwrap();
    run(phone, start, machine, honest)
}

fn pair_by_link(phone: &mut Phone, machine: &mut Machine, link: &PairingLink) -> Outcome {
    let start = phone.by_link(link);
    run(phone, start, machine, honest)
}

#[test]
fn a_code_pairs_a_device_that_can_then_open_a_session() {
    let (mut machine, mut phone) = (Machine::new(1), Phone::new(2));
    let mut attempts = machine.mint();
    let outcome = pair_by_code(&mut phone, &mut machine, &mut attempts);
    let (paired, enrolled) = (outcome.device.unwrap(), outcome.node.unwrap());
    assert_eq!(paired.node, *machine.key.public());
    assert_eq!(paired.name.as_str(), "closet server");
    assert_eq!(paired.relays, machine.relays);
    assert_eq!(
        (paired.device, &paired.psk, paired.role),
        (enrolled.id, &enrolled.psk, Role::Owner)
    );
    assert_eq!((enrolled.key, enrolled.name.as_str()), (*phone.key.public(), "phone"));
    assert_eq!(
        paired.safety_number(phone.key.public()),
        enrolled.safety_number(machine.key.public())
    );

    let mut book = DeviceBook::default();
    book.enter(enrolled, machine.now.wall).unwrap();
    let (device, hello) =
        DeviceHandshake::start(&phone.key, &paired.node, &paired.psk, &mut phone.rng).unwrap();
    let s1 = hello[Preface::SIZE..].try_into().unwrap();
    let node = NodeHandshake::read(&machine.key, &s1, &mut machine.rng).unwrap();
    let Admission::Serve(known) = book.admit(node.device(), machine.now.wall) else {
        panic!("the machine does not know the device");
    };
    let (node, s2) = node.accept(&known.psk, machine.now.monotonic).unwrap();
    let device = device.finish(&s2, machine.now.monotonic).unwrap();
    let mut pair =
        Pair { now: machine.now.monotonic, device: End::new(device), node: End::new(node) };
    let asked = pair.device.session.open(get("/")).unwrap();
    pair.settle();
    assert_eq!(pair.node.drain(), [Heard::Hello, Heard::Opened(asked, "/".into())]);
}

#[test]
fn a_link_pairs_as_many_devices_as_it_was_made_for() {
    let mut machine = Machine::new(1);
    let link = machine.invite(2);
    let text = format!("https://relay.example/pair#{}", link.reveal());
    let link = text.parse().unwrap();
    for seed in 2..4 {
        let outcome = pair_by_link(&mut Phone::new(seed), &mut machine, &link);
        assert_eq!(outcome.device.unwrap().role, Role::Observer);
    }
    let outcome = pair_by_link(&mut Phone::new(5), &mut machine, &link);
    assert_eq!(outcome.device, Err(PairingError::Refused(Refusal::NotOpen)));
}

#[test]
fn a_link_that_expired_or_was_taken_back_opens_nothing() {
    let mut machine = Machine::new(1);
    let link = machine.invite(5);
    let other = machine.invite(5);
    assert!(pair_by_link(&mut Phone::new(2), &mut machine, &link).device.is_ok());
    let id = machine.desk.invitations()[0].id;
    assert!(machine.desk.revoke(id) && !machine.desk.revoke(id));
    let outcome = pair_by_link(&mut Phone::new(3), &mut machine, &link);
    assert_eq!(outcome.device, Err(PairingError::Refused(Refusal::Wrong)));
    assert!(pair_by_link(&mut Phone::new(3), &mut machine, &other).device.is_ok());
    machine.wait(Duration::from_secs(3600));
    let outcome = pair_by_link(&mut Phone::new(4), &mut machine, &other);
    assert_eq!(outcome.device, Err(PairingError::Refused(Refusal::NotOpen)));
}

#[test]
fn a_link_with_one_use_is_not_used_twice_at_the_same_time() {
    let mut machine = Machine::new(1);
    let link = machine.invite(1);
    let side = |machine: &mut Machine, seed| {
        let mut phone = Phone::new(seed);
        let (mut device, hello) = phone.by_link(&link);
        let mut node = NodePairing::by_link();
        let (p2, _) = machine.receive(&mut node, &hello[2..]).unwrap();
        device.receive(&p2[..1], &mut phone.rng).unwrap();
        let p5 = device.receive(&p2[1..], &mut phone.rng).unwrap().send;
        let (p6, _) = machine.receive(&mut node, &p5).unwrap();
        device.receive(&p6[..1], &mut phone.rng).unwrap();
        (node, device.receive(&p6[1..], &mut phone.rng).unwrap().send)
    };
    let (mut first, p7_first) = side(&mut machine, 2);
    let (mut second, p7_second) = side(&mut machine, 3);
    assert!(machine.receive(&mut first, &p7_first).unwrap().1.is_some());
    assert_eq!(machine.receive(&mut second, &p7_second), Err(PairingError::NotOpen));
}

#[test]
fn a_machine_gives_out_only_so_many_links() {
    let mut machine = Machine::new(1);
    (0..MAX_INVITATIONS).for_each(|_| drop(machine.invite(1)));
    let expires = machine.now.wall.after(Duration::from_secs(60));
    let one_more =
        machine.desk.invite(Role::Observer, expires, 1, machine.now.wall, &mut machine.rng);
    assert_eq!(one_more, Err(TooManyInvitations));
    machine.wait(Duration::from_secs(3600));
    machine.invite(1);
}

#[test]
fn a_guessed_link_never_opens() {
    let mut machine = Machine::new(1);
    let mut link = machine.invite(1);
    link.token = LinkToken::from_bytes([0; 32]);
    let outcome = pair_by_link(&mut Phone::new(2), &mut machine, &link);
    assert_eq!(outcome.device, Err(PairingError::Refused(Refusal::Wrong)));
    assert_eq!(outcome.node, Err(PairingError::NotConfirmed));
}

#[test]
fn three_wrong_codes_burn_the_code() {
    let mut machine = Machine::new(1);
    let mut right = machine.mint();
    for seed in 0..3 {
        let mut wrong = CodeAttempts::new("00000000".parse().unwrap());
        let outcome = pair_by_code(&mut Phone::new(10 + seed), &mut machine, &mut wrong);
        assert_eq!(outcome.device, Err(PairingError::Refused(Refusal::Wrong)));
        assert_eq!(outcome.node, Err(PairingError::NotConfirmed));
        assert_eq!(machine.desk.has_live_code(machine.now.monotonic), seed < 2);
    }
    let outcome = pair_by_code(&mut Phone::new(2), &mut machine, &mut right);
    assert_eq!(outcome.device, Err(PairingError::Refused(Refusal::NotOpen)));
    let mut fresh = machine.mint();
    assert!(pair_by_code(&mut Phone::new(2), &mut machine, &mut fresh).device.is_ok());
}

#[test]
fn two_wrong_codes_leave_the_right_one_a_chance() {
    let mut machine = Machine::new(1);
    let mut right = machine.mint();
    for seed in 0..2 {
        let mut wrong = CodeAttempts::new("00000000".parse().unwrap());
        pair_by_code(&mut Phone::new(10 + seed), &mut machine, &mut wrong);
    }
    assert!(pair_by_code(&mut Phone::new(2), &mut machine, &mut right).device.is_ok());
}

#[test]
fn runs_that_are_broken_off_burn_the_code_after_ten() {
    let mut machine = Machine::new(1);
    let mut attempts = machine.mint();
    for _ in 0..RUNS {
        assert!(machine.receive(&mut NodePairing::by_code(), &[7; 16]).is_ok());
    }
    let outcome = pair_by_code(&mut Phone::new(2), &mut machine, &mut attempts);
    assert_eq!(outcome.device, Err(PairingError::Refused(Refusal::NotOpen)));
    assert!(!machine.desk.has_live_code(machine.now.monotonic));
}

#[test]
fn a_stranger_who_knocks_once_too_often_does_not_disturb_the_last_run() {
    let mut machine = Machine::new(1);
    let mut attempts = machine.mint();
    for _ in 1..RUNS {
        machine.receive(&mut NodePairing::by_code(), &[7; 16]).unwrap();
    }
    let mut phone = Phone::new(2);
    let (mut device, hello) = phone.by_code(&machine, &mut attempts).unwrap();
    let mut node = NodePairing::by_code();
    let mut to_node = hello[2..].to_vec();
    let paired = loop {
        let (mut to_device, _) = machine.receive(&mut node, &to_node).unwrap();
        let stranger = machine.receive(&mut NodePairing::by_code(), &[8; 16]);
        assert_eq!(stranger, Err(PairingError::NotOpen), "an eleventh run");
        to_node.clear();
        let mut done = None;
        while device.needs() > 0 && to_device.len() >= device.needs() {
            let part: Vec<u8> = to_device.drain(..device.needs()).collect();
            let step = device.receive(&part, &mut phone.rng).unwrap();
            to_node.extend(step.send);
            done = step.done;
        }
        if let Some(paired) = done {
            break paired;
        }
    };
    assert_eq!(paired.node, *machine.key.public());
}

#[test]
fn a_code_is_dead_after_120_seconds_whatever_the_wall_clock_says() {
    let mut machine = Machine::new(1);
    let mut attempts = machine.mint();
    machine.now.monotonic += CODE_FOR;
    machine.now.wall = Timestamp::from_millis(0);
    let outcome = pair_by_code(&mut Phone::new(2), &mut machine, &mut attempts);
    assert_eq!(outcome.device, Err(PairingError::Refused(Refusal::NotOpen)));
}

#[test]
fn a_code_that_dies_in_the_middle_of_a_run_pairs_nobody() {
    for (burn, name) in [
        (&(|machine: &mut Machine| machine.wait(CODE_FOR)) as &dyn Fn(&mut Machine), "expired"),
        (&|machine: &mut Machine| machine.desk.cancel_code(), "cancelled"),
        (&|machine: &mut Machine| drop(machine.mint()), "replaced"),
    ] {
        for stop in 1..4 {
            let (mut machine, mut phone) = (Machine::new(1), Phone::new(2));
            let mut attempts = machine.mint();
            let (mut device, hello) = phone.by_code(&machine, &mut attempts).unwrap();
            let mut node = NodePairing::by_code();
            let mut to_node = hello[2..].to_vec();
            let mut result = Ok(None);
            let mut ended = 0;
            for message in 0..4 {
                ended = message;
                if message == stop {
                    burn(&mut machine);
                }
                result = machine.receive(&mut node, &to_node).map(|(mut to_device, done)| {
                    to_node.clear();
                    while device.needs() > 0 && to_device.len() >= device.needs() {
                        let part: Vec<u8> = to_device.drain(..device.needs()).collect();
                        to_node.extend(device.receive(&part, &mut phone.rng).unwrap().send);
                    }
                    done
                });
                if result.is_err() {
                    break;
                }
            }
            assert_eq!(result, Err(PairingError::NotOpen), "{name} before message {stop}");
            assert_eq!(ended, stop, "{name}: the run went on");
        }
    }
}

#[test]
fn a_code_pairs_one_device_only() {
    let mut machine = Machine::new(1);
    let mut attempts = machine.mint();
    assert!(pair_by_code(&mut Phone::new(2), &mut machine, &mut attempts).device.is_ok());
    let outcome = pair_by_code(&mut Phone::new(3), &mut machine, &mut attempts);
    assert_eq!(outcome.device, Err(PairingError::Refused(Refusal::NotOpen)));
}

#[test]
fn a_device_gives_a_malicious_relay_two_guesses_and_no_more() {
    let (mut machine, mut phone) = (Machine::new(1), Phone::new(2));
    machine.mint();
    let mut attempts = CodeAttempts::new("00000000".parse().unwrap());
    for _ in 0..2 {
        assert!(pair_by_code(&mut phone, &mut machine, &mut attempts).device.is_err());
    }
    let third = phone.by_code(&machine, &mut attempts).map(|_| ());
    assert_eq!(third, Err(PairingError::AskForNewCode));
}

#[test]
fn no_byte_of_a_pairing_can_be_altered() {
    let whole = {
        let (mut machine, mut phone) = (Machine::new(1), Phone::new(2));
        let mut attempts = machine.mint();
        pair_by_code(&mut phone, &mut machine, &mut attempts).passed
    };
    for bent in 0..whole {
        for bit in [0x01, 0x80] {
            let (mut machine, mut phone) = (Machine::new(1), Phone::new(2));
            let mut attempts = machine.mint();
            let start = phone.by_code(&machine, &mut attempts).unwrap();
            let outcome =
                run(
                    &mut phone,
                    start,
                    &mut machine,
                    |index, byte| {
                        if index == bent { byte ^ bit } else { byte }
                    },
                );
            assert!(outcome.device.is_err(), "byte {bent} was altered unnoticed");
            let in_grant = bent >= whole - GRANT;
            assert_eq!(outcome.node.is_ok(), in_grant, "byte {bent} before the grant");
        }
    }
    for bent in 0.. {
        let (mut machine, mut phone) = (Machine::new(1), Phone::new(2));
        let link = machine.invite(1);
        let start = phone.by_link(&link);
        let mut reached = false;
        let outcome = run(&mut phone, start, &mut machine, |index, byte| {
            reached |= index == bent;
            if index == bent { byte ^ 1 } else { byte }
        });
        if !reached {
            break;
        }
        assert!(outcome.device.is_err(), "byte {bent} of a pairing by link");
    }
}

#[test]
fn a_relay_in_the_middle_without_the_code_pairs_with_nobody() {
    // It plays the node towards the device, and the device towards the node.
    let (mut machine, mut phone) = (Machine::new(1), Phone::new(2));
    let mut attempts = machine.mint();
    let mut impostor = Machine::new(66);
    impostor.mint();
    let start = phone.by_code(&machine, &mut attempts).unwrap();
    let towards_device = run(&mut phone, start, &mut impostor, honest);
    assert!(towards_device.device.is_err() && towards_device.node.is_err());
    let mut guess = CodeAttempts::new("12345678".parse().unwrap());
    assert!(pair_by_code(&mut Phone::new(67), &mut machine, &mut guess).node.is_err());
}

#[test]
fn a_device_notices_that_the_code_led_to_another_machine() {
    // Two machines show the same code; the relay connects the device to the wrong one. CPace
    // already binds the machine's id, so that the run fails before any key is shown.
    let (mut asked, mut other) = (Machine::new(1), Machine::new(3));
    asked.mint();
    let code = asked.desk.mint_code(Role::Owner, asked.now.monotonic, &mut SeededRng::new(9));
    let same = other.desk.mint_code(Role::Owner, other.now.monotonic, &mut SeededRng::new(9));
    assert_eq!(code, same);
    let mut phone = Phone::new(2);
    let start = phone.by_code(&asked, &mut CodeAttempts::new(code)).unwrap();
    let outcome = run(&mut phone, start, &mut other, honest);
    assert!(outcome.device.is_err() && outcome.node.is_err());
}

#[test]
fn a_node_that_knows_the_link_but_is_another_machine_is_refused() {
    let (mut asked, mut other) = (Machine::new(1), Machine::new(3));
    let mut link = other.invite(1);
    link.machine = asked.key.public().machine_id();
    assert!(pair_by_link(&mut Phone::new(2), &mut other, &link).device.is_err());
    // Even a node that computes everything for the other machine's id is told by its key.
    let link = asked.invite(1);
    let mut phone = Phone::new(2);
    let (mut device, hello) = phone.by_link(&link);
    let forged = forged_answer(&link, &hello, &mut device, &mut phone);
    assert_eq!(forged, Err(PairingError::ForeignMachine));
}

/// Plays a node that knows the token and claims the machine's id, with a key of its own.
fn forged_answer(
    link: &PairingLink,
    hello: &[u8],
    device: &mut DevicePairing,
    phone: &mut Phone,
) -> Result<(), PairingError> {
    use gantline_login::noise::{Handshake, Pattern, Setup};
    use gantline_protocol::lv;
    let mid = link.machine;
    device.receive(&[0], &mut phone.rng)?;
    let p5 = device.receive(&[9; 16], &mut phone.rng)?.send;
    let sid = [&hello[2..], &[9; 16]].concat();
    let mut psk = [0; 32];
    hkdf::Hkdf::<sha2::Sha256>::new(Some(&sid), link.token.as_bytes())
        .expand_multi_info(&[b"gantline/pair-link/1", mid.as_bytes()], &mut psk)
        .unwrap();
    let prologue = lv::concat(&[b"gantline/pair-noise/1", &[3], mid.as_bytes(), &sid, b"", b""]);
    let key = StaticKey::generate(&mut phone.rng);
    let setup = Setup {
        pattern: Pattern::XX_PSK0,
        prologue: &prologue,
        static_key: Some(&key),
        remote: None,
    };
    let mut node = Handshake::responder(&setup, &mut phone.rng).unwrap();
    node.mix_psk(0, &psk).unwrap();
    node.read_exact::<0>(&p5).expect("the forger knows the link");
    let p6 = node.write_exact::<160>(&[0; 64]).unwrap();
    device.receive(&[0], &mut phone.rng)?;
    device.receive(&p6, &mut phone.rng).map(|_| ())
}

#[test]
fn nothing_pairs_while_nothing_is_open() {
    let mut machine = Machine::new(1);
    for mut run in [NodePairing::by_code(), NodePairing::by_link()] {
        assert_eq!(machine.receive(&mut run, &[1; 16]), Err(PairingError::NotOpen));
        assert_eq!(run.needs(), 0);
        assert_eq!(machine.receive(&mut run, &[]), Err(PairingError::Over));
    }
}

#[test]
fn a_debug_print_never_shows_what_was_paired() {
    let (mut machine, mut phone) = (Machine::new(1), Phone::new(2));
    let mut attempts = machine.mint();
    let code = machine.desk.mint_code(Role::Owner, machine.now.monotonic, &mut SeededRng::new(9));
    let printed = format!("{:?} {attempts:?}", machine.desk);
    assert!(!printed.contains(&code.reveal()[..4]), "{printed}");
    attempts = CodeAttempts::new(code);
    let paired = pair_by_code(&mut phone, &mut machine, &mut attempts).device.unwrap();
    assert!(format!("{paired:?}").contains("psk: Psk(..)"));
}
