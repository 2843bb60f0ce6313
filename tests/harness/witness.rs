//! A device and a node that hold a conversation of numbered requests and answers, and know what
//! neither of them may ever see: a request that was not made or was made only once, an answer that
//! was not given, an end that was none, a pairing gone, a panic.

use std::{
    collections::HashSet,
    fs, panic,
    path::PathBuf,
    sync::{
        Arc, Once,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use data_encoding::HEXLOWER;
use gantline_client::{
    Connection, KnownMachine, Path,
    session::{Receiving, Session},
};
use gantline_crypto::StaticKey;
use gantline_protocol::{
    DeviceId, Role,
    api::{Agent, Device, ExecEvent, ExitStatus},
    session::Open,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{interval, sleep};

use crate::{HostileRelay, TestDevice, TestNode, hostile_relay::Scheme, soon};

/// Requests of one conversation.
const REQUESTS: usize = 4;
/// Numbers in a request and in an answer: some records of each.
const ASKED: usize = 5_000;
const ANSWERED: usize = 5_000;
/// After this a relay under attack orders ends the pipes: whoever waited longer would wait for
/// ever, which a relay can always have.
const STANDSTILL: Duration = Duration::from_secs(2);
/// Whoever waits asks for a sign of life, so that what is missing is missed.
const IMPATIENCE: Duration = Duration::from_millis(20);

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A machine and a device that is paired with it.
#[derive(Debug)]
pub struct Witness {
    /// The machine's node, a process of its own.
    pub node: Arc<TestNode>,
    /// The device, in this process.
    pub device: TestDevice,
    /// What the device knows of the machine.
    pub machine: KnownMachine,
    scratch: TempDir,
    conversations: usize,
    paired: HashSet<DeviceId>,
}

/// How a conversation ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every request was answered in full.
    Whole,
    /// It broke off, and the device knows.
    Died(String),
}

impl Witness {
    /// A machine that joins this relay, and a device that pairs with it, while the relay is honest.
    pub async fn at(relay: &HostileRelay) -> Self {
        count_panics();
        let node = Arc::new(TestNode::join(&relay.join_link()).await);
        let device = TestDevice::by(relay.carriers(), "laptop");
        let machine = device.pair(&node, Role::Owner).await;
        let scratch = TempDir::new().expect("there is a temporary directory");
        let paired = paired(&node).await;
        Self { node, device, machine, scratch, conversations: 0, paired }
    }

    /// The same device and machine, for a second conversation at the same time.
    ///
    /// # Panics
    /// If there is no temporary directory.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self {
            node: self.node.clone(),
            device: self.device.clone(),
            machine: self.machine.clone(),
            scratch: TempDir::new().expect("there is a temporary directory"),
            conversations: 0,
            paired: self.paired.clone(),
        }
    }

    /// Whoever is paired now was paired on purpose.
    pub async fn recount_devices(&mut self) {
        self.paired = paired(&self.node).await;
    }

    /// Holds a conversation through the relay as it is now, and looks at both sides of it: nothing
    /// that was not said was heard, nothing was heard twice or out of order, and nothing that is
    /// missing was taken for complete.
    ///
    /// # Panics
    /// If something was.
    pub async fn converse(&mut self, relay: &HostileRelay) -> Ending {
        self.conversations += 1;
        let ledger = self.scratch.path().join(self.conversations.to_string());
        let talk = self.talk(&ledger);
        tokio::pin!(talk);
        let (confirmed, ending) = tokio::select! {
            ended = &mut talk => ended,
            () = sleep(STANDSTILL) => {
                relay.hang_up();
                soon("the end of a pipe that was hung up", talk).await
            }
        };
        self.check(&ledger, confirmed).await;
        ending
    }

    /// As [`Self::converse`], through a relay that does nothing bad and is given time.
    ///
    /// # Panics
    /// If the conversation does not come to its end.
    pub async fn converse_undisturbed(&mut self) {
        self.conversations += 1;
        let ledger = self.scratch.path().join(self.conversations.to_string());
        let (confirmed, ending) = soon("a conversation", self.talk(&ledger)).await;
        assert_eq!(ending, Ending::Whole);
        self.check(&ledger, confirmed).await;
    }

    /// The relay has given up: everything works as before, with the same keys, nobody was paired
    /// or forgotten, and nothing has panicked.
    ///
    /// # Panics
    /// If not.
    pub async fn is_unharmed(&mut self, relay: &HostileRelay) {
        relay.will(Scheme::Honest);
        self.converse_undisturbed().await;
        assert_eq!(paired(&self.node).await, self.paired, "who is paired has changed");
        assert!(!self.node.program().log().contains("panicked"), "the node has panicked");
        assert_eq!(PANICS.load(Ordering::Relaxed), 0, "the device has panicked");
    }

    /// The node's paired devices as its API tells them.
    pub async fn devices(&self) -> Vec<Device> {
        self.node.read("/v1/devices").await
    }

    /// The machine's static key, as a thief finds it.
    ///
    /// # Panics
    /// If it is not where it belongs.
    #[must_use]
    pub fn stolen_key(&self) -> StaticKey {
        let text = fs::read(self.node.home().join("state/node.key")).expect("a key file");
        let secret = HEXLOWER.decode(text.trim_ascii()).expect("hexadecimal digits");
        StaticKey::from_secret(&secret.try_into().expect("32 bytes"))
    }

    async fn talk(&self, ledger: &std::path::Path) -> (usize, Ending) {
        let paths: Vec<_> = self.machine.relays.iter().cloned().map(Path::Relay).collect();
        let connection = match self.device.client().connect(&self.machine, &paths).await {
            Ok(connection) => connection,
            Err(error) => return (0, Ending::Died(error.to_string())),
        };
        for number in 1..=REQUESTS {
            if let Err(why) = ask(&connection, number, ledger).await {
                return (number - 1, Ending::Died(why));
            }
        }
        connection.close().await;
        (REQUESTS, Ending::Whole)
    }

    /// What the node has carried out: the first few requests, each once, and at least those whose
    /// answers arrived.
    async fn check(&self, ledger: &PathBuf, confirmed: usize) {
        self.is_idle().await;
        let carried_out = fs::read_to_string(ledger).unwrap_or_default();
        let mut count = 0;
        for (line, number) in carried_out.lines().zip(1..) {
            assert_eq!(line, entry(number), "the node did what nobody asked for");
            count = number;
        }
        assert!(carried_out.lines().count() == count && count <= REQUESTS);
        assert!(count >= confirmed, "{confirmed} answers to {count} requests");
        // Whether it was there or not, it has been seen.
        let _ = fs::remove_file(ledger);
    }

    /// Waits until whatever the node was made to start has ended.
    async fn is_idle(&self) {
        soon("the end of what the node runs", async {
            loop {
                let agents: Vec<Agent> = self.node.read("/v1/agents").await;
                if agents.iter().all(|agent| agent.state.is_final()) {
                    return;
                }
                sleep(IMPATIENCE).await;
            }
        })
        .await;
    }
}

async fn paired(node: &TestNode) -> HashSet<DeviceId> {
    let devices: Vec<Device> = node.read("/v1/devices").await;
    devices.into_iter().map(|device| device.device_id).collect()
}

/// One request: write this line into the ledger, and count. Without an `Idempotency-Key`, so that
/// whoever could have it delivered twice would have it carried out twice.
async fn ask(
    connection: &Connection,
    number: usize,
    ledger: &std::path::Path,
) -> Result<(), String> {
    let session = connection.session().expect("it leads through a relay");
    let script = r#"echo "$1" >> "$0"; seq 1 "$2""#;
    let argv = json!(["sh", "-c", script, ledger, entry(number), ANSWERED.to_string()]);
    let body = serde_json::to_vec(&json!({ "argv": argv })).expect("it is JSON");
    let open = Open {
        method: "POST".to_owned(),
        path: "/v1/exec".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
    };
    let (mut sending, mut receiving) = session.open(open).map_err(|error| error.to_string())?;
    let body = async move {
        sending.write(body.into()).await.map_err(|error| error.to_string())?;
        sending.finish().map_err(|error| error.to_string())
    };
    let answer = read(session, &mut receiving);
    let (said, heard) = tokio::join!(body, answer);
    said.and(heard)
}

/// Reads an answer, and fails the scenario at the first byte that the node did not write.
async fn read(session: &Session, receiving: &mut Receiving) -> Result<(), String> {
    let head = patiently(session, receiving.head()).await.map_err(|error| error.to_string())?;
    assert_eq!(head.status, 200, "the node answers what was not asked");
    let expected: String = (1..=ANSWERED).map(|number| format!("{number}\n")).collect();
    let (mut arrived, mut output, mut exit) = (Vec::new(), Vec::new(), None);
    loop {
        let chunk = patiently(session, receiving.chunk()).await;
        let Some(chunk) = chunk.map_err(|error| error.to_string())? else { break };
        arrived.extend_from_slice(&chunk);
        while let Some(end) = arrived.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = arrived.drain(..=end).collect();
            match serde_json::from_slice(&line).expect("a line that the node did not write") {
                ExecEvent::Out(bytes) => output.extend(bytes.into_vec()),
                ExecEvent::Exit { status, .. } => exit = status,
                ExecEvent::Start { .. } => {}
                ExecEvent::Err(_) | ExecEvent::Other => panic!("nobody wrote {line:?}"),
            }
            assert!(expected.as_bytes().starts_with(&output), "output that the node did not write");
        }
    }
    assert_eq!(exit, Some(ExitStatus::Code(0)), "a cut was taken for the end");
    assert_eq!(output.len(), expected.len(), "a cut was taken for the end");
    Ok(())
}

/// Waits, and pings while nothing comes.
async fn patiently<T>(session: &Session, what: impl Future<Output = T>) -> T {
    tokio::pin!(what);
    let mut impatience = interval(IMPATIENCE);
    loop {
        tokio::select! {
            biased;
            done = &mut what => return done,
            _ = impatience.tick() => session.ping(),
        }
    }
}

/// The line of a request: long enough for some records, and unlike that of any other.
fn entry(number: usize) -> String {
    let numbers: String = (1..=ASKED).map(|word| format!(" {word}")).collect();
    format!("{number}:{numbers}")
}

/// A panic in a task of the client would pass unseen.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(info);
        }));
    });
}
