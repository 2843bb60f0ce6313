//! `gantline set`: changes what an agent is, also while it runs.

use gantline_client::connection::Request;
use gantline_protocol::{
    Name,
    api::{Agent, AgentPatch, Cwd},
};

use super::{
    Context, agent,
    care::{Care, Said},
    failure::{Exit, Failure},
    out, show,
};

/// Change an agent, also while it runs
///
/// Directory, environment and limits count from its next start on, everything else at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline set ag-x7k2p --name web --restart always
  gantline set web --probe http:8080/healthz --probe-restarts
  gantline set web --memory 512M --cpu none && gantline restart web")]
pub(super) struct Args {
    /// The agent: its id or name
    agent: String,
    /// What people call it; empty for no name
    #[arg(long)]
    name: Option<String>,
    /// Where it runs; empty for the home directory
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// Add to the node's environment; takes the place of all that was added before
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Add nothing to the node's environment any more
    #[arg(long, conflicts_with = "env")]
    no_env: bool,
    #[command(flatten)]
    care: Care,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Print the agent as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let id = agent::find(&reached, &args.agent).await?;
    let path = format!("/v1/agents/{id}");
    let now: Agent = reached.json(Request::get(path.clone())).await?;
    let said = args.care.said(&now.supervision, &reached).await?;
    let Said { restart, success_codes, stop, probe, depends_on, limits } = said;
    let name = match args.name.as_deref() {
        Some("") => Some(None),
        Some(name) => Some(Some(name.parse::<Name>()?)),
        None => None,
    };
    let cwd = match args.cwd {
        Some(cwd) if cwd.is_empty() => Some(None),
        Some(cwd) => Some(Some(Cwd::try_from(cwd)?)),
        None => None,
    };
    let env = match (args.no_env, args.env.is_empty()) {
        (true, _) => Some(None),
        (false, true) => None,
        (false, false) => Some(Some(agent::env(args.env)?)),
    };
    let patch = AgentPatch {
        name,
        cwd,
        env,
        restart: restart.map(Some),
        success_codes: success_codes.map(Some),
        stop: stop.map(Some),
        probe,
        depends_on: depends_on.map(Some),
        limits: limits.map(Some),
    };
    let members = patch.members();
    if members.is_empty() {
        return Err(Failure::usage("nothing is to be changed")
            .next("`gantline set --help` tells what can be"));
    }
    let agent: Agent = reached.json(Request::patch(path, &patch)?).await?;
    if args.json {
        out::json(&agent)?;
        return Ok(Exit::Ok);
    }
    out::say(format!("{id}: changed {}", members.join(", ")));
    let is_later = |member: &&str| matches!(*member, "cwd" | "env" | "limits");
    if members.iter().any(is_later) && !agent.state.is_final() {
        out::say(format!(
            "{} from the next start on: gantline restart {id}",
            show::these(&members, is_later)
        ));
    }
    Ok(Exit::Ok)
}
