//! The binary itself: its words, its exit codes, its signals, and what is left of it after a crash.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code
)]

mod support;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Output, Stdio},
};

use gantline_protocol::{
    RelayAddress,
    link::{DenialReason, JoinLink, LinkMessage, PipeReply, PipeRequest},
};
use gantline_transport::{
    Link, LinkEnd, PipeReader, QuicDialer, QuicLink,
    quic::{QuicReader, QuicWriter},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{Node, Outcome, dialer, key, soon};
use tempfile::tempdir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

fn program(state: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantline-relay"));
    command
        .args(args)
        .env("GANTLINE_RELAY_STATE", state)
        .env_remove("GANTLINE_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(state: &Path, args: &[&str]) -> Output {
    soon(program(state, args).output()).await.unwrap()
}

/// What a command prints that must succeed.
async fn done(state: &Path, args: &[&str]) -> String {
    let output = run(state, args).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What a command says that must fail.
async fn failed(state: &Path, args: &[&str]) -> String {
    let output = run(state, args).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

struct Served {
    child: Child,
    ready: Value,
    _stdout: Lines<BufReader<ChildStdout>>,
}

async fn serve(state: &Path, listen: &str) -> Served {
    let mut child =
        program(state, &["serve", "--json", "--listen", listen, "--drain", "5s"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = soon(lines.next_line()).await.unwrap().expect("it says when it is ready");
    Served { child, ready: serde_json::from_str(&line).unwrap(), _stdout: lines }
}

impl Served {
    fn address(&self) -> RelayAddress {
        self.ready["relay"].as_str().unwrap().parse().unwrap()
    }

    fn listen(&self) -> &str {
        self.ready["address"].as_str().unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    async fn exit_code(mut self) -> Option<i32> {
        soon(self.child.wait()).await.unwrap().code()
    }
}

async fn join(link: &JoinLink) -> Outcome {
    Node::join_at(&link.relay, &link.relay.host, &key(), Some(link.token.reveal()), None).await
}

/// A client's link with one pipe in it.
struct Piped {
    link: QuicLink,
    reply: PipeReply,
    writer: QuicWriter,
    reader: QuicReader,
}

async fn pipe(dialer: &QuicDialer, relay: &RelayAddress, node: &Node) -> Piped {
    let link = soon(dialer.dial(relay)).await.unwrap();
    let (mut writer, mut reader) = link.open_pipe().await.unwrap();
    let mut request = Vec::new();
    PipeRequest { machine: node.machine }.encode(&mut request);
    writer.write_all(&request).await.unwrap();
    let reply = PipeReply::from_byte(soon(reader.read_u8()).await.unwrap()).unwrap();
    Piped { link, reply, writer, reader }
}

#[tokio::test]
async fn an_operator_makes_lists_and_revokes_tokens_beside_a_running_relay() {
    let dir = tempdir().unwrap();
    let state = dir.path().join("deep/down");
    let served = serve(&state, "127.0.0.1:0").await;
    assert_eq!(served.ready["domain"], "localhost");
    let link: JoinLink = done(&state, &["token", "create"]).await.parse().unwrap();
    assert_eq!(link.relay, served.address());
    assert_eq!(link.relay.pin.unwrap().to_string(), served.ready["pin"].as_str().unwrap());
    let (node, _) = join(&link).await.welcome();
    assert_eq!(join(&link).await.denied().reason, DenialReason::TokenUsed);

    let args = ["token", "create", "--json", "--uses", "5", "--label", "rack 2", "--expires", "2d"];
    let created: Value = serde_json::from_str(&done(&state, &args).await).unwrap();
    let second: JoinLink = created["link"].as_str().unwrap().parse().unwrap();
    join(&second).await.welcome();
    let id = created["id"].as_str().unwrap();
    let listed = done(&state, &["token", "list", "--json"]).await;
    assert!(!listed.contains(second.token.reveal()), "tokens are not kept");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["state"], &listed[0]["uses"]), (&"used".into(), &1.into()));
    assert_eq!((&listed[1]["state"], &listed[1]["label"]), (&"good".into(), &"rack 2".into()));
    done(&state, &["token", "revoke", id]).await;
    assert_eq!(join(&second).await.denied().reason, DenialReason::TokenUnknown);
    let table = done(&state, &["token", "list"]).await;
    assert!(table.contains("revoked") && table.contains("rack 2"), "{table}");
    let said = failed(&state, &["token", "revoke", "tk-aaaaaaaa"]).await;
    assert!(said.contains("there is no token tk-aaaaaaaa"), "{said}");

    let machines: Value =
        serde_json::from_str(&done(&state, &["machines", "--json"]).await).unwrap();
    assert_eq!(machines.as_array().unwrap().len(), 2);
    assert_eq!(machines[0]["machineId"], node.machine.to_string());
    let table = done(&state, &["machines"]).await;
    assert!(table.contains(&node.machine.to_string()), "{table}");
}

#[tokio::test]
async fn a_link_names_the_host_that_the_operator_wants() {
    let dir = tempdir().unwrap();
    let args = ["token", "create", "--host", "relay.example", "--port", "443"];
    let output = run(dir.path(), &args).await;
    let link: JoinLink = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert_eq!((link.relay.host.as_str(), link.relay.port.get()), ("relay.example", 443));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--domain relay.example"), "{said}");
    // The pin was made before the first start, and stays.
    let served = serve(dir.path(), "127.0.0.1:0").await;
    assert_eq!(served.address().pin, link.relay.pin);
}

#[tokio::test]
async fn a_relay_that_was_killed_comes_back_as_itself() {
    let dir = tempdir().unwrap();
    let served = serve(dir.path(), "127.0.0.1:0").await;
    let (listen, address) = (served.listen().to_owned(), served.address());
    let link: JoinLink =
        done(dir.path(), &["token", "create", "--uses", "9"]).await.parse().unwrap();
    let key = key();
    let token = link.token.reveal();
    let (mut node, _) =
        Node::join_at(&address, &address.host, &key, Some(token), None).await.welcome();
    served.signal(Signal::KILL);
    served.exit_code().await;
    let served = serve(dir.path(), &listen).await;
    assert_eq!(served.address(), address);
    // The reset key is the old one: the node learns at its next packet, not after 20 s of silence.
    node.send(&LinkMessage::Ping(1)).await;
    assert_eq!(soon(node.link.ended()).await, LinkEnd::Restarted);
    let (node, _) = Node::join_at(&address, &address.host, &key, None, None).await.welcome();
    assert_eq!(pipe(&dialer(), &address, &node).await.reply, PipeReply::Spliced);
    join(&link).await.welcome();
}

#[tokio::test]
async fn a_signal_lets_pipes_finish_and_a_second_one_does_not() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempdir().unwrap();
        let served = serve(dir.path(), "127.0.0.1:0").await;
        let address = served.address();
        let link: JoinLink = done(dir.path(), &["token", "create"]).await.parse().unwrap();
        let (mut node, _) = join(&link).await.welcome();
        let dialer = dialer();
        let client = pipe(&dialer, &address, &node).await;
        assert_eq!(client.reply, PipeReply::Spliced);
        served.signal(signal);
        assert!(matches!(node.hear().await.unwrap(), LinkMessage::GoAway { .. }));
        match signal {
            // The client goes: nothing is left to wait for.
            Signal::TERM => client.link.close(0, ""),
            _ => served.signal(Signal::TERM),
        }
        assert_eq!(served.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn a_relay_without_flags_says_what_to_do_next() {
    let dir = tempdir().unwrap();
    let mut child = program(dir.path(), &["serve", "--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    while !said.iter().any(|line: &String| line.contains("token create")) {
        said.push(soon(lines.next_line()).await.unwrap().expect("it says how to make a token"));
    }
    assert!(said[0].contains("localhost") && said[0].contains("127.0.0.1:"), "{said:?}");
    kill_process(Pid::from_raw(child.id().unwrap().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert!(soon(child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    let served = serve(one.path(), "127.0.0.1:0").await;
    let said = failed(two.path(), &["serve", "--listen", served.listen()]).await;
    assert!(said.contains(served.listen()) && said.contains("--listen"), "{said}");
    // By UDP alone, too. The TCP port of that number may be somebody else's.
    let (address, said) = loop {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap().to_string();
        let said = failed(two.path(), &["serve", "--listen", &address]).await;
        if !said.contains("TCP") {
            break (address, said);
        }
    };
    assert!(said.contains("UDP") && said.contains(&address), "{said}");
}

#[tokio::test]
async fn two_relays_do_not_share_one_state() {
    let dir = tempdir().unwrap();
    let _served = serve(dir.path(), "127.0.0.1:0").await;
    let said = failed(dir.path(), &["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(said.contains("another relay already runs") && said.contains("--state-dir"), "{said}");
}

#[tokio::test]
async fn state_that_others_could_read_or_swap_is_refused() {
    let dir = tempdir().unwrap();
    done(dir.path(), &["token", "create"]).await;
    let refused = async |file: &str, why: &str, mend: &str| {
        let said = failed(dir.path(), &["serve", "--listen", "127.0.0.1:0"]).await;
        assert!(said.contains(file) && said.contains(why) && said.contains(mend), "{said}");
    };
    for file in ["key.pem", "relay.db"] {
        let path = dir.path().join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        refused(file, "644", "chmod 600").await;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let moved = dir.path().join("moved");
        fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
        refused(file, "symbolic link", "Put the file itself there").await;
        fs::remove_file(&path).unwrap();
        fs::rename(&moved, &path).unwrap();
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    refused("", "777", "chmod 700").await;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let key = fs::read(dir.path().join("key.pem")).unwrap();
    fs::write(dir.path().join("key.pem"), "nonsense").unwrap();
    refused("key.pem", "is not PEM", "backup").await;
    fs::write(dir.path().join("key.pem"), key).unwrap();
    fs::write(dir.path().join("relay.db"), "nonsense, and more of it than a header has".repeat(99))
        .unwrap();
    refused("relay.db", "database", "backup").await;
}

#[tokio::test]
async fn state_that_cannot_be_written_is_named() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let said = failed(&file.join("state"), &["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(said.contains("file/state") && said.contains("--state-dir"), "{said}");
    let said = failed(&dir.path().join("none"), &["token", "list"]).await;
    assert!(said.contains("no relay's state") && said.contains("serve"), "{said}");
    assert!(!dir.path().join("none").exists(), "looking makes nothing");
}

/// A limit on the size of files stands in for a full disk: the system refuses to write in the same
/// places.
#[tokio::test]
async fn a_full_disk_is_named_and_damages_nothing() {
    let dir = tempdir().unwrap();
    let state = dir.path().join("state");
    let script = "trap '' XFSZ; ulimit -f \"$2\"; exec \"$1\" serve --listen 127.0.0.1:0";
    let bounded = |blocks: &'static str| {
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_gantline-relay"), blocks])
            .env("GANTLINE_RELAY_STATE", &state)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    };
    // No file can be written at all, and then none as large as a database.
    for (blocks, file) in [("0", "key.pem"), ("16", "relay.db")] {
        let output = soon(bounded(blocks).output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(file), "{said}");
    }
    let pin = serve(&state, "127.0.0.1:0").await.address().pin;
    assert_eq!(serve_again(&state).await, pin);
}

async fn serve_again(state: &Path) -> Option<gantline_protocol::SpkiPin> {
    loop {
        // The one before is being killed as its handle was dropped.
        let mut child =
            program(state, &["serve", "--json", "--listen", "127.0.0.1:0"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        if let Some(line) = soon(lines.next_line()).await.unwrap() {
            let ready: Value = serde_json::from_str(&line).unwrap();
            return ready["relay"].as_str().unwrap().parse::<RelayAddress>().unwrap().pin;
        }
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_explained() {
    let dir = tempdir().unwrap();
    for args in [
        &["serve", "--listen", "nowhere"][..],
        &["serve", "--domain", "Not A Name"],
        &["serve", "--drain", "soon"],
        &["token", "create", "--expires", "1 day"],
        &["token", "revoke", "nonsense"],
        &["dance"],
    ] {
        assert_eq!(run(dir.path(), args).await.status.code(), Some(2), "{args:?}");
    }
    let said = failed(dir.path(), &["token", "create", "--uses", "0"]).await;
    assert!(said.contains("1 to 1,000,000"), "{said}");
}

#[tokio::test]
async fn a_pipe_of_a_relay_that_stops_at_once_is_an_abort() {
    let dir = tempdir().unwrap();
    let served = serve(dir.path(), "127.0.0.1:0").await;
    let address = served.address();
    let link: JoinLink = done(dir.path(), &["token", "create"]).await.parse().unwrap();
    let (mut node, _) = join(&link).await.welcome();
    let dialer = dialer();
    let client = dialer.dial(&address).await.unwrap();
    let (mut writer, mut reader) = client.open_pipe().await.unwrap();
    let mut request = Vec::new();
    PipeRequest { machine: node.machine }.encode(&mut request);
    request.push(7);
    writer.write_all(&request).await.unwrap();
    assert_eq!(soon(reader.read_u8()).await.unwrap(), 0);
    let (_reply, mut asked) = node.accept().await;
    assert_eq!(soon(asked.read_chunk(1)).await.unwrap().unwrap(), [7][..]);
    served.signal(Signal::TERM);
    assert!(matches!(node.hear().await.unwrap(), LinkMessage::GoAway { .. }));
    served.signal(Signal::TERM);
    assert_eq!(served.exit_code().await, Some(0));
    soon(asked.read_chunk(1)).await.unwrap_err();
}
