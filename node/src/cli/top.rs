//! `gantline top`: what machines and their agents use, drawn anew in place as it changes.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
};

use gantline_client::{Client, connection::Request};
use gantline_protocol::{
    AgentId, MachineId,
    api::{Agent, AgentVitals, MachineVitals, Vitals},
};
use gantline_transport::Backoff;
use getrandom::{
    SysRng,
    rand_core::{Rng as _, UnwrapErr},
};
use serde::Serialize;
use tokio::{sync::mpsc, task::JoinSet, time::sleep};

use super::{
    Context,
    events::Listener,
    failure::{Exit, Failure},
    out, ps,
    reach::{self, Reach, Reached, Target},
    text,
};
use crate::gateway::book::Book;

/// Looks that wait to be drawn. Machines wait when there are more.
const WAITING: usize = 64;
/// The width of what is drawn, and its height, where nobody knows the terminal's.
const USUAL: (u16, u16) = (100, 50);

/// Show what agents use, as it changes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline top               this machine; Ctrl-C ends it
  gantline top --on ada
  gantline top --all         every paired machine
  gantline top | cat         once, as a table

CPU is in percent of one core, and counts all that an agent has started, as the memory does.
READ and WRITTEN are from and to disks. The last line that an agent wrote is its own text.")]
pub(super) struct Args {
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Every paired machine
    #[arg(long, conflicts_with = "on")]
    all: bool,
    /// Print JSON, once
    #[arg(long)]
    json: bool,
}

/// One look at one machine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Look {
    machine_id: MachineId,
    machine: String,
    vitals: Vitals,
    #[serde(skip)]
    agents: Vec<Agent>,
}

/// What is known of a machine.
type Known = Result<Look, Failure>;

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let (client, targets) = targets(&args, context).await?;
    let is_live = !args.json && io::stdout().is_terminal();
    let (tell, mut told) = mpsc::channel(WAITING);
    let mut watching = JoinSet::new();
    let count = targets.len();
    for (place, target) in targets.into_iter().enumerate() {
        let (reach, client, tell) = (context.reach.clone(), client.clone(), tell.clone());
        watching.spawn(watch(reach, client, target, is_live, place, tell));
    }
    drop(tell);
    let mut machines = BTreeMap::new();
    if !is_live {
        while let Some((place, known)) = told.recv().await {
            machines.insert(place, known);
        }
        return once(machines, args.json);
    }
    let mut drawn = 0;
    loop {
        tokio::select! {
            news = told.recv() => {
                let Some((place, known)) = news else { return Ok(Exit::Failed) };
                if count == 1 && machines.is_empty() && known.is_err() {
                    // It was not there in the first place.
                    return known.map(|_| Exit::Ok);
                }
                machines.insert(place, known);
                let (width, height) = crossterm::terminal::size().unwrap_or(USUAL);
                let lines = draw(&machines, args.all, context.color.on_stdout());
                let mut screen = match drawn {
                    0 => String::new(),
                    lines => format!("\u{1b}[{lines}A\r\u{1b}[J"),
                };
                drawn = lines.len().min(usize::from(height).saturating_sub(1));
                for line in lines.iter().take(drawn) {
                    screen.push_str(&shortened(line, width.into()));
                    screen.push('\n');
                }
                out::data(screen)?;
            }
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Ok),
        }
    }
}

async fn targets(args: &Args, context: &Context) -> Result<(Client, Vec<Target>), Failure> {
    let client = context.reach.client()?;
    if !args.all {
        let target = context.reach.target(&client, args.on.as_deref()).await?;
        return Ok((client, vec![target]));
    }
    let book = Book::load(&context.reach.home)?;
    if book.machines.is_empty() {
        return Err(Failure::usage("--all: no machine is paired").next(reach::paired(&book)));
    }
    let paired = book.machines.into_iter().map(|entry| Target::Paired(Box::new(entry)));
    Ok((client, paired.collect()))
}

/// Tells what a machine uses: once, or again and again, also after it was away.
async fn watch(
    reach: Reach,
    client: Client,
    target: Target,
    is_live: bool,
    place: usize,
    tell: mpsc::Sender<(usize, Known)>,
) {
    let mut backoff = Backoff::default();
    loop {
        let listened = async {
            let reached = reach.open(&client, target.clone()).await?;
            let mut listener = Listener::<Vitals>::of(&reached, "/v1/vitals").await?;
            while let Some(vitals) = listener.next().await? {
                let look = look(&reached, vitals).await?;
                backoff.succeed();
                if tell.send((place, Ok(look))).await.is_err() || !is_live {
                    return Ok(());
                }
            }
            Err(Failure::new(Exit::Unreachable, format!("{} stopped", text::line(&reached.name))))
        };
        let listened: Result<(), Failure> = listened.await;
        if let Err(failure) = listened
            && tell.send((place, Err(failure))).await.is_err()
        {
            return;
        }
        if !is_live {
            return;
        }
        sleep(backoff.fail(UnwrapErr(SysRng).next_u64())).await;
    }
}

async fn look(reached: &Reached, vitals: Vitals) -> Result<Look, Failure> {
    let agents = reached.json(Request::get("/v1/agents")).await?;
    let (machine_id, machine) = (reached.machine_id().await?, text::line(&reached.name));
    Ok(Look { machine_id, machine, vitals, agents })
}

/// What was seen, once.
fn once(machines: BTreeMap<usize, Known>, json: bool) -> Result<Exit, Failure> {
    let with_machine = machines.len() > 1;
    let (mut looks, mut failures) = (Vec::new(), Vec::new());
    for known in machines.into_values() {
        match known {
            Ok(look) => looks.push(look),
            Err(failure) => failures.push(failure),
        }
    }
    if looks.is_empty()
        && let Some(failure) = failures.pop()
    {
        failures.iter().for_each(|failure| out::say(format!("gantline: {failure}")));
        return Err(failure);
    }
    if json {
        out::json(&looks)?;
    } else {
        looks.iter().for_each(|look| out::say(summary(look)));
        out::data(text::columns(&table(&looks.iter().collect::<Vec<_>>(), with_machine)))?;
    }
    failures.iter().for_each(|failure| out::say(format!("gantline: {failure}")));
    Ok(failures.first().map_or(Exit::Ok, |failure| failure.exit))
}

/// The lines that tell what is known.
fn draw(machines: &BTreeMap<usize, Known>, with_machine: bool, colours: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut looks = Vec::new();
    for known in machines.values() {
        match known {
            Ok(look) => {
                lines.push(summary(look));
                looks.push(look);
            }
            Err(failure) => {
                let what = failure.to_string();
                lines.push(format!("{}; trying again", what.lines().next().unwrap_or_default()));
            }
        }
    }
    lines.push(String::new());
    let table = text::columns(&table(&looks, with_machine));
    for (place, line) in table.lines().enumerate() {
        lines.push(match colours && place == 0 {
            true => format!("\u{1b}[1m{line}\u{1b}[0m"),
            false => line.to_owned(),
        });
    }
    if looks.iter().all(|look| look.vitals.agents.is_empty()) {
        lines.push("no agent runs; start one: gantline spawn --attach -- bash".to_owned());
    }
    lines
}

fn summary(look: &Look) -> String {
    let MachineVitals { cpu_percent, cores, memory_used, memory_total, processes } =
        look.vitals.machine;
    let agents = look.vitals.agents.len();
    format!(
        "{}: CPU {cpu_percent:.0} % of {cores}00 %, memory {} of {}, {processes} processes, {agents} \
         {}",
        look.machine,
        bytes(memory_used),
        bytes(memory_total),
        if agents == 1 { "agent" } else { "agents" },
    )
}

fn table(looks: &[&Look], with_machine: bool) -> Vec<Vec<String>> {
    let heads =
        ["AGENT", "NAME", "STATE", "CPU", "MEMORY", "READ", "WRITTEN", "PROCS", "LAST LINE"];
    let mut head: Vec<_> = heads.map(str::to_owned).into();
    if with_machine {
        head.insert(0, "MACHINE".to_owned());
    }
    let mut rows: Vec<(&Look, &AgentVitals)> = Vec::new();
    for look in looks {
        rows.extend(look.vitals.agents.iter().map(|agent| (*look, agent)));
    }
    rows.sort_by(|(_, a), (_, b)| {
        let by_use = b.cpu_percent.total_cmp(&a.cpu_percent).then(b.memory.cmp(&a.memory));
        by_use.then(a.agent_id.cmp(&b.agent_id))
    });
    let mut table = vec![head];
    for (look, vitals) in rows {
        let known = find(&look.agents, vitals.agent_id);
        let name = known.and_then(|agent| agent.name.as_ref());
        let mut cells = vec![
            vitals.agent_id.to_string(),
            name.map_or_else(|| "-".to_owned(), |name| text::cut(name.as_str(), 20)),
            known.map_or_else(|| "-".to_owned(), ps::state),
            format!("{:.1} %", vitals.cpu_percent),
            bytes(vitals.memory),
            bytes(vitals.disk_read),
            bytes(vitals.disk_written),
            vitals.processes.to_string(),
            text::cut(vitals.last_line.as_deref().unwrap_or("-"), 60),
        ];
        if with_machine {
            cells.insert(0, text::cut(&look.machine, 20));
        }
        table.push(cells);
    }
    table
}

fn find(agents: &[Agent], id: AgentId) -> Option<&Agent> {
    agents.iter().find(|agent| agent.agent_id == id)
}

/// A number of bytes as people say it: `640 B`, `3.2 MiB`.
fn bytes(count: u64) -> String {
    let mut size = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1000.0 {
            return match unit {
                "B" => format!("{count} B"),
                _ => format!("{size:.1} {unit}"),
            };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// A line that does not go on into the next. What is bold is so to its end.
fn shortened(line: &str, width: usize) -> String {
    match line.strip_prefix("\u{1b}[1m").and_then(|rest| rest.strip_suffix("\u{1b}[0m")) {
        Some(head) => format!("\u{1b}[1m{}\u{1b}[0m", text::cut(head, width)),
        None => text::cut(line, width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_in_the_unit_that_fits() {
        let said = [0, 999, 1000, 1024, 1 << 20, 1023 << 20, 3 << 30, 5 << 40].map(bytes);
        let expected =
            ["0 B", "999 B", "1.0 KiB", "1.0 KiB", "1.0 MiB", "1.0 GiB", "3.0 GiB", "5.0 TiB"];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_line_never_goes_on_into_the_next() {
        assert_eq!(shortened("\u{1b}[1mabcdef\u{1b}[0m", 4), "\u{1b}[1mabc…\u{1b}[0m");
        assert_eq!(shortened("a\u{1b}[2Jb", 20), "a\u{fffd}[2Jb");
    }
}
