//! `gantline kill`: stops an agent, or sends it a signal.

use clap::ValueEnum;
use gantline_client::connection::Request;
use gantline_protocol::{
    AgentId,
    api::{Agent, Signal, SignalRequest},
};

use super::{
    Context, agent,
    failure::{Exit, Failure},
    out,
    reach::Reached,
};

/// Stop an agent: ask it to end, and end it if it has not after 10 seconds
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline kill ag-x7k2p
  gantline kill build -9        end it now
  gantline kill build -s hup    send a signal, to the whole process group
  gantline kill --all           stop everything that runs on this machine")]
pub(super) struct Args {
    /// The agent: its id or name
    #[arg(required_unless_present = "all")]
    agent: Option<String>,
    /// All agents that run
    #[arg(long, conflicts_with = "agent")]
    all: bool,
    /// End it now; it can't object
    #[arg(short = '9', long = "now", conflicts_with = "signal")]
    now: bool,
    /// Send this signal instead
    #[arg(short, long, value_enum, value_name = "SIG", ignore_case = true)]
    signal: Option<SignalChoice>,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
}

/// A signal, as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SignalChoice {
    Hup,
    Int,
    Quit,
    Kill,
    Usr1,
    Usr2,
    Term,
    Cont,
    Stop,
    Tstp,
    Winch,
}

impl From<SignalChoice> for Signal {
    fn from(choice: SignalChoice) -> Self {
        match choice {
            SignalChoice::Hup => Self::Hup,
            SignalChoice::Int => Self::Int,
            SignalChoice::Quit => Self::Quit,
            SignalChoice::Kill => Self::Kill,
            SignalChoice::Usr1 => Self::Usr1,
            SignalChoice::Usr2 => Self::Usr2,
            SignalChoice::Term => Self::Term,
            SignalChoice::Cont => Self::Cont,
            SignalChoice::Stop => Self::Stop,
            SignalChoice::Tstp => Self::Tstp,
            SignalChoice::Winch => Self::Winch,
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let ids = match &args.agent {
        Some(agent) => vec![agent::find(&reached, agent).await?],
        None => running(&reached).await?,
    };
    let signal = args.signal.map(Signal::from);
    for id in ids {
        let asked = match signal {
            Some(signal) => send(&reached, id, signal).await,
            None => stop(&reached, id).await,
        };
        match asked {
            Ok(()) => {}
            // It has ended meanwhile.
            Err(failure) if args.all => {
                out::say(format!("{id}: {failure}"));
                continue;
            }
            Err(failure) => return Err(failure),
        }
        // Stopped before, so that nobody starts it again.
        let is_killed = args.now && send(&reached, id, Signal::Kill).await.is_ok();
        out::say(match signal {
            Some(signal) => format!("{id}: sent {}", format!("{signal:?}").to_uppercase()),
            None if is_killed => format!("{id}: killed"),
            None => format!("{id}: stopping"),
        });
    }
    Ok(Exit::Ok)
}

async fn stop(reached: &Reached, id: AgentId) -> Result<(), Failure> {
    let request = Request::post(format!("/v1/agents/{id}/stop"), &serde_json::json!({}))?;
    reached.request(request).await.map(drop)
}

async fn send(reached: &Reached, id: AgentId, signal: Signal) -> Result<(), Failure> {
    let request = Request::post(format!("/v1/agents/{id}/signal"), &SignalRequest { signal })?;
    reached.request(request).await.map(drop)
}

async fn running(reached: &Reached) -> Result<Vec<AgentId>, Failure> {
    let agents: Vec<Agent> = reached.json(Request::get("/v1/agents")).await?;
    let running = agents.into_iter().filter(|agent| !agent.state.is_final());
    Ok(running.map(|agent| agent.agent_id).collect())
}
