//! `gantline apply`: has a machine have the agents that a file says.

pub(super) mod definition;
mod plan;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, IsTerminal, Read, Write},
    path::PathBuf,
    time::Duration,
};

use gantline_client::connection::Request;
use gantline_protocol::{
    AgentId,
    api::{Agent, Dependencies, Dependency, EnvComparison, EnvDifference, SpawnRequest},
};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use self::{
    definition::{Definition, Mistake},
    plan::{Act, Change, Edit, Step, Unclear},
};
use super::{
    Context,
    failure::{Exit, Failure},
    out,
    reach::Reached,
    text,
};

/// The greatest file, in bytes: all that a machine keeps of agents fits in, as `export` writes it.
const MAX_FILE: u64 = 16 << 20;
/// How long an agent may take to be gone beyond its grace.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// How often is asked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Have the agents that files say: start what is missing, change what differs
///
/// A file has a table [agents.NAME] for each agent, with the members that the API has: argv (or
/// command, a script for the shell), cwd, env, restart, successCodes, stop, probe, limits, and
/// dependsOn with agents by name. What stands in [defaults] counts for all that do not say
/// otherwise. Applying it again changes nothing. An agent that a person has stopped stays stopped.
/// Without env an agent keeps the environment that it has.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline apply agents.toml
  gantline apply --diff --dry-run agents.toml
  gantline export | gantline apply --on ada -

  [defaults]
  restart = \"always\"

  [agents.db]
  argv = [\"postgres\", \"-D\", \"data\"]
  stop = { signal = \"INT\", graceMs = 30000 }
  probe = { kind = \"tcp\", port = 5432 }

  [agents.web]
  command = \"exec ./server --port $PORT\"
  cwd = \"/srv/web\"
  env = { PORT = \"8080\" }
  dependsOn = { db = \"healthy\" }
  limits = { memoryMb = 512 }")]
pub(super) struct Args {
    /// Definition files, taken as one; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Tell each member that changes; values of environments are never shown
    #[arg(long)]
    diff: bool,
    /// Tell what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove agents that an earlier apply made and the files no longer have
    #[arg(long)]
    prune: bool,
    /// Remove them without asking
    #[arg(long, requires = "prune")]
    yes: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// What was done with one agent, as `--json` has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    agent: &'a str,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<AgentId>,
    #[serde(skip_serializing_if = "<[Change]>::is_empty")]
    changes: &'a [Change],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    restarts: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let files = args.files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let definitions = definition::read(&files)?;
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let present: Vec<Agent> = reached.json(Request::get("/v1/agents")).await?;
    let environments = environments(&reached, &definitions, &present).await?;
    let steps = plan::plan(&definitions, &present, &environments, args.prune)?;
    if !args.json {
        show(&steps, args.diff, context)?;
    }
    let removes = steps.iter().filter(|step| matches!(step.act, Act::Remove(_))).count();
    if removes > 0 && !args.dry_run && !args.yes && !agreed(removes)? {
        return Ok(Exit::Failed);
    }
    let done = match args.dry_run {
        true => BTreeMap::new(),
        false => Machine { reached, present }.perform(&steps).await?,
    };
    if args.json {
        let told: Vec<_> = steps.iter().map(|step| told(step, &done)).collect();
        out::json(&told)?;
    } else {
        let changes = steps.iter().filter(|step| !matches!(step.act, Act::Keep(_))).count();
        out::say(match (changes, args.dry_run) {
            (0, _) => format!("nothing to change; {} as the files say", agents(steps.len())),
            (_, true) => format!("{} would change; nothing was done", agents(changes)),
            (_, false) => format!("{} changed", agents(changes)),
        });
    }
    Ok(Exit::Ok)
}

fn agents(number: usize) -> String {
    format!("{number} {}", if number == 1 { "agent" } else { "agents" })
}

/// A file's name and what is in it.
fn read(path: &PathBuf) -> Result<(String, String), Failure> {
    let name = path.display().to_string();
    let mut text = String::new();
    let read = if name == "-" {
        io::stdin().lock().take(MAX_FILE + 1).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
    };
    match read {
        Ok(length) if length as u64 > MAX_FILE => {
            Err(Failure::usage(format!("{name} is larger than 16 MiB")))
        }
        Ok(_) => Ok((if name == "-" { "standard input".to_owned() } else { name }, text)),
        Err(error) => Err(Failure::failed(format!("{name} can't be read: {error}"))),
    }
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        Self::usage(mistake).next("nothing was changed")
    }
}

impl From<Unclear> for Failure {
    fn from(unclear: Unclear) -> Self {
        Self::usage(unclear).next("nothing was changed; `gantline ps -a` lists the agents")
    }
}

/// How the environments of agents that there are differ from what the files say.
async fn environments(
    reached: &Reached,
    definitions: &[Definition],
    present: &[Agent],
) -> Result<BTreeMap<AgentId, EnvDifference>, Failure> {
    let meant = plan::meant(definitions, present)?;
    let mut differences = BTreeMap::new();
    for definition in definitions {
        if let (Some(env), Some(id)) = (&definition.env, meant.get(definition.name.as_str())) {
            let asked = EnvComparison { env: env.clone() };
            let path = format!("/v1/agents/{id}/env/compare");
            differences.insert(*id, reached.json(Request::post(path, &asked)?).await?);
        }
    }
    Ok(differences)
}

fn show(steps: &[Step], diff: bool, context: &Context) -> Result<(), Failure> {
    let colours = context.color.on_stdout();
    let mut shown = String::new();
    for Step { name, act } in steps {
        let (sign, colour, what) = match act {
            Act::Keep(_) => ('=', "", "as it is".to_owned()),
            Act::Create(_) => ('+', "\u{1b}[32m", "new".to_owned()),
            Act::Replace(..) => ('!', "\u{1b}[33m", "replaced, with its output: argv".to_owned()),
            Act::Change(Edit { changes, restarts, .. }) => {
                let members: Vec<_> = changes.iter().map(|change| change.member).collect();
                let restarts = if *restarts { "; restarts" } else { "" };
                ('~', "\u{1b}[33m", format!("{}{restarts}", members.join(", ")))
            }
            Act::Remove(_) => ('-', "\u{1b}[31m", "removed, with its output".to_owned()),
        };
        let (on, off) =
            if colours && !colour.is_empty() { (colour, "\u{1b}[0m") } else { ("", "") };
        shown.push_str(&format!("{on}{sign}{off} {:<20} {what}\n", text::line(name)));
        for Change { member, from, to } in changes(act).iter().filter(|_| diff) {
            let (from, to) = (text::line(from), text::line(to));
            shown.push_str(&format!("    {member}: {from} → {to}\n"));
        }
    }
    out::data(shown)
}

fn changes(act: &Act) -> &[Change] {
    match act {
        Act::Change(Edit { changes, .. }) | Act::Replace(_, _, changes) => changes,
        Act::Keep(_) | Act::Create(_) | Act::Remove(_) => &[],
    }
}

fn told<'a>(step: &'a Step, done: &BTreeMap<String, AgentId>) -> Told<'a> {
    let (action, id, restarts) = match &step.act {
        Act::Keep(id) => ("keep", Some(*id), false),
        Act::Create(_) => ("create", None, false),
        Act::Replace(id, ..) => ("replace", Some(*id), false),
        Act::Change(edit) => ("change", Some(edit.id), edit.restarts),
        Act::Remove(id) => ("remove", Some(*id), false),
    };
    let agent_id = done.get(&step.name).copied().or(id);
    Told { agent: &step.name, action, agent_id, changes: changes(&step.act), restarts }
}

fn agreed(removes: usize) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        let what = format!(
            "{} would be removed with their output, and nobody can be asked",
            agents(removes)
        );
        return Err(Failure::usage(what).next("give --yes, or leave --prune out"));
    }
    out::tell(format!("Remove {} with their output? [y/N] ", agents(removes)));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The machine, while a plan is carried out.
struct Machine {
    reached: Reached,
    present: Vec<Agent>,
}

impl Machine {
    /// Does all steps; gives the ids of what was made.
    async fn perform(&self, steps: &[Step]) -> Result<BTreeMap<String, AgentId>, Failure> {
        let mut made = BTreeMap::new();
        let mut replaced = Vec::new();
        for Step { name, act } in steps {
            match act {
                Act::Keep(_) => {}
                Act::Create(definition) => {
                    made.insert(name.clone(), self.create(definition, &made).await?);
                }
                Act::Replace(old, definition, _) => {
                    self.stop(*old).await?;
                    made.insert(name.clone(), self.create(definition, &made).await?);
                    replaced.push(*old);
                }
                Act::Change(edit) => self.change(edit, &made).await?,
                Act::Remove(id) => {
                    self.stop(*id).await?;
                    self.remove(*id).await?;
                }
            }
        }
        // Now nothing depends on them any more.
        for old in replaced {
            self.remove(old).await?;
        }
        Ok(made)
    }

    async fn create(
        &self,
        definition: &Definition,
        made: &BTreeMap<String, AgentId>,
    ) -> Result<AgentId, Failure> {
        let depends_on = self.dependencies(definition.depends_on.iter(), made)?;
        let is_id = definition.name.as_str().parse::<AgentId>().is_ok();
        let mut request = SpawnRequest::new(definition.command());
        request.name = Some(definition.name.clone()).filter(|_| !is_id);
        request.scrollback_kb = definition.scrollback_kb;
        request.log_mb = definition.log_mb;
        request.supervision = definition.supervision.clone();
        request.supervision.depends_on = depends_on;
        request.applied = true;
        let agent: Agent = self
            .reached
            .json(Request::post("/v1/agents", &request)?)
            .await
            .map_err(|failure| failure.while_doing(&definition.name))?;
        Ok(agent.agent_id)
    }

    async fn change(&self, edit: &Edit, made: &BTreeMap<String, AgentId>) -> Result<(), Failure> {
        let mut patch = edit.patch.clone();
        if let Some(depends_on) = &edit.depends_on {
            patch.depends_on = Some(Some(self.dependencies(depends_on.iter(), made)?));
        }
        let path = format!("/v1/agents/{}", edit.id);
        self.reached.request(Request::patch(&path, &patch)?).await?;
        if edit.restarts {
            self.reached.request(Request::post(format!("{path}/restart"), &())?).await?;
        }
        Ok(())
    }

    /// What a definition depends on, by the ids of now.
    fn dependencies<'a>(
        &self,
        by_name: impl Iterator<Item = (&'a String, &'a gantline_protocol::api::DependencyCondition)>,
        made: &BTreeMap<String, AgentId>,
    ) -> Result<Dependencies, Failure> {
        let mut dependencies = Vec::new();
        for (name, condition) in by_name {
            let agent_id = match made.get(name) {
                Some(id) => *id,
                None => plan::find(name, &self.present)?
                    .ok_or_else(|| Failure::failed(format!("there is no agent {name}")))?,
            };
            dependencies.push(Dependency { agent_id, condition: *condition });
        }
        Ok(Dependencies::try_from(dependencies)?)
    }

    /// Stops an agent, and waits until it has ended.
    async fn stop(&self, id: AgentId) -> Result<(), Failure> {
        let path = format!("/v1/agents/{id}");
        let agent: Agent = self.reached.json(Request::get(&path)).await?;
        if agent.state.is_final() {
            return Ok(());
        }
        self.reached.request(Request::post(format!("{path}/stop"), &())?).await?;
        let grace = Duration::from_millis(agent.supervision.stop.grace_ms.get().into());
        let deadline = Instant::now() + grace + GONE_WITHIN;
        loop {
            let agent: Agent = self.reached.json(Request::get(&path)).await?;
            if agent.state.is_final() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Failure::new(Exit::TimedOut, format!("{id} does not end")));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn remove(&self, id: AgentId) -> Result<(), Failure> {
        self.reached.request(Request::delete(format!("/v1/agents/{id}"))).await?;
        Ok(())
    }
}
