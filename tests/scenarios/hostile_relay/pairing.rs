//! Pairings through it.

use std::time::Duration;

use gantline_client::{PathError, connection::Request};
use gantline_crypto::{
    StaticKey,
    pairing::{PairingError, wire::Refusal},
};
use gantline_protocol::Role;
use gantline_tests::{
    HostileRelay, TestDevice, Witness,
    hostile_relay::{Cut, Direction, Impostor, Scheme, Trick, guess_a_code},
    node::gantline,
    soon,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tempfile::TempDir;
use tokio::time::sleep;

use super::dice::{Dice, rounds};

fn other_than(code: &str) -> String {
    let digits: u32 = code.replace(' ', "").parse().unwrap();
    format!("{:08}", (digits + 1) % 100_000_000)
}

/// A new code of the witness's machine, without the space in its middle.
async fn new_code(witness: &Witness) -> String {
    witness.node.code(Role::Owner).await.code.to_string().replace(' ', "")
}

on_each_carrier!(
    a_relay_that_guesses_the_code_wrong_pairs_with_nobody,
    a_relay_that_guesses_the_code_right_is_still_not_the_machine,
    no_message_of_a_pairing_can_be_bent_replaced_or_cut_short,
    two_pairings_spliced_into_each_other_both_fail,
    a_device_tries_a_code_once_however_the_relay_spoils_it,
);

async fn a_relay_that_guesses_the_code_wrong_pairs_with_nobody(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let machine = witness.machine.machine_id;
    let code = new_code(&witness).await;
    let wrong = other_than(&code);
    // Towards the device, in the machine's place.
    let key = StaticKey::generate(&mut UnwrapErr(SysRng));
    relay.will(Scheme::Answer(Impostor::Host { key, code: wrong.clone() }));
    let phone = TestDevice::by(relay.carriers(), "phone");
    let error = phone.try_pair(&witness.node, &code).await.unwrap_err();
    assert!(matches!(error, PathError::Pairing(PairingError::Refused(Refusal::Wrong))), "{error}");
    // Towards the machine, in the device's place: three guesses, and the code is void.
    for _ in 0..3 {
        let pipe = relay.knock(machine).await.unwrap();
        soon("an answer", guess_a_code(pipe, machine, &wrong)).await.unwrap_err();
    }
    relay.will(Scheme::Honest);
    let error = phone.try_pair(&witness.node, &code).await.unwrap_err();
    assert!(
        matches!(error, PathError::Pairing(PairingError::Refused(Refusal::NotOpen))),
        "{error}"
    );
    witness.is_unharmed(&relay).await;
}

async fn a_relay_that_guesses_the_code_right_is_still_not_the_machine(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let code = new_code(&witness).await;
    let key = StaticKey::generate(&mut UnwrapErr(SysRng));
    relay.will(Scheme::Answer(Impostor::Host { key, code: code.clone() }));
    let error =
        TestDevice::by(relay.carriers(), "phone").try_pair(&witness.node, &code).await.unwrap_err();
    assert!(matches!(error, PathError::Pairing(PairingError::ForeignMachine)), "{error}");
    witness.is_unharmed(&relay).await;
}

async fn no_message_of_a_pairing_can_be_bent_replaced_or_cut_short(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let earlier = relay.last_tape();
    // The machine has seen its device, which is therefore not among those that are forgotten below.
    witness.is_unharmed(&relay).await;
    let mut tricks = Vec::new();
    for direction in Direction::BOTH {
        let recorded = match direction {
            Direction::ToNode => &earlier.to_node,
            Direction::ToDevice => &earlier.to_device,
        };
        assert_eq!(recorded.len(), 4, "a pairing has four messages each way");
        for (message, recorded) in recorded.iter().enumerate() {
            tricks.push((direction, Trick::Replace { message, by: recorded.clone() }));
            tricks.push((direction, Trick::CutBefore { message, how: Cut::InOrder }));
            tricks.push((direction, Trick::Reflect(message)));
        }
    }
    let mut dice = Dice::new();
    for _ in 0..rounds() {
        let direction = Direction::BOTH[dice.below(2)];
        let at = dice.below(earlier.bytes(direction).len()) as u64;
        let trick = match dice.below(3) {
            0 => Trick::Cut { at, how: Cut::InOrder },
            _ => Trick::Flip { at, mask: 1 << dice.below(8) },
        };
        tricks.push((direction, trick));
    }
    for (direction, trick) in tricks {
        let before = relay.strikes();
        let attack = async {
            loop {
                let code = new_code(&witness).await;
                relay.will(Scheme::Play(direction, trick.clone()));
                let phone = TestDevice::by(relay.carriers(), "phone");
                let paired = phone.try_pair_under_attack(&witness.node, &code, &relay).await;
                // What was cut before may hold its place at the machine for a moment.
                let is_busy =
                    matches!(paired, Err(PathError::Pairing(PairingError::Refused(Refusal::Busy))));
                if !is_busy || relay.strikes() > before {
                    break paired;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        let paired = soon("a place to pair at", attack).await;
        assert!(relay.strikes() > before, "{direction:?} {trick:?} was not played: {paired:?}");
        assert!(paired.is_err(), "{direction:?} {trick:?} passed unnoticed");
    }
    // The last message may be held back from a device that the node has entered by then; without a
    // session such an entry is forgotten. It opens nothing for anybody else.
    for device in witness.devices().await.into_iter().filter(|device| device.pending) {
        let path = format!("/v1/devices/{}", device.device_id);
        witness.node.api().await.request(Request::delete(path)).await.unwrap();
    }
    witness.is_unharmed(&relay).await;
    TestDevice::by(relay.carriers(), "phone").pair(&witness.node, Role::Owner).await;
}

async fn two_pairings_spliced_into_each_other_both_fail(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    for after in 1..3 {
        let code = new_code(&witness).await;
        let before = relay.strikes();
        relay.will(Scheme::Cross(after));
        let (phone, tablet) =
            (TestDevice::by(relay.carriers(), "phone"), TestDevice::by(relay.carriers(), "tablet"));
        let (one, other) = tokio::join!(
            phone.try_pair_under_attack(&witness.node, &code, &relay),
            tablet.try_pair_under_attack(&witness.node, &code, &relay)
        );
        assert!(relay.strikes() > before, "nothing was crossed after {after} messages");
        assert!(one.is_err() && other.is_err(), "{after}: {one:?}, {other:?}");
    }
    witness.is_unharmed(&relay).await;
}

async fn a_device_tries_a_code_once_however_the_relay_spoils_it(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let home = TempDir::new().unwrap();
    let address = format!("{}.{}", witness.machine.machine_id, relay.address());
    let laptop = home.path().join("laptop");
    for trick in [
        Trick::CutBefore { message: 0, how: Cut::Abort },
        Trick::CutBefore { message: 1, how: Cut::InOrder },
        Trick::Flip { at: 60, mask: 1 },
    ] {
        let code = new_code(&witness).await;
        relay.will(Scheme::Play(Direction::ToDevice, trick));
        let before = relay.tapes().len();
        let (laptop, address) = (laptop.clone(), address.clone());
        // With nobody at its terminal who could ask for another try.
        let run = tokio::task::spawn_blocking(move || {
            gantline(&laptop).args(["add", &code, &address]).output().unwrap()
        });
        let output = soon("the command's end", run).await.unwrap();
        assert!(!output.status.success());
        assert_eq!(relay.tapes().len(), before + 1, "it tried again by itself");
    }
    witness.is_unharmed(&relay).await;
}
