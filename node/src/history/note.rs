//! What the journal is told about agents: bounded, and without the values of their environment.

use std::collections::BTreeMap;

use gantline_protocol::{
    AgentId, Epoch, Name, Timestamp,
    api::{Actor, Agent, AgentSource, AgentState, Argv, Cwd, Env, ExitStatus, Outcome},
};

/// The most of an argument vector that is kept, in bytes.
pub const MAX_ARGV: usize = 4096;
/// The most of a reason that is kept, in bytes.
pub const MAX_REASON: usize = 1024;
/// The most last lines that are kept, and the most of all of them together in bytes.
pub const MAX_LINES: usize = 20;
const MAX_LINES_BYTES: usize = 4096;
/// The most names of an environment that are kept, and the most of all of them together in bytes.
const MAX_ENV: usize = 128;
const MAX_ENV_BYTES: usize = 4096;

/// Something that happened to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A process was started, or it was tried.
    Began(Box<Began>),
    /// An agent does something else now.
    Changed(Changed),
    /// A process has ended, or could not be started.
    Ended(Box<Ended>),
    /// An agent is something else now.
    Edited(Edited),
    /// An agent was removed.
    Removed(Removed),
}

/// A process was started: one life of an agent begins. Told twice, it counts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Began {
    pub(super) agent_id: AgentId,
    pub(super) epoch: Epoch,
    pub(super) name: Option<Name>,
    pub(super) argv: Vec<String>,
    pub(super) argv_cut: bool,
    pub(super) shell: bool,
    pub(super) cwd: Option<Cwd>,
    pub(super) env: Vec<String>,
    pub(super) source: AgentSource,
    pub(super) by: Option<Actor>,
    pub(super) state: AgentState,
    pub(super) at: Timestamp,
}

impl Began {
    /// Of an agent as it stands, whose process was just started; `None` if it never was. Of `env`
    /// the names are kept; wherever a value stands in the arguments, its name takes its place.
    #[must_use]
    pub fn of(agent: &Agent, env: Option<&Env>, by: Option<Actor>) -> Option<Self> {
        let redaction = Redaction::of(env);
        let (argv, argv_cut) = recorded(&agent.argv, &redaction);
        Some(Self {
            agent_id: agent.agent_id,
            epoch: agent.epoch?,
            name: agent.name.clone(),
            argv,
            argv_cut,
            shell: agent.shell,
            cwd: agent.cwd.clone(),
            env: env.map(names).unwrap_or_default(),
            source: agent.source,
            by,
            state: agent.state,
            at: agent.started_at.unwrap_or(agent.created_at),
        })
    }
}

/// An agent does something else now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The agent.
    pub agent_id: AgentId,
    /// The life of its process that this is about: the present one, or the last while there is none.
    pub epoch: Epoch,
    /// When.
    pub at: Timestamp,
    /// What it did before, if that is known.
    pub from: Option<AgentState>,
    /// What it does now.
    pub to: AgentState,
    /// Why, for people; 1 KiB of it is kept.
    pub reason: Option<String>,
    /// Who had it done, if somebody had.
    pub by: Option<Actor>,
}

/// A process has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The agent.
    pub agent_id: AgentId,
    /// The life that this ends.
    pub epoch: Epoch,
    /// When.
    pub at: Timestamp,
    /// How, if somebody saw it.
    pub exit: Option<ExitStatus>,
    /// What it came to.
    pub outcome: Outcome,
    /// Why, for people; 1 KiB of it is kept.
    pub reason: Option<String>,
    /// What it wrote last.
    pub last_lines: LastLines,
}

/// An agent is something else now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The agent.
    pub agent_id: AgentId,
    /// Its present or last life; nothing is noted of an agent that was never started.
    pub epoch: Epoch,
    /// When.
    pub at: Timestamp,
    /// The members that were changed, as the API names them. Values are not noted.
    pub members: Vec<String>,
    /// What people call it since.
    pub name: Option<Name>,
    /// Who did it.
    pub by: Option<Actor>,
}

/// An agent was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The agent.
    pub agent_id: AgentId,
    /// When.
    pub at: Timestamp,
    /// Who did it; nobody if it was forgotten because others ended later.
    pub by: Option<Actor>,
}

/// The last lines of an agent: few, short, without control characters and without the values of
/// its environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastLines(pub(super) Vec<String>);

impl LastLines {
    /// Keeps the last of `lines` (20 of them, 4 KiB). Wherever a value of `env` stands in them, its
    /// name takes its place.
    pub fn new<S: AsRef<str>>(lines: impl IntoIterator<Item = S>, env: Option<&Env>) -> Self {
        let redaction = Redaction::of(env);
        let lines = lines.into_iter().map(|line| redaction.apply(&plain(line.as_ref())));
        let lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).collect();
        let mut left = MAX_LINES_BYTES;
        let mut kept = Vec::new();
        for line in lines.iter().rev().take(MAX_LINES) {
            let line = cut(line, left);
            if line.is_empty() {
                break;
            }
            left -= line.len();
            kept.push(line.to_owned());
        }
        kept.reverse();
        Self(kept)
    }
}

impl From<Began> for Note {
    fn from(note: Began) -> Self {
        Self::Began(Box::new(note))
    }
}

impl From<Changed> for Note {
    fn from(mut note: Changed) -> Self {
        note.reason = note.reason.map(shortened);
        Self::Changed(note)
    }
}

impl From<Ended> for Note {
    fn from(mut note: Ended) -> Self {
        note.reason = note.reason.map(shortened);
        Self::Ended(Box::new(note))
    }
}

impl From<Edited> for Note {
    fn from(mut note: Edited) -> Self {
        note.members.truncate(MAX_ENV);
        Self::Edited(note)
    }
}

impl From<Removed> for Note {
    fn from(note: Removed) -> Self {
        Self::Removed(note)
    }
}

/// The values of an environment, which are never kept, with what stands in their places.
struct Redaction<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Redaction<'a> {
    /// A shorter value is a word like any other: replacing it would make texts unreadable, and
    /// tell where it stands.
    const LEAST: usize = 6;

    fn of(env: Option<&'a Env>) -> Self {
        let values = env
            .into_iter()
            .flat_map(Env::iter)
            .filter(|(_, value)| value.len() >= Self::LEAST && reference(value).is_none());
        Self(values.map(|(name, value)| (value, name)).collect())
    }

    fn apply(&self, text: &str) -> String {
        // The longest first, since one value may be a part of another.
        let mut values: Vec<_> =
            self.0.iter().filter(|(value, _)| text.contains(**value)).collect();
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        values.into_iter().fold(text.to_owned(), |text, (value, name)| {
            text.replace(value, &format!("‹{}›", cut(name, 64)))
        })
    }
}

/// What is kept of an argument vector, and whether that is not all.
fn recorded(argv: &Argv, redaction: &Redaction<'_>) -> (Vec<String>, bool) {
    let mut left = MAX_ARGV;
    let mut kept = Vec::new();
    for item in argv.items() {
        // A value must be replaced before it can be cut in two.
        let item = redaction.apply(cut(item, 2 * MAX_ARGV));
        let part = cut(&item, left);
        left -= part.len();
        kept.push(part.to_owned());
        if part.len() < item.len() || left == 0 {
            let is_cut = part.len() < item.len() || kept.len() < argv.items().len();
            return (kept, is_cut);
        }
        // Empty items must end somewhere, too.
        left = left.saturating_sub(1);
    }
    (kept, false)
}

/// The names of an environment. References to secrets stay references.
fn names(env: &Env) -> Vec<String> {
    let mut left = MAX_ENV_BYTES;
    let named = env.iter().take(MAX_ENV).map(|(name, value)| match reference(value) {
        Some(secret) => format!("{}=@secret:{secret}", cut(name, 256)),
        None => cut(name, 256).to_owned(),
    });
    named
        .take_while(|name| {
            let fits = name.len() <= left;
            left = left.saturating_sub(name.len());
            fits
        })
        .collect()
}

/// The secret that a value refers to.
fn reference(value: &str) -> Option<&str> {
    let name = value.strip_prefix("@secret:")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=64).contains(&name.len()).then_some(name).filter(|name| name.bytes().all(is_plain))
}

/// Without control characters.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() || *letter == '\t').collect()
}

fn shortened(text: String) -> String {
    cut(&plain(&text), MAX_REASON).to_owned()
}

/// The beginning of a text, between two characters.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}
