//! Bulk data costs no allocation per record, so that a flood can't fragment or exhaust memory.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use bytes::Bytes;
use gantline_crypto::session::Event;
use support::Pair;

#[test]
fn sealing_and_opening_allocate_nothing_once_warm() {
    let (mut pair, asked) = Pair::with_stream();
    let (device, node) = (&mut pair.device.session, &mut pair.node.session);
    let payload = Bytes::from(vec![1; 100_000]);
    let (mut wire, mut back) = (Vec::new(), Vec::new());
    let mut flood = |rounds| {
        for _ in 0..rounds {
            node.write(asked, payload.clone()).unwrap();
            wire.clear();
            node.transmit(pair.now, &mut wire, usize::MAX).unwrap();
            let mut read = 0;
            device
                .receive(pair.now, &mut wire, |event| {
                    if let Event::Data { bytes, .. } = event {
                        read += bytes.len();
                    }
                })
                .unwrap();
            device.consumed(asked, read);
            back.clear();
            device.transmit(pair.now, &mut back, usize::MAX).unwrap();
            node.receive(pair.now, &mut back, |_| {}).unwrap();
        }
    };
    // Until the stream's window has stopped growing, and with it the longest answer.
    flood(60);
    let info = allocation_counter::measure(|| flood(100));
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn an_idle_session_is_small_even_after_heavy_use() {
    let mut kept = Vec::with_capacity(10);
    let info = allocation_counter::measure(|| {
        for _ in 0..10 {
            let (mut pair, asked) = Pair::with_stream();
            for _ in 0..50 {
                pair.node.session.write(asked, Bytes::from(vec![1; 100_000])).unwrap();
                pair.settle();
                pair.device.drain();
                pair.device.session.consumed(asked, 100_000);
                pair.settle();
            }
            kept.push(pair.node.session);
        }
    });
    let bytes = info.bytes_current / 10 + size_of::<gantline_crypto::Session>() as i64;
    assert!(bytes < 4096, "{bytes} bytes");
}
