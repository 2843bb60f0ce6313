//! `gantline device verify`.

use gantline_protocol::{DeviceId, MachineId};
use serde::Serialize;

use crate::cli::{
    Context,
    failure::{Exit, Failure},
    out, reach, text,
};
use crate::gateway::book::Book;

/// Show the safety number of this device and a machine
///
/// Both ends have the same one, unless somebody came between them when they were paired. Without
/// DEVICE it is what this device has for the machines that it is paired with, with DEVICE what a
/// machine has for one of its devices.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline device verify --on ada    # here, and compare with
  gantline device verify laptop      # on ada")]
pub(super) struct Args {
    /// A device that may reach the machine: its name, its id, or the beginning of the id
    device: Option<String>,
    /// The machine; every paired one if left out, with DEVICE this one
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

/// What a machine has for one of its devices.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    device_id: DeviceId,
    name: String,
    words: String,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    if let Some(wanted) = &args.device {
        return of_device(wanted, &args, context).await;
    }
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

async fn of_device(wanted: &str, args: &Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let devices = super::devices(&reached).await?;
    let id = super::choose(&devices, wanted)?;
    let known = devices.into_iter().find(|device| device.device_id == id);
    let known = known.and_then(|device| {
        let words = text::line(&device.safety_number?);
        Some(Known { device_id: id, name: text::line(device.name.as_str()), words })
    });
    let Some(known) = known else {
        return Err(Failure::failed("the node there does not tell safety numbers")
            .next("it is older than this program: upgrade it"));
    };
    if args.json {
        out::json(&known)?;
    } else {
        out::data(format!("{}\n  {}\n", known.name, known.words))?;
    }
    Ok(Exit::Ok)
}
