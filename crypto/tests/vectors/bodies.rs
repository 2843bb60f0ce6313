//! JSON bodies of frames: which are read and which are refused, where two readers could disagree.

use gantline_protocol::session::{Frame, Frames};
use serde_json::{Value, json};

use super::{hex, publish};

const HELLO: u8 = 0x01;
const OPEN: u8 = 0x02;
const HEAD: u8 = 0x03;

#[test]
fn bodies() {
    let about = "Bodies of HELLO, OPEN and HEAD as text, or as hexadecimal where they are none. \"read\" is what a reader has of those that it takes, without the fields that it drops.";
    let cases: Vec<Value> = hellos().into_iter().chain(opens()).chain(heads()).map(judge).collect();
    publish("bodies.json", &json!({ "about": about, "cases": cases }));
}

fn judge((kind, body): (u8, Vec<u8>)) -> Value {
    let stream = if kind == HELLO { 0u32 } else { 1 };
    let length = u16::try_from(body.len()).unwrap();
    let frame = [&[kind], stream.to_be_bytes().as_slice(), &length.to_be_bytes(), &body].concat();
    let read = Frames::new(&frame).next().unwrap().ok().map(|frame| match frame {
        Frame::Hello(hello) => json!(hello),
        Frame::Open { open, .. } => json!(open),
        Frame::Head { head, .. } => json!(head),
        other @ (Frame::Data { .. }
        | Frame::Fin { .. }
        | Frame::Reset { .. }
        | Frame::Credit { .. }
        | Frame::Ping(_)
        | Frame::Pong(_)
        | Frame::Rekey
        | Frame::GoAway { .. }
        | Frame::Close { .. }
        | Frame::Ignored(_)) => panic!("{other:?}"),
    });
    let name = match kind {
        HELLO => "HELLO",
        OPEN => "OPEN",
        _ => "HEAD",
    };
    let mut case = match String::from_utf8(body) {
        Ok(text) => json!({ "frame": name, "text": text }),
        Err(error) => json!({ "frame": name, "hex": hex(error.into_bytes()) }),
    };
    case["read"] = json!(read);
    case
}

fn hellos() -> Vec<(u8, Vec<u8>)> {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"min":1,"max":1,"later":{open}{close}}}"#)
    };
    let objects = |depth: usize| {
        let (open, close) = (r#"{"a":"#.repeat(depth), "}".repeat(depth));
        format!(r#"{{"min":1,"max":1,"later":{open}1{close}}}"#)
    };
    let texts = [
        r#"{"min":1,"max":1,"features":[]}"#,
        r#"{"min":1,"max":1}"#,
        "{ \"max\" : 2 ,\t\"min\" : 1 ,\r\n\"features\" : [ \"a-1\" , \"b\" ] } \n",
        r#"{"mi\u006e":1,"max":1}"#,
        r#"{"min":1,"max":1,"later":{"a":[null,true,1.5e-3,"\ud83d\ude00"]}}"#,
        r#"{"min":1,"max":1,"later":null,"later":null}"#,
        r#"{"min":1,"max":1,"later":"\ud800"}"#,
        r#"{"min":1,"max":1,"\ud800":1}"#,
        r#"{"min":0,"max":4294967295}"#,
        " {\"min\":1,\"max\":1}",
        "[1,1,[]]",
        "\"min\"",
        "null",
        "",
        "{}",
        r#"{"min":1}"#,
        r#"{"min":1,"max":1,"min":1}"#,
        r#"{"min":1,"max":1,"m\u0069n":1}"#,
        r#"{"min":1,"max":1,"features":[],"features":[]}"#,
        r#"{"min":2,"max":1}"#,
        r#"{"min":1.0,"max":1}"#,
        r#"{"min":1,"max":1e0}"#,
        r#"{"min":-0,"max":1}"#,
        r#"{"min":01,"max":1}"#,
        r#"{"min":+1,"max":1}"#,
        r#"{"min":"1","max":1}"#,
        r#"{"min":null,"max":1}"#,
        r#"{"min":1,"max":4294967296}"#,
        r#"{"min":1,"max":1,"features":null}"#,
        r#"{"min":1,"max":1,"features":{}}"#,
        r#"{"min":1,"max":1,"features":[""]}"#,
        r#"{"min":1,"max":1,"features":["A"]}"#,
        r#"{"min":1,"max":1,"features":["a"],}"#,
        r#"{"min":1,"max":1}x"#,
        r#"{"min":1,"max":1}{}"#,
        r#"{"min":1,"max":1"#,
        r#"{'min':1,"max":1}"#,
        r#"{"min":1 "max":1}"#,
        r#"{"min":1,"max":1,"later":tru}"#,
        r#"{"min":1,"max":1,"later":"\x"}"#,
        r#"{"min":1,"max":1,"later":"\u12"}"#,
        r#"{"min":1,"max":1,"later":.5}"#,
        r#"{"min":1,"max":1,"later":1.}"#,
        r#"{"min":1,"max":1,"later":NaN}"#,
        "{\"min\":1,\"max\":1,\"later\":\"a\nb\"}",
        "{\"min\":1,\"max\":1}\u{a0}",
        "\u{feff}{\"min\":1,\"max\":1}",
        r#"{"min":1,"max":1,"features":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q","r","s","t","u","v","w","x","y","z","0","1","2","3","4","5"]}"#,
        r#"{"min":1,"max":1,"features":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q","r","s","t","u","v","w","x","y","z","0","1","2","3","4","5","6"]}"#,
    ];
    let mut bodies: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    for depth in [100, 126, 127, 128, 900] {
        bodies.push(nested(depth).into_bytes());
    }
    for depth in [126, 127, 128, 200] {
        bodies.push(objects(depth).into_bytes());
    }
    bodies.push(b"{\"min\":1,\"max\":1,\"later\":\"\xff\"}".to_vec());
    bodies.push([b"{\"min\":1,\"max\":1,\"x\":\"", vec![b'x'; 2023].as_slice(), b"\"}"].concat());
    bodies.push([b"{\"min\":1,\"max\":1,\"x\":\"", vec![b'x'; 2024].as_slice(), b"\"}"].concat());
    bodies.into_iter().map(|body| (HELLO, body)).collect()
}

fn opens() -> Vec<(u8, Vec<u8>)> {
    let fields = |count: usize| {
        let fields = vec![r#"["a","b"]"#; count].join(",");
        format!(r#"{{"m":"GET","p":"/","h":[{fields}]}}"#)
    };
    let path = |length: usize| format!(r#"{{"m":"GET","p":"/{}"}}"#, "x".repeat(length - 1));
    let named = |name: &str| format!(r#"{{"m":"GET","p":"/","h":[["{name}","v"]]}}"#);
    let valued = |value: &str| format!(r#"{{"m":"GET","p":"/","h":[["n","{value}"]]}}"#);
    let mut texts: Vec<String> = [
        r#"{"m":"GET","p":"/"}"#,
        r#"{"m":"ABCDEFGHIJKLMNOP","p":"/a?b=%23&c=~"}"#,
        r#"{"m":"GET","p":"\/\u0061"}"#,
        r#"{"m":"GET","p":"/","h":[["a",""],["a","b"],["a","b"]]}"#,
        r#"{"m":"","p":"/"}"#,
        r#"{"m":"ABCDEFGHIJKLMNOPQ","p":"/"}"#,
        r#"{"m":"get","p":"/"}"#,
        r#"{"m":"GET","p":""}"#,
        r#"{"m":"GET","p":"a"}"#,
        r#"{"m":"GET","p":"/a b"}"#,
        r#"{"m":"GET","p":"/a#b"}"#,
        r#"{"m":"GET","p":"/ä"}"#,
        r#"{"m":"GET","p":"/\u0000"}"#,
        r#"{"m":"GET","p":"/\ud800"}"#,
        r#"{"m":"GET","p":"/","h":[["a"]]}"#,
        r#"{"m":"GET","p":"/","h":[["a","b","c"]]}"#,
        r#"{"m":"GET","p":"/","h":[["a",1]]}"#,
        r#"{"m":"GET","p":"/","h":[{"a":"b"}]}"#,
        r#"{"m":"GET","p":"/","h":{"a":"b"}}"#,
        r#"{"m":["GET"],"p":"/"}"#,
        r#"{"m":"GET"}"#,
    ]
    .map(str::to_owned)
    .to_vec();
    texts.extend([fields(64), fields(65), path(4096), path(4097)]);
    let long = "x".repeat(129);
    for name in [
        "!#$%&'*+-.^_`|~09az",
        "A",
        "",
        "a b",
        "a:",
        "ä",
        "a\\n",
        &long[..128],
        &long,
        "authorization",
        "connection",
        "cookie",
        "forwarded",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-real-ip",
        "proxy-a",
        "x-forwarded-for",
        "x-forwarded",
        "set-cookie",
    ] {
        texts.push(named(name));
    }
    for value in [" a\\tb ~", "\\r\\nx: y", "\\u0000", "ä", "\\u007f", "\\\"\\\\"] {
        texts.push(valued(value));
    }
    texts.into_iter().map(|text| (OPEN, text.into_bytes())).collect()
}

fn heads() -> Vec<(u8, Vec<u8>)> {
    let named = |name: &str| format!(r#"{{"s":200,"h":[["{name}","v"],["kept","v"]]}}"#);
    let mut texts: Vec<String> =
        ["199", "200", "599", "600", "-200", "200.0", "\"200\"", "65736", "1e2"]
            .map(|status| format!(r#"{{"s":{status}}}"#))
            .to_vec();
    texts.push(r#"{"h":[]}"#.to_owned());
    for name in [
        "authorization",
        "connection",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "proxy-authenticate",
        "alt-svc",
        "clear-site-data",
        "set-cookie",
        "strict-transport-security",
        "content-type",
    ] {
        texts.push(named(name));
    }
    texts.into_iter().map(|text| (HEAD, text.into_bytes())).collect()
}
