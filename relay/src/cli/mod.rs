//! The command line of `gantline-relay`. Owns the process: runtime, log, exit code.

mod duration;
mod machines;
mod output;
mod serve;
mod token;

use std::{env, io::IsTerminal, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use gantline_relay::state::StateDir;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Admits Gantline's nodes, joins clients to them, and can read nothing of what passes.
#[derive(Debug, Parser)]
#[command(name = "gantline-relay", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

/// Where the relay's state is.
#[derive(Debug, Args)]
struct Place {
    /// Directory of the relay's state [default: gantline-relay in $XDG_STATE_HOME or
    /// ~/.local/state]
    #[arg(long, global = true, value_name = "DIR", env = "GANTLINE_RELAY_STATE")]
    state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a relay in the foreground
    Serve(serve::Serve),
    /// Make, list and revoke the tokens by which machines join
    #[command(subcommand)]
    Token(token::Token),
    /// List the machines that the relay knows
    Machines(machines::Machines),
}

impl Place {
    fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.state_dir {
            Some(path) => Ok(path.clone()),
            None => {
                let variable = |name| env::var_os(name).map(PathBuf::from);
                Ok(StateDir::default_path(variable("XDG_STATE_HOME"), variable("HOME"))?)
            }
        }
    }

    /// How to name the same place again on a command line.
    fn flag(&self) -> String {
        match &self.state_dir {
            Some(path) => format!(" --state-dir {}", path.display()),
            None => String::new(),
        }
    }
}

/// Runs the command line of this process. 0: done; 1: not; 2: the command line is wrong.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let usual =
        || Targets::new().with_default(LevelFilter::INFO).with_target("sqlx", LevelFilter::WARN);
    let wanted = env::var("GANTLINE_LOG").ok().map(|said| said.parse::<Targets>());
    let (wanted, problem) = match wanted {
        Some(Ok(wanted)) => (wanted, None),
        Some(Err(why)) => (usual(), Some(why)),
        None => (usual(), None),
    };
    let has_colour = std::io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(has_colour);
    tracing_subscriber::registry().with(lines).with(wanted).init();
    if let Some(why) = problem {
        tracing::warn!(%why, "GANTLINE_LOG is not understood; write it like info,sqlx=warn");
    }
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system gives no threads")
        .and_then(|runtime| runtime.block_on(cli.run()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    async fn run(self) -> anyhow::Result<()> {
        match self.verb {
            Verb::Serve(serve) => serve.run(&self.place).await,
            Verb::Token(token) => token.run(&self.place).await,
            Verb::Machines(machines) => machines.run(&self.place).await,
        }
    }
}
