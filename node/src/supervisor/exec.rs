//! A command without a terminal: standard output and standard error apart, and how it ended. It is
//! an agent like any other; its log has both outputs, with marks that tell them apart.

use std::{
    collections::VecDeque,
    io,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gantline_protocol::{
    AgentId, Timestamp,
    api::{ExecBytes, ExecEvent, ExitStatus, signal::Signal},
};
use rustix::process::Pid;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::agent::kill;
use crate::pty::{
    command::Prepared,
    host::{Ended, last_words},
    log::{Log, MarkKind},
    tree::Tree,
};

/// Events that wait for whoever listens. When there are so many the command waits, unless nobody
/// listens any more.
const WAITING: usize = 16;
/// Bytes that may wait for whoever listens once the command has ended and nobody waits any more.
/// What is more than that was written by what it left behind, and is in the log only.
const LEFT_OVER: usize = 4 << 20;
/// How long a command may take to end after its time is over.
const GRACE: Duration = Duration::from_secs(2);

/// The process group of a command. While one of these is there, what the command has left behind may
/// write to its log.
#[derive(Debug, Clone)]
pub(super) struct Group {
    tree: Tree,
    has_ended: watch::Receiver<bool>,
    _reading: Arc<DropGuard>,
}

/// A command that was started.
pub(super) struct Process {
    child: Child,
    tree: Tree,
    ended: watch::Sender<bool>,
    /// Nobody wants to know any more what is written.
    forgotten: CancellationToken,
    log: Log,
}

/// What becomes of a command. Dropping this leaves the command alone.
#[derive(Debug)]
pub struct Exec {
    agent: AgentId,
    events: mpsc::Receiver<ExecEvent>,
    is_over: bool,
}

impl Exec {
    /// The agent that the command became.
    #[must_use]
    pub const fn agent(&self) -> AgentId {
        self.agent
    }

    /// The next event; `None` after the exit. Giving the wait up loses nothing.
    pub async fn next(&mut self) -> Option<ExecEvent> {
        if self.is_over {
            return None;
        }
        let event = self.events.recv().await;
        self.is_over = matches!(event, None | Some(ExecEvent::Exit { .. }));
        event
    }
}

impl Process {
    pub(super) fn start(command: &Prepared, log: Log) -> io::Result<(Self, Group)> {
        let child = Command::new(&command.program)
            .args(&command.arguments)
            .current_dir(&command.cwd)
            .env_clear()
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("it has no process id"))?;
        let tree = Tree::new(pid, command.mark());
        let (ended, has_ended) = watch::channel(false);
        let forgotten = CancellationToken::new();
        let reading = Arc::new(forgotten.clone().drop_guard());
        let group = Group { tree: tree.clone(), has_ended, _reading: reading };
        Ok((Self { child, tree, ended, forgotten, log }, group))
    }

    /// Reads what the command writes and waits for its end; `on_end` is told how.
    pub(super) fn run(
        self,
        agent: AgentId,
        began: Timestamp,
        limit: Option<Duration>,
        on_end: impl FnOnce(Ended) + Send + 'static,
    ) -> Exec {
        let (sender, events) = mpsc::channel(WAITING);
        // There is room: nothing was sent yet.
        let _ = sender.try_send(ExecEvent::Start { agent_id: agent, at: began });
        tokio::spawn(self.see_through(sender, limit, on_end));
        Exec { agent, events, is_over: false }
    }

    async fn see_through(
        mut self,
        events: mpsc::Sender<ExecEvent>,
        limit: Option<Duration>,
        on_end: impl FnOnce(Ended),
    ) {
        let listener = Arc::new(Listener::new(events));
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        let out = read(out, MarkKind::Stdout, ExecEvent::Out, self.log.clone(), listener.clone());
        let err = read(err, MarkKind::Stderr, ExecEvent::Err, self.log.clone(), listener.clone());
        let forgotten = self.forgotten;
        let mut reading = tokio::spawn(async move {
            tokio::select! {
                _ = async { tokio::join!(out, err) } => {}
                () = forgotten.cancelled() => {}
            }
        });
        let tree = self.tree.clone();
        let mut is_over_time = false;
        let over_time = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
            is_over_time = true;
            tree.signal(Signal::Term);
            // A process that is stopped can't hear it.
            tree.signal(Signal::Cont);
            sleep(GRACE).await;
            kill(tree).await;
            std::future::pending::<io::Result<_>>().await
        };
        let status = tokio::select! {
            status = self.child.wait() => status,
            status = over_time => status,
        };
        self.tree.reap(|| ());
        if is_over_time {
            // What it left behind has no more time than itself.
            kill(self.tree).await;
        }
        listener.let_go();
        last_words(&mut reading, &self.log).await;
        let left_over = listener.close();
        let ended = status.ok().and_then(how);
        self.log.close();
        self.ended.send_replace(true);
        on_end(ended);
        let exit = ExecEvent::Exit { at: std::time::SystemTime::now().into(), status: ended };
        for event in left_over.into_iter().chain([exit]) {
            if listener.events.send(event).await.is_err() {
                // Whoever has left does not hear it.
                return;
            }
        }
    }
}

type Kind = fn(ExecBytes) -> ExecEvent;

/// Whoever listens to a command, as long as they do.
struct Listener {
    events: mpsc::Sender<ExecEvent>,
    /// The command has ended: nobody waits for the listener any more.
    let_go: CancellationToken,
    left_over: Mutex<LeftOver>,
}

/// What was written when nobody waited for the listener any more.
#[derive(Default)]
struct LeftOver {
    events: VecDeque<ExecEvent>,
    bytes: usize,
    is_closed: bool,
}

impl Listener {
    fn new(events: mpsc::Sender<ExecEvent>) -> Self {
        Self { events, let_go: CancellationToken::new(), left_over: Mutex::default() }
    }

    fn let_go(&self) {
        self.let_go.cancel();
    }

    /// Nothing is told any more. Returns what could not be told yet.
    fn close(&self) -> VecDeque<ExecEvent> {
        let mut left_over = self.left_over();
        left_over.is_closed = true;
        std::mem::take(&mut left_over.events)
    }

    async fn tell(&self, kind: Kind, bytes: ExecBytes) {
        tokio::select! {
            biased;
            () = self.let_go.cancelled() => {
                let length = bytes.as_slice().len();
                let mut left_over = self.left_over();
                if !left_over.is_closed && left_over.bytes + length <= LEFT_OVER {
                    left_over.bytes += length;
                    left_over.events.push_back(kind(bytes));
                }
            }
            permit = self.events.reserve() => {
                // Whoever has left hears nothing; the command goes on.
                if let Ok(permit) = permit {
                    permit.send(kind(bytes));
                }
            }
        }
    }

    fn left_over(&self) -> MutexGuard<'_, LeftOver> {
        // Nothing in here can panic half-way.
        self.left_over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads one output to its end, cut between characters.
async fn read(
    stream: Option<impl AsyncRead + Unpin>,
    kind: MarkKind,
    event: Kind,
    log: Log,
    listener: Arc<Listener>,
) {
    let Some(mut stream) = stream else { return };
    let mut pending = Vec::new();
    loop {
        let start = pending.len();
        pending.resize(ExecBytes::MAX, 0);
        let read = match pending.get_mut(start..) {
            Some(room) => stream.read(room).await.unwrap_or(0),
            None => 0,
        };
        pending.truncate(start + read);
        log.append_marked(pending.get(start..).unwrap_or_default(), (read > 0).then_some(kind));
        let whole = if read == 0 { pending.len() } else { whole_characters(&pending) };
        let rest = pending.split_off(whole);
        if let Ok(bytes) = ExecBytes::try_from(std::mem::replace(&mut pending, rest))
            && !bytes.as_slice().is_empty()
        {
            listener.tell(event, bytes).await;
        }
        if read == 0 {
            return;
        }
    }
}

/// How many bytes at the beginning are not part of a character whose end may still come.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        // Only an unfinished character at the very end waits, which has at most 3 bytes.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Ok(_) | Err(_) => bytes.len(),
    }
}

fn how(status: std::process::ExitStatus) -> Ended {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().map(ExitStatus::Code).or_else(|| status.signal().map(ExitStatus::Signal))
}

impl Group {
    pub(super) fn pid(&self) -> u32 {
        self.tree.root().as_raw_nonzero().get().unsigned_abs()
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.tree.signal(signal);
    }

    pub(super) const fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(super) async fn wait(&self) {
        let mut has_ended = self.has_ended.clone();
        let _ = has_ended.wait_for(|ended| *ended).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_cut_by_a_pipe_stays_text() {
        let text = "naïve 机器 🙂".as_bytes();
        for cut in 0..=text.len() {
            let whole = whole_characters(&text[..cut]);
            assert!(std::str::from_utf8(&text[..whole]).is_ok());
            assert!(cut - whole < 4);
        }
        assert_eq!(whole_characters(b"\xff\xfe and more"), 11, "what is no text does not wait");
    }
}
