//! One machine: the command's output, errors and exit code become those of this program.

use std::time::Duration;

use gantline_client::Client;
use gantline_protocol::{AgentId, api::ExecRequest};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use super::machine::{self, Happening, Outcome, Wish};
use crate::cli::{
    Context, agent,
    failure::{Exit, Failure},
    out,
    reach::Target,
};

/// How long the command may take to end after it was interrupted.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// How many pieces of output wait to be written; the machine waits when there are more.
pub(super) const WAITING: usize = 16;

pub(super) async fn run(
    request: ExecRequest,
    client: Client,
    target: Target,
    context: &Context,
) -> Result<Exit, Failure> {
    let (tell, mut told) = mpsc::channel(WAITING);
    let (wish, wished) = watch::channel(Wish::Run);
    let running = machine::run(request, client, target, context.reach.clone(), wished, tell);
    let running = tokio::spawn(running);
    let mut interrupts = Interrupts::listen(wish)?;
    let mut agent = None;
    let exit = loop {
        let happening = tokio::select! {
            happening = told.recv() => happening,
            () = interrupts.patience_is_over() => break Ok(left(agent)),
        };
        match happening {
            Some(Happening::Started(id)) => agent = Some(id),
            Some(Happening::Out(bytes)) => out::data(bytes.as_slice())?,
            Some(Happening::Err(bytes)) => out::tell(bytes.as_slice()),
            Some(Happening::Over(outcome)) => break end(outcome, interrupts.any()),
            None => break Err(Failure::failed("the command was given up")),
        }
    };
    running.abort();
    exit
}

fn end(outcome: Outcome, interrupted: bool) -> Result<Exit, Failure> {
    match outcome {
        Outcome::Ended(Some(_)) if interrupted => Ok(Exit::Interrupted),
        Outcome::Ended(Some(status)) => Ok(agent::exit(Some(status))),
        Outcome::Ended(None) => Err(Failure::failed("nobody saw how the command ended")),
        Outcome::TimedOut(_) => {
            Err(Failure::new(Exit::TimedOut, "the command was stopped: its time was over"))
        }
        Outcome::Failed(failure) => Err(failure),
    }
}

fn left(agent: Option<AgentId>) -> Exit {
    if let Some(agent) = agent {
        out::say(format!("gantline: {agent} still runs; to end it: gantline kill {agent} -9"));
    }
    Exit::Interrupted
}

/// Ctrl-C: once interrupts the commands, twice kills them, three times leaves.
pub(super) struct Interrupts {
    signal: tokio::signal::unix::Signal,
    wish: watch::Sender<Wish>,
    count: u32,
}

impl Interrupts {
    pub(super) fn listen(wish: watch::Sender<Wish>) -> Result<Self, Failure> {
        let kind = tokio::signal::unix::SignalKind::interrupt();
        Ok(Self { signal: tokio::signal::unix::signal(kind)?, wish, count: 0 })
    }

    /// Whether there was one.
    pub(super) const fn any(&self) -> bool {
        self.count > 0
    }

    /// Passes each Ctrl-C on, and returns when there is nothing more to wait for. To be awaited
    /// anew after each other event: that gives the commands their time again, as they still speak.
    pub(super) async fn patience_is_over(&mut self) {
        loop {
            tokio::select! {
                _ = self.signal.recv() => {}
                () = sleep(GRACE), if self.count > 0 => return,
            }
            self.count += 1;
            match self.count {
                1 => {
                    out::say("gantline: interrupting; once more to kill");
                    self.wish.send_replace(Wish::Interrupt);
                }
                2 => {
                    out::say("gantline: killing; once more to leave");
                    self.wish.send_replace(Wish::Kill);
                }
                _ => return,
            }
        }
    }
}
