//! What another node has looked after, and what has become of it: this one goes on from there.

use std::time::{Duration, Instant, SystemTime};

use gantline_protocol::{AgentId, Timestamp};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Agents,
    agent::{Entry, Running},
    fleet::{Event, Life},
    store::{Found, FoundAgent, KeptAgent},
    table::Table,
};
use crate::{
    pty::{host::Host, hub::Hub, screen::Origin},
    shim::record::Kind,
};

/// How long a node that starts waits to hear what has become of its agents.
const FOUND_WITHIN: Duration = Duration::from_secs(3);
/// How long it waits for a shim to go.
const CLEARED_WITHIN: Duration = Duration::from_millis(500);

impl Agents {
    /// Finds the agents that another node has looked after, and what has become of them, and goes on
    /// looking after them. Those that can not be reached at once are looked for further on.
    pub async fn find_again(&self) {
        let this = self.clone();
        let found = spawn_blocking(move || this.shared.store.find(&this.shared.shims.log_dir));
        let Found { agents, was_rebooted } = found.await.unwrap_or_default();
        let searches: Vec<_> = {
            let mut table = self.table();
            table.fleet.close();
            let restored = agents.into_iter();
            restored.filter_map(|found| self.restore(&mut table, found, was_rebooted)).collect()
        };
        if timeout(FOUND_WITHIN, futures_util::future::join_all(searches)).await.is_err() {
            tracing::warn!("some agents have not answered yet");
        }
        let mut table = self.table();
        let todo = table.fleet.open(Instant::now());
        self.obey(&mut table, todo);
        self.begin(&mut table);
        // What has become of them since is news.
        self.shared.store.is_stale();
        drop(table);
        self.forget_oldest();
    }

    /// Enters an agent from before. Returns what finds out what has become of its process.
    fn restore(
        &self,
        table: &mut Table,
        found: FoundAgent,
        was_rebooted: bool,
    ) -> Option<tokio::task::JoinHandle<()>> {
        let FoundAgent { kept: KeptAgent { described, supervision, standing }, lives } = found;
        let id = described.agent_id;
        table.fleet.restore(id, supervision, &standing, was_rebooted, Instant::now());
        let mut entry = Entry::new(described);
        let Some(last) = lives.last().cloned() else {
            table.entries.insert(id, entry);
            self.hear_in(table, Event::Untried(id, standing.life));
            self.hear_in(table, Event::Cleared(id, standing.life));
            return None;
        };
        let host = Host::find(&self.shared.shims, &last);
        entry.lives = lives;
        let number = Life(last.number);
        let has_process = standing.has_process();
        let this = self.clone();
        let kind = last.kind;
        table.entries.insert(id, entry);
        Some(tokio::spawn(async move {
            host.is_found().await;
            let running = match kind {
                Kind::Terminal => {
                    let size = host.size();
                    Running::Terminal(Hub::new(host.clone(), size, Origin::Found))
                }
                Kind::Pipes => Running::Pipes(host.clone()),
            };
            if let Some(entry) = this.table().entries.get_mut(&id) {
                entry.has(last, running);
            }
            match number < standing.life {
                // That life left nothing, so it never began.
                true => {
                    let life = standing.life;
                    this.hear(Event::Untried(id, life));
                    this.hear(Event::Cleared(id, life));
                }
                false => this.take_over(id, number, host, has_process, was_rebooted).await,
            }
        }))
    }

    /// Finds out what has become of a life that another node has looked after. `has_process`: it is
    /// not known yet that it has ended.
    async fn take_over(
        &self,
        id: AgentId,
        life: Life,
        host: Host,
        has_process: bool,
        was_rebooted: bool,
    ) {
        let Some(end) = host.end() else {
            let mut table = self.table();
            match host.problem() {
                None => self.hear_in(&mut table, Event::Running(id, life)),
                Some(_) => self.tell(&mut table, id),
            }
            tokio::spawn(self.by_nobody().watch(id, life, host));
            return;
        };
        if end.how.is_none() && host.life().await.is_none() {
            // Its node was killed before there was a process.
            self.hear(Event::Untried(id, life));
        }
        if has_process && end.how.is_none() && was_rebooted {
            self.hear(Event::Cut(id, life));
        } else if has_process {
            let said = self.last_words(id, end.how, host.log()).await;
            let ago = Timestamp::from(SystemTime::now()).since(end.at);
            self.hear(Event::Exited { agent: id, life, how: end.how, ago, said });
        }
        let this = self.clone();
        let cleared = tokio::spawn(async move {
            // A shim may still look after what its process left behind.
            tokio::select! {
                () = host.is_over() => this.hear(Event::Cleared(id, life)),
                () = host.is_left() => {}
            }
        });
        let _ = timeout(CLEARED_WITHIN, cleared).await;
    }
}
