//! One command on one machine: what happens to it, told to whoever shows it. A person's Ctrl-C
//! reaches it as a signal.

use std::time::{Duration, Instant};

use gantline_client::{Client, connection::Request};
use gantline_protocol::{
    AgentId,
    api::{ExecBytes, ExecEvent, ExecRequest, ExitStatus, Signal, SignalRequest},
};
use tokio::sync::{mpsc, watch};

use crate::{
    cli::{
        failure::Failure,
        reach::{Reach, Reached, Target},
    },
    lines::Lines,
};

/// What happens to the command.
#[derive(Debug)]
pub(super) enum Happening {
    /// It runs.
    Started(AgentId),
    /// It wrote to its standard output.
    Out(ExecBytes),
    /// It wrote to its standard error.
    Err(ExecBytes),
    /// It is over.
    Over(Outcome),
}

/// How it went.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The command ended.
    Ended(Option<ExitStatus>),
    /// It was stopped, since it took longer than it was given.
    TimedOut(Option<ExitStatus>),
    /// Nothing is known of its end.
    Failed(Failure),
}

/// What a person wants to become of the commands; each Ctrl-C wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// They are to run.
    Run,
    /// They are to stop.
    Interrupt,
    /// They are to end now.
    Kill,
}

/// How long the signal of an interrupt may take on its way.
const SIGNAL: Duration = Duration::from_secs(5);

/// Runs the command, and tells what happens until it is over. The last happening is
/// [`Happening::Over`].
pub(super) async fn run(
    request: ExecRequest,
    client: Client,
    target: Target,
    reach: Reach,
    wish: watch::Receiver<Wish>,
    tell: mpsc::Sender<Happening>,
) {
    let outcome = match follow(&request, &client, target, &reach, wish, &tell).await {
        Ok(outcome) => outcome,
        Err(failure) => Outcome::Failed(failure),
    };
    // Nobody listens if the program is about to end.
    let _ = tell.send(Happening::Over(outcome)).await;
}

async fn follow(
    request: &ExecRequest,
    client: &Client,
    target: Target,
    reach: &Reach,
    mut wish: watch::Receiver<Wish>,
    tell: &mpsc::Sender<Happening>,
) -> Result<Outcome, Failure> {
    let reached = reach.open(client, target).await?;
    let begun = Instant::now();
    let mut answer = reached.request(Request::post("/v1/exec", request)?).await?;
    let mut lines = Lines::up_to(ExecEvent::MAX_LINE);
    let (mut agent, mut obeyed) = (None, Wish::Run);
    loop {
        let bytes = tokio::select! {
            bytes = answer.chunk() => bytes.map_err(|error| reached.failed(error))?,
            wanted = more(&mut wish, obeyed) => {
                obeyed = wanted;
                if let Some(agent) = agent {
                    signal(&reached, agent, obeyed).await;
                }
                continue;
            }
        };
        let Some(bytes) = bytes else {
            return Err(Failure::failed("the answer broke off; the command may still run")
                .next("`gantline ps` there shows it"));
        };
        lines.push(&bytes).map_err(|_| Failure::failed("the machine sent a line without end"))?;
        while let Some(line) = lines.next() {
            let event = serde_json::from_slice(line)
                .map_err(|error| Failure::failed(format!("the answer can't be read: {error}")))?;
            let happening = match event {
                ExecEvent::Start { agent_id, .. } => {
                    agent = Some(agent_id);
                    if obeyed > Wish::Run {
                        signal(&reached, agent_id, obeyed).await;
                    }
                    Happening::Started(agent_id)
                }
                ExecEvent::Out(bytes) => Happening::Out(bytes),
                ExecEvent::Err(bytes) => Happening::Err(bytes),
                ExecEvent::Exit { status, .. } => {
                    return Ok(outcome(request, status, begun.elapsed()));
                }
                ExecEvent::Other => continue,
            };
            // Waits while the output is not taken: the machine then waits too.
            let _ = tell.send(happening).await;
        }
    }
}

/// Waits until a person wants more than was done.
async fn more(wish: &mut watch::Receiver<Wish>, obeyed: Wish) -> Wish {
    let wanted = wish.wait_for(|wanted| *wanted > obeyed).await.map(|wanted| *wanted).ok();
    match wanted {
        Some(wanted) => wanted,
        // Nobody wants anything any more; the command runs to its end.
        None => std::future::pending().await,
    }
}

/// A command that was given a time and ended by a signal after it was stopped for that.
fn outcome(request: &ExecRequest, status: Option<ExitStatus>, took: Duration) -> Outcome {
    let had = request.timeout_ms.map(|limit| Duration::from_millis(limit.get().into()));
    match (had, status) {
        (Some(had), Some(ExitStatus::Signal(_)) | None) if took >= had => Outcome::TimedOut(status),
        _ => Outcome::Ended(status),
    }
}

async fn signal(reached: &Reached, agent: AgentId, wish: Wish) {
    let signal = match wish {
        Wish::Run => return,
        Wish::Interrupt => Signal::Int,
        Wish::Kill => Signal::Kill,
    };
    let send = async {
        let request = SignalRequest { signal };
        reached.request(Request::post(format!("/v1/agents/{agent}/signal"), &request)?).await
    };
    // A command that has ended meanwhile is what was wished for.
    let _ = tokio::time::timeout(SIGNAL, send).await;
}
