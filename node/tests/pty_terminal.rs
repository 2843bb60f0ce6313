//! People at a terminal: real processes on real PTYs, watched and driven by viewers.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub
)]

mod pty_support;

use std::time::Duration;

use bytes::Bytes;
use gantline_node::{
    duplex::over_body,
    pty::{
        hub::MAX_VIEWERS,
        log::Limits,
        terminal::{TerminalError, serve},
    },
    supervisor::Settings,
};
use gantline_protocol::{
    Epoch, Offset,
    api::ExitStatus,
    terminal::{Deframer, NodeMessage, Position, TerminalSize, ViewerMessage, ViewerMode},
};
use pty_support::{As, Machine, Told, Viewer, Wire, numbered, size};

/// Answers each line that it reads.
const ANSWERS: &str = "stty -echo; echo ready; while read line; do echo \"got <$line>\"; done";
/// Gives back every byte as it is.
const RAW_CAT: &str = "stty raw -echo; printf ready; exec cat";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_reaches_the_program_and_its_answer_comes_back() {
    let machine = Machine::new();
    let mut viewer = Viewer::from_start(&machine.hub(machine.sh(ANSWERS).await)).await;
    viewer.sees("ready").await;
    for number in 1..=50 {
        let seq = viewer.types(&format!("line {number}\r")).await;
        assert_eq!(seq, number);
        viewer.sees(&format!("got <line {number}>")).await;
    }
    let seq = viewer.types("last\r").await;
    viewer.is_acknowledged(seq).await;
    viewer.leaves().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_sees_the_size_of_whoever_drives() {
    let machine = Machine::new();
    let id = machine.sh("trap 'stty size' WINCH; stty size; while :; do sleep 0.02; done").await;
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("24 80").await;
    assert_eq!((viewer.size, viewer.driver), (TerminalSize::STANDARD, false));
    viewer.say(ViewerMessage::Take).await;
    viewer.sees("30 100").await;
    viewer.say(ViewerMessage::Resize(size(132, 50))).await;
    viewer.sees("50 132").await;
    let mut other = Viewer::from_start(&machine.hub(id)).await;
    assert_eq!((other.size, other.driver), (size(132, 50), false));
    other.say(ViewerMessage::Take).await;
    viewer.sees("30 100").await;
    other.until(|other, _| other.driver && other.size == size(100, 30)).await;
    assert!(!viewer.driver, "two drive");
    assert_eq!(machine.agents.find(id).unwrap().size, size(100, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_watch_changes_nothing() {
    let machine = Machine::new();
    let id = machine.sh(ANSWERS).await;
    let hub = machine.hub(id);
    let mut driver = Viewer::from_start(&hub).await;
    driver.sees("ready").await;
    let read_only = As { mode: ViewerMode::ReadOnly, ..As::default() };
    for how in [read_only, As { may_drive: false, ..As::default() }] {
        let mut watcher = Viewer::attach(&hub, how).await;
        watcher.types("no\r").await;
        watcher.say(ViewerMessage::Resize(size(11, 11))).await;
        watcher.say(ViewerMessage::Take).await;
        // Whatever is read in order before the end was done by then.
        watcher.leaves().await.unwrap();
    }
    driver.types("yes\r").await;
    assert!(!driver.sees("got <yes>").await.contains("no"));
    assert_eq!(machine.agents.find(id).unwrap().size, size(100, 30));
    assert!(driver.driver);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_the_program_ended_is_told_after_all_its_output() {
    let machine = Machine::new();
    for (script, status) in [
        ("exit 7", ExitStatus::Code(7)),
        ("kill -9 $$", ExitStatus::Signal(9)),
        ("exit 0", ExitStatus::Code(0)),
    ] {
        for count in [1, 5000, 20_000] {
            let id = machine.sh(&format!("stty -opost; seq 1 {count}; {script}")).await;
            let mut viewer = Viewer::from_start(&machine.hub(id)).await;
            assert_eq!(viewer.exit().await, Some(status));
            assert_eq!(viewer.seen.len(), numbered(1, count).len(), "the last words are missing");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_arrive_byte_for_byte_whoever_comes_when() {
    const LINES: u32 = 6_500_000;
    let machine = Machine::new();
    let id = machine.sh(&format!("stty -opost; seq 1 {LINES}; read line")).await;
    let hub = machine.hub(id);
    let all = numbered(1, LINES);
    assert!(all.len() > 49_000_000);
    let whole = all.len() as u64;
    let mut early = Viewer::from_start(&hub).await;
    early.until(|viewer, _| viewer.at() >= whole).await;
    assert!(early.seen == all, "other bytes than were written; skipped: {:?}", early.skipped);
    let mut late = Viewer::from_start(&hub).await;
    late.until(|viewer, _| viewer.at() >= whole).await;
    assert!(late.seen == all, "other bytes than were written");
    early.types("\r").await;
    late.exit().await.unwrap();
    let (written, gaps) = machine.written(id).await;
    assert!(gaps.is_empty() && written.starts_with(&all));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_stands_still_slows_nobody_and_is_told_what_it_has_missed() {
    const LINES: u32 = 1_500_000;
    let machine = Machine::new();
    let script = format!("read line; seq 1 {LINES}; read line; echo end");
    let hub = machine.hub(machine.sh(&script).await);
    let all = String::from_utf8(numbered(1, LINES)).unwrap().replace('\n', "\r\n").into_bytes();
    let mut mute = Viewer::from_start(&hub).await;
    mute.acknowledges = false;
    let mut others = Vec::new();
    for _ in 0..7 {
        let mut other = Viewer::from_start(&hub).await;
        let whole = all.len();
        others.push(tokio::spawn(async move {
            other.until(|other, _| other.seen.len() >= whole).await;
            other
        }));
    }
    mute.types("\r").await;
    // It goes on reading, without a word.
    let others = futures_util::future::join_all(others);
    let others = tokio::select! {
        () = mute.until(|_, _| false) => panic!("it was sent away"),
        others = others => others,
    };
    let mut others: Vec<Viewer> = others.into_iter().map(Result::unwrap).collect();
    for other in &others {
        assert!(other.seen.ends_with(&all), "other bytes than were written");
    }
    while mute.at() < 256 * 1024 {
        mute.next().await.expect("it was sent away");
    }
    assert!(mute.at() <= (256 + 64) * 1024, "{} bytes without a word", mute.at());
    // Much later it speaks up.
    tokio::time::sleep(Duration::from_millis(600)).await;
    mute.acknowledges = true;
    let stood = mute.at();
    mute.say(ViewerMessage::Ack(Offset(stood))).await;
    let mut screen = Vec::new();
    mute.until(|_, told| match told {
        Told::Snapshot { last, bytes, .. } => {
            screen.extend_from_slice(bytes);
            *last
        }
        Told::Skipped { from, .. } => {
            assert_eq!(*from, stood, "left out without a word");
            false
        }
        Told::Attached { .. }
        | Told::Output { .. }
        | Told::Size { .. }
        | Told::InputAck(_)
        | Told::Exited(_) => {
            panic!("it is sent what it can't take: {told:?}")
        }
    })
    .await;
    let [(_, to)] = mute.skipped[..] else { panic!("{:?}", mute.skipped) };
    assert!(to > 9_000_000, "{to}");
    let last = format!("{LINES}");
    assert!(screen.windows(last.len()).any(|part| part == last.as_bytes()), "not the screen now");
    mute.types("\r").await;
    mute.sees("end").await;
    for other in &mut others {
        other.exit().await;
        assert!(other.skipped.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_connection_no_byte_is_doubled_and_no_key_typed_twice() {
    let machine = Machine::new();
    let hub = machine.hub(machine.sh(RAW_CAT).await);
    let mut viewer = Viewer::from_start(&hub).await;
    viewer.sees("ready").await;
    let mut all = String::new();
    let mut sent = Vec::new();
    for round in 1..=20 {
        for key in 0..3 {
            let text = format!("[{round}.{key}]");
            viewer.types(&text).await;
            sent.push(text);
        }
        // Lost with or without the acknowledgement having come.
        if round % 2 == 0 {
            viewer.is_acknowledged(sent.len() as u64).await;
        }
        all.push_str(&String::from_utf8_lossy(&viewer.seen));
        let (id, position) = (viewer.id, viewer.position());
        viewer.breaks_off().await;
        viewer = Viewer::attach(&hub, As { id, position: Some(position), ..As::default() }).await;
        assert_eq!(viewer.begins, position.offset.0, "the output does not go on where it was");
        // More is sent again than need be.
        let from = viewer.applied.saturating_sub(2);
        for (seq, text) in (1..).zip(&sent).filter(|(seq, _)| *seq > from) {
            viewer.say(ViewerMessage::Input { seq, bytes: text.as_bytes() }).await;
        }
        viewer.types_from(sent.len() as u64 + 1);
    }
    viewer.types("[end]").await;
    let rest = viewer.sees("[end]").await;
    let expected = sent.concat() + "[end]";
    assert_eq!(all + &rest, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_reads_nothing_holds_up_who_types_and_nobody_else() {
    let machine = Machine::new();
    let script = "stty raw -echo; while :; do echo tick; read -t 0.02 x < /dev/null; done";
    let hub = machine.hub(machine.sh(script).await);
    let mut typist = Viewer::from_start(&hub).await;
    let mut other = Viewer::from_start(&hub).await;
    typist.sees("tick").await;
    let paste = "x".repeat(60_000);
    let typed = async {
        for _ in 0..100 {
            typist.types(&paste).await;
        }
    };
    let watched = async {
        let start = other.at();
        other.until(|other, _| other.at() > start + 200_000).await;
    };
    tokio::select! {
        () = typed => panic!("6 MB were taken for a program that reads nothing"),
        () = watched => {}
    }
    // Its own output has not stopped either, though nobody hears its acknowledgements.
    typist.acknowledges = false;
    typist.sees("tick").await;
    other.leaves().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_the_rules_is_sent_away_and_nobody_else_is_hurt() {
    let machine = Machine::new();
    let hub = machine.hub(machine.sh(ANSWERS).await);
    let mut good = Viewer::from_start(&hub).await;
    good.sees("ready").await;
    let attach = b"\x010123456789abcdef\x00\x00\x50\x00\x18\x00";
    let long = [&[0xff][..], &[0; 70_000]].concat();
    let bad: [&[&[u8]]; 10] = [
        &[b""],
        &[b"\x05"],
        &[b"\x02\0\0\0\0\0\0\0\x01rm\r"],
        &[b"\x13\0\0\0\0\0\0\0\0x"],
        &[b"\xff\xfe\xfd"],
        &[&attach[..10]],
        &[attach, attach],
        &[attach, b"\x02\0\0\0\0\0\0\0\0rm\r"],
        &[attach, b"\x42binary garbage"],
        &[attach, &long],
    ];
    for messages in bad {
        let wire = Wire::new(&hub, true);
        for message in messages {
            wire.to_node.send(Bytes::copy_from_slice(message)).await.unwrap();
        }
        let end = wire.end().await;
        assert!(
            matches!(end, Err(TerminalError::Rule(_) | TerminalError::Wire(_))),
            "{messages:?} ended in {end:?}"
        );
    }
    good.types("still here\r").await;
    assert!(!good.sees("got <still here>").await.contains("rm"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_numbers_are_only_numbers() {
    let machine = Machine::new();
    let hub = machine.hub(machine.sh("stty -opost; read line; seq 1 100000").await);
    let epoch = hub.host().log().epoch();
    let mut viewers = Vec::new();
    for (epoch, offset) in
        [(epoch, u64::MAX), (epoch, 1 << 40), (Epoch(!epoch.0), 0), (Epoch(0), u64::MAX)]
    {
        let position = Some(Position { epoch, offset: Offset(offset) });
        let viewer = Viewer::attach(&hub, As { position, ..As::default() }).await;
        assert_eq!((viewer.begins, viewer.epoch), (0, hub.host().log().epoch()));
        viewer.say(ViewerMessage::Ack(Offset(u64::MAX))).await;
        viewer.say(ViewerMessage::Ack(Offset(0))).await;
        viewers.push(viewer);
    }
    viewers[0].say(ViewerMessage::Input { seq: u64::MAX, bytes: b"\r" }).await;
    for viewer in &mut viewers {
        assert_eq!(viewer.exit().await, Some(ExitStatus::Code(0)));
        // Less than a viewer may lag, however long the ones before it took.
        assert!(viewer.seen.ends_with(&numbered(1, 100_000)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_let_in_up_to_its_limit() {
    let machine = Machine::new();
    let hub = machine.hub(machine.sh(ANSWERS).await);
    let mut viewers = Vec::new();
    for _ in 0..MAX_VIEWERS {
        viewers.push(Viewer::from_start(&hub).await);
    }
    let attach = b"\x010123456789abcdef\x00\x00\x50\x00\x18\x00";
    let wire = Wire::new(&hub, true);
    wire.to_node.send(Bytes::from_static(attach)).await.unwrap();
    assert!(matches!(wire.end().await, Err(TerminalError::Full)));
    viewers.pop().unwrap().breaks_off().await;
    viewers.push(Viewer::from_start(&hub).await);
    viewers[0].sees("ready").await;
    viewers[0].types("all\r").await;
    for viewer in &mut viewers {
        viewer.sees("got <all>").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_hears_of_every_change_of_driver() {
    let machine = Machine::new();
    let hub = machine.hub(machine.sh(ANSWERS).await);
    let mut one = Viewer::attach(&hub, As { size: size(81, 24), ..As::default() }).await;
    let mut two = Viewer::attach(&hub, As { size: size(82, 24), ..As::default() }).await;
    let mut three = Viewer::attach(&hub, As { may_drive: false, ..As::default() }).await;
    for round in 0..300u16 {
        let (taker, loser) =
            if round % 2 == 0 { (&mut one, &mut two) } else { (&mut two, &mut one) };
        taker.say(ViewerMessage::Take).await;
        let now = size(100 + round, 24);
        taker.say(ViewerMessage::Resize(now)).await;
        taker.until(|viewer, _| viewer.driver && viewer.size == now).await;
        loser.until(|viewer, _| !viewer.driver && viewer.size == now).await;
        three.until(|viewer, _| !viewer.driver && viewer.size == now).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_keeps_no_longer_is_named_and_the_output_goes_on() {
    let limits = Limits { memory: 256 << 10, file: 0 };
    let machine = Machine::with(Settings { limits, ..Settings::default() });
    let script = "stty -opost -echo; read x; seq 1 1000000; echo half; read x; echo done; read x";
    let hub = machine.hub(machine.sh(script).await);
    let mut slow = Viewer::from_start(&hub).await;
    slow.acknowledges = false;
    let mut quick = Viewer::from_start(&hub).await;
    quick.types("\r").await;
    quick.until(|quick, _| quick.seen.ends_with(b"half\n") || quick.at() > 6_888_000).await;
    slow.until(|slow, _| slow.at() >= 256 << 10).await;
    slow.say(ViewerMessage::Ack(Offset(slow.at()))).await;
    // It may have missed something before, if it was very slow.
    slow.until(|slow, told| {
        matches!(told, Told::Snapshot { last: true, .. })
            && slow.skipped.last().is_some_and(|(from, to)| from < to && *to > 6_000_000)
    })
    .await;
    // It has nothing new to acknowledge, and still hears what comes.
    quick.types("\r").await;
    slow.sees("done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_on_a_stream_of_a_session_is_served_alike() {
    use futures_util::StreamExt as _;
    let machine = Machine::new();
    let hub = machine.hub(machine.sh("stty -opost -echo; read x; seq 1 300000").await);
    let mut sent = Vec::new();
    let epoch = hub.host().log().epoch();
    let position = Some(Position { epoch, offset: Offset(0) });
    let As { id: viewer, mode, size, .. } = As::default();
    let attach = gantline_protocol::terminal::Attach { viewer, mode, size, position };
    ViewerMessage::Attach(attach).encode_framed(&mut sent).unwrap();
    ViewerMessage::Input { seq: 1, bytes: b"\r" }.encode_framed(&mut sent).unwrap();
    ViewerMessage::Ack(Offset(u64::MAX)).encode_framed(&mut sent).unwrap();
    // Cut anywhere.
    let pieces: Vec<_> =
        sent.chunks(7).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let request = futures_util::stream::iter(pieces).chain(futures_util::stream::pending());
    let body = over_body(axum::body::Body::from_stream(request), {
        let hub = hub.clone();
        move |sender, receiver| async move {
            serve(&hub, sender, receiver, true).await.unwrap();
        }
    });
    let mut frames = body.into_data_stream();
    let mut deframer = Deframer::new();
    let (mut seen, mut exit) = (Vec::new(), None);
    while let Some(frame) = frames.next().await {
        let frame = frame.unwrap();
        let mut rest = &*frame;
        while let Some(message) = deframer.next(&mut rest).unwrap() {
            match NodeMessage::decode(message).unwrap() {
                NodeMessage::Output { bytes, .. } => seen.extend_from_slice(bytes),
                NodeMessage::Exited(status) => exit = status,
                NodeMessage::Attached { .. }
                | NodeMessage::Snapshot(_)
                | NodeMessage::Skipped { .. }
                | NodeMessage::Size { .. }
                | NodeMessage::InputAck { .. }
                | NodeMessage::Ignored(_) => {}
            }
        }
    }
    assert_eq!(exit, Some(ExitStatus::Code(0)));
    assert!(seen.ends_with(&numbered(1, 300_000)));
}
