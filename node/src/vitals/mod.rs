//! What the machine and its agents use, looked at again and again: often while somebody watches, and
//! seldom otherwise. A [`Monitor`] owns the task that looks.

mod look;
mod tally;

use std::{collections::HashMap, sync::Arc, time::Duration};

use gantline_protocol::{AgentId, Epoch, Offset, api::Vitals};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    pty::{host::Host, last_line::last_line},
    supervisor::Agents,
};

use look::{Looker, Seen};

/// Between two looks while somebody watches, and otherwise.
const OFTEN: Duration = Duration::from_secs(2);
const SELDOM: Duration = Duration::from_secs(15);
/// How old the last look is at least when one is made for somebody who has just come: less says
/// little about processor time.
const SOON: Duration = Duration::from_millis(500);
/// How far back the last line of an agent is looked for, in bytes.
const TAIL: usize = 4096;

/// Looks at the machine. Clones share one task, which ends when the node does.
#[derive(Debug, Clone)]
pub struct Monitor {
    latest: watch::Receiver<Option<Arc<Vitals>>>,
    watchers: Arc<watch::Sender<Watchers>>,
}

/// Who watches.
#[derive(Debug, Clone, Copy, Default)]
struct Watchers {
    now: usize,
    ever: u64,
}

/// Somebody who watches. As long as there is one, it is looked often.
#[derive(Debug)]
pub struct Watcher {
    latest: watch::Receiver<Option<Arc<Vitals>>>,
    watchers: Arc<watch::Sender<Watchers>>,
}

impl Monitor {
    /// Looks at the machine and at its agents, until `closing`. Needs a Tokio runtime.
    #[must_use]
    pub fn of(agents: Agents, closing: CancellationToken) -> Self {
        Self::start(move || agents.living(), closing)
    }

    fn start(
        living: impl Fn() -> Vec<(AgentId, Host)> + Send + Sync + 'static,
        closing: CancellationToken,
    ) -> Self {
        let (tell, latest) = watch::channel(None);
        let watchers = Arc::new(watch::Sender::new(Watchers::default()));
        let counted = watchers.subscribe();
        tokio::spawn(async move {
            closing.run_until_cancelled(keep_looking(living, counted, tell)).await;
        });
        Self { latest, watchers }
    }

    /// Watches: a look is made soon, and is told as every further one.
    #[must_use]
    pub fn watch(&self) -> Watcher {
        let (mut latest, watchers) = (self.latest.clone(), self.watchers.clone());
        latest.mark_unchanged();
        watchers.send_modify(|watchers| {
            watchers.now += 1;
            watchers.ever += 1;
        });
        Watcher { latest, watchers }
    }

    /// The next look that is made, for somebody who does not want it to be made any sooner; `None`
    /// when there are no more.
    pub async fn next(&mut self) -> Option<Arc<Vitals>> {
        self.latest.changed().await.ok()?;
        self.latest.borrow_and_update().clone()
    }
}

impl Watcher {
    /// The next look; `None` when the node ends. Giving the wait up loses nothing.
    pub async fn next(&mut self) -> Option<Arc<Vitals>> {
        self.latest.changed().await.ok()?;
        self.latest.borrow_and_update().clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watchers.send_modify(|watchers| watchers.now -= 1);
    }
}

/// What is remembered of an agent from one look to the next.
#[derive(Debug, Default)]
struct Known {
    epoch: Option<Epoch>,
    shim: Option<u32>,
    /// Up to where its output was looked at, and the last line of that.
    read: Offset,
    last_line: Option<String>,
}

async fn keep_looking(
    living: impl Fn() -> Vec<(AgentId, Host)>,
    mut watchers: watch::Receiver<Watchers>,
    tell: watch::Sender<Option<Arc<Vitals>>>,
) {
    let mut looker = Looker::default();
    let mut known = HashMap::new();
    loop {
        let seen_by = watchers.borrow_and_update().ever;
        let seen = see(living(), &mut known).await;
        let looked = spawn_blocking(move || {
            let vitals = looker.look(&seen);
            (looker, vitals)
        });
        // It does not panic; the runtime may end.
        let Ok((back, vitals)) = looked.await else { return };
        looker = back;
        let at = Instant::now();
        tell.send_replace(Some(Arc::new(vitals)));
        loop {
            let wait = match *watchers.borrow_and_update() {
                Watchers { now: 0, .. } => SELDOM,
                Watchers { ever, .. } if ever != seen_by => SOON,
                Watchers { .. } => OFTEN,
            };
            tokio::select! {
                () = sleep_until(at + wait) => break,
                changed = watchers.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// What is to be looked at, with what this node itself knows of it.
async fn see(living: Vec<(AgentId, Host)>, known: &mut HashMap<AgentId, Known>) -> Vec<Seen> {
    let mut before = std::mem::take(known);
    let mut seen = Vec::with_capacity(living.len());
    for (agent, host) in living {
        let Some(pid) = host.pid() else { continue };
        let epoch = host.log().epoch();
        let mut now = before.remove(&agent).unwrap_or_default();
        if now.epoch != Some(epoch) {
            let shim = host.life().await.map(|life| life.shim.pid);
            now = Known { epoch: Some(epoch), shim, ..Known::default() };
        }
        let end = host.log().end();
        if now.read != end {
            let tail = host.log().tail(TAIL);
            now.last_line = last_line(&tail, tail.len() as u64 != end.0).or(now.last_line);
            now.read = end;
        }
        seen.push(Seen { agent, epoch, pid, shim: now.shim, last_line: now.last_line.clone() });
        known.insert(agent, now);
    }
    seen
}
