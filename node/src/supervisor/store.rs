//! `agents.json`: what agents there are, how they are looked after and how they stood, for the node
//! that comes after this one. Written by one task, a moment after something has changed.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use gantline_protocol::{
    AgentId, Timestamp,
    api::{AgentSource, Supervision},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    Agents,
    agent::Described,
    fleet::{Life, Standing},
};
use crate::{
    shim::record::{Definition, Kind, Record},
    state::{StateError, StateFiles},
};

const FILE: &str = "agents.json";
/// How long to wait after the disk has refused.
const AGAIN: Duration = Duration::from_secs(1);
/// How long changes are gathered that nobody waits for: a start is several.
const GATHERED: Duration = Duration::from_millis(10);
/// How long somebody waits for something to be on the disk.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    /// Tells the lives of the machine apart.
    boot_id: String,
    at: Timestamp,
    pub(super) agents: Vec<KeptAgent>,
}

/// One agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeptAgent {
    #[serde(flatten)]
    pub(super) described: Described,
    #[serde(flatten)]
    pub(super) supervision: Supervision,
    pub(super) standing: Standing,
}

/// What there is from before.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) agents: Vec<FoundAgent>,
    /// The machine is not the same any more: no process of that time lives.
    pub(super) was_rebooted: bool,
}

/// One agent, with the lives of its process that have left something.
#[derive(Debug)]
pub(super) struct FoundAgent {
    pub(super) kept: KeptAgent,
    pub(super) lives: Vec<Definition>,
}

/// Where the file is, and how far it is written.
#[derive(Debug)]
pub(super) struct Store {
    files: Option<StateFiles>,
    changed: Notify,
    /// Somebody waits.
    urgent: Notify,
    written: watch::Sender<u64>,
}

impl Store {
    pub(super) fn new(files: Option<StateFiles>) -> Self {
        Self {
            files,
            changed: Notify::new(),
            urgent: Notify::new(),
            written: watch::Sender::new(0),
        }
    }

    /// Something has changed.
    pub(super) fn is_stale(&self) {
        self.changed.notify_one();
    }

    /// Waits until this version is on the disk; not for ever, since a disk may refuse.
    pub(super) async fn is_written(&self, version: u64) {
        if self.files.is_none() {
            return;
        }
        let mut written = self.written.subscribe();
        self.urgent.notify_one();
        let written = written.wait_for(|written| *written >= version);
        if timeout(WRITTEN_WITHIN, written).await.is_err() {
            tracing::error!("what agents are to do is not on the disk yet");
        }
    }

    /// Writes what has changed, as long as the node is there.
    pub(super) async fn keep(&self, agents: &Agents) {
        let Some(files) = &self.files else { return };
        loop {
            self.changed.notified().await;
            // Whoever waits for what was written already only hurries the next.
            let _ = timeout(GATHERED, self.urgent.notified()).await;
            loop {
                let (version, kept) = agents.snapshot();
                let files = files.clone();
                let kept = Kept { boot_id: boot_id(), at: SystemTime::now().into(), agents: kept };
                let written = spawn_blocking(move || files.write_json(FILE, &kept)).await;
                match written {
                    Ok(Ok(())) => {
                        self.written.send_replace(version);
                        break;
                    }
                    Ok(Err(error)) => tracing::error!(%error, "agents can't be kept"),
                    Err(_ended) => return,
                }
                sleep(AGAIN).await;
            }
        }
    }

    /// What there is from before. What the file does not know is taken from the agents' own
    /// directories.
    pub(super) fn find(&self, log_dir: &Path) -> Found {
        let read = self.files.as_ref().map(|files| files.read_json::<Kept>(FILE));
        let kept = match read {
            Some(Ok(kept)) => kept,
            Some(Err(error)) => {
                tracing::error!(
                    %error,
                    "the agents are taken from their own files: how they are looked after, and what \
                     was added to their environment, is lost"
                );
                self.set_aside(&error);
                None
            }
            None => None,
        };
        let mut lives = lives_in(log_dir);
        let now = Timestamp::from(SystemTime::now());
        let mut found = Found::default();
        if let Some(Kept { boot_id: boot, at, agents }) = kept {
            found.was_rebooted = boot != boot_id();
            let passed = now.since(at);
            for mut kept in agents {
                kept.standing.is_older_by(passed);
                let id = kept.described.agent_id;
                let lives = lives.remove(&id).unwrap_or_default();
                if let Some(last) = lives.last()
                    && last.number > kept.standing.life.0
                {
                    kept.standing.begun_since(Life(last.number));
                }
                found.agents.push(FoundAgent { kept, lives });
            }
        }
        for (_, lives) in lives {
            if let Some(kept) = lives.last().map(of_life) {
                found.agents.push(FoundAgent { kept, lives });
            }
        }
        found
    }

    /// A file that can't be used must not be overwritten.
    fn set_aside(&self, error: &StateError) {
        if let (Some(files), StateError::Corrupt { .. }) = (&self.files, error) {
            let at = Timestamp::from(SystemTime::now()).as_millis();
            let aside = files.path(&format!("{FILE}.broken-{at}"));
            let _ = std::fs::rename(files.path(FILE), aside);
        }
    }
}

/// An agent of which only the files of its process are known.
fn of_life(life: &Definition) -> KeptAgent {
    let life = life.clone();
    let created_at = life.agent_created_at.unwrap_or(life.created_at);
    let Definition { agent_id, name, argv, shell, cwd, size, kind, number, .. } = life;
    let command = gantline_protocol::api::Command { argv, cwd, env: Default::default(), shell };
    let source = match kind {
        Kind::Terminal => AgentSource::Spawn,
        Kind::Pipes => AgentSource::Exec,
    };
    let (scrollback_kb, log_mb) = (None, None);
    KeptAgent {
        described: Described {
            agent_id,
            name,
            command,
            size,
            scrollback_kb,
            log_mb,
            kind,
            source,
            created_at,
        },
        supervision: Supervision::default(),
        standing: Standing::of_life(Life(number)),
    }
}

/// The lives of each agent that has a directory, in their order. What can't be read is left alone.
fn lives_in(log_dir: &Path) -> std::collections::BTreeMap<AgentId, Vec<Definition>> {
    let mut all = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(log_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<AgentId>().ok()) else {
            continue;
        };
        let later = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
        let later = later.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let dirs = std::iter::once(entry.path()).chain(later.map(|entry| entry.path()));
        let mut lives: Vec<_> = dirs.filter_map(|dir| definition(id, dir)).collect();
        lives.sort_by_key(|life| life.number);
        if lives.is_empty() {
            // Its node was killed while it made the directory.
            tracing::warn!(agent = %id, "its files do not say what it is");
        } else {
            all.insert(id, lives);
        }
    }
    all
}

fn definition(id: AgentId, dir: std::path::PathBuf) -> Option<Definition> {
    match Record::new(dir).definition() {
        Ok(Some(definition)) if definition.agent_id == id => Some(definition),
        Ok(Some(_)) => {
            tracing::warn!(agent = %id, "its files say that it is another agent");
            None
        }
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(agent = %id, %error, "an agent can't be read");
            None
        }
    }
}

/// What tells this life of the machine from others; the same each time where the system has nothing.
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use gantline_protocol::Epoch;
    use serde_json::json;

    use super::*;
    use crate::state::Home;

    const AGENT: &str = "ag-x7k2p";

    /// A directory with state in it and another one with what agents have left.
    struct Place {
        dir: tempfile::TempDir,
        files: StateFiles,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let files = Home::below(&dir.path().join("home")).unwrap().state_files();
            Self { dir, files }
        }

        /// A node was here so long ago, and its agent ran.
        fn was_kept(&self, ago: Duration) {
            let described = json!({
                "agentId": AGENT, "argv": ["sleep", "600"], "size": { "cols": 80, "rows": 24 },
                "kind": "terminal", "source": "spawn", "createdAt": 0, "restart": "always",
                "standing": Standing::of_life(Life(1)),
            });
            let kept = json!({
                "bootId": boot_id(), "at": Timestamp::from(SystemTime::now() - ago),
                "agents": [described],
            });
            self.files.write_json(FILE, &kept).unwrap();
        }

        /// This life of its process has left its files.
        fn has_life(&self, number: u32) {
            let definition = json!({
                "agentId": AGENT, "argv": ["sleep", "600"], "shell": false,
                "size": { "cols": 80, "rows": 24 }, "kind": "terminal", "createdAt": 0,
                "epoch": Epoch(number.into()), "number": number,
            });
            let definition: Definition = serde_json::from_value(definition).unwrap();
            let agent = self.log_dir().join(AGENT);
            let dir = if number == 1 { agent } else { agent.join(format!("{number:016x}")) };
            Record::new(dir).create(&definition).unwrap();
        }

        fn log_dir(&self) -> std::path::PathBuf {
            self.dir.path().join("log")
        }

        fn found(&self) -> Found {
            Store::new(Some(self.files.clone())).find(&self.log_dir())
        }
    }

    #[test]
    fn time_that_passed_without_a_node_has_passed_for_the_agents() {
        let place = Place::new();
        place.was_kept(Duration::from_secs(90));
        let found = place.found();
        assert!(!found.was_rebooted);
        let standing = serde_json::to_value(&found.agents[0].kept.standing).unwrap();
        let passed = standing["phase"]["forMs"].as_u64().unwrap();
        assert!((90_000..150_000).contains(&passed), "{standing}");
    }

    #[test]
    fn a_process_that_began_after_the_file_was_written_is_the_present_one() {
        let place = Place::new();
        place.was_kept(Duration::ZERO);
        place.has_life(1);
        place.has_life(2);
        let found = place.found();
        let [agent] = &*found.agents else { panic!("{found:?}") };
        assert_eq!(agent.kept.standing.life, Life(2));
        assert_eq!(agent.lives.iter().map(|life| life.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_file_that_can_not_be_understood_is_put_aside_and_agents_are_found_without_it() {
        let place = Place::new();
        place.has_life(1);
        // The previous version, too.
        place.files.write(FILE, b"scrambled").unwrap();
        place.files.write(FILE, b"eggs").unwrap();
        let found = place.found();
        assert_eq!(found.agents.len(), 1);
        let state = place.files.path("");
        let aside = std::fs::read_dir(state).unwrap().flatten();
        let aside: Vec<_> = aside
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("agents.json.broken-"))
            .map(|entry| std::fs::read(entry.path()).unwrap())
            .collect();
        assert_eq!(aside, [b"eggs"]);
    }
}
