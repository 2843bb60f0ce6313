//! Several machines: every line tells its machine, and a summary at the end tells how it went.

use std::{
    io::{self, IsTerminal},
    sync::Arc,
    time::Instant,
};

use gantline_client::Client;
use gantline_protocol::{
    AgentId, MachineId,
    api::{ExecBytes, ExecRequest, ExitStatus},
};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

use super::{
    machine::{self, Happening, Outcome, Wish},
    one::{Interrupts, WAITING},
    tally::{Tally, Verdict},
};
use crate::cli::{
    Context,
    failure::{Exit, Failure},
    logs::{Keep, Stripper},
    out,
    reach::Target,
    text,
};

/// How many machines run it at a time.
const PARALLEL: usize = 32;
/// The widest name that is shown whole.
const NAME: usize = 20;
/// A line is cut into pieces of this length, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// One line of the JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
enum Line<'a> {
    Start {
        machine: &'a str,
        agent_id: AgentId,
    },
    Out {
        machine: &'a str,
        #[serde(flatten)]
        bytes: &'a ExecBytes,
    },
    Err {
        machine: &'a str,
        #[serde(flatten)]
        bytes: &'a ExecBytes,
    },
    Exit {
        machine: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        machine_id: Option<MachineId>,
        verdict: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<ExitStatus>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    Summary {
        machines: usize,
        ok: usize,
        failed: usize,
        timed_out: usize,
        unreachable: usize,
        left: usize,
        took_ms: u64,
    },
}

pub(super) async fn run(
    request: ExecRequest,
    client: Client,
    targets: Vec<Target>,
    as_json: bool,
    context: &Context,
) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let mut machines: Vec<Shown> = targets.iter().map(Shown::new).collect();
    // All machines share the places, so that one that floods can't fill memory: it waits.
    let (tell, mut told) = mpsc::channel(WAITING * 4);
    let (wish, wished) = watch::channel(Wish::Run);
    let places = Arc::new(Semaphore::new(PARALLEL));
    let mut running = JoinSet::new();
    for (index, target) in targets.into_iter().enumerate() {
        let (request, client, reach) = (request.clone(), client.clone(), context.reach.clone());
        let (tell, wished, places) = (tell.clone(), wished.clone(), places.clone());
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            let (here, mut heard) = mpsc::channel(WAITING);
            let tells = async {
                while let Some(happening) = heard.recv().await {
                    if tell.send((index, happening)).await.is_err() {
                        return;
                    }
                }
            };
            tokio::join!(machine::run(request, client, target, reach, wished, here), tells);
        });
    }
    drop(tell);
    let writer = Writer::new(&machines, as_json, context);
    let mut interrupts = Interrupts::listen(wish)?;
    loop {
        let told = tokio::select! {
            told = told.recv() => told,
            () = interrupts.patience_is_over() => None,
        };
        let Some((index, happening)) = told else { break };
        if let Some(machine) = machines.get_mut(index) {
            writer.show(machine, happening)?;
        }
    }
    running.shutdown().await;
    let mut tally = Tally::default();
    for machine in machines {
        tally.add(machine.name, machine.verdict.unwrap_or(Verdict::Left));
    }
    writer.sum_up(&tally, begun)?;
    Ok(tally.exit(interrupts.any()))
}

/// What is shown of one machine.
struct Shown {
    name: String,
    id: Option<MachineId>,
    out: Lines,
    err: Lines,
    verdict: Option<Verdict>,
}

/// Cuts output into lines.
struct Lines {
    partial: Vec<u8>,
    stripper: Stripper,
}

impl Shown {
    fn new(target: &Target) -> Self {
        let (name, id) = match target {
            Target::Here => ("this machine".to_owned(), None),
            Target::Paired(entry) => {
                (text::line(entry.machine.name.as_str()), Some(entry.machine.machine_id))
            }
        };
        Self { name, id, out: Lines::new(), err: Lines::new(), verdict: None }
    }
}

impl Lines {
    const fn new() -> Self {
        Self { partial: Vec::new(), stripper: Stripper::new(Keep::Colours) }
    }

    /// The lines that are whole now, without their ends.
    fn take(&mut self, bytes: &[u8], strip: bool) -> Vec<Vec<u8>> {
        match strip {
            true => self.partial.extend(self.stripper.strip(bytes)),
            false => self.partial.extend_from_slice(bytes),
        }
        let mut lines: Vec<Vec<u8>> =
            self.partial.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        self.partial = match lines.pop_if(|line| !line.ends_with(b"\n") && line.len() < MAX_LINE) {
            Some(partial) => partial,
            None => Vec::new(),
        };
        for line in &mut lines {
            line.pop_if(|byte| *byte == b'\n');
        }
        lines
    }

    /// What is left at the end.
    fn rest(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.partial)).filter(|rest| !rest.is_empty())
    }
}

/// Writes lines the way that stdout and stderr want them.
struct Writer {
    as_json: bool,
    width: usize,
    out: Style,
    err: Style,
}

/// How one of the two streams is written.
#[derive(Clone, Copy)]
enum Style {
    /// Padded names and bars, for a person.
    Terminal { colours: bool },
    /// `machine`, a tab and the line as it is.
    Pipe,
}

/// Red is left to errors.
const COLOURS: [&str; 5] = ["36", "32", "33", "35", "34"];

impl Writer {
    fn new(machines: &[Shown], as_json: bool, context: &Context) -> Self {
        let width = machines.iter().map(|machine| machine.name.chars().count()).max();
        let style = |is_terminal, colours| match is_terminal {
            true => Style::Terminal { colours },
            false => Style::Pipe,
        };
        Self {
            as_json,
            width: width.unwrap_or(0).min(NAME),
            out: style(io::stdout().is_terminal(), context.color.on_stdout()),
            err: style(io::stderr().is_terminal(), context.color.on_stderr()),
        }
    }

    fn show(&self, machine: &mut Shown, happening: Happening) -> Result<(), Failure> {
        if self.as_json {
            return self.show_json(machine, happening);
        }
        match happening {
            Happening::Started(_) => {}
            Happening::Out(bytes) => {
                let strip = matches!(self.out, Style::Terminal { .. });
                for line in machine.out.take(bytes.as_slice(), strip) {
                    out::data(self.line(&machine.name, &line, self.out, '│'))?;
                }
            }
            Happening::Err(bytes) => {
                let strip = matches!(self.err, Style::Terminal { .. });
                for line in machine.err.take(bytes.as_slice(), strip) {
                    out::tell(self.line(&machine.name, &line, self.err, '┃'));
                }
            }
            Happening::Over(outcome) => {
                if let Some(line) = machine.out.rest() {
                    out::data(self.line(&machine.name, &line, self.out, '│'))?;
                }
                if let Some(line) = machine.err.rest() {
                    out::tell(self.line(&machine.name, &line, self.err, '┃'));
                }
                machine.verdict = Some(Verdict::of(&outcome));
            }
        }
        Ok(())
    }

    fn line(&self, name: &str, line: &[u8], style: Style, bar: char) -> Vec<u8> {
        let mut text = match style {
            Style::Pipe => format!("{name}\t").into_bytes(),
            Style::Terminal { colours } => {
                let (width, name) = (self.width, text::cut(name, self.width));
                match colours {
                    true => {
                        let colour =
                            name.bytes().fold(0_usize, |sum, byte| sum + usize::from(byte));
                        let colour = COLOURS.get(colour % COLOURS.len()).copied().unwrap_or("36");
                        format!("\x1b[{colour}m{name:width$}\x1b[0m {bar} ").into_bytes()
                    }
                    false => format!("{name:width$} {bar} ").into_bytes(),
                }
            }
        };
        text.extend_from_slice(line);
        if matches!(style, Style::Terminal { .. }) && line.contains(&0x1b) {
            text.extend_from_slice(b"\x1b[0m");
        }
        text.push(b'\n');
        text
    }

    fn show_json(&self, machine: &mut Shown, happening: Happening) -> Result<(), Failure> {
        let name = machine.name.as_str();
        match happening {
            Happening::Started(agent_id) => out::json(&Line::Start { machine: name, agent_id }),
            Happening::Out(bytes) => out::json(&Line::Out { machine: name, bytes: &bytes }),
            Happening::Err(bytes) => out::json(&Line::Err { machine: name, bytes: &bytes }),
            Happening::Over(outcome) => {
                let verdict = Verdict::of(&outcome);
                let (status, error) = match &outcome {
                    Outcome::Ended(status) | Outcome::TimedOut(status) => (*status, None),
                    Outcome::Failed(failure) => (None, Some(failure.to_string())),
                };
                let (machine_id, word) = (machine.id, verdict.word());
                out::json(&Line::Exit { machine: name, machine_id, verdict: word, status, error })?;
                machine.verdict = Some(verdict);
                Ok(())
            }
        }
    }

    fn sum_up(&self, tally: &Tally, begun: Instant) -> Result<(), Failure> {
        let took = begun.elapsed();
        if !self.as_json {
            out::tell(tally.summary(took));
            return Ok(());
        }
        let count = |word| tally.count(word);
        out::json(&Line::Summary {
            machines: tally.len(),
            ok: count("ok"),
            failed: count("failed"),
            timed_out: count("timed out"),
            unreachable: count("unreachable"),
            left: count("still runs"),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let mut lines = Lines::new();
        assert_eq!(lines.take(b"on", false), Vec::<Vec<u8>>::new());
        assert_eq!(lines.take(b"e\n\ntw", false), [b"one".to_vec(), Vec::new()]);
        assert_eq!(lines.rest(), Some(b"tw".to_vec()));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn a_line_without_end_fills_no_memory() {
        let mut lines = Lines::new();
        assert_eq!(lines.take(&vec![b'x'; 3 * MAX_LINE], false).len(), 1);
        assert_eq!(lines.rest(), None);
    }
}
