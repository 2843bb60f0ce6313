//! The program `gantline`: the command line, and the node.

use std::process::ExitCode;

fn main() -> ExitCode {
    gantline_node::cli::run()
}
