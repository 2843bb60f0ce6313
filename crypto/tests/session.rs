//! What two honest ends of a session can rely on.

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use gantline_crypto::session::{
    KEY_AGE, MAX_GROWN, MAX_STREAM_WINDOW, OpenError, RECORDS_PER_KEY, SESSION_AGE,
    SESSION_FAREWELL, SessionError, StreamError,
};
use gantline_protocol::{
    StreamId,
    session::{
        CloseCode, GoAwayCode, MAX_STREAMS, ResetCode, SESSION_WINDOW, STREAM_WINDOW,
        record::{HEADER, MAX_RECORD, TAG, is_padded},
    },
};
use support::{Heard, Pair, get, ok, stream};

#[test]
fn a_request_and_its_answer_arrive_whole_and_in_order() {
    let mut pair = Pair::new();
    let asked = pair.device.session.open(get("/v1/agents")).unwrap();
    pair.device.session.write(asked, Bytes::from_static(b"question")).unwrap();
    pair.device.session.finish(asked).unwrap();
    pair.settle();
    assert_eq!(
        pair.node.drain(),
        [
            Heard::Hello,
            Heard::Opened(asked, "/v1/agents".into()),
            Heard::Data(asked, b"question".to_vec()),
            Heard::Finished(asked),
        ]
    );
    pair.node.session.answer(asked, ok()).unwrap();
    pair.node.session.write(asked, Bytes::from_static(b"answer")).unwrap();
    pair.node.session.finish(asked).unwrap();
    pair.settle();
    assert_eq!(
        pair.device.drain(),
        [
            Heard::Hello,
            Heard::Answered(asked, 200),
            Heard::Data(asked, b"answer".to_vec()),
            Heard::Finished(asked),
        ]
    );
    let gone = pair.device.session.write(asked, Bytes::from_static(b"more"));
    assert_eq!(gone, Err(StreamError::Unknown(asked)));
}

#[test]
fn the_first_request_rides_with_the_hello_so_that_connecting_costs_one_round_trip() {
    let mut pair = Pair::new();
    let asked = pair.device.session.open(get("/")).unwrap();
    pair.device.session.transmit(pair.now, &mut pair.node.inbox, usize::MAX).unwrap();
    let length = u16::from_be_bytes(pair.node.inbox[..2].try_into().unwrap());
    assert_eq!(usize::from(length) + HEADER, pair.node.inbox.len(), "more than one record");
    pair.node.read_all(pair.now).unwrap();
    assert_eq!(pair.node.drain(), [Heard::Hello, Heard::Opened(asked, "/".into())]);
}

#[test]
fn a_node_says_nothing_before_the_device_has_proved_itself() {
    let mut pair = Pair::new();
    pair.node.session.go_away(GoAwayCode::Shutdown);
    pair.node.session.ping(pair.now);
    let mut said = Vec::new();
    assert!(!pair.node.session.transmit(pair.now, &mut said, usize::MAX).unwrap());
    assert!(said.is_empty());
    pair.settle();
    assert!(pair.device.heard.contains(&Heard::Hello), "and speaks afterwards");
}

#[test]
fn a_revoked_device_is_told_so_inside_the_session() {
    let mut pair = Pair::new();
    pair.node.session.close(CloseCode::Revoked, "removed by ada");
    pair.node.session.transmit(pair.now, &mut pair.device.inbox, usize::MAX).unwrap();
    assert!(pair.device.inbox.is_empty() && !pair.node.session.is_over(), "not before S3");
    pair.device.session.open(get("/secret")).unwrap();
    pair.device.session.transmit(pair.now, &mut pair.node.inbox, usize::MAX).unwrap();
    assert_eq!(pair.node.read_all(pair.now), Err(SessionError::Closed(CloseCode::Revoked)));
    assert_eq!(pair.node.drain(), [], "and nothing is acted upon");
    pair.node.session.transmit(pair.now, &mut pair.device.inbox, usize::MAX).unwrap();
    assert!(pair.node.session.is_over());
    pair.device.read_all(pair.now).unwrap();
    let farewell = Heard::Closed(CloseCode::Revoked, "removed by ada".into());
    assert_eq!(pair.device.drain(), [Heard::Hello, farewell]);
    assert_eq!(pair.device.session.end_of_input(), Ok(()));
    assert_eq!(pair.device.session.open(get("/")), Err(OpenError::Closed));
}

#[test]
fn a_farewell_to_a_device_that_never_came_waits_for_nobody() {
    let mut pair = Pair::new();
    pair.node.session.close(CloseCode::Revoked, "");
    assert!(!pair.node.session.is_over());
    assert_eq!(pair.node.session.end_of_input(), Ok(()));
    assert!(pair.node.session.is_over());
}

#[test]
fn a_long_farewell_is_cut_between_characters() {
    let mut pair = Pair::new();
    pair.settle();
    pair.device.drain();
    pair.node.session.close(CloseCode::Internal, &"ü".repeat(200));
    pair.node.session.transmit(pair.now, &mut pair.device.inbox, usize::MAX).unwrap();
    pair.device.read_all(pair.now).unwrap();
    assert_eq!(pair.device.drain(), [Heard::Closed(CloseCode::Internal, "ü".repeat(128))]);
}

#[test]
fn a_connection_that_is_cut_off_is_never_taken_for_the_end() {
    let (mut pair, asked) = Pair::with_stream();
    pair.node.session.write(asked, Bytes::from_static(b"half of it")).unwrap();
    pair.settle();
    assert_eq!(pair.device.session.end_of_input(), Err(SessionError::Truncated));
    assert!(!pair.device.heard.contains(&Heard::Finished(asked)));
    assert!(pair.device.session.is_over());
}

#[test]
fn after_a_close_nothing_is_read() {
    let mut pair = Pair::new();
    pair.settle();
    pair.device.session.close(CloseCode::Done, "");
    pair.device.session.transmit(pair.now, &mut pair.node.inbox, usize::MAX).unwrap();
    pair.node.inbox.extend([0, 128]);
    let closed = SessionError::Closed(CloseCode::Done);
    assert_eq!(pair.node.read_all(pair.now), Err(closed.clone()));
    assert_eq!(pair.node.read_all(pair.now), Err(closed));
}

#[test]
fn a_reset_frees_the_stream_at_both_ends_and_throws_late_bytes_away() {
    let (mut pair, asked) = Pair::with_stream();
    let late = Bytes::from(vec![7; 100_000]);
    pair.node.session.write(asked, late).unwrap();
    pair.device.session.reset(asked, ResetCode::Cancelled);
    // The node has sealed its bytes before it hears of the reset.
    pair.node.session.transmit(pair.now, &mut pair.device.inbox, usize::MAX).unwrap();
    pair.settle();
    assert_eq!(pair.device.drain(), []);
    assert_eq!(pair.node.drain(), [Heard::Reset(asked, ResetCode::Cancelled)]);
    for _ in 0..3 * MAX_STREAMS {
        let next = pair.device.session.open(get("/")).unwrap();
        pair.device.session.reset(next, ResetCode::Cancelled);
        pair.settle();
    }
}

#[test]
fn bytes_that_a_reset_throws_away_do_not_use_up_the_session() {
    let mut pair = Pair::new();
    for _ in 0..(3 * SESSION_WINDOW / STREAM_WINDOW) {
        let asked = pair.device.session.open(get("/")).unwrap();
        pair.settle();
        pair.node.session.answer(asked, ok()).unwrap();
        pair.node.session.write(asked, Bytes::from(vec![1; STREAM_WINDOW as usize])).unwrap();
        pair.device.session.reset(asked, ResetCode::Cancelled);
        pair.node.session.transmit(pair.now, &mut pair.device.inbox, usize::MAX).unwrap();
        pair.settle();
    }
}

#[test]
fn bytes_that_a_reset_keeps_from_being_sent_do_not_use_up_the_session() {
    let mut pair = Pair::new();
    for _ in 0..(3 * SESSION_WINDOW / STREAM_WINDOW) {
        let asked = pair.device.session.open(get("/")).unwrap();
        pair.settle();
        pair.node.session.answer(asked, ok()).unwrap();
        let length = pair.node.session.writable(asked);
        assert_eq!(length, STREAM_WINDOW);
        pair.node.session.write(asked, Bytes::from(vec![1; length as usize])).unwrap();
        pair.node.session.reset(asked, ResetCode::Cancelled);
        pair.settle();
    }
}

#[test]
fn a_reader_that_stops_reading_stops_the_writer_at_its_window() {
    let (mut pair, asked) = Pair::with_stream();
    let window = pair.node.session.writable(asked);
    assert_eq!(window, STREAM_WINDOW);
    pair.node.session.write(asked, Bytes::from(vec![1; window as usize])).unwrap();
    let more = pair.node.session.write(asked, Bytes::from_static(b"x"));
    assert_eq!(more, Err(StreamError::Blocked { writable: 0 }));
    pair.settle();
    assert_eq!(pair.node.session.writable(asked), 0, "sent is not read");
    pair.device.session.consumed(asked, window as usize);
    pair.settle();
    assert_eq!(pair.node.session.writable(asked), STREAM_WINDOW);
    assert!(pair.node.heard.contains(&Heard::Writable(Some(asked))));
}

#[test]
fn many_streams_together_are_held_to_the_window_of_the_session() {
    let mut pair = Pair::new();
    let streams: Vec<_> = (0..20).map(|_| pair.device.session.open(get("/")).unwrap()).collect();
    pair.settle();
    let mut written = 0;
    for asked in &streams {
        pair.node.session.answer(*asked, ok()).unwrap();
        let length = pair.node.session.writable(*asked);
        pair.node.session.write(*asked, Bytes::from(vec![1; length as usize])).unwrap();
        written += length;
    }
    assert_eq!(written, SESSION_WINDOW);
    pair.settle();
    assert_eq!(pair.node.session.writable(streams[19]), 0);
    pair.device.session.consumed(streams[0], STREAM_WINDOW as usize);
    pair.device.session.consumed(streams[1], SESSION_WINDOW as usize);
    pair.settle();
    assert!(pair.node.heard.contains(&Heard::Writable(None)));
    assert!(pair.node.session.writable(streams[19]) > 0);
}

#[test]
fn readers_that_stand_still_do_not_stop_the_others() {
    let mut pair = Pair::new();
    let streams: Vec<_> = (0..12).map(|_| pair.device.session.open(get("/")).unwrap()).collect();
    pair.settle();
    for asked in &streams {
        pair.node.session.answer(*asked, ok()).unwrap();
    }
    // Nobody reads the first eleven; the last is read at once, and goes on for ever.
    for asked in &streams[..11] {
        pair.node.session.write(*asked, Bytes::from(vec![1; STREAM_WINDOW as usize])).unwrap();
    }
    let mut read = 0;
    for _ in 0..1000 {
        let length = pair.node.session.writable(streams[11]).min(10_000) as usize;
        pair.node.session.write(streams[11], Bytes::from(vec![2; length])).unwrap();
        pair.settle();
        pair.device.session.consumed(streams[11], length);
        read += length;
    }
    assert_eq!(read, 10_000_000);
}

#[test]
fn a_reader_of_whole_messages_is_not_left_waiting_for_the_rest_of_one() {
    // 100,000 bytes are dealt with, then a message of 200,000 begins: less than half the window
    // can be given back, but the writer has nothing left.
    let (mut pair, asked) = Pair::with_stream();
    pair.node.session.write(asked, Bytes::from(vec![1; 100_000])).unwrap();
    pair.settle();
    pair.device.session.consumed(asked, 100_000);
    pair.settle();
    let rest = pair.node.session.writable(asked);
    pair.node.session.write(asked, Bytes::from(vec![2; rest as usize])).unwrap();
    pair.settle();
    assert_eq!(pair.node.session.writable(asked), 100_000);
    // So is one that makes room by widening its window.
    pair.node.session.write(asked, Bytes::from(vec![2; 100_000])).unwrap();
    pair.settle();
    pair.device.session.widen(2 * STREAM_WINDOW, 2 * SESSION_WINDOW);
    pair.settle();
    assert_eq!(pair.node.session.writable(asked), STREAM_WINDOW);
}

#[test]
fn many_small_pieces_take_no_more_memory_than_their_bytes() {
    let (mut pair, asked) = Pair::with_stream();
    let info = allocation_counter::measure(|| {
        let large = Bytes::from(vec![1; 60_000]);
        for piece in 0..60_000 {
            pair.node.session.write(asked, large.slice(piece..=piece)).unwrap();
        }
    });
    assert!(info.bytes_current < 3 * 60_000, "{info:?}");
    pair.settle();
    assert_eq!(pair.device.drain().len(), 60_000_usize.div_ceil(16_377));
}

#[test]
fn a_pipe_that_takes_nothing_does_not_make_the_owner_spin() {
    let (mut pair, _) = Pair::with_stream();
    let due = pair.node.session.deadline().unwrap();
    pair.node.session.on_deadline(due);
    assert!(pair.node.session.deadline().unwrap() > due, "it is noted, and not due again");
    let mut wire = Vec::new();
    pair.node.session.transmit(due, &mut wire, usize::MAX).unwrap();
    assert_eq!(wire.len(), HEADER + 128 + TAG, "and done at the next chance");
}

#[test]
fn a_wider_window_lets_the_peer_send_further_ahead() {
    let (mut pair, asked) = Pair::with_stream();
    pair.device.session.widen(2 * STREAM_WINDOW, 2 * SESSION_WINDOW);
    pair.node.session.write(asked, Bytes::from(vec![1; STREAM_WINDOW as usize])).unwrap();
    pair.settle();
    pair.now += Duration::from_secs(1);
    pair.device.session.consumed(asked, STREAM_WINDOW as usize);
    pair.settle();
    assert_eq!(pair.node.session.writable(asked), 2 * STREAM_WINDOW);
}

/// The node sends all it may on `stream` and the device takes it in, `pause` after that, many times.
fn read_along(pair: &mut Pair, stream: StreamId, pause: Duration) {
    for _ in 0..8 {
        let length = pair.node.session.writable(stream) as usize;
        pair.node.session.write(stream, Bytes::from(vec![1; length])).unwrap();
        pair.settle();
        pair.device.drain();
        pair.now += pause;
        pair.device.session.consumed(stream, length);
        pair.settle();
    }
}

#[test]
fn a_reader_that_keeps_up_on_a_long_way_is_sent_further_ahead() {
    let (mut pair, asked) = Pair::with_stream();
    read_along(&mut pair, asked, Duration::from_millis(140));
    assert_eq!(pair.node.session.writable(asked), STREAM_WINDOW, "this one is slow");
    read_along(&mut pair, asked, Duration::from_millis(70));
    assert_eq!(pair.node.session.writable(asked), MAX_STREAM_WINDOW);
}

#[test]
fn fast_streams_that_stand_still_leave_the_others_their_room() {
    let mut pair = Pair::new();
    let streams: Vec<_> = (0..16).map(|_| pair.device.session.open(get("/")).unwrap()).collect();
    pair.settle();
    for asked in &streams {
        pair.node.session.answer(*asked, ok()).unwrap();
    }
    for fast in &streams[..4] {
        read_along(&mut pair, *fast, Duration::from_millis(1));
    }
    // Nobody reads those four any more.
    let mut unread = 0;
    for stalled in &streams[..4] {
        let length = pair.node.session.writable(*stalled);
        pair.node.session.write(*stalled, Bytes::from(vec![1; length as usize])).unwrap();
        pair.settle();
        unread += length;
    }
    assert_eq!(
        unread,
        4 * STREAM_WINDOW + MAX_GROWN,
        "they grew until nothing was left to grow by"
    );
    for other in &streams[4..] {
        let window = vec![2; STREAM_WINDOW as usize];
        pair.node.session.write(*other, Bytes::from(window)).expect("there is room");
        pair.settle();
    }
}

#[test]
fn what_ended_streams_grew_by_is_there_for_the_next() {
    let mut pair = Pair::new();
    for _ in 0..5 {
        let asked = pair.device.session.open(get("/")).unwrap();
        pair.device.session.finish(asked).unwrap();
        pair.settle();
        pair.node.session.answer(asked, ok()).unwrap();
        read_along(&mut pair, asked, Duration::from_millis(1));
        assert_eq!(pair.node.session.writable(asked), MAX_STREAM_WINDOW);
        pair.node.session.finish(asked).unwrap();
        pair.settle();
    }
}

#[test]
fn a_flood_on_one_stream_does_not_keep_a_key_press_waiting() {
    let (mut pair, flood) = Pair::with_stream();
    let typed = pair.device.session.open(get("/")).unwrap();
    pair.settle();
    pair.node.session.answer(typed, ok()).unwrap();
    pair.settle();
    pair.device.drain();
    pair.node.session.write(flood, Bytes::from(vec![1; 200_000])).unwrap();
    let mut wire = Vec::new();
    pair.node.session.transmit(pair.now, &mut wire, 1).unwrap();
    pair.node.session.write(typed, Bytes::from_static(b"x")).unwrap();
    let two_more_records = wire.len() + 4200;
    pair.node.session.transmit(pair.now, &mut wire, two_more_records).unwrap();
    pair.device.inbox.extend(wire);
    pair.device.read_all(pair.now).unwrap();
    let heard = pair.device.drain();
    assert!(heard.contains(&Heard::Data(typed, b"x".to_vec())), "the key press had to wait");
    let Some(Heard::Data(_, alone)) = heard.first() else { panic!("no data") };
    assert_eq!(alone.len(), 16_377, "a stream that is alone fills the record");
}

#[test]
fn streams_that_are_ready_together_take_turns_of_4_kib() {
    let mut pair = Pair::new();
    let streams: Vec<_> = (0..4).map(|_| pair.device.session.open(get("/")).unwrap()).collect();
    pair.settle();
    for asked in &streams {
        pair.node.session.answer(*asked, ok()).unwrap();
    }
    pair.settle();
    pair.device.drain();
    for asked in &streams {
        pair.node.session.write(*asked, Bytes::from(vec![1; 20_000])).unwrap();
    }
    pair.settle();
    let turns: Vec<_> = pair
        .device
        .drain()
        .into_iter()
        .filter_map(|heard| match heard {
            Heard::Data(stream, bytes) => Some((stream, bytes.len())),
            _ => None,
        })
        .collect();
    assert!(turns.len() > 16, "{turns:?}");
    for (turn, (of, length)) in turns.iter().take(16).enumerate() {
        assert_eq!((*of, *length), (streams[turn % 4], 4089), "turn {turn}");
    }
}

#[test]
fn an_observer_sees_only_padded_lengths() {
    let (mut pair, asked) = Pair::with_stream();
    for length in [1, 100, 121, 122, 1000, 1017, 1018, 5000, 40_000] {
        pair.node.session.write(asked, Bytes::from(vec![1; length])).unwrap();
        let mut wire = Vec::new();
        pair.node.session.transmit(pair.now, &mut wire, usize::MAX).unwrap();
        let mut rest = wire.as_slice();
        while let Some((header, behind)) = rest.split_first_chunk::<HEADER>() {
            let ciphertext = usize::from(u16::from_be_bytes(*header));
            assert!(is_padded(ciphertext - TAG), "{ciphertext} for {length}");
            rest = &behind[ciphertext..];
        }
        pair.device.inbox.extend(wire);
        pair.settle();
        pair.device.session.consumed(asked, length);
    }
}

#[test]
fn a_buffer_with_a_limit_grows_by_one_record_at_most() {
    let (mut pair, asked) = Pair::with_stream();
    pair.node.session.write(asked, Bytes::from(vec![1; 200_000])).unwrap();
    let mut wire = Vec::new();
    assert!(pair.node.session.transmit(pair.now, &mut wire, 40_000).unwrap());
    assert!(wire.len() >= 40_000 && wire.len() < 40_000 + MAX_RECORD);
}

#[test]
fn a_key_is_changed_after_ten_minutes_and_the_session_goes_on() {
    let (mut pair, asked) = Pair::with_stream();
    for _ in 0..5 {
        let deadline = pair.node.session.deadline().unwrap();
        assert!(deadline <= pair.now + KEY_AGE);
        pair.now += KEY_AGE;
        pair.node.session.on_deadline(pair.now);
        let mut wire = Vec::new();
        pair.node.session.transmit(pair.now, &mut wire, usize::MAX).unwrap();
        assert_eq!(wire.len(), HEADER + 128 + TAG, "one record, for REKEY alone");
        pair.device.inbox.extend(wire);
        pair.node.session.write(asked, Bytes::from_static(b"still here")).unwrap();
        pair.settle();
        assert_eq!(pair.device.drain(), [Heard::Data(asked, b"still here".to_vec())]);
    }
    // A key that has sealed nothing need not be changed.
    pair.settle();
    pair.now += 3 * KEY_AGE;
    let mut wire = Vec::new();
    pair.node.session.on_deadline(pair.now);
    pair.node.session.transmit(pair.now, &mut wire, usize::MAX).unwrap();
    assert!(wire.len() <= HEADER + 128 + TAG);
    wire.clear();
    pair.now += KEY_AGE;
    pair.node.session.transmit(pair.now, &mut wire, usize::MAX).unwrap();
    assert!(wire.is_empty(), "an idle session keeps sending");
}

#[test]
fn a_key_is_changed_after_65536_records_and_the_session_goes_on() {
    let (mut pair, asked) = Pair::with_stream();
    let mut records = 0;
    while records < 2 * RECORDS_PER_KEY + 10 {
        pair.node.session.write(asked, Bytes::from_static(b"x")).unwrap();
        pair.node.session.transmit(pair.now, &mut pair.device.inbox, usize::MAX).unwrap();
        records += 1;
        if records % 1000 == 0 {
            pair.device.read_all(pair.now).unwrap();
            for heard in pair.device.drain() {
                let Heard::Data(_, bytes) = heard else { panic!("{heard:?}") };
                pair.device.session.consumed(asked, bytes.len());
            }
        }
    }
    pair.settle();
}

#[test]
fn a_session_ends_after_a_day_with_a_warning_before() {
    let mut pair = Pair::new();
    pair.settle();
    pair.now += SESSION_AGE - SESSION_FAREWELL;
    pair.node.session.on_deadline(pair.now);
    pair.settle();
    assert_eq!(pair.device.drain(), [Heard::Hello, Heard::GoingAway(GoAwayCode::Age, 0)]);
    assert_eq!(pair.device.session.open(get("/")), Err(OpenError::GoingAway));
    pair.now += SESSION_FAREWELL;
    pair.node.session.on_deadline(pair.now);
    pair.node.session.transmit(pair.now, &mut pair.device.inbox, usize::MAX).unwrap();
    pair.device.read_all(pair.now).unwrap();
    assert_eq!(pair.device.drain(), [Heard::Closed(CloseCode::Expired, String::new())]);
}

#[test]
fn streams_opened_while_the_goodbye_was_under_way_are_refused_and_can_be_asked_again() {
    let (mut pair, before) = Pair::with_stream();
    pair.node.session.go_away(GoAwayCode::Restart);
    let after = pair.device.session.open(get("/")).unwrap();
    pair.settle();
    assert_eq!(
        pair.device.drain(),
        [
            Heard::GoingAway(GoAwayCode::Restart, before.number()),
            Heard::Reset(after, ResetCode::Refused)
        ]
    );
    assert_eq!(pair.node.drain(), [], "the node never acted upon it");
    pair.node.session.write(before, Bytes::from_static(b"goes on")).unwrap();
    pair.settle();
    assert_eq!(pair.device.drain(), [Heard::Data(before, b"goes on".to_vec())]);
}

#[test]
fn only_so_many_streams_are_open_at_a_time() {
    let mut pair = Pair::new();
    for _ in 0..MAX_STREAMS {
        pair.device.session.open(get("/")).unwrap();
    }
    assert_eq!(pair.device.session.open(get("/")), Err(OpenError::TooMany));
    pair.settle();
    pair.node.session.answer(stream(1), ok()).unwrap();
    pair.node.session.finish(stream(1)).unwrap();
    pair.device.session.finish(stream(1)).unwrap();
    pair.settle();
    assert!(pair.device.session.open(get("/")).is_ok());
    pair.settle();
}

#[test]
fn a_ping_measures_the_round_trip() {
    let mut pair = Pair::new();
    pair.settle();
    pair.device.session.ping(pair.now);
    pair.device.session.transmit(pair.now, &mut pair.node.inbox, usize::MAX).unwrap();
    pair.now += Duration::from_millis(40);
    pair.settle();
    assert_eq!(pair.device.drain().last(), Some(&Heard::Pong(Duration::from_millis(40))));
}

#[test]
fn an_answer_needs_its_head_first_and_only_once() {
    let mut pair = Pair::new();
    let asked = pair.device.session.open(get("/")).unwrap();
    pair.settle();
    let early = pair.node.session.write(asked, Bytes::from_static(b"x"));
    assert_eq!(early, Err(StreamError::WrongState(asked)));
    assert_eq!(pair.node.session.finish(asked), Err(StreamError::WrongState(asked)));
    pair.node.session.answer(asked, ok()).unwrap();
    assert_eq!(pair.node.session.answer(asked, ok()), Err(StreamError::WrongState(asked)));
    let own = pair.device.session.answer(asked, ok());
    assert_eq!(own, Err(StreamError::WrongState(asked)));
}
