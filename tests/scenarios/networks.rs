//! Networks that are narrow, hostile or change: the main job with the real programs, each in a
//! network namespace of its own.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::{
    env,
    process::Command,
    time::{Duration, Instant},
};

use gantline_protocol::api::{Carrier, LinkState, Status};
use gantline_tests::{
    Network, PageViewer, TestNode, TestRelay, Typist,
    network::{CLIENT, Family, Forbidden, NODE, RELAY, Way},
    node::gantline,
    soon,
};
use gantline_transport::Carriers;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The programs in their places. The test itself is where the client is.
struct Site {
    /// Both only where UDP is forbidden.
    carriers: Carriers,
    node: TestNode,
    home: TempDir,
    _relay: TestRelay,
    network: Network,
}

/// Runs a story in a network; the thread and all it starts are where the client is.
fn story(family: Family, body: impl AsyncFnOnce(Network) + Send) {
    let Some(network) = Network::new(family) else { return };
    let run = || {
        network.client.enter();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(body(network));
    };
    let outcome = std::thread::scope(|scope| scope.spawn(run).join());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Both at the same time, since they mostly wait.
fn over_both(body: fn(Carriers)) {
    std::thread::scope(|scope| {
        scope.spawn(|| body(Carriers::Quic));
        scope.spawn(|| body(Carriers::WebSocket));
    });
}

/// Whether this run is to take its time.
fn is_full_size() -> bool {
    env::var("GANTLINE_TIER").is_ok_and(|tier| tier != "test")
}

impl Site {
    /// A relay, a node that has joined it, and a client that has paired with the node by a code.
    async fn build(network: Network, carriers: Carriers) -> Self {
        let address = network.address(RELAY).to_string();
        let any = if address.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
        let relay = network.relay.inside(|| TestRelay::listening_on(any, &["--domain", &address]));
        let link = relay.join_link();
        let node = network.node.inside(|| {
            let options = ["--name", "box", "--join", &link.to_string()];
            TestNode::launch_by(carriers, &options, Some(link.relay.clone()))
        });
        let site = Self { carriers, node, home: TempDir::new().unwrap(), _relay: relay, network };
        within(Duration::from_secs(5), "to join", site.node.linked()).await;
        let status: Status = site.node.read("/v1/status").await;
        let expected = match carriers {
            Carriers::Quic => Carrier::Quic,
            Carriers::Both | Carriers::WebSocket => Carrier::WebSocket,
        };
        assert_eq!(status.links[0].carrier, Some(expected));
        let minted: Value =
            serde_json::from_str(&told(&mut site.at_node(&["pair", "--json"]))).unwrap();
        let (code, at) = (&minted["code"], &minted["addresses"][0]);
        let (code, at) = (code.as_str().unwrap(), at.as_str().unwrap());
        site.quickly("to pair", &["add", code, at, "--name", "box"]);
        site
    }

    /// The command line of the client.
    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = gantline(&self.home.path().join("laptop"));
        command.args(arguments).env(Carriers::VARIABLE, self.carriers.to_string());
        command
    }

    fn at_node(&self, arguments: &[&str]) -> Command {
        let mut command = gantline(&self.node.home());
        command.args(arguments);
        command
    }

    /// Runs what has to go well within 5 s, and gives what it printed.
    fn quickly(&self, what: &str, arguments: &[&str]) -> String {
        let since = Instant::now();
        let printed = told(&mut self.client(arguments));
        let took = since.elapsed();
        eprintln!("{:?}: {what}: {took:?}", self.carriers);
        assert!(took < Duration::from_secs(5), "it took {took:?} {what}");
        printed
    }

    /// A shell on the node, attached, quiet, and ready.
    async fn shell(&self) -> Typist {
        let mut typist =
            Typist::by_pipe(self.client(&["spawn", "--attach", "--on", "box", "--", "sh", "-i"]));
        typist.types("stty -echo; echo re''ady\r");
        typist.until("ready").await;
        typist
    }

    /// A command with an exit code, and a shell to type into.
    async fn main_job(&self) {
        let since = Instant::now();
        let arguments = ["exec", "--on", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 7"];
        let output = self.client(&arguments).output().unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), out.as_str()), (Some(7), "out\n"), "{err}");
        assert_eq!(err, "err\n");
        let took = since.elapsed();
        eprintln!("{:?}: to run a command: {took:?}", self.carriers);
        assert!(took < Duration::from_secs(5), "it took {took:?} to run a command");

        let since = Instant::now();
        let mut typist = self.shell().await;
        typist.types("echo $((6 * 7)) is the answer; exit 3\r");
        typist.until("42 is the answer").await;
        let took = since.elapsed();
        assert_eq!(typist.end().await, Some(3));
        eprintln!("{:?}: to type into a shell: {took:?}", self.carriers);
        assert!(took < Duration::from_secs(5), "it took {took:?} to type into a shell");
    }

    /// 10 MiB of output.
    fn ten_mebibytes(&self) {
        const LENGTH: usize = 10 << 20;
        let lines: Vec<u8> =
            (0..).flat_map(|n| format!("{n}\n").into_bytes()).take(LENGTH).collect();
        let since = Instant::now();
        let script = format!("seq 0 {LENGTH} | head -c {LENGTH}");
        let output =
            self.client(&["exec", "--on", "box", "--", "sh", "-c", &script]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(output.stdout == lines, "{} bytes of {LENGTH} came", output.stdout.len());
        eprintln!("{:?}: 10 MiB in {:?}", self.carriers, since.elapsed());
    }

    fn status(&self) -> String {
        told(&mut self.at_node(&["status"]))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn told(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

async fn within<T>(limit: Duration, what: &str, waited_for: impl Future<Output = T>) -> T {
    let since = Instant::now();
    let value = soon(what, waited_for).await;
    let took = since.elapsed();
    eprintln!("{what}: {took:?}");
    assert!(took < limit, "it took {took:?} {what}");
    value
}

#[test]
fn where_udp_is_refused_everything_works_within_5_s() {
    story(Family::V4, async |network| {
        network.forbid_udp(Forbidden::AtOnce);
        Site::build(network, Carriers::Both).await.main_job().await;
    });
}

#[test]
fn where_udp_is_swallowed_everything_works_within_5_s() {
    story(Family::V4, async |network| {
        network.forbid_udp(Forbidden::Silently);
        Site::build(network, Carriers::Both).await.main_job().await;
    });
}

fn on_a_path_of_1280_bytes(family: Family, carriers: Carriers) {
    story(family, async |network| {
        network.limit_packets(1280);
        let site = Site::build(network, carriers).await;
        site.main_job().await;
        site.ten_mebibytes();
        // The path was narrow indeed: somebody was told.
        let relay = site.network.address(RELAY);
        let known = site
            .network
            .node
            .inside(|| told(Command::new("ip").args(["route", "get", &relay.to_string()])));
        assert!(known.contains("mtu 1280"), "{known}");
    });
}

#[test]
fn ten_mebibytes_pass_a_path_of_1280_bytes_over_quic() {
    on_a_path_of_1280_bytes(Family::V4, Carriers::Quic);
}

#[test]
fn ten_mebibytes_pass_a_path_of_1280_bytes_over_websockets() {
    on_a_path_of_1280_bytes(Family::V4, Carriers::WebSocket);
}

#[test]
fn where_there_is_nothing_but_ipv6_everything_works_over_quic() {
    on_a_path_of_1280_bytes(Family::V6, Carriers::Quic);
}

#[test]
fn where_there_is_nothing_but_ipv6_everything_works_over_websockets() {
    on_a_path_of_1280_bytes(Family::V6, Carriers::WebSocket);
}

/// Who changes to another network.
#[derive(Debug, Clone, Copy)]
enum Traveller {
    Node,
    Client,
}

/// Numbered lines: about 21 MB.
const LINES: u32 = 2_800_000;

/// Somebody types while 21 MB come by, and in the middle of it one end has another network.
fn switches_networks(traveller: Traveller, carriers: Carriers) {
    story(Family::V4, async |network| {
        let site = Site::build(network, carriers).await;
        let script = format!("stty -opost; seq 1 {LINES}");
        told(
            &mut site
                .client(&["spawn", "--on", "box", "--name", "flood", "--", "sh", "-c", &script]),
        );
        // What it has not shown yet waits on the other machine.
        let mut flood = Typist::by_pipe(site.client(&["logs", "-f", "--on", "box", "flood"]));
        let mut echo = Typist::by_hand(site.client(&[
            "spawn",
            "--attach",
            "--on",
            "box",
            "--name",
            "echo",
            "--",
            "sh",
            "-c",
            "stty raw -echo; echo ready; exec cat",
        ]));
        echo.until("ready").await;
        // From here on what is shown is what the agent wrote, and no picture of it.
        echo.types("begin ");
        echo.until("begin ").await;
        flood.until("\n500000\n").await;
        let mut typed = String::new();
        let mut slowest = Duration::ZERO;
        for round in 0..30 {
            let word = format!("{round}.{round} ");
            typed.push_str(&word);
            let mut since = Instant::now();
            if round == 10 {
                let network = &site.network;
                let (place, [old, new], answers) = match traveller {
                    Traveller::Node => (&network.node, NODE, Way::From),
                    Traveller::Client => (&network.client, CLIENT, Way::To),
                };
                // A key that was applied, but whose echo and answer the old network swallows.
                network.cut_one_way(old, answers, true);
                echo.types(&word);
                let applied =
                    async { while !told(&mut site.at_node(&["logs", "echo"])).contains(&word) {} };
                soon("the key on the other machine", applied).await;
                network.unplug(place, old);
                network.plug(place, new);
                since = Instant::now();
            } else {
                echo.types(&word);
            }
            echo.until(&word).await;
            slowest = slowest.max(since.elapsed());
        }
        eprintln!("{traveller:?} over {carriers:?}: the slowest key took {slowest:?}");
        assert_eq!(text(&echo.seen).split_once("begin ").unwrap().1, typed);
        assert_eq!(flood.end().await, Some(0));
        let lines: Vec<u8> = (1..=LINES).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        assert!(flood.seen == lines, "{} bytes of {} came", flood.seen.len(), lines.len());
        let limit = match carriers {
            Carriers::Quic | Carriers::Both => Duration::from_secs(3),
            Carriers::WebSocket => Duration::from_secs(5),
        };
        assert!(slowest < limit, "a key took {slowest:?}");
    });
}

#[test]
fn a_node_that_changes_its_network_in_mid_flood_loses_and_doubles_nothing_over_quic() {
    switches_networks(Traveller::Node, Carriers::Quic);
}

#[test]
fn a_node_that_changes_its_network_in_mid_flood_loses_and_doubles_nothing_over_websockets() {
    switches_networks(Traveller::Node, Carriers::WebSocket);
}

#[test]
fn a_client_that_changes_its_network_in_mid_flood_loses_and_doubles_nothing_over_quic() {
    switches_networks(Traveller::Client, Carriers::Quic);
}

#[test]
fn a_client_that_changes_its_network_in_mid_flood_loses_and_doubles_nothing_over_websockets() {
    switches_networks(Traveller::Client, Carriers::WebSocket);
}

/// Somebody types in a page of their own machine, which then has another network.
fn a_page_changes_its_network(carriers: Carriers) {
    story(Family::V4, async |network| {
        let site = Site::build(network, carriers).await;
        let home = TestNode::launch_by(carriers, &[], None);
        let page = home.page().await;
        let minted: Value =
            serde_json::from_str(&told(&mut site.at_node(&["pair", "--json"]))).unwrap();
        let key = json!({ "code": minted["code"], "address": minted["addresses"][0] });
        let added = page.post("/v1/machines", key).await;
        assert_eq!(added.status, 201, "{added:?}");
        let machine = added.json()["machine"]["machineId"].as_str().unwrap().to_owned();
        let at = |path: &str| format!("/v1/machines/{machine}/{path}");
        let argv = ["sh", "-c", "stty raw -echo; echo ready; exec cat"];
        let spawned = page.post(&at("agents"), json!({ "argv": argv, "name": "echo" })).await;
        let agent = spawned.json()["agentId"].as_str().unwrap().to_owned();
        let _events = page.events().await;
        let mut viewer = PageViewer::attach(&page, at(&format!("agents/{agent}/terminal"))).await;
        let ready =
            async { while !told(&mut site.at_node(&["logs", "echo"])).contains("ready") {} };
        soon("a raw terminal", ready).await;
        viewer.types("begin ").await;
        viewer.until("begin ").await.unwrap();
        let (mut typed, mut slowest) = (String::new(), Duration::ZERO);
        for round in 0..20 {
            let word = format!("{round}.{round} ");
            typed.push_str(&word);
            let mut since = Instant::now();
            viewer.types(&word).await;
            if round == 10 {
                let network = &site.network;
                network.cut_one_way(CLIENT[0], Way::To, true);
                let applied =
                    async { while !told(&mut site.at_node(&["logs", "echo"])).contains(&word) {} };
                soon("the key on the other machine", applied).await;
                network.unplug(&network.client, CLIENT[0]);
                network.plug(&network.client, CLIENT[1]);
                since = Instant::now();
            }
            while viewer.until(&word).await.is_err() {
                viewer.come_back_soon(&page).await;
            }
            slowest = slowest.max(since.elapsed());
        }
        eprintln!("a page over {carriers:?}: the slowest key took {slowest:?}");
        assert_eq!(text(&viewer.seen).split_once("begin ").unwrap().1, typed);
        let limit = match carriers {
            Carriers::Quic | Carriers::Both => Duration::from_secs(3),
            Carriers::WebSocket => Duration::from_secs(5),
        };
        assert!(slowest < limit, "a key took {slowest:?}");
    });
}

#[test]
fn a_page_whose_machine_changes_its_network_loses_and_doubles_no_key() {
    over_both(a_page_changes_its_network);
}

fn a_wire_is_cut(carriers: Carriers) {
    story(Family::V4, async |network| {
        let site = Site::build(network, carriers).await;
        let mut typist = site.shell().await;
        site.network.cut(NODE[0], true);
        let since = Instant::now();
        within(Duration::from_secs(21), "to notice", site.node.unlinked()).await;
        let status: Status = site.node.read("/v1/status").await;
        assert_ne!(status.links[0].state, LinkState::Up);
        assert!(status.links[0].last_error.is_some(), "it does not say why");
        let shown = site.status();
        assert!(shown.contains("down for") || shown.contains("connecting for"), "{shown}");
        // Whoever is attached hears from the relay, and is told when it lasts.
        typist.until_said("reconnecting to box").await;
        let took = since.elapsed();
        assert!(took < Duration::from_secs(24), "a viewer was told after {took:?}");
        site.network.cut(NODE[0], false);
        within(Duration::from_secs(21), "to come back", site.node.linked()).await;
        typist.types("echo st''ill here\r");
        typist.until("still here").await;
    });
}

#[test]
fn a_wire_that_is_cut_silently_is_noticed_and_told() {
    over_both(a_wire_is_cut);
}

fn a_node_stands_still(carriers: Carriers) {
    story(Family::V4, async |network| {
        let site = Site::build(network, carriers).await;
        let mut typist = site.shell().await;
        site.node.program().signal(Signal::STOP);
        // Longer than a link may be silent, so that the relay has given it up.
        let still = Duration::from_secs(if is_full_size() { 60 } else { 22 });
        tokio::time::sleep(still).await;
        site.node.program().signal(Signal::CONT);
        let since = Instant::now();
        let mut attempt = 0;
        while !site.client(&["exec", "--on", "box", "--", "true"]).status().unwrap().success() {
            attempt += 1;
            assert!(since.elapsed() < Duration::from_secs(10), "{attempt} attempts");
        }
        typist.types("echo st''ill here\r");
        typist.until("still here").await;
        let took = since.elapsed();
        eprintln!("{carriers:?}: usable again after {took:?}");
        assert!(took < Duration::from_secs(10), "usable again after {took:?}");
    });
}

#[test]
fn a_node_that_stood_still_is_usable_within_10_s() {
    over_both(a_node_stands_still);
}
