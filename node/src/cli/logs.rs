//! `gantline logs`: the output of an agent, byte for byte or without its escapes.

mod escapes;

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use gantline_client::{
    RequestError,
    connection::{Answer, Request},
};
use gantline_protocol::{AgentId, Epoch};
use gantline_transport::Backoff;
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::time::sleep;

pub(super) use self::escapes::{Keep, Stripper};
use super::{
    Context, agent,
    failure::{Exit, Failure},
    out,
    reach::Reached,
};

/// The life of the process that the output is from, 16 hexadecimal digits.
const EPOCH: &str = "gantline-epoch";
/// Where the first byte of the answer is.
const OFFSET: &str = "gantline-offset";
/// How long a connection must have held for a new trouble to be a new one.
const HELD: Duration = Duration::from_secs(10);

/// Show the output of an agent
///
/// Into a file or a pipe it goes byte for byte. On a terminal colours are kept, and what would move
/// the cursor is left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline logs ag-x7k2p
  gantline logs build -f --on ada
  gantline logs build --plain | grep error")]
pub(super) struct Args {
    /// The agent: its id or name
    agent: String,
    /// Go on with what comes, until the agent ends
    #[arg(short, long)]
    follow: bool,
    /// Begin at this byte of the output
    #[arg(long, value_name = "OFFSET", default_value_t = 0)]
    from: u64,
    /// Leave out colours and all other escapes
    #[arg(long)]
    plain: bool,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
}

/// How far the output was shown.
struct Place {
    epoch: Option<Epoch>,
    offset: u64,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let keep = match (args.plain, io::stdout().is_terminal()) {
        (true, _) => Some(Keep::Nothing),
        (false, true) => Some(Keep::Colours),
        (false, false) => None,
    };
    let mut stripper = keep.map(Stripper::new);
    let mut reached = context.reach.machine(args.on.as_deref()).await?;
    let id = agent::find(&reached, &args.agent).await?;
    let mut place = Place { epoch: None, offset: args.from };
    let mut backoff = Backoff::default();
    loop {
        let begun = tokio::time::Instant::now();
        let broken = match show(&reached, id, args.follow, &mut place, &mut stripper).await {
            Ok(()) => return Ok(Exit::Ok),
            Err(Broken::Failed(failure)) => return Err(failure),
            Err(Broken::Off(error)) => error,
        };
        if !args.follow {
            return Err(reached.failed(broken));
        }
        if begun.elapsed() > HELD {
            backoff = Backoff::default();
        }
        reached = again(&reached, &mut backoff, context).await?;
    }
}

/// Reaches the machine anew, however long that takes.
async fn again(
    reached: &Reached,
    backoff: &mut Backoff,
    context: &Context,
) -> Result<Reached, Failure> {
    let client = context.reach.client()?;
    loop {
        sleep(backoff.fail(UnwrapErr(SysRng).next_u64())).await;
        match context.reach.open(&client, reached.target.clone()).await {
            Ok(reached) => return Ok(reached),
            Err(failure) if failure.exit == Exit::Unreachable => {}
            Err(failure) => return Err(failure),
        }
    }
}

enum Broken {
    /// The way to the machine broke; the output goes on where it was.
    Off(RequestError),
    /// There is nothing to go on with.
    Failed(Failure),
}

async fn show(
    reached: &Reached,
    id: AgentId,
    follow: bool,
    place: &mut Place,
    stripper: &mut Option<Stripper>,
) -> Result<(), Broken> {
    let mut path = format!("/v1/agents/{id}/output?from={}&follow={follow}", place.offset);
    if let Some(Epoch(epoch)) = place.epoch {
        path.push_str(&format!("&epoch={epoch:016x}"));
    }
    let off = |error: RequestError| match error {
        RequestError::Problem(_) => Broken::Failed(reached.failed(error)),
        error if error.is_revoked() => Broken::Failed(reached.failed(error)),
        error => Broken::Off(error),
    };
    let mut answer = reached.connection.request(Request::get(path)).await.map_err(off)?;
    begin(&answer, place).map_err(Broken::Failed)?;
    while let Some(bytes) = answer.chunk().await.map_err(off)? {
        place.offset += bytes.len() as u64;
        let shown = match stripper {
            Some(stripper) => out::data(stripper.strip(&bytes)),
            None => out::data(&bytes),
        };
        shown.map_err(Broken::Failed)?;
    }
    Ok(())
}

/// Where the answer begins. What the machine keeps no longer is said, never passed over in silence.
fn begin(answer: &Answer, place: &mut Place) -> Result<(), Failure> {
    let malformed = || Failure::failed("the machine does not say where its output begins");
    let number = |name| answer.header(name).and_then(|value| value.parse::<u64>().ok());
    let offset = number(OFFSET).ok_or_else(malformed)?;
    let epoch = answer
        .header(EPOCH)
        .and_then(|value| u64::from_str_radix(value, 16).ok())
        .map(Epoch)
        .ok_or_else(malformed)?;
    if offset > place.offset {
        let gone = offset - place.offset;
        out::say(format!("gantline: {gone} bytes are gone: the machine no longer keeps them"));
    }
    *place = Place { epoch: Some(epoch), offset };
    Ok(())
}
