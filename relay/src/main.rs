//! The binary `gantline-relay`: reads the command line and hands over to one verb.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
