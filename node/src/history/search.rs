//! Reads what became of agents: pages of lives, newest first, and one life with its changes.

use std::str::FromStr;

use gantline_protocol::{
    AgentId, Epoch, Timestamp,
    api::{
        Actor, AgentSource, AgentState, ChangeKind, ExitStatus, Life, LifeChange, LifeRecord,
        Outcome,
    },
};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params, types::Type};
use serde::de::DeserializeOwned;

use super::{
    HistoryError,
    lives::{MAX_CHANGES, bits, millis, word},
};

/// The words of a search that count; more are left out.
const MAX_WORDS: usize = 16;

/// Which lives. What is left out lets all pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Of agents that had just this name.
    pub name: Option<String>,
    /// That are, or ended, in this state.
    pub state: Option<AgentState>,
    /// That came to one of these; all if there is none.
    pub outcomes: Vec<Outcome>,
    /// That ended like this.
    pub exit: Option<ExitStatus>,
    /// That were started by this.
    pub source: Option<AgentSource>,
    /// That had not ended by then.
    pub since: Option<Timestamp>,
    /// That had begun by then.
    pub until: Option<Timestamp>,
    /// That have all these words.
    pub words: Option<Words>,
    /// That were noted before this one.
    pub before: Option<LifeId>,
}

/// The place of a life among all that were noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LifeId(pub i64);

/// What is looked for in the texts of a life: words, of which each may be the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(String);

/// There is no word in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has no word to look for")]
pub struct NoWords;

impl FromStr for Words {
    type Err = NoWords;

    /// Whatever a person types is words and never a language: each becomes a quoted text.
    fn from_str(text: &str) -> Result<Self, NoWords> {
        let words = text
            .split(|letter: char| letter.is_whitespace() || letter.is_control())
            .filter(|word| word.chars().any(char::is_alphanumeric))
            .take(MAX_WORDS)
            .map(|word| format!("\"{}\"*", word.replace('"', "\"\"")));
        let expression = words.collect::<Vec<_>>().join(" ");
        if expression.is_empty() { Err(NoWords) } else { Ok(Self(expression)) }
    }
}

/// At most `limit` lives, the one noted last first.
pub(super) fn page(
    connection: &Connection,
    search: &Search,
    limit: usize,
) -> Result<Vec<(LifeId, Life)>, HistoryError> {
    let mut filter = Filter::default();
    let table = match &search.words {
        Some(Words(expression)) => {
            filter.add("words MATCH ?", expression.clone());
            "words JOIN lives ON lives.id = words.rowid"
        }
        None => "lives",
    };
    let order = if search.words.is_some() { "words.rowid" } else { "lives.id" };
    if let Some(agent) = search.agent {
        filter.add("lives.agent = ?", agent.to_string());
    }
    if let Some(name) = &search.name {
        filter.add("lives.name = ?", name.clone());
    }
    if let Some(state) = search.state {
        filter.add("lives.state = ?", word(&state));
    }
    if !search.outcomes.is_empty() {
        let outcomes: Vec<_> = search.outcomes.iter().map(word).collect();
        let list = serde_json::to_string(&outcomes).unwrap_or_default();
        filter.add("lives.outcome IN (SELECT value FROM json_each(?))", list);
    }
    match search.exit {
        Some(ExitStatus::Code(code)) => filter.add("lives.exit_code = ?", code),
        Some(ExitStatus::Signal(signal)) => filter.add("lives.exit_signal = ?", signal),
        None => {}
    }
    if let Some(source) = search.source {
        filter.add("lives.source = ?", word(&source));
    }
    if let Some(since) = search.since {
        filter.add("(lives.ended_at IS NULL OR lives.ended_at >= ?)", millis(since));
    }
    if let Some(until) = search.until {
        filter.add("lives.started_at <= ?", millis(until));
    }
    if let Some(LifeId(id)) = search.before {
        filter.add(if search.words.is_some() { "words.rowid < ?" } else { "lives.id < ?" }, id);
    }
    let Filter { conditions, mut values } = filter;
    let conditions =
        if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") };
    values.push(Box::new(i64::try_from(limit).unwrap_or(i64::MAX)));
    let sql =
        format!("SELECT {COLUMNS} FROM {table} WHERE {conditions} ORDER BY {order} DESC LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let values = rusqlite::params_from_iter(values.iter().map(AsRef::as_ref));
    let rows = statement.query_map(values, read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One life, with what changed in it.
pub(super) fn record(
    connection: &Connection,
    agent: AgentId,
    epoch: Epoch,
) -> Result<Option<LifeRecord>, HistoryError> {
    let sql = format!("SELECT {COLUMNS} FROM lives WHERE agent = ? AND epoch = ?");
    let found = connection
        .prepare_cached(&sql)?
        .query_row(params![agent.to_string(), bits(epoch)], read)
        .optional()?;
    let Some((LifeId(id), life)) = found else { return Ok(None) };
    let mut changes: Vec<LifeChange> = connection
        .prepare_cached(
            "SELECT at, kind, before, after, members, reason, actor FROM changes
             WHERE life = ? ORDER BY id DESC LIMIT ?",
        )?
        .query_map([id, MAX_CHANGES], change)?
        .collect::<Result<_, _>>()?;
    changes.reverse();
    Ok(Some(LifeRecord { life, changes }))
}

/// When notes were dropped, the newest first, and how many.
pub(super) fn gaps(
    connection: &Connection,
) -> Result<Vec<(Timestamp, Timestamp, u64)>, HistoryError> {
    let mut statement = connection
        .prepare_cached("SELECT from_at, to_at, dropped FROM gaps ORDER BY id DESC LIMIT 100")?;
    let rows = statement.query_map([], |row| {
        Ok((at(row, 0)?, at(row, 1)?, row.get::<_, i64>(2)?.cast_unsigned()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[derive(Default)]
struct Filter {
    conditions: Vec<&'static str>,
    values: Vec<Box<dyn ToSql>>,
}

impl Filter {
    fn add(&mut self, condition: &'static str, value: impl ToSql + 'static) {
        self.conditions.push(condition);
        self.values.push(Box::new(value));
    }
}

const COLUMNS: &str = "lives.id, lives.agent, lives.epoch, lives.name, lives.argv, lives.argv_cut,
    lives.shell, lives.cwd, lives.env, lives.source, lives.actor, lives.state, lives.outcome,
    lives.exit_code, lives.exit_signal, lives.reason, lives.started_at, lives.ended_at,
    lives.last_lines";

fn read(row: &Row<'_>) -> rusqlite::Result<(LifeId, Life)> {
    let started_at = at(row, 16)?;
    let ended_at = match row.get::<_, Option<i64>>(17)? {
        Some(_) => Some(at(row, 17)?),
        None => None,
    };
    let exit = match (row.get(13)?, row.get(14)?) {
        (Some(code), _) => Some(ExitStatus::Code(code)),
        (None, Some(signal)) => Some(ExitStatus::Signal(signal)),
        (None, None) => None,
    };
    let duration = ended_at.map(|ended: Timestamp| ended.since(started_at));
    let life = Life {
        agent_id: parsed(row, 1)?,
        epoch: Epoch(row.get::<_, i64>(2)?.cast_unsigned()),
        name: match row.get::<_, Option<String>>(3)? {
            Some(_) => Some(parsed(row, 3)?),
            None => None,
        },
        argv: json(row, 4)?,
        argv_cut: row.get(5)?,
        shell: row.get(6)?,
        cwd: row.get(7)?,
        env: json(row, 8)?,
        source: named(row, 9)?.ok_or_else(|| broken(9, "it is empty"))?,
        by: match row.get::<_, Option<String>>(10)? {
            Some(_) => Some(json::<Actor>(row, 10)?),
            None => None,
        },
        state: named(row, 11)?.ok_or_else(|| broken(11, "it is empty"))?,
        outcome: named(row, 12)?,
        exit,
        reason: row.get(15)?,
        started_at,
        ended_at,
        duration_ms: duration.map(|lived| u64::try_from(lived.as_millis()).unwrap_or(u64::MAX)),
        last_lines: json(row, 18)?,
    };
    Ok((LifeId(row.get(0)?), life))
}

fn change(row: &Row<'_>) -> rusqlite::Result<LifeChange> {
    let kind: String = row.get(1)?;
    let what = match kind.as_str() {
        "state" => ChangeKind::State {
            from: named(row, 2)?,
            to: named(row, 3)?.ok_or_else(|| broken(3, "it is empty"))?,
        },
        "edited" => ChangeKind::Edited { members: json(row, 4)? },
        "removed" => ChangeKind::Removed,
        _ => ChangeKind::Other,
    };
    let by = match row.get::<_, Option<String>>(6)? {
        Some(_) => Some(json::<Actor>(row, 6)?),
        None => None,
    };
    Ok(LifeChange { at: at(row, 0)?, what, reason: row.get(5)?, by })
}

fn at(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let millis: i64 = row.get(column)?;
    Ok(Timestamp::from_millis(u64::try_from(millis).unwrap_or(0)))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| broken(column, &error.to_string()))
}

/// A unit variant, as [`word`] writes it.
fn named<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    let value = serde_json::from_value(serde_json::Value::String(text));
    value.map(Some).map_err(|error| broken(column, &error.to_string()))
}

fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| broken(column, "it is not what it should be"))
}

fn broken(column: usize, why: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.to_owned().into())
}
