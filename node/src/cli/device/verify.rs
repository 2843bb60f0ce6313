//! `gantline device verify`.

use gantline_protocol::MachineId;
use serde::Serialize;

use crate::cli::{
    Context,
    failure::{Exit, Failure},
    out, reach, text,
};
use crate::gateway::book::Book;

/// Show the safety number of this device and a machine
///
/// Both ends have the same one, unless somebody came between them when they were paired.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gantline device verify --on ada")]
pub(super) struct Args {
    /// The machine; every paired one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    machine_id: MachineId,
    name: String,
    words: String,
    digits: String,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let home = &context.reach.home;
    let book = Book::load(home)?;
    let entries = match &args.on {
        None => book.machines.iter().collect(),
        Some(wanted) => vec![book.find(wanted)?.ok_or_else(|| {
            Failure::usage(format!("no machine called {} is paired", text::line(wanted)))
                .next(reach::paired(&book))
        })?],
    };
    let device = crate::gateway::book::device(home)?;
    let rows: Vec<Row> = entries
        .into_iter()
        .map(|entry| {
            let number = entry.machine.safety_number(device.key.public());
            Row {
                machine_id: entry.machine.machine_id,
                name: text::line(entry.machine.name.as_str()),
                words: number.words().join(" "),
                digits: number.digits().join(" "),
            }
        })
        .collect();
    if args.json {
        out::json(&rows)?;
    } else if rows.is_empty() {
        out::say(reach::paired(&book));
    } else {
        for row in &rows {
            out::data(format!("{}\n  {}\n  {}\n", row.name, row.words, row.digits))?;
        }
    }
    Ok(Exit::Ok)
}
