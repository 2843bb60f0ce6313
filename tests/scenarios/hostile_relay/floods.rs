//! It opens pipes to a node without end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gantline_crypto::places::{KNOWN_PLACES, OPEN_PLACES, PAIRING_PLACES, PLACES_PER_DEVICE};
use gantline_protocol::{MachineId, Role};
use gantline_tests::{HostileRelay, TestDevice, Witness, hostile_relay::Pipe, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

/// More than any kind of pipe has places.
const FLOOD: usize = 3 * (OPEN_PLACES + KNOWN_PLACES);
/// Pipes that are asked for at a time; a link carries 256.
const AT_A_TIME: usize = 128;
/// A pipe whose end has not come by then is one that the node keeps for now.
const KEPT: Duration = Duration::from_millis(500);

/// Opens that many pipes, one after the other, and says this on each.
async fn flood(relay: &HostileRelay, machine: MachineId, said: &[u8]) -> Vec<Pipe> {
    let mut pipes = Vec::new();
    for _ in 0..FLOOD {
        let mut pipe = soon("a pipe", relay.knock(machine)).await.unwrap();
        pipe.writer.write_all(said).await.unwrap();
        pipes.push(pipe);
    }
    pipes
}

/// How many of them the node has not ended.
async fn kept(pipes: Vec<Pipe>) -> usize {
    let mut tasks = JoinSet::new();
    for mut pipe in pipes {
        tasks.spawn(async move { timeout(KEPT, pipe.rest()).await.is_err() });
    }
    tasks.join_all().await.into_iter().filter(|is_kept| *is_kept).count()
}

on_each_carrier!(
    pipes_that_prove_nothing_hold_no_more_places_than_there_are,
    a_paired_device_gets_in_through_a_flood_of_every_kind,
);

async fn pipes_that_prove_nothing_hold_no_more_places_than_there_are(relay: HostileRelay) {
    let mut witness = Witness::at(&relay).await;
    let phone = TestDevice::by(relay.carriers(), "phone");
    phone.pair(&witness.node, Role::Owner).await;
    witness.recount_devices().await;
    let machine = witness.machine.machine_id;
    witness.converse_undisturbed().await;
    let s1 = relay.last_tape().to_node[0].clone();

    let at_most = [
        (&b"\x01"[..], OPEN_PLACES),
        (b"\x01\x01", OPEN_PLACES),
        (b"\x01\x01half an S1", OPEN_PLACES),
        // While nothing can be paired there is no place to pair.
        (b"\x01\x02", 0),
        (b"\x01\x03", 0),
        (b"\x02\x01", 0),
        (&[1; 98], 0),
        // One device, however often its S1 is played.
        (&s1, 2 * PLACES_PER_DEVICE),
    ];
    for (said, at_most) in at_most {
        let pipes = flood(&relay, machine, said).await;
        let kept = kept(pipes).await;
        assert!(kept <= at_most, "{kept} pipes kept that said {said:?}");
    }
    witness.node.code(Role::Observer).await;
    let pipes = flood(&relay, machine, b"\x01\x02").await;
    assert!(kept(pipes).await <= PAIRING_PLACES, "pairing has taken places from others");
    witness.is_unharmed(&relay).await;
}

async fn a_paired_device_gets_in_through_a_flood_of_every_kind(relay: HostileRelay) {
    let relay = Arc::new(relay);
    let mut witness = Witness::at(&relay).await;
    let phone = TestDevice::by(relay.carriers(), "phone");
    let known = phone.pair(&witness.node, Role::Owner).await;
    phone.connect(&known).await.close().await;
    let of_phone = relay.last_tape().to_node[0].clone();
    witness.recount_devices().await;
    let machine = witness.machine.machine_id;

    let kinds: [Bytes; 5] = [
        Bytes::from_static(b"\x01"),
        Bytes::from_static(b"\x01\x01"),
        Bytes::from_static(b"\x01\x02"),
        Bytes::from_static(&[1; 98]),
        of_phone,
    ];
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut flood = JoinSet::new();
    for said in kinds {
        let (relay, places) = (relay.clone(), places.clone());
        flood.spawn(async move {
            let mut pipes = JoinSet::new();
            while let Ok(place) = places.clone().acquire_owned().await {
                while pipes.try_join_next().is_some() {}
                let Ok(mut pipe) = relay.knock(machine).await else { continue };
                let said = said.clone();
                pipes.spawn(async move {
                    if pipe.writer.write_all(&said).await.is_ok() {
                        let _ = pipe.reader.read_to_end(&mut Vec::new()).await;
                    }
                    drop(place);
                });
            }
        });
    }
    for _ in 0..20 {
        witness.converse_undisturbed().await;
    }
    assert!(places.available_permits() < AT_A_TIME, "the flood has ended before");
    flood.shutdown().await;
    witness.is_unharmed(&relay).await;
}
