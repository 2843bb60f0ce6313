//! Bytes on the pipe of an established session, by somebody without its keys.

use std::time::Instant;

use bytes::Bytes;
use gantline_crypto::session::{Session, SessionError, Side};
use gantline_protocol::session::{Head, Open};

use crate::{
    ends::{keys, other},
    script::Script,
};

/// A flight of genuine records is tampered with record by record, bytes are added, and the whole
/// arrives in pieces. What the session reports is exactly what the untouched records in front say;
/// then it wants more bytes, or is over for good.
pub fn session_bytes(data: &[u8]) {
    let mut script = Script::new(data);
    let side = if script.flag() { Side::Device } else { Side::Node };
    let now = Instant::now();
    let records = genuine_records(side, now);

    let keep = usize::from(script.byte()) % (records.len() + 1);
    let mut arriving: Vec<u8> = records.iter().take(keep).flatten().copied().collect();
    for record in records.iter().skip(keep) {
        if script.is_over() {
            break;
        }
        arriving.extend(script.tamper(record));
    }
    let step = 1 + script.below(20_000);
    arriving.extend_from_slice(script.rest());

    let untouched = untouched(&records, &arriving);
    let genuine: Vec<u8> = records.iter().take(untouched).flatten().copied().collect();
    let expected = report(side, now, &genuine, genuine.len().max(1));
    assert_eq!(expected.result, Ok(()), "genuine records were refused");

    let found = report(side, now, &arriving, step);
    assert_eq!(found.events, expected.events, "altered bytes were believed");
    if found.result.is_ok() {
        assert!(found.left == arriving.len() - genuine.len(), "bytes vanished");
    }
}

struct Report {
    events: Vec<String>,
    result: Result<(), SessionError>,
    /// Bytes that were neither read nor refused.
    left: usize,
}

fn report(side: Side, now: Instant, arriving: &[u8], step: usize) -> Report {
    let mut session = Session::new(side, keys(side), now);
    if side == Side::Device {
        session.open(get("/v1/agents")).expect("the first stream");
    }
    let mut events = Vec::new();
    let mut waiting = Vec::new();
    for piece in arriving.chunks(step) {
        waiting.extend_from_slice(piece);
        let before = events.len();
        let read = session.receive(now, &mut waiting, |event| events.push(format!("{event:?}")));
        match read {
            Ok(taken) => {
                assert!(taken <= waiting.len());
                assert!(taken > 0 || events.len() == before, "an event out of nothing");
                waiting.drain(..taken);
            }
            Err(error) => {
                is_over_for_good(&mut session, now, &error);
                return Report { events, result: Err(error), left: waiting.len() };
            }
        }
    }
    assert!(session.is_open());
    assert_eq!(session.end_of_input(), Err(SessionError::Truncated), "a cut was taken for an end");
    Report { events, result: Ok(()), left: waiting.len() }
}

fn is_over_for_good(session: &mut Session, now: Instant, error: &SessionError) {
    assert!(!session.is_open());
    let mut again = [0, 17, 1, 2, 3];
    let read = session.receive(now, &mut again, |event| unreachable!("{event:?} after the end"));
    assert_eq!(read.as_ref(), Err(error));
    let mut out = Vec::new();
    assert_eq!(session.transmit(now, &mut out, usize::MAX), Ok(false));
    if matches!(error, SessionError::Cipher(_)) {
        assert!(out.is_empty(), "whoever altered the bytes is told something");
    }
    assert!(session.is_over());
}

/// How many whole genuine records `arriving` begins with.
fn untouched(records: &[Vec<u8>], mut arriving: &[u8]) -> usize {
    let mut count = 0;
    for record in records {
        let Some(rest) = arriving.strip_prefix(record.as_slice()) else { break };
        arriving = rest;
        count += 1;
    }
    count
}

/// What the other end of a real session says, record by record.
fn genuine_records(side: Side, now: Instant) -> Vec<Vec<u8>> {
    let (mut ours, mut theirs) =
        (Session::new(side, keys(side), now), Session::new(other(side), keys(other(side)), now));
    let mut records = Vec::new();
    match side {
        Side::Node => {
            let stream = theirs.open(get("/v1/agents")).expect("the first stream");
            records.push(said(&mut theirs, now));
            theirs.write(stream, Bytes::from_static(&[7; 300])).expect("it has credit");
            theirs.finish(stream).expect("it is open");
        }
        Side::Device => {
            let stream = ours.open(get("/v1/agents")).expect("the first stream");
            let mut asked = said(&mut ours, now);
            theirs.receive(now, &mut asked, |_| {}).expect("genuine bytes");
            theirs.answer(stream, Head { status: 200, headers: vec![] }).expect("it was asked");
            records.push(said(&mut theirs, now));
            theirs.write(stream, Bytes::from_static(&[7; 3000])).expect("it has credit");
            theirs.finish(stream).expect("it was answered");
        }
    }
    records.push(said(&mut theirs, now));
    theirs.ping(now);
    records.push(said(&mut theirs, now));
    theirs.open(get("/v1/events")).expect("another stream");
    records.push(said(&mut theirs, now));
    records
}

fn said(session: &mut Session, now: Instant) -> Vec<u8> {
    let mut out = Vec::new();
    session.transmit(now, &mut out, usize::MAX).expect("the session is open");
    out
}

fn get(path: &str) -> Open {
    Open { method: "GET".to_owned(), path: path.to_owned(), headers: vec![] }
}
