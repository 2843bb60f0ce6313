//! Writes what became of agents: takes notes in, puts right what is open and should not be, and
//! forgets what is old.

use gantline_protocol::{
    AgentId, Epoch, Timestamp,
    api::{Actor, Agent, AgentState, Desired, ExitStatus, Outcome},
};
use rusqlite::{Connection, OptionalExtension as _, Transaction, named_params, params};
use serde::Serialize;

use super::{
    HistoryError,
    journal::Dropped,
    note::{Began, Changed, Edited, Ended, LastLines, Note, Removed},
};

/// The most changes of one life that are kept; the oldest go.
pub(super) const MAX_CHANGES: i64 = 1000;
/// How many more there may be before they go.
const SLACK: i64 = 100;
/// Lives that are forgotten at once.
const STEP: i64 = 500;

/// How long lives are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days since they ended.
    pub days: u32,
    /// The most of them. Those that go on are kept in any case.
    pub rows: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 90, rows: 100_000 }
    }
}

/// Takes one note in.
pub(super) fn write(transaction: &Transaction<'_>, note: &Note) -> Result<(), HistoryError> {
    match note {
        Note::Began(note) => began(transaction, note),
        Note::Changed(note) => changed(transaction, note),
        Note::Ended(note) => ended(transaction, note),
        Note::Edited(note) => edited(transaction, note),
        Note::Removed(note) => removed(transaction, note),
    }
}

/// Notes that notes are missing.
pub(super) fn write_gap(
    transaction: &Transaction<'_>,
    dropped: Dropped,
) -> Result<(), HistoryError> {
    let Dropped { count, from, to } = dropped;
    transaction
        .prepare_cached("INSERT INTO gaps (from_at, to_at, dropped) VALUES (?, ?, ?)")?
        .execute(params![millis(from), millis(to), i64::try_from(count).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// Makes the records say of each agent what is so: `agents` are all there are.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    agents: &[Agent],
    now: Timestamp,
) -> Result<(), HistoryError> {
    let oldest: Option<i64> = transaction
        .query_row("SELECT min(started_at) FROM lives", [], |row| row.get(0))
        .optional()?
        .flatten();
    let mut agents: Vec<_> = agents.iter().collect();
    agents.sort_by_key(|agent| agent.started_at);
    for agent in &agents {
        let (Some(epoch), Some(began)) = (agent.epoch, Began::of(agent, None, None)) else {
            continue;
        };
        let is_noted = find(transaction, agent.agent_id, epoch)?.is_some();
        // One that is not noted, and older than all that is, was forgotten: not a gap.
        let is_forgotten = oldest.is_some_and(|oldest| millis(began.at) < oldest);
        if !is_noted && is_forgotten && has_ended(agent) {
            continue;
        }
        self::began(transaction, &began)?;
        if has_ended(agent) {
            let end = Ended {
                agent_id: agent.agent_id,
                epoch,
                at: agent.ended_at.unwrap_or(now),
                exit: agent.exit,
                outcome: outcome_of(agent),
                reason: agent.reason.clone(),
                last_lines: LastLines::default(),
            };
            ended(transaction, &end)?;
            show(transaction, agent.agent_id, epoch, agent.state)?;
        }
    }
    let open: Vec<(i64, String, i64)> = transaction
        .prepare_cached("SELECT id, agent, epoch FROM lives WHERE ended_at IS NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (id, agent_id, epoch) in open {
        let agent = agents.iter().find(|agent| {
            agent.agent_id.to_string() == agent_id && agent.epoch.map(bits) == Some(epoch)
        });
        if agent.is_none() {
            lose(transaction, id, now)?;
        }
    }
    Ok(())
}

/// Forgets a few of the lives that are to be forgotten; says whether there are more.
pub(super) fn prune(
    connection: &mut Connection,
    retention: Retention,
    now: Timestamp,
) -> Result<bool, HistoryError> {
    let transaction = connection.transaction()?;
    let kept = millis(now) - i64::from(retention.days) * 24 * 60 * 60 * 1000;
    let mut ids: Vec<i64> = transaction
        .prepare_cached("SELECT id FROM lives WHERE ended_at < ? ORDER BY ended_at LIMIT ?")?
        .query_map([kept, STEP], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if ids.is_empty() {
        let rows: i64 =
            transaction.query_row("SELECT count(*) FROM lives", [], |row| row.get(0))?;
        let beyond = (rows - i64::from(retention.rows)).clamp(0, STEP);
        ids = transaction
            .prepare_cached("SELECT id FROM lives WHERE ended_at IS NOT NULL ORDER BY id LIMIT ?")?
            .query_map([beyond], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
    }
    for id in &ids {
        transaction.prepare_cached("DELETE FROM words WHERE rowid = ?")?.execute([id])?;
        transaction.prepare_cached("DELETE FROM lives WHERE id = ?")?.execute([id])?;
    }
    transaction.prepare_cached("DELETE FROM gaps WHERE to_at < ?")?.execute([kept])?;
    transaction.commit()?;
    if !ids.is_empty() {
        connection.execute_batch("PRAGMA incremental_vacuum(256)")?;
    }
    Ok(ids.len() as i64 == STEP)
}

fn began(transaction: &Transaction<'_>, note: &Began) -> Result<(), HistoryError> {
    let inserted: Option<i64> = transaction
        .prepare_cached(
            "INSERT INTO lives
                (agent, epoch, name, argv, argv_cut, shell, cwd, env, source, actor, state, started_at)
             VALUES (:agent, :epoch, :name, :argv, :cut, :shell, :cwd, :env, :source, :actor, :state, :at)
             ON CONFLICT (agent, epoch) DO NOTHING
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":agent": note.agent_id.to_string(),
                ":epoch": bits(note.epoch),
                ":name": note.name.as_ref().map(ToString::to_string),
                ":argv": json(&note.argv),
                ":cut": note.argv_cut,
                ":shell": note.shell,
                ":cwd": note.cwd.as_ref().map(|cwd| cwd.as_str()),
                ":env": json(&note.env),
                ":source": word(&note.source),
                ":actor": note.by.as_ref().map(json),
                ":state": word(&note.state),
                ":at": millis(note.at),
            },
            |row| row.get(0),
        )
        .optional()?;
    match inserted {
        Some(id) => describe(transaction, id),
        None => Ok(()),
    }
}

fn changed(transaction: &Transaction<'_>, note: &Changed) -> Result<(), HistoryError> {
    let Changed { agent_id, epoch, at, from, to, reason, by } = note;
    let Some(id) = find(transaction, *agent_id, *epoch)? else { return Ok(()) };
    let change = Change {
        at: *at,
        kind: "state",
        before: from.as_ref().map(word),
        after: Some(word(to)),
        members: None,
        reason: reason.as_deref(),
        by: by.as_ref(),
    };
    enter(transaction, id, &change)?;
    // One that was given up and does something after all was not lost.
    transaction
        .prepare_cached(
            "UPDATE lives SET state = :state,
                reason = CASE WHEN outcome = 'lost' AND :lives THEN :reason ELSE coalesce(:reason, reason) END,
                ended_at = CASE WHEN outcome = 'lost' AND :lives THEN NULL ELSE ended_at END,
                outcome = CASE WHEN outcome = 'lost' AND :lives THEN NULL ELSE outcome END
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":state": word(to),
            ":reason": reason,
            ":lives": has_process(*to),
            ":id": id,
        })?;
    match reason {
        Some(_) => describe(transaction, id),
        None => Ok(()),
    }
}

fn ended(transaction: &Transaction<'_>, note: &Ended) -> Result<(), HistoryError> {
    let Ended { agent_id, epoch, at, exit, outcome, reason, last_lines } = note;
    let (code, signal) = match exit {
        Some(ExitStatus::Code(code)) => (Some(*code), None),
        Some(ExitStatus::Signal(signal)) => (None, Some(*signal)),
        None => (None, None),
    };
    // How it ended is said once; only that nobody knows can be said better.
    let id: Option<i64> = transaction
        .prepare_cached(
            "UPDATE lives SET outcome = :outcome, exit_code = :code, exit_signal = :signal,
                ended_at = :at,
                reason = CASE WHEN outcome = 'lost' THEN :reason ELSE coalesce(:reason, reason) END,
                last_lines = :lines,
                state = CASE WHEN :outcome = 'lost' THEN 'lost' WHEN :outcome = 'failure' AND :started = 0
                        THEN 'failed' ELSE 'exited' END
             WHERE agent = :agent AND epoch = :epoch AND (outcome IS NULL OR outcome = 'lost')
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":outcome": word(outcome),
                ":code": code,
                ":signal": signal,
                ":at": millis(*at),
                ":reason": reason,
                ":lines": json(&last_lines.0),
                ":started": exit.is_some(),
                ":agent": agent_id.to_string(),
                ":epoch": bits(*epoch),
            },
            |row| row.get(0),
        )
        .optional()?;
    match id {
        Some(id) => describe(transaction, id),
        None => Ok(()),
    }
}

fn edited(transaction: &Transaction<'_>, note: &Edited) -> Result<(), HistoryError> {
    let Edited { agent_id, epoch, at, members, name, by } = note;
    let Some(id) = find(transaction, *agent_id, *epoch)? else { return Ok(()) };
    let change = Change {
        at: *at,
        kind: "edited",
        before: None,
        after: None,
        members: Some(json(members)),
        reason: None,
        by: by.as_ref(),
    };
    enter(transaction, id, &change)?;
    transaction
        .prepare_cached("UPDATE lives SET name = ? WHERE id = ?")?
        .execute(params![name.as_ref().map(ToString::to_string), id])?;
    describe(transaction, id)
}

/// The removal is a change in the last life.
fn removed(transaction: &Transaction<'_>, note: &Removed) -> Result<(), HistoryError> {
    let Removed { agent_id, at, by } = note;
    let last: Option<i64> = transaction
        .prepare_cached("SELECT id FROM lives WHERE agent = ? ORDER BY id DESC LIMIT 1")?
        .query_row([agent_id.to_string()], |row| row.get(0))
        .optional()?;
    let Some(id) = last else { return Ok(()) };
    let change = Change {
        at: *at,
        kind: "removed",
        before: None,
        after: None,
        members: None,
        reason: None,
        by: by.as_ref(),
    };
    enter(transaction, id, &change)
}

struct Change<'a> {
    at: Timestamp,
    kind: &'static str,
    before: Option<String>,
    after: Option<String>,
    members: Option<String>,
    reason: Option<&'a str>,
    by: Option<&'a Actor>,
}

fn enter(
    transaction: &Transaction<'_>,
    life: i64,
    change: &Change<'_>,
) -> Result<(), HistoryError> {
    let Change { at, kind, before, after, members, reason, by } = change;
    transaction
        .prepare_cached(
            "INSERT INTO changes (life, at, kind, before, after, members, reason, actor)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![life, millis(*at), kind, before, after, members, reason, by.map(json)])?;
    let changes: i64 = transaction
        .prepare_cached("UPDATE lives SET changes = changes + 1 WHERE id = ? RETURNING changes")?
        .query_row([life], |row| row.get(0))?;
    if changes > MAX_CHANGES + SLACK {
        transaction
            .prepare_cached(
                "DELETE FROM changes WHERE life = ?1 AND id <=
                    (SELECT id FROM changes WHERE life = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute([life, MAX_CHANGES])?;
        transaction
            .prepare_cached("UPDATE lives SET changes = ? WHERE id = ?")?
            .execute([MAX_CHANGES, life])?;
    }
    Ok(())
}

/// Nobody knows what became of it.
fn lose(transaction: &Transaction<'_>, id: i64, now: Timestamp) -> Result<(), HistoryError> {
    let reason = "the node found neither its process nor a record of how it ended";
    let state: String = transaction
        .prepare_cached("SELECT state FROM lives WHERE id = ?")?
        .query_row([id], |row| row.get(0))?;
    let change = Change {
        at: now,
        kind: "state",
        before: Some(state),
        after: Some(word(&AgentState::Lost)),
        members: None,
        reason: Some(reason),
        by: None,
    };
    enter(transaction, id, &change)?;
    transaction
        .prepare_cached(
            "UPDATE lives SET state = 'lost', outcome = 'lost', reason = ?, ended_at = ? WHERE id = ?",
        )?
        .execute(params![reason, millis(now), id])?;
    describe(transaction, id)
}

fn show(
    transaction: &Transaction<'_>,
    agent_id: AgentId,
    epoch: Epoch,
    state: AgentState,
) -> Result<(), HistoryError> {
    transaction
        .prepare_cached("UPDATE lives SET state = ? WHERE agent = ? AND epoch = ?")?
        .execute(params![word(&state), agent_id.to_string(), bits(epoch)])?;
    Ok(())
}

fn find(
    transaction: &Transaction<'_>,
    agent_id: AgentId,
    epoch: Epoch,
) -> Result<Option<i64>, HistoryError> {
    Ok(transaction
        .prepare_cached("SELECT id FROM lives WHERE agent = ? AND epoch = ?")?
        .query_row(params![agent_id.to_string(), bits(epoch)], |row| row.get(0))
        .optional()?)
}

/// Makes a life be found by its words.
fn describe(transaction: &Transaction<'_>, id: i64) -> Result<(), HistoryError> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO words (rowid, agent, name, argv, reason, last_lines)
             SELECT id, agent, name,
                (SELECT group_concat(value, char(10)) FROM json_each(lives.argv)),
                reason,
                (SELECT group_concat(value, char(10)) FROM json_each(lives.last_lines))
             FROM lives WHERE id = ?",
        )?
        .execute([id])?;
    Ok(())
}

/// What the life of an agent that has ended came to.
pub(crate) fn outcome_of(agent: &Agent) -> Outcome {
    let codes = agent.supervision.success_codes.codes();
    match (agent.state, agent.exit) {
        (AgentState::Lost, _) => Outcome::Lost,
        (_, Some(ExitStatus::Code(code))) if codes.contains(&code) => Outcome::Success,
        (_, Some(_)) if agent.desired == Desired::Stopped => Outcome::Stopped,
        (_, Some(_)) | (AgentState::Failed, None) => Outcome::Failure,
        (_, None) => Outcome::Lost,
    }
}

/// Whether the process of an agent's present epoch has ended.
fn has_ended(agent: &Agent) -> bool {
    agent.exit.is_some() || !has_process(agent.state)
}

/// Whether there is, or is about to be, a process in this state.
const fn has_process(state: AgentState) -> bool {
    match state {
        AgentState::Starting
        | AgentState::Running
        | AgentState::Healthy
        | AgentState::Unhealthy
        | AgentState::Stopping => true,
        AgentState::Backoff
        | AgentState::Exited
        | AgentState::Failed
        | AgentState::RestartLimit
        | AgentState::Lost => false,
    }
}

/// A unit variant as the API writes it.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

pub(super) const fn bits(Epoch(epoch): Epoch) -> i64 {
    epoch.cast_signed()
}
