use super::*;

const EPOCH: Epoch = Epoch(7);

fn viewer() -> Viewer {
    let id = ViewerId::from_bytes([1; 16]);
    Viewer::new(id, ViewerMode::Drive, TerminalSize::STANDARD, Some(HOLD))
}

fn at(offset: u64) -> Position {
    Position { epoch: EPOCH, offset: Offset(offset) }
}

fn attached(position: Position, applied: u64) -> NodeMessage<'static> {
    NodeMessage::Attached { position, driver: true, size: TerminalSize::STANDARD, applied }
}

fn screen(position: Position, last: bool, bytes: &[u8]) -> NodeMessage<'_> {
    NodeMessage::Snapshot(Snapshot { position, size: TerminalSize::STANDARD, last, bytes })
}

fn input(seq: u64, bytes: &'static [u8]) -> Act {
    Act::Input { seq, bytes: Bytes::from_static(bytes) }
}

/// A viewer that has seen 10 bytes.
fn watching(now: Instant) -> Viewer {
    let mut viewer = viewer();
    assert_eq!(viewer.attach().position, None);
    assert_eq!(viewer.hear(attached(at(4), 0), now), []);
    assert_eq!(viewer.hear(screen(at(4), false, b"$"), now), []);
    let drawn = Act::Redraw { bytes: b"$ ".to_vec(), upto: Offset(4) };
    assert_eq!(viewer.hear(screen(at(4), true, b" "), now), [drawn]);
    let output = NodeMessage::Output { offset: Offset(4), bytes: b"output" };
    let shown = Act::Show { bytes: b"output".to_vec(), upto: Offset(10) };
    assert_eq!(viewer.hear(output, now), [shown]);
    viewer
}

#[test]
fn after_a_break_the_output_goes_on_at_the_very_byte() {
    let now = Instant::now();
    let mut viewer = watching(now);
    viewer.lose(now);
    assert_eq!(viewer.attach().position, Some(at(10)));
    assert_eq!(viewer.hear(attached(at(10), 0), now), []);
    let output = NodeMessage::Output { offset: Offset(10), bytes: b"!" };
    let shown = Act::Show { bytes: b"!".to_vec(), upto: Offset(11) };
    assert_eq!(viewer.hear(output, now), [shown]);
}

#[test]
fn a_byte_is_never_shown_twice_nor_left_out_in_silence() {
    let now = Instant::now();
    for offset in [9, 11] {
        let output = NodeMessage::Output { offset: Offset(offset), bytes: b"x" };
        assert!(matches!(watching(now).hear(output, now)[..], [Act::Fault(_)]));
    }
    let skipped = NodeMessage::Skipped { from: Offset(10), to: Offset(20) };
    let acts = watching(now).hear(skipped, now);
    assert!(matches!(&acts[..], [Act::Notice(text)] if text.starts_with("10 bytes")), "{acts:?}");
}

#[test]
fn a_key_that_arrived_before_the_break_is_not_typed_again() {
    let now = Instant::now();
    let mut viewer = watching(now);
    assert_eq!(viewer.type_in(b"a", now), [input(1, b"a")]);
    assert_eq!(viewer.type_in(b"b", now), [input(2, b"b")]);
    assert!(!viewer.is_through());
    viewer.lose(now);
    assert_eq!(viewer.type_in(b"c", now), []);
    let acts = viewer.hear(attached(at(10), 1), now);
    assert_eq!(acts, [input(2, b"b"), input(3, b"c")]);
    viewer.hear(NodeMessage::InputAck { seq: 3 }, now);
    assert!(viewer.is_through());
}

#[test]
fn keys_are_never_sent_long_after_they_were_typed() {
    let start = Instant::now();
    let mut viewer = watching(start);
    viewer.type_in(b"sent", start);
    viewer.lose(start);
    viewer.type_in(b"held", start + Duration::from_secs(1));
    let late = start + Duration::from_secs(6);
    assert_eq!(viewer.tick(late), [Act::Away]);
    viewer.type_in(b"fresh", late);
    let acts = viewer.hear(attached(at(10), 0), late + Duration::from_secs(1));
    let inputs: Vec<_> =
        acts.iter().filter(|act| matches!(act, Act::Input { .. })).cloned().collect();
    assert_eq!(inputs, [input(3, b"fresh")]);
    let told = |act: &Act| matches!(act, Act::Notice(text) if text.starts_with("8 bytes"));
    assert!(acts.iter().any(told), "{acts:?}");
}

#[test]
fn a_key_that_was_applied_long_ago_is_not_called_lost() {
    let start = Instant::now();
    let mut viewer = watching(start);
    viewer.type_in(b"sent", start);
    viewer.lose(start);
    let acts = viewer.hear(attached(at(10), 1), start + Duration::from_secs(60));
    assert_eq!(acts, []);
}

#[test]
fn what_a_program_pipes_in_waits_as_long_as_it_must() {
    let start = Instant::now();
    let mut viewer = watching(start);
    viewer.hold = None;
    viewer.lose(start);
    viewer.type_in(b"piped", start);
    let late = start + Duration::from_secs(3600);
    viewer.tick(late);
    let acts = viewer.hear(attached(at(10), 0), late);
    assert!(acts.contains(&input(1, b"piped")), "{acts:?}");
}

#[test]
fn keys_for_a_process_that_ended_are_not_typed_into_the_next_one() {
    let now = Instant::now();
    let mut viewer = watching(now);
    viewer.type_in(b"rm -rf build\r", now);
    viewer.lose(now);
    let next = Position { epoch: Epoch(8), offset: Offset(0) };
    let acts = viewer.hear(attached(next, 0), now);
    assert!(matches!(acts[..], [Act::Anew, Act::Notice(_)]), "{acts:?}");
    assert!(viewer.is_through());
}

#[test]
fn a_short_break_shows_nothing_and_a_long_one_is_said_once() {
    let start = Instant::now();
    let mut viewer = watching(start);
    assert_eq!(viewer.due(), None);
    viewer.lose(start);
    assert_eq!(viewer.due(), Some(start + UNSAID));
    assert_eq!(viewer.tick(start + Duration::from_millis(1999)), []);
    // A second failure is still the same break.
    viewer.lose(start + Duration::from_secs(1));
    assert_eq!(viewer.tick(start + UNSAID), [Act::Away]);
    assert_eq!(viewer.tick(start + UNSAID), []);
    assert_eq!(viewer.due(), None);
    let acts = viewer.hear(attached(at(10), 0), start + UNSAID);
    assert_eq!(acts.first(), Some(&Act::Back));
}

#[test]
fn output_is_acknowledged_once_it_is_shown() {
    let now = Instant::now();
    let mut viewer = watching(now);
    assert_eq!(viewer.shown(Offset(10)), []);
    let upto = Offset(4 + ACK_STEP);
    assert_eq!(viewer.shown(upto), [Act::Say(ViewerMessage::Ack(upto))]);
    assert_eq!(viewer.shown(upto), []);
}

#[test]
fn a_screen_that_was_cut_off_is_not_mixed_with_the_next() {
    let now = Instant::now();
    let mut viewer = viewer();
    viewer.hear(attached(at(4), 0), now);
    viewer.hear(screen(at(4), false, b"half"), now);
    viewer.lose(now);
    viewer.hear(attached(at(4), 0), now);
    let drawn = Act::Redraw { bytes: b"whole".to_vec(), upto: Offset(4) };
    assert_eq!(viewer.hear(screen(at(4), true, b"whole"), now), [drawn]);
}

#[test]
fn whoever_only_watches_types_nothing() {
    let mut viewer = watching(Instant::now());
    viewer.mode = ViewerMode::ReadOnly;
    assert_eq!(viewer.type_in(b"x", Instant::now()), []);
}

#[test]
fn input_that_nobody_takes_is_bounded() {
    let now = Instant::now();
    let mut viewer = watching(now);
    for _ in 0..10 {
        viewer.type_in(&[b'x'; MAX_PAYLOAD], now);
    }
    assert!(!viewer.has_room());
    assert!(viewer.held <= MAX_HELD + MAX_PAYLOAD);
}
