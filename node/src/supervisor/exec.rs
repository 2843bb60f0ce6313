//! A command without a terminal, for whoever listens to it: standard output and standard error
//! apart, and how it ended. It is an agent like any other; its log has both outputs, with marks that
//! tell them apart, and is what the listener is told from.

use std::time::Duration;

use gantline_protocol::{
    AgentId, Offset, Timestamp,
    api::{ExecBytes, ExecEvent, signal::Signal},
    shim::MarkKind,
};
use tokio::time::sleep;

use crate::pty::{
    host::{End, Host},
    log::{Follower, Read},
};

/// How long a command may take to end after its time is over.
const GRACE: Duration = Duration::from_secs(2);
/// After how many bytes the command is told that it may go on.
const TAKEN: u64 = 64 * 1024;

/// What becomes of a command. The command waits for whoever has this, as long as it runs; dropping
/// this leaves it alone.
#[derive(Debug)]
pub struct Exec {
    agent: AgentId,
    began: Timestamp,
    host: Host,
    follower: Follower,
    phase: Phase,
    /// What comes next, and up to where the command knows that it was taken.
    at: Offset,
    taken: Offset,
    /// Which output it was last.
    stream: MarkKind,
    /// Of each output, the beginning of a character whose end is yet to come.
    cut_out: Vec<u8>,
    cut_err: Vec<u8>,
}

/// What is told next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Start,
    Output,
    /// What is left of characters, and then the exit.
    Rest(End),
    Over,
}

impl Exec {
    /// Listens to a command that was just started, and ends it when `limit` is over.
    pub(super) fn new(
        agent: AgentId,
        began: Timestamp,
        host: Host,
        limit: Option<Duration>,
    ) -> Self {
        if let Some(limit) = limit {
            let host = host.clone();
            tokio::spawn(async move {
                tokio::select! {
                    _ = host.wait() => {}
                    () = sleep(limit) => host.stop(Signal::Term, GRACE),
                }
            });
        }
        Self {
            agent,
            began,
            follower: host.log().follow(),
            host,
            phase: Phase::Start,
            at: Offset(0),
            taken: Offset(0),
            stream: MarkKind::Stdout,
            cut_out: Vec::new(),
            cut_err: Vec::new(),
        }
    }

    /// The agent that the command became.
    #[must_use]
    pub const fn agent(&self) -> AgentId {
        self.agent
    }

    /// The next event; `None` after the exit, and when output was lost that nobody can tell any more.
    /// Giving the wait up loses nothing.
    pub async fn next(&mut self) -> Option<ExecEvent> {
        loop {
            match self.phase {
                Phase::Start => {
                    self.phase = Phase::Output;
                    return Some(ExecEvent::Start { agent_id: self.agent, at: self.began });
                }
                Phase::Output => {
                    if let Some(event) = self.output().await {
                        return Some(event);
                    }
                }
                Phase::Rest(end) => {
                    let rests = [
                        (&mut self.cut_out, ExecEvent::Out as fn(ExecBytes) -> ExecEvent),
                        (&mut self.cut_err, ExecEvent::Err),
                    ];
                    for (cut, event) in rests {
                        if let Ok(bytes) = ExecBytes::try_from(std::mem::take(cut))
                            && !bytes.as_slice().is_empty()
                        {
                            return Some(event(bytes));
                        }
                    }
                    self.phase = Phase::Over;
                    return Some(ExecEvent::Exit { at: end.at, status: end.how });
                }
                Phase::Over => return None,
            }
        }
    }

    /// The next piece of output, if there is one already; else what comes next is known then.
    async fn output(&mut self) -> Option<ExecEvent> {
        let end = self.host.end();
        let left = end.map_or(u64::MAX, |end| end.offset.0.saturating_sub(self.at.0));
        if let Some(end) = end.filter(|_| left == 0) {
            self.phase = Phase::Rest(end);
            return None;
        }
        let room = ExecBytes::MAX - self.cut_out.len().max(self.cut_err.len());
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(room);
        match self.host.log().read(self.at, limit).await {
            Read::Bytes(bytes) => {
                let (stream, until) = self.host.log().stream_at(self.at);
                let length = until.map_or(u64::MAX, |until| until.0 - self.at.0);
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
                self.stream = stream.unwrap_or(self.stream);
                self.at = Offset(self.at.0 + length as u64);
                self.take_notice(TAKEN);
                self.event(bytes.get(..length).unwrap_or(&bytes))
            }
            Read::Gap { .. } => {
                self.phase = Phase::Over;
                None
            }
            Read::End => {
                self.take_notice(1);
                let at = self.at;
                tokio::select! {
                    _ = self.follower.beyond(at) => {}
                    _ = self.host.wait() => {}
                }
                None
            }
        }
    }

    /// Tells the command that it may go on, if it is worth it.
    fn take_notice(&mut self, worth: u64) {
        if self.at.0 - self.taken.0 >= worth {
            self.taken = self.at;
            self.host.taken(self.at);
        }
    }

    fn event(&mut self, bytes: &[u8]) -> Option<ExecEvent> {
        let (cut, event) = match self.stream {
            MarkKind::Stderr => (&mut self.cut_err, ExecEvent::Err as fn(ExecBytes) -> ExecEvent),
            MarkKind::Stdout | MarkKind::Resize(_) | MarkKind::Gap(_) => {
                (&mut self.cut_out, ExecEvent::Out as fn(ExecBytes) -> ExecEvent)
            }
        };
        let mut whole = std::mem::take(cut);
        whole.extend_from_slice(bytes);
        *cut = whole.split_off(whole_characters(&whole));
        let bytes = ExecBytes::try_from(whole).ok()?;
        (!bytes.as_slice().is_empty()).then(|| event(bytes))
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        self.host.release();
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
