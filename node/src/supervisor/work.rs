//! Does what the fleet says: starts processes, stops them, watches over them and probes them, and
//! tells the fleet what comes of it.

use std::time::{Duration, Instant, SystemTime};

use gantline_protocol::{
    AgentId, Epoch, Offset,
    api::{AgentState, EventKind, ExitStatus, RestartPolicy},
};
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::{
    task::spawn_blocking,
    time::{sleep_until, timeout},
};

use super::{
    Agents, AgentsError,
    agent::{Ends, Running},
    fleet::{Action, Event, Life},
    table::Table,
};
use crate::{
    probes::{Runner, Subject},
    pty::{
        HostError,
        command::Prepared,
        host::{Hold, Host},
        hub::Hub,
        last_line::last_lines,
        log::{Log, Read},
        screen::Origin,
    },
    shim::record::{Definition, Kind},
};

/// How many lives of an agent's process keep their output, the present one included.
const KEPT_LIVES: usize = 5;
/// How much of an output is looked at for its last lines, and how many there are.
const LAST_BYTES: u64 = 4096;
const LAST_LINES: usize = 10;
/// How long what was written last may take to be read.
const LAST_WITHIN: Duration = Duration::from_millis(200);

impl Agents {
    /// Tells the fleet what happened, and does what follows.
    pub(super) fn hear(&self, event: Event) {
        let mut table = self.table();
        self.hear_in(&mut table, event);
    }

    pub(super) fn hear_in(&self, table: &mut Table, event: Event) {
        let todo = table.fleet.handle(event, Instant::now(), chance());
        self.obey(table, todo);
    }

    /// Does what the fleet says. Nothing here waits, so that the order is kept.
    pub(super) fn obey(&self, table: &mut Table, todo: Vec<Action>) {
        for action in todo {
            match action {
                Action::Launch(id, life) => {
                    let this = self.clone();
                    tokio::spawn(async move { this.launch(id, life).await });
                }
                Action::Stop(id, life) => {
                    let plan = table.fleet.plan(id).map(|plan| plan.stop).unwrap_or_default();
                    let grace = Duration::from_millis(plan.grace_ms.get().into());
                    let host = table.entries.get(&id).and_then(|entry| entry.host_of(life));
                    if let Some(host) = host {
                        host.stop(plan.signal.signal(), grace);
                    }
                }
                Action::StartProbe(id, life) => self.start_probe(table, id, life),
                Action::StopProbe(id) => {
                    if let Some(entry) = table.entries.get_mut(&id) {
                        entry.probing = None;
                    }
                }
                Action::Tell(id) => self.tell(table, id),
            }
        }
        self.shared.due.notify_one();
    }

    /// Tells everybody how an agent stands now, and keeps it.
    pub(super) fn tell(&self, table: &mut Table, id: AgentId) {
        table.version += 1;
        self.shared.store.is_stale();
        self.shared.changed.send_replace(table.version);
        if let Some(agent) = table.describe(id) {
            self.note_change(table, &agent);
            self.shared.events.publish(EventKind::AgentChanged {
                agent_id: id,
                state: agent.state,
                exit: agent.exit,
                name: agent.name,
                reason: agent.reason,
            });
        }
    }

    /// Wakes the fleet whenever it has something to do.
    pub(super) async fn keep_time(self) {
        loop {
            let due = self.table().fleet.due();
            let wait = async {
                match due {
                    Some(due) => sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.shared.due.notified() => {}
                () = wait => self.hear(Event::Tick),
                () = self.shared.is_left.cancelled() => return,
            }
        }
    }

    /// Starts the process of a new life. Once begun it is seen through.
    async fn launch(&self, id: AgentId, life: Life) {
        let Some((described, supervision, size)) = self.table().to_start(id) else { return };
        let limits = described.limits(self.shared.settings.limits);
        // What a service leaves behind would be in the way of the next one.
        let rest = (supervision.restart != RestartPolicy::No)
            .then(|| Duration::from_millis(supervision.stop.grace_ms.get().into()));
        let hold = Hold { limits, resources: supervision.limits, rest };
        let epoch = Epoch(UnwrapErr(SysRng).next_u64());
        let started = match Prepared::new(&described.command) {
            Ok(prepared) => {
                let definition = Definition {
                    agent_id: id,
                    name: described.name,
                    argv: described.command.argv,
                    shell: described.command.shell,
                    cwd: described.command.cwd,
                    size,
                    kind: described.kind,
                    epoch,
                    number: life.0,
                    created_at: SystemTime::now().into(),
                    agent_created_at: Some(described.created_at),
                };
                let prepared = prepared.of_agent(id);
                let host = Host::start(&self.shared.shims, &definition, prepared, hold).await;
                host.map(|host| (definition, host)).map_err(AgentsError::from)
            }
            Err(error) => Err(error.into()),
        };
        match started {
            Ok((definition, host)) => {
                let kind = definition.kind;
                let running = match kind {
                    Kind::Terminal => {
                        Running::Terminal(Hub::new(host.clone(), size, Origin::Started))
                    }
                    Kind::Pipes => Running::Pipes(host.clone()),
                };
                let mut table = self.table();
                let table = &mut *table;
                if let Some(entry) = table.entries.get_mut(&id) {
                    entry.has(definition, running);
                    entry.is_hidden = false;
                    self.prune(entry);
                }
                self.hear_in(table, Event::Running(id, life));
                self.tell_first(table, id, Ok(()));
                tokio::spawn(self.by_nobody().watch(id, life, host));
            }
            Err(error) => {
                let mut table = self.table();
                let (why, again) = (error.to_string(), may_go_next_time(&error));
                self.hear_in(&mut table, Event::NotStarted { agent: id, life, why, again });
                if table.entries.get(&id).is_some_and(|entry| entry.is_hidden) {
                    // Whoever wanted it hears why there is none.
                    self.drop_in(&mut table, id);
                }
                self.tell_first(&mut table, id, Err(error));
            }
        }
    }

    /// Answers whoever waits for the first process of an agent.
    fn tell_first(&self, table: &mut Table, id: AgentId, result: Result<(), AgentsError>) {
        if let Some(first) = table.first.remove(&id) {
            // Whoever it was may have given the wait up.
            let _ = first.send(result);
        }
    }

    /// Watches over one life to its end.
    pub(super) async fn watch(self, id: AgentId, life: Life, host: Host) {
        let mut problem = host.problem();
        loop {
            tokio::select! {
                biased;
                how = host.wait() => {
                    let said = self.last_words(id, how, host.log()).await;
                    let mut table = self.table();
                    if let Some(entry) = table.entries.get_mut(&id) {
                        entry.said.clone_from(&said);
                    }
                    let event = Event::Exited { agent: id, life, how, ago: Duration::ZERO, said };
                    self.hear_in(&mut table, event);
                    break;
                }
                now = host.problem_changes(problem.as_deref()) => problem = now,
                () = host.is_left() => return,
            }
            let mut table = self.table();
            match problem {
                // What it was told meanwhile it may not have heard.
                None => self.hear_in(&mut table, Event::Running(id, life)),
                Some(_) => self.tell(&mut table, id),
            }
        }
        self.forget_oldest();
        tokio::select! {
            () = host.is_over() => self.hear(Event::Cleared(id, life)),
            () = host.is_left() => {}
        }
    }

    /// What a process wrote last, if it ended in a way that makes people ask.
    pub(super) async fn last_words(
        &self,
        id: AgentId,
        how: Option<ExitStatus>,
        log: &Log,
    ) -> Option<String> {
        let plan = self.table().fleet.plan(id).cloned()?;
        if plan.restart == RestartPolicy::No && how.is_some_and(|how| how.is_success()) {
            return None;
        }
        let from = Offset(log.end().0.saturating_sub(LAST_BYTES)).max(log.start());
        let limit = usize::try_from(LAST_BYTES).unwrap_or(usize::MAX);
        match timeout(LAST_WITHIN, log.read(from, limit)).await {
            Ok(Read::Bytes(bytes)) => {
                let lines = last_lines(&bytes, from.0 > 0, LAST_LINES);
                (!lines.is_empty()).then(|| lines.join("\n"))
            }
            Ok(Read::Gap { .. } | Read::End) | Err(_) => None,
        }
    }

    fn start_probe(&self, table: &mut Table, id: AgentId, life: Life) {
        let Some(probe) = table.fleet.plan(id).and_then(|plan| plan.probe.clone()) else { return };
        let state = table.fleet.shown(id).map(|shown| shown.state);
        let Some(entry) = table.entries.get_mut(&id) else { return };
        let Some(host) = entry.host_of(life) else { return };
        let subject = Subject {
            agent: id,
            command: entry.described.command.clone(),
            log: host.log().clone(),
            was_well: state == Some(AgentState::Healthy),
        };
        let mut runner = Runner::new(&probe, subject);
        let this = self.by_nobody();
        let task = tokio::spawn(async move {
            loop {
                let event = match runner.next().await {
                    Ok(()) => Event::ProbeSucceeded(id, life),
                    Err(why) => Event::ProbeFailed(id, life, why.to_string()),
                };
                this.hear(event);
            }
        });
        entry.probing = Some(Ends(task.abort_handle()));
    }

    /// Gives up what the oldest lives have written: there are few of them, and all but the present
    /// one together take no more room than one may.
    fn prune(&self, entry: &mut super::agent::Entry) {
        let budget = entry.described.limits(self.shared.settings.limits).file;
        let Some((_, earlier)) = entry.lives.split_last() else { return };
        if earlier.is_empty() {
            return;
        }
        let shims = &self.shared.shims;
        let mut room = budget;
        let kept = earlier.iter().rev().take(KEPT_LIVES - 1).take_while(|life| {
            let size = shims.life(life).size();
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        });
        let gone = earlier.len() - kept.count();
        let gone: Vec<_> = entry.lives.drain(..gone).map(|life| shims.life(&life)).collect();
        if !gone.is_empty() {
            spawn_blocking(move || gone.iter().for_each(crate::shim::record::Record::clear));
        }
    }

    /// Forgets the agents that ended longest ago, all but as many as are to be remembered. Those that
    /// somebody may want to start again stay.
    pub(super) fn forget_oldest(&self) {
        let mut table = self.table();
        let mut ended = table.forgettable();
        ended.sort_unstable();
        let forgotten = ended.len().saturating_sub(self.shared.settings.ended);
        for (_, id) in ended.into_iter().take(forgotten) {
            // Who is waited for stays.
            let _ = self.remove_in(&mut table, id);
        }
    }
}

/// Whether another try may do, although nobody has changed anything.
fn may_go_next_time(error: &AgentsError) -> bool {
    match error {
        AgentsError::Host(HostError::Spawn(error)) => {
            use rustix::io::Errno;
            let errno = error.raw_os_error().map(Errno::from_raw_os_error);
            errno.is_some_and(|errno| {
                [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE, Errno::TXTBSY]
                    .contains(&errno)
            })
        }
        AgentsError::Host(HostError::Files { .. } | HostError::NoShim(_) | HostError::Shim(_)) => {
            true
        }
        AgentsError::NotFound(_)
        | AgentsError::Ended(_)
        | AgentsError::AlreadyRuns(_)
        | AgentsError::AlreadyStarts(..)
        | AgentsError::NeverStarted(..)
        | AgentsError::RunsOnce(_)
        | AgentsError::StillRunning(_)
        | AgentsError::IsAwaited(..)
        | AgentsError::NotKept(..)
        | AgentsError::Dependency(_)
        | AgentsError::NoTerminal(_)
        | AgentsError::Full
        | AgentsError::TooMany
        | AgentsError::TooLong
        | AgentsError::Away(..)
        | AgentsError::Stopping
        | AgentsError::Command(_) => false,
    }
}

/// A number within 0 and 1.
fn chance() -> f64 {
    f64::from(UnwrapErr(SysRng).next_u32()) / f64::from(u32::MAX)
}

/// What waits for an agent's first process.
pub(super) type First = tokio::sync::oneshot::Sender<Result<(), AgentsError>>;
