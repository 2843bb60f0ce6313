//! The command line: one file for each verb, a folder for each noun. It prints, asks and exits; what
//! it does, the client library or the daemon does.

mod add;
mod agent;
mod apply;
mod attach;
mod care;
mod device;
mod each;
mod events;
mod everywhere;
mod exec;
mod export;
mod failure;
mod history;
mod identity;
mod invitation;
mod kill;
mod logs;
mod machines;
mod metrics;
mod open;
mod out;
mod pair;
mod ps;
mod qr;
mod reach;
mod restart;
mod rm;
mod set;
mod show;
mod spawn;
mod start;
mod status;
mod stop;
mod text;
mod top;
mod up;

use std::{ffi::OsStr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use self::{
    failure::{Exit, Failure},
    out::Color,
    reach::{PathChoice, Reach},
};
use crate::{memory, shim, state::Home};

/// Drive your own machines from anywhere, end to end encrypted through a relay that can't look in.
#[derive(Debug, Parser)]
#[command(name = "gantline", version, max_term_width = 100, after_help = EXITS)]
struct Cli<V: Subcommand = Verb> {
    /// Where this user's files are, instead of $GANTLINE_HOME or the user's own directories
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Take this path and no other; without it all are tried at once and the first one wins
    #[arg(long, global = true, value_enum)]
    path: Option<PathChoice>,
    /// When to use colours; beats NO_COLOR
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    #[command(subcommand)]
    verb: Option<V>,
}

const EXITS: &str = "\
Exit codes: 0 all went well, 1 failed, 2 wrong usage, 3 unreachable, 4 timed out, 130 interrupted.
exec on one machine and attach end with the exit code of the command.";

const FIRST_STEPS: &str = "\
Gantline drives your own machines from anywhere. Worth trying:

  gantline up                      let this machine run agents and be reached
  gantline spawn --attach -- bash  a shell that stays when you leave it with Ctrl-]
  gantline open                    the same in your browser
  gantline pair                    let another device of yours in

`gantline help` lists everything.
";

#[derive(Debug, Subcommand)]
enum Verb {
    Up(up::Args),
    Pair(pair::Args),
    Add(add::Args),
    Machines(machines::Args),
    Open(open::Args),
    Spawn(spawn::Args),
    Ps(ps::Args),
    Top(top::Args),
    Attach(attach::Args),
    Logs(logs::Args),
    Show(show::Args),
    Set(set::Args),
    Start(start::Args),
    Stop(stop::Args),
    Restart(restart::Args),
    Kill(kill::Args),
    Rm(rm::Args),
    Apply(apply::Args),
    Export(export::Args),
    Exec(exec::Args),
    History(history::Args),
    Metrics(metrics::Args),
    Status(status::Args),
    Device(device::Args),
    Invitation(invitation::Args),
    Identity(identity::Args),
}

/// Makes `parse`, which looks at what follows one of these verbs without the others: what all of them
/// take is built anew for each command, is a fifth of the time to a terminal, and stays in memory.
macro_rules! parse_alone {
    ($($word:literal => $verb:ident($args:ty)),*) => {
        fn parse(first: &OsStr) -> Cli {
            $(if first == $word {
                #[derive(Debug, Subcommand)]
                enum Alone {
                    $verb($args),
                }
                let Cli { home, path, color, verb } = Cli::<Alone>::parse();
                let verb = verb.map(|Alone::$verb(args)| Verb::$verb(args));
                return Cli { home, path, color, verb };
            })*
            Cli::parse()
        }
    };
}

parse_alone! {
    "up" => Up(up::Args),
    "attach" => Attach(attach::Args),
    "spawn" => Spawn(spawn::Args),
    "exec" => Exec(exec::Args),
    "ps" => Ps(ps::Args)
}

/// What every verb may need.
#[derive(Debug)]
struct Context {
    reach: Reach,
    color: Color,
}

/// Runs the command line of this process, and gives what it ends with.
#[must_use]
pub fn run() -> ExitCode {
    // Before anything else: a shim is to stay small.
    let first = std::env::args_os().nth(1).unwrap_or_default();
    if first == shim::VERB {
        return shim::run();
    }
    let cli = parse(&first);
    let color = cli.color;
    match begin(cli) {
        Ok(exit) => exit.code().into(),
        Err(failure) => {
            complain(&failure, color);
            failure.exit.code().into()
        }
    }
}

fn begin(cli: Cli) -> Result<Exit, Failure> {
    let Some(verb) = cli.verb else {
        out::data(FIRST_STEPS)?;
        return Ok(Exit::Ok);
    };
    let home = match &cli.home {
        Some(dir) => Home::below(dir)?,
        None => Home::locate()?,
    };
    let context = Context { reach: Reach::new(home, cli.path), color: cli.color };
    let mut runtime = match matches!(verb, Verb::Up(_)) {
        true => {
            memory::keep_together();
            tokio::runtime::Builder::new_multi_thread()
        }
        // On one thread nothing is handed from one to another: what a person waits for comes sooner.
        false => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    let result = runtime.block_on(verb.run(&context));
    // A thread that waits for standard input would wait for ever.
    runtime.shutdown_background();
    result
}

impl Verb {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Up(args) => up::run(args, context).await,
            Self::Pair(args) => pair::run(args, context).await,
            Self::Add(args) => add::run(args, context).await,
            Self::Machines(args) => machines::run(args, context).await,
            Self::Open(args) => open::run(args, context).await,
            Self::Spawn(args) => spawn::run(args, context).await,
            Self::Ps(args) => ps::run(args, context).await,
            Self::Top(args) => top::run(args, context).await,
            Self::Attach(args) => attach::run(args, context).await,
            Self::Logs(args) => logs::run(args, context).await,
            Self::Show(args) => show::run(args, context).await,
            Self::Set(args) => set::run(args, context).await,
            Self::Start(args) => start::run(args, context).await,
            Self::Stop(args) => stop::run(args, context).await,
            Self::Restart(args) => restart::run(args, context).await,
            Self::Kill(args) => kill::run(args, context).await,
            Self::Rm(args) => rm::run(args, context).await,
            Self::Apply(args) => apply::run(args, context).await,
            Self::Export(args) => export::run(args, context).await,
            Self::Exec(args) => exec::run(args, context).await,
            Self::History(args) => history::run(args, context).await,
            Self::Metrics(args) => metrics::run(args, context).await,
            Self::Status(args) => status::run(args, context).await,
            Self::Device(args) => device::run(args, context).await,
            Self::Invitation(args) => invitation::run(args, context).await,
            Self::Identity(args) => identity::run(&args, context),
        }
    }
}

fn complain(failure: &Failure, color: Color) {
    let text = failure.to_string();
    if text.is_empty() {
        return;
    }
    let (on, off) = if color.on_stderr() { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
    out::say(format!("{on}gantline:{off} {text}"));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_verb_teaches_by_an_example() {
        let command = Cli::<Verb>::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("gantline "), "{} has no example", verb.get_name());
        }
    }
}
