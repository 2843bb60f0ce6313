//! The conversation with an agent's terminal: opened, opened again, and spoken into by a task of
//! its own, so that an agent that takes no input holds up nothing else.

use std::time::Duration;

use gantline_client::{
    Client, RequestError,
    session::Session,
    terminal::{TerminalReceiver, TerminalSender},
};
use gantline_protocol::{
    AgentId,
    api::ProblemCode,
    terminal::{Attach, ViewerMessage},
};
use gantline_transport::Backoff;
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::viewer::Act;
use crate::cli::{
    failure::{Exit, Failure},
    reach::{Reach, Reached, Target},
};

/// Messages that wait to be sent. A viewer holds back its input long before there are so many; a
/// conversation that takes none of them is broken.
const WAITING: usize = 4096;
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long one try to come back may take.
const TRY: Duration = Duration::from_secs(15);
/// A person looks at this terminal, so it is not left alone for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A conversation.
#[derive(Debug)]
pub(super) struct Wire {
    reached: Reached,
    say: mpsc::Sender<Words>,
    speaking: JoinHandle<()>,
    pub(super) receiver: TerminalReceiver,
}

/// What is sent.
#[derive(Debug)]
enum Words {
    Input { seq: u64, bytes: bytes::Bytes },
    Say(ViewerMessage<'static>),
}

/// The conversation takes nothing any more.
#[derive(Debug)]
pub(super) struct Stuck;

impl Wire {
    /// Begins a conversation.
    pub(super) async fn open(
        reached: Reached,
        agent: AgentId,
        attach: Attach,
    ) -> Result<Self, (Reached, RequestError)> {
        match reached.connection.terminal(agent).await {
            Ok((mut sender, receiver)) => {
                // Before anything else: the node draws the screen while this gets ready to show it.
                if let Err(error) = sender.send(&ViewerMessage::Attach(attach)).await {
                    return Err((reached, error));
                }
                let (say, words) = mpsc::channel(WAITING);
                let speaking = tokio::spawn(speak(sender, words));
                Ok(Self { reached, say, speaking, receiver })
            }
            Err(error) => Err((reached, error)),
        }
    }

    /// Sends what the viewer wants to have sent; other acts are not its business.
    pub(super) fn send(&self, act: Act) -> Result<(), Stuck> {
        let words = match act {
            Act::Input { seq, bytes } => Words::Input { seq, bytes },
            Act::Say(message) => Words::Say(message),
            Act::Show { .. }
            | Act::Redraw { .. }
            | Act::Anew
            | Act::Away
            | Act::Back
            | Act::Notice(_)
            | Act::Ended(_)
            | Act::Fault(_) => return Ok(()),
        };
        self.say.try_send(words).map_err(|_| Stuck)
    }

    /// The session that carries it; none by the machine's own socket.
    pub(super) const fn session(&self) -> Option<&Session> {
        self.reached.connection.session()
    }

    /// Leaves in order, but does not wait for ever.
    pub(super) async fn leave(self) {
        let Self { reached, say, speaking, receiver } = self;
        let _ = say.try_send(Words::Say(ViewerMessage::Detach));
        drop(say);
        let farewell = async {
            let _ = speaking.await;
            drop(receiver);
            reached.connection.close().await;
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
}

async fn speak(mut sender: TerminalSender, mut words: mpsc::Receiver<Words>) {
    while let Some(words) = words.recv().await {
        let sent = match &words {
            Words::Input { seq, bytes } => {
                sender.send(&ViewerMessage::Input { seq: *seq, bytes }).await
            }
            Words::Say(message) => sender.send(message).await,
        };
        // Whoever listens learns it too.
        if sent.is_err() {
            return;
        }
    }
}

/// Begins the conversation anew, however long that takes.
///
/// # Errors
/// [`Failure`] when there is nothing to come back to.
pub(super) async fn come_back(
    reach: Reach,
    client: Client,
    target: Target,
    agent: AgentId,
    attach: Attach,
    mut backoff: Backoff,
) -> Result<(Box<Wire>, Backoff), Failure> {
    loop {
        sleep(backoff.fail(UnwrapErr(SysRng).next_u64()).min(LONGEST_WAIT)).await;
        let attempt = async {
            let reached = match reach.open(&client, target.clone()).await {
                Ok(reached) => reached,
                Err(failure) if failure.exit == Exit::Unreachable => return Ok(None),
                Err(failure) => return Err(failure),
            };
            match Wire::open(reached, agent, attach).await {
                Ok(wire) => Ok(Some(wire)),
                Err((reached, error)) if is_final(&error) => Err(refused(&reached, agent, error)),
                Err(_) => Ok(None),
            }
        };
        match timeout(TRY, attempt).await {
            Ok(Ok(Some(wire))) => return Ok((Box::new(wire), backoff)),
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(failure)) => return Err(failure),
        }
    }
}

/// What it means that the conversation can't be opened.
pub(super) fn refused(reached: &Reached, agent: AgentId, error: RequestError) -> Failure {
    if let RequestError::Problem(problem) = &error
        && problem.code == ProblemCode::NotFound
    {
        return Failure::failed(format!("{}: there is no agent {agent} (any more)", reached.name))
            .next("`gantline ps -a` lists them");
    }
    reached.failed(error)
}

fn is_final(error: &RequestError) -> bool {
    if error.is_revoked() {
        return true;
    }
    matches!(
        error,
        RequestError::Problem(problem) if matches!(
            problem.code,
            ProblemCode::NotFound
                | ProblemCode::RoleForbids
                | ProblemCode::PolicyForbids
                | ProblemCode::InvalidRequest
                | ProblemCode::Unauthenticated
                | ProblemCode::MethodNotAllowed
        )
    )
}
