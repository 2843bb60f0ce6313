//! What can happen to a shim, and what its node says of it then: nothing is guessed, and nothing else
//! is touched.
#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    dead_code,
    unreachable_pub
)]

mod pty_support;

use std::{
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixListener, net::UnixStream},
    path::PathBuf,
    process::Command as Program,
    time::Duration,
};

use gantline_node::{
    pty::{
        HostError,
        log::{Limits, Read},
    },
    supervisor::{AgentsError, Settings},
};
use gantline_protocol::{
    AgentId, Offset, ViewerId,
    api::{AgentState, ExitStatus, SpawnRequest, signal::Signal as Named},
    shim::{Frames, FromShim, MarkKind, ReadMode, ToShim, Versions},
};
use pty_support::{As, Machine, PATIENCE, Viewer, Witness, command, numbered};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::timeout;

const ANSWERS: &str = "stty -echo; echo ready; while read line; do echo \"got <$line>\"; done";

impl Machine {
    fn socket(&self, id: AgentId) -> PathBuf {
        self.run_dir.join(format!("{id}.sock"))
    }

    /// Waits until the agent is described so that `is_it`.
    async fn until(
        &self,
        id: AgentId,
        is_it: impl Fn(&gantline_protocol::api::Agent) -> bool,
    ) -> gantline_protocol::api::Agent {
        let mut events = self.listen();
        let wait = async {
            loop {
                let agent = self.agents.find(id).unwrap();
                if is_it(&agent) {
                    return agent;
                }
                // What is tried again later is no event.
                let _ = timeout(Duration::from_millis(50), events.next()).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("it never is so")
    }
}

/// A program at a shim's socket.
struct Peer {
    stream: UnixStream,
    input: Vec<u8>,
}

impl Peer {
    fn connect(machine: &Machine, id: AgentId) -> Self {
        let stream = UnixStream::connect(machine.socket(id)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, input: Vec::new() }
    }

    fn greeted(machine: &Machine, id: AgentId) -> Self {
        let mut peer = Self::connect(machine, id);
        peer.say(&ToShim::Hello(Versions::OURS));
        peer.hear(|message| assert!(matches!(message, FromShim::Hello(_)))).unwrap();
        peer
    }

    fn say(&mut self, message: &ToShim<'_>) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next message; `None` when the shim has hung up.
    fn hear<T>(&mut self, hear: impl FnOnce(FromShim<'_>) -> T) -> Option<T> {
        loop {
            let mut frames = Frames::new(&self.input);
            if let Some(message) = frames.next_message().unwrap() {
                let heard = hear(FromShim::decode(message).unwrap());
                let taken = frames.taken();
                self.input.drain(..taken);
                return Some(heard);
            }
            let mut buffer = [0; 65_536];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                read => self.input.extend_from_slice(&buffer[..read.expect("it says nothing")]),
            }
        }
    }

    fn is_hung_up_on(&mut self) -> bool {
        self.hear(|_| ()).is_none()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_shim_is_killed_is_lost_and_nobody_else_is_hurt() {
    let machine = Machine::new();
    let (id, other) = (machine.sh(ANSWERS).await, machine.sh(ANSWERS).await);
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("ready").await;
    let process = Witness::of(machine.agents.find(id).unwrap().pid.unwrap() as i32);
    kill_process(Pid::from_raw(machine.shim(id)).unwrap(), Signal::KILL).unwrap();
    assert_eq!(viewer.exit().await, None, "an end that nobody saw has a code");
    let agent = machine.ended(id).await;
    assert_eq!((agent.state, agent.exit), (AgentState::Lost, None));
    assert_eq!(machine.written(id).await.0, b"ready\r\n", "what was known is forgotten");
    // Its terminal is gone, for which a shell leaves.
    process.ends().await;
    let mut viewer = Viewer::from_start(&machine.hub(other)).await;
    viewer.sees("ready").await;
    viewer.types("still here\r").await;
    viewer.sees("got <still here>").await;
    machine.agents.remove(id).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_that_was_killed_while_no_node_was_there_is_lost_too() {
    let mut machine = Machine::new();
    let id = machine.sh("echo ready; exec sleep 600").await;
    Viewer::from_start(&machine.hub(id)).await.sees("ready").await;
    machine.agents.leave();
    let shim = machine.shim(id);
    let witness = Witness::of(shim);
    kill_process(Pid::from_raw(shim).unwrap(), Signal::KILL).unwrap();
    witness.ends().await;
    machine.start_again().await;
    let agent = machine.agents.find(id).unwrap();
    assert_eq!((agent.state, agent.exit, agent.problem), (AgentState::Lost, None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_gone_is_made_anew_and_a_file_in_its_place_is_named_and_left_alone() {
    let mut machine = Machine::new();
    let id = machine.sh(ANSWERS).await;
    Viewer::from_start(&machine.hub(id)).await.sees("ready").await;
    machine.agents.leave();
    let socket = machine.socket(id);
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "precious").unwrap();
    machine.start_again().await;
    let agent = machine.agents.find(id).unwrap();
    assert_eq!(agent.state, AgentState::Running);
    let problem = agent.problem.expect("nothing is said about it");
    assert!(problem.contains(socket.to_str().unwrap()), "{problem}");
    assert!(matches!(machine.agents.signal(id, Named::Int), Err(AgentsError::Away(..))));
    assert!(matches!(machine.agents.hub(id), Err(AgentsError::Away(..))));
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
    // Whoever owns the file moves it away, and all is well.
    std::fs::remove_file(&socket).unwrap();
    machine.until(id, |agent| agent.problem.is_none()).await;
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.types("back\r").await;
    viewer.sees("got <back>").await;
    let mode = socket.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_of_a_later_version_is_named_and_not_touched() {
    let mut machine = Machine::new();
    let id = machine.sh("exec sleep 600").await;
    machine.agents.leave();
    let shim = Witness::of(machine.shim(id));
    // In its place, one of the future.
    let socket = machine.socket(id);
    std::fs::remove_file(&socket).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let later = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 7];
        stream.read_exact(&mut hello).unwrap();
        stream.write_all(&[0, 0, 0, 5, 0x11, 2, 3, 0xff, 0xff]).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        rest
    });
    machine.start_again().await;
    let agent = machine.agents.find(id).unwrap();
    assert_eq!(agent.state, AgentState::Running);
    let problem = agent.problem.expect("nothing is said about it");
    assert!(problem.contains("versions 2 to 3") && problem.contains("version 1"), "{problem}");
    assert_eq!(later.join().unwrap(), b"", "it was told something that it can't understand");
    assert!(shim.runs().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_tells_a_later_node_what_it_speaks_and_serves_the_rest() {
    let machine = Machine::new();
    let id = machine.sh(ANSWERS).await;
    let mut later = Peer::connect(&machine, id);
    later.say(&ToShim::Hello(Versions { oldest: 2, newest: 9 }));
    // The versions, and then nothing more.
    let mut said = Vec::new();
    later.stream.read_to_end(&mut said).unwrap();
    assert_eq!(said, [0, 0, 0, 3, 0x11, 1, 1]);
    let mut both = Peer::connect(&machine, id);
    both.say(&ToShim::Hello(Versions { oldest: 1, newest: 9 }));
    both.say(&ToShim::Ignored(0xfe));
    both.hear(|message| assert!(matches!(message, FromShim::Hello(_)))).unwrap();
    both.say(&ToShim::Read { id: 3, from: Offset(0), mode: ReadMode::Once(5) });
    let read = both.hear(|message| match message {
        FromShim::Output(output) => (output.id, output.bytes.to_vec()),
        other => panic!("{other:?}"),
    });
    assert_eq!(read.map(|(id, _)| id), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_the_rules_at_the_socket_is_hung_up_on_and_nobody_else() {
    let machine = Machine::new();
    let id = machine.sh(ANSWERS).await;
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("ready").await;
    let hello = [0, 0, 0, 3, 1, 1, 1];
    let bad: [&[&[u8]]; 7] = [
        &[&[0xff; 40]],
        &[&[0, 0, 0, 0]],
        &[&[0, 0, 0, 1, 6]],
        &[&hello, &hello],
        &[&hello, &[0, 0, 0, 1, 0x13]],
        &[&hello, &[0, 0, 0, 2, 3, 0]],
        &[&hello, &[0x7f, 0xff, 0xff, 0xff, 3]],
    ];
    for messages in bad {
        let mut peer = Peer::connect(&machine, id);
        for message in messages {
            // It may have hung up after the first.
            let _ = peer.stream.write_all(message);
        }
        while let Some(is_hello) = peer.hear(|message| matches!(message, FromShim::Hello(_))) {
            assert!(is_hello, "{messages:?} was answered");
        }
    }
    // More than may be connected, of which none says anything.
    let idle: Vec<_> = (0..20).map(|_| Peer::connect(&machine, id)).collect();
    viewer.types("still here\r").await;
    viewer.sees("got <still here>").await;
    drop(idle);
    let mut peer = Peer::greeted(&machine, id);
    peer.say(&ToShim::Wait);
    peer.say(&ToShim::Signal {
        signal: Named::Kill,
        scope: gantline_protocol::shim::Scope::All,
        kill_after_ms: 0,
    });
    let how = peer.hear(|message| match message {
        FromShim::Exited(ended) => ended.how,
        other => panic!("{other:?}"),
    });
    assert_eq!(how, Some(Some(ExitStatus::Signal(9))));
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_two_nodes_send_is_typed_once() {
    let machine = Machine::new();
    let id = machine.sh("stty raw -echo; echo ready; exec cat").await;
    Viewer::from_start(&machine.hub(id)).await.sees("ready").await;
    let viewer = ViewerId::from_bytes([7; 16]);
    let write = |seq, bytes| ToShim::Write { viewer, seq, eof: false, bytes };
    let mut first = Peer::greeted(&machine, id);
    first.say(&write(1, b"one "));
    first.say(&write(2, b"two "));
    // It is killed before it hears anything.
    drop(first);
    let mut second = Peer::connect(&machine, id);
    second.say(&ToShim::Hello(Versions::OURS));
    for (seq, bytes) in [(1, &b"one "[..]), (2, b"two "), (3, b"three.")] {
        second.say(&write(seq, bytes));
    }
    let mut acked = Vec::new();
    while acked.last() != Some(&3) {
        second.hear(|message| match message {
            FromShim::Written { seq, .. } => acked.push(seq),
            FromShim::Hello(_) => {}
            other => panic!("{other:?}"),
        });
    }
    let mut watcher = Viewer::from_start(&machine.hub(id)).await;
    assert_eq!(watcher.sees(".").await, "ready\none two three.");
    let mut third = Peer::connect(&machine, id);
    third.say(&ToShim::Hello(Versions::OURS));
    let applied = third.hear(|message| match message {
        FromShim::Hello(greeting) => greeting.applied,
        other => panic!("{other:?}"),
    });
    assert_eq!(applied, Some(vec![(viewer, 3)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_nobody_fetched_in_time_is_a_gap_and_the_process_never_waited() {
    let limits = Limits { memory: 256 << 10, file: 4 << 20 };
    let mut machine = Machine::with(Settings { limits, ..Settings::default() });
    let script = "stty -opost -echo; echo ready; read x; seq 1 3000000; echo over";
    let id = machine.sh(script).await;
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("ready\n").await;
    viewer.types("\r").await;
    viewer.until(|viewer, _| viewer.at() > 100_000).await;
    machine.agents.leave();
    let exit = machine.file(id, "exit.json");
    timeout(PATIENCE, async {
        while !exit.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("without a node the process waits");
    machine.start_again().await;
    let (written, gaps) = machine.written(id).await;
    let all = [b"ready\n", &*numbered(1, 3_000_000), b"over\n"].concat();
    let [(0, to)] = gaps[..] else { panic!("{gaps:?}") };
    assert!(written == all[to as usize..], "other bytes than were written");
    assert!(written.len() >= 3 << 20, "only {} bytes are kept", written.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_from_a_place_that_is_gone_is_told_so_and_gets_all_the_rest() {
    let limits = Limits { memory: 256 << 10, file: 1 << 20 };
    let machine = Machine::with(Settings { limits, ..Settings::default() });
    let script = "stty -opost -echo; echo ready; read x; seq 1 600000; echo over; exec sleep 600";
    let id = machine.sh(script).await;
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("ready\n").await;
    viewer.types("\r").await;
    let truth = [b"ready\n", &*numbered(1, 600_000), b"over\n"].concat();
    viewer.until(|viewer, _| viewer.at() == truth.len() as u64).await;
    let mut late = Peer::greeted(&machine, id);
    late.say(&ToShim::Read { id: 3, from: Offset(0), mode: ReadMode::Follow });
    let (mut at, mut gaps, mut seen) = (0, Vec::new(), Vec::new());
    while at < truth.len() as u64 {
        late.hear(|message| {
            let FromShim::Output(output) = message else { panic!("{message:?}") };
            assert_eq!(output.from.0, at, "output was doubled or left out");
            for mark in &output.marks {
                if let MarkKind::Gap(to) = mark.kind {
                    assert!(to.0 > at && output.bytes.is_empty(), "a gap of nothing at {at}");
                    gaps.push((mark.offset.0, to.0));
                    at = to.0;
                }
            }
            at += output.bytes.len() as u64;
            seen.extend_from_slice(output.bytes);
        })
        .expect("the shim goes on");
    }
    let [(0, to)] = gaps[..] else { panic!("{gaps:?}") };
    assert!(seen == truth[to as usize..], "other bytes than were written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_can_not_be_written_is_named_and_nothing_is_started() {
    let machine = Machine::new();
    std::fs::create_dir_all(&machine.log_dir).unwrap();
    let mount = |arguments: &[&str]| {
        let done = Program::new(arguments[0]).args(&arguments[1..]).arg(&machine.log_dir).output();
        done.is_ok_and(|output| output.status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "ro", "none"]) {
        eprintln!("SKIPPED: nothing can be mounted here");
        return;
    }
    let refused = machine.agents.spawn(SpawnRequest::new(command(&["true"]))).await;
    assert!(mount(&["umount"]));
    let error = refused.expect_err("it was started");
    assert!(matches!(error, AgentsError::Host(HostError::Files { .. })), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(machine.log_dir.to_str().unwrap()) && text.contains("ead-only"),
        "{text}"
    );
    assert!(machine.agents.list().is_empty());
    machine.ended(machine.sh("exit 0").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_that_can_not_write_takes_no_processor_and_goes_when_its_agent_is_gone() {
    let machine = Machine::new();
    let id = machine.sh("read x; echo last words").await;
    let pid = machine.shim(id);
    let shim = Witness::of(pid);
    let (dir, aside) = (machine.log_dir.join(id.to_string()), machine.log_dir.join("aside"));
    std::fs::rename(&dir, &aside).unwrap();
    std::fs::write(&dir, "in the way").unwrap();
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.types("\r").await;
    machine.ended(id).await;
    // Nothing tells when its farewell is over: after 5 s it waits for nothing but the disk.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let before = processor_ticks(pid);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let used = processor_ticks(pid) - before;
    assert!(used <= 5, "{used} of 100 ticks in a second of waiting");
    std::fs::remove_file(&dir).unwrap();
    shim.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_holds_up_neither_the_process_nor_whoever_watches_it() {
    let limits = Limits { memory: 256 << 10, file: 64 << 20 };
    let machine = Machine::with(Settings { limits, ..Settings::default() });
    let script = "stty -opost -echo; echo ready; read x; seq 1 3000000; read x; exit 7";
    let id = machine.sh(script).await;
    let shim = Witness::of(machine.shim(id));
    // Whoever opens it to write waits until somebody reads, as on a disk that does not answer.
    let hung = machine.file(id, &format!("{:020}.log", 0));
    assert!(Program::new("mkfifo").arg(&hung).status().unwrap().success());
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("ready\n").await;
    viewer.types("\r").await;
    // Far more than memory keeps, and than may wait for the disk.
    viewer.until(|viewer, _| viewer.seen.ends_with(b"\n3000000\n")).await;
    viewer.types("\r").await;
    assert_eq!(viewer.exit().await, Some(ExitStatus::Code(7)));
    assert_eq!(machine.ended(id).await.exit, Some(ExitStatus::Code(7)));
    assert!(shim.runs().await && !machine.file(id, "exit.json").exists());
    // It answers again.
    let disk = std::thread::spawn(move || {
        std::io::copy(&mut std::fs::File::open(hung).unwrap(), &mut std::io::sink()).unwrap()
    });
    shim.ends().await;
    assert!(disk.join().unwrap() > 0, "the disk had nothing to do");
    let exit = std::fs::read_to_string(machine.file(id, "exit.json")).unwrap();
    assert!(exit.contains("{\"code\":7}"), "{exit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_faster_than_a_disk_takes_it_is_all_there_afterwards() {
    /// What the disk takes at once, how long it takes for that, and what one file holds at most.
    const RUN: usize = 1 << 20;
    const SLOW: Duration = Duration::from_millis(120);
    const FILE: u64 = 5 << 20;
    let limits = Limits { memory: 256 << 10, file: 256 << 20 };
    let machine = Machine::with(Settings { limits, ..Settings::default() });
    let script = "stty -opost -echo; echo ready; read x; seq 1 5000000; exec sleep 1000";
    let id = machine.sh(script).await;
    // The first file is as slow as whoever reads it here; those after it are on the disk.
    let slow = machine.file(id, &format!("{:020}.log", 0));
    assert!(Program::new("mkfifo").arg(&slow).status().unwrap().success());
    let disk = std::thread::spawn(move || {
        let (mut slow, mut run) = (std::fs::File::open(slow).unwrap(), vec![0; RUN]);
        while slow.read_exact(&mut run).is_ok() {
            std::thread::park_timeout(SLOW);
        }
    });
    let hub = machine.hub(id);
    let mut viewer = Viewer::from_start(&hub).await;
    viewer.sees("ready\n").await;
    viewer.types("\r").await;
    let mut last = hub.host().log().follow();
    let written = ["ready\n".as_bytes(), &numbered(1, 5_000_000)].concat();
    last.beyond(Offset(written.len() as u64 - 1)).await;
    drop(viewer);
    let mut at = FILE;
    while at < written.len() as u64 {
        let Read::Bytes(bytes) = hub.host().log().read(Offset(at), 1 << 20).await else {
            panic!("it is not there any more from {at} on")
        };
        assert!(written[at as usize..].starts_with(&bytes), "other bytes at {at}");
        at += bytes.len() as u64;
    }
    disk.join().unwrap();
}

/// How much processor time a process has had, in hundredths of a second.
fn processor_ticks(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let field = |index: usize| after_name.split(' ').nth(index).unwrap().parse::<u64>().unwrap();
    field(11) + field(12)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_is_small_detached_and_shows_no_secret() {
    let machine = Machine::new();
    let env = [("TOKEN".to_owned(), "hunter2".to_owned())];
    let mut what = command(&["/bin/sh", "-c", "echo $TOKEN; exec sleep 600"]);
    what.env = std::collections::BTreeMap::from(env).try_into().unwrap();
    let id = machine.spawn(what).await;
    Viewer::from_start(&machine.hub(id)).await.sees("hunter2").await;
    let shim = machine.shim(id);
    let of = |name: &str| std::fs::read(format!("/proc/{shim}/{name}")).unwrap();
    assert_eq!(of("cmdline"), format!("gantline\0shim\0{id}\0").into_bytes());
    assert_eq!(of("environ"), b"");
    let own_session = rustix::process::getsid(Pid::from_raw(shim)).unwrap();
    assert_eq!(own_session.as_raw_nonzero().get(), shim, "it goes with the node's terminal");
    assert_eq!(std::fs::read_dir(format!("/proc/{shim}/task")).unwrap().count(), 1);
    for file in std::fs::read_dir(machine.file(id, "")).unwrap().flatten() {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let bytes = std::fs::read(file.path()).unwrap();
        let has_it = bytes.windows(7).any(|part| part == b"hunter2");
        assert!(!has_it, "{} has the secret", file.path().display());
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).unwrap_or_default();
    match runtime.join("systemd/private").exists() {
        true => assert!(String::from_utf8_lossy(&of("cgroup")).contains("gantline-ag-")),
        false => eprintln!("NOT ENFORCED HERE: no user manager, so no scope of its own"),
    }
    // Private pages of its own, without what is shared with every other process of the program.
    let rollup = String::from_utf8(of("smaps_rollup")).unwrap();
    let dirty = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
    let kb: u64 = dirty.trim().trim_end_matches(" kB").parse().unwrap();
    // What is not optimised has many more addresses to adjust at its start.
    let bound = if cfg!(debug_assertions) { 24 } else { 3 } << 10;
    assert!(kb <= bound, "{kb} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_has_learnt_of_the_screen_is_there_for_the_next_one() {
    let mut machine = Machine::new();
    let id = machine.sh(ANSWERS).await;
    let host = machine.hub(id).host().clone();
    assert_eq!(host.last_checkpoint().await, None);
    let state = vec![7; 500_000];
    host.checkpoint(Offset(1), b"older");
    host.checkpoint(Offset(6), &state);
    // More than is kept: the one before stays.
    host.checkpoint(Offset(7), &vec![0; 2 << 20]);
    assert_eq!(host.last_checkpoint().await, Some((Offset(6), state.clone().into())));
    machine.start_again().await;
    let host = machine.hub(id).host().clone();
    assert_eq!(host.last_checkpoint().await, Some((Offset(6), state.into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_was_set_is_still_set_for_the_next_node() {
    let mut machine = Machine::new();
    let id = machine.sh("trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done").await;
    let mut viewer = Viewer::from_start(&machine.hub(id)).await;
    viewer.sees("ready").await;
    viewer.say(gantline_protocol::terminal::ViewerMessage::Take).await;
    viewer.sees("30 100").await;
    machine.start_again().await;
    assert_eq!(machine.agents.find(id).unwrap().size, pty_support::size(100, 30));
    let late = Viewer::attach(&machine.hub(id), As::default()).await;
    assert_eq!(late.size, pty_support::size(100, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_of_the_log_can_be_asked_for() {
    let machine = Machine::new();
    let request = SpawnRequest {
        scrollback_kb: Some(64.try_into().unwrap()),
        log_mb: Some(0.try_into().unwrap()),
        ..SpawnRequest::new(command(&["/bin/sh", "-c", "stty -opost; seq 1 200000"]))
    };
    let id = machine.agents.spawn(request).await.unwrap().agent_id;
    machine.ended(id).await;
    let (written, gaps) = machine.written(id).await;
    assert!((64 << 10..=192 << 10).contains(&written.len()), "{} bytes", written.len());
    assert!(numbered(1, 200_000).ends_with(&written));
    assert_eq!(gaps.len(), 1);
    let text = json!({ "argv": ["true"], "logMb": 70_000 }).to_string();
    assert!(serde_json::from_str::<SpawnRequest>(&text).is_err());
}
