//! The history as a real node with real processes serves it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use gantline_protocol::api::{
    Actor, ChangeKind, LifeChange, LifeRecord, Metrics, Page, Status, Who,
};
use serde::de::DeserializeOwned;

use super::{agents_end::AgentsEnd, *};

/// A node that is a process of its own, and can be killed.
struct Node {
    program: Child,
    _agents: AgentsEnd,
    dir: tempfile::TempDir,
}

impl Node {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = up(dir.path());
        Self { program, _agents: AgentsEnd(dir.path().join("home/log")), dir }
    }

    fn kill(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.program = up(self.dir.path());
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("home/state")
    }

    fn cli(&self, arguments: &[&str]) -> (String, String) {
        let mut command = gantline(self.dir.path());
        let output = command.args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String, Vec<u8>) {
        let mut stream = UnixStream::connect(self.dir.path().join("home/run/node.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{kind}content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let (mut head, mut line) = (String::new(), String::new());
        while stream.read_line(&mut line).unwrap() > 2 {
            head.push_str(&line.to_ascii_lowercase());
            line.clear();
        }
        let mut body = Vec::new();
        stream.read_to_end(&mut body).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, body)
    }

    fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, _, body) = self.ask("GET", path, None);
        let text = String::from_utf8_lossy(&body);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    fn page(&self, query: &str) -> Vec<Life> {
        self.read::<Page<Life>>(&format!("/v1/history{query}")).items
    }

    fn spawn(&self, request: Value) -> Agent {
        let (status, _, body) = self.ask("POST", "/v1/agents", Some(request));
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// The only life of an agent, once it is as wanted.
    fn life(&self, agent: &Agent, wanted: impl Fn(&Life) -> bool) -> Life {
        let query = format!("?agent={}", agent.agent_id);
        let begun = Instant::now();
        loop {
            let lives = self.page(&query);
            match &lives[..] {
                [life] if wanted(life) => return life.clone(),
                [] | [_] if begun.elapsed() < PATIENCE => {}
                lives => panic!("{lives:?}"),
            }
            pause();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Another process tells nobody when it has done something.
#[allow(clippy::disallowed_methods)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn gantline(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
    command.env("GANTLINE_HOME", dir.join("home")).env_remove("RUST_LOG");
    command
}

/// Starts a node, and waits until it answers.
fn up(dir: &Path) -> Child {
    let config = dir.join("home/config/config.toml");
    if !config.exists() {
        std::fs::create_dir_all(config.parent().unwrap()).unwrap();
        Command::new("chmod").args(["-R", "700"]).arg(dir.join("home")).status().unwrap();
        std::fs::write(&config, "loopback.port = 0\n").unwrap();
    }
    let log = std::fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
    let mut command = gantline(dir);
    let command = command.arg("up").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut program = command.spawn().unwrap();
    let socket = dir.join("home/run/node.sock");
    let begun = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        let log = || std::fs::read_to_string(dir.join("log")).unwrap();
        assert!(program.try_wait().unwrap().is_none(), "{}", log());
        assert!(begun.elapsed() < PATIENCE, "{}", log());
        pause();
    }
    program
}

/// Ends an agent and its shim, and takes their files away.
fn vanish(dir: &Path) {
    let life: Value =
        serde_json::from_slice(&std::fs::read(dir.join("process.json")).unwrap()).unwrap();
    let pid = |which: &str| {
        let pid = i32::try_from(life[which]["pid"].as_i64().unwrap()).unwrap();
        rustix::process::Pid::from_raw(pid).unwrap()
    };
    // The shim first, so that it can't tell how the process ended.
    rustix::process::kill_process(pid("shim"), rustix::process::Signal::KILL).unwrap();
    let _ = rustix::process::kill_process_group(pid("process"), rustix::process::Signal::KILL);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn whatever_ran_can_be_looked_up_with_its_exit_code() {
    let node = Node::start();
    let fails = node.spawn(json!({ "argv": ["exit 7"], "shell": true, "name": "fails" }));
    let sleeps = node.spawn(json!({ "argv": ["sleep", "600"], "env": { "PATH_X": "y" } }));
    let life = node.life(&fails, |life| life.ended_at.is_some());
    assert_eq!((life.exit, life.outcome), (Some(ExitStatus::Code(7)), Some(Outcome::Failure)));
    assert_eq!(life.name.unwrap().as_str(), "fails");
    let user = Actor { who: Who::LocalUser, path: Some(Way::Unix) };
    assert_eq!(life.by, Some(user.clone()), "nobody is said to have had it started");
    let epoch = format!("{:016x}", life.epoch.0);
    let record: LifeRecord = node.read(&format!("/v1/history/{}/{epoch}", life.agent_id));
    assert!(!record.changes.is_empty());
    let none = format!("/v1/history/{}/{:016x}", life.agent_id, life.epoch.0 ^ 1);
    for path in [none.as_str(), "/v1/history/ag-xxxxx/7", "/v1/history/web/0000000000000001"] {
        assert_eq!(node.ask("GET", path, None).0, 404, "{path}");
    }
    let page: Page<Life> = node.read("/v1/history?limit=1");
    assert_eq!(page.items[0].agent_id, sleeps.agent_id);
    let next = page.next.unwrap();
    let page: Page<Life> = node.read(&format!("/v1/history?limit=1&cursor={next}"));
    assert_eq!((page.items[0].agent_id, page.next), (fails.agent_id, None));
    for query in ["?exit=7", "?name=fails", "?outcome=failure,lost", "?q=exit%207", "?state=exited"]
    {
        let lives = node.page(query);
        assert!(
            matches!(&lives[..], [one] if one.agent_id == fails.agent_id),
            "{query}: {lives:?}"
        );
    }
    let long = format!("?q={}", "a".repeat(1001));
    for query in
        ["?q=", "?q=%22", &long, "?outcome=odd", "?exit=1&signal=9", "?since=-1", "?limit=0"]
    {
        let (status, head, body) = node.ask("GET", &format!("/v1/history{query}"), None);
        let text = String::from_utf8_lossy(&body);
        assert_eq!(status, 400, "{query}: {text}");
        assert!(head.contains("application/problem+json"));
    }
    // As people read it.
    let (shown, _) = node.cli(&["history", "--failed"]);
    assert!(shown.contains("failure (exit 7)") && shown.contains("exit 7"), "{shown}");
    assert!(!shown.contains("sleep"), "{shown}");
    let (shown, _) = node.cli(&["history", "fails", "--changes"]);
    assert!(shown.contains("exited"), "{shown}");
    let (json, _) = node.cli(&["history", "--search", "sleep 600", "--json"]);
    let rows: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows[0]["agentId"], sleeps.agent_id.to_string());
    let (shown, said) = node.cli(&["history", "--since", "1d", "--search", "nothing-like-this"]);
    assert_eq!((shown.as_str(), said.is_empty()), ("", false));
    // Who stops an agent is noted, too, and that it ended is nobody's doing.
    let path = format!("/v1/agents/{}/stop", sleeps.agent_id);
    assert_eq!(node.ask("POST", &path, Some(json!({}))).0, 202);
    let stopped = node.life(&sleeps, |life| life.ended_at.is_some());
    let path = format!("/v1/history/{}/{:016x}", stopped.agent_id, stopped.epoch.0);
    let changes = node.read::<LifeRecord>(&path).changes;
    let by = |state: AgentState| {
        let to = |change: &&LifeChange| matches!(change.what, ChangeKind::State { to, .. } if to == state);
        changes.iter().find(to).unwrap_or_else(|| panic!("{changes:?}")).by.clone()
    };
    assert_eq!((by(AgentState::Stopping), by(AgentState::Exited)), (Some(user), None));
}

#[test]
fn no_row_stays_open_of_what_ended_while_the_node_was_dead() {
    let mut node = Node::start();
    let spawn = |script: &str| node.spawn(json!({ "argv": [script], "shell": true }));
    // Under load, so that the queue is never empty.
    let ends = spawn("sleep 0.5; exit 4");
    let lives_on = spawn("sleep 600");
    let vanishes = spawn("sleep 600");
    let burst: Vec<_> = (0..20).map(|number| spawn(&format!("exit {number}"))).collect();
    let noted = [&ends, &lives_on, &vanishes].map(|agent| node.life(agent, |_| true));
    assert!(noted.iter().all(|life| life.outcome != Some(Outcome::Lost)));
    node.kill();
    // One of them goes without a trace, shim and files and all.
    let vanished = node.dir.path().join("home/log").join(vanishes.agent_id.to_string());
    vanish(&vanished);
    let exit = node.dir.path().join(format!("home/log/{}/exit.json", ends.agent_id));
    let begun = Instant::now();
    while !exit.exists() {
        assert!(begun.elapsed() < PATIENCE, "its shim did not note how it ended");
        pause();
    }
    node.start_again();
    let begun = Instant::now();
    let end = node.life(&ends, |life| life.ended_at.is_some());
    assert_eq!((end.exit, end.outcome), (Some(ExitStatus::Code(4)), Some(Outcome::Failure)));
    let lost = node.life(&vanishes, |life| life.ended_at.is_some());
    assert_eq!((lost.state, lost.outcome), (AgentState::Lost, Some(Outcome::Lost)));
    for (code, agent) in burst.iter().enumerate() {
        let life = node.life(agent, |life| life.ended_at.is_some());
        assert_eq!(life.exit, Some(ExitStatus::Code(code.try_into().unwrap())), "{life:?}");
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "open rows were there for {took:?}");
    assert_eq!(node.life(&lives_on, |_| true).ended_at, None);
}

#[test]
fn a_damaged_history_stops_neither_the_node_nor_its_agents() {
    let mut node = Node::start();
    let sleeps = node.spawn(json!({ "argv": ["sleep", "600"] }));
    node.life(&sleeps, |_| true);
    node.kill();
    let file = node.state().join("node.db");
    std::fs::write(&file, "no database").unwrap();
    let _ = std::fs::remove_file(node.state().join("node.db-wal"));
    node.start_again();
    let again = node.life(&sleeps, |_| true);
    assert_eq!(again.ended_at, None);
    let agent: Agent = node.read(&format!("/v1/agents/{}", sleeps.agent_id));
    assert_eq!(agent.pid, sleeps.pid);
    let status: Status = node.read("/v1/status");
    let aside = status.history.set_aside.unwrap();
    assert_eq!(std::fs::read(node.state().join(&aside)).unwrap(), b"no database");
    let log = std::fs::read_to_string(node.dir.path().join("log")).unwrap();
    assert!(log.contains("begun anew") && log.contains(&aside), "{log}");
}

#[test]
fn what_is_used_can_be_charted_and_scraped() {
    let node = Node::start();
    let name = "we\"b \\ x";
    let busy = node.spawn(json!({ "argv": ["while :; do :; done"], "shell": true, "name": name }));
    let begun = Instant::now();
    let path = format!("/v1/agents/{}/metrics", busy.agent_id);
    let metrics = loop {
        let metrics: Metrics = node.read(&path);
        // The first look has nothing to compare with.
        if metrics.cpu_percent.max.iter().any(|percent| *percent > 5.0) {
            break metrics;
        }
        assert!(begun.elapsed() < 2 * PATIENCE, "{metrics:?}");
        pause();
    };
    assert_eq!(metrics.agent_id, Some(busy.agent_id));
    let lengths = [metrics.memory.mean.len(), metrics.processes.max.len(), metrics.at.len()];
    assert!(lengths.iter().all(|length| *length == metrics.cpu_percent.mean.len()));
    assert!(metrics.memory.max.iter().any(|bytes| *bytes > 100_000));
    let machine: Metrics = node.read("/v1/machine/metrics?stepMs=60000");
    assert!(machine.agent_id.is_none() && machine.disk_read_rate.is_none());
    assert!(machine.processes.max.iter().any(|count| *count > 1));
    for (path, status) in [
        ("/v1/agents/ag-zzzzz/metrics", 404),
        ("/v1/machine/metrics?from=5&to=5", 400),
        ("/v1/machine/metrics?from=0&stepMs=1000", 400),
        ("/v1/machine/metrics?stepMs=10", 400),
    ] {
        assert_eq!(node.ask("GET", path, None).0, status, "{path}");
    }
    let (status, head, body) = node.ask("GET", "/metrics", None);
    let text = String::from_utf8(body).unwrap();
    assert_eq!(status, 200);
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    let labels = format!("{{agent=\"{}\",name=\"we\\\"b \\\\ x\"}}", busy.agent_id);
    for line in [
        "# TYPE gantline_agent_memory_bytes gauge".to_owned(),
        "# UNIT gantline_agent_memory_bytes bytes".to_owned(),
        format!("gantline_agent_up{labels} 1.0"),
        format!("gantline_agent_restarts_total{labels} 0"),
        "gantline_history_writable 1.0".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is missing in:\n{text}");
    }
    for family in ["agent_cpu_usage_ratio", "agent_memory_bytes", "agent_processes"] {
        assert!(text.contains(&format!("gantline_{family}{labels} ")), "{family}:\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert_lines_are_well_formed(&text);
    let (shown, said) = node.cli(&["metrics", &busy.agent_id.to_string(), "--since", "10m"]);
    assert!(shown.contains("cpu") && shown.contains("MiB"), "{shown}{said}");
    let (json, _) = node.cli(&["metrics", "--json"]);
    assert!(serde_json::from_str::<Metrics>(&json).unwrap().agent_id.is_none());
}

/// Each line is a comment or `name{labels} number`, and no family is told twice.
fn assert_lines_are_well_formed(text: &str) {
    let mut families = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            assert!(families.insert(family), "{family} is there twice");
        }
        if line.starts_with('#') {
            continue;
        }
        let (name, number) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        number.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
        let plain = name.split('{').next().unwrap();
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(plain.bytes().all(is_plain) && plain.starts_with("gantline_"), "{line}");
    }
    assert!(families.len() > 10);
}
