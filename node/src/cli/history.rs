//! `gantline history`: shows what has become of agents.

use std::time::{Duration, SystemTime};

use gantline_client::connection::Request;
use gantline_protocol::{
    AgentId, MachineId, Timestamp,
    api::{Actor, AgentState, ChangeKind, Life, LifeRecord, Outcome, Page, Way, Who},
};
use serde::Serialize;

use super::{
    Context, agent, everywhere,
    failure::{Exit, Failure},
    out,
    reach::Reached,
    text,
};

/// Lives in one answer.
const PAGE: usize = 200;

/// Show what has become of agents, those that were removed included
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline history                       the last 50 lives
  gantline history web --changes         what happened to the agent web, step by step
  gantline history --since 2d --failed   what went wrong since the day before yesterday
  gantline history --search 'cargo test' --all")]
pub(super) struct Args {
    /// Only of this agent: its id or name
    agent: Option<String>,
    /// Only what had not ended so long ago: 90s, 30m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = agent::duration)]
    since: Option<Duration>,
    /// Only what failed or was lost
    #[arg(long)]
    failed: bool,
    /// Only what has all these words in its name, arguments, reason or last lines
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most so many of each machine
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Also what changed in each life, and the last lines of it
    #[arg(long)]
    changes: bool,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Every paired machine
    #[arg(long, conflicts_with = "on")]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A life, and where it was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    machine_id: MachineId,
    machine: String,
    #[serde(flatten)]
    told: Told,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Told {
    Life(Box<Life>),
    Record(Box<LifeRecord>),
}

impl Told {
    fn life(&self) -> &Life {
        match self {
            Self::Life(life) => life,
            Self::Record(record) => &record.life,
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let asked = Asked::of(&args)?;
    let (rows, exit) = match args.all {
        true => everywhere(&asked, context).await?,
        false => {
            let reached = context.reach.machine(args.on.as_deref()).await?;
            (asked.of_machine(&reached).await?, Exit::Ok)
        }
    };
    if args.json {
        out::json(&rows)?;
    } else if rows.is_empty() {
        out::say("nothing was noted of such agents");
    } else {
        out::data(shown(&rows, args.all, context.color.on_stdout()))?;
    }
    Ok(exit)
}

/// What is asked of each machine.
#[derive(Debug, Clone)]
struct Asked {
    agent: Option<String>,
    query: String,
    limit: usize,
    changes: bool,
}

impl Asked {
    fn of(args: &Args) -> Result<Self, Failure> {
        let mut query = String::new();
        if let Some(since) = args.since {
            let now = Timestamp::from(SystemTime::now()).as_millis();
            let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            query.push_str(&format!("&since={}", now.saturating_sub(since)));
        }
        if args.failed {
            query.push_str("&outcome=failure,lost");
        }
        if let Some(words) = &args.search {
            if !words.chars().any(char::is_alphanumeric) {
                return Err(Failure::usage("--search has no word to look for"));
            }
            query.push_str(&format!("&q={}", encoded(words)));
        }
        let (agent, limit, changes) = (args.agent.clone(), args.limit, args.changes);
        Ok(Self { agent, query, limit, changes })
    }

    async fn of_machine(&self, reached: &Reached) -> Result<Vec<Row>, Failure> {
        let lives = match &self.agent {
            None => self.lives(reached, "").await?,
            Some(wanted) => match wanted.parse::<AgentId>() {
                Ok(id) => self.lives(reached, &format!("&agent={id}")).await?,
                // A name may have been of several agents; they are all meant.
                Err(_) => {
                    let named = format!("&name={}", encoded(wanted));
                    match self.lives(reached, &named).await? {
                        lives if lives.is_empty() => {
                            let id = agent::find(reached, wanted).await?;
                            self.lives(reached, &format!("&agent={id}")).await?
                        }
                        lives => lives,
                    }
                }
            },
        };
        let (machine_id, machine) = (reached.machine_id().await?, text::line(&reached.name));
        let mut rows = Vec::new();
        for life in lives {
            let told = match self.changes {
                false => Told::Life(Box::new(life)),
                true => {
                    let path = format!("/v1/history/{}/{:016x}", life.agent_id, life.epoch.0);
                    Told::Record(Box::new(reached.json(Request::get(path)).await?))
                }
            };
            rows.push(Row { machine_id, machine: machine.clone(), told });
        }
        Ok(rows)
    }

    /// The newest that are asked for, page after page.
    async fn lives(&self, reached: &Reached, which: &str) -> Result<Vec<Life>, Failure> {
        let (mut lives, mut cursor): (Vec<Life>, _) = (Vec::new(), String::new());
        loop {
            let limit = self.limit.saturating_sub(lives.len()).min(PAGE);
            if limit == 0 {
                return Ok(lives);
            }
            let query = &self.query;
            let path = format!("/v1/history?limit={limit}{which}{query}{cursor}");
            let page: Page<Life> = reached.json(Request::get(path)).await?;
            lives.extend(page.items);
            match page.next {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(lives),
            }
        }
    }
}

/// All paired machines, the newest first.
async fn everywhere(asked: &Asked, context: &Context) -> Result<(Vec<Row>, Exit), Failure> {
    let asked = asked.clone();
    let question = move |reached| {
        let asked = asked.clone();
        async move { asked.of_machine(&reached).await }
    };
    let (mut rows, exit) = everywhere::ask(context, question).await?;
    rows.sort_by_key(|row| std::cmp::Reverse(row.told.life().started_at));
    Ok((rows, exit))
}

fn shown(rows: &[Row], with_machine: bool, colours: bool) -> String {
    let now = Timestamp::from(SystemTime::now());
    let mut head = vec!["STARTED", "AGENT", "NAME", "CAME TO", "LASTED", "BY", "COMMAND"];
    if with_machine {
        head.insert(0, "MACHINE");
    }
    let mut table = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for Row { machine, told, .. } in rows {
        let life = told.life();
        let lasted = match life.duration_ms {
            Some(lasted) => Duration::from_millis(lasted),
            None => now.since(life.started_at),
        };
        let mut cells = vec![
            format!("{} ago", text::span(now.since(life.started_at))),
            life.agent_id.to_string(),
            life.name.as_ref().map_or_else(|| "-".to_owned(), |name| text::cut(name.as_str(), 20)),
            came_to(life),
            text::span(lasted),
            life.by.as_ref().map_or_else(|| "-".to_owned(), |by| text::cut(&who(by), 24)),
            text::cut(&text::command(&life.argv), 60),
        ];
        if with_machine {
            cells.insert(0, text::cut(machine, 20));
        }
        table.push(cells);
    }
    let table = text::columns(&table);
    let mut out = String::new();
    for (place, line) in table.lines().enumerate() {
        match (place, colours) {
            (0, true) => out.push_str(&format!("\u{1b}[1m{line}\u{1b}[0m\n")),
            (_, _) => out.push_str(&format!("{line}\n")),
        }
        if let Some(Row { told: Told::Record(record), .. }) =
            place.checked_sub(1).and_then(|place| rows.get(place))
        {
            out.push_str(&details(record));
        }
    }
    out
}

fn came_to(life: &Life) -> String {
    let word = match life.outcome {
        None => return state(life.state).to_owned(),
        Some(Outcome::Success) => "success",
        Some(Outcome::Failure) => "failure",
        Some(Outcome::Stopped) => "stopped",
        Some(Outcome::Lost) => return "lost".to_owned(),
    };
    match life.exit {
        Some(exit) => format!("{word} ({})", agent::ending(Some(exit))),
        None => word.to_owned(),
    }
}

fn details(record: &LifeRecord) -> String {
    let began = record.life.started_at;
    let mut out = String::new();
    for change in &record.changes {
        let what = match &change.what {
            ChangeKind::State { from: Some(from), to } => {
                format!("{} → {}", state(*from), state(*to))
            }
            ChangeKind::State { from: None, to } => state(*to).to_owned(),
            ChangeKind::Edited { members } => format!("edited: {}", members.join(", ")),
            ChangeKind::Removed => "removed".to_owned(),
            ChangeKind::Other => continue,
        };
        let by = change.by.as_ref().map_or_else(String::new, |by| format!(" by {}", who(by)));
        let why = change.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let after = text::span(change.at.since(began));
        out.push_str(&format!("    +{after:<8} {}\n", text::line(&format!("{what}{by}{why}"))));
    }
    if let Some(reason) = &record.life.reason {
        out.push_str(&format!("    {}\n", text::line(reason)));
    }
    for line in &record.life.last_lines {
        out.push_str(&format!("    │ {}\n", text::line(line)));
    }
    out
}

fn who(Actor { who, path }: &Actor) -> String {
    let who = match who {
        Who::LocalUser => "local user".to_owned(),
        Who::Device { name: Some(name), .. } => name.to_string(),
        Who::Device { device_id, name: None } => device_id.to_string(),
        Who::Node => "node".to_owned(),
        Who::Other => "somebody".to_owned(),
    };
    match path {
        Some(Way::Lan) => format!("{who}, lan"),
        Some(Way::Relay) => format!("{who}, relay"),
        Some(Way::Unix | Way::Loopback | Way::Session) | None => who,
    }
}

const fn state(state: AgentState) -> &'static str {
    match state {
        AgentState::Starting => "starting",
        AgentState::Running => "running",
        AgentState::Healthy => "healthy",
        AgentState::Unhealthy => "unhealthy",
        AgentState::Backoff => "backoff",
        AgentState::Stopping => "stopping",
        AgentState::Exited => "exited",
        AgentState::Failed => "failed",
        AgentState::RestartLimit => "restart limit",
        AgentState::Lost => "lost",
    }
}

/// Text as a value in a query.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
