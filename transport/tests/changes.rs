//! What a link's owner hears when the network changes or time is missing: real routes in a network
//! namespace of the test's own, and a real process that is really stopped.

#![allow(
    missing_docs,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use gantline_transport::{Change, NetworkChanges, Way};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, timeout, timeout_at};

/// Longer than any change takes to be told, shorter than a person's patience.
const SOON: Duration = Duration::from_secs(10);
/// Longer than any change takes to be told, when nothing is to be.
const QUIET: Duration = Duration::from_millis(800);
const INSIDE: &str = "GANTLINE_TEST_INSIDE";

async fn told(way: &mut Way) -> Change {
    timeout(SOON, way.changed()).await.expect("nobody told of the change")
}

async fn is_quiet(way: &mut Way) -> bool {
    timeout(QUIET, way.changed()).await.is_err()
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Runs this test once more, in a network of its own, where it may do as it likes. `true`: this is
/// that run.
fn is_in_a_network_of_its_own(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut try_it = Command::new("unshare");
    let tried = try_it.args(["--net", "ip", "link", "set", "lo", "up"]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        let why = "it needs root, `unshare` of util-linux and `ip` of iproute2";
        assert!(env::var_os("GANTLINE_NO_SKIPS").is_none(), "{test} can't run: {why}");
        eprintln!("SKIPPED {test}: {why}");
        return false;
    }
    let mut command = Command::new("unshare");
    command.arg("--net").arg(env::current_exe().unwrap());
    let output = command.args([test, "--exact", "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("1 passed"), "it did not run: {told}");
    false
}

/// Two networks, the first of which is in use.
fn two_networks() {
    ip("link set lo up");
    for (network, name) in [(1, "first"), (2, "second")] {
        ip(&format!("link add {name} type veth peer name {name}-end"));
        ip(&format!("link set {name}-end up"));
        ip(&format!("link set {name} up"));
        ip(&format!("address add 10.77.{network}.2/24 dev {name}"));
        ip(&format!("-6 address add fd77:{network}::2/64 dev {name} nodad"));
    }
    ip("route add default via 10.77.1.1");
    ip("-6 route add default via fd77:1::1");
}

#[tokio::test]
async fn whoever_has_a_link_hears_that_the_way_to_the_relay_is_another_one() {
    if !is_in_a_network_of_its_own(
        "whoever_has_a_link_hears_that_the_way_to_the_relay_is_another_one",
    ) {
        return;
    }
    two_networks();
    let changes = NetworkChanges::start();
    let mut v4 = changes.way_to(address("[::ffff:203.0.113.9]:8443"));
    let mut v6 = changes.way_to(address("[2001:db8:9::9]:8443"));
    let mut out = changes.way_out();

    // The other network takes over, for IPv4 alone at first.
    ip("route replace default via 10.77.2.1");
    assert_eq!(told(&mut v4).await, Change::Moved);
    assert_eq!(told(&mut out).await, Change::Moved);
    assert!(is_quiet(&mut v6).await, "its way is the old one");
    ip("-6 route replace default via fd77:2::1");
    assert_eq!(told(&mut v6).await, Change::Moved);
    assert!(is_quiet(&mut v4).await, "its way is the old one");

    // No way out: nothing can be done, so nothing is said until there is one again, and be it the
    // same as before.
    ip("link set second down");
    assert!(is_quiet(&mut v4).await);
    ip("link set second up");
    ip("route replace default via 10.77.2.1");
    assert_eq!(told(&mut v4).await, Change::Moved);
}

#[tokio::test]
async fn what_others_do_with_their_interfaces_disturbs_no_link() {
    if !is_in_a_network_of_its_own("what_others_do_with_their_interfaces_disturbs_no_link") {
        return;
    }
    two_networks();
    let changes = NetworkChanges::start();
    let mut ways = [
        changes.way_to(address("203.0.113.9:8443")),
        changes.way_to(address("[2001:db8:9::9]:8443")),
        changes.way_out(),
    ];
    // Containers come and go, the second network has another address, and IPv6 makes a new
    // temporary one in the same /64.
    ip("link add docker0 type bridge");
    ip("address add 172.17.0.1/16 dev docker0");
    ip("link set docker0 up");
    for container in 0..5 {
        ip(&format!("link add c{container} type veth peer name c{container}-end"));
        ip(&format!("link set c{container} master docker0 up"));
        ip(&format!("link delete c{container}"));
    }
    ip("address add 10.77.2.3/24 dev second");
    ip("-6 address add fd77:1::beef/64 dev first nodad");
    ip("-6 address change fd77:1::2/64 dev first preferred_lft 0");
    for way in &mut ways {
        assert!(is_quiet(way).await, "{way:?}");
    }
}

#[tokio::test]
async fn a_network_that_flaps_is_told_once_a_second_at_most() {
    if !is_in_a_network_of_its_own("a_network_that_flaps_is_told_once_a_second_at_most") {
        return;
    }
    two_networks();
    let changes = NetworkChanges::start();
    let mut way = changes.way_to(address("203.0.113.9:8443"));
    let began = Instant::now();
    let flapping = tokio::task::spawn_blocking(move || {
        for network in [2, 1].into_iter().cycle() {
            ip(&format!("route replace default via 10.77.{network}.1"));
            if network == 1 && began.elapsed() > Duration::from_secs(2) {
                break;
            }
        }
        ip("route replace default via 10.77.2.1");
    });
    let mut told = 0;
    while let Ok(Change::Moved) = timeout_at(began + Duration::from_secs(4), way.changed()).await {
        told += 1;
    }
    flapping.await.unwrap();
    assert!((1..=4).contains(&told), "told {told} times");
    // The last word is about the network that has stayed.
    ip("route replace default via 10.77.1.1");
    assert_eq!(self::told(&mut way).await, Change::Moved);
}

/// A process of its own that tells what it hears.
struct Listener(Child);

impl Listener {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Not a test by itself: the body of [`Listener`].
#[tokio::test]
async fn listener_process() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let mut way = NetworkChanges::start().way_to(address("127.0.0.1:9"));
    println!("listening");
    loop {
        println!("heard {:?}", way.changed().await);
    }
}

#[tokio::test]
async fn a_process_that_was_stopped_hears_that_it_was_when_it_goes_on() {
    let child = Command::new(env::current_exe().unwrap())
        .args(["listener_process", "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut listener = Listener(child);
    let stdout = BufReader::new(listener.0.stdout.take().unwrap());
    let (sender, mut lines) = tokio::sync::mpsc::channel(100);
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let _ = sender.blocking_send(line);
        }
    });
    let mut line = async |text: &str| {
        let found = async {
            while let Some(line) = lines.recv().await {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("the process ended");
        };
        timeout(SOON, found).await.expect(text)
    };
    line("listening").await;
    listener.signal(Signal::STOP);
    // It stands still, which nobody tells. So long, at least, that it is worth a word.
    tokio::time::sleep(Duration::from_millis(5500)).await;
    let since = Instant::now();
    listener.signal(Signal::CONT);
    let heard = line("heard").await;
    assert!(heard.contains("Stalled"), "{heard}");
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

#[test]
fn the_watch_ends_with_the_last_who_wants_to_know() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let changes = NetworkChanges::start();
        let way = changes.way_out();
        drop(changes);
        tokio::task::yield_now().await;
        assert_eq!(tasks(), 1);
        drop(way);
        timeout(SOON, async {
            while tasks() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the task goes on");
    });
}
