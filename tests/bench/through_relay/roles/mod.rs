//! What this program is when it is started again with a role.

mod hop;
mod node;
mod service;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{
    bare::{quic, websocket},
    runtime,
};

/// Plays the role that these arguments name, until standard input ends; `None` if they name none.
pub(crate) fn play(arguments: &[String]) -> Option<Result<()>> {
    let (role, rest) = arguments.split_first()?;
    let roles = ["node", "crowd", "service", "splice", "sink", "hop"];
    roles.contains(&role.as_str()).then(|| start(role, rest))
}

fn start(role: &str, arguments: &[String]) -> Result<()> {
    let argument = |index: usize| arguments.get(index).map(String::as_str).context("an argument");
    let runtime = runtime()?;
    match role {
        "node" => runtime.block_on(node::node(Path::new(argument(0)?), argument(1)?, argument(2)?)),
        "crowd" => {
            let which = argument(3)?.parse()?..argument(4)?.parse()?;
            let homes = Path::new(argument(0)?);
            runtime.block_on(node::crowd(homes, argument(1)?, argument(2)?, which))
        }
        "service" => service::service(),
        "splice" => match argument(0)? {
            "quic" => runtime.block_on(quic::splice()),
            certificate => runtime.block_on(websocket::splice(Path::new(certificate))),
        },
        "sink" => match argument(0)? {
            "quic" => runtime.block_on(quic::sink(argument(1)?)),
            certificate => runtime.block_on(websocket::sink(argument(1)?, Path::new(certificate))),
        },
        "hop" => hop::hop(Path::new(argument(0)?), arguments.get(1).map(Path::new)),
        _ => bail!("no role {role}"),
    }
}
