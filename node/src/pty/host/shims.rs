//! Where shims and the files of agents are, and what earlier lives of an agent have left there.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use gantline_protocol::{AgentId, Offset};
use tokio::task::spawn_blocking;

use crate::{
    pty::log::{Limits, Log, Source},
    shim::{
        log::kept,
        record::{Definition, Record},
    },
};

/// Where shims and what they keep are.
#[derive(Debug, Clone)]
pub struct Shims {
    /// The program that is a shim when it is told so.
    pub program: PathBuf,
    /// Where each agent has a directory.
    pub log_dir: PathBuf,
    /// Where each shim has its socket.
    pub run_dir: PathBuf,
}

impl Shims {
    pub(crate) fn record(&self, agent: AgentId) -> Record {
        Record::new(self.log_dir.join(agent.to_string()))
    }

    /// The files of one life of an agent: of the first in the agent's directory, of each later one in
    /// a directory of its own in there.
    pub(crate) fn life(&self, definition: &Definition) -> Record {
        let of_agent = self.record(definition.agent_id);
        match definition.number {
            ..=1 => of_agent,
            _ => Record::new(of_agent.dir().join(format!("{:016x}", definition.epoch.0))),
        }
    }

    /// What an earlier life of an agent has written, as far as it is kept.
    pub(crate) async fn kept_log(&self, definition: &Definition) -> Log {
        let (record, epoch) = (self.life(definition), definition.epoch);
        let left = spawn_blocking(move || {
            let end = record.exit().ok().flatten().map_or(Offset(0), |exit| exit.end);
            kept(record.dir(), end, record.marks())
        });
        let log = Log::new(epoch, Limits::default());
        if let Ok(left) = left.await {
            let end = left.end();
            log.ask(Source::Files(Arc::new(Mutex::new(left))));
            log.close(end);
        }
        log
    }

    pub(super) fn socket(&self, agent: AgentId) -> PathBuf {
        self.run_dir.join(format!("{agent}.sock"))
    }
}
