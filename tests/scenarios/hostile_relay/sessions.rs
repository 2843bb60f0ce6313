//! Sessions through it.

use std::time::Duration;

use bytes::Bytes;
use gantline_client::{Path, connection::Request, path::PathError};
use gantline_crypto::{Psk, StaticKey, session::handshake::S2};
use gantline_protocol::{Role, link::PipeReply};
use gantline_tests::{
    HostileRelay, TestDevice, Witness,
    hostile_relay::{Cut, Direction, Impostor, Scheme, Trick},
    node::gantline,
    soon,
    witness::Ending,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::dice::{Dice, rounds};

/// Messages of each direction that are attacked one by one: the handshake's and the first records.
/// A conversation has more.
const MESSAGES: usize = 7;

fn died(ending: &Ending) -> bool {
    matches!(ending, Ending::Died(_))
}

/// Plays a trick on one direction of a conversation; how that ended, and whether it was played.
async fn play(
    relay: &HostileRelay,
    witness: &mut Witness,
    direction: Direction,
    trick: Trick,
) -> (Ending, bool) {
    let before = relay.strikes();
    relay.will(Scheme::Play(direction, trick));
    let ending = witness.converse(relay).await;
    (ending, relay.strikes() > before)
}

on_each_carrier!(
    messages_that_are_lost_doubled_reordered_put_in_or_sent_back_end_the_session,
    no_bit_can_be_flipped_anywhere_and_no_pipe_cut_short_unnoticed,
    a_relay_that_takes_its_time_changes_nothing,
    two_sessions_spliced_into_each_other_both_die,
    a_device_joined_to_another_machine_or_to_itself_talks_to_nobody,
    a_recorded_session_moves_nobody_when_it_is_played_again,
    nobody_without_the_key_and_the_secret_answers_for_the_machine,
    a_hint_that_is_a_lie_costs_a_device_nothing_but_this_try,
    the_command_line_keeps_its_pairing_whatever_the_relay_says,
);

async fn messages_that_are_lost_doubled_reordered_put_in_or_sent_back_end_the_session(
    relay: HostileRelay,
) {
    let mut witness = Witness::at(&relay).await;
    witness.is_unharmed(&relay).await;
    let earlier = relay.last_tape();
    for direction in Direction::BOTH {
        let recorded = match direction {
            Direction::ToNode => &earlier.to_node,
            Direction::ToDevice => &earlier.to_device,
        };
        assert!(recorded.len() > MESSAGES, "a conversation has {} messages", recorded.len());
        for (message, recorded) in recorded.iter().enumerate().take(MESSAGES) {
            // Nothing follows on the handshake's message before it was answered.
            let swap = (message > 0).then_some(Trick::Swap(message));
            let tricks = [
                Trick::Drop(message),
                Trick::Repeat { message, later: 0 },
                Trick::Repeat { message, later: 3 },
                Trick::Insert { before: message, bytes: Bytes::from_static(&[0, 17, 1, 2, 3]) },
                Trick::Replace { message, by: recorded.clone() },
                Trick::Reflect(message),
            ];
            for trick in tricks.into_iter().chain(swap) {
                let (ending, has_struck) =
                    play(&relay, &mut witness, direction, trick.clone()).await;
                assert!(has_struck, "{direction:?} {trick:?} was not played: {ending:?}");
                assert!(died(&ending), "{direction:?} {trick:?} passed unnoticed");
            }
        }
        witness.is_unharmed(&relay).await;
    }
}

async fn no_bit_can_be_flipped_anywhere_and_no_pipe_cut_short_unnoticed(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    witness.is_unharmed(&relay).await;
    let honest = relay.last_tape();
    let mut dice = Dice::new();
    for round in 0..rounds() {
        let direction = Direction::BOTH[dice.below(2)];
        let length = honest.bytes(direction).len();
        // Every other time in the handshake and the first record, where most is at stake.
        let at = match round % 2 {
            0 => dice.below(300),
            _ => dice.below(length * 3 / 4),
        } as u64;
        let trick = match dice.below(4) {
            0 => Trick::Cut { at, how: Cut::InOrder },
            1 => Trick::Cut { at, how: Cut::Abort },
            _ => Trick::Flip { at, mask: 1 << dice.below(8) },
        };
        let (ending, has_struck) = play(&relay, &mut witness, direction, trick.clone()).await;
        assert!(has_struck, "{direction:?} {trick:?} was not played: {ending:?}");
        assert!(died(&ending), "{direction:?} {trick:?} passed unnoticed");
    }
    // Between two records, where nothing but their counters and FIN tells that more was to come.
    for direction in Direction::BOTH {
        for message in 1..honest.to_device.len().min(honest.to_node.len()) / 2 {
            let trick = Trick::CutBefore { message, how: Cut::InOrder };
            let (ending, has_struck) = play(&relay, &mut witness, direction, trick).await;
            assert!(!has_struck || died(&ending), "a cut before record {message} passed unnoticed");
        }
    }
    witness.is_unharmed(&relay).await;
}

async fn a_relay_that_takes_its_time_changes_nothing(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let before = relay.strikes();
    for direction in Direction::BOTH {
        relay.will(Scheme::Play(direction, Trick::Delay(Duration::from_millis(15))));
        witness.converse_undisturbed().await;
    }
    assert_eq!(relay.strikes(), before + 2);
    witness.is_unharmed(&relay).await;
}

async fn two_sessions_spliced_into_each_other_both_die(relay: HostileRelay) {
    let mut one = Witness::at(&relay).await;
    // Of one device with one machine: only what is new in each handshake tells them apart.
    let mut other = one.twin();
    for after in [0, 1, 2, 5] {
        let before = relay.strikes();
        relay.will(Scheme::Cross(after));
        let endings = tokio::join!(one.converse(&relay), other.converse(&relay));
        assert!(relay.strikes() > before, "nothing was crossed after {after} messages");
        // From the first message on, crossing is joining each to where the other wanted to go.
        let is_harmless = after == 0;
        assert!(is_harmless || (died(&endings.0) && died(&endings.1)), "{after}: {endings:?}");
    }
    one.is_unharmed(&relay).await;
    other.is_unharmed(&relay).await;
}

async fn a_device_joined_to_another_machine_or_to_itself_talks_to_nobody(relay: HostileRelay) {
    let mut here = Witness::at(&relay).await;
    let mut there = Witness::at(&relay).await;
    let (this, that) = (here.machine.machine_id, there.machine.machine_id);
    for scheme in [Scheme::Divert(that), Scheme::Echo] {
        relay.will(scheme);
        assert!(died(&here.converse(&relay).await));
    }
    relay.will(Scheme::Divert(this));
    assert!(died(&there.converse(&relay).await));
    // The same device is paired with both, and knows both.
    relay.will(Scheme::Honest);
    let both = here.device.pair(&there.node, Role::Owner).await;
    relay.will(Scheme::Divert(that));
    assert!(died(&here.converse(&relay).await));
    relay.will(Scheme::Honest);
    here.device.connect(&both).await;
    here.is_unharmed(&relay).await;
}

async fn a_recorded_session_moves_nobody_when_it_is_played_again(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let idle = TestDevice::by(relay.carriers(), "phone");
    let phone = idle.pair(&witness.node, Role::Owner).await;
    witness.recount_devices().await;
    // A session that was opened and never used: its device is still pending afterwards.
    let path = [Path::Relay(relay.address().clone())];
    relay.will(Scheme::Play(Direction::ToNode, Trick::CutBefore { message: 1, how: Cut::Abort }));
    let silent = soon("a session", idle.client().connect(&phone, &path)).await.unwrap();
    let begun = relay.last_tape();
    drop(silent);
    relay.will(Scheme::Honest);
    witness.converse_undisturbed().await;
    let whole = relay.last_tape();
    let before = witness.devices().await;
    assert!(before.iter().any(|device| device.pending));

    // S1 alone, and with everything that followed it then.
    let play = async |said: Bytes| {
        let mut pipe = relay.knock(whole.machine).await.unwrap();
        pipe.writer.write_all(&said).await.unwrap();
        soon("the end of a pipe that proves nothing", pipe.rest()).await.len()
    };
    let (one, other, one_whole, other_whole) = tokio::join!(
        play(begun.to_node[0].clone()),
        play(whole.to_node[0].clone()),
        play(begun.bytes(Direction::ToNode)),
        play(whole.bytes(Direction::ToNode)),
    );
    assert_eq!((one, other), (S2, S2), "a replayed S1 is answered with S2 and nothing else");
    assert!(one_whole <= S2 && other_whole <= S2, "the node says more to a recording");
    assert_eq!(witness.devices().await, before, "a recording was taken for the device");

    relay.will(Scheme::Answer(Impostor::Parrot(whole)));
    let client = witness.device.client();
    let error = soon("an answer", client.connect(&witness.machine, &path)).await.unwrap_err();
    assert!(matches!(error.paths[0].1, PathError::NotProved), "{error}");
    assert!(died(&witness.converse(&relay).await), "a recording was taken for the node");
    witness.is_unharmed(&relay).await;
}

async fn nobody_without_the_key_and_the_secret_answers_for_the_machine(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let rng = &mut UnwrapErr(SysRng);
    let psk = Psk::generate(rng);
    let stranger = StaticKey::generate(rng);
    // Stolen from the machine; the device's psk was not.
    let stolen = witness.stolen_key();
    assert_eq!(stolen.public().machine_id(), witness.machine.machine_id);
    for impostor in [
        Impostor::Babbler,
        Impostor::Thief { key: stranger, psk: witness.machine.pairing.psk.clone() },
        Impostor::Thief { key: stolen, psk },
    ] {
        let path = [Path::Relay(relay.address().clone())];
        relay.will(Scheme::Answer(impostor));
        let client = witness.device.client();
        let error = soon("an answer", client.connect(&witness.machine, &path)).await.unwrap_err();
        assert!(matches!(error.paths[0].1, PathError::NotProved), "{error}");
        assert!(died(&witness.converse(&relay).await));
    }
    witness.is_unharmed(&relay).await;
}

async fn a_hint_that_is_a_lie_costs_a_device_nothing_but_this_try(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let path = [Path::Relay(relay.address().clone())];
    for byte in 1..=u8::MAX {
        relay.will(Scheme::Hint(byte));
        let client = witness.device.client();
        let error = soon("an answer", client.connect(&witness.machine, &path)).await.unwrap_err();
        let is_told = match (&error.paths[0].1, PipeReply::from_byte(byte)) {
            (PathError::Refused(told), Ok(said)) => *told == said,
            (PathError::Broken(_), Err(_)) => true,
            _ => false,
        };
        assert!(is_told, "{byte}: {error}");
    }
    // "Spliced", and then nobody.
    relay.will(Scheme::Hint(0));
    let client = witness.device.client();
    let error = soon("an answer", client.connect(&witness.machine, &path)).await.unwrap_err();
    assert!(matches!(error.paths[0].1, PathError::HungUp | PathError::Broken(_)), "{error}");
    witness.is_unharmed(&relay).await;
    let connection = witness.device.connect(&witness.machine).await;
    connection.request(Request::get("/v1/machine")).await.unwrap();
}

async fn the_command_line_keeps_its_pairing_whatever_the_relay_says(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let home = TempDir::new().unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = gantline(&home.path().join("laptop"));
        command.args(arguments);
        let run = tokio::task::spawn_blocking(move || command.output().unwrap());
        soon("the command's end", run).await.unwrap().status.success()
    };
    let code = witness.node.code(Role::Owner).await.code.to_string().replace(' ', "");
    let address = format!("{}.{}", witness.machine.machine_id, relay.address());
    assert!(run(&["add", &code, &address, "--name", "box"]).await);
    assert!(run(&["exec", "--on", "box", "--", "true"]).await);
    witness.recount_devices().await;
    let session = relay.last_tape();
    let book = home.path().join("laptop/state/machines.json");
    let paired = std::fs::read(&book).unwrap();

    let lies = (1..=5).map(Scheme::Hint).chain([
        Scheme::Echo,
        Scheme::Answer(Impostor::Babbler),
        Scheme::Answer(Impostor::Parrot(session)),
        Scheme::Play(Direction::ToDevice, Trick::Flip { at: 60, mask: 1 }),
        Scheme::Play(Direction::ToNode, Trick::CutBefore { message: 1, how: Cut::InOrder }),
    ]);
    for lie in lies {
        relay.will(lie.clone());
        assert!(!run(&["exec", "--on", "box", "--", "true"]).await, "{lie:?}");
        assert_eq!(std::fs::read(&book).unwrap(), paired, "{lie:?} changed what was paired");
    }
    relay.will(Scheme::Honest);
    assert!(run(&["exec", "--on", "box", "--", "true"]).await);
    witness.is_unharmed(&relay).await;
}
