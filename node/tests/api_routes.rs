//! What the API's routes answer, and to whom.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

mod api_support;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Instant, SystemTime},
};

use api_support::{AgentsEnd, Answer, PATIENCE, TestNode, request};
use axum::{Router, body::Body};
use gantline_login::StaticKey;
use gantline_node::{
    access::{Effect, Entrance, From, Principal, Subject, TABLE},
    api::{self, App, Links, MachineInfo, Mutations, listen::OneTimeTokens},
    door::{Devices, Nameplate, Sessions},
    events::Events,
    gateway::Gateway,
    history::{History, Retention},
    pty::{Shims, log::Limits},
    state::Home,
    supervisor::{Agents, Settings},
    vitals::Monitor,
};
use gantline_protocol::{
    DeviceId, Role, ViewerId,
    api::EventKind,
    terminal::{Attach, Deframer, NodeMessage, TerminalSize, ViewerMessage, ViewerMode},
};
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// So little output is kept that some is soon gone.
const LIMITS: Limits = Limits { memory: 128 * 1024, file: 0 };

/// The router alone, which takes principals as the door brings them.
struct TestApp {
    _ends: AgentsEnd,
    _dir: tempfile::TempDir,
    router: Router,
    events: Events,
    closing: CancellationToken,
}

impl TestApp {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(&dir.path().join("home")).unwrap();
        let events = Events::new();
        let key = StaticKey::from_secret(&[1; 32]);
        let relays = vec!["relay.example".parse().unwrap()];
        let machine_id = key.public().machine_id();
        let nameplate = Nameplate { key, name: "ada".parse().unwrap(), relays: relays.clone() };
        let sessions = Sessions::default();
        let devices =
            Devices::load(nameplate, home.state_files(), events.clone(), sessions).unwrap();
        let (log_dir, run_dir) = (home.log_dir().to_owned(), home.run_dir().to_owned());
        let ends = AgentsEnd(log_dir.clone());
        let shims = Shims { program: env!("CARGO_BIN_EXE_gantline").into(), log_dir, run_dir };
        let settings = Settings { limits: LIMITS, ..Settings::default() };
        let agents = Agents::with_settings(shims, events.clone(), settings);
        let closing = CancellationToken::new();
        let machine = Arc::new(MachineInfo {
            machine_id,
            alias: None,
            name: "ada".parse().unwrap(),
            relays,
            started_at: SystemTime::now().into(),
            started: Instant::now(),
        });
        let history = History::open(home.state_dir(), Retention::default(), events.clone());
        let gateway = Gateway::new(home, machine.clone(), events.clone(), closing.clone());
        let router = api::router(App {
            machine,
            events: events.clone(),
            links: Links::new(Vec::new),
            agents: agents.clone(),
            history,
            vitals: Monitor::of(agents.clone(), closing.clone()),
            devices: devices.clone(),
            mutations: Mutations::new(agents, devices),
            loopback: None,
            one_time_tokens: OneTimeTokens::default(),
            gateway,
            closing: closing.clone(),
        });
        Self { _ends: ends, _dir: dir, router, events, closing }
    }

    async fn ask(&self, who: Option<Principal>, request: Request<Body>) -> http::Response<Body> {
        let mut request = request;
        if let Some(who) = who {
            request.extensions_mut().insert(who);
        }
        timeout(PATIENCE, self.router.clone().oneshot(request)).await.unwrap().unwrap()
    }

    async fn whole(&self, who: Option<Principal>, request: Request<Body>) -> Answer {
        let (parts, body) = self.ask(who, request).await.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

fn device(number: u8, role: Role) -> Principal {
    let subject = Subject::Device(DeviceId::from_bytes([number; 16]));
    Principal { subject, role, entrance: Entrance::Session }
}

fn empty(method: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.header("content-type", "application/json").body(Body::empty()).unwrap()
}

#[test]
fn every_route_is_in_the_table_of_roles_and_every_entry_is_a_route() {
    let mut routes = BTreeSet::new();
    for (path, operations) in api::document()["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            routes.insert((method.to_ascii_uppercase(), path.clone()));
        }
    }
    let entries: BTreeSet<_> = TABLE
        .iter()
        .map(|access| (access.method.to_string(), api::documented(access.path)))
        .collect();
    assert_eq!(routes, entries);
    assert_eq!(entries.len(), TABLE.len(), "an entry is there twice");
}

#[tokio::test]
async fn each_route_lets_in_exactly_the_roles_that_may() {
    let app = TestApp::new();
    for access in TABLE {
        // An id that names nothing, and an empty body: whoever is let in can do no harm.
        let id = if access.path.contains("agents") { "ag-zzzzz" } else { "00" };
        let path = access.path.replace("{id}", id).replace("{*rest}", "machine");
        let ask = || empty(access.method.as_str(), &path);
        let nobody = app.whole(None, ask()).await;
        nobody.is_problem(401, "unauthenticated");
        for role in [Role::Observer, Role::Operator, Role::Owner] {
            let answer = app.ask(Some(device(1, role)), ask()).await;
            let status = answer.status().as_u16();
            let is_let_in = role >= access.least && access.from == From::Anywhere;
            assert_eq!(status != 403, is_let_in, "{role:?}: {} {path}: {status}", access.method);
            assert!(status < 500 && status != 401, "{role:?}: {} {path}: {status}", access.method);
            if access.effect == Effect::Reads || !is_let_in {
                continue;
            }
            assert!(status >= 400, "{} {path} did something with nothing", access.method);
        }
        if access.from == From::Here {
            for entrance in [Entrance::UnixSocket, Entrance::Loopback] {
                let answer = app.ask(Some(Principal::local(entrance)), ask()).await;
                let status = answer.status().as_u16();
                assert!(status != 403 && status < 500, "{} {path}: {status}", access.method);
            }
            let disguised = Principal::local(Entrance::Session);
            app.whole(Some(disguised), ask()).await.is_problem(403, "role-forbids");
        }
    }
}

#[tokio::test]
async fn whatever_fails_is_a_problem_that_a_program_understands() {
    let app = TestApp::new();
    let owner = Some(device(1, Role::Owner));
    let post = |content_type: Option<&str>, body: &'static str| {
        let mut request = Request::builder().method("POST").uri("/v1/pairing-codes");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        request.body(Body::from(body)).unwrap()
    };
    app.whole(owner, empty("GET", "/")).await.is_problem(404, "not-found");
    app.whole(owner, empty("GET", "/v2/machine")).await.is_problem(404, "not-found");
    app.whole(None, empty("GET", "/nowhere")).await.is_problem(401, "unauthenticated");
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"] {
        let answer = app.whole(owner, empty(method, "/v1/machine")).await;
        answer.is_problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some("GET"));
    }
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let answer = app.whole(owner, post(content_type, r#"{"role":"owner"}"#)).await;
        answer.is_problem(415, "invalid-request");
    }
    for body in ["", "{", "[]", "{}", r#"{"role":"king"}"#, r#"{"role":null}"#, "\u{0}"] {
        let answer = app.whole(owner, post(Some("application/json"), body)).await;
        answer.is_problem(400, "invalid-request");
    }
    let deep: &'static str = Box::leak("[".repeat(60_000).into_boxed_str());
    let answer = app.whole(owner, post(Some("application/json"), deep)).await;
    answer.is_problem(400, "invalid-request");
    let good = post(Some("application/json; charset=utf-8"), r#"{"role":"observer"}"#);
    assert_eq!(app.whole(owner, good).await.status, 201);
    for path in ["/v1/devices/xx", "/v1/devices/00000000000000000000000000000000"] {
        app.whole(owner, empty("DELETE", path)).await.is_problem(404, "not-found");
    }
    for path in ["/v1/invitations/7", "/v1/invitations/-1", "/v1/invitations/99999999999"] {
        app.whole(owner, empty("DELETE", path)).await.is_problem(404, "not-found");
    }
}

#[tokio::test]
async fn an_invitation_is_minted_listed_and_withdrawn() {
    let app = TestApp::new();
    let owner = Some(device(1, Role::Owner));
    let body = json!({ "role": "observer", "validForMs": 60_000, "uses": 2 }).to_string();
    let invite = Request::post("/v1/invitations")
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    let minted = app.whole(owner, invite).await;
    assert_eq!(minted.status, 201);
    let (id, link) = (&minted.json()["invitationId"], minted.json()["link"].clone());
    assert!(link.as_str().unwrap().starts_with("https://"));
    let listed = app.whole(owner, empty("GET", "/v1/invitations")).await.json();
    assert_eq!((&listed[0]["invitationId"], &listed[0]["link"]), (id, &Value::Null));
    let gone = app.whole(owner, empty("DELETE", &format!("/v1/invitations/{id}"))).await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    let listed = app.whole(owner, empty("GET", "/v1/invitations")).await.json();
    assert_eq!(listed, json!([]));
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_acts_once() {
    let app = TestApp::new();
    let mint = |key: &str, role: &str| {
        Request::post("/v1/pairing-codes")
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Body::from(json!({ "role": role }).to_string()))
            .unwrap()
    };
    let owner = Some(device(1, Role::Owner));
    let first = app.whole(owner, mint("key-00001", "owner")).await;
    assert_eq!(first.status, 201);
    let again = app.whole(owner, mint("key-00001", "owner")).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    let other = app.whole(owner, mint("key-00002", "owner")).await;
    assert_ne!(other.body, first.body, "codes are the same");
    let changed = app.whole(owner, mint("key-00001", "observer")).await;
    changed.is_problem(422, "idempotency-mismatch");
    let somebody_else = Some(device(2, Role::Owner));
    let theirs = app.whole(somebody_else, mint("key-00001", "owner")).await;
    assert_ne!(theirs.body, first.body, "an answer went to somebody else");
    let demoted = Some(device(1, Role::Operator));
    app.whole(demoted, mint("key-00001", "owner")).await.is_problem(403, "role-forbids");
    for bad in ["short", "with space", &"x".repeat(129)] {
        app.whole(owner, mint(bad, "owner")).await.is_problem(400, "invalid-request");
    }
    let mut twice = mint("key-00003", "owner");
    twice.headers_mut().append("idempotency-key", "key-00004".parse().unwrap());
    app.whole(owner, twice).await.is_problem(400, "invalid-request");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_gone_is_named_and_never_silently_left_out() {
    let app = TestApp::new();
    let operator = Some(device(1, Role::Operator));
    let script = "i=0; while [ $i -lt 40000 ]; do echo 0123456789; i=$((i+1)); done";
    let body = json!({ "argv": ["sh", "-c", script] }).to_string();
    let exec = Request::post("/v1/exec")
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    let ran = app.whole(operator, exec).await;
    let path = format!("{}/output", ran.header("location").unwrap());
    let observer = Some(device(2, Role::Observer));
    for query in ["", "?follow=true"] {
        let read = app.whole(observer, empty("GET", &format!("{path}{query}"))).await;
        let offset: usize = read.header("gantline-offset").unwrap().parse().unwrap();
        assert_eq!(read.header("gantline-gap"), Some(&*format!("0-{offset}")));
        assert_eq!(offset + read.body.len(), 440_000);
        assert!(offset > 0 && !read.body.is_empty());
        let whole = "0123456789\n".repeat(40_000);
        assert_eq!(read.body, whole.as_bytes()[offset..]);
    }
}

/// The messages of a viewer who attaches and types, as they travel on a stream of a session.
fn types(viewer: u8, text: &'static [u8]) -> Body {
    let attach = Attach {
        viewer: ViewerId::from_bytes([viewer; 16]),
        mode: ViewerMode::Drive,
        size: TerminalSize::STANDARD,
        position: None,
    };
    let mut bytes = Vec::new();
    ViewerMessage::Attach(attach).encode_framed(&mut bytes).unwrap();
    ViewerMessage::Input { seq: 1, bytes: text }.encode_framed(&mut bytes).unwrap();
    Body::from(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_watches_a_terminal_and_types_nothing() {
    let app = TestApp::new();
    let operator = Some(device(1, Role::Operator));
    let body = json!({ "argv": ["sh", "-c", "read line; echo \"got $line\""] }).to_string();
    let spawn = Request::post("/v1/agents")
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    let path = app.whole(operator, spawn).await.header("location").unwrap().to_owned();
    let converse = |body| Request::get(format!("{path}/terminal")).body(body).unwrap();
    let watched = app.whole(Some(device(2, Role::Observer)), converse(types(2, b"evil\r"))).await;
    assert_eq!(watched.status, 200);
    let mut deframer = Deframer::new();
    let first = deframer.next(&mut &watched.body[..]).unwrap().unwrap();
    let NodeMessage::Attached { driver, .. } = NodeMessage::decode(first).unwrap() else {
        panic!("the first message is not ATTACHED");
    };
    assert!(!driver);
    assert_eq!(app.whole(operator, converse(types(1, b"good\r"))).await.status, 200);
    let read = app.whole(operator, empty("GET", &format!("{path}/output?follow=true"))).await;
    let output = String::from_utf8_lossy(&read.body).into_owned();
    assert!(output.contains("got good") && !output.contains("evil"), "{output}");
}

/// The next server-sent event, without heartbeats: its lines, by name.
async fn next_event(body: &mut Body) -> Option<Vec<(String, String)>> {
    let mut text = String::new();
    while !text.ends_with("\n\n") {
        let frame = timeout(PATIENCE, body.frame()).await.expect("no event came")?;
        text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
    }
    let line = |line: &str| line.split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned()));
    Some(text.lines().filter_map(line).collect())
}

fn field<'e>(event: &'e [(String, String)], name: &str) -> Option<&'e str> {
    event.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_listener_that_comes_back_hears_what_it_missed_and_is_told_what_is_lost() {
    let app = TestApp::new();
    let removed = |id: &str| EventKind::AgentRemoved { agent_id: id.parse().unwrap() };
    let listen = |after: Option<String>| {
        let mut request = Request::get("/v1/events");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        request.body(Body::empty()).unwrap()
    };
    let observer = Some(device(1, Role::Observer));
    let response = app.ask(observer, listen(None)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut first = response.into_body();
    for id in ["ag-aaaaa", "ag-bbbbb"] {
        app.events.publish(removed(id));
    }
    // The name of a device is none of an observer's business.
    app.events.publish(EventKind::DevicePaired {
        device_id: DeviceId::from_bytes([7; 16]),
        name: "phone".parse().unwrap(),
        role: Role::Owner,
    });
    app.events.publish(removed("ag-ccccc"));
    let event = next_event(&mut first).await.unwrap();
    let seen = field(&event, "id").unwrap().to_owned();
    let data: Value = serde_json::from_str(field(&event, "data").unwrap()).unwrap();
    assert_eq!((&data["agentId"], data["id"].to_string()), (&json!("ag-aaaaa"), seen.clone()));
    drop(first);
    let mut again = app.ask(observer, listen(Some(seen.clone()))).await.into_body();
    for id in ["ag-bbbbb", "ag-ccccc"] {
        let event = next_event(&mut again).await.unwrap();
        let data: Value = serde_json::from_str(field(&event, "data").unwrap()).unwrap();
        assert_eq!(data["agentId"], id);
    }
    let mut as_owner = app.ask(Some(device(2, Role::Owner)), listen(Some(seen))).await.into_body();
    next_event(&mut as_owner).await.unwrap();
    let event = next_event(&mut as_owner).await.unwrap();
    assert!(field(&event, "data").unwrap().contains("device-paired"));
    let mut stranger = app.ask(observer, listen(Some("1".to_owned()))).await.into_body();
    let event = next_event(&mut stranger).await.unwrap();
    assert_eq!((field(&event, "event"), field(&event, "id")), (Some("missed"), None));
    for bad in ["", "x", "-1"] {
        let answer = app.whole(observer, listen(Some(bad.to_owned()))).await;
        answer.is_problem(400, "invalid-request");
    }
    app.closing.cancel();
    assert_eq!(next_event(&mut again).await, None, "it outlived the node");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself() {
    let node = TestNode::start().await;
    let described = node.send(request("GET", "/v1/openapi.json", None).header("host", "x")).await;
    assert_eq!(&described.json(), api::document());
    node.shut_down().await;
}

#[test]
fn whatever_the_description_refers_to_is_in_it() {
    let text = api::document().to_string();
    let schemas = api::document()["components"]["schemas"].as_object().unwrap();
    let absent: BTreeSet<&str> = text
        .split("\"#/components/schemas/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| !schemas.contains_key(*name))
        .collect();
    assert!(absent.is_empty(), "name them in Description of node/src/api/document.rs: {absent:?}");
}

/// `GANTLINE_UPDATE_OPENAPI=1` writes the file anew.
#[test]
fn the_description_in_the_repository_is_that_of_the_code() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let mut text = serde_json::to_string_pretty(api::document()).unwrap();
    text.push('\n');
    if std::env::var_os("GANTLINE_UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/openapi.json is out of date: run this with GANTLINE_UPDATE_OPENAPI=1"
    );
}

/// Everything below `value`, outside of requests' bodies, with what it refers to.
fn answered<'d>(value: &'d Value, seen: &mut BTreeSet<&'d str>, visit: &mut dyn FnMut(&'d Value)) {
    visit(value);
    for (name, inner) in value.as_object().into_iter().flatten() {
        if let ("$ref", Some(to)) = (&**name, inner.as_str()) {
            let schema = api::document().pointer(to.strip_prefix('#').unwrap());
            let schema = schema.unwrap_or_else(|| panic!("{to} is described nowhere"));
            if seen.insert(to) {
                answered(schema, seen, visit);
            }
        }
        if name != "requestBody" {
            answered(inner, seen, visit);
        }
    }
    value.as_array().into_iter().flatten().for_each(|item| answered(item, seen, visit));
}

#[test]
fn a_client_made_from_the_description_finds_all_it_refers_to_and_never_null_in_an_answer() {
    let mut seen = BTreeSet::new();
    answered(&api::document()["paths"], &mut seen, &mut |value| {
        assert_ne!(value, "null", "an answer may have null");
    });
    assert!(seen.contains("#/components/schemas/Agent"));
    let text = api::document().to_string();
    for (_, rest) in
        text.match_indices("\"$ref\":\"#").map(|(at, found)| text.split_at(at + found.len()))
    {
        let to = rest.split('"').next().unwrap();
        assert!(api::document().pointer(to).is_some(), "{to} is described nowhere");
    }
}

#[test]
fn every_operation_says_how_it_fails_and_has_a_name_that_stays() {
    let mut names = BTreeSet::new();
    for (path, operations) in api::document()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "two operations are called {name}");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name} has no tag");
            let answers = operation["responses"].as_object().unwrap();
            let hands_on = path.ends_with("/{rest}");
            assert_eq!(answers.contains_key("default"), hands_on, "{name} may answer anything");
            for status in ["401", "403", "429", "500"] {
                assert!(answers.contains_key(status), "{method} {path} never answers {status}");
            }
        }
    }
}
