//! `gantline identity reset`: for a machine whose state was copied from another one. Two machines
//! with one key throw each other out of their relays for ever.

use std::time::SystemTime;

use crate::{
    cli::{
        Context,
        failure::{Exit, Failure},
        out,
    },
    state::{InstanceLock, identity},
};

/// Give this machine another identity: for one whose state was copied from another machine
///
/// The old key and the list of devices are set aside, not deleted. Devices have to pair again, and
/// relays need a new join link, since both know the machine by its key.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gantline identity reset --yes")]
pub(super) struct Args {
    /// Do it; without this it is only said what would be done
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let home = &context.reach.home;
    let files = home.state_files();
    let Some(old) = identity::machine_id(&files)? else {
        return Err(Failure::failed("this machine has no identity that could be reset")
            .next("`gantline up` makes one when it first starts"));
    };
    if !args.yes {
        let what = format!(
            "this would make {old} another machine: its devices have to pair again, and its relays \
             need a new join link"
        );
        return Err(Failure::usage(what).next("`gantline identity reset --yes` does it"));
    }
    // A node that runs has the old key in memory.
    let _lock = InstanceLock::take(home)
        .map_err(|error| Failure::from(error).while_doing("the node has to be stopped first"))?;
    let aside = identity::reset(&files, SystemTime::now().into())?;
    let new = identity::machine_id(&files)?.map(|id| id.to_string()).unwrap_or_default();
    out::say(format!("{old} is {new} from now on"));
    for path in aside {
        out::say(format!("set aside: {}", path.display()));
    }
    out::say(
        "next: `gantline up --join LINK` with a new link, then `gantline pair` for each device",
    );
    Ok(Exit::Ok)
}
