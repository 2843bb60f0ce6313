//! A command without a terminal: standard output and standard error apart, and how it ended. It is
//! an agent like any other; its log has both outputs, with marks that tell them apart.

use std::{
    io,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gantline_protocol::{
    AgentId, Timestamp,
    api::{ExecBytes, ExecEvent, ExitStatus, signal::Signal},
};
use rustix::process::{Pid, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use crate::pty::{
    command::Prepared,
    host::{Ended, kill_tree, number},
    log::{Log, MarkKind},
};

/// Events that wait for whoever listens. When there are so many the command waits, unless nobody
/// listens any more.
const WAITING: usize = 16;
/// How long output may still come after the process has ended: from what it left behind.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How long a command may take to end after its time is over.
const GRACE: Duration = Duration::from_secs(2);

/// The process group of a command.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pid: Pid,
    has_ended: watch::Receiver<bool>,
}

/// A command that was started.
pub(super) struct Process {
    child: Child,
    group: Group,
    ended: watch::Sender<bool>,
    log: Log,
}

/// What becomes of a command. Dropping this leaves the command alone.
#[derive(Debug)]
pub struct Exec {
    agent: AgentId,
    events: mpsc::Receiver<ExecEvent>,
}

impl Exec {
    /// The agent that the command became.
    #[must_use]
    pub const fn agent(&self) -> AgentId {
        self.agent
    }

    /// The next event; `None` after the exit. Giving the wait up loses nothing.
    pub async fn next(&mut self) -> Option<ExecEvent> {
        self.events.recv().await
    }
}

impl Process {
    pub(super) fn start(command: &Prepared, log: Log) -> io::Result<Self> {
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
        let (ended, has_ended) = watch::channel(false);
        Ok(Self { child, group: Group { pid, has_ended }, ended, log })
    }

    pub(super) fn group(&self) -> Group {
        self.group.clone()
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
        Exec { agent, events }
    }

    async fn see_through(
        mut self,
        events: mpsc::Sender<ExecEvent>,
        limit: Option<Duration>,
        on_end: impl FnOnce(Ended),
    ) {
        let streams = (self.child.stdout.take(), self.child.stderr.take());
        let listening =
            Arc::new(Listening { events: events.clone(), is_left: AtomicBool::new(false) });
        let out =
            read(streams.0, MarkKind::Stdout, ExecEvent::Out, self.log.clone(), listening.clone());
        let err = read(streams.1, MarkKind::Stderr, ExecEvent::Err, self.log.clone(), listening);
        let reading = tokio::spawn(async { tokio::join!(out, err) });
        let abort = reading.abort_handle();
        let group = self.group.clone();
        let over_time = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
            group.signal(Signal::Term);
            sleep(GRACE).await;
            group.kill_tree();
            std::future::pending::<()>().await;
        };
        let status = tokio::select! {
            status = self.child.wait() => status.ok(),
            () = over_time => None,
        };
        // Whatever still holds the pipes is not waited for.
        if timeout(LAST_WORDS, reading).await.is_err() {
            abort.abort();
        }
        let ended = status.and_then(how);
        self.log.close();
        self.ended.send_replace(true);
        on_end(ended);
        let exit = ExecEvent::Exit { at: std::time::SystemTime::now().into(), status: ended };
        // Whoever has left does not hear it.
        let _ = events.send(exit).await;
    }
}

/// Whoever listens to a command, as long as they do.
struct Listening {
    events: mpsc::Sender<ExecEvent>,
    is_left: AtomicBool,
}

impl Listening {
    async fn tell(&self, event: ExecEvent) {
        if !self.is_left.load(Ordering::Relaxed) && self.events.send(event).await.is_err() {
            self.is_left.store(true, Ordering::Relaxed);
        }
    }
}

/// Reads one output to its end, cut between characters.
async fn read(
    stream: Option<impl AsyncRead + Unpin>,
    kind: MarkKind,
    event: fn(ExecBytes) -> ExecEvent,
    log: Log,
    listening: Arc<Listening>,
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
            listening.tell(event(bytes)).await;
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
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub(super) fn signal(&self, signal: Signal) {
        if !*self.has_ended.borrow() {
            // Whoever is gone already needs no signal.
            let _ = kill_process_group(self.pid, number(signal));
        }
    }

    pub(super) fn kill_tree(&self) {
        kill_tree(self.pid, *self.has_ended.borrow());
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
