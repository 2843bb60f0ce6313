//! Probes of real processes: whether a service is well is told, with a reason that helps, and a check
//! leaves nothing behind.
#![cfg(target_os = "linux")]
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

use std::time::{Duration, Instant};

use gantline_node::probes::{Checked, ProbeFailure, Runner, Subject};
use gantline_protocol::{AgentId, api::Probe};
use pty_support::{Machine, PATIENCE, Witness, command};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};

fn subject(machine: &Machine, agent: AgentId) -> Subject {
    let log = machine.hub(agent).host().log().clone();
    let mut command = command(&["sleep"]);
    command.env = serde_json::from_str(r#"{"FLAVOUR":"plum"}"#).unwrap();
    Subject { agent, command, log, was_well: false }
}

/// What the next check of an agent comes to, by `probe` as it is written.
async fn check(machine: &Machine, agent: AgentId, probe: &str) -> Checked {
    let probe: Probe = serde_json::from_str(probe).unwrap();
    next(&mut Runner::new(&probe, subject(machine, agent))).await
}

async fn next(runner: &mut Runner) -> Checked {
    timeout(PATIENCE, runner.next()).await.expect("the check does not end")
}

/// A server that answers every connection with `answer`, and says nothing more.
async fn server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.unwrap();
                assert!(request[..length].starts_with(b"GET /healthz?deep=1 HTTP/1.1\r\n"));
                let _ = stream.write_all(answer).await;
                let _ = stream.read(&mut request).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_open_once_somebody_listens_on_either_loopback() {
    let machine = Machine::new();
    let agent = machine.sh("exec sleep 600").await;
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address).await else {
            eprintln!("SKIPPED: there is no {address} here");
            continue;
        };
        let port = listener.local_addr().unwrap().port();
        let probe = format!(r#"{{"kind":"tcp","port":{port}}}"#);
        check(&machine, agent, &probe).await.unwrap();
        drop(listener);
        let why = check(&machine, agent, &probe).await.unwrap_err().to_string();
        assert!(why.contains(&format!("on port {port}")) && why.contains("refused"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_below_400_is_well_and_everything_else_says_what_is_wrong() {
    let machine = Machine::new();
    let agent = machine.sh("exec sleep 600").await;
    let answers: [(&[u8], Option<&str>); 8] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
        // It is not followed.
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n", None),
        // A body without an end holds nothing up.
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", None),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Some("it answers 404 Not Found")),
        (b"HTTP/1.1 503 No\r\n\r\n", Some("it answers 503 Service Unavailable")),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Some("is no HTTP")),
        (b"", Some("it took longer than 500 ms")),
    ];
    for (answer, expected) in answers {
        let port = server(answer).await;
        let probe =
            format!(r#"{{"kind":"http","port":{port},"path":"/healthz?deep=1","timeoutMs":500}}"#);
        let why = check(&machine, agent, &probe).await.err().map(|why| why.to_string());
        let is_expected = match (&why, expected) {
            (None, None) => true,
            (Some(why), Some(expected)) => why.contains(expected),
            (Some(_), None) | (None, Some(_)) => false,
        };
        assert!(is_expected, "{}: {why:?}", answer.escape_ascii());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_checks_as_the_agent_is_and_its_last_words_are_the_reason() {
    let machine = Machine::new();
    let agent = machine.sh("exec sleep 600").await;
    let sh = |script: &str| {
        serde_json::json!({ "kind": "exec", "argv": ["/bin/sh", "-c", script] }).to_string()
    };
    let as_the_agent =
        sh(&format!("test $PWD = / && test $FLAVOUR = plum && test $GANTLINE_AGENT = {agent}"));
    check(&machine, agent, &as_the_agent).await.unwrap();
    // However much it writes: the end is kept, and it is not held up.
    check(&machine, agent, &sh("seq 1 300000; exit 0")).await.unwrap();
    for (script, expected) in [
        (
            "echo starting; printf '\\033[31mno replica\\033[0m\\n' >&2; exit 3",
            "it ended with code 3: no replica",
        ),
        ("kill -9 $$", "it was ended by signal 9"),
        ("yes | head -n 200000; echo late >&2; exit 1", "it ended with code 1: late"),
    ] {
        let why = check(&machine, agent, &sh(script)).await.unwrap_err().to_string();
        assert_eq!(why, expected);
    }
    let missing = r#"{"kind":"exec","argv":["no-such-program"]}"#;
    let why = check(&machine, agent, missing).await.unwrap_err().to_string();
    assert!(why.contains("there is no program"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_hangs_ends_with_everything_that_it_has_started() {
    let machine = Machine::new();
    let agent = machine.sh("exec sleep 600").await;
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    // A child, one that has left its session, and one whose parent has gone.
    let script = format!(
        "exec >/dev/null 2>&1; P='{}'; trap '' TERM HUP; sleep 600 & echo $! >>$P
         setsid sh -c 'echo $$ >>'$P'; exec sleep 600' &
         (setsid sh -c 'echo $$ >>'$P'; exec sleep 600' &)
         while [ $(wc -l <$P) -lt 3 ]; do sleep 0.01; done; echo $$ >>$P; wait",
        pids.display()
    );
    let probe = serde_json::json!({
        "kind": "exec", "argv": ["/bin/sh", "-c", script], "timeoutMs": 3000
    });
    let why = check(&machine, agent, &probe.to_string()).await.unwrap_err();
    assert!(matches!(why, ProbeFailure::TimedOut(_)), "{why}");
    let pids = std::fs::read_to_string(&pids).unwrap();
    let pids: Vec<i32> = pids.lines().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 4, "the script did not come so far: {pids:?}");
    for pid in pids {
        Witness::of(pid).ends().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_well_as_soon_as_it_says_so() {
    let machine = Machine::new();
    let agent =
        machine.sh("read go; printf 'rea\\033[1m'; read go; printf 'dy now'; read go").await;
    let probe = r#"{"kind":"line","text":"ready now","intervalMs":600000,"timeoutMs":300}"#;
    let probe: Probe = serde_json::from_str(probe).unwrap();
    let mut runner = Runner::new(&probe, subject(&machine, agent));
    let why = next(&mut runner).await.unwrap_err();
    assert!(matches!(why, ProbeFailure::NoLine), "{why}");
    let host = machine.hub(agent).host().clone();
    // The terminal echoes what is typed: the text must not be in it.
    let viewer = gantline_protocol::ViewerId::from_bytes([7; 16]);
    assert!(host.write(viewer, 1, "\u{4}go\r".into()).await);
    let script = async {
        host.log().follow().beyond(gantline_protocol::Offset(8)).await;
        host.write(viewer, 2, "\r".into()).await
    };
    // In the middle of the long interval.
    let (checked, _) = tokio::join!(next(&mut runner), script);
    checked.unwrap();
    let again = timeout(Duration::from_millis(200), runner.next()).await;
    assert!(again.is_err(), "it was told twice");
    // What was said once stays said, however often the pace would have it said again.
    let quick = r#"{"kind":"line","text":"ready now","intervalMs":100,"timeoutMs":100}"#;
    let quick: Probe = serde_json::from_str(quick).unwrap();
    let mut runner = Runner::new(&quick, subject(&machine, agent));
    next(&mut runner).await.unwrap();
    let again = timeout(Duration::from_secs(1), runner.next()).await;
    assert!(again.is_err(), "it is unwell for not saying it again: {again:?}");
    // A node that comes later and knows it asks for no line that may be gone.
    let known = Subject { was_well: true, ..subject(&machine, agent) };
    next(&mut Runner::new(&probe, known)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_keep_their_pace() {
    let machine = Machine::new();
    let agent = machine.sh("exec sleep 600").await;
    let probe = r#"{"kind":"exec","argv":["sleep","0.2"],"intervalMs":300,"timeoutMs":5000}"#;
    let probe: Probe = serde_json::from_str(probe).unwrap();
    let mut runner = Runner::new(&probe, subject(&machine, agent));
    let began = Instant::now();
    next(&mut runner).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "the first check waited");
    next(&mut runner).await.unwrap();
    // Two checks of 200 ms and the interval between them.
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
}
