//! The bars: what is promised of figures, and whether a run kept it.

use serde::Serialize;

use crate::{
    field::{OURS_QUIC, OURS_WEBSOCKET, SPLICE_QUIC, SPLICE_WEBSOCKET},
    figures::Figure,
    results::{
        Results,
        What::{self, *},
    },
    sections::terminal::{LOOPBACK, RELAY_QUIC, RELAY_WEBSOCKET, UNIX},
};

/// A bar beside what was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    pub(crate) bar: &'static str,
    pub(crate) who: &'static str,
    pub(crate) limit: Limit,
    /// `None` when it was not measured.
    pub(crate) figure: Option<Figure>,
    pub(crate) is_met: Option<bool>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Clone, Copy)]
enum Of {
    /// Of whom it is told.
    Own(What),
    /// Of whom it is told, as a share of another figure.
    Share(What, &'static str, What),
}

struct Bar {
    text: &'static str,
    who: &'static str,
    of: Of,
    limit: Limit,
}

/// Every bar, in the order in which they are told.
pub(crate) fn tell(results: &Results) -> Vec<Told> {
    let tell = |Bar { text, who, of, limit }: Bar| {
        let figure = match of {
            Of::Own(what) => results.figure(who, what),
            Of::Share(what, other, other_what) => {
                let (own, other) = (results.samples(who, what), results.samples(other, other_what));
                Figure::ratio(own, other)
            }
        };
        let is_met = figure.map(|figure| match limit {
            Limit::AtLeast(limit) => figure.median >= limit,
            Limit::AtMost(limit) => figure.median <= limit,
        });
        Told { bar: text, who, limit, figure, is_met }
    };
    bars().into_iter().map(tell).collect()
}

/// Of equals the drift of the machine makes one the lower one; so much less is a tie.
const TIE: f64 = 0.95;

fn bars() -> Vec<Bar> {
    use Limit::{AtLeast, AtMost};
    use Of::{Own, Share};
    let mut bars = Vec::new();
    let mut bar = |text, who, of, limit| bars.push(Bar { text, who, of, limit });
    for (ours, splice) in [(OURS_QUIC, SPLICE_QUIC), (OURS_WEBSOCKET, SPLICE_WEBSOCKET)] {
        for (text, what) in [
            ("1 stream up, of the bare splice", OneUp),
            ("1 stream down, of the bare splice", OneDown),
            ("16 streams up, of the bare splice", SixteenUp),
            ("16 streams down, of the bare splice", SixteenDown),
        ] {
            bar(text, ours, Share(what, splice, what), AtLeast(0.85));
        }
        bar("16 streams up, of 1 stream", ours, Share(SixteenUp, ours, OneUp), AtLeast(TIE));
        bar("16 streams down, of 1 stream", ours, Share(SixteenDown, ours, OneDown), AtLeast(TIE));
        bar("echo of 1 byte, p50, µs", ours, Own(EchoP50), AtMost(165.0));
        bar("echo of 1 byte, p99, µs", ours, Own(EchoP99), AtMost(270.0));
        bar("new session on a warm link, p50, µs", ours, Own(SessionP50), AtMost(600.0));
        bar("relay, idle, MB", ours, Own(RelayIdle), AtMost(12.0));
        bar("relay, peak under 16 floods, MB", ours, Own(RelayPeak), AtMost(24.0));
        bar("an idle node more, KiB", ours, Own(PerAgent), AtMost(30.0));
    }
    bar(
        "goal: 1 stream up, of rathole over TLS",
        OURS_WEBSOCKET,
        Share(OneUp, "rathole, tls", OneUp),
        AtLeast(1.0),
    );
    for (text, what, frp) in [
        ("goal: 1 stream up, MB/s (frp by QUIC, once)", OneUp, 257.0),
        ("goal: 16 streams up, MB/s (frp by QUIC, once)", SixteenUp, 218.0),
    ] {
        bar(text, OURS_QUIC, Own(what), AtLeast(frp));
    }
    for (relay, local) in [(RELAY_QUIC, UNIX), (RELAY_WEBSOCKET, LOOPBACK)] {
        bar("key to echo, p50, µs", relay, Own(KeyP50), AtMost(250.0));
        bar("key to echo, p99, µs", relay, Own(KeyP99), AtMost(380.0));
        bar("key to echo, p50, µs", local, Own(KeyP50), AtMost(130.0));
        bar("key to echo, p99, µs", local, Own(KeyP99), AtMost(210.0));
    }
    bar("node, idle, MB", "node", Own(NodeIdle), AtMost(20.0));
    bars
}
