//! Why an agent is in its state, as facts; people read them through [`Reason::told`].

use gantline_protocol::{
    AgentId,
    api::{DependencyCondition, ExitStatus},
};
use serde::{Deserialize, Serialize};

/// Why an agent is in its state, where the state does not say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// It waits for other agents. What for is found out anew by each node.
    #[serde(skip)]
    Waits(Vec<Awaited>),
    /// It waits until what its last process left behind is gone.
    LeftBehind,
    /// Its process ended like this; nobody saw how if `None`.
    Ended(Option<ExitStatus>),
    /// Its process could not be started.
    NotStarted(String),
    /// Its probe fails.
    Unwell(String),
    /// It ended too often; the last end, and its last words.
    TooOften { how: Option<ExitStatus>, why: Option<String>, said: Option<String> },
    /// A person stopped it.
    Stopped,
    /// The machine was started anew while it ran.
    Rebooted,
}

/// Another agent, and what must become true of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Awaited {
    pub(crate) agent: AgentId,
    pub(crate) condition: DependencyCondition,
    /// Why that does not become true by itself any more.
    pub(crate) hopeless: Option<&'static str>,
}

impl Reason {
    /// The same for people. `name` is what they call an agent.
    pub(crate) fn told(&self, name: impl Fn(AgentId) -> String) -> String {
        match self {
            Self::Waits(awaited) => {
                let each = awaited.iter().map(|one| {
                    let what = match one.condition {
                        DependencyCondition::Started => "to be started",
                        DependencyCondition::Healthy => "to be healthy",
                        DependencyCondition::Completed => "to complete",
                    };
                    let but = one.hopeless.map(|why| format!(", but {why}")).unwrap_or_default();
                    format!("{} {what}{but}", name(one.agent))
                });
                format!("waits for {}", each.collect::<Vec<_>>().join("; for "))
            }
            Self::LeftBehind => {
                "waits until what its last process left behind has ended".to_owned()
            }
            Self::Ended(how) => ended(*how),
            Self::NotStarted(why) => why.clone(),
            Self::Unwell(why) => format!("its probe fails: {why}"),
            Self::TooOften { how, why, said } => {
                let last = why.clone().unwrap_or_else(|| ended(*how));
                let said = said.as_deref().map(|said| format!(". Its last lines:\n{said}"));
                format!(
                    "its process ended {} times within {} s, and is not started again; the last time: \
                     {last}{}",
                    super::restarts::TOO_MANY,
                    super::restarts::WINDOW.as_secs(),
                    said.unwrap_or_default()
                )
            }
            Self::Stopped => "it was stopped".to_owned(),
            Self::Rebooted => "the machine was started anew while it ran".to_owned(),
        }
    }
}

fn ended(how: Option<ExitStatus>) -> String {
    match how {
        Some(ExitStatus::Code(code)) => format!("its process ended with exit code {code}"),
        Some(ExitStatus::Signal(signal)) => format!("its process was ended by signal {signal}"),
        None => "its process is gone, and nobody saw how it ended".to_owned(),
    }
}
