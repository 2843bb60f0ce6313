//! Probes: checks, made again and again, of whether an agent is well. A [`Runner`] makes them and
//! says what each came to; how many of them count, and what follows, the supervisor decides.

mod exec;
mod http;
mod line;
mod tcp;

use std::{future::pending, io, time::Duration};

use gantline_protocol::{
    AgentId,
    api::{self, ExitStatus, Probe, ProbeCheck},
};
use tokio::time::{sleep, timeout};

use crate::pty::{command::CommandError, log::Log};

use line::LineSearch;

/// The agent whose process is checked, in one of its lives.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name on this machine.
    pub agent: AgentId,
    /// What it runs. A check by a command runs in the same directory and environment.
    pub command: api::Command,
    /// What it writes in this life.
    pub log: Log,
    /// It was well in this same life already, as another node knew: a line that it wrote need not be
    /// kept any more.
    pub was_well: bool,
}

/// What one check came to.
pub type Checked = Result<(), ProbeFailure>;

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    /// It took too long.
    #[error("it took longer than {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// Nothing takes connections there.
    #[error("nothing takes connections on port {port}: {error}")]
    NotConnected {
        /// The port.
        port: u16,
        /// What the system said.
        error: io::Error,
    },
    /// Something takes connections there and does not speak HTTP.
    #[error("what answers on port {port} is no HTTP: {why}")]
    NoHttp {
        /// The port.
        port: u16,
        /// What is wrong with it.
        why: String,
    },
    /// The answer says that something is wrong.
    #[error("it answers {0}")]
    Status(::http::StatusCode),
    /// The command can't be run.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The system does not run the command.
    #[error("the system does not run it: {0}")]
    NotRun(#[source] io::Error),
    /// The command says that something is wrong.
    #[error("it {}{}", Ended(.status), Said(.said))]
    Exit {
        /// How it ended.
        status: ExitStatus,
        /// The last line that it wrote, without control sequences: a stranger's text.
        said: Option<String>,
    },
    /// The line did not come yet.
    #[error("it has not written the line yet")]
    NoLine,
}

/// Checks one life of an agent's process, for as long as somebody asks.
#[derive(Debug)]
pub struct Runner {
    subject: Subject,
    interval: Duration,
    timeout: Duration,
    check: Check,
    /// The next check waits for the interval.
    has_checked: bool,
}

#[derive(Debug)]
enum Check {
    Tcp(u16),
    Http(u16, String),
    Exec(api::Argv),
    Line(Box<LineSearch>),
}

impl Runner {
    /// Checks `subject` as `probe` says.
    #[must_use]
    pub fn new(probe: &Probe, subject: Subject) -> Self {
        let check = match &probe.check {
            ProbeCheck::Tcp { port } => Check::Tcp(port.get()),
            ProbeCheck::Http { port, path } => Check::Http(port.get(), path.as_str().to_owned()),
            ProbeCheck::Exec { argv } => Check::Exec(argv.clone()),
            ProbeCheck::Line { text } => {
                let search = LineSearch::new(text.as_str(), &subject.log, subject.was_well);
                Check::Line(Box::new(search))
            }
        };
        let millis = |millis: u32| Duration::from_millis(millis.into());
        let (interval, timeout) = (millis(probe.pace.interval_ms), millis(probe.pace.timeout_ms));
        Self { subject, interval, timeout, check, has_checked: false }
    }

    /// What the next check comes to: the first one is made at once, each further one the interval
    /// after the end of the one before. After a line has come there is no further check: then this
    /// never returns. Giving the wait up breaks off the check, ends the command that it runs, and
    /// loses nothing else.
    pub async fn next(&mut self) -> Checked {
        let wait = if self.has_checked { self.interval } else { Duration::ZERO };
        if let Check::Line(search) = &mut self.check {
            if search.is_over() {
                return pending().await;
            }
            // It is looked at all the time, and told at once.
            let checked = timeout(wait + self.timeout, search.found()).await;
            self.has_checked = true;
            return checked.map_err(|_| ProbeFailure::NoLine);
        }
        sleep(wait).await;
        let checked = timeout(self.timeout, self.check()).await;
        self.has_checked = true;
        checked.unwrap_or(Err(ProbeFailure::TimedOut(self.timeout)))
    }

    async fn check(&self) -> Checked {
        match &self.check {
            Check::Tcp(port) => tcp::check(*port).await,
            Check::Http(port, path) => http::check(*port, path).await,
            Check::Exec(argv) => exec::check(argv, &self.subject).await,
            Check::Line(_) => Err(ProbeFailure::NoLine),
        }
    }
}

struct Ended<'a>(&'a ExitStatus);

impl std::fmt::Display for Ended<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ExitStatus::Code(code) => write!(f, "ended with code {code}"),
            ExitStatus::Signal(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

struct Said<'a>(&'a Option<String>);

impl std::fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(said) => write!(f, ": {said}"),
            None => Ok(()),
        }
    }
}
